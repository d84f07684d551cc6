//! What users of a connection see: handshake, streams, resets, ends.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use core::time::Duration;

use common::{PORT, Pair, config};
use sim::Link;
use transport::{
    AddressGate, CloseReason, Completion, Endpoint, Event, Instant, MESSAGE_TOO_LONG, Meta, Mode,
    OpenGate, PORT_CLOSED, Side, StreamError,
};

#[test]
fn a_message_goes_there_and_back() {
    let mut pair = Pair::connected(1);
    pair.logs[1].echo = true;
    let stream = pair.open(PORT, Mode::Messages);
    pair.send(stream, b"hello");
    pair.send(stream, b"");
    pair.send(stream, &[7; 100_000]);
    assert!(pair.run(10, |logs| logs[0].messages.len() == 3));
    assert_eq!(pair.logs[1].opened, [(stream, PORT)]);
    let texts: Vec<_> = pair.logs[0]
        .messages
        .iter()
        .map(|(_, m)| m.clone())
        .collect();
    assert_eq!(texts, [b"hello".to_vec(), Vec::new(), vec![7; 100_000]]);
}

#[test]
fn bytes_arrive_in_order_and_end() {
    let mut pair = Pair::connected(2);
    let stream = pair.open(PORT, Mode::Bytes);
    let handle = pair.handle;
    let data: Vec<u8> = (0..300_000u32).map(|i| (i / 7) as u8).collect();
    pair.on_client(|endpoint, _| {
        let connection = endpoint.connection(handle).unwrap();
        assert_eq!(connection.write(stream, &data), Ok(data.len()));
        connection.finish(stream).unwrap();
        assert_eq!(connection.write(stream, b"more"), Err(StreamError::Unknown));
        assert_eq!(connection.send(stream, b"m"), Err(StreamError::WrongMode));
    });
    assert!(pair.run(10, |logs| !logs[1].ended.is_empty()
        && !logs[0].finished.is_empty()));
    assert_eq!(pair.logs[1].bytes[&stream], data);
}

#[test]
fn the_handshake_takes_a_challenge_of_the_address() {
    let gate = AddressGate::new(crypto::Secret::from([3; 32]));
    let mut pair = Pair::with(3, config(), config(), Box::new(gate));
    pair.until_connected();
    let stats = pair.on_server(|endpoint, _| endpoint.stats());
    assert!(stats.challenges >= 1);
    assert_eq!((stats.connections, stats.half_open), (1, 0));
}

#[test]
fn the_handshake_completes_on_a_dreadful_link() {
    for seed in 0..40 {
        let gate = AddressGate::new(crypto::Secret::from([3; 32]));
        let mut pair = Pair::with(seed, config(), config(), Box::new(gate));
        let (client, server) = (pair.client, pair.server);
        let mut link = Link::with_delay(Duration::from_millis(20));
        link.loss = 0.2;
        link.duplication = 0.3;
        link.corruption = 0.05;
        link.reordering = 0.3;
        link.reordering_delay = Duration::from_millis(40);
        pair.world.set_link(client, server, link.clone());
        pair.world.set_link(server, client, link);
        pair.until_connected();
    }
}

#[test]
fn u17_a_reset_ends_the_stream_with_its_reason_at_both_ends() {
    let mut pair = Pair::connected(4);
    let stream = pair.open(PORT, Mode::Messages);
    pair.send(stream, b"one");
    assert!(pair.run(5, |logs| logs[1].messages.len() == 1));
    let (ours, theirs) = (pair.handle, pair.server_handle());
    pair.on_client(|endpoint, _| endpoint.connection(ours).unwrap().reset(stream, 42))
        .unwrap();
    assert!(pair.run(5, |logs| !logs[1].resets.is_empty()));
    assert_eq!(pair.logs[1].resets, [(stream, 42)]);
    pair.on_server(|endpoint, _| {
        let connection = endpoint.connection(theirs).unwrap();
        assert_eq!(connection.receive(stream), Err(StreamError::Ended(42)));
        connection.stop(stream, 43).unwrap_err();
        connection.reset(stream, 44).unwrap();
    });
    assert!(pair.run(5, |logs| !logs[0].resets.is_empty()));
    assert_eq!(pair.logs[0].resets, [(stream, 44)]);
}

