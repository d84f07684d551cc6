//! The parser: one encoding, bounded fields.

use codec::{DecodeError, Reader, Writer};
use proptest::prelude::*;

use super::*;
use crate::conversation::{COUNT_MAX, ChainHash};
use crate::sealed::{ManifestHead, SEALED_BYTES_MAX};
use crate::testing::{alice, bob};
use crypto::Fingerprint;

/// Offset of the device count, behind the recipient's wrapped key.
fn keys_at(bytes: &[u8]) -> usize {
    SealedMessage::decode(bytes)
        .expect("well-formed")
        .header_bytes
        .len()
}

#[test]
fn h04_unknown_versions_kinds_and_suites_are_refused() {
    let bytes = sealed(alice(), bob(), "hi");
    for index in 0..3 {
        for value in 0..=u8::MAX {
            let mut changed = bytes.clone();
            changed[index] = value;
            let known = value == 1 || (index == 1 && value == 2);
            let expected = if known {
                None
            } else {
                Some(DecodeError::Unknown)
            };
            assert_eq!(
                SealedMessage::decode(&changed).err(),
                expected,
                "{index}: {value}"
            );
        }
    }
}

#[test]
fn h06_oversized_fields_are_refused() {
    let bytes = sealed(alice(), bob(), "hi");
    assert_eq!(
        SealedMessage::decode(&vec![1; SEALED_BYTES_MAX + 1]),
        Err(DecodeError::TooLong)
    );
    let with = |at: usize, field: &[u8]| {
        let mut changed = bytes.clone();
        changed.splice(at..at + field.len(), field.iter().copied());
        SealedMessage::decode(&changed).err()
    };
    assert_eq!(with(3, &[0]), Some(DecodeError::Invalid), "no sender");
    assert_eq!(
        with(3, &[0x40, 65]),
        Some(DecodeError::TooLong),
        "a long sender"
    );
    assert_eq!(with(3, &[0x40, 5]), Some(DecodeError::NotMinimal));
    assert_eq!(
        with(4, &[0xff]),
        Some(DecodeError::Invalid),
        "a sender that is not UTF-8"
    );
    let keys = keys_at(&bytes);
    assert_eq!(
        with(keys, &[0x42, 0x01]),
        Some(DecodeError::TooLong),
        "a key of 513 bytes"
    );
    assert_eq!(
        with(keys, &[0x41, 0x7f]),
        Some(DecodeError::Invalid),
        "a key of 383 bytes"
    );
    let devices = keys + 2 + 384;
    assert_eq!(
        with(devices, &[1]),
        Some(DecodeError::Invalid),
        "suite 1 has no devices"
    );
    assert_eq!(
        with(devices + 1, &[2]),
        Some(DecodeError::Invalid),
        "neither there nor not"
    );
    let own_devices = devices + 2 + 32 + 2 + 384;
    assert_eq!(with(own_devices, &[1]), Some(DecodeError::Invalid));
    let text = own_devices + 1 + 32;
    assert_eq!(
        with(text, &[0x80, 0x10, 0x81, 0x10]),
        Some(DecodeError::TooLong)
    );
    let mut trailing = bytes.clone();
    trailing.push(0);
    assert_eq!(SealedMessage::decode(&trailing), Err(DecodeError::Trailing));
}

#[test]
fn h62_a_short_ciphertext_is_refused() {
    let mut message = SealedMessage::decode(&sealed(alice(), bob(), "hi")).expect("well-formed");
    message.ciphertext.truncate(271);
    assert_eq!(
        SealedMessage::decode(&message.encode()),
        Err(DecodeError::Invalid)
    );
}

#[test]
fn a_note_to_self_has_no_second_copy() {
    let mut note = SealedMessage::decode(&sealed(alice(), alice(), "hi")).expect("well-formed");
    let other = SealedMessage::decode(&sealed(alice(), bob(), "hi")).expect("well-formed");
    note.keys_bytes = other.keys_bytes;
    assert_eq!(
        SealedMessage::decode(&note.encode()),
        Err(DecodeError::Invalid)
    );
}

