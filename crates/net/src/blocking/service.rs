//! The thread behind a node: a driver, an endpoint, and everyone who waits for them.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use transport::{
    CloseReason, Completion, Connection, ConnectionHandle, Endpoint, Event, Instant, Request,
    StreamError,
};

use super::command::{Command, OnConnection, Peer, Reply};
use super::error;
use super::farewell::{Farewell, STEP};
use super::parked::{Streams, fail};
use super::solver::Solver;
use crate::{Driver, PathError};

/// Connections that wait to be accepted; one more is closed again.
const BACKLOG: usize = 1024;

/// The code under which a connection is closed that does not fit the backlog.
const CODE_BUSY: u64 = 1;

/// How long a dropped node waits for acknowledgements.
const LINGER: Duration = Duration::from_secs(3);

/// How long a peer that has acknowledged everything gets to read it, before a connection that nobody
/// holds any more closes: closing takes from it what it has not read.
const GRACE: Duration = Duration::from_millis(500);

/// How long it then waits until its closing has been acknowledged.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

pub(super) struct Service {
    driver: Driver,
    endpoint: Endpoint,
    commands: Receiver<Command>,
    solver: Option<Solver>,
    peers: BTreeMap<ConnectionHandle, Held>,
    /// Opened by a peer, and nobody has asked for them yet.
    backlog: VecDeque<Peer>,
    accepting: Vec<(Reply<Peer>, Option<Instant>)>,
    path_error: Option<PathError>,
    /// When a dropped node stops waiting for acknowledgements.
    shutdown: Option<Instant>,
    /// How long a peer gets for each part of what it has not acknowledged when no handle is left.
    farewell_step: Duration,
}

/// A connection that exists, or that a handle still knows.
#[derive(Default)]
struct Held {
    streams: Streams,
    connecting: Option<Reply<Peer>>,
    closing: Vec<Reply<()>>,
    /// A handle was given out.
    claimed: bool,
    /// No handle is left.
    released: bool,
    /// How long the peer is waited for then.
    farewell: Option<Farewell>,
    /// When it closes, now that no handle is left and everything is acknowledged.
    close_at: Option<Instant>,
    /// Why it is over.
    over: Option<(CloseReason, Option<PathError>)>,
}

impl Service {
    pub(super) fn new(
        driver: Driver,
        endpoint: Endpoint,
        commands: Receiver<Command>,
        solver: Option<Solver>,
    ) -> Self {
        Self {
            driver,
            endpoint,
            commands,
            solver,
            peers: BTreeMap::new(),
            backlog: VecDeque::new(),
            accepting: Vec::new(),
            path_error: None,
            shutdown: None,
            farewell_step: STEP,
        }
    }

    /// Until the node is dropped and its connections are closed, or the loop itself fails. Whoever
    /// waits then finds that nobody answers.
    pub(super) fn run(mut self) {
        loop {
            let wait = self
                .deadline()
                .map(|deadline| deadline.since(self.driver.now()));
            if self.driver.turn(&mut self.endpoint, wait).is_err() {
                return;
            }
            if let Some(error) = self.driver.take_path_error() {
                self.path_error = Some(error);
            }
            // Before anybody is told how a stream stands.
            self.drain();
            while let Ok(command) = self.commands.try_recv() {
                self.obey(command);
            }
            while let Some((handle, completion)) = self.solver.as_ref().and_then(Solver::poll) {
                let now = self.driver.now();
                self.endpoint.handle_completion(now, handle, completion);
            }
            self.drain();
            let now = self.driver.now();
            self.expire(now);
            if let Some(since) = self.shutdown
                && (self.endpoint.connections().next().is_none() || now >= since + CLOSE_WAIT)
            {
                self.driver.flush(&mut self.endpoint);
                return;
            }
        }
    }

    fn obey(&mut self, command: Command) {
        let now = self.driver.now();
        match command {
            Command::Connect {
                remote,
                mut sessions,
                reply,
            } => {
                self.path_error = None;
                match self.endpoint.connect(now, remote, sessions.as_mut()) {
                    Ok(handle) => {
                        self.peers.entry(handle).or_default().connecting = Some(reply);
                    }
                    Err(error) => {
                        let error = io::Error::new(io::ErrorKind::ConnectionAborted, error);
                        let _ = reply.send(Err(error));
                    }
                }
            }
            Command::Accept { timeout, reply } => match self.backlog.pop_front() {
                Some(peer) => self.give_out(peer, &reply),
                None => {
                    let deadline = timeout.map(|timeout| now + timeout);
                    self.accepting.push((reply, deadline));
                }
            },
            Command::Connection(handle, OnConnection::Release) => self.release(handle),
            Command::Connection(handle, command) => self.on_connection(now, handle, command),
            Command::Shutdown => {
                self.shutdown = Some(now + LINGER);
                self.backlog.clear();
                let handles: Vec<_> = self.endpoint.connections().collect();
                for handle in handles {
                    self.release(handle);
                }
            }
        }
    }

