use core::time::Duration;

use codec::{DecodeError, Reader, Writer};
use internet::ConnectionId;
use proptest::prelude::*;

use super::{
    Close, Crypto, Datagram, Frame, MaxStreamData, NewConnectionId, ResetStream, Skip, StopSending,
    Stream, ack,
};
use crate::ranges::RangeSet;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The test vectors of docs/PROTOCOL.md §4.3.
fn check(vectors: &[(&str, Frame<'_>)]) {
    for (text, frame) in vectors {
        let bytes = hex(text);
        let mut reader = Reader::new(&bytes);
        assert_eq!(Frame::decode(&mut reader).as_ref(), Ok(frame));
        assert_eq!(reader.finish(), Ok(()));
        let mut out = Vec::new();
        frame.encode(&mut Writer::new(&mut out));
        assert_eq!(out, bytes);
    }
}

#[test]
fn vectors_of_delivery() {
    check(&[
        (
            "26 04 44b0 03 026869",
            Frame::Stream(Stream {
                id: 4,
                offset: 1200,
                fin: false,
                begins: true,
                data: b"\x02hi",
            }),
        ),
        (
            "28 04 44b0 40c8",
            Frame::Skip(Skip {
                id: 4,
                offset: 1200,
                len: 200,
            }),
        ),
        (
            "30 04 02 6869",
            Frame::Datagram(Datagram { id: 4, data: b"hi" }),
        ),
    ]);
}

#[test]
fn vectors_of_ids_and_paths() {
    let data = [1, 2, 3, 4, 5, 6, 7, 8];
    check(&[
        (
            "18 02 00 0102030405060708 000102030405060708090a0b0c0d0e0f",
            Frame::NewConnectionId(NewConnectionId {
                number: 2,
                retire_prior_to: 0,
                id: ConnectionId::new(data),
                token: core::array::from_fn(|at| at as u8),
            }),
        ),
        ("19 01", Frame::RetireConnectionId(1)),
        ("1a 0102030405060708", Frame::PathChallenge(data)),
        ("1b 0102030405060708", Frame::PathResponse(data)),
    ]);
    let decode = |text: &str| Frame::decode(&mut Reader::new(&hex(text))).map(|_| ());
    let rest = "0102030405060708 000102030405060708090a0b0c0d0e0f";
    for numbers in ["02 03", "c000000100000000 00"] {
        let decoded = decode(&format!("18 {numbers} {rest}"));
        assert_eq!(decoded, Err(DecodeError::Invalid), "{numbers}");
    }
}

#[test]
fn vectors_of_connections() {
    check(&[
        ("00 00 00", Frame::Padding(3)),
        ("01", Frame::Ping),
        (
            "06 44b0 02 abcd",
            Frame::Crypto(Crypto {
                offset: 1200,
                data: &[0xab, 0xcd],
            }),
        ),
        ("10 80100000", Frame::MaxData(1 << 20)),
        ("12 4400", Frame::MaxStreams(1024)),
        (
            "1c 03 02 6f6b",
            Frame::Close(Close {
                application: false,
                code: 3,
                reason: b"ok",
            }),
        ),
        (
            "1d 00 03 627965",
            Frame::Close(Close {
                application: true,
                code: 0,
                reason: b"bye",
            }),
        ),
        ("1e", Frame::HandshakeDone),
    ]);
}

#[test]
fn vectors_of_streams() {
    check(&[
        (
            "04 05 80010000 4400",
            Frame::ResetStream(ResetStream {
                id: 5,
                code: 65_536,
                final_size: 1024,
            }),
        ),
        (
            "05 05 07",
            Frame::StopSending(StopSending { id: 5, code: 7 }),
        ),
        (
            "0a 04 03 616263",
            Frame::Stream(Stream {
                id: 4,
                offset: 0,
                fin: false,
                begins: false,
                data: b"abc",
            }),
        ),
        (
            "0f 04 44b0 03 616263",
            Frame::Stream(Stream {
                id: 4,
                offset: 1200,
                fin: true,
                begins: false,
                data: b"abc",
            }),
        ),
        (
            "11 04 80010000",
            Frame::MaxStreamData(MaxStreamData { id: 4, max: 65_536 }),
        ),
    ]);
}

#[test]
fn vectors_of_acknowledgements() {
    // Numbers 0-2, 5 and 8-10 have arrived, the last 25 microseconds ago.
    let mut received = RangeSet::default();
    received.insert(0..3);
    received.insert(5..6);
    received.insert(8..11);
    let mut out = Vec::new();
    ack::encode(
        &received,
        Duration::from_micros(25),
        None,
        100,
        &mut Writer::new(&mut out),
    );
    assert_eq!(out, hex("02 0a 19 02 02 01 00 01 02"));
    let with_counts = hex("03 0a 19 02 02 01 00 01 02 06 00 01");
    let Ok(Frame::Ack(counted)) = Frame::decode(&mut Reader::new(&with_counts)) else {
        panic!("an acknowledgement");
    };
    let counts = ack::EcnCounts {
        ect0: 6,
        ect1: 0,
        ce: 1,
    };
    assert_eq!(counted.ecn, Some(counts));
    let mut again = Vec::new();
    counted.encode(&mut Writer::new(&mut again));
    assert_eq!(again, with_counts);
    let Ok(Frame::Ack(ack)) = Frame::decode(&mut Reader::new(&out)) else {
        panic!("an acknowledgement");
    };
    assert_eq!(ack.ranges().collect::<Vec<_>>(), [8..=10, 5..=5, 0..=2]);
}

#[test]
fn h14_ack_ranges_that_underflow_or_are_too_many_are_rejected() {
    let decode = |text: &str| Frame::decode(&mut Reader::new(&hex(text))).map(|_| ());
    assert_eq!(
        decode("02 05 00 00 06"),
        Err(DecodeError::Invalid),
        "first range below zero"
    );
    assert_eq!(
        decode("02 05 00 01 01 03 00"),
        Err(DecodeError::Invalid),
        "gap below zero"
    );
    assert_eq!(
        decode("02 05 00 01 01 01 02"),
        Err(DecodeError::Invalid),
        "range below zero"
    );
    assert_eq!(
        decode("02 05 00 4100 00"),
        Err(DecodeError::TooLong),
        "257 ranges"
    );
    assert_eq!(decode("02 05 00 01 01"), Err(DecodeError::Truncated));
}

#[test]
fn h02_every_truncation_of_every_frame_is_refused() {
    // A STREAM without a length and PADDING have none that show.
    let frames = [
        "01",
        "02 0a 19 02 02 01 00 01 02",
        "03 0a 19 02 02 01 00 01 02 06 00 01",
        "04 05 80010000 4400",
        "05 05 07",
        "06 44b0 02 abcd",
        "0a 04 03 616263",
        "0f 04 44b0 03 616263",
        "10 80100000",
        "11 04 80010000",
        "12 4400",
        "18 02 00 0102030405060708 000102030405060708090a0b0c0d0e0f",
        "19 01",
        "1a 0102030405060708",
        "1b 0102030405060708",
        "1c 03 02 6f6b",
        "1d 00 03 627965",
        "1e",
        "26 04 44b0 03 026869",
        "28 04 44b0 40c8",
        "30 04 02 6869",
    ];
    for text in frames {
        let bytes = hex(text);
        let decode = |len| Frame::decode(&mut Reader::new(&bytes[..len])).map(|_| ());
        assert_eq!(decode(bytes.len()), Ok(()), "{text}");
        for len in 0..bytes.len() {
            assert_eq!(decode(len), Err(DecodeError::Truncated), "{text}, {len}");
        }
    }
}

#[test]
fn h08_no_second_spelling() {
    let decode = |text: &str| Frame::decode(&mut Reader::new(&hex(text))).map(|_| ());
    assert_eq!(
        decode("0e 04 00 00"),
        Err(DecodeError::NotMinimal),
        "an offset of zero"
    );
    assert_eq!(
        decode("4001"),
        Err(DecodeError::Unknown),
        "a long form of PING"
    );
}

#[test]
fn h04_unknown_frames_are_refused() {
    for kind in [0x07, 0x13, 0x17, 0x1f, 0x29, 0x2f, 0x31, 0x3f, 0xff] {
        let bytes = [kind, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(
            Frame::decode(&mut Reader::new(&bytes)),
            Err(DecodeError::Unknown)
        );
    }
}

proptest! {
    #[test]
    fn what_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 1..80), kind in 0u8..0x20) {
        let mut bytes = bytes;
        bytes[0] = kind;
        let mut reader = Reader::new(&bytes);
        if let Ok(frame) = Frame::decode(&mut reader) {
            let consumed = reader.position();
            prop_assert!(consumed >= 1);
            let mut out = Vec::new();
            frame.encode(&mut Writer::new(&mut out));
            // A stream frame without a length is written with one; an ACK's delay is capped.
            let rewritten = match frame {
                Frame::Ack(_) => true,
                Frame::Stream(_) => kind & 2 == 0,
                _ => false,
            };
            if !rewritten {
                prop_assert_eq!(&out[..], &bytes[..consumed]);
            }
            prop_assert_eq!(Frame::decode(&mut Reader::new(&out)), Ok(frame.clone()).map(|frame| match frame {
                // The delay is capped.
                Frame::Ack(mut ack) => { ack.delay = ack.delay.min(Duration::from_micros(1 << 30)); Frame::Ack(ack) }
                frame => frame,
            }));
        }
    }

    #[test]
    fn acks_round_trip(ranges in proptest::collection::vec((0u64..100_000, 1u64..50), 1..400), room in 0usize..1200) {
        let mut received = RangeSet::default();
        for (start, len) in ranges {
            received.insert(start..start + len);
        }
        let mut out = Vec::new();
        let written = ack::encode(&received, Duration::ZERO, None, room, &mut Writer::new(&mut out));
        prop_assert!(out.len() <= room);
        if written {
            let Ok(Frame::Ack(ack)) = Frame::decode(&mut Reader::new(&out)) else { panic!("an ack") };
            let decoded: Vec<_> = ack.ranges().collect();
            let expected: Vec<_> = received.iter().rev().take(decoded.len()).map(|r| r.start..=r.end - 1).collect();
            prop_assert_eq!(decoded, expected);
            prop_assert_eq!(Some(ack.largest()), received.max());
        }
    }
}

#[test]
fn h10_frames_of_messages_that_say_nothing_are_rejected() {
    for text in [
        "22 04 00",
        "20 04",
        "28 04 44b0 00",
        "28 04 ffffffffffffffff 01",
    ] {
        let decoded = Frame::decode(&mut Reader::new(&hex(text))).map(|_| ());
        assert_eq!(decoded, Err(DecodeError::Invalid), "{text}");
    }
}
