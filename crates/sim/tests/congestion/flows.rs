//! Clients that send to one server as fast as they can, through one bottleneck.

#![allow(unreachable_pub, reason = "a module of a test program")]

use core::cell::RefCell;
use core::time::Duration;
use std::collections::BTreeMap;

use sim::{Link, NodeId, World};
use transport::{
    Config, CongestionControl, ConnectionHandle, Endpoint, Event, Instant, Mode, OpenGate, StreamId,
};

use crate::harness::{PORT, SERVER, client, client_address, config, connect, drain, server};

/// What a UDP datagram costs on the wire beside its payload.
const HEADERS: u64 = 28;
/// Full datagrams.
const DATAGRAM: u64 = 1452;

/// What a path is like.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    pub rtt_ms: u64,
    /// Each way.
    pub loss: f64,
    pub mbit: u64,
    pub queue_ms: u64,
    /// Each way up to so much less or more, for each datagram by itself.
    pub jitter_ms: u64,
}

impl Path {
    pub const fn new(rtt_ms: u64, loss: f64, mbit: u64, queue_ms: u64) -> Self {
        Self {
            rtt_ms,
            loss,
            mbit,
            queue_ms,
            jitter_ms: 0,
        }
    }

    /// Bytes per second that arrive in full datagrams, when the headers on the wire are paid.
    pub fn rate(&self) -> u64 {
        self.mbit * 125_000 * DATAGRAM / (DATAGRAM + HEADERS)
    }

    /// One direction of it.
    pub fn link(&self) -> Link {
        let mut link = Link::with_delay(Duration::from_millis(self.rtt_ms / 2 - self.jitter_ms));
        link.loss = self.loss;
        link.rate = Some(self.rate());
        link.queue_bytes = self.rate() * self.queue_ms / 1000;
        if self.jitter_ms > 0 {
            link.reordering = 1.0;
            link.reordering_delay = Duration::from_millis(2 * self.jitter_ms);
        }
        link
    }
}

/// One sender.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    pub congestion: CongestionControl,
    pub starts_ms: u64,
    /// It has nothing more to say from then on.
    pub stops_ms: u64,
}

impl Sender {
    /// One that never stops.
    pub const fn new(congestion: CongestionControl, starts_ms: u64) -> Self {
        Self {
            congestion,
            starts_ms,
            stops_ms: u64::MAX,
        }
    }
}

/// What has arrived.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// When the first byte of application data was there.
    pub first: Option<Instant>,
    /// Bytes that the server's application had in each hundredth of a second since the beginning.
    hundredths: Vec<u64>,
    /// The sender's smoothed round-trip time at the end of each tenth of a second.
    pub srtt: Vec<Duration>,
    pub packets_sent: u64,
    pub packets_lost: u64,
}

impl Flow {
    /// Bytes per second of goodput between two times in tenths of a second.
    pub fn goodput(&self, from: usize, to: usize) -> u64 {
        self.bytes(from * 10, to * 10) * 10 / (to - from) as u64
    }

    /// Bytes per second of goodput in ten seconds from the first byte on, as benches/peers counts.
    pub fn goodput_from_first(&self) -> u64 {
        let first = self
            .first
            .map_or(0, |at| at.as_nanos() as usize / 10_000_000);
        self.bytes(first, first + 1000) / 10
    }

    /// How long packets waited on average between two times in tenths of a second.
    pub fn mean_srtt(&self, from: usize, to: usize) -> Duration {
        let samples = &self.srtt[from..to];
        samples.iter().sum::<Duration>() / samples.len().max(1) as u32
    }

    fn bytes(&self, from: usize, to: usize) -> u64 {
        self.hundredths.iter().take(to).skip(from).sum()
    }

    fn on_received(&mut self, now: Instant, bytes: usize) {
        self.first.get_or_insert(now);
        let at = now.as_nanos() as usize / 10_000_000;
        if self.hundredths.len() <= at {
            self.hundredths.resize(at + 1, 0);
        }
        self.hundredths[at] += bytes as u64;
    }
}

pub struct Outcome {
    pub flows: Vec<Flow>,
    pub trace: u64,
}

struct State {
    flows: Vec<Flow>,
    streams: BTreeMap<NodeId, (ConnectionHandle, StreamId)>,
    /// When each flow stops.
    stops: Vec<Instant>,
    buffer: Vec<u8>,
}

/// Lets `senders` send for `tenths` tenths of a second, and only their controllers hold them back.
/// `shape` changes the way to the server.
pub fn run(
    seed: u64,
    path: Path,
    senders: &[Sender],
    tenths: usize,
    shape: impl Fn(&mut Link),
) -> Outcome {
    let wide = |config: &mut Config| {
        config.stream_window_bytes = 16 << 20;
        config.connection_window_bytes = 16 << 20;
        config.send_buffer_bytes = 16 << 20;
    };
    run_with(seed, path, senders, tenths, wide, shape)
}

