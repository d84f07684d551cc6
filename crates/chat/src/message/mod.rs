//! Every message between client and server after the channel stands (PROTOCOL.md §6, §7).
//!
//! ```text
//! +------+--------------------------------------------+
//! | type | body: one CBOR map with integer keys       |
//! +------+--------------------------------------------+
//!   1 byte   RFC 8949 §4.2.1: shortest lengths, definite, keys ascending
//! ```
//!
//! A message is one message of a message-mode stream. It has exactly one encoding: another one, an
//! unknown key, or bytes left over are errors. So whoever hashes or signs a message that was
//! decoded has hashed what was received.
//!
//! | types | from | port |
//! |---|---|---|
//! | 0x01-0x0f | client, [`LoginClientMessage`] | 1 |
//! | 0x11-0x1f | server, [`LoginServerMessage`] | 1 |
//! | 0x21-0x2f | client, [`SessionClientMessage`] | 2 |
//! | 0x31-0x3f | server, [`SessionServerMessage`] | 2 |

mod bounded;
mod canonical;
mod login_client;
mod login_server;
mod manifest;
mod session_client;
mod session_server;
mod wire;

pub use bounded::{AboveLimit, Blob, List, Text};
pub use login_client::{
    LoginClientMessage, LoginFinish, LoginStart, LoginWorkSolution, Proof, RegisterFinish,
    RegisterStart,
};
pub use login_server::{
    Credentials, Failure, FailureCode, LoginResponse, LoginServerMessage, LoginWork,
    RegisterResponse, Registered,
};
pub use manifest::{ManifestEntry, ManifestHead, ManifestPart};
pub use session_client::{
    Acknowledge, ListOnline, Lookup, ManifestRequest, NotifyId, ReadMore, Send,
    SessionClientMessage,
};
pub use session_server::{
    Account, Closing, ClosingCode, Deliver, Delivered, ManifestUnchanged, NoSuchUser, Online,
    Refusal, Refused, SessionServerMessage, Stored,
};

use crate::limits;

/// A message's id: 16 random bytes, made by the sender.
pub type MessageId = [u8; 16];
/// A device's id: 16 random bytes, one per installation.
pub type DeviceId = [u8; 16];
/// A conversation's id (PROTOCOL.md §8).
pub type ConversationId = [u8; 16];

/// An RSA public key as DER SubjectPublicKeyInfo; not yet checked to be one.
pub type PublicKey = Blob<{ limits::PUBLIC_KEY_LEN_MAX }>;
/// An RSA signature.
pub type Signature = Blob<{ limits::SIGNATURE_LEN_MAX }>;
/// A certificate of one user key for another; its content is the end-to-end layer's.
pub type Certificate = Blob<{ limits::CERTIFICATE_LEN_MAX }>;
/// A password-encrypted key bag; its content is the end-to-end layer's.
pub type KeyBag = Blob<{ limits::KEY_BAG_LEN_MAX }>;
/// A sealed message; its content is the end-to-end layer's.
pub type Sealed = Blob<{ limits::SEALED_LEN_MAX }>;
/// Human words beside a code.
pub type Reason = Text<{ limits::REASON_LEN_MAX }>;

#[cfg(test)]
mod tests;
