use std::collections::{BTreeMap, BTreeSet};

use crypto::Random;
use transport::Mode;

use crate::Rng;

/// Who says something to whom: what tells one sequence of records from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flow {
    pub(super) client: u32,
    /// Which of the client's connections, in order.
    pub(super) connection: u32,
    /// Which of the connection's streams, in order.
    pub(super) stream: u32,
    /// From the server.
    pub(super) back: bool,
}

/// What the body of a record begins with, if it is long enough, and no datagram may hold.
pub(super) const CANARY: [u8; 20] = *b"CANARY in the clear!";

/// A record's header: flow, sequence, length of the body.
pub(super) const HEADER_LEN: usize = 24;

/// What was said and heard on one flow.
#[derive(Clone, Debug)]
struct Line {
    mode: Mode,
    said: u32,
    /// What was said and has not been heard, and whether it may get lost.
    missing: BTreeMap<u32, bool>,
    /// What comes no more, since something behind it has been heard.
    passed: u64,
    /// Its end was said, and heard.
    end: (bool, bool),
    /// The connection ended, or the stream was broken off: what is missing may stay so.
    void: bool,
}

impl Line {
    fn new(mode: Mode) -> Self {
        Self {
            mode,
            said: 0,
            missing: BTreeMap::new(),
            passed: 0,
            end: (false, false),
            void: false,
        }
    }

    /// The first record that has to come and has not.
    fn awaited(&self) -> Option<u32> {
        let mut missing = self.missing.iter();
        missing.find(|(_, mortal)| !**mortal).map(|(&n, _)| n)
    }

    /// Record `sequence` has arrived. What of those before it got lost comes no more, in order.
    fn hear(&mut self, sequence: u32) -> Result<(), String> {
        if sequence >= self.said {
            return Err(format!("record {sequence} was never sent"));
        }
        let ordered = matches!(self.mode, Mode::Bytes | Mode::Messages);
        let expected = self.awaited().filter(|&first| ordered && first < sequence);
        if let Some(expected) = expected {
            return Err(format!("record {sequence} instead of {expected}"));
        }
        if self.missing.remove(&sequence).is_none() {
            return Err(format!("record {sequence} again"));
        }
        if ordered {
            let later = self.missing.split_off(&sequence);
            self.passed += core::mem::replace(&mut self.missing, later).len() as u64;
        }
        Ok(())
    }

    fn hear_end(&mut self) -> Result<(), String> {
        if self.mode == Mode::Datagrams {
            return Ok(());
        }
        if self.end != (true, false) {
            return Err(format!("an end, where it stands at {:?}", self.end));
        }
        if let Some(first) = self.awaited() {
            return Err(format!("an end before record {first}"));
        }
        self.end.1 = true;
        Ok(())
    }

    /// What should have arrived.
    fn lacks(&self) -> Option<String> {
        if self.void {
            return None;
        }
        match (self.awaited(), self.end) {
            (Some(first), _) => Some(format!("record {first} of {}", self.said)),
            (None, (true, false)) => Some("its end".to_owned()),
            _ => None,
        }
    }
}

/// What need not arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Datagrams that were said.
    pub(super) datagrams: u64,
    /// Of those: which have not been heard.
    pub(super) datagrams_missing: u64,
    /// Messages with a deadline that have not been heard.
    pub(super) messages_missing: u64,
}

/// All that was said, and what has been heard of it.
#[derive(Default)]
pub(super) struct Ledger {
    seed: u64,
    /// Nothing that is said may get lost, whatever it is.
    pub(super) all_arrives: bool,
    lines: BTreeMap<Flow, Line>,
    /// Clients and connections of which a record has arrived, at either end.
    heard: BTreeSet<(u32, u32)>,
    records: u64,
}

impl Ledger {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// A stream is opened: `flow`, and the one back.
    pub(super) fn open(&mut self, flow: Flow, mode: Mode) {
        for back in [false, true] {
            self.lines.insert(Flow { back, ..flow }, Line::new(mode));
        }
    }

    /// Makes the next record of a flow, with a body of `len` bytes. One that is `mortal` may get
    /// lost; a datagram is always, unless all has to arrive.
    pub(super) fn say(&mut self, flow: Flow, len: u32, mortal: bool) -> Vec<u8> {
        let all_arrives = self.all_arrives;
        let line = self.line(flow);
        let sequence = line.said;
        line.said += 1;
        let mortal = !all_arrives && (mortal || line.mode == Mode::Datagrams);
        line.missing.insert(sequence, mortal);
        record(self.seed, flow, sequence, len)
    }

