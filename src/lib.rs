//! Undertone: end-to-end encrypted chat over a UDP transport of its own.
//!
//! The programs are `chat-server` and `chat-client`; what they are made of is in the crates that this
//! one re-exports, and each can be taken alone. From the bottom:
//!
//! | crate | what it is |
//! |---|---|
//! | [`codec`], [`crypto`] | bounded reading and writing; the one door to cryptography |
//! | [`internet`] | packets with integrity |
//! | [`transport`] | connections and streams: TCP's promises, many at once |
//! | [`tls`] | the channel: TLS 1.3 behind transport's `Session` |
//! | [`net`] | sockets, clocks and threads: what drives the machines above |
//! | [`chat`], [`e2e`] | the application's protocol; what is sealed from end to end |
//! | [`store`] | what outlives the process |
//! | [`server`], [`client`] | the two ends, as machines |
//!
//! # Two programs that talk
//!
//! With blocking handles it takes few lines. A server has an identity, an RSA key whose fingerprint
//! its clients know; a [`transport::Gate`] decides who may connect; streams go to ports.
//!
//! ```
//! use std::io::{Read, Write};
//!
//! use undertone::crypto::{RsaBits, Secret, SigningKey};
//! use undertone::net::{OsRandom, blocking::Node, unix_time_s};
//! use undertone::tls::{ClientSessions, Lifetime, NodeCertificate, ServerSessions, Trust, WallClock};
//! use undertone::transport::{Accept, AddressGate, Config, Mode};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clock = WallClock::new(unix_time_s());
//!
//! // A server keeps its identity on disk; this one lives for a moment.
//! let identity = SigningKey::generate(RsaBits::B3072, &mut OsRandom)?;
//! let fingerprint = identity.verifying_key().fingerprint();
//! let certificate =
//!     NodeCertificate::issue(identity.to_pkcs8().expose(), clock.now(), Lifetime::Online)?;
//! let accept = Accept {
//!     sessions: Box::new(ServerSessions::new(certificate, &clock)?),
//!     gate: Box::new(AddressGate::new(Secret::generate(&mut OsRandom))),
//!     secret: Secret::generate(&mut OsRandom),
//! };
//! let mut config = Config::default();
//! config.ports.insert(7);
//! let server = Node::server("127.0.0.1:0".parse()?, config, accept)?;
//! let address = server.local_addr();
//!
//! std::thread::spawn(move || -> std::io::Result<()> {
//!     let connection = server.accept()?;
//!     let (_port, mut stream) = connection.accept_stream()?;
//!     let mut question = String::new();
//!     stream.read_to_string(&mut question)?;
//!     stream.write_all(question.to_uppercase().as_bytes())?;
//!     stream.close()
//! });
//!
//! // A client that accepts this very server and no other.
//! let client = Node::client(Config::default())?;
//! let sessions = ClientSessions::new(Trust::Pinned(fingerprint), &clock)?;
//! let connection = client.connect(address, Box::new(sessions))?;
//! let mut stream = connection.open(7, Mode::Bytes)?;
//! stream.write_all(b"is anybody there?")?;
//! stream.finish()?;
//! let mut answer = String::new();
//! stream.read_to_string(&mut answer)?;
//! assert_eq!(answer, "IS ANYBODY THERE?");
//! # Ok(())
//! # }
//! ```
//!
//! # A loop of one's own
//!
//! Every machine below `net` is told the time, takes datagrams and gives datagrams; it reads no clock
//! and opens no socket. [`transport::Machine`] is that vocabulary. `examples/own_loop.rs` drives an
//! endpoint by hand, `examples/two_nodes.rs` lets two of them talk in memory.
#![forbid(unsafe_code)]

pub use {chat, client, codec, crypto, e2e, internet, net, server, store, tls, transport};

pub mod cli;
pub mod run;
