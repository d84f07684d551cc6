//! Login and registration: OPAQUE (RFC 9807) bound to the channel, then a signature (PROTOCOL.md
//! §6.4 and on).
//!
//! ```text
//! client                                        server
//! ClientLogin::start       LoginStart     ->    Throttle, ServerSecrets::login_start
//! ClientLogin::finish  <-  LoginResponse        (a worker: this stretches the password)
//!                          LoginFinish    ->    ServerLogin::finish
//!                      <-  Credentials
//! make_proof               Proof          ->    verify_proof
//! ```
//!
//! Each step consumes the state before it, so none can be taken twice or out of turn. `channel` is
//! always `E`, the channel's exported 32 bytes (§5): what is proven on one channel proves nothing
//! on another.

mod client;
mod password;
mod proof;
mod registration;
mod server;
mod stretch;
mod suite;
mod throttle;
mod work;

pub use client::{ClientLogin, ClientRegistration, LoggedIn, LoginError, RegisteredPassword};
pub use password::{InvalidPassword, PASSWORD_LEN_MAX, Password};
pub use proof::{ProofContext, make_proof, verify_proof};
pub use registration::{AccountKeys, KeysRefused, sign_registration, verify_registration};
pub use server::{InvalidSecrets, LoginFailed, PasswordRecord, ServerLogin, ServerSecrets};
pub use stretch::{KsfId, UnknownKsf};
pub use throttle::{Price, Throttle, Ticket};
pub use work::{solve_login_work, verify_login_work};

#[cfg(test)]
mod tests;
