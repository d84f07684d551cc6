//! Modes of delivery, over a wire that loses and reorders what it is told to.

use core::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::frame::{self, Frame};
use crate::recovery::SentFrame;
use crate::violation::{Refused, code};
use crate::{Config, Instant};

pub(super) const PORT: u16 = 7;
pub(super) const ROOM: usize = 200;

/// A packet's frames, and what its sender remembers of them.
pub(super) type Packet = (Vec<u8>, Vec<SentFrame>);

/// Both ends of a connection, without anything below streams.
pub(super) struct Ends {
    pub(super) client: Streams,
    pub(super) server: Streams,
    pub(super) now: Instant,
}

impl Ends {
    pub(super) fn new(window: u64) -> Self {
        let mut config = Config::default();
        config.ports.insert(PORT);
        config.stream_window_bytes = window;
        config.stream_window_bytes_max = window;
        config.connection_window_bytes = window;
        config.connection_window_bytes_max = window;
        let limits = Limits {
            stream_data: window,
            data: window,
            streams: 1024,
            message: 1 << 20,
        };
        let mut ends = Self {
            client: Streams::new(Side::Client, &config),
            server: Streams::new(Side::Server, &config),
            now: Instant::ZERO,
        };
        ends.client.on_peer_limits(limits);
        ends.server.on_peer_limits(limits);
        ends.pass(Duration::ZERO);
        ends
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        for end in [&mut self.client, &mut self.server] {
            end.on_clock(self.now, Duration::from_millis(10), 100_000, ROOM);
        }
    }

    /// The next packet of the client.
    pub(super) fn packet(&mut self) -> Option<Packet> {
        let (mut out, mut sent) = (Vec::new(), Vec::new());
        self.client
            .write_frames(ROOM, &mut out, &mut |frame| sent.push(frame));
        (!out.is_empty()).then_some((out, sent))
    }

    pub(super) fn arrive(&mut self, packet: &Packet) -> Result<(), Refused> {
        deliver(&mut self.server, &packet.0)
    }

    pub(super) fn acknowledge(&mut self, packet: Packet) {
        for frame in packet.1 {
            self.client.on_frame_acked(frame);
        }
    }

    pub(super) fn lose(&mut self, packet: Packet) {
        for frame in packet.1 {
            self.client.on_frame_lost(frame);
        }
    }

    /// What the server says gets to the client: credit.
    fn answer(&mut self) {
        let mut out = Vec::new();
        self.server.write_frames(100_000, &mut out, &mut |_| {});
        deliver(&mut self.client, &out).unwrap();
    }

    /// Everything that is left goes through.
    pub(super) fn settle(&mut self) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        while let Some(packet) = self.packet() {
            self.arrive(&packet).unwrap();
            self.acknowledge(packet);
            messages.extend(self.received());
            self.answer();
        }
        messages
    }

    pub(super) fn received(&mut self) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        while let Ok(Some(message)) = self.server.receive(StreamId(0)) {
            messages.push(message);
        }
        messages
    }

    pub(super) fn send(&mut self, id: StreamId, message: &[u8]) {
        self.client.send(id, message, NEVER).unwrap();
    }
}

pub(super) fn deliver(to: &mut Streams, payload: &[u8]) -> Result<(), Refused> {
    let mut reader = codec::Reader::new(payload);
    while !reader.is_empty() {
        match Frame::decode(&mut reader).unwrap() {
            Frame::Stream(frame) => to.on_stream(&frame)?,
            Frame::Skip(frame) => to.on_skip(&frame)?,
            Frame::Datagram(frame) => to.on_datagram(&frame)?,
            Frame::MaxData(max) => to.on_max_data(max),
            Frame::ResetStream(frame) => to.on_reset(frame)?,
            Frame::MaxStreamData(frame) => to.on_max_stream_data(frame)?,
            Frame::StopSending(frame) => to.on_stop(frame)?,
            other => panic!("{other:?}"),
        }
    }
    Ok(())
}

