//! Beginnings and skips that no honest peer sends.

use super::ahead::GONE_MAX;
use super::assembler::GAPS_MAX;
use super::*;
use crate::Config;
use crate::frame::{self, Skip};
use crate::violation::{Refused, code};

const PORT: u16 = 7;
const ID: StreamId = StreamId(0);

/// Bytes of the preamble and of a message's length, as [`begun`] sends them.
const HEAD: u64 = Preamble::LEN as u64 + 4;

fn server(mode: Mode) -> Streams {
    let mut config = Config::default();
    config.ports.insert(PORT);
    config.stream_window_bytes = 64 << 10;
    config.connection_window_bytes = 1 << 20;
    let mut streams = Streams::new(Side::Server, &config);
    let preamble = Preamble { port: PORT, mode }.encode();
    streams.on_stream(&piece(0, false, &preamble)).unwrap();
    streams
}

fn piece(offset: u64, begins: bool, data: &[u8]) -> frame::Stream<'_> {
    let (id, fin) = (ID.0, false);
    frame::Stream {
        id,
        offset,
        fin,
        begins,
        data,
    }
}

fn skip(offset: u64, len: u64) -> Skip {
    let id = ID.0;
    Skip { id, offset, len }
}

/// A message of 60,000 bytes has begun, which is too long to wait in the stream.
fn begun() -> Streams {
    let mut streams = server(Mode::Unordered);
    let length = (60_000u32 | 2 << 30).to_be_bytes();
    streams.on_stream(&piece(3, true, &length)).unwrap();
    streams
}

fn is_overlap(result: Result<(), Refused>) -> bool {
    matches!(result, Err(Refused::Violation(violation)) if violation.code == code::MESSAGE)
}

fn sizes(streams: &Streams) -> (usize, usize) {
    let ahead = streams.streams.get(ID).unwrap().receive.ahead.as_ref();
    ahead.map_or((0, 0), |ahead| ahead.sizes())
}

#[test]
fn h18_no_message_begins_inside_one_that_has_begun() {
    let mut streams = begun();
    streams.on_stream(&piece(HEAD, false, &[0; 50])).unwrap();
    for offset in [HEAD + 50, HEAD + 100, HEAD + 59_999] {
        let mut inside = begun();
        inside.on_stream(&piece(HEAD, false, &[0; 50])).unwrap();
        assert!(is_overlap(inside.on_stream(&piece(offset, true, &[0]))));
    }
    // What was read of it is as good as gone, and behind it begins the next.
    streams.on_stream(&piece(HEAD + 10, true, &[0])).unwrap();
    streams
        .on_stream(&piece(HEAD + 60_000, true, &[2, 7, 7]))
        .unwrap();
    assert_eq!(streams.receive(ID), Ok(Some(vec![7, 7])));
    streams
        .on_stream(&piece(HEAD + 50, false, &[0; 59_950]))
        .unwrap();
    assert_eq!(streams.receive(ID), Ok(Some(vec![0; 60_000])));
    assert_eq!(streams.receive(ID), Err(StreamError::Blocked));
}

#[test]
fn h18_a_message_that_begins_inside_an_earlier_one_ends_the_connection_once_that_is_known() {
    let length = (60_000u32 | 2 << 30).to_be_bytes();
    // Incomplete, whole, and delivered; in the message and in its length.
    for (offset, data) in [(100, &[0x7f, 0xff][..]), (100, &[1, 5]), (5, &[0])] {
        for reads in [false, true] {
            let mut streams = server(Mode::Unordered);
            let other = frame::Stream {
                id: 2,
                ..piece(60_000, false, b"x")
            };
            streams.on_stream(&other).unwrap();
            streams.on_stream(&piece(offset, true, data)).unwrap();
            if reads {
                let _ = streams.receive(ID);
            }
            let head = streams.on_stream(&piece(3, false, &length));
            assert!(is_overlap(head), "{offset} {reads}");
        }
    }
    // One that is delivered ahead of its turn is no different.
    let mut streams = server(Mode::Unordered);
    streams.on_stream(&piece(30, true, &[0])).unwrap();
    let around = streams.on_stream(&piece(20, true, &[40, 0]));
    assert!(is_overlap(around));
    let mut streams = server(Mode::Unordered);
    streams.on_stream(&piece(20, true, &[40, 0])).unwrap();
    assert!(is_overlap(streams.on_stream(&piece(30, true, &[0]))));
}

