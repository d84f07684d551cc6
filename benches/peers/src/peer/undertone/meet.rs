//! Many connections: made and closed one after the other, or made and kept.

use anyhow::Result;
use net::unix_time_s;
use tls::{ClientSessions, Trust, WallClock};
use transport::{CloseReason, Event};

use super::talk::Talks;
use crate::job::Target;

/// Handshakes under way at a time while connections are made to be kept.
const AT_ONCE: usize = 32;

/// A client of many connections from one socket.
pub(super) struct Meetings<'a> {
    talks: Talks<'a>,
    target: Target,
    /// What remembers tickets; without it, each connection knows nothing of those before.
    sessions: Option<ClientSessions>,
}

impl<'a> Meetings<'a> {
    pub(super) fn new(talks: Talks<'a>, target: Target, sessions: Option<ClientSessions>) -> Self {
        Self {
            talks,
            target,
            sessions,
        }
    }

    /// One connection after the other. With tickets, a message goes there and back on each, by
    /// which time the next one's ticket is here.
    pub(super) fn make_and_close(mut self) -> Result<()> {
        self.begin()?;
        loop {
            self.talks.turn()?;
            while let Some((handle, event)) = self.talks.endpoint.poll_event() {
                match event {
                    Event::Connected if self.sessions.is_some() => self.talks.open(handle)?,
                    Event::Connected | Event::Readable { .. } => {
                        self.talks.desk.connected();
                        let now = self.talks.driver.now();
                        if let Some(connection) = self.talks.endpoint.connection(handle) {
                            connection.close(now, 0, "");
                        }
                        self.talks.forget(handle);
                        self.begin()?;
                    }
                    Event::Closed(CloseReason::Local) => {}
                    Event::Closed(reason) => return Err(reason.into()),
                    _ => {}
                }
            }
        }
    }

    /// So many connections, which then stay.
    pub(super) fn keep(mut self, connections: usize) -> Result<()> {
        let mut begun = AT_ONCE.min(connections);
        for _ in 0..begun {
            self.begin()?;
        }
        loop {
            self.talks.turn()?;
            while let Some((_, event)) = self.talks.endpoint.poll_event() {
                match event {
                    Event::Connected => {
                        self.talks.desk.connected();
                        if begun < connections {
                            begun += 1;
                            self.begin()?;
                        }
                    }
                    Event::Closed(reason) => return Err(reason.into()),
                    _ => {}
                }
            }
        }
    }

    fn begin(&mut self) -> Result<()> {
        let mut fresh;
        let sessions = match &mut self.sessions {
            Some(sessions) => sessions,
            None => {
                let trust = Trust::Pinned(self.target.identity.parse()?);
                fresh = ClientSessions::new(trust, &WallClock::new(unix_time_s()))?;
                &mut fresh
            }
        };
        let now = self.talks.driver.now();
        self.talks
            .endpoint
            .connect(now, self.target.address, sessions)?;
        Ok(())
    }
}
