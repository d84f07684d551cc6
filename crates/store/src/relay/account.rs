use super::DEVICE_IDLE_MS;
use crate::{DeviceId, Digest, clamp63};

/// An account, as its owner registered it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Account {
    /// The user's name, already case-mapped.
    pub name: String,
    /// The name as its owner spells it.
    pub display_name: String,
    /// What changes together with the password.
    pub credentials: Credentials,
    /// When it was registered: milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// An account with a public password, made for demonstrations.
    pub demo: bool,
}

/// An account's keys and what unlocks them. Everything in it is opaque to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Credentials {
    /// The OPAQUE password file (RFC 9807 §4.2, the "record").
    pub opaque_record: Vec<u8>,
    /// The user's private keys, encrypted under a key that only the password yields.
    pub key_bag: Vec<u8>,
    /// Grows with every change of the key bag.
    pub key_bag_version: u64,
    /// SHA-256 of the key bag.
    pub key_bag_hash: Digest,
    /// The signature key, DER SubjectPublicKeyInfo.
    pub sig_key: Vec<u8>,
    /// SHA-256 of `sig_key`.
    pub sig_fingerprint: Digest,
    /// The encryption key, DER SubjectPublicKeyInfo.
    pub enc_key: Vec<u8>,
    /// SHA-256 of `enc_key`.
    pub enc_fingerprint: Digest,
    /// The signature key's signature over the encryption key.
    pub enc_certificate: Vec<u8>,
}

/// What the manifest says about an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSummary {
    /// The user's name, already case-mapped.
    pub name: String,
    /// The name as its owner spells it.
    pub display_name: String,
    /// SHA-256 of the signature key.
    pub sig_fingerprint: Digest,
    /// SHA-256 of the encryption key.
    pub enc_fingerprint: Digest,
    /// Version of the key bag.
    pub key_bag_version: u64,
    /// SHA-256 of the key bag.
    pub key_bag_hash: Digest,
}

/// One installation of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Chosen by the installation.
    pub device: DeviceId,
    /// Its Ed25519 public key.
    pub device_key: [u8; 32],
    /// The last position that it acknowledged; entries up to here are not sent to it again.
    pub cursor: u64,
    /// When it was first seen: milliseconds since the Unix epoch.
    pub first_seen_ms: u64,
    /// When it was last seen: milliseconds since the Unix epoch.
    pub last_seen_ms: u64,
}

impl Device {
    /// Notes that it was seen. A clock that was set back takes no time away: it would make stale
    /// who was just there.
    pub(super) fn see(&mut self, now_ms: u64) {
        self.last_seen_ms = self.last_seen_ms.max(clamp63(now_ms));
    }

    /// Of the devices of a full account, the one that makes room for another; or in how many milliseconds one does.
    pub(super) fn in_the_way<'a>(
        all: impl IntoIterator<Item = &'a Self>,
        now_ms: u64,
    ) -> Result<&'a Self, u64> {
        let by_age = |known: &&Self| (known.last_seen_ms, known.device);
        let oldest = all.into_iter().min_by_key(by_age).ok_or(0_u64)?;
        let goes_ms = oldest.last_seen_ms.saturating_add(DEVICE_IDLE_MS);
        match goes_ms < now_ms {
            true => Ok(oldest),
            false => Err(goes_ms.saturating_sub(now_ms).saturating_add(1)),
        }
    }

    /// Whether it was seen at this time or later; at none it was not.
    pub(super) fn was_seen_since(&self, ms: Option<u64>) -> bool {
        ms.is_some_and(|ms| self.last_seen_ms >= ms)
    }
}

impl Account {
    /// The account as the manifest lists it.
    pub fn summary(&self) -> AccountSummary {
        AccountSummary {
            name: self.name.clone(),
            display_name: self.display_name.clone(),
            sig_fingerprint: self.credentials.sig_fingerprint,
            enc_fingerprint: self.credentials.enc_fingerprint,
            key_bag_version: self.credentials.key_bag_version,
            key_bag_hash: self.credentials.key_bag_hash,
        }
    }
}