    /// A flow ends behind what was said.
    pub(super) fn say_end(&mut self, flow: Flow) {
        let line = self.line(flow);
        // When all datagrams are lost, nobody learns whose end it is.
        line.end.0 = line.mode != Mode::Datagrams;
    }

    /// The end of a flow was heard. Tells what is wrong with it.
    pub(super) fn hear_end(&mut self, flow: Flow) -> Result<(), String> {
        let heard = self.line(flow).hear_end();
        heard.map_err(|wrong| format!("{flow:?}: {wrong}"))
    }

    /// A record has arrived, whole. Tells what is wrong with it.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Result<Flow, String> {
        let (flow, sequence, len) = header(bytes).ok_or("a record without a header")?;
        if bytes != record(self.seed, flow, sequence, len) {
            return Err(format!("{flow:?}: record {sequence} was changed"));
        }
        let heard = self.line(flow).hear(sequence);
        heard.map_err(|wrong| format!("{flow:?}: {wrong}"))?;
        self.records += 1;
        self.heard.insert((flow.client, flow.connection));
        Ok(flow)
    }

    /// Whether anything said on a client's connection has arrived: its handshake was complete then, at
    /// both ends.
    pub(super) fn is_heard(&self, client: u32, connection: u32) -> bool {
        self.heard.contains(&(client, connection))
    }

    fn line(&mut self, flow: Flow) -> &mut Line {
        let line = self.lines.entry(flow);
        line.or_insert_with(|| Line::new(Mode::Bytes))
    }

    /// What has not arrived on a stream need not any more, in both directions.
    pub(super) fn void_stream(&mut self, flow: Flow) {
        for back in [false, true] {
            self.line(Flow { back, ..flow }).void = true;
        }
    }

    /// The same for all streams of a client's connections up to `connection`.
    pub(super) fn void_connections(&mut self, client: u32, connection: u32) {
        for (flow, line) in &mut self.lines {
            line.void |= flow.client == client && flow.connection <= connection;
        }
    }

    /// The first flow on which something is missing that should have arrived.
    pub(super) fn missing(&self) -> Option<String> {
        let mut lines = self.lines.iter();
        lines.find_map(|(flow, line)| Some(format!("{flow:?}: {}", line.lacks()?)))
    }

    /// What need not have arrived, on streams that nobody has broken off.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for line in self.lines.values().filter(|line| !line.void) {
            let missing = line.missing.len() as u64;
            if line.mode == Mode::Datagrams {
                tally.datagrams += u64::from(line.said);
                tally.datagrams_missing += missing;
            } else {
                tally.messages_missing += missing + line.passed;
            }
        }
        tally
    }

    /// Records that have arrived.
    pub(super) fn records(&self) -> u64 {
        self.records
    }
}

/// How long the record is that begins with these bytes.
pub(super) fn record_len(bytes: &[u8]) -> Option<usize> {
    let (_, _, len) = header(bytes)?;
    Some(HEADER_LEN + len as usize)
}

fn header(bytes: &[u8]) -> Option<(Flow, u32, u32)> {
    let (header, _) = bytes.split_first_chunk::<HEADER_LEN>()?;
    let mut words = [0u32; HEADER_LEN / 4];
    for (word, bytes) in words.iter_mut().zip(header.chunks_exact(4)) {
        *word = u32::from_be_bytes(bytes.try_into().ok()?);
    }
    let [client, connection, stream, back, sequence, len] = words;
    let flow = Flow {
        client,
        connection,
        stream,
        back: back == 1,
    };
    Some((flow, sequence, len))
}

