//! What messages cost the machines: two endpoints in memory, null sessions, no network between.
//!
//! `cargo run --release -p sim --features danger --example messages -- [BYTES] [COUNT]` sends COUNT
//! messages of BYTES each, one call each, and says how long it took per message. Run it under
//! `perf` or `valgrind --tool=callgrind` to see where.
#![allow(clippy::print_stdout, reason = "a program")]

use core::net::SocketAddr;
use core::time::Duration;
use std::error::Error;

use sim::Rng;
use sim::null::NullSessions;
use transport::{
    Accept, Config, ConnectionHandle, Endpoint, Event, Instant, Meta, Mode, OpenGate, StreamError,
    StreamId,
};

const PORT: u16 = 7;
const TURN: Duration = Duration::from_micros(20);
const SEGMENTS: usize = 44;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let len: usize = arguments.next().map_or(Ok(64), |text| text.parse())?;
    let count: usize = arguments
        .next()
        .map_or(Ok(1_000_000), |text| text.parse())?;

    let (here, there): (SocketAddr, SocketAddr) = ("10.0.0.1:1".parse()?, "10.0.0.2:2".parse()?);
    let mut config = Config::default();
    config.ports.insert(PORT);
    let accept = Accept {
        sessions: Box::new(NullSessions::server(Rng::new(1))),
        gate: Box::new(OpenGate),
        secret: crypto::Secret::from([9; 32]),
    };
    let mut server = Endpoint::server(config, accept, Box::new(Rng::new(2)));
    let mut client = Endpoint::client(Config::default(), Box::new(Rng::new(3)));
    let mut sessions = NullSessions::client(Rng::new(4));
    let mut now = Instant::ZERO;
    client.connect(now, there, &mut sessions)?;

    let message = vec![7; len];
    let mut stream: Option<(ConnectionHandle, StreamId)> = None;
    let (mut sent, mut received) = (0, 0);
    let mut buffer = Vec::new();
    let mut scratch = Vec::new();
    while received < count {
        now += TURN;
        client.handle_timeout(now);
        while let Some((handle, event)) = client.poll_event() {
            if let (Event::Connected, Some(connection)) = (event, client.connection(handle)) {
                stream = Some((handle, connection.open(PORT, Mode::Messages)?));
            }
        }
        if let Some((handle, stream)) = stream
            && let Some(connection) = client.connection(handle)
        {
            while sent < count {
                match connection.send(stream, &message) {
                    Ok(()) => sent += 1,
                    Err(StreamError::Blocked) => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        carry(now, &mut client, here, &mut server, &mut buffer);
        while let Some((handle, event)) = server.poll_event() {
            if let (Event::Readable { stream }, Some(connection)) =
                (event, server.connection(handle))
            {
                received += drain(connection, stream, &mut scratch);
            }
        }
        carry(now, &mut server, there, &mut client, &mut buffer);
    }
    println!(
        "{count} messages of {len} bytes, {:?} of virtual time",
        now.since(Instant::ZERO)
    );
    Ok(())
}

fn drain(connection: &mut transport::Connection, stream: StreamId, scratch: &mut Vec<u8>) -> usize {
    let mut count = 0;
    scratch.clear();
    while let Ok(Some(_)) = connection.receive_into(stream, scratch) {
        count += 1;
        scratch.clear();
    }
    count
}

/// The network: everything that `from` has to say arrives at `to`.
fn carry(
    now: Instant,
    from: &mut Endpoint,
    address: SocketAddr,
    to: &mut Endpoint,
    buffer: &mut Vec<u8>,
) {
    from.handle_timeout(now);
    let meta = Meta {
        remote: address,
        local: None,
        ecn: None,
    };
    buffer.clear();
    while let Some(transmit) = from.poll_transmit(now, SEGMENTS, buffer) {
        let segment = transmit.segment_len.unwrap_or(transmit.len);
        for datagram in buffer.chunks_mut(segment) {
            to.handle_datagram(now, meta, datagram);
        }
        buffer.clear();
    }
}
