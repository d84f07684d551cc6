use hkdf::Hkdf;
use sha2::Sha256;

use super::PacketKey;

/// Where Initial keys come from: what differs between us and QUIC.
pub(super) struct Derivation {
    pub(super) salt: [u8; 20],
    pub(super) key: &'static str,
    pub(super) iv: &'static str,
    pub(super) mask: &'static str,
}

/// PROTOCOL.md §2.3. The salt is the beginning of SHA-256("undertone/1 initial").
pub(super) const UNDERTONE: Derivation = Derivation {
    salt: [
        0xfd, 0xf2, 0x1c, 0x32, 0x40, 0x2b, 0x28, 0x87, 0x06, 0x85, 0x82, 0xa1, 0xe9, 0xb7, 0x4a,
        0xa8, 0x05, 0x54, 0x5c, 0x3d,
    ],
    key: "undertone key",
    iv: "undertone iv",
    mask: "undertone hp",
};

/// Labels of the two directions (RFC 9001 §5.2).
pub(super) const CLIENT: &str = "client in";
pub(super) const SERVER: &str = "server in";

/// Keys of Initial packets, which anyone can derive who saw the client's first packet.
pub struct InitialKeys;

impl InitialKeys {
    /// The keys that the client and the server seal with, in this order, for the destination
    /// connection id of the client's first packet (PROTOCOL.md §2.3).
    #[must_use]
    pub fn derive(dcid: &[u8]) -> (PacketKey, PacketKey) {
        (
            derive(&UNDERTONE, dcid, CLIENT),
            derive(&UNDERTONE, dcid, SERVER),
        )
    }
}

fn derive(derivation: &Derivation, dcid: &[u8], side: &str) -> PacketKey {
    let Material { key, iv, mask } = Material::derive(derivation, dcid, side);
    PacketKey::new(&key, iv, &mask)
}

/// What one side's [`PacketKey`] is made of.
pub(super) struct Material {
    pub(super) key: [u8; 16],
    pub(super) iv: [u8; 12],
    pub(super) mask: [u8; 16],
}

impl Material {
    pub(super) fn derive(derivation: &Derivation, dcid: &[u8], side: &str) -> Self {
        let initial = Hkdf::<Sha256>::new(Some(&derivation.salt), dcid);
        let secret: [u8; 32] = expand_label(&initial, side);
        let secret = match Hkdf::<Sha256>::from_prk(&secret) {
            Ok(secret) => secret,
            Err(_) => unreachable!("a secret is as long as the hash"),
        };
        Self {
            key: expand_label(&secret, derivation.key),
            iv: expand_label(&secret, derivation.iv),
            mask: expand_label(&secret, derivation.mask),
        }
    }
}

/// HKDF-Expand-Label with an empty context (RFC 8446 §7.1).
fn expand_label<const N: usize>(secret: &Hkdf<Sha256>, label: &str) -> [u8; N] {
    const PREFIX: &[u8] = b"tls13 ";
    let [_, _, .., high, low] = N.to_be_bytes();
    let label_len = (PREFIX.len() + label.len()) as u8;
    let info = [&[high, low, label_len], PREFIX, label.as_bytes(), &[0]];
    let mut out = [0; N];
    let expanded = secret.expand_multi_info(&info, &mut out);
    debug_assert!(expanded.is_ok(), "one block is enough");
    out
}