fn record(seed: u64, flow: Flow, sequence: u32, len: u32) -> Vec<u8> {
    let Flow {
        client,
        connection,
        stream,
        back,
    } = flow;
    let words = [client, connection, stream, u32::from(back), sequence, len];
    let mut record: Vec<u8> = words.into_iter().flat_map(u32::to_be_bytes).collect();
    let index = words.into_iter().fold(0u64, |sum, word| {
        (sum ^ u64::from(word)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    record.resize(HEADER_LEN + len as usize, 0);
    let (_, body) = record.split_at_mut(HEADER_LEN);
    Rng::stream(seed, "body", index).fill(body);
    if let Some(front) = body.first_chunk_mut() {
        *front = CANARY;
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: Flow = Flow {
        client: 1,
        connection: 2,
        stream: 3,
        back: false,
    };

    fn ledger(mode: Mode) -> Ledger {
        let mut ledger = Ledger::new(7);
        ledger.open(FLOW, mode);
        ledger
    }

    #[test]
    fn what_is_said_is_heard_once_in_order_and_unchanged() {
        let mut ledger = ledger(Mode::Messages);
        let records: Vec<_> = (0..3)
            .map(|len| ledger.say(FLOW, len * 10, false))
            .collect();
        assert!(ledger.missing().is_some());
        assert_eq!(record_len(&records[2]), Some(records[2].len()));
        assert!(ledger.hear(&records[1]).is_err(), "too early");
        assert_eq!(ledger.hear(&records[0]), Ok(FLOW));
        assert!(ledger.hear(&records[0]).is_err(), "twice");
        let mut changed = records[1].clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(ledger.hear(&changed).is_err(), "changed");
        assert_eq!(ledger.hear(&records[1]), Ok(FLOW));
        assert_eq!(ledger.hear(&records[2]), Ok(FLOW));
        assert_eq!(ledger.missing(), None);
        let never = Ledger::new(7).say(FLOW, 5, false);
        assert!(Ledger::new(7).hear(&never).is_err(), "never sent");
    }

    #[test]
    fn without_order_each_comes_once() {
        let mut ledger = ledger(Mode::Unordered);
        let [first, second] = [0, 1].map(|_| ledger.say(FLOW, 9, false));
        assert_eq!(ledger.hear(&second), Ok(FLOW));
        assert!(ledger.hear(&second).is_err(), "twice");
        assert!(ledger.missing().is_some());
        assert_eq!(ledger.hear(&first), Ok(FLOW));
        assert_eq!(ledger.missing(), None);
    }

    #[test]
    fn what_is_mortal_may_get_lost_and_comes_not_late() {
        let mut ledger = ledger(Mode::Messages);
        let mortal = ledger.say(FLOW, 9, true);
        let other = ledger.say(FLOW, 9, false);
        assert_eq!(ledger.hear(&other), Ok(FLOW));
        assert_eq!(ledger.missing(), None);
        assert!(ledger.hear(&mortal).is_err(), "behind its successor");
    }

    #[test]
    fn what_gets_lost_is_counted_unless_all_has_to_arrive() {
        let mut messages = ledger(Mode::Messages);
        for _ in 0..2 {
            messages.say(FLOW, 9, true);
        }
        let last = messages.say(FLOW, 9, true);
        assert_eq!(messages.tally().messages_missing, 3);
        assert_eq!(messages.hear(&last), Ok(FLOW));
        assert_eq!(messages.tally().messages_missing, 2, "two were passed over");
        let mut datagrams = ledger(Mode::Datagrams);
        datagrams.say(FLOW, 9, false);
        let heard = datagrams.say(FLOW, 9, false);
        assert_eq!(datagrams.hear(&heard), Ok(FLOW));
        let tally = datagrams.tally();
        assert_eq!((tally.datagrams, tally.datagrams_missing), (2, 1));
        assert_eq!(datagrams.missing(), None);
        datagrams.all_arrives = true;
        let needed = datagrams.say(FLOW, 9, true);
        assert!(datagrams.missing().is_some());
        assert_eq!(datagrams.hear(&needed), Ok(FLOW));
        assert_eq!(datagrams.missing(), None);
        datagrams.void_stream(FLOW);
        assert_eq!(datagrams.tally(), Tally::default());
    }

    #[test]
    fn an_end_is_heard_once_and_behind_all() {
        let mut ledger = ledger(Mode::Bytes);
        let record = ledger.say(FLOW, 9, false);
        assert!(ledger.hear_end(FLOW).is_err(), "not said");
        ledger.say_end(FLOW);
        assert!(ledger.hear_end(FLOW).is_err(), "too early");
        assert_eq!(ledger.hear(&record), Ok(FLOW));
        assert!(ledger.missing().is_some());
        assert_eq!(ledger.hear_end(FLOW), Ok(()));
        assert_eq!(ledger.missing(), None);
        assert!(ledger.hear_end(FLOW).is_err(), "twice");
    }

    #[test]
    fn what_was_broken_off_need_not_arrive() {
        let mut ledger = ledger(Mode::Bytes);
        ledger.say(FLOW, 1, false);
        ledger.void_connections(1, 1);
        assert!(ledger.missing().is_some(), "that was an earlier one");
        ledger.void_stream(FLOW);
        assert_eq!(ledger.missing(), None);
    }
}
