//! What goes wrong.

use core::net::SocketAddr;
use core::time::Duration;

use transport::Instant;

use super::journal::DiskFault;
use super::keys;
use super::node::Node;
use super::plan::SystemPlan;
use super::process::Conditions;
use super::run::{Strike, System};
use crate::seeds::Fault;
use crate::{NodeId, Rng};

/// The longest that a strike waits: it comes at any moment of what an action has set off.
const STRIKE_WITHIN_MS: u64 = 400;

/// How many messages somebody writes at once.
const BACKLOG_MAX: u64 = 60;

/// How long each of those is.
const BACKLOG_BYTES_MAX: u64 = 400;

/// How far clocks are off, at most.
const SKEW_MS: u64 = 3_600_000;

/// Sets what is wrong with a node from the beginning.
pub(super) fn prepare(plan: &SystemPlan, conditions: &mut Conditions, index: u64) {
    let mut rng = Rng::stream(plan.seed, "conditions", index);
    let (slow, stuck) = (rng.below(1_000), rng.below(500));
    let (back, skew) = (rng.below(200), skew(&mut rng));
    if plan.faults.has(Fault::SlowWork) {
        conditions.pace.job = Duration::from_millis(slow);
        conditions.pace.back = Duration::from_millis(back);
    }
    if plan.faults.has(Fault::SlowDisk) {
        conditions.pace.commit = Duration::from_millis(stuck);
    }
    if plan.faults.has(Fault::FailedWork) {
        conditions.job_failure = 0.02;
    }
    if plan.faults.has(Fault::Skew) {
        conditions.skew_ms = skew;
    }
}

fn skew(rng: &mut Rng) -> i64 {
    let (ahead, by) = (rng.chance(0.5), rng.below(SKEW_MS));
    let by = i64::try_from(by).unwrap_or(0);
    if ahead { by } else { -by }
}

