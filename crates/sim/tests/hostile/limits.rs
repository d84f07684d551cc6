//! Keys that have been used as often as they may be (RFC 9001 §6.6), and configurations of extremes.

use core::time::Duration;

use common::{PORT, Pair, config, sessions};
use sim::Link;
use transport::{CloseReason, Config, Mode, OpenGate, ReceiveBudget, Side, code};

use crate::common;

/// Connected, with keys of either end that seal and fail to open so many packets.
fn pair([confidentiality, integrity]: [u64; 2]) -> Pair {
    let seed = 24;
    let sessions = [Side::Client, Side::Server]
        .map(|side| sessions(seed, side).with_limits(confidentiality, integrity));
    let configs = [config(), config()];
    let mut pair = Pair::with_sessions(seed, configs, Box::new(OpenGate), sessions);
    pair.until_connected();
    pair
}

fn key_updates(pair: &mut Pair) -> u64 {
    let handle = pair.handle;
    let stats = pair.on_client(|endpoint, _| endpoint.connection(handle).map(|it| it.stats()));
    stats.unwrap().counters.key_updates
}

#[test]
fn h24_a_key_is_replaced_long_before_its_limit() {
    let mut pair = pair([1000, 1 << 52]);
    let stream = pair.open(PORT, Mode::Messages);
    for _ in 0..50 {
        pair.send(stream, &[7; 100_000]);
        pair.run(2, |_| false);
    }
    assert_eq!(pair.logs[1].messages.len(), 50);
    assert!(pair.logs.iter().all(|log| log.closed.is_empty()));
    assert!(key_updates(&mut pair) >= 4, "{}", key_updates(&mut pair));
}

/// While nothing of the present key is acknowledged there is no next one (RFC 9001 §6.1): with more
/// on its way than a key may seal, it is the connection that ends.
#[test]
fn h24_a_key_at_its_limit_ends_the_connection() {
    let limit = 200;
    let mut pair = pair([limit, 1 << 52]);
    let (client, server) = (pair.client, pair.server);
    let link = Link::with_delay(Duration::from_millis(200));
    pair.world.set_link(client, server, link.clone());
    pair.world.set_link(server, client, link);
    let stream = pair.open(PORT, Mode::Messages);
    for _ in 0..20 {
        pair.send(stream, &[7; 20_000]);
        pair.run(2, |_| false);
    }
    assert_eq!(pair.logs[1].messages.len(), 20);
    assert!(key_updates(&mut pair) > 2, "{}", key_updates(&mut pair));
    let much = (pair.handle, stream, vec![7; 1_000_000]);
    pair.logs[0].outbox.extend(vec![much; 20]);
    assert!(pair.run(60, |logs| !logs[0].closed.is_empty()));
    let (_, reason) = &pair.logs[0].closed[0];
    assert!(is_at_limit(reason), "{reason:?}");
}

fn is_at_limit(reason: &CloseReason) -> bool {
    matches!(reason, CloseReason::ProtocolError { code, .. } if *code == code::AEAD_LIMIT)
}

#[test]
fn h24_packets_that_do_not_authenticate_end_a_connection_at_the_limit() {
    let limit = 100;
    let mut pair = pair([1 << 23, limit]);
    let stream = pair.open(PORT, Mode::Messages);
    pair.world.start_capture();
    pair.send(stream, b"to be forged");
    pair.run(1, |_| false);
    let heard = |datagram: &sim::Captured| datagram.to == common::address(2);
    let genuine = pair.world.take_capture().into_iter().find(heard).unwrap();
    for number in 1..=limit {
        assert_eq!(pair.logs[1].closed, [], "after {number} forgeries");
        let mut bytes = genuine.bytes.clone();
        let last = bytes.len() - 1;
        // Another tag, and another packet number: what is known is not opened.
        bytes[last] ^= 1;
        bytes[9] ^= 0x40;
        pair.world
            .inject(Duration::ZERO, genuine.from, genuine.to, bytes);
        pair.run(1, |_| false);
    }
    let (_, reason) = &pair.logs[1].closed[0];
    assert!(is_at_limit(reason), "{reason:?}");
}

/// Everything that is a number or a time is as large as it can be, or as small.
fn extreme(largest: bool) -> Config {
    let mut config = config();
    let (number, size, time) = if largest {
        (u64::MAX, usize::MAX, Duration::MAX)
    } else {
        (0, 0, Duration::ZERO)
    };
    config.idle_timeout = time;
    config.keep_alive = Some(time);
    config.handshake_timeout = time.max(Duration::from_secs(1));
    config.message_bytes_max = size.max(1000);
    config.message_bytes_first = size.max(100);
    config.stream_window_bytes = number;
    config.stream_window_bytes_max = number;
    config.connection_window_bytes = number;
    config.connection_window_bytes_max = number;
    config.receive_budget = ReceiveBudget::new(number);
    config.send_buffer_bytes = size;
    config.send_buffer_bytes_max = size;
    config.streams_max = number.max(1);
    config.datagram_bytes_max = size;
    config.key_update_packets = number;
    config.half_open_max = size;
    config
}

#[test]
fn extremes_are_cut_to_what_a_connection_can_have() {
    for (ours, theirs) in [(true, true), (true, false), (false, true), (false, false)] {
        let configs = [extreme(ours), extreme(theirs)];
        let sessions = [Side::Client, Side::Server].map(|side| sessions(9, side));
        let mut pair = Pair::with_sessions(9, configs, Box::new(OpenGate), sessions);
        pair.until_connected();
        let handle = pair.handle;
        pair.on_client(|endpoint, _| {
            let connection = endpoint.connection(handle).unwrap();
            connection.raise_windows(u64::MAX, u64::MAX);
            connection.grow_messages(usize::MAX);
        });
        let stream = pair.open(PORT, Mode::Messages);
        pair.logs[1].echo = true;
        let message = if theirs && ours { 300_000 } else { 100 };
        let message = vec![7; message];
        pair.logs[0].outbox.push_back((handle, stream, message));
        let heard = |logs: &[common::Log]| logs.iter().all(|log| !log.messages.is_empty());
        assert!(pair.run(60, heard), "{ours} {theirs}");
        let before = pair.world.stats().sent;
        // Not until what is due next, which may be in centuries.
        let end = pair.world.now() + Duration::from_secs(10);
        pair.world.run(end, |_, _, _| {}, |_| false).unwrap();
        let pings = pair.world.stats().sent - before;
        assert!(pings <= 4 * 10 * 100 + 10, "{pings} datagrams");
        for log in &pair.logs {
            assert_eq!(log.closed, [], "{ours} {theirs}");
        }
    }
}
