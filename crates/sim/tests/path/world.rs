//! A client that sends one long stream to a server, over links that change.

#![allow(unreachable_pub, reason = "shared by the tests beside it")]

use std::cell::RefCell;
use std::collections::BTreeMap;

use harness::{PORT, SERVER, bytes, client_address, connect, drain};
use sim::{Link, NodeId, World};
use transport::{
    Config, Connection, ConnectionHandle, Endpoint, Event, Instant, Mode, OpenGate, Stats,
    StreamError, StreamId,
};

use crate::harness;

/// What the two of them have done so far.
#[derive(Default)]
struct Progress {
    stream: Option<StreamId>,
    sent: usize,
    finished: bool,
    received: BTreeMap<ConnectionHandle, Vec<u8>>,
    ended: bool,
}

/// A world of two with a transfer under way.
pub struct Transfer {
    pub world: World<Endpoint>,
    pub client: NodeId,
    pub handle: ConnectionHandle,
    data: Vec<u8>,
    progress: RefCell<Progress>,
}

pub fn config() -> Config {
    harness::config()
}

impl Transfer {
    /// A client that is about to send `len` bytes.
    pub fn new(seed: u64, config: &Config, link: Link, len: usize) -> Self {
        let mut world = World::new(seed);
        world.set_default_link(link);
        let server = harness::server(seed, config.clone(), Box::new(OpenGate));
        world.add(SERVER, server);
        let client = world.add(client_address(0), harness::client(seed, 0, config.clone()));
        let handle = connect(&mut world, seed, client);
        Self {
            world,
            client,
            handle,
            data: bytes(seed, len),
            progress: RefCell::default(),
        }
    }

    /// Lets time pass until this moment, or until everything has arrived and is acknowledged.
    pub fn run_until(&mut self, deadline: Instant) -> bool {
        let (client, handle) = (self.client, self.handle);
        let (data, progress) = (&self.data, &self.progress);
        self.world
            .run(
                deadline,
                |node, endpoint, _| {
                    let mut progress = progress.borrow_mut();
                    drain(endpoint, |endpoint, from, event| match event {
                        Event::Closed(reason) => panic!("{reason}"),
                        Event::Connected if node == client => {
                            let connection = endpoint.connection(handle).unwrap();
                            progress.stream = connection.open(PORT, Mode::Bytes).ok();
                        }
                        Event::Readable { stream } if node != client => {
                            read(
                                endpoint.connection(from).unwrap(),
                                from,
                                stream,
                                &mut progress,
                            );
                        }
                        Event::Finished { .. } => progress.finished = true,
                        _ => {}
                    });
                    if node == client {
                        write(endpoint.connection(handle).unwrap(), data, &mut progress);
                    }
                },
                |_| {
                    let progress = progress.borrow();
                    progress.finished && progress.ended
                },
            )
            .unwrap()
    }

    /// Lets it end, and checks that nothing was lost on the way.
    pub fn finish(mut self, deadline: Instant) {
        assert!(self.run_until(deadline), "{:?}", self.stats());
        let progress = self.progress.borrow();
        let received: Vec<&Vec<u8>> = progress.received.values().collect();
        assert!(
            received == [&self.data],
            "something else arrived than was sent"
        );
    }

    /// How many bytes have arrived in order.
    pub fn received(&self) -> usize {
        self.progress.borrow().received.values().map(Vec::len).sum()
    }

    /// The client's counters.
    pub fn stats(&mut self) -> Stats {
        let handle = self.handle;
        let stats = |endpoint: &mut Endpoint, _| endpoint.connection(handle).unwrap().stats();
        self.world.with(self.client, stats).unwrap()
    }
}

fn write(connection: &mut Connection, data: &[u8], progress: &mut Progress) {
    let Some(stream) = progress.stream else {
        return;
    };
    while progress.sent < data.len() {
        match connection.write(stream, &data[progress.sent..]) {
            Ok(len) => progress.sent += len,
            Err(StreamError::Blocked) => return,
            Err(error) => panic!("{error}"),
        }
    }
    // The second time it is unknown.
    let _ = connection.finish(stream);
}

fn read(
    connection: &mut Connection,
    from: ConnectionHandle,
    stream: StreamId,
    progress: &mut Progress,
) {
    let mut buffer = [0; 16_384];
    loop {
        match connection.read(stream, &mut buffer) {
            Ok(0) => {
                progress.ended = true;
                return;
            }
            Ok(len) => {
                let received = progress.received.entry(from).or_default();
                received.extend_from_slice(&buffer[..len]);
            }
            Err(StreamError::Blocked) => return,
            Err(error) => panic!("{error}"),
        }
    }
}