#[test]
fn a_stopped_sender_learns_why() {
    let mut pair = Pair::connected(5);
    let stream = pair.open(PORT, Mode::Messages);
    pair.send(stream, b"one");
    assert!(pair.run(5, |logs| logs[1].messages.len() == 1));
    let (ours, theirs) = (pair.handle, pair.server_handle());
    pair.on_server(|endpoint, _| endpoint.connection(theirs).unwrap().stop(stream, 9))
        .unwrap();
    assert!(pair.run(5, |logs| !logs[0].stops.is_empty()));
    assert_eq!(pair.logs[0].stops, [(stream, 9)]);
    let sent = pair.on_client(|endpoint, _| endpoint.connection(ours).unwrap().send(stream, b"x"));
    assert_eq!(sent, Err(StreamError::Ended(9)));
}

#[test]
fn a_port_that_nobody_listens_on_is_refused() {
    let mut pair = Pair::connected(6);
    let stream = pair.open(PORT + 1, Mode::Messages);
    pair.send(stream, b"anyone?");
    assert!(pair.run(5, |logs| !logs[0].stops.is_empty()
        && !logs[0].resets.is_empty()));
    assert_eq!(pair.logs[0].stops, [(stream, PORT_CLOSED)]);
    assert_eq!(pair.logs[0].resets, [(stream, PORT_CLOSED)]);
    assert!(pair.logs[1].opened.is_empty());
    let theirs = pair.server_handle();
    pair.on_server(|endpoint, _| endpoint.connection(theirs).unwrap().listen(PORT + 1));
    let stream = pair.open(PORT + 1, Mode::Messages);
    pair.send(stream, b"now?");
    assert!(pair.run(5, |logs| logs[1].messages == [(stream, b"now?".to_vec())]));
}

#[test]
fn a_message_beyond_the_peers_limit_is_refused_by_the_sender() {
    let mut theirs = config();
    theirs.message_bytes_max = 1000;
    let mut pair = Pair::with(7, config(), theirs, Box::new(OpenGate));
    pair.until_connected();
    let stream = pair.open(PORT, Mode::Messages);
    let handle = pair.handle;
    let sent = pair.on_client(|endpoint, _| {
        endpoint
            .connection(handle)
            .unwrap()
            .send(stream, &[0; 1001])
    });
    assert_eq!(sent, Err(StreamError::TooLong));
    pair.send(stream, &[1; 1000]);
    assert!(pair.run(5, |logs| logs[1].messages.len() == 1));
    const { assert!(MESSAGE_TOO_LONG > u32::MAX as u64) };
}

#[test]
fn closing_is_acknowledged_and_tells_the_reason() {
    let mut pair = Pair::connected(8);
    let handle = pair.handle;
    let start = pair.world.now();
    pair.on_client(|endpoint, now| {
        endpoint
            .connection(handle)
            .unwrap()
            .close(now, 7, "bye\u{7}")
    });
    assert!(pair.run(5, |logs| logs.iter().all(|log| !log.closed.is_empty())));
    assert_eq!(pair.logs[0].closed[0].1, CloseReason::Local);
    let reason = "bye".to_string();
    assert_eq!(
        pair.logs[1].closed[0].1,
        CloseReason::Peer { code: 7, reason }
    );
    // One round trip of the default link, not a timeout.
    assert!(pair.world.now().since(start) < Duration::from_millis(250));
    assert!(pair.on_client(|endpoint, _| endpoint.connection(handle).is_none()));
}

/// Everything that `from` has to say reaches `to`, or nobody. Returns how many datagrams that was.
fn pass(now: Instant, from: &mut Endpoint, to: Option<(&mut Endpoint, Meta)>) -> usize {
    let (mut count, mut batch) = (0, Vec::new());
    let mut to = to;
    while let Some(transmit) = from.poll_transmit(now, 40, &mut batch) {
        for datagram in batch.chunks_mut(transmit.segment_len.unwrap_or(transmit.len)) {
            count += 1;
            if let Some((to, meta)) = &mut to {
                to.handle_datagram(now, *meta, datagram);
            }
        }
        batch.clear();
    }
    count
}

