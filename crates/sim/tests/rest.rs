//! What a connection does without when it is quiet, and that it does not miss it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use core::time::Duration;

use common::{Log, PORT, address, client, config, drain, server, sessions};
use transport::{ConnectionHandle, Endpoint, Instant, Meta, Mode, OpenGate, Side, StreamId};

const MS: Duration = Duration::from_millis(1);

/// Two ends without a network: whoever writes the test carries the datagrams.
struct Ends {
    client: Endpoint,
    server: Endpoint,
    logs: [Log; 2],
    now: Instant,
}

fn take(from: &mut Endpoint, now: Instant) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    loop {
        let mut out = Vec::new();
        let Some(transmit) = from.poll_transmit(now, 1, &mut out) else {
            return datagrams;
        };
        out.truncate(transmit.len);
        datagrams.push(out);
    }
}

fn give(to: &mut Endpoint, from: u8, now: Instant, datagrams: Vec<Vec<u8>>) {
    let remote = address(from);
    for mut datagram in datagrams {
        to.handle_datagram(
            now,
            Meta {
                remote,
                local: None,
                ecn: None,
            },
            &mut datagram,
        );
    }
}

impl Ends {
    /// One that is connected, with a stream that the client has opened.
    fn connected() -> (Self, ConnectionHandle, StreamId) {
        let mut ends = Self {
            client: client(1, config()),
            server: server(1, config(), Box::new(OpenGate)),
            logs: [Log::default(), Log::default()],
            now: Instant::from_nanos(1_000_000_000),
        };
        let sessions = &mut sessions(1, Side::Client);
        let handle = (ends.client.connect(ends.now, address(2), sessions)).unwrap();
        ends.pass(10);
        let connection = ends.client.connection(handle).unwrap();
        let stream = connection.open(PORT, Mode::Messages).unwrap();
        connection.send(stream, b"hello").unwrap();
        ends.pass(100);
        assert_eq!(ends.logs[1].messages.len(), 1);
        (ends, handle, stream)
    }

    /// Everything goes there and back, 30 ms a round.
    fn pass(&mut self, rounds: usize) {
        for _ in 0..rounds {
            self.wait(MS * 10);
            give(
                &mut self.server,
                1,
                self.now,
                take(&mut self.client, self.now),
            );
            self.now += MS * 10;
            drain(&mut self.server, self.now, &mut self.logs[1]);
            give(
                &mut self.client,
                2,
                self.now,
                take(&mut self.server, self.now),
            );
            self.now += MS * 10;
            drain(&mut self.client, self.now, &mut self.logs[0]);
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
    }
}

/// It comes to rest when nothing has moved for a while, not when it has said nothing.
#[test]
fn a_burst_after_a_pause_may_arrive_in_any_order() {
    let (mut ends, handle, stream) = Ends::connected();
    ends.wait(MS * 5000);
    ends.client.connection(handle).unwrap().ping();
    ends.pass(5);
    ends.wait(MS * 2000);
    let theirs = ends.logs[1].connected[0];
    let mut flight = Vec::new();
    for _ in 0..150 {
        let connection = ends.server.connection(theirs).unwrap();
        connection.send(stream, &[7; 150]).unwrap();
        flight.extend(take(&mut ends.server, ends.now));
        ends.now += MS / 10;
    }
    assert!(flight.len() > 130, "{} packets", flight.len());
    // The last takes a shorter way, and is the first that arrives.
    let last = flight.pop();
    give(&mut ends.client, 2, ends.now, Vec::from_iter(last));
    take(&mut ends.client, ends.now);
    ends.client.handle_timeout(ends.now);
    give(&mut ends.client, 2, ends.now, flight);
    drain(&mut ends.client, ends.now, &mut ends.logs[0]);
    assert_eq!(ends.logs[0].messages.len(), 150);
}
