//! What must always hold, and what must hold when nobody has anything to say.

use core::time::Duration;

use internet::DropReason;
use transport::Endpoint;

use super::run::Swarm;
use crate::World;
use crate::seeds::Fault;

/// How long nobody says anything in the end: longer than any connection lives without a sign.
const QUIET: Duration = Duration::from_secs(70);

/// What is sent in that time on a connection: pings, their answers, what looks for a longer path.
const QUIET_DATAGRAMS_MAX: u64 = 100;

/// How often a timer is due in that time: each of those, for a connection, once or twice, and once to rest.
const QUIET_TIMERS_MAX: u64 = 60;

/// Faults with which an end that has nothing to say may not know that the other is gone.
const FORGETTING: [Fault; 4] = [
    Fault::Restart,
    Fault::Partition,
    Fault::OneWay,
    Fault::Closes,
];

/// Faults with which datagrams arrive that nobody sent like that, or for a connection that is gone.
const STRANGE: [Fault; 9] = [
    Fault::Closes,
    Fault::Liar,
    Fault::Corruption,
    Fault::Replay,
    Fault::Noise,
    Fault::Restart,
    Fault::Rebinding,
    Fault::Splicing,
    Fault::Forgery,
];

impl Swarm<'_> {
    pub(super) fn has_any(&self, faults: &[Fault]) -> bool {
        faults.iter().any(|&fault| self.plan.faults.has(fault))
    }

    /// Looks into every endpoint.
    pub(super) fn watch(&self) -> Result<(), String> {
        let nodes = self.world.nodes();
        for (index, endpoint) in nodes.filter_map(|n| self.world.machine(n)).enumerate() {
            let checked = endpoint.check();
            checked.map_err(|wrong| format!("node {index}: {wrong}"))?;
            let drops = endpoint.stats().drops;
            let strange = drops.of(DropReason::Unauthentic);
            if strange > 0 && self.all_is_authentic() {
                return Err(format!(
                    "node {index}: {strange} authentic packets were dropped"
                ));
            }
        }
        Ok(())
    }

    /// Whether every packet that arrives can be opened: none is changed, and none is so late that
    /// its keys or its connection are gone.
    fn all_is_authentic(&self) -> bool {
        if self.ended || self.parties.iter().any(|party| !party.closed.is_empty()) {
            return false;
        }
        let seldom = |config: &transport::Config| config.key_update_packets > 1_000;
        let keys_stay = self.plan.configs.iter().all(seldom);
        !self.has_any(&STRANGE) && (keys_stay || !self.plan.faults.has(Fault::Reordering))
    }

    /// Nobody says anything for a while: few datagrams are sent, nobody leaves who keeps alive, and
    /// all that is over is forgotten.
    pub(super) fn quiet(&mut self) -> Result<(), String> {
        let connections = |endpoint: &Endpoint| endpoint.stats().connections as u64;
        let nodes = || self.world.nodes().filter_map(|n| self.world.machine(n));
        let most = QUIET_DATAGRAMS_MAX * nodes().map(connections).sum::<u64>();
        let before = self.world.stats().sent;
        let woken =
            |world: &World<Endpoint>| -> u64 { world.nodes().map(|n| world.woken(n)).sum() };
        let woken_before = woken(&self.world);
        let timers_max = most / QUIET_DATAGRAMS_MAX * QUIET_TIMERS_MAX;
        let until = self.world.now() + QUIET;
        self.pass(until)?;
        let timers = woken(&self.world) - woken_before;
        if timers > timers_max {
            return Err(format!("{timers} timers with nothing to say"));
        }
        let sent = self.world.stats().sent - before;
        if sent > most {
            return Err(format!("{sent} datagrams with nothing to say"));
        }
        self.nobody_left()?;
        self.nothing_is_left()
    }

    /// Whoever keeps alive is still there, unless it does so at an address that the other has left
    /// without knowing. The server may have connections of which nobody knows.
    fn nobody_left(&mut self) -> Result<(), String> {
        let silent = |config: &transport::Config| config.keep_alive.is_none();
        let may_leave = self.plan.configs.iter().all(silent)
            || self.has_any(&FORGETTING)
            || self.may_be_mislaid();
        for ended in self.take_closed() {
            let excusable = self.is_excusable(&ended) && (ended.of_server || may_leave);
            if !excusable {
                let reason = &ended.reason;
                return Err(format!("a connection ended with nothing to say: {reason}"));
            }
        }
        Ok(())
    }

    /// A connection has the streams that its application has.
    fn nothing_is_left(&mut self) -> Result<(), String> {
        for (client, party) in self.clients.iter().zip(self.parties.iter().skip(1)) {
            let Some(handle) = client.handle else {
                continue;
            };
            let look = |endpoint: &mut Endpoint, _| {
                let connection = endpoint.connection(handle)?;
                connection
                    .is_open()
                    .then(|| connection.stats().streams_open)
            };
            let Some(there) = self.world.with(client.node, look).flatten() else {
                continue;
            };
            let known = party.open_count(handle);
            if there != known {
                let node = client.node.index();
                return Err(format!(
                    "node {node} has {there} streams of which it knows {known}"
                ));
            }
        }
        Ok(())
    }
}
