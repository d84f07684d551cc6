//! How long datagrams may be: path MTU discovery by probes (RFC 8899, RFC 9000 §14.3,
//! docs/PROTOCOL.md §4.8).

use core::time::Duration;

use crate::Instant;

use super::DATAGRAM_MIN;

/// Lengths that paths are known to take, tried first and in this order: Ethernet over IPv6, jumbo
/// frames over IPv6, and a seventh of what one call of segmentation offload sends.
const CANDIDATES: [u16; 3] = [1452, 8952, 9280];

/// The longest UDP payload there is, over IPv4.
const UDP_PAYLOAD_MAX: u64 = 65_507;

/// A length is given up when so many probes of it were lost (RFC 8899 §5.1.2, MAX_PROBES).
const PROBES_MAX: u8 = 3;

/// The search ends when what passes and what does not are so close.
const STEP_MIN: u16 = 32;

/// How long a finished search counts (RFC 8899 §5.1.1, PMTU_RAISE_TIMER).
const RAISE_AFTER: Duration = Duration::from_secs(600);

/// A probe has to fit so many times into the congestion window: below that, longer packets would
/// only make bursts.
const WINDOW_SHARE: u64 = 4;

/// A datagram that lacks fewer bytes than this is as good as full.
const SLACK: usize = 64;

/// So many long packets lost, and none acknowledged that was sent later, are a black hole.
const BLACK_HOLE_LOSSES: u32 = 8;

/// The same when only the short probes of a second timeout got through.
const BLACK_HOLE_LOSSES_PROBED: u32 = 2;

/// From the second probe timeout on nothing longer than [`DATAGRAM_MIN`] is sent.
const SHORT_AFTER_PTOS: u32 = 2;

/// The search for the longest datagram that a path takes.
#[derive(Clone, Debug)]
pub(super) struct Mtu {
    /// The longest length that has passed.
    current: u16,
    /// The shortest length that has not, or is not allowed.
    too_long: u16,
    /// The longest one that both ends allow; 0 until that is known.
    limit: u16,
    /// How many probes of the present length were lost.
    lost: u8,
    /// A probe is on its way.
    in_flight: bool,
    /// A datagram of full length was sent: a longer one would be of use.
    filled: bool,
    /// The application wants to know, until the search is over.
    asked: bool,
    /// The search is over until then.
    rest_until: Option<Instant>,
}

impl Mtu {
    pub(super) fn new() -> Self {
        Self {
            current: DATAGRAM_MIN as u16,
            too_long: DATAGRAM_MIN as u16 + 1,
            limit: 0,
            lost: 0,
            in_flight: false,
            filled: false,
            asked: false,
            rest_until: None,
        }
    }

    /// Both ends are known: nothing longer than `max` is sent.
    pub(super) fn allow(&mut self, max: u64) {
        // Those of the handshake were filled up.
        self.filled = false;
        self.limit = (max.min(UDP_PAYLOAD_MAX) as u16).max(self.current);
        self.search_anew();
    }

    /// The longest datagram that the path is known to take.
    pub(super) fn current(&self) -> usize {
        usize::from(self.current)
    }

    /// The length of a full datagram after `ptos` probe timeouts in a row.
    pub(super) fn datagram_len(&self, ptos: u32) -> usize {
        if ptos < SHORT_AFTER_PTOS {
            self.current()
        } else {
            // Perhaps it is their length that lets none arrive.
            DATAGRAM_MIN
        }
    }

    /// A datagram was sent: whether there was enough to say to fill it.
    pub(super) fn on_sent(&mut self, len: usize) {
        self.filled |= len + SLACK > self.current();
    }

    /// The application wants to know what the path takes, even without enough to say to make use of it.
    pub(super) fn ask(&mut self) {
        self.asked = true;
        if self.rest_until.is_some() {
            self.search_anew();
        }
    }

    /// Whether what the application has asked for is still being found out.
    pub(super) fn is_asked(&self) -> bool {
        self.asked && (self.limit == 0 || self.current < self.limit)
    }

