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
}

/// What has arrived.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// When the connection was there.
    pub connected: Option<Instant>,
    /// Bytes that the server's application had in each tenth of a second since the beginning.
    pub tenths: Vec<u64>,
    pub packets_sent: u64,
    pub packets_lost: u64,
}

impl Flow {
    /// Bytes per second of goodput between two times in tenths of a second.
    pub fn goodput(&self, from: usize, to: usize) -> u64 {
        let bytes: u64 = self.tenths.iter().take(to).skip(from).sum();
        bytes * 10 / (to - from) as u64
    }
}

pub struct Outcome {
    pub flows: Vec<Flow>,
    pub trace: u64,
}

struct State {
    flows: Vec<Flow>,
    streams: BTreeMap<NodeId, (ConnectionHandle, StreamId)>,
    buffer: Vec<u8>,
}

/// Lets `senders` send for `tenths` tenths of a second. `shape` changes the way to the server.
pub fn run(
    seed: u64,
    path: Path,
    senders: &[Sender],
    tenths: usize,
    shape: impl Fn(&mut Link),
) -> Outcome {
    let mut world = World::new(seed);
    let with = |congestion| {
        let mut config: Config = config();
        config.congestion = congestion;
        config.stream_window_bytes = 16 << 20;
        config.connection_window_bytes = 16 << 20;
        config.send_buffer_bytes = 16 << 20;
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
        buffer: vec![7; 1 << 16],
    });
    let mut handles = vec![None; senders.len()];
    for tenth in 0..tenths {
        for (index, sender) in senders.iter().enumerate() {
            if handles[index].is_none() && sender.starts_ms <= tenth as u64 * 100 {
                handles[index] = Some(connect(&mut world, seed, clients[index]));
            }
        }
        for flow in &mut state.borrow_mut().flows {
            flow.tenths.push(0);
        }
        let deadline = Instant::ZERO + Duration::from_millis(100 * (tenth as u64 + 1));
        let outcome = world.run(
            deadline,
            |at, endpoint, now| {
                drain(endpoint, |endpoint, handle, event| {
                    let mut state = state.borrow_mut();
                    if at == node {
                        state.receive(endpoint, handle, &event);
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
    }
    for (index, &client) in clients.iter().enumerate() {
        let stats = world.with(client, |endpoint, _| {
            handles[index].and_then(|handle| {
                endpoint
                    .connection(handle)
                    .map(|connection| connection.stats())
            })
        });
        if let Some(stats) = stats.flatten() {
            let flow = &mut state.borrow_mut().flows[index];
            flow.packets_sent = stats.counters.packets_sent;
            flow.packets_lost = stats.counters.packets_lost;
        }
    }
    Outcome {
        flows: state.into_inner().flows,
        trace: world.trace(),
    }
}

impl State {
    fn receive(&mut self, endpoint: &mut Endpoint, handle: ConnectionHandle, event: &Event) {
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
            if let Some(tenth) = flow.and_then(|flow| self.flows[flow].tenths.last_mut()) {
                *tenth += read as u64;
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
                self.flows[flow].connected = Some(now);
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
        if let Some(connection) = endpoint.connection(handle) {
            while connection.write(stream, &self.buffer).is_ok() {}
        }
    }
}
