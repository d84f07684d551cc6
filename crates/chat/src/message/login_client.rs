use minicbor::{Decode, Encode};

use super::wire::messages;
use super::{Blob, Certificate, DeviceId, KeyBag, PublicKey, Signature};
use crate::Username;
use crate::limits::{INVITE_LEN_MAX, LOGIN_MESSAGE_LEN_MAX};

messages! {
    /// What a client sends on the login port (PROTOCOL.md §6.2).
    ///
    /// ```text
    /// type  message            answered by
    /// 0x01  LoginStart         LoginWork or LoginResponse
    /// 0x02  LoginWorkSolution  LoginResponse or RegisterResponse
    /// 0x03  LoginFinish        Credentials
    /// 0x04  Proof              ManifestHead, ManifestPart ...
    /// 0x05  RegisterStart      LoginWork or RegisterResponse
    /// 0x06  RegisterFinish     Registered
    /// ```
    ///
    /// Each may be answered by `Failure` instead.
    pub enum LoginClientMessage, at most LOGIN_MESSAGE_LEN_MAX, {
        /// Begins a login.
        0x01 => LoginStart(LoginStart),
        /// Answers `LoginWork`.
        0x02 => LoginWorkSolution(LoginWorkSolution),
        /// Ends the password's part of a login.
        0x03 => LoginFinish(LoginFinish),
        /// Proves the possession of the user's signing key.
        0x04 => Proof(Proof),
        /// Begins a registration.
        0x05 => RegisterStart(RegisterStart),
        /// Hands over everything that makes an account.
        0x06 => RegisterFinish(RegisterFinish),
    }
}

/// `{0: username, 1: ke1}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LoginStart {
    /// Whose account.
    #[n(0)]
    pub username: Username,
    /// OPAQUE KE1 (RFC 9807 §6.1).
    #[cbor(n(1), with = "minicbor::bytes")]
    pub ke1: [u8; 96],
}

/// `{0: solution}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LoginWorkSolution {
    /// The four solutions of the puzzle, eight bytes each.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub solution: [u8; 32],
}

/// `{0: ke3}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LoginFinish {
    /// OPAQUE KE3.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub ke3: [u8; 64],
}

/// `{0: device, 1: device_key, 2: signature}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Proof {
    /// The installation's id.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub device: DeviceId,
    /// The installation's Ed25519 public key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub device_key: [u8; 32],
    /// By the user's signing key, over the transcript `client-proof`.
    #[n(2)]
    pub signature: Signature,
}

/// `{0: username, 1: request}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RegisterStart {
    /// The account to be made, as its owner spells it.
    #[n(0)]
    pub username: Username,
    /// OPAQUE registration request.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub request: [u8; 32],
}

/// `{0: record, 1: key_bag, 2: key_bag_version, 3: sig_key, 4: enc_key, 5: enc_certificate,
/// ?6: invite, 7: signature}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RegisterFinish {
    /// OPAQUE registration record.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub record: [u8; 192],
    /// The user's secret keys, encrypted under the password.
    #[n(1)]
    pub key_bag: KeyBag,
    /// Version of the key bag; 1 in a registration.
    #[n(2)]
    pub key_bag_version: u64,
    /// The user's signing key.
    #[n(3)]
    pub sig_key: PublicKey,
    /// The user's encryption key.
    #[n(4)]
    pub enc_key: PublicKey,
    /// The signing key's word for the encryption key.
    #[n(5)]
    pub enc_certificate: Certificate,
    /// A one-use invitation, where the operator asks for one.
    #[n(6)]
    pub invite: Option<Blob<INVITE_LEN_MAX>>,
    /// By the signing key, over the transcript `registration`.
    #[n(7)]
    pub signature: Signature,
}
