//! Sealed messages, end to end (PROTOCOL.md §8.3 and §8.4).
//!
//! ```text
//! seal(identity, outgoing)  ->  Sealed { bytes, chain }
//!
//! bytes -> SealedMessage::decode -> .verify(local, pin) -> Verified -> .decrypt(identity) -> Opened
//!            parsed                   addressed to me,       ^
//!                                     pinned key, signature  ReceiveState::arrive, store, acknowledge
//! ```
//!
//! Every failure is one [`Unopened`], the same for all that could answer to it.

mod header;
mod message;
mod open;
mod padding;
mod schedule;
mod seal;
mod unopened;

pub use header::{Header, Kind, ManifestHead, Suite};
pub use message::{SEALED_BYTES_MAX, SealedMessage};
#[cfg(feature = "danger-fuzzing")]
pub(crate) use open::content;
pub use open::{Content, Local, Opened, Verified};
pub use padding::{PADDED_BYTES_MAX, PADDED_BYTES_MIN, TEXT_BYTES_MAX};
pub use seal::{Body, Outgoing, SealError, Sealed, seal};
pub use unopened::{Reason, Unopened};

#[cfg(test)]
mod tests;