#[test]
fn h18_no_skip_begins_inside_a_message_that_has_begun() {
    let mut streams = begun();
    streams.on_stream(&piece(HEAD, false, &[0; 50])).unwrap();
    assert!(is_overlap(streams.on_skip(&skip(HEAD + 50, 10))));
    // All of it may be skipped, and what follows.
    let mut streams = begun();
    streams.on_stream(&piece(HEAD, false, &[0; 50])).unwrap();
    streams.on_skip(&skip(3, 4 + 60_000 + 10)).unwrap();
    let next = piece(HEAD + 60_010, false, &[1, 9]);
    streams.on_stream(&next).unwrap();
    assert_eq!(streams.receive(ID), Ok(Some(vec![9])));
    // And one that begins where it ends.
    let mut streams = begun();
    streams.on_skip(&skip(HEAD + 60_000, 10)).unwrap();
    let body = piece(HEAD, false, &[0; 60_000]);
    streams.on_stream(&body).unwrap();
    assert_eq!(streams.receive(ID), Ok(Some(vec![0; 60_000])));
}

#[test]
fn h09_beginnings_cost_no_more_than_the_bytes_that_tell_them() {
    let mut streams = server(Mode::Unordered);
    let steps = |streams: &Streams| {
        let receive = &streams.streams.get(ID).unwrap().receive;
        receive.ahead.as_ref().map_or(0, |ahead| ahead.steps)
    };
    let mut bytes = 0;
    let mut arrive = |streams: &mut Streams, offset, begins, data: &[u8]| {
        streams.on_stream(&piece(offset, begins, data)).unwrap();
        bytes += data.len();
        let steps = steps(streams);
        assert!(steps <= 4 * bytes, "{steps} steps for {bytes} bytes");
    };
    // Messages of nine bytes.
    for index in 0..GAPS_MAX as u64 - 1 {
        arrive(&mut streams, 10 + index * 20, true, &[9]);
    }
    let before = steps(&streams);
    for _ in 0..10_000 {
        arrive(&mut streams, 10, true, &[9]);
    }
    assert_eq!(steps(&streams), before, "nothing is new");
    for index in 0..GAPS_MAX as u64 - 1 {
        for at in 1..4 {
            arrive(&mut streams, 10 + index * 20 + at, false, &[0]);
        }
    }
    // All at once, and again.
    arrive(&mut streams, 12, false, &[0; 20_000]);
    arrive(&mut streams, 12, false, &[0; 20_000]);
    let mut messages = 0;
    while streams.receive(ID).is_ok() {
        messages += 1;
    }
    assert!(messages >= GAPS_MAX - 1, "{messages}");
}

#[test]
fn h16_skips_with_gaps_between_them_are_bounded() {
    for mode in [Mode::Messages, Mode::Unordered] {
        let mut streams = server(mode);
        // What comes first is missing.
        let mut kept = 0;
        for index in 0..4000 {
            let offset = 5 + index * 2;
            match streams.on_skip(&skip(offset, 1)) {
                Ok(()) => kept += 1,
                Err(refused) => assert_eq!(refused, Refused::NoRoom),
            }
            let filler = streams.on_stream(&piece(offset - 1, false, &[1]));
            assert!(matches!(filler, Ok(()) | Err(Refused::NoRoom)));
        }
        assert_eq!((kept, sizes(&streams).1), (GAPS_MAX, GAPS_MAX));
        // What touches others takes no room.
        streams.on_skip(&skip(5, 1)).unwrap();
        streams.on_skip(&skip(5, 3)).unwrap();
        assert_eq!(sizes(&streams).1, GAPS_MAX - 1);
    }
}

