//! A peer that has the keys and says what it likes: a tape of payloads, sealed into packets of a
//! connection that is established or halfway there. Nothing that it can say breaks what always has
//! to hold, what the application reads was said, and a connection that ends says why.

mod peer;
mod said;

use core::net::SocketAddr;
use core::time::Duration;

use crypto::Secret;
use sim::Rng;
use sim::null::NullSessions;
use transport::{
    Accept, CloseReason, Config, Endpoint, Epoch, Event, Instant, Meta, Mode, OpenGate, Side,
    StreamError, StreamId, code,
};

use peer::Peer;
use said::Said;

/// More steps of a tape are not looked at.
const STEPS_MAX: usize = 200;

/// More datagrams, events or timers than these at one step mean that somebody talks without end.
const ANSWERS_MAX: usize = 2_000;

const LISTENED: u16 = 7;

fn config() -> Config {
    let mut config = Config::default();
    config.ports.insert(LISTENED);
    config.stream_window_bytes = 20_000;
    config.connection_window_bytes = 40_000;
    config.stream_window_bytes_max = 80_000;
    config.connection_window_bytes_max = 100_000;
    config.send_buffer_bytes = 30_000;
    config.message_bytes_first = 1_000;
    config.streams_max = 8;
    config
}

fn address(side: Side) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, side as u8], 5000))
}

/// The end under test, and what is known of it.
struct End {
    side: Side,
    endpoint: Endpoint,
    now: Instant,
    connected: bool,
    closed: Option<CloseReason>,
    streams: Vec<StreamId>,
    said: Said,
    sent: Vec<Vec<u8>>,
}

impl End {
    fn new(side: Side, sessions: NullSessions) -> Self {
        let random = Box::new(Rng::new(1 + side as u64));
        let endpoint = match side {
            Side::Client => Endpoint::client(config(), random),
            Side::Server => {
                let accept = Accept {
                    sessions: Box::new(sessions),
                    gate: Box::new(OpenGate),
                    secret: Secret::from([9; 32]),
                };
                Endpoint::server(config(), accept, random)
            }
        };
        Self {
            side,
            endpoint,
            now: Instant::ZERO,
            connected: false,
            closed: None,
            streams: Vec::new(),
            said: Said::default(),
            sent: Vec::new(),
        }
    }

    fn deliver(&mut self, mut datagram: Vec<u8>) {
        let remote = match self.side {
            Side::Client => address(Side::Server),
            Side::Server => address(Side::Client),
        };
        let meta = Meta {
            remote,
            local: None,
            ecn: None,
        };
        self.endpoint.handle_datagram(self.now, meta, &mut datagram);
        self.settle();
    }

    /// Takes out what there is to send, and to tell.
    fn settle(&mut self) {
        self.transmit();
        for count in 0.. {
            assert!(count < ANSWERS_MAX, "an end that tells without end");
            let Some((_, event)) = self.endpoint.poll_event() else {
                break;
            };
            self.on_event(event);
        }
        self.transmit();
    }

    fn transmit(&mut self) {
        for count in 0.. {
            assert!(count < ANSWERS_MAX, "an end that talks without end");
            let mut out = Vec::new();
            if self.endpoint.poll_transmit(self.now, 1, &mut out).is_none() {
                break;
            }
            self.sent.push(out);
        }
    }

    fn on_event(&mut self, event: Event) {
        assert_eq!(self.closed, None, "{event:?} after the last one");
        match event {
            Event::Connected => self.connected = true,
            Event::Opened { stream, port } => {
                assert_eq!(port, LISTENED);
                assert!(!self.streams.contains(&stream));
                self.streams.push(stream);
            }
            Event::Closed(reason) => self.closed = Some(reason),
            _ => {}
        }
    }

    /// Reads whatever there is: it was said.
    fn read(&mut self) {
        self.read_all();
        self.settle();
    }

    fn read_all(&mut self) {
        let Some(handle) = self.endpoint.connections().next() else {
            return;
        };
        let Some(connection) = self.endpoint.connection(handle) else {
            return;
        };
        for &stream in &self.streams {
            loop {
                match connection.receive(stream) {
                    Ok(Some(message)) => self.said.check_message(stream, &message),
                    Ok(None) => break,
                    Err(StreamError::WrongMode) => {
                        let mut buffer = [0; 4096];
                        match connection.read(stream, &mut buffer) {
                            Ok(0) | Err(_) => break,
                            Ok(len) => self.said.check_bytes(self.side, stream, &buffer[..len]),
                        }
                    }
                    Err(_) => break,
                }
            }
        }
    }

