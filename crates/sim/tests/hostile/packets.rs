//! Packets of a connection that is open: packed, forged, sent from elsewhere, at odd times.

use core::time::Duration;

use codec::Writer;
use common::{PORT, Pair, config};
use internet::{
    ConnectionId, ConnectionIds, DropReason, PacketBuilder, encode_version, initial_keys,
};
use sim::{Link, Rng};
use transport::{CloseReason, Endpoint, Event, Instant, Meta, Mode, OpenGate, StreamError, code};

use crate::common;
use crate::raw::{Heard, Raw, stream_frame};

fn connected() -> Raw {
    let mut raw = Raw::new(config(), Box::new(OpenGate)).connected();
    raw.events.clear();
    raw.heard.clear();
    raw.sent.clear();
    raw
}

#[test]
fn h09_datagrams_packed_with_the_smallest_frames_cost_little() {
    let empty_stream = stream_frame(0, 0, b"");
    let acknowledgement = vec![2, 0, 0, 0, 0];
    let smallest: [&[u8]; 5] = [
        &[1],
        &[0x10, 0],
        &[0x12, 0],
        &empty_stream,
        &acknowledgement,
    ];
    for frame in smallest {
        let mut raw = connected();
        let packed = frame.repeat(65_000 / frame.len());
        for _ in 0..20 {
            raw.say(&packed);
        }
        raw.wait(Duration::from_millis(100));
        assert_eq!(raw.events, []);
        assert!(raw.sent.len() <= 20, "{} for {frame:?}", raw.sent.len());
        assert_eq!(raw.server.stats().connections, 1);
    }
}

/// Pieces of one byte from the back to the front: no more than 1,024 gaps are kept, and what makes
/// more counts as not received.
#[test]
fn h16_h09_datagrams_packed_with_single_bytes_keep_few_gaps() {
    let mut raw = connected();
    let mut packed = stream_frame(0, 0, &[0, PORT as u8, 0]);
    raw.say(&packed);
    for block in 0..10u64 {
        packed.clear();
        for index in (0..1000).rev() {
            packed.extend(stream_frame(0, 10 + (block * 1000 + index) * 2, b"x"));
        }
        raw.say(&packed);
    }
    assert_eq!(raw.server.stats().drops.of(DropReason::QueueFull), 9);
    assert_eq!(raw.server.stats().connections, 1);
}

/// A reset of a stream that was never heard of.
fn reset_frame(id: u64) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).u8(4).varint(id).varint(1).varint(0);
    out
}

impl Raw {
    /// Acknowledges what has arrived, number by number: some are left out.
    fn acknowledge(&mut self) {
        let mut frames = Vec::new();
        for number in core::mem::take(&mut self.arrived) {
            let mut writer = Writer::new(&mut frames);
            writer.u8(2).varint(number).varint(0).varint(0).varint(0);
        }
        self.say(&frames);
    }
}

/// As many streams as one likes, a few at a time, for who acknowledges that the other side is over too; no
/// more than a few for who does not.
#[test]
fn h20_credit_comes_back_when_both_sides_are_over_and_not_before() {
    const MAX: u64 = 8;
    for acknowledges in [true, false] {
        let mut config = config();
        config.streams_max = MAX;
        let mut raw = Raw::new(config, Box::new(OpenGate)).connected();
        raw.events.clear();
        let mut opened = 0;
        while opened < 50 * MAX && raw.events.is_empty() {
            for _ in 0..MAX {
                raw.say(&reset_frame(opened * 2));
                opened += 1;
            }
            raw.wait(Duration::from_millis(50));
            if acknowledges {
                raw.acknowledge();
            }
            let handle = raw.server.connections().next();
            if let Some(connection) = handle.and_then(|handle| raw.server.connection(handle)) {
                assert!(connection.stats().streams_open as u64 <= MAX);
            }
        }
        if acknowledges {
            assert_eq!((opened, &raw.events[..]), (50 * MAX, &[][..]));
        } else {
            assert_eq!(opened, 2 * MAX);
            let code = code::STREAM_LIMIT;
            assert!(
                raw.heard.contains(&Heard::Close { code }),
                "{:?}",
                raw.heard
            );
        }
    }
}