    /// The length of the probe that is to be sent now, if any.
    pub(super) fn probe_len(&mut self, now: Instant, window: u64) -> Option<usize> {
        let is_wanted = self.filled || self.asked;
        if self.in_flight || !is_wanted || self.current >= self.limit {
            return None;
        }
        if let Some(until) = self.rest_until {
            if now < until {
                return None;
            }
            self.search_anew();
        }
        let Some(len) = self.next_len() else {
            self.asked = false;
            self.rest_until = Some(now + RAISE_AFTER);
            return None;
        };
        (u64::from(len) * WINDOW_SHARE <= window).then_some(usize::from(len))
    }

    /// The next length to try: a candidate, then halfway between what passes and what does not.
    fn next_len(&self) -> Option<u16> {
        let longest = self.too_long - 1;
        let candidate = CANDIDATES
            .into_iter()
            .find(|&len| len > self.current && len <= longest);
        if candidate.is_some() {
            return candidate;
        }
        if self.too_long > self.limit {
            // Nothing has failed yet.
            return (longest > self.current).then_some(longest);
        }
        let step = (self.too_long - self.current) / 2;
        (step >= STEP_MIN).then_some(self.current + step)
    }

    /// A probe was sent.
    pub(super) fn on_probe_sent(&mut self) {
        self.in_flight = true;
        self.filled = false;
    }

    /// A probe of this length has arrived.
    pub(super) fn on_probe_acked(&mut self, len: u16) {
        self.in_flight = false;
        // One that was sent before the path changed says nothing of the present one.
        if len > self.current && len < self.too_long && len <= self.limit {
            self.current = len;
            self.lost = 0;
        }
    }

    /// A probe of this length was lost, for its length or by chance.
    pub(super) fn on_probe_lost(&mut self, len: u16) {
        self.in_flight = false;
        if len <= self.current || len >= self.too_long {
            return;
        }
        self.lost += 1;
        if self.lost >= PROBES_MAX {
            self.too_long = len;
            self.lost = 0;
        }
    }

    /// So many long packets were lost since the last that was acknowledged, `ptos` probe timeouts
    /// in a row. Whether that means that the path takes none of them any more (RFC 8899 §4.3).
    pub(super) fn is_black_hole(&self, lost: u32, ptos: u32) -> bool {
        let enough = if ptos < SHORT_AFTER_PTOS {
            BLACK_HOLE_LOSSES
        } else {
            BLACK_HOLE_LOSSES_PROBED
        };
        self.current() > DATAGRAM_MIN && lost >= enough && !planted!(BlackHoleUnseen)
    }

    /// Nothing is known of the path: back to what every path takes, and the search begins anew.
    pub(super) fn reset(&mut self) {
        self.current = DATAGRAM_MIN as u16;
        self.in_flight = false;
        self.search_anew();
    }

    /// A probe that is on its way went over another path, and what becomes of it tells nothing.
    pub(super) fn forget_probe(&mut self) {
        self.in_flight = false;
    }