fn written(header: &Header) -> Vec<u8> {
    let mut bytes = Vec::new();
    header.write(&mut Writer::new(&mut bytes));
    bytes
}

fn read(bytes: &[u8]) -> Result<Header, DecodeError> {
    let mut reader = Reader::new(bytes);
    let header = Header::read(&mut reader)?;
    reader.finish()?;
    Ok(header)
}

#[test]
fn counts_that_do_not_fit_are_refused() {
    let refused = |change: fn(&mut Header)| {
        let mut header = header(alice(), bob());
        change(&mut header);
        read(&written(&header)).err()
    };
    let invalid = Some(DecodeError::Invalid);
    assert_eq!(refused(|_| ()), None);
    assert_eq!(refused(|h| h.sequence = 0), invalid);
    assert_eq!(refused(|h| h.sequence = 2), invalid);
    assert_eq!(refused(|h| h.previous = ChainHash([1; 32])), invalid);
    assert_eq!(refused(|h| h.time_ms = COUNT_MAX + 1), invalid);
    let head = |version, root| Some(ManifestHead { version, root });
    for manifest in [
        head(0, [1; 32]),
        head(1, [0; 32]),
        head(COUNT_MAX + 1, [1; 32]),
    ] {
        let mut header = header(alice(), bob());
        header.manifest = manifest;
        assert_eq!(read(&written(&header)).err(), invalid);
    }
}

fn any_header() -> impl Strategy<Value = Header> {
    let names = ("\\PC{1,16}", "\\PC{1,16}");
    let ids: [BoxedStrategy<[u8; 32]>; 4] = std::array::from_fn(|_| any::<[u8; 32]>().boxed());
    let counts = (1..=COUNT_MAX, 0..=COUNT_MAX, 0..=COUNT_MAX);
    (names, ids, counts, any::<bool>()).prop_map(|((sender, recipient), ids, counts, text)| {
        let [device, sender_key, recipient_key, previous] = ids;
        let half = |bytes: [u8; 32]| *bytes.first_chunk::<16>().expect("half of it");
        let (sequence, time_ms, version) = counts;
        Header {
            kind: if text { Kind::Text } else { Kind::Tombstone },
            suite: Suite::One,
            conversation: ConversationId::of(&sender, &recipient),
            sender,
            device: DeviceId(half(device)),
            sender_key: Fingerprint::from(sender_key),
            recipient,
            recipient_key: Fingerprint::from(recipient_key),
            id: MessageId(half(previous)),
            sequence,
            previous: if sequence == 1 {
                ChainHash::START
            } else {
                ChainHash(previous)
            },
            time_ms,
            manifest: (version > 0).then_some(ManifestHead {
                version,
                root: device,
            }),
        }
    })
}

proptest! {
    #[test]
    fn h08_headers_round_trip(header in any_header()) {
        let bytes = written(&header);
        prop_assert_eq!(read(&bytes), Ok(header));
    }

    /// No second encoding: whatever decodes after a change encodes to just those bytes.
    #[test]
    fn h08_what_decodes_encodes_to_the_same_bytes(
        header in any_header(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        end in any::<prop::sample::Index>(),
    ) {
        let honest = encoded(header);
        let mut bytes = honest.clone();
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        for bytes in [&bytes[..], &bytes[..end.index(bytes.len())]] {
            if let Ok(message) = SealedMessage::decode(bytes) {
                prop_assert_eq!(message.encode(), bytes);
            }
        }
        prop_assert_eq!(SealedMessage::decode(&honest).map(|m| m.encode()), Ok(honest));
    }
}

/// A message of this header with keys, text and signature that mean nothing.
fn encoded(header: Header) -> Vec<u8> {
    let mut bytes = written(&header);
    let mut writer = Writer::new(&mut bytes);
    writer.prefixed(&[7; 384]).u8(0);
    if header.is_note_to_self() {
        writer.u8(0);
    } else {
        writer.u8(1).bytes(&[8; 32]).prefixed(&[9; 512]).u8(0);
    }
    writer
        .bytes(&[10; 32])
        .prefixed(&[11; 300])
        .prefixed(&[12; 384]);
    bytes
}