#[test]
fn an_unordered_message_does_not_wait_for_one_that_was_lost() {
    let mut ends = Ends::new(100_000);
    let id = ends.client.open(PORT, Mode::Unordered).unwrap();
    ends.send(id, b"zero");
    let first = ends.packet().unwrap();
    ends.arrive(&first).unwrap();
    ends.send(id, &[1; 150]);
    let lost = ends.packet().unwrap();
    // Longer than a packet, and then several in one.
    ends.send(id, &[2; 300]);
    ends.send(id, b"three");
    ends.send(id, b"four");
    while let Some(packet) = ends.packet() {
        ends.arrive(&packet).unwrap();
    }
    let whole = [
        b"zero".to_vec(),
        vec![2; 300],
        b"three".to_vec(),
        b"four".to_vec(),
    ];
    assert_eq!(ends.received(), whole);
    ends.lose(lost);
    assert_eq!(ends.settle(), [vec![1; 150]]);
    let stream = ends.server.streams.get(id).unwrap();
    assert_eq!(stream.receive.target(), 100_000 + 3 + 5 + 152 + 302 + 6 + 5);
}

#[test]
fn a_late_message_is_dropped_and_those_behind_it_come() {
    for mode in [Mode::Messages, Mode::Unordered] {
        let mut ends = Ends::new(100_000);
        let id = ends.client.open(PORT, mode).unwrap();
        let soon = ends.now + Duration::from_millis(5);
        ends.client.send(id, &[1; 350], soon).unwrap();
        ends.send(id, b"patient");
        // Partly sent, and half of that lost.
        let packet = ends.packet().unwrap();
        ends.arrive(&packet).unwrap();
        ends.acknowledge(packet);
        let lost = ends.packet().unwrap();
        ends.pass(Duration::from_millis(6));
        ends.lose(lost);
        assert_eq!(ends.settle(), [b"patient".to_vec()], "{mode:?}");
        assert_eq!(ends.client.dropped().unsent, 1);
        // One that is late before anything of it was sent.
        let soon = ends.now + Duration::from_millis(5);
        ends.client.send(id, &[3; 10], soon).unwrap();
        ends.client.send(id, &[4; 10], soon).unwrap();
        ends.send(id, b"after");
        ends.client.finish(id).unwrap();
        ends.pass(Duration::from_millis(6));
        assert_eq!(ends.settle(), [b"after".to_vec()], "{mode:?}");
        assert_eq!(ends.client.dropped().unsent, 3);
        assert!(ends.client.streams.get(id).unwrap().send.is_finished());
    }
}

#[test]
fn a_higher_priority_goes_first() {
    let mut ends = Ends::new(100_000);
    let bulk = ends.client.open(PORT, Mode::Bytes).unwrap();
    let talk = ends.client.open(PORT, Mode::Messages).unwrap();
    ends.client.write(bulk, &[0; 50_000]).unwrap();
    let _ = ends.packet().unwrap();
    ends.send(talk, b"first");
    ends.client.set_priority(talk, 5).unwrap();
    let (_, sent) = ends.packet().unwrap();
    let id = |frame: &SentFrame| match frame {
        SentFrame::Stream { id, .. } => *id,
        other => panic!("{other:?}"),
    };
    assert_eq!(sent.iter().map(id).collect::<Vec<_>>(), [talk.0, bulk.0]);
    ends.client.set_priority(talk, -1).unwrap();
    ends.send(talk, b"last");
    while let Some((_, sent)) = ends.packet() {
        if id(&sent[0]) == talk.0 {
            break;
        }
        assert_eq!(
            sent.len(),
            1 + usize::from(id(sent.last().unwrap()) == talk.0)
        );
    }
    assert!(!ends.client.wants_to_send());
}

fn code_of(result: Result<(), Refused>) -> u64 {
    match result {
        Err(Refused::Violation(violation)) => violation.code,
        other => panic!("{other:?}"),
    }
}

fn preamble(mode: Mode) -> Vec<u8> {
    Preamble { port: PORT, mode }.encode().to_vec()
}

fn piece(offset: u64, begins: bool, data: &[u8]) -> frame::Stream<'_> {
    let (id, fin) = (0, false);
    frame::Stream {
        id,
        offset,
        fin,
        begins,
        data,
    }
}

