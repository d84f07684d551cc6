use core::cell::RefCell;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use chat::message::MessageId;
use transport::Instant;

use super::book::Book;
use super::host::{Host, HostSettings};
use super::installation::Installation;
use super::node::Node;
use super::plan::SystemPlan;
use super::process::AGAIN;
use super::{harm, keys};
use crate::seeds::{Failure, Fault, Faults, Fired, Kind, Outcome, unless_it_panics};
use crate::world::Overheard;
use crate::{NodeId, Rng, Watch, World};

/// Is told what everybody is told: when, who (the server is 0, clients follow), what.
pub type Watcher<'a> = &'a mut dyn FnMut(Instant, usize, &dyn core::fmt::Debug);

/// Runs a plan in both phases.
///
/// # Errors
/// What must never happen, and when it did; a panic is one.
pub fn run_system(plan: &SystemPlan) -> Result<Outcome, Box<Failure>> {
    watch_system(plan, &mut |_, _, _| ())
}

/// The same, before somebody's eyes.
///
/// # Errors
/// What must never happen, and when it did.
pub fn watch_system(plan: &SystemPlan, watcher: Watcher<'_>) -> Result<Outcome, Box<Failure>> {
    let mut system = System::new(plan, watcher);
    let what = unless_it_panics(|| system.phases());
    what.map_err(|what| {
        Box::new(Failure {
            seed: plan.seed,
            at: system.world.now(),
            what,
            trace: system.world.trace(),
        })
    })?;
    Ok(system.outcome())
}

/// Something that will go wrong.
pub(super) struct Strike {
    pub(super) at: Instant,
    pub(super) fault: Fault,
    pub(super) draw: u64,
}

pub(super) struct System<'a> {
    pub(super) plan: &'a SystemPlan,
    pub(super) world: World<Node>,
    pub(super) server: NodeId,
    pub(super) clients: Vec<NodeId>,
    sealing: Watch,
    pub(super) book: Book,
    pub(super) workload: Rng,
    /// What each kind of fault draws from.
    pub(super) faults: BTreeMap<Fault, Rng>,
    pub(super) crashes: Rng,
    pub(super) strikes: Vec<Strike>,
    pub(super) captured: Overheard,
    pub(super) fired: Fired,
    /// A client that hears nothing, and until when.
    pub(super) cut: Option<(NodeId, Instant)>,
    pub(super) moves: u16,
    /// When processes begin again that are not there.
    pub(super) again: BTreeMap<NodeId, Instant>,
    pub(super) watcher: Watcher<'a>,
}

impl<'a> System<'a> {
    fn new(plan: &'a SystemPlan, watcher: Watcher<'a>) -> Self {
        let mut world = World::new(plan.seed);
        world.set_default_link(plan.link.clone());
        let sealing = Watch::default();
        for canary in keys::canaries().iter() {
            world.add_canary(canary);
            sealing.add_canary(canary);
        }
        let settings = HostSettings {
            seed: plan.seed,
            gated: plan.gated,
            real_tls: plan.real_tls,
            deceives: plan.faults.has(Fault::Malice),
            probe: plan.probe,
            bug: plan.bug,
        };
        let mut host = Host::new(settings, &sealing);
        harm::prepare(plan, &mut host.conditions, 0);
        host.start(Instant::ZERO);
        let server = world.add(keys::SERVER, Node::Server(Box::new(host)));
        if plan.gated {
            world.set_amplification_max(server, 1);
        }
        let mut again = BTreeMap::new();
        let mut clients = Vec::new();
        let account = |index: u64| usize::try_from(index % plan.accounts).unwrap_or(0);
        for index in 0..plan.clients {
            let number = usize::try_from(index).unwrap_or(0);
            let mut client = Installation::new(plan, number, account(index), &sealing);
            harm::prepare(plan, &mut client.conditions, index + 1);
            let last = u8::try_from(index).unwrap_or(u8::MAX);
            let address = SocketAddr::from(([10, 1, 0, last], 4_000));
            let node = world.add(address, Node::Client(Box::new(client)));
            world.set_chosen(node, keys::SERVER);
            again.insert(node, Instant::ZERO);
            clients.push(node);
        }
        if plan.is_overheard() {
            world.start_capture();
        }
        let stream = |concern| Rng::stream(plan.seed, concern, 0);
        Self {
            plan,
            world,
            server,
            clients,
            sealing,
            book: Book::new(plan.faults, (0..plan.clients).map(account)),
            workload: stream("system workload"),
            faults: BTreeMap::new(),
            crashes: stream("crashes"),
            strikes: Vec::new(),
            captured: Overheard::new(plan.seed),
            fired: Fired::default(),
            cut: None,
            moves: 0,
            again,
            watcher,
        }
    }