/// What completes the server's handshake has not been sent, or was lost, when the client has enough.
#[test]
fn a_client_that_leaves_at_once_tells_the_server_that_it_was_there_and_why_it_left() {
    for lost in [false, true] {
        let mut client = common::client(40, config());
        let mut server = common::server(40, config(), Box::new(OpenGate));
        let [of_client, of_server] = [common::address(1), common::address(2)];
        let [from_client, from_server] = [of_client, of_server].map(|remote| Meta {
            remote,
            local: None,
            ecn: None,
        });
        let mut now = Instant::ZERO + Duration::from_secs(1);
        let mut sessions = common::sessions(40, Side::Client);
        let handle = client.connect(now, of_server, &mut sessions).unwrap();
        pass(now, &mut client, Some((&mut server, from_client)));
        now += Duration::from_millis(1);
        pass(now, &mut server, Some((&mut client, from_server)));
        assert_eq!(client.poll_event(), Some((handle, Event::Connected)));
        client.connection(handle).unwrap().close(now, 7, "bye");
        if lost {
            assert_eq!(pass(now, &mut client, None), 1);
            let due = client.poll_timeout().unwrap();
            assert!(
                due.since(now) >= Duration::from_millis(25),
                "no answer can be here"
            );
            now = due;
            client.handle_timeout(now);
        }
        assert_eq!(pass(now, &mut client, Some((&mut server, from_client))), 1);
        let events: Vec<_> = core::iter::from_fn(|| server.poll_event())
            .map(|(_, event)| event)
            .collect();
        let reason = "bye".to_string();
        let closed = Event::Closed(CloseReason::Peer { code: 7, reason });
        assert_eq!(events, [Event::Connected, closed]);
        pass(now, &mut server, Some((&mut client, from_server)));
        assert_eq!(
            client.poll_event(),
            Some((handle, Event::Closed(CloseReason::Local)))
        );
        assert_eq!(server.stats().drops.total(), 0);
    }
}

#[test]
fn what_arrived_before_a_close_can_be_read() {
    let mut pair = Pair::connected(18);
    let (stream, handle) = (pair.open(PORT, Mode::Messages), pair.handle);
    pair.send(stream, b"last words");
    pair.on_client(|endpoint, now| endpoint.connection(handle).unwrap().close(now, 0, "bye"));
    // The server's application comes late.
    let late = pair.world.now() + Duration::from_secs(1);
    pair.world.run(late, |_, _, _| {}, |_| false).unwrap();
    let mut log = common::Log::default();
    pair.on_server(|endpoint, now| common::drain(endpoint, now, &mut log));
    assert_eq!(log.messages, [(stream, b"last words".to_vec())]);
    assert_eq!(log.closed.len(), 1);
}

#[test]
fn an_idle_connection_is_kept_alive_and_a_dead_one_ends() {
    let mut pair = Pair::connected(9);
    assert!(!pair.run(300, |logs| logs.iter().any(|log| !log.closed.is_empty())));
    let (client, server) = (pair.client, pair.server);
    let mut dead = Link::default();
    dead.up = false;
    pair.world.set_link(client, server, dead.clone());
    pair.world.set_link(server, client, dead);
    // The idle timeout counts from the first ping that is not answered.
    assert!(pair.run(50, |logs| logs.iter().all(|log| !log.closed.is_empty())));
    for log in &pair.logs {
        assert_eq!(log.closed[0].1, CloseReason::IdleTimeout);
    }
}

#[test]
fn a_server_that_is_not_there_is_noticed() {
    let mut pair = Pair::new(10);
    let server = pair.server;
    pair.world.move_node(server, common::address(3));
    assert!(pair.run(11, |logs| !logs[0].closed.is_empty()));
    assert_eq!(pair.logs[0].closed[0].1, CloseReason::HandshakeTimeout);
}

#[test]
fn a_restarted_server_says_that_the_connection_is_gone() {
    let mut pair = Pair::connected(11);
    let fresh = common::server(99, config(), Box::new(OpenGate));
    pair.on_server(|endpoint, _| *endpoint = fresh);
    let stream = pair.open(PORT, Mode::Messages);
    pair.send(stream, b"still there?");
    assert!(pair.run(5, |logs| !logs[0].closed.is_empty()));
    assert_eq!(pair.logs[0].closed[0].1, CloseReason::StatelessReset);
}

