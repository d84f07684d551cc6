//! Phase 2: everything is as it should be again, and what was promised has to come.

use core::time::Duration;

use transport::Instant;

use super::audit;
use super::keys;
use super::node::Node;
use super::process::Pulse;
use super::run::System;
use crate::NodeId;
use crate::seeds::Fault;

/// How long it may take after healing until everybody is there and everything stored is shown.
const HEALING: Duration = Duration::from_secs(60);

/// How long it may take until everything queued is stored and shown too: clients wait for up to half
/// a minute before they try again, and for up to a minute before they send again.
const SETTLING: Duration = Duration::from_secs(300);

/// How long nobody says anything in the end.
const QUIET: Duration = Duration::from_secs(60);

/// How many minutes there are until one is quiet: in the first a server may still call those who crashed and
/// have come back.
const QUIET_MINUTES: u64 = 2;

/// What is sent in that time on a connection: pings, their answers, what looks for a longer path, and
/// the server's directory.
const QUIET_DATAGRAMS_MAX: u64 = 40;

/// How often somebody's time comes meanwhile, for each connection.
const QUIET_TIMEOUTS_MAX: u64 = 60;

/// How many times as much those may say who are deceived: what was refused, for whatever reason, is tried
/// again, less and less often, and who is turned away comes back.
const DECEIVED_FACTOR: u64 = 4;

/// And how many minutes they have until one is quiet: who comes back says first what he could not say before.
const DECEIVED_MINUTES: u64 = 5;

/// How long the answer to a question takes at most, where nothing is lost.
const ANSWERING: Duration = Duration::from_secs(5);

/// How long it takes until nothing is left of those who are gone.
const FORGETTING: Duration = Duration::from_secs(120);

/// Messages for somebody whose mailbox is full.
const IN_THE_WAY: usize = 50;

