//! Limits of the application protocol (PROTOCOL.md §9). A peer that exceeds one has broken the
//! protocol.

/// Stream port on which a client registers and logs in. Until that is done it is the only one.
pub const LOGIN_PORT: u16 = 1;
/// Stream port of the conversation with the server after login.
pub const SESSION_PORT: u16 = 2;

/// Bytes of UTF-8 in the text of one chat message: 1 MiB.
pub const TEXT_LEN_MAX: usize = 1024 * 1024;
/// Bytes of one sealed message: 1126 KiB, just under 1.1 MiB. It holds the largest text, padded.
pub const SEALED_LEN_MAX: usize = 1126 * 1024;
/// Bytes of one message of the transport, type byte included: 1.25 MiB.
pub const MESSAGE_LEN_MAX: usize = 1280 * 1024;
/// Bytes of one message on the login port.
pub const LOGIN_MESSAGE_LEN_MAX: usize = 72 * 1024;

/// Bytes of UTF-8 in a username, in either of its two forms.
pub const USERNAME_LEN_MAX: usize = 64;
/// Bytes of what is typed as a username, before it is mapped.
pub const USERNAME_INPUT_LEN_MAX: usize = 256;
/// Bytes of a public key as DER SubjectPublicKeyInfo; RSA with 4096 bits takes 550.
pub const PUBLIC_KEY_LEN_MAX: usize = 600;
/// Bytes of a signature; RSA with 4096 bits takes 512.
pub const SIGNATURE_LEN_MAX: usize = 512;
/// Bytes of the certificate by which a signing key vouches for an encryption key.
pub const CERTIFICATE_LEN_MAX: usize = 1024;
/// Bytes of a key bag.
pub const KEY_BAG_LEN_MAX: usize = 64 * 1024;
/// Bytes of an invitation to register.
pub const INVITE_LEN_MAX: usize = 64;
/// Bytes of UTF-8 in the human words of a failure.
pub const REASON_LEN_MAX: usize = 256;

/// Names in one answer to who is online.
pub const ONLINE_USERS_MAX: usize = 1024;
/// Message ids in one acknowledgement.
pub const NOTIFY_MAX: usize = 256;
/// Deliveries that a server sends ahead of the client's last `Acknowledge` or `ReadMore`.
pub const DELIVERIES_AHEAD_MAX: u64 = 64;
/// Bytes of sealed messages that a server sends ahead of the client's last `Acknowledge` or
/// `ReadMore`; one message is always allowed.
pub const DELIVERY_BYTES_AHEAD_MAX: usize = 4 * 1024 * 1024;

/// Entries in one part of the manifest; a part is then below 64 KiB.
pub const MANIFEST_PART_ENTRIES_MAX: usize = 256;
/// Accounts in a manifest.
pub const MANIFEST_ENTRIES_MAX: u32 = 65_536;

/// `LoginResponse`s on one connection; the next `LoginStart` is answered by `TooManyAttempts`, and
/// the connection closed.
pub const LOGINS_PER_CONNECTION_MAX: u32 = 3;
/// Challenges that a client solves for one connection attempt.
pub const CHALLENGES_SOLVED_MAX: u32 = 3;