#[test]
fn a_challenge_of_the_application_is_answered_or_refused() {
    struct Riddle;
    impl transport::Gate for Riddle {
        fn judge(
            &mut self,
            _: Instant,
            attempt: &transport::Attempt<'_>,
            challenge: &mut Vec<u8>,
        ) -> transport::Verdict {
            if let Some(hello) = attempt.token.strip_prefix(b"mellon") {
                return transport::Verdict::Admit(transport::Admission {
                    hello: hello.try_into().ok(),
                    challenge: Some(crypto::sha256(b"\x01friend")),
                });
            }
            challenge.extend_from_slice(b"\x01friend");
            transport::Verdict::Challenge
        }

        fn observe(&mut self, _: Instant, _: transport::Load) {}
    }
    let mut pair = Pair::with(12, config(), config(), Box::new(Riddle));
    pair.logs[0].solve = Some(|challenge, hello| {
        assert_eq!(challenge, b"\x01friend");
        Completion::Solved([b"mellon".as_slice(), &hello].concat())
    });
    pair.until_connected();
    let mut pair = Pair::with(13, config(), config(), Box::new(Riddle));
    pair.logs[0].solve = Some(|_, _| Completion::Refused("no riddles".into()));
    assert!(pair.run(5, |logs| !logs[0].closed.is_empty()));
    let reason = CloseReason::ChallengeRefused("no riddles".into());
    assert_eq!(pair.logs[0].closed[0].1, reason);
    // A token for another first message admits nobody.
    let mut pair = Pair::with(14, config(), config(), Box::new(Riddle));
    pair.logs[0].solve = Some(|_, _| Completion::Solved([b"mellon".as_slice(), &[0; 32]].concat()));
    assert!(!pair.run(8, |logs| !logs[0].connected.is_empty()));
}

#[test]
fn keys_are_bound_to_the_channel() {
    let mut pair = Pair::connected(15);
    let (ours, theirs) = (pair.handle, pair.server_handle());
    let export = |endpoint: &mut Endpoint, handle| {
        let mut out = [0; 32];
        let connection = endpoint.connection(handle).unwrap();
        connection.export(b"label", b"", &mut out).unwrap();
        out
    };
    let a = pair.on_client(|endpoint, _| export(endpoint, ours));
    let b = pair.on_server(|endpoint, _| export(endpoint, theirs));
    assert_eq!(a, b);
    let mut other = Pair::connected(16);
    let ours = other.handle;
    assert_ne!(other.on_client(|endpoint, _| export(endpoint, ours)), a);
}

#[test]
fn streams_come_and_go_without_end() {
    let mut pair = Pair::connected(17);
    let handle = pair.handle;
    for round in 0..3000u32 {
        let stream = loop {
            let opened = pair.on_client(|endpoint, _| {
                endpoint
                    .connection(handle)
                    .unwrap()
                    .open(PORT, Mode::Messages)
            });
            match opened {
                Ok(stream) => break stream,
                Err(StreamError::TooMany) => {
                    let told = pair.logs[0].streams_available;
                    assert!(pair.run(10, |logs| logs[0].streams_available > told));
                }
                Err(error) => panic!("{error}"),
            }
        };
        pair.send(stream, &round.to_be_bytes());
        pair.on_client(|endpoint, _| endpoint.connection(handle).unwrap().finish(stream))
            .unwrap();
        let theirs = pair.server_handle();
        if round % 100 == 99 {
            let wanted = round as usize + 1;
            assert!(pair.run(10, |logs| logs[1].ended.len() == wanted));
            let ended = pair.logs[1].ended.clone();
            pair.on_server(|endpoint, _| {
                let connection = endpoint.connection(theirs).unwrap();
                for stream in ended {
                    let _ = connection.finish(stream);
                }
            });
        }
    }
    let expected: Vec<Vec<u8>> = (0..3000u32)
        .map(|round| round.to_be_bytes().to_vec())
        .collect();
    let mut received: Vec<Vec<u8>> = pair.logs[1]
        .messages
        .iter()
        .map(|(_, m)| m.clone())
        .collect();
    received.sort();
    assert_eq!(received, expected);
}
