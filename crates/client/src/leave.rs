//! Leaving: first what is on its way, then an acknowledged close.

use transport::{Instant, StreamId};

use crate::Client;
use crate::event::Event;
use crate::link::{Link, code};

/// How the client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// When everything sent is stored or failed, and asked is answered.
    Drained,
    /// Now.
    Closing,
}

impl Client {
    /// Leaves. With `drain` only when every message is stored or failed and every list answered,
    /// however long that takes; commands are refused meanwhile. Before the first login is done it
    /// waits for that too, so that its outcome is told. Then the connection closes, acknowledged,
    /// and `Event::Bye` follows. Another call leaves at once.
    pub fn shutdown(&mut self, now: Instant, drain: bool) {
        if self.is_over() {
            return;
        }
        match self.leaving {
            None if drain => self.leaving = Some(Leaving::Drained),
            None => self.begin_leaving(now),
            Some(_) => self.leave_at_once(now),
        }
        self.pump(now);
    }

    pub(crate) fn advance_leaving(&mut self, now: Instant) {
        if self.leaving == Some(Leaving::Drained) && self.is_drained() {
            self.begin_leaving(now);
        }
    }

    fn is_drained(&self) -> bool {
        self.was_online
            && self.lists == 0
            && self.compose.is_empty()
            && self.outbox.is_empty()
            && !(matches!(self.link, Link::Online(_)) && self.inbox.is_busy())
    }

    /// Ends the session's stream, so that the last acknowledgements arrive, then closes.
    fn begin_leaving(&mut self, now: Instant) {
        self.leaving = Some(Leaving::Closing);
        let Some(handle) = self.link.handle() else {
            return self.bye();
        };
        let session = self.link.session_mut().map(|session| session.stream);
        let Some(connection) = self.endpoint.connection(handle) else {
            return self.bye();
        };
        let stream = session.filter(|stream| connection.finish(*stream).is_ok());
        if stream.is_none() {
            connection.close(now, code::DONE, "");
        }
        self.link = Link::Leaving {
            handle,
            stream,
            deadline: now + self.config.leave_timeout,
        };
    }

    /// Everything that was said has arrived.
    pub(crate) fn stream_finished(&mut self, now: Instant, finished: StreamId) {
        if let Link::Leaving { handle, stream, .. } = &self.link
            && *stream == Some(finished)
            && let Some(connection) = self.endpoint.connection(*handle)
        {
            connection.close(now, code::DONE, "");
        }
    }

    pub(crate) fn leave_at_once(&mut self, now: Instant) {
        if let Some(handle) = self.link.handle()
            && let Some(connection) = self.endpoint.connection(handle)
        {
            connection.close(now, code::DONE, "");
        }
        self.bye();
    }

    pub(crate) fn bye(&mut self) {
        if !self.is_over() {
            self.link = Link::Over;
            self.desk.clear_work();
            self.fail_all_drafts("the client left before the message was on disk");
            self.desk.emit(Event::Bye);
        }
    }
}
