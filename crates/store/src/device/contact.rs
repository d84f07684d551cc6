use crate::Digest;

/// Somebody whose keys are pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Contact {
    /// The contact's name, already case-mapped.
    pub name: String,
    /// The name as its owner spells it.
    pub display_name: String,
    /// Fingerprint of the pinned signature key.
    pub sig_fingerprint: Digest,
    /// Fingerprint of the pinned encryption key.
    pub enc_fingerprint: Digest,
    /// The pinned keys, and others that the server named since.
    pub pin: Vec<u8>,
    /// How far the keys are trusted.
    pub state: ContactState,
    /// When these keys were pinned: milliseconds since the Unix epoch.
    pub pinned_ms: u64,
}

/// How far a contact's keys are trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ContactState {
    /// Pinned when first seen, not compared.
    Unverified,
    /// Compared by the two people.
    Verified,
    /// A first message came; the user has not accepted its sender yet.
    Quarantined,
    /// The server names other keys than the pinned ones; the user has not accepted them.
    Changed,
}
