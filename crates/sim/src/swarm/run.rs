use core::cell::RefCell;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use crypto::Secret;
use transport::{
    Accept, AddressGate, CloseReason, ConnectionHandle, Endpoint, Gate, Instant, OpenGate,
};

use super::Plan;
use super::ledger::{CANARY, Ledger};
use super::liar::Liar;
use super::party::Party;
use crate::null::NullSessions;
use crate::seeds::{Failure, Fault, Faults, Fired, Kind, Outcome, unless_it_panics};
use crate::world::Overheard;
use crate::{Captured, Link, NodeId, Rng, Watch, WatchedSessions, World};

/// How long phase 2 may take.
const HEALING: Duration = Duration::from_secs(60);

/// How long an endpoint may take to forget connections that were closed.
const FORGETTING: Duration = Duration::from_secs(120);

/// The longest datagram that paths take in the end, where they have shrunk.
pub(super) const NARROW: usize = 1_250;

/// Runs a plan in both phases.
///
/// # Errors
/// What must never happen, and when it did; a panic is one.
pub fn run(plan: &Plan) -> Result<Outcome, Box<Failure>> {
    let mut swarm = Swarm::new(plan);
    let what = unless_it_panics(|| swarm.phases());
    what.map_err(|what| {
        Box::new(Failure {
            seed: plan.seed,
            at: swarm.world.now(),
            what,
            trace: swarm.world.trace(),
        })
    })?;
    Ok(swarm.outcome())
}

/// A client and its present connection.
pub(super) struct Client {
    pub(super) node: NodeId,
    pub(super) handle: Option<ConnectionHandle>,
    /// Connections begun.
    pub(super) connections: u32,
    /// Streams opened on the present one.
    pub(super) streams: u32,
    /// When its address changed last.
    pub(super) moved_at: Instant,
}

pub(super) struct Swarm<'a> {
    pub(super) plan: &'a Plan,
    pub(super) world: World<Endpoint>,
    pub(super) server: NodeId,
    pub(super) clients: Vec<Client>,
    pub(super) parties: Vec<Party>,
    pub(super) ledger: Ledger,
    pub(super) sealing: Watch,
    pub(super) workload: Rng,
    /// What each kind of fault draws from.
    pub(super) faults: BTreeMap<Fault, Rng>,
    pub(super) captured: Overheard,
    pub(super) fired: Fired,
    /// Clients that hear nothing, and until when.
    pub(super) cut: Option<(NodeId, Instant)>,
    pub(super) restarts: u64,
    pub(super) liar: Option<Liar>,
    /// What was captured since time passed last.
    pub(super) overheard: Vec<Captured>,
    pub(super) moves: u16,
    /// A connection has ended: datagrams of it may still be on their way.
    pub(super) ended: bool,
}

pub(super) const SERVER: SocketAddr = SocketAddr::new(
    core::net::IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 1)),
    5000,
);

impl<'a> Swarm<'a> {
    fn new(plan: &'a Plan) -> Self {
        let mut world = World::new(plan.seed);
        world.set_default_link(plan.link.clone());
        let sealing = Watch::default();
        let server = world.add(SERVER, server(plan, 0, &sealing));
        world.set_chosen_by_others(server);
        // Sessions without secrets mask what they seal, so it shows when something is not sealed.
        world.add_canary(&CANARY);
        if plan.gated {
            world.set_amplification_max(server, 1);
        }
        let mut clients = Vec::new();
        let lazy = plan.faults.has(Fault::Laziness);
        let mut parties = vec![Party::server(lazy)];
        let [config, _] = &plan.configs;
        for index in 0..plan.clients {
            let random = Rng::stream(plan.seed, "client", index);
            let endpoint = Endpoint::client(config.clone(), Box::new(random));
            let last = u8::try_from(index).unwrap_or(u8::MAX);
            let address = SocketAddr::from(([10, 1, 0, last], 4_000));
            let node = world.add(address, endpoint);
            world.set_chosen(node, SERVER);
            clients.push(Client {
                node,
                handle: None,
                connections: 0,
                streams: 0,
                moved_at: world.now(),
            });
            parties.push(Party::client(lazy));
        }
        world.start_capture();
        Self {
            plan,
            world,
            server,
            clients,
            parties,
            ledger: Ledger::new(plan.seed),
            sealing,
            workload: Rng::stream(plan.seed, "workload", 0),
            faults: BTreeMap::new(),
            captured: Overheard::new(plan.seed),
            fired: Fired::default(),
            cut: None,
            restarts: 0,
            liar: None,
            overheard: Vec::new(),
            moves: 0,
            ended: false,
        }
    }