    fn search_anew(&mut self) {
        self.too_long = self.limit + 1;
        self.lost = 0;
        self.rest_until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: u64 = 1 << 20;

    fn at(s: u64) -> Instant {
        Instant::from_nanos(s * 1_000_000_000)
    }

    /// Searches on a path that takes `path` bytes. Returns the lengths of the probes.
    fn search(mtu: &mut Mtu, now: Instant, path: u16) -> Vec<usize> {
        let mut probes = Vec::new();
        loop {
            mtu.on_sent(mtu.current());
            let Some(len) = mtu.probe_len(now, WINDOW) else {
                return probes;
            };
            mtu.on_probe_sent();
            assert_eq!(mtu.probe_len(now, WINDOW), None, "one at a time");
            probes.push(len);
            assert!(probes.len() < 100, "the search ends: {probes:?}");
            if len <= usize::from(path) {
                mtu.on_probe_acked(len as u16);
            } else {
                mtu.on_probe_lost(len as u16);
            }
        }
    }

    fn allowed(max: u64) -> Mtu {
        let mut mtu = Mtu::new();
        mtu.allow(max);
        mtu
    }

    #[test]
    fn candidates_come_first_and_in_order() {
        let mut mtu = allowed(9280);
        assert_eq!(search(&mut mtu, at(0), u16::MAX), [1452, 8952, 9280]);
        assert_eq!(mtu.current(), 9280);
    }

    #[test]
    fn between_candidates_it_halves() {
        for path in [1200, 1280, 1452, 1472, 1492, 4322, 8952, 9000] {
            let mut mtu = allowed(9280);
            let probes = search(&mut mtu, at(0), path);
            let found = mtu.current();
            let missed = usize::from(path) - found;
            assert!(missed < 64, "{found} of {path}: {probes:?}");
        }
    }

    #[test]
    fn a_limit_is_kept_to_and_reached() {
        for limit in [1200, 1300, 1452, 1500, 9000, 65_535] {
            let mut mtu = allowed(limit);
            let probes = search(&mut mtu, at(0), u16::MAX);
            assert!(probes.iter().all(|&len| len as u64 <= limit), "{probes:?}");
            assert_eq!(mtu.current() as u64, limit.min(65_507));
        }
    }

    #[test]
    fn one_lost_probe_is_chance() {
        let mut mtu = allowed(1452);
        mtu.on_sent(1200);
        for _ in 1..PROBES_MAX {
            assert_eq!(mtu.probe_len(at(0), WINDOW), Some(1452));
            mtu.on_probe_sent();
            mtu.on_probe_lost(1452);
            mtu.on_sent(1200);
        }
        assert_eq!(mtu.probe_len(at(0), WINDOW), Some(1452));
        mtu.on_probe_sent();
        mtu.on_probe_acked(1452);
        assert_eq!(mtu.current(), 1452);
    }

    #[test]
    fn nothing_is_tried_without_need_or_room() {
        let mut mtu = allowed(9280);
        assert_eq!(mtu.probe_len(at(0), WINDOW), None, "nothing was full");
        mtu.on_sent(900);
        assert_eq!(mtu.probe_len(at(0), WINDOW), None, "nothing was full");
        mtu.on_sent(1200);
        assert_eq!(mtu.probe_len(at(0), 4800), None, "the window is small");
        assert_eq!(mtu.probe_len(at(0), 12_000), Some(1452));
    }

    #[test]
    fn who_asks_is_told_without_anything_to_send() {
        let mut mtu = Mtu::new();
        mtu.ask();
        assert_eq!(mtu.probe_len(at(0), WINDOW), None, "nobody knows the peer");
        assert!(mtu.is_asked());
        mtu.allow(1452);
        assert_eq!(mtu.probe_len(at(0), WINDOW), Some(1452));
        mtu.on_probe_sent();
        mtu.on_probe_acked(1452);
        assert!(!mtu.is_asked(), "that is all the peer takes");
        mtu.allow(9280);
        search(&mut mtu, at(0), 1500);
        assert!(!mtu.is_asked());
        mtu.ask();
        assert!(mtu.is_asked() && mtu.probe_len(at(1), WINDOW).is_some());
    }

    #[test]
    fn a_finished_search_is_repeated_after_a_while() {
        let mut mtu = allowed(9280);
        search(&mut mtu, at(0), 1500);
        assert_eq!(search(&mut mtu, at(599), 9280), [0; 0]);
        search(&mut mtu, at(601), 9280);
        assert_eq!(mtu.current(), 9280);
    }

    #[test]
    fn h29_a_black_hole_leads_back_to_what_every_path_takes() {
        let mut mtu = allowed(9280);
        assert!(!mtu.is_black_hole(1000, 9), "nothing is shorter");
        search(&mut mtu, at(0), 9280);
        assert!(!mtu.is_black_hole(7, 0), "congestion");
        assert!(mtu.is_black_hole(8, 0) && mtu.is_black_hole(2, 2));
        assert_eq!(mtu.datagram_len(1), 9280);
        assert_eq!(mtu.datagram_len(2), DATAGRAM_MIN);
        mtu.reset();
        assert_eq!(mtu.current(), DATAGRAM_MIN);
        mtu.on_probe_acked(1100);
        assert_eq!(mtu.current(), DATAGRAM_MIN, "an old one");
        search(&mut mtu, at(0), 1452);
        assert!((1452..1516).contains(&mtu.current()));
    }
}