/// A packet that is refused for its last frame has brought the others: a copy brings nothing.
#[test]
fn h23_a_copy_of_a_packet_that_was_refused_delivers_nothing() {
    let mut raw = connected();
    raw.say(&stream_frame(0, 0, &[0, PORT as u8, 0]));
    raw.say(&stream_frame(2, 0, &[0, PORT as u8, 3]));
    let gaps: Vec<u8> = (0..1024)
        .flat_map(|index| stream_frame(0, 10 + index * 2, b"x"))
        .collect();
    raw.say(&gaps);
    let mut frames = vec![0x30, 2, 2, b'h', b'i'];
    frames.extend(stream_frame(0, 9_000, b"x"));
    let refused = raw.packet(transport::Epoch::Data, &frames);
    for _ in 0..3 {
        raw.deliver(refused.clone());
    }
    let drops = raw.server.stats().drops;
    assert_eq!(drops.of(DropReason::QueueFull), 1);
    assert_eq!(drops.of(DropReason::Replay), 2);
    let stream = raw.events.iter().find_map(|event| match event {
        Event::Readable { stream } => Some(*stream),
        _ => None,
    });
    let handle = raw.server.connections().next().unwrap();
    let connection = raw.server.connection(handle).unwrap();
    let stream = stream.unwrap();
    assert_eq!(connection.receive(stream), Ok(Some(b"hi".to_vec())));
    assert_eq!(connection.receive(stream), Err(StreamError::Blocked));
    // What was refused is sent again under another number, and acknowledged once there is room.
    raw.arrived.clear();
    raw.say(&stream_frame(0, 3, &[7; 10_000]));
    raw.say(&stream_frame(0, 9_000, b"x"));
    raw.wait(Duration::from_millis(100));
    assert!(raw.heard.contains(&Heard::Acknowledgement));
}

#[test]
fn h21_acknowledgements_withheld_for_ever_change_nothing() {
    let mut raw = connected();
    // Out of order, so that every packet is answered; nothing is ever acknowledged.
    for _ in 0..20_000u32 {
        let skipped = raw.packet(transport::Epoch::Data, &[1]);
        drop(skipped);
        raw.say(&[1]);
    }
    assert!(raw.sent.len() <= 21_000, "{}", raw.sent.len());
    assert_eq!(raw.server.stats().connections, 1);
}

#[test]
fn h30_forged_ends_are_ignored() {
    let mut raw = connected();
    let (client_keys, _) = initial_keys(raw.original);
    let (to, from) = (raw.server_id, raw.own_id);
    let mut forged = Vec::new();
    let close = [0x1c, 0, 0];
    let mut out = Vec::new();
    let builder = PacketBuilder::initial(&mut out, to, from, b"", 9, None);
    out.extend_from_slice(&close);
    builder.pad_to(&mut out, 1200);
    builder.finish(&mut out, &client_keys);
    forged.push(out);
    let mut out = Vec::new();
    let builder = PacketBuilder::handshake(&mut out, to, from, 9, None);
    out.extend_from_slice(&close);
    builder.finish(&mut out, &client_keys);
    forged.push(out);
    let mut out = Vec::new();
    let builder = PacketBuilder::data(&mut out, to, false, 99, None);
    out.extend_from_slice(&close);
    builder.finish(&mut out, &client_keys);
    forged.push(out);
    let mut reset = vec![0x41; 42];
    crypto::Random::fill(&mut Rng::stream(1, "reset", 0), &mut reset[1..]);
    forged.push(reset);
    let mut version = Vec::new();
    encode_version(&mut version, to.as_bytes(), from.as_bytes());
    forged.push(version);
    for datagram in forged {
        raw.deliver(datagram);
    }
    assert_eq!(raw.events, []);
    raw.say(&[1]);
    raw.wait(Duration::from_millis(50));
    assert!(raw.heard.contains(&Heard::Acknowledgement));
}