    fn phases(&mut self) -> Result<(), String> {
        let end = self.world.now() + self.plan.limits.time;
        let mut actions = 0;
        while self.world.now() < end
            && self.world.stats().sent < self.plan.limits.datagrams
            && actions < self.plan.limits.actions
        {
            actions += 1;
            let nanos = u64::try_from(self.plan.pause.as_nanos()).unwrap_or(u64::MAX);
            let pause = Duration::from_nanos(self.workload.below(nanos) + 1);
            self.advance(pause)?;
            let said = actions % self.plan.limits.thinning.max(1) == 0;
            self.work(said);
            self.harm();
        }
        self.heal();
        self.wait(HEALING)
            .map_err(|wrong| format!("after it healed: {wrong}"))?;
        self.call_the_roll()?;
        self.quiet()?;
        self.part()
    }

    /// Lets time pass until everybody is connected and has what was said to him, which may take so long.
    pub(super) fn wait(&mut self, patience: Duration) -> Result<(), String> {
        let deadline = self.world.now() + patience;
        loop {
            self.advance(Duration::from_millis(250))?;
            let Some(waiting) = self.waits_for() else {
                return Ok(());
            };
            self.catch_up();
            if self.world.now() >= deadline {
                return Err(format!("for {} s {waiting}", patience.as_secs()));
            }
        }
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, time: Duration) -> Result<(), String> {
        let until = self.world.now() + time;
        self.pass(until)?;
        self.overheard = self.world.take_capture();
        self.world.start_capture();
        self.judge()?;
        self.captured.keep(self.overheard.drain(..));
        if let Some((node, _)) = self.cut.filter(|(_, until)| *until <= self.world.now()) {
            self.cut = None;
            self.world.change_links(node, |link| link.up = true);
        }
        self.tend()
    }

    /// Lets the world go on, and everybody hear what happens. Ends with the first that must never.
    pub(super) fn pass(&mut self, until: Instant) -> Result<(), String> {
        let (parties, ledger) = (&mut self.parties, &mut self.ledger);
        let sealing = &self.sealing;
        let wrong = RefCell::new(None);
        let moved = self.world.run(
            until,
            |node, endpoint, _| {
                let Some(party) = parties.get_mut(node.index()) else {
                    return;
                };
                party.drain(endpoint, ledger);
                let found = party.wrong.take().or_else(|| sealing.wrong());
                let found = found.or_else(|| endpoint.check().err());
                if let Some(found) = found {
                    *wrong.borrow_mut() = Some(format!("node {}: {found}", node.index()));
                }
            },
            |_| wrong.borrow().is_some(),
        );
        moved.map_err(|violation| violation.kind.to_string())?;
        wrong.into_inner().map_or_else(|| self.watch(), Err)
    }

    /// Connections that ended begin again.
    fn tend(&mut self) -> Result<(), String> {
        for ended in self.take_closed() {
            self.ended = true;
            if !self.is_excusable(&ended) {
                return Err(format!("a connection ended: {}", ended.reason));
            }
        }
        for index in 0..self.clients.len() {
            let Some(client) = self.clients.get_mut(index) else {
                break;
            };
            let node = client.node;
            let is_there = client.handle.is_some_and(|handle| {
                let alive = |endpoint: &mut Endpoint, _| endpoint.connection(handle).is_some();
                self.world.with(node, alive).unwrap_or(false)
            });
            if is_there {
                continue;
            }
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            self.ledger.void_connections(number, client.connections);
            client.connections += 1;
            client.streams = 0;
            let stream = u64::from(client.connections) << 16 | index as u64;
            let rng = Rng::stream(self.plan.seed, "client sessions", stream);
            let sessions = Box::new(NullSessions::client(rng));
            let mut sessions = WatchedSessions::new(sessions, &self.sealing);
            let begin =
                |endpoint: &mut Endpoint, now| endpoint.connect(now, SERVER, &mut sessions).ok();
            client.handle = self.world.with(node, begin).flatten();
        }
        Ok(())
    }

