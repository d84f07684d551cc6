use core::time::Duration;

use transport::{Ecn, Instant};

use super::DatagramStats;
use crate::Rng;

/// A burst is over after so long, however few datagrams it has met: where only probes are sent, 20 of
/// them take longer than anybody waits.
const BURST_MAX: Duration = Duration::from_secs(5);

/// What a path does to datagrams in one direction. The default delivers everything after 10 ms.
///
/// Faults are drawn for each datagram from streams of their own, so that switching one off leaves the
/// others as they were.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Link {
    /// One-way delay.
    pub delay: Duration,
    /// Up to so much more, evenly spread; order is kept.
    pub jitter: Duration,
    /// Probability that a datagram is lost.
    pub loss: f64,
    /// Probability that with a datagram a burst of losses begins: it and up to 20 behind it, as far
    /// as they follow within 5 s.
    pub burst: f64,
    /// Probability that a datagram arrives twice.
    pub duplication: f64,
    /// Probability that a datagram arrives changed: bits flipped, or cut short.
    pub corruption: f64,
    /// Probability that a datagram is overtaken.
    pub reordering: f64,
    /// How much longer an overtaken datagram takes at most.
    pub reordering_delay: Duration,
    /// Bytes per second that fit through; `None` is without limit.
    pub rate: Option<u64>,
    /// Bytes that wait for a limited rate; what comes on top is lost.
    pub queue_bytes: u64,
    /// Links with the same number wait in one queue for one rate: they share a bottleneck.
    pub bottleneck: Option<u32>,
    /// With so many bytes in the queue, what allows it is marked as having met congestion (RFC
    /// 3168); the others wait all the same. `None` never marks.
    pub mark_bytes: Option<u64>,
    /// Whether ECN bits get through; otherwise they are cleared.
    pub ecn: bool,
    /// The longest UDP payload that fits through; longer ones are lost. By default that of Ethernet
    /// over IPv4.
    pub mtu: usize,
    /// Whether anything gets through at all.
    pub up: bool,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            loss: 0.0,
            burst: 0.0,
            duplication: 0.0,
            corruption: 0.0,
            reordering: 0.0,
            reordering_delay: Duration::ZERO,
            rate: None,
            queue_bytes: 1 << 20,
            bottleneck: None,
            mark_bytes: None,
            ecn: true,
            mtu: 1472,
            up: true,
        }
    }
}

impl Link {
    /// A perfect link with this one-way delay.
    pub fn with_delay(delay: Duration) -> Self {
        Self {
            delay,
            ..Self::default()
        }
    }

    /// Loses 30 %, duplicates 50 %, corrupts 10 % and reorders, at 10 to 15 ms.
    pub fn dreadful() -> Self {
        Self {
            jitter: Duration::from_millis(5),
            loss: 0.3,
            duplication: 0.5,
            corruption: 0.1,
            reordering: 0.2,
            reordering_delay: Duration::from_millis(30),
            ..Self::default()
        }
    }
}

/// One direction between two addresses.
pub(super) struct Path {
    pub(super) link: Link,
    loss: Rng,
    bursts: Rng,
    /// Datagrams that the burst under way still takes.
    burst_left: u64,
    /// And until when.
    burst_until: Instant,
    duplication: Rng,
    corruption: Rng,
    timing: Rng,
    /// When what is queued has been sent.
    pub(super) free_at: Instant,
    /// When the last datagram that kept its place arrives.
    last_arrival: Instant,
    /// When the last of all arrives.
    latest_arrival: Instant,
}

/// What became of a datagram.
pub(super) enum Fate {
    /// It does not arrive.
    Lost,
    /// It arrives at these times, once or twice, changed or not.
    Arrives {
        at: Instant,
        corrupted: bool,
        ecn: Option<Ecn>,
        again: Option<Instant>,
    },
}

impl Path {
    pub(super) fn new(link: Link, seed: u64, index: u64) -> Self {
        Self {
            link,
            loss: Rng::stream(seed, "loss", index),
            bursts: Rng::stream(seed, "bursts", index),
            burst_left: 0,
            burst_until: Instant::ZERO,
            duplication: Rng::stream(seed, "duplication", index),
            corruption: Rng::stream(seed, "corruption", index),
            timing: Rng::stream(seed, "timing", index),
            free_at: Instant::ZERO,
            last_arrival: Instant::ZERO,
            latest_arrival: Instant::ZERO,
        }
    }