    fn on_connection(&mut self, now: Instant, handle: ConnectionHandle, command: OnConnection) {
        let Some(held) = self.peers.get_mut(&handle) else {
            return refuse(command, error::gone);
        };
        // Of a connection that is over nothing more is told, though it may still be there: until the peer
        // has answered its CLOSE, or time is up.
        let connection = self.endpoint.connection(handle);
        let Some(connection) = connection.filter(|_| held.over.is_none()) else {
            return refuse(command, || held.error());
        };
        match command {
            OnConnection::Open { port, mode, reply } => {
                answer(&reply, held.streams.open(connection, port, mode));
            }
            OnConnection::Listen { port, reply } => {
                connection.listen(port);
                answer(&reply, Ok(()));
            }
            OnConnection::Identity { reply } => answer(&reply, Ok(connection.peer_identity())),
            OnConnection::Export {
                label,
                context,
                len,
                reply,
            } => {
                let mut out = vec![0; len];
                let result = connection.export(&label, &context, &mut out);
                let _ = reply.send(match result {
                    Ok(()) => Ok(out),
                    Err(error) => Err(io::Error::new(io::ErrorKind::NotConnected, error)),
                });
            }
            OnConnection::Close {
                code,
                reason,
                reply,
            } => {
                connection.close(now, code, &reason);
                held.closing.push(reply);
            }
            OnConnection::SetPriority {
                stream,
                priority,
                reply,
            } => answer(&reply, connection.set_priority(stream, priority)),
            OnConnection::Finish { stream, reply } => {
                answer(&reply, held.streams.finish(connection, stream));
            }
            OnConnection::Reset {
                stream,
                code,
                reply,
            } => answer(&reply, held.streams.break_off(connection, stream, code)),
            OnConnection::ReleaseStream(stream) => held.streams.release(connection, stream),
            OnConnection::Wait { what, timeout } => {
                let deadline = timeout.map(|timeout| now + timeout);
                held.streams.wait(connection, what, deadline);
            }
            OnConnection::Release => {}
        }
    }

    /// Nobody needs the connection any more: it closes when what was finished has arrived.
    fn release(&mut self, handle: ConnectionHandle) {
        let held = self.peers.entry(handle).or_default();
        held.released = true;
        if held.over.is_some() {
            self.peers.remove(&handle);
            return;
        }
        if let Some(connection) = self.endpoint.connection(handle) {
            let (now, sent) = (self.driver.now(), sent(connection));
            held.farewell = Some(Farewell::begin(now, sent, self.farewell_step));
        }
        self.close_if_done(handle);
    }

    fn close_if_done(&mut self, handle: ConnectionHandle) {
        let now = self.driver.now();
        let given_up = self.shutdown.is_some_and(|deadline| now >= deadline);
        let (Some(held), Some(connection)) = (
            self.peers.get_mut(&handle),
            self.endpoint.connection(handle),
        ) else {
            return;
        };
        if !held.released {
            return;
        }
        if held.streams.all_acknowledged() && held.close_at.is_none() {
            let grace = if held.streams.any_written() {
                GRACE
            } else {
                Duration::ZERO
            };
            held.close_at = Some(now + grace);
            held.farewell = None;
        }
        let due = held.close_at.is_some_and(|close_at| close_at <= now);
        let farewell = held.farewell.as_mut();
        let stalled = farewell.is_some_and(|farewell| farewell.is_over(now, sent(connection)));
        if due || stalled || given_up || !connection.is_open() {
            held.close_at = None;
            held.farewell = None;
            connection.close(now, 0, "");
        }
    }

    fn drain(&mut self) {
        loop {
            while let Some((handle, event)) = self.endpoint.poll_event() {
                self.happened(handle, event);
            }
            let Some((handle, request)) = self.endpoint.poll_request() else {
                return;
            };
            // Challenges that only validate the address are the transport's own business.
            let Request::Solve { challenge, hello } = request else {
                continue;
            };
            let completion = match &self.solver {
                Some(solver) => solver.begin(handle, challenge, hello),
                None => Some(Completion::Refused(
                    "the server wants a proof of work".to_owned(),
                )),
            };
            if let Some(completion) = completion {
                let now = self.driver.now();
                self.endpoint.handle_completion(now, handle, completion);
            }
        }
    }

    fn happened(&mut self, handle: ConnectionHandle, event: Event) {
        let held = self.peers.entry(handle).or_default();
        let stream = match event {
            Event::Connected => return self.connected(handle),
            Event::Closed(reason) => return self.closed(handle, reason),
            Event::Opened { stream, port } => {
                held.streams.opened(stream, port);
                None
            }
            Event::Finished { stream } => {
                held.streams.acknowledged(stream);
                Some(stream)
            }
            Event::Stopped { stream, code } => {
                held.streams.broken_off(stream, code);
                Some(stream)
            }
            Event::Reset { stream, code } => {
                if let Some(connection) = self.endpoint.connection(handle) {
                    held.streams.reset(connection, stream, code);
                }
                Some(stream)
            }
            Event::Readable { stream } | Event::Writable { stream } => Some(stream),
            _ => return,
        };
        if let Some(connection) = self.endpoint.connection(handle) {
            held.streams.retry(connection, stream);
        }
        self.close_if_done(handle);
    }