    fn phases(&mut self) -> Result<(), String> {
        let limits = self.plan.limits;
        let actions = self.plan.actions.min(limits.actions);
        self.gather()?;
        for _ in 0..actions {
            let over = self.world.now() >= Instant::ZERO + limits.time;
            if over || self.world.stats().sent >= limits.datagrams {
                break;
            }
            let pause = self.plan.pause.as_millis();
            let pause = self.workload.below(u64::try_from(pause).unwrap_or(1_000));
            self.advance(Duration::from_millis(pause))?;
            self.work();
            self.harm();
        }
        self.heal();
        self.settle()
    }

    /// Somebody has to be there before there is much to disturb.
    fn gather(&mut self) -> Result<(), String> {
        const PATIENCE: u64 = 60;
        for _ in 0..PATIENCE {
            let mut all = 0..self.clients.len();
            if !self.plan.settled || all.all(|client| self.book.was_online(client)) {
                break;
            }
            self.advance(Duration::from_millis(500))?;
        }
        Ok(())
    }

    /// Lets time pass, in which what is due goes wrong.
    pub(super) fn advance(&mut self, time: Duration) -> Result<(), String> {
        let until = self.world.now() + time;
        loop {
            let next = self.strikes.iter().map(|strike| strike.at).min();
            self.pass(next.unwrap_or(until).min(until))?;
            let now = self.world.now();
            let due = self.strikes.iter().position(|strike| strike.at <= now);
            match due {
                Some(due) => {
                    let Strike { fault, draw, .. } = self.strikes.swap_remove(due);
                    (self.watcher)(now, 0, &fault);
                    if self.strike(fault, draw) {
                        self.fired.count(fault.name());
                    }
                    self.check()?;
                }
                None if now >= until => break,
                None => {}
            }
        }
        if self.plan.is_overheard() {
            self.captured.keep(self.world.take_capture());
            self.world.start_capture();
        }
        if let Some((node, _)) = self.cut.filter(|(_, until)| *until <= self.world.now()) {
            self.cut = None;
            self.world.change_links(node, |link| link.up = true);
        }
        self.tend();
        self.check()
    }

    /// Lets the world go on, and everybody hear what happens. It ends when something is wrong, and
    /// after each event everybody is looked at to whom it happened.
    pub(super) fn pass(&mut self, until: Instant) -> Result<(), String> {
        let (book, again) = (&mut self.book, &mut self.again);
        let (watcher, sealing) = (&mut self.watcher, &self.sealing);
        let clients = self.clients.len();
        let wrong = RefCell::new(None);
        let moved = self.world.run(
            until,
            |id, node, now| {
                node.drain(now);
                let is_over = match node {
                    Node::Client(client) => {
                        for event in core::mem::take(&mut client.events) {
                            watcher(now, id.index(), &event);
                            book.heard(now, client.index, &event);
                        }
                        client.is_over
                    }
                    Node::Server(host) => {
                        for event in core::mem::take(&mut host.events) {
                            watcher(now, id.index(), &event);
                            book.served(now, &event);
                        }
                        host.ended.is_some()
                    }
                };
                if is_over {
                    again.entry(id).or_insert(now + AGAIN);
                }
                let found = node.check(clients).err();
                let found = found.or_else(|| sealing.wrong());
                wrong.replace(found.or_else(|| book.wrong.take()));
            },
            |_| wrong.borrow().is_some(),
        );
        moved.map_err(|violation| violation.kind.to_string())?;
        wrong.into_inner().map_or(Ok(()), Err)
    }

