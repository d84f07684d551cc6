//! When a client should go on from another socket, because its way to the network is not what it was.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use transport::Instant;

use crate::SocketStats;
use crate::outward::address_towards;

/// How often the routing table is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// So long without an answer is no mere loss of packets.
const SILENCE: Duration = Duration::from_secs(3);

/// Attempts that bring nothing come at intervals that double, up to this.
const PAUSE_MAX: Duration = Duration::from_secs(12);

/// Notices that a client should go on from another socket ([`crate::Driver::rebind`]) and say so to
/// its connection ([`transport::Connection::migrate`]): this machine's address towards the server is
/// another one, or sends fail or nothing is heard for 3 s, and then after 3, 6 and 12 s more.
///
/// ```text
/// driver.turn(&mut machine, Some(roaming.patience(driver.now())))?;
/// if roaming.is_due(driver.now(), connection.unanswered(driver.now()), driver.stats()) {
///     driver.rebind(any_port, &options)?;
///     connection.migrate(driver.now())?;
/// }
/// ```
#[derive(Debug)]
pub struct Roaming {
    server: SocketAddr,
    /// The last address of ours towards it.
    local: Option<IpAddr>,
    looked: Instant,
    /// Sends that had failed by then, or by the last move.
    failed: u64,
    /// When another socket was last asked for, and how long that is given.
    moved: Option<Instant>,
    pause: Duration,
}

impl Roaming {
    /// For a client of the server at this address.
    pub fn new(server: SocketAddr) -> Self {
        Self {
            server,
            local: address_towards(server),
            looked: Instant::ZERO,
            failed: 0,
            moved: None,
            pause: SILENCE,
        }
    }

    /// How long the driver may wait at most.
    pub fn patience(&self, now: Instant) -> Duration {
        (self.looked + LOOK_EVERY).since(now)
    }

    /// Whether it is time for another socket. To be asked after every turn. `unanswered` is how long
    /// the server has owed an answer, and `None` where there is no connection that could move.
    pub fn is_due(
        &mut self,
        now: Instant,
        unanswered: Option<Duration>,
        stats: SocketStats,
    ) -> bool {
        let looks = now.since(self.looked) >= LOOK_EVERY;
        let local = looks.then(|| address_towards(self.server));
        self.decide(now, unanswered, stats.send_errors, local)
    }

    /// `local` is what the routing table says, if it was looked at.
    fn decide(
        &mut self,
        now: Instant,
        unanswered: Option<Duration>,
        failed: u64,
        local: Option<Option<IpAddr>>,
    ) -> bool {
        let mut has_moved = false;
        let mut sends_fail = false;
        if let Some(local) = local {
            self.looked = now;
            // Without any network there is nothing to move to.
            if let Some(here) = local {
                has_moved = self.local.is_some_and(|before| before != here);
                self.local = Some(here);
            }
            sends_fail = failed > core::mem::replace(&mut self.failed, failed);
        }
        let Some(unanswered) = unanswered else {
            return false;
        };
        if unanswered.is_zero() {
            (self.moved, self.pause) = (None, SILENCE);
        }
        let waited = self.moved.is_none_or(|at| now.since(at) >= self.pause);
        let is_silent = unanswered >= SILENCE || sends_fail && !unanswered.is_zero();
        if !(has_moved || is_silent && waited) {
            return false;
        }
        if !has_moved && self.moved.is_some() {
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        }
        self.moved = Some(now);
        // Whether there will be another socket or not: these are answered.
        self.failed = failed;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    fn ip(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn roaming() -> Roaming {
        let mut roaming = Roaming::new(([127, 0, 0, 1], 9).into());
        roaming.local = Some(ip(1));
        roaming
    }

    const HEARD: Option<Duration> = Some(Duration::ZERO);

    #[test]
    fn another_address_is_a_reason_at_once_and_only_once() {
        let mut roaming = roaming();
        assert!(!roaming.decide(at(2000), HEARD, 0, Some(Some(ip(1)))));
        assert!(
            !roaming.decide(at(4000), HEARD, 0, Some(None)),
            "no network"
        );
        assert!(roaming.decide(at(6000), HEARD, 0, Some(Some(ip(2)))));
        assert!(!roaming.decide(at(8000), HEARD, 0, Some(Some(ip(2)))));
        assert!(
            !roaming.decide(at(10_000), None, 0, Some(Some(ip(3)))),
            "no connection"
        );
    }

    #[test]
    fn silence_is_a_reason_again_and_again_but_ever_less_often() {
        let mut roaming = roaming();
        let mut due = Vec::new();
        for ms in (0..60_000).step_by(100) {
            if roaming.decide(at(ms), Some(Duration::from_millis(ms)), 0, None) {
                due.push(ms);
            }
        }
        assert_eq!(due, [3000, 6000, 12_000, 24_000, 36_000, 48_000]);
        assert!(!roaming.decide(at(61_000), HEARD, 0, None));
        let silence = Some(Duration::from_secs(3));
        assert!(
            roaming.decide(at(70_000), silence, 0, None),
            "it was heard meanwhile"
        );
    }

    #[test]
    fn failing_sends_are_a_reason_while_an_answer_is_owed() {
        let mut roaming = roaming();
        let owed = Some(Duration::from_millis(500));
        assert!(!roaming.decide(at(2000), HEARD, 3, Some(Some(ip(1)))));
        assert!(
            !roaming.decide(at(4000), owed, 3, Some(Some(ip(1)))),
            "no new ones"
        );
        assert!(roaming.decide(at(6000), owed, 4, Some(Some(ip(1)))));
        assert!(
            !roaming.decide(at(8000), owed, 6, Some(Some(ip(1)))),
            "it has just moved"
        );
    }

    #[test]
    fn failures_that_it_has_moved_for_are_not_new_once_more() {
        let mut roaming = roaming();
        let owed = Some(Duration::from_millis(500));
        assert!(roaming.decide(at(2000), owed, 4, Some(Some(ip(1)))));
        assert!(!roaming.decide(at(3000), HEARD, 4, None));
        assert!(
            !roaming.decide(at(6000), owed, 4, Some(Some(ip(1)))),
            "there was no other socket to be had"
        );
        assert!(roaming.decide(at(8000), owed, 5, Some(Some(ip(1)))));
    }

    #[test]
    fn the_driver_wakes_in_time_to_look() {
        let mut roaming = roaming();
        assert_eq!(roaming.patience(at(500)), Duration::from_millis(1500));
        roaming.decide(at(2000), HEARD, 0, Some(Some(ip(1))));
        assert_eq!(roaming.patience(at(2500)), Duration::from_millis(1500));
        assert_eq!(roaming.patience(at(5000)), Duration::ZERO);
    }
}