/// Something that is not yet as it has to be.
type Unsettled = fn(&System<'_>) -> Option<String>;

/// What has to be so, one after the other, and how long after healing at the latest.
const SETTLED: [(Unsettled, Duration); 3] = [
    (|system| system.absent(), HEALING),
    (|system| system.book.unshown(), HEALING),
    (|system| system.book.unsettled(), SETTLING),
];

impl System<'_> {
    /// Everything is what it should be from now on, and everybody there.
    pub(super) fn heal(&mut self) {
        self.cut = None;
        self.strikes.clear();
        let nodes: Vec<NodeId> = self.world.nodes().collect();
        for node in nodes {
            self.world
                .change_links(node, |link| *link = crate::Link::default());
            self.world.with(node, |node, _| match node {
                Node::Server(host) => {
                    host.conditions.heal();
                    host.full = None;
                }
                Node::Client(client) => client.conditions.heal(),
            });
        }
        self.world.set_default_link(crate::Link::default());
        let now = self.world.now();
        for at in self.again.values_mut() {
            *at = (*at).min(now);
        }
        self.tend();
    }

    /// Phase 2.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        self.audit_all();
        self.check()?;
        let healed = self.world.now();
        if !self.book.is_honest() {
            // Whoever deceives need not deliver, and may keep anybody out.
            self.advance(HEALING)?;
            for found in &mut self.installations() {
                audit::is_sealed_for_its_readers(&mut self.book, found);
                audit::pins_are_true(&mut self.book, found);
            }
            self.quiet(DECEIVED_FACTOR, DECEIVED_MINUTES)?;
            return self.part();
        }
        for (unsettled, limit) in SETTLED {
            self.wait_for(healed, unsettled, limit)?;
        }
        self.give_way()?;
        self.audit_all();
        self.check()?;
        self.part()
    }

    /// Waits until nothing is unsettled.
    fn wait_for(
        &mut self,
        since: Instant,
        unsettled: impl Fn(&Self) -> Option<String>,
        limit: Duration,
    ) -> Result<(), String> {
        while let Some(what) = unsettled(self) {
            let after = self.world.now().since(since);
            if after >= limit {
                return Err(format!("{} s after it healed: {what}", after.as_secs()));
            }
            self.advance(Duration::from_millis(250))?;
        }
        Ok(())
    }

    /// Where mailboxes are full now and then, one is once more: what waits for it, more than anybody has in memory,
    /// is in the way of nothing else.
    fn give_way(&mut self) -> Result<(), String> {
        let from = 0;
        let own = self.book.account(from);
        let others =
            (0..self.accounts()).filter(|&to| Some(to) != own && self.book.is_registered(to));
        let mut others = others.chain(own);
        let (Some(full), Some(other)) = (others.next(), others.next()) else {
            return Ok(());
        };
        if !self.plan.faults.has(Fault::FullMailbox) {
            return Ok(());
        }
        let began = self.world.now();
        self.change_full(Some((keys::name(full).key().to_owned(), began + SETTLING)));
        for _ in 0..IN_THE_WAY {
            self.write(from, full, 0);
        }
        let last = self.write(from, other, 0);
        let held_up = |system: &Self| {
            let letter = system.book.letters.get(&last?)?;
            (!letter.is_promised()).then(|| "what is for somebody else is not stored".to_owned())
        };
        self.wait_for(began, held_up, HEALING)?;
        self.change_full(None);
        self.wait_for(began, |system| system.book.unsettled(), SETTLING)
    }

    fn accounts(&self) -> usize {
        usize::try_from(self.plan.accounts).unwrap_or(0)
    }

    /// An installation that is not logged in. Nobody has been told to go and not to come back.
    fn absent(&self) -> Option<String> {
        let absent = (self.clients.iter()).find_map(|&node| match self.world.machine(node)? {
            Node::Client(client) if !client.is_online() => Some(client.index),
            _ => None,
        });
        absent.map(|index| format!("{index} is not logged in"))
    }

    /// Nobody has anything to say any more: one of so many minutes has to be quiet.
    fn quiet(&mut self, factor: u64, minutes: u64) -> Result<(), String> {
        let mut noise = None;
        for _ in 0..minutes {
            noise = self.noise(factor)?;
            if noise.is_none() {
                break;
            }
        }
        noise.map_or(Ok(()), Err)
    }

    /// Who sends more within a minute, or whose time comes more often, than anybody who has nothing to say.
    /// So many times as much is for those who are deceived.
    fn noise(&mut self, factor: u64) -> Result<Option<String>, String> {
        let pulses = |system: &Self| -> Vec<Pulse> {
            let nodes = system.world.nodes();
            let nodes = nodes.filter_map(|node| system.world.machine(node));
            nodes.map(|node| node.conditions().pulse).collect()
        };
        let before = pulses(self);
        let until = self.world.now() + QUIET;
        self.pass(until)?;
        let after = pulses(self);
        let noisy = (before.iter().zip(after).enumerate()).find_map(|(index, (before, after))| {
            // The server has a connection with each.
            let connections = if index == 0 {
                self.clients.len() as u64
            } else {
                1
            } * factor;
            let datagrams = after.datagrams - before.datagrams;
            let timeouts = after.timeouts - before.timeouts;
            let is_noisy = datagrams > QUIET_DATAGRAMS_MAX * connections
                || timeouts > QUIET_TIMEOUTS_MAX * connections;
            is_noisy.then(|| {
                format!(
                    "{index} sent {datagrams} datagrams and woke {timeouts} times with nothing to say"
                )
            })
        });
        Ok(noisy)
    }

    /// The first few ask who is there, and are told that it is they.
    fn list(&mut self, first: usize) -> Result<(), String> {
        let there: Vec<NodeId> = self.clients.iter().copied().take(first).collect();
        let online = (0..first).filter_map(|index| self.book.account(index));
        self.book.online = Some(online.collect());
        self.book.lists = 0;
        for node in there {
            self.world.with(node, |node, now| {
                if let Node::Client(client) = node {
                    client.list(now);
                }
            });
        }
        let until = self.world.now() + ANSWERING;
        self.pass(until)?;
        self.book.online = None;
        match self.book.lists {
            answers if answers < first => Err(format!(
                "{first} have asked who is there, and {answers} were told"
            )),
            _ => Ok(()),
        }
    }

    /// Everybody but the first few leaves.
    fn leave_but(&mut self, first: usize) {
        for &node in self.clients.iter().skip(first) {
            self.world.with(node, |node, now| {
                if let Node::Client(client) = node {
                    client.leave(now);
                }
            });
        }
    }

    /// Everybody leaves, the last one later, and is forgotten.
    fn part(&mut self) -> Result<(), String> {
        if self.book.is_honest() {
            self.quiet(1, QUIET_MINUTES)?;
            self.list(self.clients.len())?;
            self.leave_but(1);
            let until = self.world.now() + FORGETTING;
            self.pass(until)?;
            self.list(1)?;
        }
        self.leave_but(0);
        let until = self.world.now() + FORGETTING;
        self.pass(until)?;
        self.check()?;
        if let Some(Node::Server(host)) = self.world.machine(self.server)
            && let Some(server) = host.server()
            && (server.stats().connections, server.strangers()) != (0, 0)
        {
            let (left, strangers) = (server.stats().connections, server.strangers());
            return Err(format!(
                "the server still has {left} connections, {strangers} of strangers"
            ));
        }
        Ok(())
    }
}
