use std::sync::LazyLock;

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::TAG_LEN;

/// The beginning of SHA-256("undertone/1 challenge key").
const KEY: [u8; 16] = [
    0x72, 0xce, 0xe8, 0xff, 0x98, 0xf1, 0x82, 0x70, 0xa7, 0xb8, 0x80, 0x4f, 0x2f, 0xbd, 0xf6, 0xcf,
];

/// The beginning of SHA-256("undertone/1 challenge nonce").
const NONCE: [u8; 12] = [
    0xf5, 0x56, 0x5f, 0x55, 0xea, 0xdb, 0xdf, 0x73, 0xec, 0xa8, 0x13, 0xfc,
];

/// Challenges up to this length, prefix included, are tagged without allocating: longer than any
/// that a server sends.
const ON_STACK: usize = 1536;

static UNDERTONE: LazyLock<LessSafeKey> = LazyLock::new(|| integrity_key(&KEY));

/// The tag at the end of a Challenge (PROTOCOL.md §2.3, as RFC 9001 §5.8): `packet` is the Challenge
/// without its tag, `first_dcid` the destination connection id, at most 255 bytes, of the Initial
/// that it answers. Compare tags with [`ct_eq`](crate::ct_eq).
///
/// The key is public: the tag shows that its maker saw the Initial, and that nothing was damaged.
#[must_use]
pub fn challenge_tag(first_dcid: &[u8], packet: &[u8]) -> [u8; TAG_LEN] {
    tag(&UNDERTONE, NONCE, first_dcid, packet)
}

pub(super) fn integrity_key(key: &[u8; 16]) -> LessSafeKey {
    match UnboundKey::new(&AES_128_GCM, key) {
        Ok(key) => LessSafeKey::new(key),
        Err(_) => unreachable!("the length is the algorithm's"),
    }
}

/// The tag of an empty plaintext, with id and packet as what is authenticated beside it.
pub(super) fn tag(
    key: &LessSafeKey,
    nonce: [u8; 12],
    first_dcid: &[u8],
    packet: &[u8],
) -> [u8; TAG_LEN] {
    debug_assert!(
        first_dcid.len() <= 255,
        "a connection id has its length in one byte"
    );
    let parts = [&[first_dcid.len() as u8][..], first_dcid, packet];
    let len = 1 + first_dcid.len() + packet.len();
    let mut stack = [0; ON_STACK];
    let mut heap = Vec::new();
    let pseudo_packet = match stack.get_mut(..len) {
        Some(stack) => stack,
        None => {
            heap.resize(len, 0);
            &mut heap[..]
        }
    };
    let mut rest = &mut *pseudo_packet;
    for part in parts {
        let (target, behind) = rest.split_at_mut(part.len());
        target.copy_from_slice(part);
        rest = behind;
    }
    let nonce = Nonce::assume_unique_for_key(nonce);
    let sealed = key.seal_in_place_separate_tag(nonce, Aad::from(&*pseudo_packet), &mut []);
    let mut tag = [0; TAG_LEN];
    match sealed {
        Ok(sealed) => tag.copy_from_slice(sealed.as_ref()),
        Err(_) => unreachable!("nothing is encrypted"),
    }
    tag
}
