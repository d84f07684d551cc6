mod epochs;
mod handshake;
mod keys;
mod mutation;
mod pair;
mod resumption;
mod shed;
mod trust;
