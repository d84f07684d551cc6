//! What need not arrive: datagrams, and messages that are worth nothing after a while. A transport that drops
//! them all breaks no promise of any single one.

use core::time::Duration;

use transport::{Endpoint, Mode};

use super::ledger::{Flow, Tally};
use super::run::{NARROW, Swarm};
use crate::seeds::Fault;

/// How often everybody is called.
const ROUNDS: u32 = 8;

/// Between two calls.
const PAUSE: Duration = Duration::from_millis(120);

/// How long a message is worth anything: 20 round trips.
const LIFE: Duration = Duration::from_millis(400);

/// How long answers may take in the end.
const ANSWERED: Duration = Duration::from_secs(5);

/// How long it may take until everybody is known where he is now: connections that nobody on the other
/// side knows are noticed, and begin anew.
const FOUND: Duration = Duration::from_secs(60);

/// Bytes of what is said, at most: any path takes them in one datagram.
const BYTES: u32 = 900;

/// Bytes that fill dozens of datagrams.
const BULK: u32 = 60_000;

/// Faults that take datagrams by themselves, or with what is known of paths.
const TAKING: [Fault; 14] = [
    Fault::Rate,
    Fault::Mtu,
    Fault::Partition,
    Fault::Rebinding,
    Fault::Migration,
    Fault::Restart,
    Fault::Replay,
    Fault::Splicing,
    Fault::Forgery,
    Fault::Reordering,
    Fault::Shrinking,
    Fault::Marking,
    Fault::OneWay,
    Fault::Pace,
];

/// So many more datagrams may be missing than links take on average. Bursts take some together.
const CHANCE: u64 = 60;

impl Swarm<'_> {
    /// The links lose nothing any more, nothing waits, and nobody is in anybody's way: what may get lost
    /// does not. What got lost before was dropped or taken.
    pub(super) fn call_the_roll(&mut self) -> Result<(), String> {
        // Who has moved without knowing is found there, and who was forgotten begins again.
        self.call_each(0, None);
        self.ping_each();
        self.wait(FOUND)
            .map_err(|wrong| format!("before the roll call: {wrong}"))?;
        self.advance(ANSWERED)?;
        if self.has_any(&[Fault::Shrinking]) {
            self.fill_paths()?;
        }
        self.ledger.all_arrives = true;
        for round in 1..=ROUNDS {
            self.call_each(round, Some(LIFE));
            self.advance(PAUSE)?;
        }
        self.wait(ANSWERED)
            .map_err(|wrong| format!("in the roll call: {wrong}"))?;
        self.ledger.all_arrives = false;
        self.compare_with_counts()
    }

    /// So much is said that nobody takes paths for wider than they are any more.
    fn fill_paths(&mut self) -> Result<(), String> {
        let mut filled = Vec::new();
        for index in 0..self.clients.len() {
            // Whoever has as many streams as he may, and all of them for datagrams, says no more.
            let modes = [Mode::Messages, Mode::Bytes, Mode::Unordered];
            filled.push((modes.into_iter()).any(|mode| self.call(index, mode, BULK, None)));
        }
        self.wait(FOUND)
            .map_err(|wrong| format!("over narrow paths: {wrong}"))?;
        let clients = self.clients.iter().enumerate().zip(filled);
        for ((index, client), _) in clients.filter(|(_, filled)| *filled) {
            let look = |endpoint: &mut Endpoint, _| {
                let connection = endpoint.connection(client.handle?)?;
                Some(connection.stats().datagram_bytes)
            };
            let there = self.world.with(client.node, look).flatten();
            if let Some(bytes) = there.filter(|bytes| *bytes > NARROW) {
                return Err(format!(
                    "client {index} takes its path for {bytes} bytes wide"
                ));
            }
        }
        Ok(())
    }

    /// Every client says a message, worth something for `life` if that is given, and then a datagram too.
    fn call_each(&mut self, round: u32, life: Option<Duration>) {
        for index in 0..self.clients.len() {
            let len = BYTES * round / ROUNDS;
            self.call(index, Mode::Messages, len, life);
            if life.is_some() {
                self.call(index, Mode::Datagrams, len, None);
            }
        }
    }

    /// Also who has no stream for messages, and may not open one, shows where he is.
    fn ping_each(&mut self) {
        for client in &self.clients {
            let Some(handle) = client.handle else {
                continue;
            };
            self.world.with(client.node, |endpoint, _| {
                if let Some(connection) = endpoint.connection(handle) {
                    connection.ping();
                }
            });
        }
    }

    /// A client says `len` bytes on a stream of this mode, if it has one or may open one. Tells
    /// whether it does.
    fn call(&mut self, index: usize, mode: Mode, len: u32, life: Option<Duration>) -> bool {
        let (Some(client), Some(party)) =
            (self.clients.get_mut(index), self.parties.get_mut(index + 1))
        else {
            return false;
        };
        let Some(handle) = client.handle else {
            return false;
        };
        let new = Flow {
            client: u32::try_from(index).unwrap_or(u32::MAX),
            connection: client.connections,
            stream: client.streams,
            back: false,
        };
        let (ledger, streams) = (&mut self.ledger, &mut client.streams);
        let said = self.world.with(client.node, |endpoint, now| {
            let known = party.streams(handle).into_iter();
            let mut fitting = known.filter(|(id, _)| party.mode(handle, *id) == Some(mode));
            let (stream, flow) = match fitting.next() {
                Some(known) => known,
                None => {
                    let stream = party.open(endpoint, handle, mode, 0, new)?;
                    *streams += 1;
                    ledger.open(new, mode);
                    (stream, new)
                }
            };
            let connection = endpoint.connection(handle)?;
            let record = ledger.say(flow, len, life.is_some());
            let deadline = life.map(|life| now + life);
            party.say(connection, (handle, stream), record, deadline, false);
            Some(())
        });
        said.flatten().is_some()
    }

    /// What got lost in the faults was dropped by an endpoint, which counts it, or is a plausible share of
    /// what links take.
    fn compare_with_counts(&self) -> Result<(), String> {
        let counters = || {
            let machines = self.world.nodes().filter_map(|n| self.world.machine(n));
            machines.map(|endpoint: &Endpoint| endpoint.stats().counters)
        };
        let unsent: u64 = counters().map(|c| c.messages_dropped).sum();
        let no_room: u64 = counters().map(|c| c.datagram_frames_dropped).sum();
        let Tally {
            datagrams,
            datagrams_missing,
            messages_missing,
        } = self.ledger.tally();
        // The server says nothing with a deadline: its restarts take no counts along that matter here.
        if messages_missing > unsent {
            return Err(format!(
                "{messages_missing} messages did not arrive, and {unsent} were dropped"
            ));
        }
        if self.has_any(&TAKING) {
            return Ok(());
        }
        let link = &self.plan.link;
        let unfit: u64 = self.parties.iter().map(|party| party.unfit).sum();
        let dropped = unsent + no_room + unfit;
        let losses = [link.loss, link.corruption, 20.0 * link.burst];
        let chance = if losses.iter().any(|loss| *loss > 0.0) {
            let share: f64 = losses.iter().sum();
            (datagrams as f64 * share.min(1.0)) as u64 * 2 + CHANCE
        } else {
            0
        };
        if datagrams_missing > dropped + chance {
            return Err(format!(
                "{datagrams_missing} of {datagrams} datagrams are missing, of which {dropped} were dropped and {chance} may have got lost"
            ));
        }
        Ok(())
    }
}