    /// Decides about a datagram of `len` bytes, and counts what befalls it. Draws equally often whatever
    /// is switched on.
    pub(super) fn pass(
        &mut self,
        now: Instant,
        len: usize,
        ecn: Option<Ecn>,
        stats: &mut DatagramStats,
    ) -> Fate {
        let ecn = self.mark(now, ecn);
        let (lost, in_burst) = (self.loss.chance(self.link.loss), self.is_in_burst(now));
        let duplicated = self.duplication.chance(self.link.duplication);
        let corrupted = self.corruption.chance(self.link.corruption);
        let waits = self.link.rate.is_some() && self.free_at > now;
        stats.queued += u64::from(waits);
        let (at, again) = (self.arrival(now, len), self.later(now));
        let overtaken = self.timing.chance(self.link.reordering);
        let extra = self.spread(self.link.reordering_delay);
        let Some(mut at) = at else {
            return Fate::Lost;
        };
        let is_too_long = len > self.link.mtu;
        stats.too_long += u64::from(is_too_long);
        stats.lost_in_bursts += u64::from(in_burst);
        stats.lost_alone += u64::from(lost);
        if lost || in_burst || !self.link.up || is_too_long {
            return Fate::Lost;
        }
        if overtaken {
            at += extra;
        } else {
            stats.late += u64::from(self.link.jitter > Duration::ZERO);
            at = at.max(self.last_arrival);
            self.last_arrival = at;
        }
        stats.overtaken += u64::from(at < self.latest_arrival);
        self.latest_arrival = self.latest_arrival.max(at);
        Fate::Arrives {
            at,
            corrupted,
            ecn,
            again: duplicated.then_some(again.max(at)),
        }
    }

    fn is_in_burst(&mut self, now: Instant) -> bool {
        let (begins, len) = (self.bursts.chance(self.link.burst), self.bursts.below(20));
        if self.burst_left > 0 && now < self.burst_until {
            self.burst_left -= 1;
            return true;
        }
        self.burst_left = if begins { len } else { 0 };
        self.burst_until = now + BURST_MAX;
        begins
    }

    /// Flips one to three bits, or cuts the end off.
    pub(super) fn corrupt(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let len = bytes.len() as u64;
        if self.corruption.chance(0.25) {
            bytes.truncate(usize::try_from(self.corruption.below(len)).unwrap_or(0));
            return;
        }
        for _ in 0..=self.corruption.below(3) {
            let bit = self.corruption.below(len * 8);
            let index = usize::try_from(bit / 8).unwrap_or(0);
            if let Some(byte) = bytes.get_mut(index) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// `None` when the queue is full.
    fn arrival(&mut self, now: Instant, len: usize) -> Option<Instant> {
        let jitter = self.spread(self.link.jitter);
        let Some(rate) = self.link.rate else {
            return Some(now + self.link.delay + jitter);
        };
        if self.queued(now, rate) > u128::from(self.link.queue_bytes) {
            return None;
        }
        let nanos = len as u128 * 1_000_000_000 / u128::from(rate.max(1));
        let takes = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.free_at = self.free_at.max(now) + takes;
        Some(self.free_at + self.link.delay + jitter)
    }

    /// Bytes that wait.
    fn queued(&self, now: Instant, rate: u64) -> u128 {
        self.free_at.since(now).as_nanos() * u128::from(rate) / 1_000_000_000
    }

    /// The ECN bits that a datagram arrives with.
    fn mark(&self, now: Instant, ecn: Option<Ecn>) -> Option<Ecn> {
        let sent = ecn.filter(|_| self.link.ecn)?;
        let full = |(rate, mark)| self.queued(now, rate) > u128::from(mark);
        if self.link.rate.zip(self.link.mark_bytes).is_some_and(full) {
            return Some(Ecn::Ce);
        }
        Some(sent)
    }

    /// When a duplicate arrives.
    fn later(&mut self, now: Instant) -> Instant {
        let spread = self.link.jitter.max(self.link.delay / 2);
        now + self.link.delay + self.spread(spread)
    }

    fn spread(&mut self, most: Duration) -> Duration {
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.timing.below(nanos.saturating_add(1)))
    }
}