#[test]
fn h16_messages_delivered_between_skips_are_bounded() {
    let mut streams = server(Mode::Unordered);
    for round in 0..3 {
        for index in 0..2000 {
            // An empty message, and what follows is skipped.
            let offset = 10 + index * 4;
            let _ = match round {
                0 => streams.on_stream(&piece(offset, true, &[0, 9])),
                1 => streams.on_skip(&skip(offset + 1, 1)),
                _ => streams.on_stream(&piece(offset + 2, false, &[1, 1])),
            };
            let _ = streams.receive(ID);
            let (starts, gone) = sizes(&streams);
            assert!(starts <= GAPS_MAX && gone <= GONE_MAX, "{starts} {gone}");
        }
    }
    let (_, gone) = sizes(&streams);
    assert!(gone >= GAPS_MAX, "{gone}: as many as there is room for");
}

#[test]
fn credit_comes_back_when_a_message_ahead_is_too_long() {
    let mut streams = server(Mode::Unordered);
    streams.on_stream(&piece(100, true, &[0x80])).unwrap();
    // The first message's length is read, and then that of the other.
    let mut bytes = [0xff; 101];
    bytes[..2].copy_from_slice(&[0x40, 95]);
    streams.on_stream(&piece(3, false, &bytes)).unwrap();
    assert!(streams.streams.get(ID).unwrap().receive.stopped);
    assert_eq!(streams.data_received, streams.data_read);
}

#[test]
fn nothing_is_received_behind_a_violation() {
    let mut streams = server(Mode::Unordered);
    streams.on_stream(&piece(30, true, &[1, 5])).unwrap();
    assert_eq!(streams.receive(ID), Ok(Some(vec![5])));
    // Whole, and then one around what was delivered.
    let mut bytes = [0; 27];
    bytes[..3].copy_from_slice(&[1, 9, 40]);
    streams.on_stream(&piece(3, false, &bytes)).unwrap();
    assert_eq!(streams.receive(ID), Ok(Some(vec![9])));
    streams.on_stream(&piece(32, false, &[0; 20])).unwrap();
    assert_eq!(streams.receive(ID), Err(StreamError::NotOpen));
    assert!(streams.take_violation().is_some());
    assert_eq!(streams.receive(ID), Err(StreamError::NotOpen));
}

/// A part was skipped before anybody knew that the stream carries bytes.
#[test]
fn nothing_is_read_of_bytes_with_a_skip_among_them() {
    let mut streams = server(Mode::Messages);
    let id = 4;
    let whole = |offset, data| frame::Stream {
        id,
        ..piece(offset, false, data)
    };
    let preamble = Preamble {
        port: PORT,
        mode: Mode::Bytes,
    };
    streams.on_skip(&Skip { id, ..skip(5, 3) }).unwrap();
    let bytes = [&preamble.encode()[..], b"ab"].concat();
    let result = streams.on_stream(&whole(0, &bytes));
    let refused =
        matches!(result, Err(Refused::Violation(broken)) if broken.code == code::STREAM_STATE);
    assert!(refused, "{result:?}");
    let mut buffer = [0; 8];
    let read = streams.read(StreamId(id), &mut buffer);
    assert_eq!(read, Err(StreamError::NotOpen));
}

/// Bytes of a message were skipped before anybody knew that it is one: nothing is made of them, though what
/// was closed for that may be read.
#[test]
fn nothing_is_received_of_a_message_with_a_skip_inside() {
    for mode in [Mode::Messages, Mode::Unordered] {
        let mut streams = server(mode);
        streams.on_skip(&skip(5, 3)).unwrap();
        let result = streams.on_stream(&piece(3, false, &[2, 14]));
        let refused =
            matches!(result, Err(Refused::Violation(broken)) if broken.code == code::MESSAGE);
        assert!(refused, "{mode:?}: {result:?}");
        assert_eq!(streams.receive(ID), Err(StreamError::NotOpen));
    }
}
