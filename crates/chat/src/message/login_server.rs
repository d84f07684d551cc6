use minicbor::{Decode, Encode};

use super::wire::messages;
use super::{Certificate, KeyBag, ManifestHead, ManifestPart, PublicKey, Reason};
use crate::limits::LOGIN_MESSAGE_LEN_MAX;

messages! {
    /// What a server sends on the login port (PROTOCOL.md §6.3).
    ///
    /// ```text
    /// type  message           answers
    /// 0x11  LoginWork         LoginStart, RegisterStart
    /// 0x12  LoginResponse     LoginStart, LoginWorkSolution
    /// 0x13  Credentials       LoginFinish
    /// 0x14  ManifestHead      Proof; the parts follow, `count` entries in all
    /// 0x15  ManifestPart
    /// 0x16  RegisterResponse  RegisterStart, LoginWorkSolution
    /// 0x17  Registered        RegisterFinish
    /// 0x1f  Failure           anything
    /// ```
    pub enum LoginServerMessage, at most LOGIN_MESSAGE_LEN_MAX, {
        /// Asks for work before the password's turn.
        0x11 => LoginWork(LoginWork),
        /// The password's turn.
        0x12 => LoginResponse(LoginResponse),
        /// What only the password's owner can use.
        0x13 => Credentials(Credentials),
        /// The directory's signed head: the login is done.
        0x14 => ManifestHead(ManifestHead),
        /// Entries of the directory.
        0x15 => ManifestPart(ManifestPart),
        /// The password's turn in a registration.
        0x16 => RegisterResponse(RegisterResponse),
        /// The account exists.
        0x17 => Registered(Registered),
        /// It does not go on.
        0x1f => Failure(Failure),
    }
}

/// `{0: difficulty, 1: nonce}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LoginWork {
    /// Bits of work; a client refuses more than its cap.
    #[n(0)]
    pub difficulty: u8,
    /// Makes the puzzle fresh.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub nonce: [u8; 16],
}

/// `{0: ksf, 1: ke2}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LoginResponse {
    /// Which password stretching the account's record was made with.
    #[n(0)]
    pub ksf: u8,
    /// OPAQUE KE2.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub ke2: [u8; 320],
}

/// `{0: key_bag, 1: key_bag_version, 2: sig_key, 3: enc_key, 4: enc_certificate, 5: nonce}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Credentials {
    /// The user's secret keys, encrypted under the password.
    #[n(0)]
    pub key_bag: KeyBag,
    /// Version of the key bag.
    #[n(1)]
    pub key_bag_version: u64,
    /// The user's signing key.
    #[n(2)]
    pub sig_key: PublicKey,
    /// The user's encryption key.
    #[n(3)]
    pub enc_key: PublicKey,
    /// The signing key's word for the encryption key.
    #[n(4)]
    pub enc_certificate: Certificate,
    /// n2: what the proof is to sign, so that it is fresh.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub nonce: [u8; 32],
}

/// `{0: ksf, 1: response}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RegisterResponse {
    /// Which password stretching to make the record with.
    #[n(0)]
    pub ksf: u8,
    /// OPAQUE registration response.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub response: [u8; 64],
}

/// `{}`
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Registered {}

/// `{0: code, 1: retry_after_s, 2: reason}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Failure {
    /// For programs.
    #[n(0)]
    pub code: FailureCode,
    /// Seconds after which another attempt makes sense; 0 if waiting changes nothing.
    #[n(1)]
    pub retry_after_s: u32,
    /// For people; tells nothing that the code does not.
    #[n(2)]
    pub reason: Reason,
}

impl Failure {
    /// A failure that waiting does not change.
    pub fn new(code: FailureCode, reason: &str) -> Self {
        Self {
            code,
            retry_after_s: 0,
            reason: Reason::truncated(reason),
        }
    }
}

/// Why a login or a registration does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
#[non_exhaustive]
pub enum FailureCode {
    /// Wrong password, unknown user or relayed channel: one error for all.
    #[n(0)]
    LoginFailed,
    /// The name has an account.
    #[n(1)]
    NameTaken,
    /// The operator does not allow this name.
    #[n(2)]
    NameInvalid,
    /// The operator makes the accounts.
    #[n(3)]
    RegistrationClosed,
    /// The operator asks for an invitation; it is missing, unknown or used.
    #[n(4)]
    InviteRequired,
    /// The server has no capacity now.
    #[n(5)]
    Busy,
    /// A message did not decode or came out of turn; the server closes the connection.
    #[n(6)]
    Malformed,
    /// Too many attempts for this account from this network, or on this connection.
    #[n(7)]
    TooManyAttempts,
    /// The answer to `LoginWork` is wrong.
    #[n(8)]
    WorkRefused,
    /// Keys or signatures of a registration do not check out.
    #[n(9)]
    KeysRefused,
    /// The account has as many devices as it may, and none makes room yet.
    #[n(10)]
    TooManyDevices,
}
