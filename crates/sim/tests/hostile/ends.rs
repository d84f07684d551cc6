//! Connections that end, and what comes afterwards.

use core::time::Duration;

use common::{PORT, Pair, config};
use sim::Link;
use transport::{CloseReason, Event, OpenGate, code};

use crate::common;
use crate::raw::{Heard, Raw, stream_frame};

/// A frame of a type that does not exist.
const NONSENSE: &[u8] = &[0x3f];
/// CLOSE by the peer's application, code 7.
const CLOSE: &[u8] = &[0x1d, 7, 0];

fn connected() -> Raw {
    let mut raw = Raw::new(config(), Box::new(OpenGate)).connected();
    raw.events.clear();
    raw.heard.clear();
    raw
}

fn close(raw: &mut Raw) {
    let (handle, now) = (raw.handle(), raw.now);
    raw.server.connection(handle).unwrap().close(now, 1, "");
    raw.collect();
}

fn closes(raw: &Raw) -> usize {
    let is_close = |heard: &&Heard| matches!(heard, Heard::Close { .. });
    raw.heard.iter().filter(is_close).count()
}

#[test]
fn a_peer_that_talks_on_is_told_of_the_end_ever_less() {
    let mut raw = connected();
    close(&mut raw);
    assert_eq!(closes(&raw), 1);
    for _ in 0..1000 {
        raw.say(&[1]);
    }
    assert!((2..=11).contains(&closes(&raw)), "{}", closes(&raw));
    raw.wait(Duration::from_secs(3));
    assert_eq!(raw.events, [Event::Closed(CloseReason::Local)]);
    assert_eq!(raw.server.stats().connections, 0);
}

/// What had arrived may be read as long as the connection is there, and may turn out to be too long.
#[test]
fn nothing_is_told_behind_the_end() {
    let mut config = config();
    config.message_bytes_first = 1_000;
    let mut raw = Raw::new(config, Box::new(OpenGate)).connected();
    // Port and mode, a message, and the length of one of 10,577 bytes.
    let messages = [0, PORT as u8, 1, 2, b'h', b'i', 0x69, 0x51];
    let mut frames = stream_frame(0, 0, &messages);
    frames.extend(NONSENSE);
    raw.say(&frames);
    let opened = raw.events.iter().find_map(|event| match event {
        Event::Opened { stream, .. } => Some(*stream),
        _ => None,
    });
    assert!(matches!(raw.events.pop(), Some(Event::Closed(_))));
    let handle = raw.handle();
    let connection = raw.server.connection(handle).unwrap();
    let stream = opened.unwrap();
    assert_eq!(connection.receive(stream), Ok(Some(b"hi".to_vec())));
    assert!(connection.receive(stream).is_err());
    raw.events.clear();
    raw.wait(Duration::from_secs(3));
    assert_eq!(raw.events, []);
    assert_eq!(raw.server.stats().connections, 0);
}

#[test]
fn an_end_is_told_once_and_not_put_off_by_nonsense() {
    let mut raw = connected();
    close(&mut raw);
    for _ in 0..100 {
        raw.wait(Duration::from_millis(50));
        if raw.server.stats().connections > 0 {
            raw.say(NONSENSE);
        }
    }
    assert_eq!(raw.events, [Event::Closed(CloseReason::Local)]);
    assert_eq!(raw.server.stats().connections, 0);
    let mut raw = connected();
    raw.say(NONSENSE);
    let (code, reason) = (code::FRAME_ENCODING, "a frame does not decode");
    raw.say(NONSENSE);
    let closed = Event::Closed(CloseReason::ProtocolError { code, reason });
    assert_eq!(raw.events, [closed]);
}

/// The user finds out by reading that the peer broke a rule, when the connection has ended already.
#[test]
fn what_is_read_after_the_end_does_not_end_it_again() {
    let mut raw = connected();
    // A message, then a length in a second spelling.
    let bytes = [0, PORT as u8, 1, 1, b'a', 0x40, 0x01];
    raw.say(&stream_frame(0, 0, &bytes));
    let handle = raw.handle();
    let Some(&Event::Opened { stream, .. }) = raw.events.first() else {
        panic!("{:?}", raw.events);
    };
    raw.events.clear();
    close(&mut raw);
    let connection = raw.server.connection(handle).unwrap();
    assert_eq!(connection.receive(stream), Ok(Some(b"a".to_vec())));
    raw.wait(Duration::from_secs(3));
    assert_eq!(raw.events, [Event::Closed(CloseReason::Local)]);
    assert_eq!(raw.server.stats().connections, 0);
}

#[test]
fn a_close_is_answered_once_though_it_came_twice() {
    let mut raw = connected();
    let first = raw.packet(transport::Epoch::Data, CLOSE);
    raw.take_in(first);
    raw.say(CLOSE);
    assert_eq!(closes(&raw), 1);
    let reason = String::new();
    let closed = Event::Closed(CloseReason::Peer { code: 7, reason });
    assert_eq!(raw.events, [closed]);
    assert_eq!(raw.server.stats().connections, 0);
}

/// Events may be polled before what is to be sent is.
#[test]
fn a_connection_that_ends_by_its_last_packet_is_forgotten() {
    let mut raw = connected();
    let datagram = raw.packet(transport::Epoch::Data, CLOSE);
    raw.take_in(datagram);
    while raw.server.poll_event().is_some() {}
    raw.collect();
    assert_eq!(closes(&raw), 1);
    assert_eq!(raw.server.stats().connections, 0);
}

#[test]
fn an_idle_timeout_of_nothing_neither_ends_nor_wakes_the_server() {
    let raw = Raw::with_parameters(config(), Box::new(OpenGate), 0, 65_535);
    let mut raw = raw.connected();
    raw.wait(Duration::from_millis(10));
    assert_eq!(raw.server.stats().connections, 1);
    raw.sent.clear();
    raw.wait(Duration::from_secs(60));
    assert_eq!(raw.server.stats().connections, 0);
    assert!(raw.sent.len() < 20, "{}", raw.sent.len());
}

/// RFC 9000 §10.1: not before three probe timeouts, whoever wishes it.
#[test]
fn an_idle_timeout_shorter_than_a_round_trip_ends_nothing() {
    let mut config = config();
    config.idle_timeout = Duration::from_millis(50);
    let mut pair = Pair::with(3, config.clone(), config, Box::new(OpenGate));
    let link = Link::with_delay(Duration::from_millis(300));
    pair.world.set_default_link(link.clone());
    let (client, server) = (pair.client, pair.server);
    pair.world.set_link(client, server, link.clone());
    pair.world.set_link(server, client, link);
    pair.until_connected();
    assert!(!pair.run(60, |logs| logs.iter().any(|log| !log.closed.is_empty())));
}