    fn connected(&mut self, handle: ConnectionHandle) {
        let Some(connection) = self.endpoint.connection(handle) else {
            return;
        };
        let peer = (handle, connection.remote());
        let connecting = (self.peers.get_mut(&handle)).and_then(|held| held.connecting.take());
        if let Some(reply) = connecting {
            self.give_out(peer, &reply);
        } else if !self.accepting.is_empty() {
            let (reply, _) = self.accepting.remove(0);
            self.give_out(peer, &reply);
        } else if self.backlog.len() < BACKLOG && self.shutdown.is_none() {
            self.backlog.push_back(peer);
        } else {
            connection.close(self.driver.now(), CODE_BUSY, "busy");
        }
    }

    fn give_out(&mut self, peer: Peer, reply: &Reply<Peer>) {
        if let Some(held) = self.peers.get_mut(&peer.0) {
            held.claimed = true;
        }
        let _ = reply.send(Ok(peer));
    }

    fn closed(&mut self, handle: ConnectionHandle, reason: CloseReason) {
        let path_error = self.path_error;
        self.backlog.retain(|(waiting, _)| *waiting != handle);
        let Some(held) = self.peers.get_mut(&handle) else {
            return;
        };
        let local = reason == CloseReason::Local;
        held.over = Some((reason, path_error));
        for reply in std::mem::take(&mut held.closing) {
            let _ = reply.send(if local { Ok(()) } else { Err(held.error()) });
        }
        if let Some(reply) = held.connecting.take() {
            let _ = reply.send(Err(held.error()));
        }
        let mut streams = std::mem::take(&mut held.streams);
        streams.fail_all(|| held.error());
        if held.released || !held.claimed {
            self.peers.remove(&handle);
        }
    }

    /// The next time that somebody has waited long enough.
    fn deadline(&self) -> Option<Instant> {
        let waiting = self
            .peers
            .values()
            .filter_map(|held| held.streams.deadline());
        let accepting = self.accepting.iter().filter_map(|(_, deadline)| *deadline);
        let now = self.driver.now();
        let shutdown = (self.shutdown.into_iter()).map(|deadline| {
            if now < deadline {
                deadline
            } else {
                deadline + CLOSE_WAIT
            }
        });
        let closing = self.peers.values().filter_map(Held::deadline);
        waiting
            .chain(accepting)
            .chain(closing)
            .chain(shutdown)
            .min()
    }

    fn expire(&mut self, now: Instant) {
        for held in self.peers.values_mut() {
            held.streams.expire(now);
        }
        let due = |(_, deadline): &mut (Reply<Peer>, Option<Instant>)| {
            deadline.is_some_and(|deadline| deadline <= now)
        };
        for (reply, _) in self.accepting.extract_if(.., due) {
            let _ = reply.send(Err(error::timed_out()));
        }
        let given_up = self.shutdown.is_some_and(|deadline| now >= deadline);
        let due = |held: &Held| given_up || held.deadline().is_some_and(|at| at <= now);
        let due: Vec<_> = (self.peers.iter())
            .filter_map(|(handle, held)| due(held).then_some(*handle))
            .collect();
        for handle in due {
            self.close_if_done(handle);
        }
    }
}

impl Held {
    /// When it is to be closed, or looked at again whether it is, now that no handle is left.
    fn deadline(&self) -> Option<Instant> {
        let farewell = self.farewell.as_ref().map(Farewell::deadline);
        self.close_at.into_iter().chain(farewell).min()
    }

    fn error(&self) -> io::Error {
        match &self.over {
            Some((reason, path)) => error::of_connection(reason.clone(), *path),
            None => error::gone(),
        }
    }
}

/// Bytes of streams that were ever sent, each counted once.
fn sent(connection: &Connection) -> u64 {
    let counters = connection.stats().counters;
    counters
        .stream_bytes_sent
        .saturating_sub(counters.stream_bytes_resent)
}

fn answer<T>(reply: &Reply<T>, result: Result<T, StreamError>) {
    // Nobody may be there any more.
    let _ = reply.send(result.map_err(error::of_stream));
}

/// The connection is over: whoever asks is told why.
fn refuse(command: OnConnection, error: impl Fn() -> io::Error) {
    match command {
        OnConnection::Open { reply, .. } => drop(reply.send(Err(error()))),
        OnConnection::Identity { reply } => drop(reply.send(Err(error()))),
        OnConnection::Export { reply, .. } => drop(reply.send(Err(error()))),
        OnConnection::Listen { reply, .. }
        | OnConnection::Close { reply, .. }
        | OnConnection::Finish { reply, .. }
        | OnConnection::SetPriority { reply, .. }
        | OnConnection::Reset { reply, .. } => drop(reply.send(Err(error()))),
        OnConnection::Wait { what, .. } => fail(what, error()),
        OnConnection::Release | OnConnection::ReleaseStream(_) => {}
    }
}

#[cfg(test)]
mod tests;
