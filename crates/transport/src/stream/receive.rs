use super::ahead::Ahead;
use super::credit::Window;
use super::datagrams::Incoming;
use super::message::{MessageError, MessageLimits, MessageReader, overlap};
use super::{Assembler, Mode, Preamble, StreamError};
use crate::violation::{Refused, Violation, code};

/// The receiving direction of a stream (RFC 9000 §3.2).
#[derive(Debug)]
pub(super) struct ReceiveStream {
    pub(super) assembler: Assembler,
    pub(super) messages: MessageReader,
    /// What is known beyond the position, where messages need not come in order or at all.
    pub(super) ahead: Option<Box<Ahead>>,
    /// What came in frames of its own, in that mode.
    pub(super) datagrams: Option<Box<Incoming>>,
    /// The largest offset behind any byte that has arrived: what flow control counts.
    pub(super) highest: u64,
    /// How far the peer may send.
    pub(super) max_data: u64,
    pub(super) window: Window,
    /// Where the stream ends, once known.
    final_size: Option<u64>,
    /// The peer gave up, with this code.
    reset: Option<u64>,
    /// We do not want any more.
    pub(super) stopped: bool,
    /// The user read the end, or was told of the reset.
    over: bool,
    /// The user was told that there is something to read and has not found the bottom since.
    told: bool,
}

/// What came of a read.
pub(super) struct ReadOutcome<T> {
    pub(super) result: Result<T, StreamError>,
    /// Bytes of the stream that were consumed: new credit for the peer.
    pub(super) consumed: usize,
    /// The next message is none.
    pub(super) broken: Option<MessageError>,
}

impl<T> ReadOutcome<T> {
    fn new(result: Result<T, StreamError>, consumed: usize) -> Self {
        Self {
            result,
            consumed,
            broken: None,
        }
    }
}

impl ReceiveStream {
    pub(super) fn new(max_data: u64) -> Self {
        Self {
            assembler: Assembler::default(),
            messages: MessageReader::default(),
            ahead: None,
            datagrams: None,
            highest: 0,
            max_data,
            window: Window::new(max_data),
            final_size: None,
            reset: None,
            stopped: false,
            over: false,
            told: false,
        }
    }

    /// How far the peer could be allowed to send.
    pub(super) fn target(&self) -> u64 {
        self.assembler.position() + self.window.bytes
    }

    /// Whether nothing more is to come of it.
    pub(super) fn is_done(&self) -> bool {
        self.over
    }

    /// Whether the peer may send more, and so needs credit.
    pub(super) fn wants_credit(&self) -> bool {
        self.final_size.is_none() && self.reset.is_none() && !self.stopped
    }

    /// Takes in data, and that a message `begins` with it, which is delivered when it is whole. The
    /// caller has checked the limits with [`ReceiveStream::check`].
    pub(super) fn insert(&mut self, offset: u64, data: &[u8], begins: bool) -> Result<(), Refused> {
        if self.reset.is_some() || self.over || self.stopped {
            return Ok(());
        }
        let begins = begins && self.may_begin(offset)?;
        let is_new = self
            .assembler
            .insert(offset, data)
            .map_err(|_| Refused::NoRoom)?;
        if begins {
            self.ahead.get_or_insert_default().begin(offset);
        }
        if let Some(ahead) = self.ahead.as_mut().filter(|_| is_new) {
            ahead.stir(offset..offset + data.len() as u64);
        }
        Ok(())
    }

    /// Whether a message that begins at `offset` is news.
    fn may_begin(&self, offset: u64) -> Result<bool, Refused> {
        if self.is_inside_begun(offset) {
            return Err(overlap().into());
        }
        if offset <= self.assembler.position() {
            return Ok(false);
        }
        let ahead = self.ahead.as_ref();
        ahead.map_or(Ok(true), |ahead| ahead.may_begin(offset))
    }

    /// Whether `offset` is in what is missing of the message that is read in its turn.
    fn is_inside_begun(&self, offset: u64) -> bool {
        let position = self.assembler.position();
        let end = self.messages.end(&self.assembler);
        end.is_some_and(|end| (position..end).contains(&offset))
    }