    /// What the application does.
    fn user(&mut self, what: u8, amount: u8) {
        let Some(handle) = self.endpoint.connections().next() else {
            return;
        };
        let Some(connection) = self.endpoint.connection(handle) else {
            return;
        };
        let picked = usize::from(amount) % self.streams.len().max(1);
        match (what % 8, self.streams.get(picked).copied()) {
            (0, _) => {
                let modes = [
                    Mode::Bytes,
                    Mode::Messages,
                    Mode::Unordered,
                    Mode::Datagrams,
                ];
                let opened = connection.open(LISTENED, modes[usize::from(amount % 4)]);
                self.streams.extend(opened);
            }
            (1, Some(stream)) => drop(connection.write(stream, &[7; 5_000])),
            (2, Some(stream)) => drop(connection.send(stream, &vec![7; 8 * usize::from(amount)])),
            (3, Some(stream)) => drop(connection.finish(stream)),
            (4, Some(stream)) => drop(connection.reset(stream, 1)),
            (5, Some(stream)) => drop(connection.stop(stream, 2)),
            (6, _) => return self.read(),
            _ => {}
        }
        self.settle();
    }

    fn pass(&mut self, then: Instant) {
        self.now = self.now.max(then);
        self.endpoint.handle_timeout(self.now);
        self.settle();
    }

    fn is_over(&self) -> bool {
        self.endpoint.connections().next().is_none()
    }

    fn check(&self) {
        assert_eq!(self.endpoint.check(), Ok(()));
        assert!(self.closed.iter().all(is_possible), "{:?}", self.closed);
    }
}

/// How a connection may end by what the peer says or leaves unsaid, with the codes of
/// docs/PROTOCOL.md §4.6.
fn is_possible(reason: &CloseReason) -> bool {
    match reason {
        CloseReason::ProtocolError { code, .. } => {
            matches!(*code, code::FLOW_CONTROL..=code::PROTOCOL_VIOLATION)
                || matches!(
                    *code,
                    code::CRYPTO_BUFFER | code::AEAD_LIMIT | code::MESSAGE
                )
                || (code::CRYPTO..=code::CRYPTO + 255).contains(code)
        }
        CloseReason::Peer { reason, .. } | CloseReason::PeerError { reason, .. } => {
            reason.len() <= 3 * 256 && !reason.chars().any(char::is_control)
        }
        CloseReason::Handshake(_) | CloseReason::IdleTimeout | CloseReason::HandshakeTimeout => {
            true
        }
        _ => false,
    }
}

/// One step: a payload in a packet, some time, or the application's turn.
fn step(end: &mut End, peer: &mut Peer, what: u8, amount: u8, tape: &mut &[u8]) {
    match what % 8 {
        what @ 0..=4 => {
            let len = usize::from(amount).min(tape.len());
            let (payload, rest) = tape.split_at(len);
            *tape = rest;
            let epoch = match what {
                0 => Epoch::Initial,
                1 => Epoch::Handshake,
                _ => Epoch::Data,
            };
            // A number that is left out was lost.
            let skipped = u64::from(what == 4);
            let Some(datagram) = peer.packet(epoch, skipped, payload) else {
                return;
            };
            if epoch == Epoch::Data {
                end.said.hear(payload);
            }
            end.deliver(datagram);
            end.read();
        }
        5 => {
            end.pass(end.now + Duration::from_millis(u64::from(amount).pow(2) / 16));
        }
        6 => {
            if let Some(payload) = peer.acknowledgement()
                && let Some(datagram) = peer.packet(Epoch::Data, 0, &payload)
            {
                end.deliver(datagram);
            }
        }
        _ => end.user(amount / 32, amount % 32),
    }
    peer.listen(&mut end.sent);
}

/// Checks one input: who the peer is (1: the client) and whether the handshake stops halfway (2), then
/// steps of two bytes, what and how much, with as many bytes of payload behind them.
pub fn check(tape: &[u8]) {
    let Some((&first, mut tape)) = tape.split_first() else {
        return;
    };
    let side = match first & 1 {
        0 => Side::Client,
        _ => Side::Server,
    };
    let halfway = first & 2 != 0;
    let (mut end, mut peer) = peer::handshake(side, halfway);
    assert_eq!(end.connected, !halfway);
    for _ in 0..STEPS_MAX {
        let Some((&[what, amount], rest)) = tape.split_first_chunk() else {
            break;
        };
        tape = rest;
        step(&mut end, &mut peer, what, amount, &mut tape);
        end.check();
        if end.is_over() {
            break;
        }
    }
    // Whoever says nothing more is given up.
    for count in 0.. {
        assert!(count < ANSWERS_MAX, "a connection that does not end");
        if end.is_over() {
            break;
        }
        let due = end.endpoint.poll_timeout().expect("a timer");
        end.pass(due);
        end.check();
    }
    peer.listen(&mut end.sent);
    if halfway {
        return assert!(!end.connected, "nobody knows what ends the handshake");
    }
    let reason = end.closed.expect("a reason");
    if let CloseReason::ProtocolError { code, .. } = reason {
        assert_eq!(
            peer.told,
            Some(code),
            "a broken rule is told to who broke it"
        );
    }
}