    /// What was found to be wrong outside of all events.
    pub(super) fn check(&mut self) -> Result<(), String> {
        let wrong = self.sealing.wrong().or_else(|| self.book.wrong.take());
        wrong.map_or(Ok(()), Err)
    }

    /// Processes that are not there begin again.
    pub(super) fn tend(&mut self) {
        let now = self.world.now();
        let due: Vec<NodeId> = (self.again.iter())
            .filter(|(_, at)| **at <= now)
            .map(|(node, _)| *node)
            .collect();
        for node in due {
            if self.is_over(node) {
                // It has ended by itself; the machine goes on, and what it had written is there.
                self.crash(node, Duration::ZERO);
            }
            if self.begin(node) {
                self.again.remove(&node);
            }
        }
    }

    fn is_over(&self, node: NodeId) -> bool {
        match self.world.machine(node) {
            Some(Node::Server(host)) => host.ended.is_some() && host.is_up(),
            Some(Node::Client(client)) => client.is_over && client.is_up(),
            None => false,
        }
    }

    /// Begins a process, unless it is too early for it.
    fn begin(&mut self, node: NodeId) -> bool {
        let book = &mut self.book;
        let begun = self.world.with(node, |node, now| match node {
            Node::Server(host) => {
                book.ready_at = None;
                host.start(now);
                true
            }
            Node::Client(client) => {
                let account = client.account;
                let first = account == client.index;
                let registered = book.is_registered(account);
                // The first of an account makes it; the others wait for that.
                if !first && !registered {
                    return false;
                }
                book.begins(client.index);
                client.set_registers(!registered);
                client.start(now);
                true
            }
        });
        begun.unwrap_or(true)
    }

    /// Somebody does something.
    fn work(&mut self) {
        let plan = self.plan;
        let index = self.workload.below(self.clients.len() as u64);
        let to = self.workload.below(plan.accounts);
        let len = self.workload.below(plan.message_bytes);
        let lists = self.workload.chance(0.1);
        let talks = self.workload.chance(plan.talk);
        let said = self
            .workload
            .below(1 << 20)
            .is_multiple_of(plan.limits.thinning.max(1));
        let from = usize::try_from(index).unwrap_or(0);
        let (to, len) = (
            usize::try_from(to).unwrap_or(0),
            usize::try_from(len).unwrap_or(0),
        );
        if lists && self.book.was_online(from) {
            self.ask(from);
        }
        if talks && said {
            self.write(from, to, len);
        }
    }

    fn ask(&mut self, from: usize) {
        let Some(&node) = self.clients.get(from) else {
            return;
        };
        self.world.with(node, |node, now| {
            if let Node::Client(client) = node
                && client.is_up()
                && !client.is_over
            {
                client.list(now);
            }
        });
    }

    /// Somebody writes to somebody who was ever there. `None` if the message was not taken.
    pub(super) fn write(&mut self, from: usize, to: usize, len: usize) -> Option<MessageId> {
        let (book, node) = (&mut self.book, *self.clients.get(from)?);
        if !book.is_registered(to) || !book.was_online(from) {
            return None;
        }
        let taken = self.world.with(node, |node, now| {
            let Node::Client(client) = node else {
                return None;
            };
            if !client.is_up() || client.is_over {
                return None;
            }
            let composed = book.compose(from, to, len);
            let id = client.send(now, to, composed.1.clone())?;
            let written = (now, client.conditions.wall_ms(now));
            book.said(written, id, from, to, composed);
            Some(id)
        });
        taken.flatten()
    }

    fn outcome(&self) -> Outcome {
        let stats = self.world.stats();
        let mut fired = self.fired.clone();
        fired.add("disconnected", self.book.disconnected);
        for node in self.world.nodes().filter_map(|id| self.world.machine(id)) {
            let met = match node {
                Node::Server(host) => {
                    fired.add("deceptions", host.deceptions());
                    host.conditions.met
                }
                Node::Client(client) => client.conditions.met,
            };
            met.add_to(&mut fired);
        }
        Outcome {
            trace: self.world.trace(),
            time: self.world.now().since(Instant::ZERO),
            datagrams: stats.sent,
            records: self.book.shown,
            fired: fired.sum(Faults::of(Kind::System), self.plan.faults, &stats),
        }
    }
}
