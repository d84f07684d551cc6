//! How a world moves.

use core::net::SocketAddr;
use core::time::Duration;

use transport::{Instant, Machine, Meta, Transmit};

use super::invariants::{ViolationKind, brings_token};
use super::link::{Fate, Path};
use super::schedule::What;
use super::trace::Kind;
use super::{Captured, Chosen, NodeId, Violation, World};

/// Datagrams that a machine may give at a time.
const SEGMENTS: usize = 10;

/// Events at one moment, for each node, before time counts as standing still.
const EVENTS_PER_NODE_MAX: u64 = 10_000;

/// Moments in a second at which a node's timer is due and it sends nothing. A server with hundreds of connections has some
/// thousands of them.
const IDLE_TIMERS_MAX: u64 = 20_000;

/// What a machine may say at one moment before it counts as endless.
const TRANSMITS_MAX: usize = 100_000;

impl<M: Machine> World<M> {
    /// Lets the next thing happen. `app` is given the machine that it happened to, so that it drains
    /// events and acts on them. False when nothing will ever happen again.
    ///
    /// # Errors
    /// A [`Violation`] of what must always hold.
    pub fn step(
        &mut self,
        mut app: impl FnMut(NodeId, &mut M, Instant),
    ) -> Result<bool, Violation> {
        let Some((at, what)) = self.schedule.pop() else {
            return Ok(false);
        };
        if at > self.now {
            self.now = at;
            self.events_now = 0;
        }
        self.events_now += 1;
        let events_max = EVENTS_PER_NODE_MAX.saturating_mul(self.nodes.len() as u64 + 1);
        if self.events_now > events_max {
            self.violation = Some(ViolationKind::Stalled(self.events_now));
        }
        let (is_timer, sent) = (matches!(what, What::Timer(_)), self.stats.sent);
        if let Some(touched) = self.happen(what) {
            self.by_timer = is_timer;
            self.transmit(touched);
            self.by_timer = false;
            if let Some(node) = self.nodes.get_mut(touched.0) {
                app(touched, &mut node.machine, self.now);
            }
            self.transmit(touched);
            if is_timer {
                self.count_timer(touched, self.stats.sent == sent);
            }
        }
        match self.violation.take() {
            None => Ok(true),
            Some(kind) => Err(Violation {
                seed: self.seed,
                at: self.now,
                kind,
            }),
        }
    }

    /// Lets time pass until `done` or `deadline`. Tells whether it is done; looked at after every
    /// event.
    ///
    /// # Errors
    /// A [`Violation`] of what must always hold.
    pub fn run(
        &mut self,
        deadline: Instant,
        mut app: impl FnMut(NodeId, &mut M, Instant),
        mut done: impl FnMut(&Self) -> bool,
    ) -> Result<bool, Violation> {
        loop {
            if done(self) {
                return Ok(true);
            }
            if self.schedule.next_at().is_none_or(|at| at > deadline) {
                self.now = self.now.max(deadline);
                return Ok(false);
            }
            self.step(&mut app)?;
        }
    }

    /// A node's timer was due, and nothing or something was sent at it.
    fn count_timer(&mut self, id: NodeId, idly: bool) {
        let Some(node) = self.nodes.get_mut(id.0) else {
            return;
        };
        node.woken += 1;
        let (count, since) = &mut node.woken_idly;
        if self.now.since(*since) >= Duration::from_secs(1) {
            (*count, *since) = (0, self.now);
        }
        // Of those at one moment one: where time stands still, that is what is wrong.
        *count += u64::from(idly && self.events_now == 1);
        if *count > IDLE_TIMERS_MAX {
            self.violation = Some(ViolationKind::Spinning(*count));
        }
    }

    /// The node that it happened to, if any.
    fn happen(&mut self, what: What) -> Option<NodeId> {
        match what {
            What::Touch(id) => Some(id),
            What::Timer(id) => {
                let node = self.nodes.get_mut(id.0)?;
                if node.armed != Some(self.now) {
                    return None;
                }
                node.armed = None;
                self.trace.timer(self.now, id.0);
                node.machine.handle_timeout(self.now);
                Some(id)
            }
            What::Deliver {
                from,
                to,
                mut bytes,
                ecn,
                proven,
            } => {
                let Some(&id) = self.addresses.get(&to) else {
                    self.stats.lost += 1;
                    return None;
                };
                self.stats.delivered += 1;
                self.trace
                    .datagram(Kind::Delivered, self.now, from, to, bytes.len());
                let node = self.nodes.get_mut(id.0)?;
                let factor = node.amplification_max;
                let mut proven = proven;
                // A token vouches for its address, whatever the port (docs/PROTOCOL.md §3.2).
                let vouches = proven.iter().any(|address| address.ip() == from.ip());
                if vouches && brings_token(&bytes) {
                    proven.push(from);
                }
                (self.amplification).received(to, from, bytes.len(), &proven, factor);
                self.insistence.received(id, from);
                let meta = Meta {
                    remote: from,
                    local: None,
                    ecn,
                };
                node.machine.handle_datagram(self.now, meta, &mut bytes);
                Some(id)
            }
        }
    }