    /// The network is what it should be from now on.
    fn heal(&mut self) {
        self.cut = None;
        for party in &mut self.parties {
            party.lazy = false;
        }
        self.catch_up();
        let mut healed = Link::default();
        if self.plan.faults.has(Fault::Shrinking) {
            // That is no fault of a path, but found out by its ends.
            healed.mtu = NARROW;
        }
        let nodes: Vec<NodeId> = self.world.nodes().collect();
        for node in nodes {
            self.world
                .change_links(node, |link| link.clone_from(&healed));
        }
        self.world.set_default_link(healed);
    }

    /// What is not there yet.
    fn waits_for(&mut self) -> Option<String> {
        for (index, client) in self.clients.iter().enumerate() {
            let Some(handle) = client.handle else {
                return Some(format!("client {index} has not begun to connect"));
            };
            let look = |endpoint: &mut Endpoint, _| {
                let connection = endpoint.connection(handle)?;
                Some((connection.is_open(), connection.stats().bytes_in_flight))
            };
            match self.world.with(client.node, look).flatten() {
                Some((true, 0)) => {}
                Some((true, bytes)) => {
                    return Some(format!("client {index} has {bytes} bytes in flight"));
                }
                _ => return Some(format!("client {index} is not connected")),
            }
        }
        self.ledger.missing()
    }

    /// Everybody leaves, and is forgotten.
    fn part(&mut self) -> Result<(), String> {
        let leaving: Vec<_> = (self.clients.iter())
            .filter_map(|client| Some((client.node, client.handle?)))
            .collect();
        for (node, handle) in leaving {
            self.close(node, handle);
        }
        let until = self.world.now() + FORGETTING;
        self.pass(until)?;
        for ended in self.take_closed() {
            let reason = &ended.reason;
            let asked = matches!(reason, CloseReason::Local | CloseReason::Peer { .. });
            if !asked && !self.is_excusable(&ended) {
                return Err(format!("a connection was closed, and ended: {reason}"));
            }
        }
        for node in self.world.nodes() {
            let stats = self.world.machine(node).map(Endpoint::stats);
            if let Some(stats) = stats.filter(|stats| stats.connections > 0) {
                let left = stats.connections;
                return Err(format!("node {} still has {left}", node.index()));
            }
        }
        Ok(())
    }

    fn outcome(&self) -> Outcome {
        let stats = self.world.stats();
        let mut fired = self.fired.clone();
        let put_off = self.parties.iter().map(|party| party.put_off).sum();
        fired.add(Fault::Laziness.name(), put_off);
        Outcome {
            trace: self.world.trace(),
            time: self.world.now().since(Instant::ZERO),
            datagrams: stats.sent,
            records: self.ledger.records(),
            fired: fired.sum(Faults::of(Kind::Transport), self.plan.faults, &stats),
        }
    }
}

/// A server as it is after so many restarts: what has to persist is the same.
pub(super) fn server(plan: &Plan, restarts: u64, sealing: &Watch) -> Endpoint {
    let [_, config] = &plan.configs;
    let gate: Box<dyn Gate> = if plan.gated {
        Box::new(AddressGate::new(Secret::from([3; 32])))
    } else {
        Box::new(OpenGate)
    };
    let rng = |concern| Rng::stream(plan.seed, concern, restarts);
    let sessions = NullSessions::server(rng("server sessions"));
    let accept = Accept {
        sessions: Box::new(WatchedSessions::new(Box::new(sessions), sealing)),
        gate,
        secret: Secret::from([9; 32]),
    };
    Endpoint::server(config.clone(), accept, Box::new(rng("server")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::seeds::Limits;

    type End = fn(&mut Swarm<'_>) -> Result<(), String>;

    #[test]
    fn what_goes_wrong_in_the_end_is_told_as_well() {
        let plan = Plan::new(1, Limits::default());
        let mut swarm = Swarm::new(&plan);
        assert_eq!(swarm.quiet(), Ok(()));
        assert_eq!(swarm.part(), Ok(()));
        let ends: [End; 2] = [|swarm| swarm.quiet(), |swarm| swarm.part()];
        for end in ends {
            let mut swarm = Swarm::new(&plan);
            swarm.parties[0].wrong = Some("record 3 again".to_owned());
            assert_eq!(end(&mut swarm), Err("node 0: record 3 again".to_owned()));
            let mut swarm = Swarm::new(&plan);
            swarm.sealing.seals([1; 16], 7, &[]);
            swarm.sealing.seals([1; 16], 7, &[]);
            assert!(end(&mut swarm).is_err_and(|wrong| wrong.contains("packet number 7")));
        }
    }
}
