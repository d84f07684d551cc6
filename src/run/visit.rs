//! A short connection to a server, for looking at it.

use std::net::SocketAddr;
use std::time::Duration;

use crypto::Fingerprint;
use net::{BindOptions, Driver, OsRandom, unix_time_s};
use tls::{ClientSessions, Trust, WallClock};
use transport::{
    CloseReason, Completion, Config, Connection, ConnectionHandle, Endpoint, Event, Request,
};

use crate::cli::exit::Exit;

use super::problem::Problem;
use super::resolve::resolve;
use super::way::any_port;

/// The key of the server that is there, which it has proven to have.
///
/// # Errors
/// It cannot be reached, or is not one that is trusted.
pub fn key_of(host: &str, port: u16, trust: Trust) -> Result<Option<Fingerprint>, Problem> {
    let mut visit = Visit::begin(resolve(host, port)?, trust)?;
    visit.until_connected()?;
    let key = visit.fingerprint();
    visit.leave();
    Ok(key)
}

/// One connection to a server, for looking at it.
pub(super) struct Visit {
    pub(super) driver: Driver,
    endpoint: Endpoint,
    handle: ConnectionHandle,
    sessions: ClientSessions,
    pub(super) address: SocketAddr,
    is_connected: bool,
    pub(super) closed: Option<CloseReason>,
    heard: Option<String>,
}

impl Visit {
    pub(super) fn begin(address: SocketAddr, trust: Trust) -> Result<Self, Problem> {
        let clock = WallClock::new(unix_time_s());
        let sessions = ClientSessions::new(trust, &clock)
            .map_err(|error| Problem::other(error.to_string()))?;
        let driver = Driver::bind(any_port(address), &BindOptions::client())
            .map_err(|error| socket_failed(&error))?;
        let mut endpoint = Endpoint::client(Config::default(), Box::new(OsRandom));
        let handle = endpoint
            .connect(driver.now(), address, &mut sessions.clone())
            .map_err(|error| Problem::other(error.to_string()))?;
        Ok(Self {
            driver,
            endpoint,
            handle,
            sessions,
            address,
            is_connected: false,
            closed: None,
            heard: None,
        })
    }

    /// Lets the connection do something, for `wait` at most, and takes in what happened.
    pub(super) fn turn(&mut self, wait: Duration) -> Result<(), Problem> {
        self.driver
            .turn(&mut self.endpoint, Some(wait))
            .map_err(|error| socket_failed(&error))?;
        if let Some(error) = self.driver.take_path_error() {
            self.heard = Some(error.to_string());
        }
        while let Some((handle, request)) = self.endpoint.poll_request() {
            if let Request::Solve { challenge, hello } = request {
                // It takes as long as it takes: there is nothing else to do.
                let completion = match chat::puzzle::solve(&challenge, &hello) {
                    Ok(token) => Completion::Solved(token),
                    Err(refusal) => Completion::Refused(refusal.to_string()),
                };
                let now = self.driver.now();
                self.endpoint.handle_completion(now, handle, completion);
            }
        }
        while let Some((_, event)) = self.endpoint.poll_event() {
            match event {
                Event::Connected => self.is_connected = true,
                Event::Closed(reason) => self.closed = Some(reason),
                _ => {}
            }
        }
        self.driver.flush(&mut self.endpoint);
        Ok(())
    }

    /// Lets time pass until `done`. `false`: the time was over first.
    pub(super) fn until(
        &mut self,
        patience: Duration,
        done: impl Fn(&Self) -> bool,
    ) -> Result<bool, Problem> {
        let deadline = self.driver.now() + patience;
        loop {
            if done(self) {
                return Ok(true);
            }
            if let Some(reason) = self.closed.clone() {
                return Err(self.problem(&reason));
            }
            let left = deadline.since(self.driver.now());
            if left.is_zero() {
                return Ok(false);
            }
            self.turn(left)?;
        }
    }

    pub(super) fn until_connected(&mut self) -> Result<(), Problem> {
        // The transport gives up by itself.
        while !self.until(Duration::from_secs(1), |visit| visit.is_connected)? {}
        Ok(())
    }

    pub(super) fn problem(&self, reason: &CloseReason) -> Problem {
        let address = self.address;
        if let Some(mismatch) = self.sessions.refused_key() {
            let words = format!(
                "{address} has another key than expected: {}",
                mismatch.presented
            );
            return Problem::trust(Exit::ServerKeyChanged, words);
        }
        match reason {
            CloseReason::HandshakeTimeout => {
                let heard = self.heard.as_deref().unwrap_or("it did not answer in time");
                Problem::unreachable(format!("{address}: {heard}; is the server running there?"))
            }
            CloseReason::VersionMismatch => Problem::unreachable(format!("{address}: {reason}")),
            _ => Problem::other(format!("{address}: {reason}")),
        }
    }

    pub(super) fn connection(&mut self) -> Result<&mut Connection, Problem> {
        let gone = || Problem::other("the connection is gone".into());
        self.endpoint.connection(self.handle).ok_or_else(gone)
    }

    pub(super) fn fingerprint(&mut self) -> Option<Fingerprint> {
        let key = self.connection().ok()?.peer_identity()?;
        Some(Fingerprint::new(crypto::sha256(&key)))
    }

    /// Says goodbye, as far as it is heard.
    pub(super) fn leave(&mut self) {
        let now = self.driver.now();
        if let Ok(connection) = self.connection() {
            connection.close(now, 0, "");
        }
        self.driver.flush(&mut self.endpoint);
    }
}

pub(super) fn socket_failed(error: &std::io::Error) -> Problem {
    Problem::other(format!("the UDP socket failed: {error}"))
}
