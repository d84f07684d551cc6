use std::collections::BTreeSet;

use codec::Writer;
use proptest::prelude::*;

use super::*;
use crate::event::Event;
use crate::frame::{self, MaxStreamData, ResetStream, StopSending};
use crate::violation::{Refused, code};
use crate::{Config, PORT_CLOSED};

const PORT: u16 = 7;

fn config() -> Config {
    let mut config = Config::default();
    config.ports.insert(PORT);
    config.stream_window_bytes = 1000;
    config.stream_window_bytes_max = 1000;
    config.connection_window_bytes = 1500;
    config.connection_window_bytes_max = 1500;
    config.streams_max = 4;
    config
}

/// The accepting end's streams.
pub(super) fn server() -> Streams {
    let mut streams = Streams::new(Side::Server, &config());
    streams.on_peer_limits(Limits {
        stream_data: 1000,
        data: 1500,
        streams: 4,
        message: 1 << 20,
    });
    streams
}

pub(super) fn data(id: u64, offset: u64, data: &[u8], fin: bool) -> frame::Stream<'_> {
    frame::Stream {
        id,
        offset,
        fin,
        begins: false,
        data,
    }
}

pub(super) fn preamble(mode: Mode) -> [u8; 3] {
    Preamble { port: PORT, mode }.encode()
}