/// The same with a configuration that `set` changes.
pub fn run_with(
    seed: u64,
    path: Path,
    senders: &[Sender],
    tenths: usize,
    set: impl Fn(&mut Config),
    shape: impl Fn(&mut Link),
) -> Outcome {
    let mut world = World::new(seed);
    let with = |congestion| {
        let mut config: Config = config();
        config.congestion = congestion;
        set(&mut config);
        config
    };
    let node = world.add(
        SERVER,
        server(seed, with(CongestionControl::Cubic), Box::new(OpenGate)),
    );
    let clients: Vec<NodeId> = (senders.iter().enumerate())
        .map(|(index, sender)| {
            let index = index as u64;
            let endpoint = client(seed, index, with(sender.congestion));
            let client = world.add(client_address(index), endpoint);
            let (mut there, mut back) = (path.link(), path.link());
            shape(&mut there);
            (there.bottleneck, back.bottleneck) = (Some(1), Some(2));
            world.set_link(client, node, there);
            world.set_link(node, client, back);
            client
        })
        .collect();
    let state = RefCell::new(State {
        flows: vec![Flow::default(); senders.len()],
        streams: BTreeMap::new(),
        stops: (senders.iter())
            .map(|sender| Instant::ZERO + Duration::from_millis(sender.stops_ms.min(1 << 30)))
            .collect(),
        buffer: vec![7; 1 << 16],
    });
    let mut handles = vec![None; senders.len()];
    for tenth in 0..tenths {
        for (index, sender) in senders.iter().enumerate() {
            if handles[index].is_none() && sender.starts_ms <= tenth as u64 * 100 {
                handles[index] = Some(connect(&mut world, seed, clients[index]));
            }
        }
        let deadline = Instant::ZERO + Duration::from_millis(100 * (tenth as u64 + 1));
        let outcome = world.run(
            deadline,
            |at, endpoint, now| {
                drain(endpoint, |endpoint, handle, event| {
                    let mut state = state.borrow_mut();
                    if at == node {
                        state.receive(endpoint, handle, &event, now);
                    } else if let Some(flow) = clients.iter().position(|&client| client == at) {
                        state.send(at, flow, endpoint, handle, &event, now);
                    }
                });
            },
            |_| false,
        );
        if let Err(violation) = outcome {
            panic!("{violation}");
        }
        for (index, &client) in clients.iter().enumerate() {
            let stats = world.with(client, |endpoint, _| {
                let connection = endpoint.connection(handles[index]?)?;
                Some(connection.stats())
            });
            let flow = &mut state.borrow_mut().flows[index];
            if let Some(stats) = stats.flatten() {
                flow.packets_sent = stats.counters.packets_sent;
                flow.packets_lost = stats.counters.packets_lost;
                flow.srtt.push(stats.srtt);
            } else {
                flow.srtt.push(Duration::ZERO);
            }
        }
    }
    Outcome {
        flows: state.into_inner().flows,
        trace: world.trace(),
    }
}

impl State {
    fn receive(
        &mut self,
        endpoint: &mut Endpoint,
        handle: ConnectionHandle,
        event: &Event,
        now: Instant,
    ) {
        let Event::Readable { stream } = event else {
            return;
        };
        let Some(connection) = endpoint.connection(handle) else {
            return;
        };
        let from = connection.remote();
        let flow = (0..self.flows.len()).find(|&flow| client_address(flow as u64) == from);
        while let Ok(read) = connection.read(*stream, &mut self.buffer) {
            if read == 0 {
                break;
            }
            if let Some(flow) = flow {
                self.flows[flow].on_received(now, read);
            }
        }
    }

    fn send(
        &mut self,
        at: NodeId,
        flow: usize,
        endpoint: &mut Endpoint,
        handle: ConnectionHandle,
        event: &Event,
        now: Instant,
    ) {
        match event {
            Event::Connected => {
                let connection = endpoint.connection(handle).unwrap();
                let stream = connection.open(PORT, Mode::Bytes).unwrap();
                self.streams.insert(at, (handle, stream));
            }
            Event::Writable { .. } => {}
            Event::Closed(reason) => panic!("{reason}"),
            _ => return,
        }
        let Some((handle, stream)) = self.streams.get(&at).copied() else {
            return;
        };
        if now >= self.stops[flow] {
            return;
        }
        if let Some(connection) = endpoint.connection(handle) {
            while connection.write(stream, &self.buffer).is_ok() {}
        }
    }
}
