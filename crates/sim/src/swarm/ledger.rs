use std::collections::BTreeMap;

use crypto::Random;

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

/// A record's header: flow, sequence, length of the body.
pub(super) const HEADER_LEN: usize = 24;

/// What was said and heard on one flow.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    said: u32,
    heard: u32,
    /// The connection ended, or the stream was broken off: what is missing may stay so.
    void: bool,
}

/// All that was said, and what has been heard of it.
#[derive(Default)]
pub(super) struct Ledger {
    seed: u64,
    lines: BTreeMap<Flow, Line>,
    records: u64,
}

impl Ledger {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// Makes the next record of a flow, with a body of `len` bytes.
    pub(super) fn say(&mut self, flow: Flow, len: u32) -> Vec<u8> {
        let line = self.lines.entry(flow).or_default();
        let sequence = line.said;
        line.said += 1;
        record(self.seed, flow, sequence, len)
    }

    /// A record has arrived, whole. Tells what is wrong with it.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Result<Flow, String> {
        let (flow, sequence, len) = header(bytes).ok_or("a record without a header")?;
        if bytes != record(self.seed, flow, sequence, len) {
            return Err(format!("{flow:?}: record {sequence} was changed"));
        }
        let line = self.lines.entry(flow).or_default();
        if sequence >= line.said {
            return Err(format!("{flow:?}: record {sequence} was never sent"));
        }
        if sequence != line.heard {
            let expected = line.heard;
            return Err(format!("{flow:?}: record {sequence} instead of {expected}"));
        }
        line.heard += 1;
        self.records += 1;
        Ok(flow)
    }

    /// What has not arrived on a stream need not any more, in both directions.
    pub(super) fn void_stream(&mut self, flow: Flow) {
        for back in [false, true] {
            self.lines.entry(Flow { back, ..flow }).or_default().void = true;
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
        let (flow, line) =
            (self.lines.iter()).find(|(_, line)| !line.void && line.heard < line.said)?;
        Some(format!("{flow:?}: {} of {}", line.heard, line.said))
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

    #[test]
    fn what_is_said_is_heard_once_in_order_and_unchanged() {
        let mut ledger = Ledger::new(7);
        let records: Vec<_> = (0..3).map(|len| ledger.say(FLOW, len * 10)).collect();
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
        let never = Ledger::new(7).say(FLOW, 5);
        assert!(Ledger::new(7).hear(&never).is_err(), "never sent");
    }

    #[test]
    fn what_was_broken_off_need_not_arrive() {
        let mut ledger = Ledger::new(7);
        ledger.say(FLOW, 1);
        ledger.void_connections(1, 1);
        assert!(ledger.missing().is_some(), "that was an earlier one");
        ledger.void_stream(FLOW);
        assert_eq!(ledger.missing(), None);
    }
}