/// RFC 9000 §10.3.1: the random bytes of a reset may happen to be an id of the receiver's.
#[test]
fn a_reset_that_looks_like_a_packet_of_the_connection_ends_it_and_a_forged_one_does_not() {
    let mut pair = Pair::connected(31);
    let stream = pair.open(PORT, Mode::Messages);
    pair.logs[1].echo = true;
    pair.world.start_capture();
    pair.send(stream, b"hello");
    pair.run(1, |logs| !logs[0].messages.is_empty());
    let (mut ours, mut theirs) = ([0; 8], [0; 8]);
    let (here, there) = (common::address(1), common::address(2));
    for datagram in pair.world.take_capture() {
        let id = if datagram.to == here {
            &mut ours
        } else {
            &mut theirs
        };
        id.copy_from_slice(&datagram.bytes[1..9]);
    }
    let ids = ConnectionIds::new(&crypto::Secret::from([9; 32]));
    let token = ids.reset_token(ConnectionId::new(theirs));
    let mut reset = vec![0x41];
    reset.extend_from_slice(&ours);
    reset.extend_from_slice(&[7; 12]);
    reset.extend_from_slice(token.as_bytes());
    let mut forged = vec![reset.clone(), reset[..9].to_vec()];
    *forged[0].last_mut().unwrap() ^= 1;
    forged[1].extend_from_slice(&token.as_bytes()[1..]);
    for bytes in forged {
        pair.world.inject(Duration::ZERO, there, here, bytes);
    }
    let elsewhere = common::address(3);
    pair.world
        .inject(Duration::ZERO, elsewhere, here, reset.clone());
    pair.run(1, |_| false);
    assert_eq!(pair.logs[0].closed, []);
    pair.world.inject(Duration::ZERO, there, here, reset);
    pair.run(1, |_| false);
    assert_eq!(
        pair.logs[0].closed,
        [(pair.handle, CloseReason::StatelessReset)]
    );
}

/// Two servers that know nothing of each other are made to answer each other.
#[test]
fn h30_answers_to_answers_become_smaller_and_cease() {
    let addresses = [common::address(1), common::address(2)];
    let mut servers: [Endpoint; 2] =
        [1, 2].map(|seed| common::server(seed, config(), Box::new(OpenGate)));
    let now = Instant::from_nanos(1);
    let mut datagram = vec![0x41; 1400];
    let mut rounds = 0;
    loop {
        let here = rounds % 2;
        let meta = Meta {
            remote: addresses[1 - here],
            local: None,
            ecn: None,
        };
        let len = datagram.len();
        servers[here].handle_datagram(now, meta, &mut datagram);
        let mut answer = Vec::new();
        if servers[here].poll_transmit(now, 1, &mut answer).is_none() {
            break;
        }
        assert!(answer.len() < len);
        datagram = answer;
        rounds += 1;
    }
    assert!((1..=42).contains(&rounds), "{rounds}");
}

#[test]
fn h31_a_clock_that_jumps_breaks_nothing() {
    let mut raw = connected();
    let hour = Duration::from_secs(3600);
    let start = raw.now;
    let times = [start - Duration::from_nanos(1), start - hour, Instant::ZERO];
    for (round, now) in (0..).zip(times) {
        raw.now = now;
        raw.server.handle_timeout(now);
        raw.say(&stream_frame(round * 2, 0, &[0, PORT as u8, 0, b'x']));
    }
    let (handle, sent) = (raw.handle(), raw.sent.len());
    let connection = raw.server.connection(handle).unwrap();
    let stream = connection.open(1, Mode::Bytes).unwrap();
    connection.write(stream, &[1; 100_000]).unwrap();
    raw.wait(Duration::from_secs(1));
    assert!(raw.sent.len() > sent + 8, "what is sent goes on");
    assert_eq!(raw.server.stats().connections, 1);
    raw.heard.clear();
    raw.say(&[1]);
    raw.wait(Duration::from_millis(100));
    assert!(raw.heard.contains(&Heard::Acknowledgement));
    // A machine that was asleep for an hour finds an idle connection.
    raw.wait(hour);
    assert_eq!(raw.server.stats().connections, 0);
    raw.now = Instant::from_nanos(u64::MAX);
    raw.server.handle_timeout(raw.now);
    raw.collect();
}