fn code_of(result: Result<(), Refused>) -> u64 {
    match result {
        Err(Refused::Violation(violation)) => violation.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn h19_flow_limits_are_enforced() {
    let mut streams = server();
    let bytes = [0; 1001];
    assert_eq!(
        code_of(streams.on_stream(&data(0, 0, &bytes, false))),
        code::FLOW_CONTROL
    );
    let mut streams = server();
    streams
        .on_stream(&data(0, 0, &bytes[..1000], false))
        .unwrap();
    let second = streams.on_stream(&data(2, 0, &bytes[..501], false));
    assert_eq!(code_of(second), code::FLOW_CONTROL, "of the connection");
    let mut streams = server();
    assert_eq!(
        code_of(streams.on_stream(&data(8, 0, b"x", false))),
        code::STREAM_LIMIT
    );
    assert_eq!(
        code_of(streams.on_stream(&data(1, 0, b"x", false))),
        code::STREAM_STATE
    );
}

#[test]
fn h19_a_changed_final_size_is_refused() {
    let reset = |final_size| ResetStream {
        id: 0,
        code: 0,
        final_size,
    };
    let mut streams = server();
    streams.on_stream(&data(0, 0, &[0; 10], true)).unwrap();
    assert_eq!(
        code_of(streams.on_stream(&data(0, 10, b"x", false))),
        code::FINAL_SIZE
    );
    assert_eq!(
        code_of(streams.on_stream(&data(0, 0, &[0; 9], true))),
        code::FINAL_SIZE
    );
    assert_eq!(code_of(streams.on_reset(reset(11))), code::FINAL_SIZE);
    let mut streams = server();
    streams.on_stream(&data(0, 0, &[0; 10], false)).unwrap();
    assert_eq!(code_of(streams.on_reset(reset(9))), code::FINAL_SIZE);
}

#[test]
fn h10_empty_frames_leave_nothing_behind() {
    let mut streams = server();
    for _ in 0..1000 {
        streams.on_stream(&data(0, 0, b"", false)).unwrap();
    }
    assert_eq!((streams.streams.len(), streams.events.len()), (1, 0));
}

#[test]
fn h20_streams_opened_and_reset_use_up_credit() {
    let mut streams = server();
    for index in 0..4u64 {
        let reset = ResetStream {
            id: index * 2,
            code: 1,
            final_size: 0,
        };
        streams.on_reset(reset).unwrap();
    }
    // Nothing was told of them, and the peer gets no more before it acknowledges our resets.
    assert!(streams.events.is_empty());
    assert_eq!(
        code_of(streams.on_stream(&data(8, 0, b"", false))),
        code::STREAM_LIMIT
    );
}

#[test]
fn bytes_of_a_reset_stream_are_credited() {
    let mut streams = server();
    streams
        .on_stream(&data(0, 0, &preamble(Mode::Bytes), false))
        .unwrap();
    streams.on_stream(&data(0, 3, &[0; 900], false)).unwrap();
    let reset = ResetStream {
        id: 0,
        code: 5,
        final_size: 1000,
    };
    streams.on_reset(reset).unwrap();
    assert!(streams.max_data_due);
    assert_eq!(streams.data_credit(), 2500);
    assert_eq!(
        streams.read(StreamId(0), &mut [0; 10]),
        Err(StreamError::Ended(5))
    );
}

#[test]
fn a_stream_to_a_closed_port_is_refused_both_ways() {
    let mut streams = server();
    let bytes = Preamble {
        port: PORT + 1,
        mode: Mode::Bytes,
    }
    .encode();
    streams.on_stream(&data(0, 0, &bytes, false)).unwrap();
    let mut out = Vec::new();
    streams.write_frames(1000, &mut out, &mut |_| {});
    let mut reader = codec::Reader::new(&out);
    let reset = frame::Frame::decode(&mut reader).unwrap();
    let stop = frame::Frame::decode(&mut reader).unwrap();
    assert!(matches!(reset, frame::Frame::ResetStream(frame) if frame.code == PORT_CLOSED));
    let expected = StopSending {
        id: 0,
        code: PORT_CLOSED,
    };
    assert_eq!(stop, frame::Frame::StopSending(expected));
    assert!(streams.events.is_empty());
}

#[test]
fn a_message_cut_off_or_malformed_is_a_violation() {
    let mut streams = server();
    let mut bytes = preamble(Mode::Messages).to_vec();
    bytes.extend_from_slice(&[5, b'a', b'b']);
    assert_eq!(
        code_of(streams.on_stream(&data(0, 0, &bytes, true))),
        code::MESSAGE
    );
    let mut streams = server();
    bytes.truncate(3);
    bytes.extend_from_slice(&[0x40]);
    assert_eq!(
        code_of(streams.on_stream(&data(0, 0, &bytes, true))),
        code::MESSAGE,
        "the length"
    );
    let mut streams = server();
    bytes.extend_from_slice(&[0x01]);
    let long_form = streams.on_stream(&data(0, 0, &bytes, false));
    assert_eq!(
        code_of(long_form),
        code::MESSAGE,
        "a length in a second spelling"
    );
}

#[test]
fn a_message_that_is_too_long_ends_its_stream_only() {
    let mut small = config();
    small.message_bytes_max = 10;
    let mut streams = Streams::new(Side::Server, &small);
    let mut bytes = preamble(Mode::Messages).to_vec();
    bytes.extend_from_slice(&[11, b'a']);
    streams.on_stream(&data(0, 0, &bytes, false)).unwrap();
    let code = crate::MESSAGE_TOO_LONG;
    let stream = StreamId(0);
    assert!(streams.events.contains(&Event::Reset { stream, code }));
    assert_eq!(streams.take_violation(), None);
}

#[test]
fn a_blocked_writer_is_told_when_there_is_room() {
    let mut small = config();
    small.send_buffer_bytes = 100;
    let mut streams = Streams::new(Side::Client, &small);
    streams.on_peer_limits(Limits {
        stream_data: 1000,
        data: 1000,
        streams: 4,
        message: 1000,
    });
    let id = streams.open(PORT, Mode::Bytes).unwrap();
    assert_eq!(streams.write(id, &[0; 200]), Ok(97));
    assert_eq!(streams.write(id, &[0; 200]), Err(StreamError::Blocked));
    let mut sent = Vec::new();
    streams.write_frames(1000, &mut Vec::new(), &mut |frame| sent.push(frame));
    assert!(streams.events.is_empty());
    for frame in sent {
        streams.on_frame_acked(frame);
    }
    assert_eq!(streams.poll_event(), Some(Event::Writable { stream: id }));
    assert_eq!(streams.write(id, &[0; 200]), Ok(100));
}

#[test]
fn the_peers_limits_hold_the_sender_back() {
    let mut streams = Streams::new(Side::Client, &Config::default());
    streams.on_peer_limits(Limits {
        stream_data: 50,
        data: 60,
        streams: 1,
        message: 1000,
    });
    let id = streams.open(PORT, Mode::Bytes).unwrap();
    assert_eq!(streams.open(PORT, Mode::Bytes), Err(StreamError::TooMany));
    streams.on_max_streams(1);
    assert_eq!(streams.poll_event(), None);
    streams.on_max_streams(2);
    streams.on_max_streams(3);
    assert_eq!(streams.poll_event(), Some(Event::StreamsAvailable));
    assert_eq!(streams.poll_event(), None, "told once");
    streams.write(id, &[0; 500]).unwrap();
    let sent = |streams: &mut Streams| {
        let mut bytes = 0;
        streams.write_frames(1000, &mut Vec::new(), &mut |frame| {
            if let crate::recovery::SentFrame::Stream { range, .. } = frame {
                bytes += range.end - range.start;
            }
        });
        bytes
    };
    assert_eq!(sent(&mut streams), 50);
    assert!(!streams.wants_to_send());
    streams
        .on_max_stream_data(MaxStreamData { id: 0, max: 500 })
        .unwrap();
    assert_eq!(sent(&mut streams), 10, "the connection's limit");
    streams.on_max_data(1000);
    assert_eq!(sent(&mut streams), 440);
}

proptest! {
    /// Whatever is split, repeated and reordered: the messages come out as they went in.
    #[test]
    fn messages_survive_any_cut(
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 1..12),
        cuts in proptest::collection::vec((0usize..800, 1usize..40), 0..60),
    ) {
        let mut stream = preamble(Mode::Messages).to_vec();
        for message in &messages {
            Writer::new(&mut stream).prefixed(message);
        }
        let mut streams = server();
        let mut received = Vec::new();
        let pieces = cuts.into_iter().map(|(start, len)| {
            let start = start.min(stream.len());
            start..(start + len).min(stream.len())
        });
        for piece in pieces.chain(std::iter::once(0..stream.len())) {
            let frame = data(0, piece.start as u64, &stream[piece.clone()], false);
            streams.on_stream(&frame).unwrap();
            while let Ok(Some(message)) = streams.receive(StreamId(0)) {
                received.push(message);
            }
        }
        prop_assert_eq!(received, messages);
    }
}

#[test]
fn a_message_cut_off_behind_a_whole_one_is_a_violation() {
    for cut_off in [&[5, b'b'][..], &[0x40]] {
        let mut streams = server();
        let mut bytes = preamble(Mode::Messages).to_vec();
        bytes.extend_from_slice(&[1, b'a']);
        bytes.extend_from_slice(cut_off);
        streams.on_stream(&data(0, 0, &bytes, true)).unwrap();
        let id = StreamId(0);
        assert_eq!(streams.receive(id), Ok(Some(b"a".to_vec())));
        let violation = streams.take_violation().map(|violation| violation.code);
        assert_eq!(violation, Some(code::MESSAGE), "{cut_off:?}");
    }
}

#[test]
fn h18_until_it_is_trusted_a_peer_sends_short_messages_only() {
    let mut small = config();
    small.message_bytes_max = 100;
    small.message_bytes_first = 10;
    let mut streams = Streams::new(Side::Server, &small);
    let message = |len| {
        [
            &preamble(Mode::Messages)[..],
            &[len],
            &[7; 100][..len.into()],
        ]
        .concat()
    };
    streams.on_stream(&data(0, 0, &message(10), false)).unwrap();
    assert_eq!(streams.receive(StreamId(0)), Ok(Some(vec![7; 10])));
    streams.on_stream(&data(2, 0, &message(11), false)).unwrap();
    let (stream, code) = (StreamId(2), crate::MESSAGE_TOO_LONG);
    assert!(streams.events.contains(&Event::Reset { stream, code }));
    streams.grow_messages(100);
    streams.on_stream(&data(4, 0, &message(60), false)).unwrap();
    assert_eq!(streams.receive(StreamId(4)), Ok(Some(vec![7; 60])));
}

#[test]
fn a_stream_that_was_reset_is_never_finished() {
    let mut streams = server();
    let id = streams.open(PORT, Mode::Bytes).unwrap();
    streams.write(id, &[1; 100]).unwrap();
    streams.finish(id).unwrap();
    let mut sent = Vec::new();
    streams.write_frames(50, &mut Vec::new(), &mut |frame| sent.push(frame));
    streams.write_frames(1000, &mut Vec::new(), &mut |frame| sent.push(frame));
    assert!(sent.len() >= 2);
    streams.reset(id, 9).unwrap();
    // Of the data only the end arrived.
    streams.on_frame_acked(sent.pop().unwrap());
    assert_eq!(streams.poll_event(), None);
}

#[test]
fn streams_that_ended_early_can_be_replaced_when_all_are_open() {
    let mut streams = server();
    let reset = |id| ResetStream {
        id,
        code: 1,
        final_size: 0,
    };
    streams.on_reset(reset(0)).unwrap();
    let mut sent = Vec::new();
    streams.write_frames(1000, &mut Vec::new(), &mut |frame| sent.push(frame));
    sent.into_iter()
        .for_each(|frame| streams.on_frame_acked(frame));
    streams.on_stream(&data(6, 0, b"", false)).unwrap();
    let mut out = Vec::new();
    streams.write_frames(1000, &mut out, &mut |_| {});
    assert_eq!(out, [frame::MAX_STREAMS, 5], "four of them at once");
}

#[test]
fn messages_that_wait_to_be_whole_never_use_up_the_connections_credit() {
    let mut streams = server();
    let mut begun = preamble(Mode::Messages).to_vec();
    Writer::new(&mut begun).varint(400).bytes(&[7; 360]);
    for id in [0, 2, 4, 6] {
        streams.on_stream(&data(id, 0, &begun, false)).unwrap();
        streams.write_frames(1000, &mut Vec::new(), &mut |_| {});
    }
    for id in [0, 2, 4, 6] {
        let rest = data(id, begun.len() as u64, &[7; 40], false);
        streams.on_stream(&rest).unwrap();
        assert_eq!(streams.receive(StreamId(id)), Ok(Some(vec![7; 400])));
    }
}

#[test]
fn h32_what_was_read_is_not_held() {
    let mut config = config();
    config.streams_max = 200;
    config.connection_window_bytes = 10_000;
    let mut streams = Streams::new(Side::Server, &config);
    for id in (0..400).step_by(2) {
        let bytes = [&preamble(Mode::Bytes)[..], &[7; 900]].concat();
        streams.on_stream(&data(id, 0, &bytes, false)).unwrap();
        assert_eq!(streams.read(StreamId(id), &mut [0; 895]), Ok(895));
        streams.write_frames(1000, &mut Vec::new(), &mut |_| {});
    }
    let held = streams.held.total();
    assert!(
        held <= 200 * 256 + 3 * 10_000,
        "{held} bytes for 5 a stream"
    );
    streams.release_memory();
    assert!(streams.held.total() <= 200 * 256);
    assert!(!streams.holds_memory(), "nothing has changed since");
}

/// Long messages are taken out of their streams as they come; here their beginnings come last.
#[test]
fn h32_what_was_taken_out_of_streams_leaves_no_buffers() {
    const MESSAGE: usize = 4_500;
    let mut config = config();
    config.streams_max = 200;
    config.stream_window_bytes = 8_000;
    config.stream_window_bytes_max = 8_000;
    config.connection_window_bytes = 16_000;
    config.connection_window_bytes_max = 16_000;
    let mut streams = Streams::new(Side::Server, &config);
    let mut length = Vec::new();
    Writer::new(&mut length).varint(MESSAGE as u64);
    let message = [&preamble(Mode::Messages)[..], &length, &[7; MESSAGE]].concat();
    for id in (0..400).step_by(2) {
        streams
            .on_stream(&data(id, 100, &message[100..], false))
            .unwrap();
        streams
            .on_stream(&data(id, 0, &message[..100], false))
            .unwrap();
        let whole = streams.receive(StreamId(id)).unwrap();
        assert_eq!(whole, Some(vec![7; MESSAGE]));
        streams.write_frames(1000, &mut Vec::new(), &mut |_| {});
    }
    let held = streams.held.total();
    assert!(held <= 3 * 16_000, "{held} bytes for nothing");
}

/// A buffer that is filled and emptied again and again, as bulk data does, keeps its memory.
#[test]
fn what_flows_does_not_free_and_allocate() {
    let mut config = config();
    config.send_buffer_bytes = 20_000;
    let mut streams = Streams::new(Side::Client, &config);
    streams.on_peer_limits(Limits {
        stream_data: u64::MAX,
        data: u64::MAX,
        streams: 1,
        message: 0,
    });
    let id = streams.open(PORT, Mode::Bytes).unwrap();
    let mut capacities = BTreeSet::new();
    for round in 0..10 {
        while streams.write(id, &[7; 3000]).is_ok() {}
        let mut sent = Vec::new();
        for _ in 0..40 {
            streams.write_frames(1000, &mut Vec::new(), &mut |frame| sent.push(frame));
        }
        for frame in sent {
            streams.on_frame_acked(frame);
            if round > 0 {
                capacities.insert(streams.held.send);
            }
        }
    }
    assert_eq!(capacities.len(), 1, "{capacities:?}");
    streams.release_memory();
    assert_eq!(streams.held.total(), 0);
}

#[test]
fn a_sender_takes_in_what_the_path_takes() {
    let mut config = config();
    config.send_buffer_bytes = 100;
    config.send_buffer_bytes_max = 1000;
    let mut streams = Streams::new(Side::Server, &config);
    streams.on_peer_limits(Limits {
        streams: 1,
        ..Limits::default()
    });
    let id = streams.open(PORT, Mode::Bytes).unwrap();
    assert_eq!(streams.write(id, &[0; 5000]), Ok(97));
    let rtt = core::time::Duration::from_millis(10);
    streams.on_clock(crate::Instant::ZERO, rtt, 125, 1000);
    assert_eq!(streams.write(id, &[0; 5000]), Ok(400), "four windows");
    streams.on_clock(crate::Instant::ZERO, rtt, 10_000, 1000);
    assert_eq!(streams.write(id, &[0; 5000]), Ok(500), "at most");
}

#[test]
fn h20_by_default_a_peer_has_1024_streams_open() {
    let mut streams = Streams::new(Side::Server, &Config::default());
    streams.on_stream(&data(1023 * 2, 0, b"", false)).unwrap();
    assert_eq!(streams.open_count(), 1024);
    let beyond = streams.on_stream(&data(1024 * 2, 0, b"", false));
    assert_eq!(code_of(beyond), code::STREAM_LIMIT);
}

/// The stop overtakes the first bytes: whoever gets the stream is told of it all the same.
#[test]
fn a_stream_that_was_stopped_before_it_opened_says_so() {
    let mut streams = server();
    streams.on_stop(StopSending { id: 0, code: 5 }).unwrap();
    assert_eq!(streams.poll_event(), None, "nobody knows of it yet");
    let bytes = preamble(Mode::Bytes);
    streams.on_stream(&data(0, 0, &bytes, false)).unwrap();
    let stream = StreamId(0);
    assert_eq!(
        streams.poll_event(),
        Some(Event::Opened { stream, port: PORT })
    );
    assert_eq!(
        streams.poll_event(),
        Some(Event::Stopped { stream, code: 5 })
    );
}