    /// The messages at `start..end` will not come. The caller has checked the limits.
    pub(super) fn skip(&mut self, start: u64, end: u64) -> Result<(), Refused> {
        if self.over || self.stopped {
            return Ok(());
        }
        if self.is_inside_begun(start) {
            return Err(overlap().into());
        }
        let position = self.assembler.position();
        let ahead = self.ahead.as_ref();
        if ahead.is_some_and(|ahead| ahead.is_full_for(&(start.max(position)..end))) {
            return Err(Refused::NoRoom);
        }
        self.assembler
            .skip(start, end)
            .map_err(|_| Refused::NoRoom)?;
        // A message that has begun has its length before the position; one that begins at the
        // position is not the one that is read.
        if start < position && position < end {
            self.messages = MessageReader::default();
        }
        if position < end {
            let ahead = self.ahead.get_or_insert_default();
            ahead.skip(start.max(position)..end);
        }
        Ok(())
    }

    /// Whether the peer has said on this stream what `mode` does not allow.
    pub(super) fn contradicts(&self, mode: Mode) -> bool {
        let ahead = self.ahead.as_deref();
        match mode {
            Mode::Bytes => ahead.is_some() || self.datagrams.is_some(),
            Mode::Messages => ahead.is_some_and(Ahead::has_starts) || self.datagrams.is_some(),
            Mode::Unordered => self.datagrams.is_some(),
            Mode::Datagrams => ahead.is_some() || self.assembler.readable() > 0,
        }
    }

    /// Checks a frame that ends at `end` against the stream's limit and end (RFC 9000 §4.5), and
    /// returns how many bytes it adds to what flow control counts.
    pub(super) fn check(&self, end: u64, fin: bool) -> Result<u64, Violation> {
        if end > self.max_data {
            return Err(Violation::new(
                code::FLOW_CONTROL,
                "more data than the stream allows",
            ));
        }
        let contradicts = match self.final_size {
            Some(size) => end > size || (fin && end != size),
            None => fin && end < self.highest,
        };
        if contradicts && !planted!(FinalSizeUnchecked) {
            return Err(Violation::new(
                code::FINAL_SIZE,
                "a stream's end is contradicted",
            ));
        }
        Ok(end.saturating_sub(self.highest))
    }

    /// Records what [`ReceiveStream::check`] allowed.
    pub(super) fn record(&mut self, end: u64, fin: bool) {
        self.highest = self.highest.max(end);
        if fin {
            self.final_size = Some(end);
            if self.stopped {
                self.over = true;
            }
        }
    }

    /// The peer gave up. Returns how many bytes will never be read.
    pub(super) fn on_reset(&mut self, code: u64) -> Option<u64> {
        if self.reset.is_some() || self.over {
            return None;
        }
        let unread = self.highest - self.assembler.position();
        self.reset = Some(code);
        self.assembler.discard();
        self.messages = MessageReader::default();
        self.ahead = None;
        self.over = true;
        Some(unread)
    }

    /// We want no more. Returns how many bytes were thrown away unread.
    pub(super) fn stop(&mut self) -> u64 {
        let unread = self.highest - self.assembler.position();
        self.assembler.discard();
        self.messages = MessageReader::default();
        self.ahead = None;
        self.stopped = true;
        if self.final_size.is_some() {
            self.over = true;
        }
        unread
    }

    /// The opener's preamble, once it is there: `Some(None)` if it is none.
    pub(super) fn take_preamble(&mut self) -> Option<Option<Preamble>> {
        let mut bytes = [0; Preamble::LEN];
        if self.assembler.readable() < bytes.len() {
            let cut_off = self
                .final_size
                .is_some_and(|size| size < Preamble::LEN as u64);
            return cut_off.then_some(None);
        }
        self.assembler.read_slice(&mut bytes);
        Some(Preamble::decode(bytes))
    }

    /// Looks for the next message, and takes out of the stream what cannot wait in it. Returns how
    /// many bytes were consumed, whatever came of it.
    pub(super) fn pull(&mut self, limits: MessageLimits) -> (usize, Result<(), MessageError>) {
        if self.stopped {
            return (0, Ok(()));
        }
        let before = self.assembler.position();
        let result = self.look(limits);
        ((self.assembler.position() - before) as usize, result)
    }

    fn look(&mut self, limits: MessageLimits) -> Result<(), MessageError> {
        let Some(ahead) = &mut self.ahead else {
            return self.messages.pull(&mut self.assembler, limits).map(drop);
        };
        let had_begun = self.messages.has_begun();
        if !had_begun {
            ahead.advance(&mut self.assembler);
        }
        let start = self.assembler.position();
        self.messages.pull(&mut self.assembler, limits)?;
        if let Some(end) = self.messages.end(&self.assembler).filter(|_| !had_begun) {
            ahead.check_alone(start..end)?;
        }
        ahead.forget_until(self.assembler.position());
        ahead.find(&self.assembler, limits.max)
    }