#[test]
fn frames_of_another_mode_close() {
    let skip = frame::Skip {
        id: 0,
        offset: 10,
        len: 5,
    };
    let datagram = frame::Datagram { id: 0, data: b"x" };
    let begin = piece(10, true, b"x");
    for mode in [
        Mode::Bytes,
        Mode::Messages,
        Mode::Unordered,
        Mode::Datagrams,
    ] {
        let bytes = preamble(mode);
        for early in [true, false] {
            let refused = |act: &dyn Fn(&mut Streams) -> Result<(), Refused>| {
                let mut server = Ends::new(1000).server;
                let first = piece(0, false, &bytes);
                let result = if early {
                    act(&mut server).and_then(|()| server.on_stream(&first))
                } else {
                    server.on_stream(&first).and_then(|()| act(&mut server))
                };
                result.is_err().then(|| code_of(result))
            };
            let messages = matches!(mode, Mode::Messages | Mode::Unordered);
            let error = Some(code::STREAM_STATE);
            let skipped = refused(&|server| server.on_skip(&skip));
            assert_eq!(skipped, error.filter(|_| !messages), "{mode:?} {early}");
            let begun = refused(&|server| server.on_stream(&begin));
            assert_eq!(begun, error.filter(|_| mode != Mode::Unordered));
            let datagrams = refused(&|server| server.on_datagram(&datagram));
            assert_eq!(datagrams, error.filter(|_| mode != Mode::Datagrams));
        }
    }
    let mut server = Ends::new(1000).server;
    let over = frame::Skip { offset: 2, ..skip };
    assert_eq!(code_of(server.on_skip(&over)), code::STREAM_STATE);
    let far = frame::Skip { len: 991, ..skip };
    assert_eq!(code_of(server.on_skip(&far)), code::FLOW_CONTROL);
}

#[test]
fn h18_beginnings_of_messages_are_bounded_and_cannot_overlap() {
    let mut server = Ends::new(100_000).server;
    server
        .on_stream(&piece(0, false, &preamble(Mode::Unordered)))
        .unwrap();
    // Each of ten bytes, of which one arrives.
    let mut kept = 0;
    for index in 0..2000 {
        match server.on_stream(&piece(10 + index * 20, true, &[9])) {
            Ok(()) => kept += 1,
            Err(refused) => assert!(matches!(refused, Refused::NoRoom)),
        }
    }
    assert_eq!(kept, 1024);
    let mut server = Ends::new(100_000).server;
    server
        .on_stream(&piece(0, false, &preamble(Mode::Unordered)))
        .unwrap();
    server
        .on_stream(&piece(20, true, &[5, 1, 2, 3, 4, 5]))
        .unwrap();
    assert_eq!(server.receive(StreamId(0)), Ok(Some(vec![1, 2, 3, 4, 5])));
    let over = server.on_stream(&piece(15, true, &[8, 0, 0, 0, 0]));
    assert_eq!(code_of(over), code::MESSAGE);
}

#[derive(Clone, Debug)]
struct Said {
    len: usize,
    patience_ms: Option<u64>,
}

fn said() -> impl Strategy<Value = Said> {
    let len = prop_oneof![3 => 0usize..40, 1 => 0usize..3000];
    let patience = prop_oneof![2 => Just(None), 1 => (0u64..30).prop_map(Some)];
    (len, patience).prop_map(|(len, patience_ms)| Said { len, patience_ms })
}

