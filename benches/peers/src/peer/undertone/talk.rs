//! The loop, and what travels on streams.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use net::Driver;
use tls::ClientSessions;
use transport::{Connection, ConnectionHandle, Endpoint, Event, Mode, StreamError, StreamId};

use super::PORT;
use crate::app::{App, Say};
use crate::child::Desk;
use crate::clock;
use crate::job::Style;

/// What one read takes.
const READ_BYTES: usize = 64 << 10;

/// The loop around one endpoint.
pub(super) struct Talks<'a> {
    pub(super) driver: Driver,
    pub(super) endpoint: Endpoint,
    pub(super) desk: &'a Desk,
    talks: BTreeMap<(ConnectionHandle, StreamId), Talk>,
    /// The message that is being read.
    message: Vec<u8>,
}

/// The user of one stream.
struct Talk {
    app: Box<dyn App>,
    style: Style,
    /// How much of what is to be said next has been taken in.
    taken: usize,
}

impl<'a> Talks<'a> {
    pub(super) fn new(driver: Driver, endpoint: Endpoint, desk: &'a Desk) -> Self {
        Self {
            driver,
            endpoint,
            desk,
            talks: BTreeMap::new(),
            message: Vec::new(),
        }
    }

    /// Takes every connection and every stream.
    pub(super) fn serve(mut self) -> Result<()> {
        loop {
            self.turn()?;
            while let Some((handle, event)) = self.endpoint.poll_event() {
                match event {
                    Event::Connected => self.desk.connected(),
                    Event::Opened { stream, .. } => self.add(handle, stream),
                    other => self.on_event(handle, &other)?,
                }
            }
        }
    }

    /// One connection with one stream.
    pub(super) fn connect(
        mut self,
        address: SocketAddr,
        mut sessions: ClientSessions,
    ) -> Result<()> {
        self.endpoint
            .connect(self.driver.now(), address, &mut sessions)?;
        loop {
            self.turn()?;
            while let Some((handle, event)) = self.endpoint.poll_event() {
                match event {
                    Event::Connected => {
                        self.desk.connected();
                        self.open(handle)?;
                    }
                    Event::Closed(reason) => bail!("{reason}"),
                    other => self.on_event(handle, &other)?,
                }
            }
        }
    }

    /// Says what is to be said, then sends, waits and receives.
    pub(super) fn turn(&mut self) -> Result<()> {
        let mut next_ns: Option<u64> = None;
        for (&(handle, stream), talk) in &mut self.talks {
            if let Some(connection) = self.endpoint.connection(handle)
                && let Some(at) = talk.speak(connection, stream)?
            {
                next_ns = Some(next_ns.map_or(at, |next| next.min(at)));
            }
        }
        let wait: Option<Duration> = next_ns.map(clock::until);
        self.driver.turn(&mut self.endpoint, wait)?;
        Ok(())
    }

    /// Opens a stream on a connection that is open.
    pub(super) fn open(&mut self, handle: ConnectionHandle) -> Result<()> {
        let mode = match self.desk.job.traffic.style() {
            Style::Bytes => Mode::Bytes,
            Style::Messages => Mode::Messages,
        };
        if let Some(connection) = self.endpoint.connection(handle) {
            let stream = connection.open(PORT, mode)?;
            self.add(handle, stream);
        }
        Ok(())
    }

    fn add(&mut self, handle: ConnectionHandle, stream: StreamId) {
        let talk = Talk {
            app: self.desk.app(),
            style: self.desk.job.traffic.style(),
            taken: 0,
        };
        self.talks.insert((handle, stream), talk);
    }

    /// What all loops do at an event.
    pub(super) fn on_event(&mut self, handle: ConnectionHandle, event: &Event) -> Result<()> {
        match *event {
            Event::Readable { stream } => {
                if let Some(talk) = self.talks.get_mut(&(handle, stream))
                    && let Some(connection) = self.endpoint.connection(handle)
                {
                    talk.listen(connection, stream, &mut self.message)?;
                }
            }
            Event::Reset { code, .. } | Event::Stopped { code, .. } => {
                bail!("the stream was ended with code {code:#x}")
            }
            Event::Closed(_) => self.forget(handle),
            _ => {}
        }
        Ok(())
    }

    /// Forgets the streams of a connection that is over.
    pub(super) fn forget(&mut self, handle: ConnectionHandle) {
        self.talks.retain(|(of, _), _| *of != handle);
    }
}

impl Talk {
    /// Hands over what is to be said until it is said or the stream is full. Returns when there
    /// will be more.
    fn speak(&mut self, connection: &mut Connection, stream: StreamId) -> Result<Option<u64>> {
        loop {
            let data = match self.app.say() {
                Say::Now(data) => data,
                Say::At(ns) => return Ok(Some(ns)),
                Say::Later => return Ok(None),
            };
            let rest = data.get(self.taken..).unwrap_or_default();
            let taken = match self.style {
                Style::Bytes => connection.write(stream, rest),
                Style::Messages => connection.send(stream, rest).map(|()| rest.len()),
            };
            match taken {
                Ok(taken) if taken == rest.len() => {
                    self.taken = 0;
                    self.app.said();
                }
                Ok(taken) => self.taken += taken,
                Err(StreamError::Blocked | StreamError::NotOpen) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes what has arrived.
    fn listen(
        &mut self,
        connection: &mut Connection,
        stream: StreamId,
        message: &mut Vec<u8>,
    ) -> Result<()> {
        loop {
            let heard = match self.style {
                Style::Bytes => connection
                    .read_with(stream, READ_BYTES, |bytes| self.app.hear(bytes))
                    .map(|heard| heard.is_some()),
                Style::Messages => {
                    message.clear();
                    connection.receive_into(stream, message).map(|length| {
                        self.app.hear(message);
                        length.is_some()
                    })
                }
            };
            match heard {
                Ok(true) => {}
                Ok(false) | Err(StreamError::Blocked | StreamError::Unknown) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