    /// Sends what a machine has to say, and sets its timer.
    pub(super) fn transmit(&mut self, id: NodeId) {
        let mut buffer = core::mem::take(&mut self.buffer);
        for count in 0.. {
            buffer.clear();
            let Some(node) = self.nodes.get_mut(id.0) else {
                break;
            };
            let from = node.address;
            let transmit = node.machine.poll_transmit(self.now, SEGMENTS, &mut buffer);
            let Some(transmit) = transmit else {
                break;
            };
            if count == TRANSMITS_MAX {
                self.violation = Some(ViolationKind::Stalled(count as u64));
                break;
            }
            let bytes = buffer.get(..transmit.len).unwrap_or_default();
            let segment_len = transmit.segment_len.unwrap_or(transmit.len).max(1);
            for segment in bytes.chunks(segment_len) {
                self.send(id, from, &transmit, segment);
            }
        }
        self.buffer = buffer;
        self.arm(id);
    }

    fn arm(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(id.0) else {
            return;
        };
        let due = node.machine.poll_timeout().map(|due| due.max(self.now));
        if due != node.armed {
            node.armed = due;
            if let Some(due) = due {
                self.schedule.push(due, What::Timer(id));
            }
        }
    }

    fn send(&mut self, id: NodeId, from: SocketAddr, transmit: &Transmit, bytes: &[u8]) {
        let to = transmit.remote;
        self.stats.sent += 1;
        self.stats.sent_bytes += bytes.len() as u64;
        self.trace
            .datagram(Kind::Sent, self.now, from, to, bytes.len());
        let chosen = self.nodes.get(id.0).and_then(|node| node.chosen);
        self.check(from, to, bytes, chosen);
        if self.by_timer
            && let Some(times) = self.insistence.sent(self.now, id, to)
        {
            self.violation = Some(ViolationKind::Insistent { from, to, times });
        }
        let addresses = self.nodes.get(id.0).map(|node| &*node.addresses);
        let proven = self.amplification.proven(addresses.unwrap_or_default(), to);
        if let Some(capture) = &mut self.capture {
            capture.push(Captured {
                at: self.now,
                from,
                to,
                bytes: bytes.to_vec(),
                proven: proven.clone(),
            });
        }
        let now = self.now;
        let shared = self.path(id, to).link.bottleneck;
        let taken = shared.and_then(|queue| self.bottlenecks.get(&queue).copied());
        let mut stats = self.stats;
        let path = self.path(id, to);
        path.free_at = taken.unwrap_or(path.free_at);
        let fate = path.pass(now, bytes.len(), transmit.ecn, &mut stats);
        let free_at = path.free_at;
        self.stats = stats;
        if let Some(queue) = shared {
            self.bottlenecks.insert(queue, free_at);
        }
        let Fate::Arrives {
            at,
            corrupted,
            ecn,
            again,
        } = fate
        else {
            self.stats.lost += 1;
            self.trace.datagram(Kind::Lost, now, from, to, bytes.len());
            return;
        };
        let deliver = |bytes| What::Deliver {
            from,
            to,
            bytes,
            ecn,
            proven: proven.clone(),
        };
        let mut arriving = bytes.to_vec();
        if corrupted {
            self.path(id, to).corrupt(&mut arriving);
            self.stats.corrupted += 1;
        }
        self.schedule.push(at, deliver(arriving));
        if let Some(again) = again {
            self.stats.duplicated += 1;
            self.schedule.push(again, deliver(bytes.to_vec()));
        }
    }

    fn check(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8], chosen: Option<Chosen>) {
        let is_chosen = chosen == Some(Chosen::One(to));
        let may_begin = is_chosen || chosen.is_none();
        let more = self.amplification.sent(from, to, bytes.len(), may_begin);
        if let Some((sent, received)) = more.filter(|_| !is_chosen) {
            self.violation = Some(ViolationKind::Amplified {
                from,
                to,
                sent,
                received,
            });
        }
        if self.canaries.are_in(bytes) {
            self.violation = Some(ViolationKind::Leaked { from, to });
        }
        if let Some(number) = self.initials.sent(bytes) {
            self.violation = Some(ViolationKind::NumberAgain { from, number });
        }
    }

    pub(super) fn path(&mut self, from: NodeId, to: SocketAddr) -> &mut Path {
        let (link, seed) = (&self.default_link, self.seed);
        let index = self.paths.len() as u64;
        self.paths
            .entry((from, to))
            .or_insert_with(|| Path::new(link.clone(), seed, index))
    }
}