proptest! {
    /// Whatever is lost, delayed and repeated: each message arrives once and whole, if it may not be
    /// dropped; none arrives twice or in part; order is kept where it is promised; and all credit
    /// comes back.
    #[test]
    fn messages_arrive_once_and_whole(
        unordered in any::<bool>(),
        window in prop_oneof![Just(500u64), Just(5000), Just(1_000_000)],
        said in proptest::collection::vec(said(), 1..30),
        fates in proptest::collection::vec((0u8..6, 0usize..8), 1..300),
    ) {
        let mut ends = Ends::new(window);
        let mode = if unordered { Mode::Unordered } else { Mode::Messages };
        let id = ends.client.open(PORT, mode).unwrap();
        let message = |index: usize, said: &Said| vec![index as u8; said.len];
        let mut unsaid = said.iter().enumerate();
        let (mut wire, mut got) = (Vec::new(), Vec::new());
        for (fate, pick) in fates {
            match fate {
                0 => if let Some((index, said)) = unsaid.next() {
                    let deadline = said.patience_ms.map_or(NEVER, |ms| ends.now + Duration::from_millis(ms));
                    ends.client.send(id, &message(index, said), deadline).unwrap();
                },
                1 => wire.extend(ends.packet()),
                _ if wire.is_empty() => ends.pass(Duration::from_millis(1)),
                2 => {
                    let packet: Packet = wire.remove(pick % wire.len());
                    ends.arrive(&packet).unwrap();
                    ends.acknowledge(packet);
                }
                3 => {
                    let packet = wire.remove(pick % wire.len());
                    ends.lose(packet);
                }
                4 => {
                    // Arrives, and its sender believes that it was lost.
                    let packet = wire.remove(pick % wire.len());
                    ends.arrive(&packet).unwrap();
                    ends.lose(packet);
                }
                _ => {
                    ends.pass(Duration::from_millis(pick as u64));
                    got.extend(ends.received());
                    ends.answer();
                }
            }
        }
        for (index, said) in unsaid {
            ends.client.send(id, &message(index, said), NEVER).unwrap();
        }
        ends.client.finish(id).unwrap();
        for packet in wire {
            ends.lose(packet);
        }
        got.extend(ends.received());
        ends.answer();
        got.extend(ends.settle());
        prop_assert!(ends.client.streams.get(id).unwrap().send.is_finished());
        // Neither length nor index is unique for empty ones: those are counted.
        let mut left: Vec<_> = said.iter().enumerate().map(|(index, said)| (index, message(index, said), said)).collect();
        let mut last = 0;
        for message in got {
            let at = left.iter().position(|(_, text, _)| *text == message);
            prop_assert!(at.is_some(), "twice, in part, or never sent");
            let (index, ..) = left.remove(at.unwrap());
            prop_assert!(unordered || message.is_empty() || index >= last, "out of order");
            last = last.max(index);
        }
        let waited = left.iter().filter(|(_, text, said)| said.patience_ms.is_none() && !text.is_empty());
        prop_assert_eq!(waited.count(), 0, "lost");
        let server = &ends.server;
        prop_assert_eq!(server.data_received, server.data_read);
    }
}

/// Far into a stream with a high number a frame's header is longer than usual.
#[test]
fn repeats_never_outgrow_their_packet() {
    let mut streams = Streams::new(Side::Client, &Config::default());
    streams.on_peer_limits(Limits {
        stream_data: 1 << 20,
        data: 1 << 20,
        streams: 100,
        message: 1 << 20,
    });
    let ids: Vec<StreamId> = (0..40)
        .map(|_| streams.open(PORT, Mode::Bytes).unwrap())
        .collect();
    let id = *ids.last().unwrap();
    streams.on_clock(Instant::ZERO, Duration::from_millis(10), 1 << 20, 1000);
    streams.write(id, &[7; 20_000]).unwrap();
    while streams.wants_to_send() {
        streams.write_frames(1000, &mut Vec::new(), &mut |_| {});
    }
    let mut recent = Vec::new();
    for _ in 0..2 {
        streams.write(id, &[7; 100]).unwrap();
        streams.write_frames(1000, &mut Vec::new(), &mut |frame| recent.push(frame));
    }
    for end in 0..300 {
        let mut repeats = Repeats::default();
        for (packet, frame) in recent.iter().enumerate() {
            repeats.note(packet as u64, frame);
        }
        let mut out = Vec::new();
        streams.write_repeats(&mut repeats, 9, true, end, &mut out, |_| {});
        assert!(out.len() <= end, "{} bytes in {end}", out.len());
        assert!(end < 250 || out.len() > 200, "both fit in {end}");
    }
}

#[test]
fn what_is_skipped_was_not_sent() {
    let mut ends = Ends::new(100_000);
    let talk = ends.client.open(PORT, Mode::Messages).unwrap();
    let soon = ends.now + Duration::from_millis(1);
    ends.client.send(talk, &[1; 50_000], soon).unwrap();
    ends.pass(Duration::from_millis(5));
    ends.send(talk, b"hello");
    let mut bytes = 0;
    while let Some((_, sent)) = ends.packet() {
        for frame in sent {
            if let SentFrame::Stream { range, .. } = frame {
                bytes += range.end - range.start;
            }
        }
    }
    // The preamble, and a message with its length.
    assert_eq!((bytes, ends.client.data_sent()), (9, 9));
}