impl System<'_> {
    /// Something goes wrong soon, perhaps. Each kind of fault draws from a stream of its own, and equally
    /// often whatever is active.
    pub(super) fn harm(&mut self) {
        let rare = [
            (Fault::Partition, 0.03),
            (Fault::Rebinding, 0.05),
            (Fault::Migration, 0.05),
            (Fault::Restart, 0.05),
            (Fault::Crash, 0.08),
            (Fault::Replay, 0.3),
            (Fault::Noise, 0.2),
            (Fault::Closes, 0.03),
            (Fault::Skew, 0.03),
            (Fault::DiskFull, 0.04),
            (Fault::DiskError, 0.03),
            (Fault::Malice, 0.2),
            (Fault::Splicing, 0.3),
            (Fault::Forgery, 0.3),
            (Fault::FullMailbox, 0.05),
            (Fault::Backlog, 0.03),
        ];
        let now = self.world.now();
        for (fault, chance) in rare {
            let rng = self.faults.entry(fault);
            let rng = rng.or_insert_with(|| Rng::stream(self.plan.seed, fault.name(), 3));
            let (fires, draw) = (rng.chance(chance), rng.next_u64());
            let wait = rng.below(STRIKE_WITHIN_MS);
            if fires && self.plan.faults.has(fault) {
                let at = now + Duration::from_millis(wait);
                self.strikes.push(Strike { at, fault, draw });
            }
        }
    }

    /// Something goes wrong now. Tells whether it makes a difference at once; what is wrong with a disk or a
    /// mailbox is met when it is written to.
    pub(super) fn strike(&mut self, fault: Fault, draw: u64) -> bool {
        let mut draw = Rng::new(draw);
        let index = usize::try_from(draw.below(self.clients.len() as u64)).unwrap_or(0);
        let Some(&client) = self.clients.get(index) else {
            return false;
        };
        // The server is one of those that have disks and clocks.
        let any = match draw.below(self.clients.len() as u64 + 1) {
            0 => self.server,
            _ => client,
        };
        let absence = Duration::from_millis(draw.below(8_000));
        match fault {
            Fault::Partition if self.cut.is_none() => {
                let until = self.world.now() + Duration::from_millis(draw.below(45_000));
                self.cut = Some((client, until));
                self.world.change_links(client, |link| link.up = false);
            }
            Fault::Rebinding => {
                let only_port = draw.chance(0.5);
                self.move_client(client, only_port);
            }
            Fault::Migration => {
                self.move_client(client, false);
                let before = self.world.stats().sent;
                self.world.with(client, |node, now| {
                    if let Node::Client(client) = node {
                        client.network_changed(now);
                    }
                });
                // A connection that comes along says so at once.
                return self.world.stats().sent > before;
            }
            Fault::Restart => return self.crash(self.server, absence),
            // Whoever comes back reads its mailbox.
            Fault::Malice => return self.crash(self.server, absence / 16),
            Fault::Crash => return self.crash(client, absence),
            Fault::Closes => return self.leave(client),
            Fault::Replay => return self.world.replay_one_of(&self.captured, &mut draw),
            Fault::Splicing => return self.world.splice_two_of(&self.captured, &mut draw),
            Fault::Forgery => return self.world.forge(&self.captured, &mut draw),
            Fault::FullMailbox => {
                self.fill(&mut draw);
                return false;
            }
            Fault::Backlog => return self.backlog(index, &mut draw),
            Fault::Noise => self.world.disturb(&mut draw),
            Fault::Skew => self.worsen(any, fault, &mut draw),
            Fault::DiskFull | Fault::DiskError => {
                self.worsen(any, fault, &mut draw);
                return false;
            }
            _ => return false,
        }
        true
    }

    /// A client gets an address that nobody has had.
    fn move_client(&mut self, client: NodeId, only_port: bool) {
        self.moves += 1;
        let here = self.world.address(client).filter(|_| only_port);
        let last = u8::try_from(client.index()).unwrap_or(u8::MAX);
        let [high, low] = self.moves.to_be_bytes();
        let there = SocketAddr::from(([10, 2 + high, low, last], 4_000));
        let address = here.map_or(there, |here| SocketAddr::new(here.ip(), 4_000 + self.moves));
        self.world.move_node(client, address);
    }

    /// A mailbox takes nothing for a while.
    fn fill(&mut self, draw: &mut Rng) {
        let account = usize::try_from(draw.below(self.plan.accounts)).unwrap_or(0);
        let wait = Duration::from_millis(draw.below(60_000));
        let name = keys::name(account).key().to_owned();
        self.change_full(Some((name, self.world.now() + wait)));
    }

    /// Whose mailbox takes nothing from now on, and until when.
    pub(super) fn change_full(&mut self, full: Option<(String, Instant)>) {
        self.world.with(self.server, |node, _| {
            if let Node::Server(host) = node {
                host.full = full;
            }
        });
    }

    /// Somebody writes more than is in memory at once.
    fn backlog(&mut self, from: usize, draw: &mut Rng) -> bool {
        let to = usize::try_from(draw.below(self.plan.accounts)).unwrap_or(0);
        let thinning = self.plan.limits.thinning.max(1);
        let mut any = false;
        for _ in 0..draw.below(BACKLOG_MAX) {
            let len = usize::try_from(draw.below(BACKLOG_BYTES_MAX)).unwrap_or(0);
            if draw.below(1 << 20).is_multiple_of(thinning) {
                any |= self.write(from, to, len).is_some();
            }
        }
        any
    }

    fn leave(&mut self, client: NodeId) -> bool {
        let left = self.world.with(client, |node, now| match node {
            Node::Client(client) => client.leave(now),
            Node::Server(_) => false,
        });
        left.unwrap_or(false)
    }

    /// Something is wrong with a node's machine.
    fn worsen(&mut self, node: NodeId, fault: Fault, draw: &mut Rng) {
        self.world.with(node, |node, now| {
            let conditions = match node {
                Node::Server(host) => &mut host.conditions,
                Node::Client(client) => &mut client.conditions,
            };
            match fault {
                Fault::Skew => conditions.skew_ms = skew(draw),
                Fault::DiskFull => {
                    conditions.full_until = now + Duration::from_millis(draw.below(20_000));
                }
                _ => {
                    let syncing = draw.chance(0.5);
                    let fault = if syncing {
                        DiskFault::Sync
                    } else {
                        DiskFault::Write
                    };
                    conditions.disk_fault = Some(fault);
                }
            }
        });
    }
}
