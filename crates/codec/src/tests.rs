use crate::{DecodeError, Reader, VarInt, Writer};
use proptest::prelude::*;

/// RFC 9000 §A.1.
#[test]
fn varints_of_the_rfc() {
    let cases: [(&[u8], u64); 4] = [
        (
            &[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c],
            151_288_809_941_952_652,
        ),
        (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
        (&[0x7b, 0xbd], 15_293),
        (&[0x25], 37),
    ];
    for (bytes, value) in cases {
        assert_eq!(Reader::new(bytes).varint(), Ok(value));
        let mut out = Vec::new();
        Writer::new(&mut out).varint(value);
        assert_eq!(out, bytes);
    }
}

#[test]
fn h05_varints_not_minimal_or_truncated_are_rejected() {
    // RFC 9000 §A.1 allows 37 in two bytes; we do not.
    assert_eq!(
        Reader::new(&[0x40, 0x25]).varint(),
        Err(DecodeError::NotMinimal)
    );
    assert_eq!(
        Reader::new(&[0x80, 0, 0, 1]).varint(),
        Err(DecodeError::NotMinimal)
    );
    assert_eq!(Reader::new(&[]).varint(), Err(DecodeError::Truncated));
    let largest = [0xff; 8];
    assert_eq!(Reader::new(&largest).varint(), Ok(VarInt::MAX));
    for end in 1..8 {
        let mut reader = Reader::new(&largest[..end]);
        assert_eq!(reader.varint(), Err(DecodeError::Truncated));
        assert_eq!(reader.position(), 0, "a failed read consumes nothing");
    }
}

#[test]
fn h06_lengths_beyond_the_input_are_rejected() {
    let mut out = Vec::new();
    Writer::new(&mut out).varint(VarInt::MAX).bytes(b"short");
    assert_eq!(
        Reader::new(&out).prefixed(usize::MAX),
        Err(DecodeError::Truncated)
    );
    assert_eq!(Reader::new(&out).prefixed(1000), Err(DecodeError::TooLong));
    assert_eq!(
        Reader::new(b"abc").bytes(usize::MAX),
        Err(DecodeError::Truncated)
    );
    let mut reader = Reader::new(b"abc");
    reader.bytes(2).expect("two are there");
    assert_eq!(reader.bytes(usize::MAX), Err(DecodeError::Truncated));
}

#[test]
fn leftovers_are_errors() {
    let mut reader = Reader::new(&[1, 2]);
    assert_eq!(reader.u8(), Ok(1));
    assert_eq!(reader.clone().finish(), Err(DecodeError::Trailing));
    assert_eq!(reader.u8(), Ok(2));
    assert_eq!(reader.finish(), Ok(()));
}

proptest! {
    #[test]
    fn decode_of_encode_is_the_identity(
        small in any::<u8>(), short in any::<u16>(), word in any::<u32>(), long in any::<u64>(),
        varint in 0..=VarInt::MAX, bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut out = Vec::new();
        Writer::new(&mut out).u8(small).u16(short).u32(word).u64(long).varint(varint).prefixed(&bytes);
        let mut reader = Reader::new(&out);
        prop_assert_eq!(reader.u8(), Ok(small));
        prop_assert_eq!(reader.u16(), Ok(short));
        prop_assert_eq!(reader.u32(), Ok(word));
        prop_assert_eq!(reader.u64(), Ok(long));
        prop_assert_eq!(reader.varint(), Ok(varint));
        prop_assert_eq!(reader.prefixed(300), Ok(&bytes[..]));
        prop_assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..9)) {
        let mut reader = Reader::new(&bytes);
        if let Ok(value) = reader.varint() {
            let mut out = Vec::new();
            Writer::new(&mut out).varint(value);
            prop_assert_eq!(&out[..], &bytes[..reader.position()]);
        }
    }
}
