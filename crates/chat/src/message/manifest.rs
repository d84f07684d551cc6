use minicbor::{Decode, Encode};

use super::{List, Signature};
use crate::Username;
use crate::limits::MANIFEST_PART_ENTRIES_MAX;

/// The signed head of the directory: `{0: version, 1: issued_ms, 2: count, 3: root, 4: signature}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ManifestHead {
    /// Counts up with every change.
    #[n(0)]
    pub version: u64,
    /// When it was signed, milliseconds since 1970-01-01 UTC.
    #[n(1)]
    pub issued_ms: u64,
    /// How many entries the parts hold together.
    #[n(2)]
    pub count: u32,
    /// Merkle root over all entries.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub root: [u8; 32],
    /// By the server's key `S`, over the transcript `manifest`.
    #[n(4)]
    pub signature: Signature,
}

/// Consecutive entries of the directory, in ascending order of names: `{0: [entry, ...]}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ManifestPart {
    /// The entries.
    #[n(0)]
    pub entries: List<ManifestEntry, MANIFEST_PART_ENTRIES_MAX>,
}

/// One account: `{0: user, 1: sig_fingerprint, 2: enc_fingerprint, 3: key_bag_version,
/// 4: key_bag_hash}`
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ManifestEntry {
    /// The account's name as it was registered.
    #[n(0)]
    pub user: Username,
    /// `fp` of the signing key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub sig_fingerprint: [u8; 32],
    /// `fp` of the encryption key.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub enc_fingerprint: [u8; 32],
    /// Version of the key bag.
    #[n(3)]
    pub key_bag_version: u64,
    /// SHA-256 of the transcript `key bag` over the key bag's bytes.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub key_bag_hash: [u8; 32],
}
