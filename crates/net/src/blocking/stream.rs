use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use transport::{Instant, StreamId};

use super::command::{OnConnection, Wait};
use super::connection::Shared;

/// Bytes that cross to the service thread and back at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// A stream of a connection. In byte mode it reads and writes as a socket does, by itself and by
/// reference, so that one thread can read while another writes; in the others it is
/// [`Stream::send`] and [`Stream::receive`].
///
/// Dropping it finishes our direction and asks the peer to send no more.
pub struct Stream {
    shared: Arc<Shared>,
    id: StreamId,
    read: Mutex<ReadAhead>,
    timeouts: Mutex<Timeouts>,
}

/// What has crossed to this side and has not been asked for yet.
#[derive(Default)]
struct ReadAhead {
    bytes: Vec<u8>,
    taken: usize,
    ended: bool,
}

#[derive(Clone, Copy, Default)]
struct Timeouts {
    read: Option<Duration>,
    write: Option<Duration>,
}

impl Stream {
    pub(super) fn new(shared: Arc<Shared>, id: StreamId) -> Self {
        Self {
            shared,
            id,
            read: Mutex::default(),
            timeouts: Mutex::default(),
        }
    }

    /// A copy, so that nobody waits while holding the lock.
    fn timeouts(&self) -> Timeouts {
        *lock(&self.timeouts)
    }

    /// The stream's number in its connection.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// How long reading and receiving wait; then they fail with `TimedOut`, and may be repeated.
    /// `None`, as it is at first: as long as it takes.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) {
        lock(&self.timeouts).read = timeout;
    }

    /// How long writing, sending and closing wait; then they fail with `TimedOut`.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) {
        lock(&self.timeouts).write = timeout;
    }

    /// Of streams with data to send those of the highest priority go first, and those of one
    /// priority in turn. All begin at 0.
    ///
    /// # Errors
    /// The stream or the connection is over.
    pub fn set_priority(&self, priority: i8) -> io::Result<()> {
        let stream = self.id;
        (self.shared).ask(|reply| OnConnection::SetPriority {
            stream,
            priority,
            reply,
        })
    }

    /// All modes but bytes: hands over a whole message, when there is room for it.
    ///
    /// # Errors
    /// `TimedOut`; `FileTooLarge`, also when a datagram does not fit into a packet; `ConnectionReset`, when the peer reads no more or our
    /// direction was reset; `InvalidInput`, in byte mode; the connection is over.
    pub fn send(&self, message: &[u8]) -> io::Result<()> {
        self.hand_over(message, None)
    }

    /// As [`Stream::send`], but what the peer has not acknowledged of the message `patience` from now is
    /// not sent any more. It arrives whole or not at all, and may arrive late. On a full stream it waits for
    /// room, even beyond that, as long as [`Stream::set_write_timeout`] lets it.
    ///
    /// # Errors
    /// As [`Stream::send`].
    pub fn send_within(&self, message: &[u8], patience: Duration) -> io::Result<()> {
        self.hand_over(message, Some(self.shared.now() + patience))
    }

    fn hand_over(&self, message: &[u8], deadline: Option<Instant>) -> io::Result<()> {
        let (stream, message) = (self.id, message.to_vec());
        self.shared.wait(self.timeouts().write, |reply| Wait::Send {
            stream,
            message,
            deadline,
            reply,
        })
    }

    /// All modes but bytes: the next whole message, when it has come. `None`: the peer has finished.
    ///
    /// # Errors
    /// `TimedOut`; `ConnectionReset`, when the peer broke the stream off; `InvalidInput`, in byte mode;
    /// the connection is over.
    pub fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let stream = self.id;
        let timeout = self.timeouts().read;
        (self.shared).wait(timeout, |reply| Wait::Receive { stream, reply })
    }

    /// Ends our direction: the peer reads to here and then sees the end. What was written arrives even
    /// when the stream is dropped now.
    ///
    /// # Errors
    /// It has ended already; the connection is over.
    pub fn finish(&self) -> io::Result<()> {
        let stream = self.id;
        (self.shared).ask(|reply| OnConnection::Finish { stream, reply })
    }

    /// Ends our direction and waits until the peer's transport has acknowledged everything.
    ///
    /// # Errors
    /// `TimedOut`; `ConnectionReset`, when the peer reads no more or our direction was reset, so that not
    /// everything arrived; the connection is over.
    pub fn close(self) -> io::Result<()> {
        match self.finish() {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => return Err(error),
            _ => {}
        }
        let stream = self.id;
        let timeout = self.timeouts().write;
        (self.shared).wait(timeout, |reply| Wait::Acknowledged { stream, reply })
    }

    /// Breaks our direction off at once, finished or not: what has not arrived is dropped. The peer is
    /// told `code`, and so is whoever waits here to write.
    ///
    /// # Errors
    /// Everything has arrived already, or it was broken off before; the connection is over.
    pub fn reset(&self, code: u32) -> io::Result<()> {
        let stream = self.id;
        self.shared.ask(|reply| OnConnection::Reset {
            stream,
            code,
            reply,
        })
    }
}

impl Read for &Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let timeout = self.timeouts().read;
        let mut ahead = lock(&self.read);
        if ahead.taken == ahead.bytes.len() && !ahead.ended {
            let stream = self.id;
            let max = out.len().max(CHUNK_BYTES);
            ahead.bytes = (self.shared).wait(timeout, |reply| Wait::Read { stream, max, reply })?;
            ahead.taken = 0;
            ahead.ended = ahead.bytes.is_empty();
        }
        let rest = ahead.bytes.get(ahead.taken..).unwrap_or_default();
        let count = rest.len().min(out.len());
        for (to, from) in out.iter_mut().zip(rest) {
            *to = *from;
        }
        ahead.taken += count;
        Ok(count)
    }
}

impl Write for &Stream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let Some(data) = data.get(..data.len().min(CHUNK_BYTES)) else {
            return Ok(0);
        };
        if data.is_empty() {
            return Ok(0);
        }
        let (stream, data) = (self.id, data.to_vec());
        self.shared
            .wait(self.timeouts().write, |reply| Wait::Write {
                stream,
                data,
                reply,
            })
    }

    /// What was written is on its way; there is nothing to flush.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        (&*self).read(out)
    }
}

impl Write for Stream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        (&*self).write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.tell(OnConnection::ReleaseStream(self.id));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