#[test]
fn h32_a_peer_that_never_reads_is_sent_no_more_than_its_window() {
    let (mut ours, mut theirs) = (config(), config());
    // No probes of the path, which are no data.
    ours.datagram_bytes_max = 1200;
    theirs.stream_window_bytes = 100_000;
    let mut pair = Pair::with(32, ours, theirs, Box::new(OpenGate));
    pair.until_connected();
    let stream = pair.open(PORT, Mode::Bytes);
    let handle = pair.handle;
    let sent = pair.world.stats().sent_bytes;
    for _ in 0..20 {
        pair.on_client(|endpoint, _| {
            let connection = endpoint.connection(handle).unwrap();
            while connection.write(stream, &[7; 10_000]).is_ok() {}
            let full = connection.write(stream, &[7; 10_000]);
            assert_eq!(full, Err(StreamError::Blocked));
        });
        // Nobody reads.
        let later = pair.world.now() + Duration::from_secs(1);
        pair.world.run(later, |_, _, _| {}, |_| false).unwrap();
    }
    let sent = pair.world.stats().sent_bytes - sent;
    assert!((100_000..120_000).contains(&sent), "{sent}");
}

#[test]
fn h19_more_than_the_window_closes() {
    let mut raw = connected();
    raw.say(&stream_frame(0, (1 << 20) + 1, b"x"));
    let close = Heard::Close {
        code: code::FLOW_CONTROL,
    };
    assert!(raw.heard.contains(&close));
}

#[test]
fn frames_of_streams_that_cannot_be_close() {
    let mut far = Vec::new();
    Writer::new(&mut far).u8(0x11).varint(2 * 1024).varint(1);
    let mut ours = Vec::new();
    Writer::new(&mut ours).u8(0x05).varint(1).varint(0);
    for (frame, code) in [(far, code::STREAM_LIMIT), (ours, code::STREAM_STATE)] {
        let mut raw = connected();
        raw.say(&frame);
        assert!(raw.heard.contains(&Heard::Close { code }));
        let closed = |event: &Event| matches!(event, Event::Closed(_));
        assert!(raw.events.iter().any(closed));
    }
}

/// Both ends update their keys while the other one's packets are on their way.
#[test]
fn no_packet_is_lost_by_a_key_update() {
    let mut pair = Pair::connected(25);
    let mut link = Link::with_delay(Duration::from_millis(50));
    link.jitter = Duration::from_millis(10);
    let (client, server) = (pair.client, pair.server);
    pair.world.set_link(client, server, link.clone());
    pair.world.set_link(server, client, link);
    let stream = pair.open(PORT, Mode::Messages);
    pair.send(stream, b"begin");
    assert!(pair.run(5, |logs| !logs[1].messages.is_empty()));
    let (ours, theirs) = (pair.handle, pair.server_handle());
    // From shortly before the update until shortly after it, something is always on its way.
    let shortly = Instant::ZERO + Duration::from_secs(595);
    let ignore = |_, endpoint: &mut Endpoint, _| while endpoint.poll_event().is_some() {};
    pair.world.run(shortly, ignore, |_| false).unwrap();
    for _ in 0..2_000 {
        pair.on_client(|endpoint, _| endpoint.connection(ours).unwrap().send(stream, b"a"))
            .unwrap();
        pair.on_server(|endpoint, _| endpoint.connection(theirs).unwrap().send(stream, b"b"))
            .unwrap();
        let later = pair.world.now() + Duration::from_millis(10);
        let logs = &mut pair.logs;
        let app = |node, endpoint: &mut Endpoint, now| {
            common::drain(endpoint, now, &mut logs[usize::from(node == server)]);
        };
        pair.world.run(later, app, |_| false).unwrap();
    }
    pair.run(2, |_| false);
    assert_eq!(pair.logs[0].messages.len(), 2_000);
    assert_eq!(pair.logs[1].messages.len(), 2_001);
    for node in [client, server] {
        let drops = pair.world.machine(node).unwrap().stats().drops;
        assert_eq!(drops.of(DropReason::Unauthentic), 0);
    }
}
