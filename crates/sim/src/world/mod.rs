#[cfg(any(test, feature = "danger"))]
mod forgery;
mod initials;
mod insistence;
mod invariants;
mod link;
#[cfg(any(test, feature = "danger"))]
mod overheard;
mod run;
mod schedule;
mod trace;

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use transport::{Instant, Machine};

use crate::Rng;
use crate::canaries::Canaries;

use initials::Initials;
use insistence::Insistence;
use invariants::Amplification;
use link::Path;
use schedule::{Schedule, What};
use trace::Trace;

pub use invariants::{Violation, ViolationKind};
pub use link::Link;
#[cfg(any(test, feature = "danger"))]
pub(crate) use overheard::Overheard;

/// A machine of a [`World`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

impl NodeId {
    /// Its place in the order in which nodes were added.
    pub const fn index(self) -> usize {
        self.0
    }
}

/// A datagram as it left its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// When.
    pub at: Instant,
    /// Who sent it.
    pub from: SocketAddr,
    /// Where to.
    pub to: SocketAddr,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Addresses at which it shows its sender to be, or to have been.
    proven: Vec<SocketAddr>,
}

/// What became of the datagrams of a world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatagramStats {
    /// Datagrams that machines sent.
    pub sent: u64,
    /// Bytes in them.
    pub sent_bytes: u64,
    /// Those that were lost, for whatever reason.
    pub lost: u64,
    /// Of those: each by itself.
    pub lost_alone: u64,
    /// In bursts.
    pub lost_in_bursts: u64,
    /// For they were longer than their path takes.
    pub too_long: u64,
    /// Those that waited for others, or found no room to wait.
    pub queued: u64,
    /// Those that took longer than their link's delay, in order.
    pub late: u64,
    /// Those that others overtook.
    pub overtaken: u64,
    /// Those that arrived twice.
    pub duplicated: u64,
    /// Those that arrived changed.
    pub corrupted: u64,
    /// Those that a machine was given, duplicates and injected ones included.
    pub delivered: u64,
}

/// Whom a node speaks to without having heard from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chosen {
    Nobody,
    One(SocketAddr),
}

struct Node<M> {
    machine: M,
    address: SocketAddr,
    /// Those that it has or had.
    addresses: Vec<SocketAddr>,
    amplification_max: u64,
    /// Whom it speaks to of its own accord: `None`, anybody.
    chosen: Option<Chosen>,
    /// When a timer event is on its way.
    armed: Option<Instant>,
    /// How often its timer was due.
    woken: u64,
    /// How often it then sent nothing, since when.
    woken_idly: (u64, Instant),
}

/// Machines, links between them, and time.
///
/// One thread, one heap of events ordered by time and then by when they were scheduled. Machines are
/// driven in the order that their documentation asks for; after each event the caller's `app` gets the
/// machine that it happened to, drains what it has to tell, and acts.
pub struct World<M> {
    seed: u64,
    now: Instant,
    schedule: Schedule,
    nodes: Vec<Node<M>>,
    addresses: BTreeMap<SocketAddr, NodeId>,
    default_link: Link,
    paths: BTreeMap<(NodeId, SocketAddr), Path>,
    /// When what waits in shared queues has been sent.
    bottlenecks: BTreeMap<u32, Instant>,
    amplification: Amplification,
    insistence: Insistence,
    initials: Initials,
    canaries: Canaries,
    capture: Option<Vec<Captured>>,
    stats: DatagramStats,
    trace: Trace,
    events_now: u64,
    /// What is sent now is sent because it is time, and for no other reason.
    by_timer: bool,
    violation: Option<ViolationKind>,
    buffer: Vec<u8>,
}