    /// Whether a message can be had.
    fn has_message(&self) -> bool {
        let ahead = self.ahead.as_ref();
        self.messages.is_complete(&self.assembler) || ahead.is_some_and(|ahead| ahead.has_whole())
    }

    /// Whether a read would give something, and the user has not been told yet. Records that it is.
    pub(super) fn tell(&mut self, mode: Mode) -> bool {
        let tells = self.is_readable(mode) && !self.told;
        self.told |= tells;
        tells
    }

    /// Whether a read would give something, or tell the end.
    pub(super) fn is_readable(&self, mode: Mode) -> bool {
        let has_some = match mode {
            Mode::Bytes => self.assembler.readable() > 0,
            Mode::Messages | Mode::Unordered => self.has_message(),
            Mode::Datagrams => self.datagrams.as_ref().is_some_and(|held| !held.is_empty()),
        };
        !self.over && !self.stopped && (has_some || self.is_at_end())
    }

    /// Whether everything has been read, and the end is what comes next.
    fn is_at_end(&self) -> bool {
        !self.over
            && !self.stopped
            && self.final_size == Some(self.assembler.position())
            && !self.messages.is_complete(&self.assembler)
    }

    /// Whether the stream ends inside a message.
    pub(super) fn is_cut_off(&self) -> bool {
        let readable = self.assembler.readable();
        let whole = self.assembler.position() + readable as u64;
        self.final_size == Some(whole)
            && (readable > 0 || self.messages.has_begun())
            && !self.messages.is_complete(&self.assembler)
            && !self.over
            && !self.stopped
    }

    pub(super) fn read(&mut self, out: &mut [u8]) -> ReadOutcome<usize> {
        if let Some(ended) = self.ended() {
            return ReadOutcome::new(Err(ended), 0);
        }
        let read = self.assembler.read_slice(out);
        let result = if read > 0 || out.is_empty() {
            Ok(read)
        } else {
            self.bottom().map(|()| 0)
        };
        ReadOutcome::new(result, read)
    }

    /// Lends the next bytes, at most `max`, that stand in one piece.
    pub(super) fn read_with<T>(
        &mut self,
        max: usize,
        take: impl FnOnce(&[u8]) -> T,
    ) -> ReadOutcome<Option<T>> {
        if let Some(ended) = self.ended() {
            return ReadOutcome::new(Err(ended), 0);
        }
        let (front, _) = self.assembler.peek();
        let lent = front.get(..front.len().min(max)).unwrap_or_default();
        if lent.is_empty() {
            return ReadOutcome::new(self.bottom().map(|()| None), 0);
        }
        let (taken, len) = (take(lent), lent.len());
        self.assembler.consume(len);
        ReadOutcome::new(Ok(Some(taken)), len)
    }

    /// Appends the next message to `out`.
    pub(super) fn receive(
        &mut self,
        limits: MessageLimits,
        out: &mut Vec<u8>,
    ) -> ReadOutcome<Option<usize>> {
        if let Some(ended) = self.ended() {
            return ReadOutcome::new(Err(ended), 0);
        }
        let taken = self.messages.take(&mut self.assembler, out);
        let taken = taken.or_else(|| {
            let ahead = self.ahead.as_mut()?;
            Some((ahead.take(&self.assembler, out)?, 0))
        });
        let Some((len, consumed)) = taken else {
            return ReadOutcome::new(self.bottom().map(|()| None), 0);
        };
        let mut outcome = ReadOutcome::new(Ok(Some(len)), consumed);
        let (more, pulled) = self.pull(limits);
        outcome.consumed += more;
        let cut_off = || self.is_cut_off().then_some(MessageError::Malformed);
        outcome.broken = pulled.err().or_else(cut_off);
        outcome
    }

    /// Nothing is left to read: the end, or not yet.
    fn bottom(&mut self) -> Result<(), StreamError> {
        if self.is_at_end() {
            self.over = true;
            return Ok(());
        }
        self.told = false;
        Err(StreamError::Blocked)
    }

    fn ended(&self) -> Option<StreamError> {
        match self.reset {
            Some(code) => Some(StreamError::Ended(code)),
            None if self.over || self.stopped => Some(StreamError::Unknown),
            None => None,
        }
    }
}
