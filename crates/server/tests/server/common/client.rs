use std::collections::VecDeque;
use std::net::SocketAddr;

use chat::limits::{LOGIN_PORT, MESSAGE_LEN_MAX, SESSION_PORT};
use crypto::fixtures::SeededRandom;
use sim::Rng;
use sim::null::NullSessions;
use transport::{
    CloseReason, Completion, Config, ConnectionHandle, Endpoint, Event, Instant, Meta, Mode,
    Request, StreamId,
};

/// A client that does what it is told.
pub(crate) struct Client {
    pub(crate) endpoint: Endpoint,
    pub(crate) handle: Option<ConnectionHandle>,
    sessions: NullSessions,
    pub(crate) is_connected: bool,
    pub(crate) channel: [u8; 32],
    pub(crate) login: Lane,
    pub(crate) session: Lane,
    pub(crate) closed: Option<CloseReason>,
    /// It reads nothing on its session's stream.
    pub(crate) is_deaf: bool,
    pub(crate) random: SeededRandom,
    /// Challenges that it has solved.
    pub(crate) puzzles: usize,
}

/// A stream and what came on it.
#[derive(Default)]
pub(crate) struct Lane {
    pub(crate) stream: Option<StreamId>,
    pub(crate) inbox: VecDeque<Vec<u8>>,
    pub(crate) is_reset: bool,
}

impl Client {
    pub(crate) fn new(seed: u64) -> Self {
        let mut config = Config::default();
        config.message_bytes_max = MESSAGE_LEN_MAX;
        Self {
            endpoint: Endpoint::client(config, Box::new(SeededRandom::new(seed))),
            handle: None,
            sessions: NullSessions::client(Rng::new(seed)),
            is_connected: false,
            channel: [0; 32],
            login: Lane::default(),
            session: Lane::default(),
            closed: None,
            is_deaf: false,
            random: SeededRandom::new(seed + 1000),
            puzzles: 0,
        }
    }

    pub(crate) fn connect(&mut self, now: Instant, to: SocketAddr) {
        let handle = self.endpoint.connect(now, to, &mut self.sessions);
        self.handle = Some(handle.unwrap());
    }

    /// Sends on the login's stream, which is opened the first time.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        let connection = self.endpoint.connection(self.handle.unwrap()).unwrap();
        let stream = *self
            .login
            .stream
            .get_or_insert_with(|| connection.open(LOGIN_PORT, Mode::Messages).unwrap());
        connection.send(stream, bytes).unwrap();
    }

    /// Sends part of a message on the login's stream.
    pub(crate) fn say_part(&mut self, bytes: &[u8]) {
        let connection = self.endpoint.connection(self.handle.unwrap()).unwrap();
        let stream = *self
            .login
            .stream
            .get_or_insert_with(|| connection.open(LOGIN_PORT, Mode::Messages).unwrap());
        connection.write_part(stream, bytes).unwrap();
    }

    pub(crate) fn open_session(&mut self) {
        let connection = self.endpoint.connection(self.handle.unwrap()).unwrap();
        let stream = connection.open(SESSION_PORT, Mode::Messages).unwrap();
        self.session.stream = Some(stream);
    }

    /// Sends on the session's stream; false if it is full.
    pub(crate) fn tell(&mut self, bytes: &[u8]) -> bool {
        let connection = self.endpoint.connection(self.handle.unwrap()).unwrap();
        connection.send(self.session.stream.unwrap(), bytes).is_ok()
    }

    pub(crate) fn close(&mut self, now: Instant) {
        if let Some(connection) = self.endpoint.connection(self.handle.unwrap()) {
            connection.close(now, 0, "");
        }
    }

    pub(crate) fn handle_datagram(&mut self, now: Instant, meta: Meta, datagram: &mut [u8]) {
        self.endpoint.handle_datagram(now, meta, datagram);
        self.pump(now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.pump(now);
    }

    /// Takes in what has arrived.
    pub(crate) fn pump(&mut self, now: Instant) {
        while let Some((handle, Request::Solve { challenge, hello })) = self.endpoint.poll_request()
        {
            let token = chat::puzzle::solve(&challenge, &hello).unwrap();
            self.puzzles += 1;
            let solved = Completion::Solved(token);
            self.endpoint.handle_completion(now, handle, solved);
        }
        while let Some((handle, event)) = self.endpoint.poll_event() {
            match event {
                Event::Connected => {
                    let connection = self.endpoint.connection(handle).unwrap();
                    let label = b"EXPORTER-undertone-login";
                    connection.export(label, b"", &mut self.channel).unwrap();
                    self.is_connected = true;
                }
                Event::Reset { stream, .. } => {
                    for lane in [&mut self.login, &mut self.session] {
                        lane.is_reset |= lane.stream == Some(stream);
                    }
                }
                Event::Closed(reason) => self.closed = Some(reason),
                _ => {}
            }
        }
        let Some(connection) = self
            .handle
            .and_then(|handle| self.endpoint.connection(handle))
        else {
            return;
        };
        let session = (!self.is_deaf).then_some(&mut self.session);
        for lane in [Some(&mut self.login), session].into_iter().flatten() {
            let Some(stream) = lane.stream else {
                continue;
            };
            while let Ok(Some(message)) = connection.receive(stream) {
                lane.inbox.push_back(message);
            }
        }
    }
}