impl<M: Machine> World<M> {
    /// An empty world. Everything random in it follows from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            now: Instant::ZERO,
            schedule: Schedule::default(),
            nodes: Vec::new(),
            addresses: BTreeMap::new(),
            default_link: Link::default(),
            paths: BTreeMap::new(),
            bottlenecks: BTreeMap::new(),
            amplification: Amplification::default(),
            insistence: Insistence::default(),
            initials: Initials::default(),
            canaries: Canaries::default(),
            capture: None,
            stats: DatagramStats::default(),
            trace: Trace::default(),
            events_now: 0,
            by_timer: false,
            violation: None,
            buffer: Vec::new(),
        }
    }

    /// Adds a machine that is reached at `address`.
    pub fn add(&mut self, address: SocketAddr, machine: M) -> NodeId {
        let id = NodeId(self.nodes.len());
        self.nodes.push(Node {
            machine,
            address,
            addresses: vec![address],
            amplification_max: 3,
            chosen: None,
            armed: None,
            woken: 0,
            woken_idly: (0, self.now),
        });
        self.addresses.insert(address, id);
        self.schedule.push(self.now, What::Touch(id));
        id
    }

    /// The virtual time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// A sum of everything that has happened: times, addresses, sizes and kinds of events.
    pub fn trace(&self) -> u64 {
        self.trace.sum()
    }

    /// What became of the datagrams.
    pub fn stats(&self) -> DatagramStats {
        self.stats
    }

    /// How often a node's timer was due.
    pub fn woken(&self, id: NodeId) -> u64 {
        self.nodes.get(id.0).map_or(0, |node| node.woken)
    }

    /// All nodes, in the order in which they were added.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<M> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// The address of a node.
    pub fn address(&self, id: NodeId) -> Option<SocketAddr> {
        self.nodes.get(id.0).map(|node| node.address)
    }

    /// Links that are not set are like this one. Those that were used already stay as they are.
    pub fn set_default_link(&mut self, link: Link) {
        self.default_link = link;
    }

    /// Sets the link from one node to another; the way back is a link of its own.
    pub fn set_link(&mut self, from: NodeId, to: NodeId, link: Link) {
        if let Some(address) = self.address(to) {
            self.path(from, address).link = link;
        }
    }

    /// Changes every link of `node` in both directions, used or not yet used.
    pub fn change_links(&mut self, node: NodeId, mut change: impl FnMut(&mut Link)) {
        let Some(address) = self.address(node) else {
            return;
        };
        let others: Vec<(NodeId, SocketAddr)> = (self.nodes.iter().enumerate())
            .map(|(index, other)| (NodeId(index), other.address))
            .filter(|(other, _)| *other != node)
            .collect();
        for (other, other_address) in others {
            change(&mut self.path(node, other_address).link);
            change(&mut self.path(other, address).link);
        }
    }

    /// The same in one direction: what `node` sends, or what it is sent.
    pub fn change_links_one_way(
        &mut self,
        node: NodeId,
        outwards: bool,
        mut change: impl FnMut(&mut Link),
    ) {
        let Some(address) = self.address(node) else {
            return;
        };
        let others = self.nodes().filter(|other| *other != node);
        for other in others {
            let ends = if outwards {
                self.address(other).map(|other| (node, other))
            } else {
                Some((other, address))
            };
            if let Some((from, to)) = ends {
                change(&mut self.path(from, to).link);
            }
        }
    }

    /// `node` speaks to `remote` of its own accord, as a client to its server, and owes nobody a reason for it;
    /// to anybody else when it has heard from there. Unless this or [`World::set_chosen_by_others`] is called,
    /// a node may speak first to whomever it likes.
    pub fn set_chosen(&mut self, node: NodeId, remote: SocketAddr) {
        if let Some(node) = self.nodes.get_mut(node.0) {
            node.chosen = Some(Chosen::One(remote));
        }
    }

    /// `node` speaks to nobody from whom it has not heard, as a server.
    pub fn set_chosen_by_others(&mut self, node: NodeId) {
        if let Some(node) = self.nodes.get_mut(node.0) {
            node.chosen = Some(Chosen::Nobody);
        }
    }

    /// How many times what came from an unvalidated address `node` may send there, in bytes. 3 unless
    /// set; a gated endpoint keeps to 1. A peer that may have moved is worth 3 in any case.
    pub fn set_amplification_max(&mut self, node: NodeId, factor: u64) {
        if let Some(node) = self.nodes.get_mut(node.0) {
            node.amplification_max = factor;
        }
    }

    /// From now on no datagram may hold these bytes.
    ///
    /// # Panics
    /// When they are fewer than four.
    pub fn add_canary(&mut self, bytes: &[u8]) {
        self.canaries.add(bytes);
    }

    /// From now on datagrams are kept as they leave their senders.
    pub fn start_capture(&mut self) {
        self.capture = Some(Vec::new());
    }

    /// What was captured; capturing ends.
    pub fn take_capture(&mut self) -> Vec<Captured> {
        self.capture.take().unwrap_or_default()
    }

    /// Gives `node` another address, as a NAT does. What is on its way to the old one is lost.
    pub fn move_node(&mut self, node: NodeId, address: SocketAddr) {
        if let Some(there) = self.nodes.get_mut(node.0) {
            self.addresses.remove(&there.address);
            self.amplification.moved(there.address, address);
            self.insistence.moved(node);
            there.address = address;
            there.addresses.push(address);
            self.addresses.insert(address, node);
        }
    }

    /// A datagram from anywhere, which needs no sender, arrives at `to` after `delay`.
    pub fn inject(&mut self, delay: Duration, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        self.schedule.push(
            self.now + delay,
            What::Deliver {
                from,
                to,
                bytes,
                ecn: None,
                proven: Vec::new(),
            },
        );
    }

    /// A datagram from somebody who is at `from`, and no node, arrives at `to` after `delay`. What is
    /// sent there is lost, but for captures.
    pub fn speak(&mut self, delay: Duration, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        self.schedule.push(
            self.now + delay,
            What::Deliver {
                from,
                to,
                bytes,
                ecn: None,
                proven: vec![from],
            },
        );
    }

    /// A captured datagram arrives at `to` after `delay`, from anywhere. It may have been changed.
    pub fn replay(
        &mut self,
        delay: Duration,
        from: SocketAddr,
        to: SocketAddr,
        captured: Captured,
    ) {
        self.schedule.push(
            self.now + delay,
            What::Deliver {
                from,
                to,
                bytes: captured.bytes,
                ecn: None,
                proven: captured.proven,
            },
        );
    }

    /// One of the captured datagrams comes again, in one of four ways: as it was, with a bit flipped,
    /// from elsewhere, or back to its sender. Tells whether there was one.
    #[cfg(any(test, feature = "danger"))]
    pub(crate) fn replay_one_of(&mut self, captured: &Overheard, draw: &mut Rng) -> bool {
        let Some(mut captured) = captured.any(draw).cloned() else {
            return false;
        };
        let (from, to) = (captured.from, captured.to);
        let elsewhere = SocketAddr::from(([10, 9, 9, 8], 8));
        let (from, to) = match draw.below(4) {
            0 => (from, to),
            1 => {
                let bit = draw.below(captured.bytes.len() as u64 * 8);
                let place = usize::try_from(bit / 8).unwrap_or(0);
                if let Some(byte) = captured.bytes.get_mut(place) {
                    *byte ^= 1 << (bit % 8);
                }
                (from, to)
            }
            2 => (elsewhere, to),
            _ => (to, from),
        };
        let delay = Duration::from_millis(draw.below(2_000));
        self.replay(delay, from, to, captured);
        true
    }

    /// A machine, to look at. To change it use [`World::with`].
    pub fn machine(&self, node: NodeId) -> Option<&M> {
        self.nodes.get(node.0).map(|node| &node.machine)
    }

    /// Does something to a machine, then drives it as it wants to be driven. `None`: no such node.
    pub fn with<T>(&mut self, node: NodeId, act: impl FnOnce(&mut M, Instant) -> T) -> Option<T> {
        let now = self.now;
        let result = act(&mut self.nodes.get_mut(node.0)?.machine, now);
        self.transmit(node);
        self.schedule.push(now, What::Touch(node));
        Some(result)
    }
}
