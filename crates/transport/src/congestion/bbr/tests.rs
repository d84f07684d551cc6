use super::*;
use crate::recovery::RateSample;

const MSS: u64 = 1000;
const RTT: Duration = Duration::from_millis(100);

/// A path that delivers `rate` bytes a second after [`RTT`], told to a controller in acknowledgements
/// of ten packets; `lost_in` of them at a time lose one packet.
struct Path {
    bbr: Bbr,
    now: Instant,
    delivered: u64,
    rate: u64,
    /// One packet of so many is lost; 0 for none.
    loses: u64,
    /// What was lost arrives after all.
    late: bool,
    /// Something else than the controller holds the sender back.
    app_limited: bool,
}

impl Path {
    fn new(rate: u64) -> Self {
        Self {
            bbr: Bbr::new(MSS),
            now: Instant::from_nanos(1_000_000_000),
            delivered: 0,
            rate,
            loses: 0,
            late: false,
            app_limited: false,
        }
    }

    /// Lets acknowledgements of a whole window arrive, sent as fast as the controller allows.
    fn round(&mut self) {
        let sent_per_round = self.bbr.window().min(self.bbr.pacing_rate(RTT) / 10);
        let rate = (sent_per_round * 10).min(self.rate);
        // What exceeds the path's rate waits.
        let product = self.rate / 10;
        let queue = Duration::from_secs_f64(
            self.bbr.window().saturating_sub(product) as f64 / self.rate as f64,
        );
        let queue = if sent_per_round > product {
            queue
        } else {
            Duration::ZERO
        };
        let packets = rate / 10 / MSS;
        let begin = self.delivered;
        for packet in 0..packets.div_ceil(10) {
            let bytes = 10 * MSS;
            self.delivered += bytes;
            let sent = self.now;
            self.now += Duration::from_secs_f64(bytes as f64 / rate as f64);
            if self.loses > 0 && packet % (self.loses / 10).max(1) == 0 {
                self.bbr.on_loss(&Lost {
                    now: self.now + RTT,
                    bytes: MSS,
                    oldest_sent: sent,
                    newest_sent: sent,
                    rtt: RTT + queue,
                    persistent: false,
                });
                if self.late {
                    self.bbr.on_spurious_loss(self.now + RTT, sent, MSS);
                }
            }
            self.bbr.on_ack(&Acked {
                now: self.now + RTT,
                bytes,
                newest_sent: sent,
                rtt: Some(RTT + queue),
                srtt: RTT,
                in_flight: packets * MSS,
                delivered: self.delivered,
                limited: true,
                rate: RateSample {
                    delivered: (rate as f64 * RTT.as_secs_f64()) as u64,
                    interval: RTT,
                    prior_delivered: begin,
                    app_limited: self.app_limited,
                },
            });
        }
    }

    fn rounds(&mut self, count: usize) {
        for _ in 0..count {
            self.round();
        }
    }
}

#[test]
fn startup_finds_the_rate_in_a_few_round_trips() {
    let mut path = Path::new(10_000_000);
    path.rounds(12);
    assert!(path.bbr.full, "{:?}", path.bbr);
    let rate = path.bbr.pacing_rate(RTT);
    assert!((4_500_000..13_000_000).contains(&rate), "{rate}");
    let product = 1_000_000;
    assert!(path.bbr.window() >= product, "{}", path.bbr.window());
    assert!(path.bbr.window() <= 3 * product, "{}", path.bbr.window());
}

/// A receiver's window holds up a sender on a path that loses, again and again.
#[test]
fn startup_ends_when_a_queue_overflows_whoever_is_slow() {
    let mut path = Path::new(10_000_000);
    path.app_limited = true;
    path.rounds(8);
    assert!(!path.bbr.full, "nothing is lost: {:?}", path.bbr);
    path.loses = 10;
    path.rounds(4);
    assert!(path.bbr.full, "{:?}", path.bbr);
}

#[test]
fn loss_without_a_queue_takes_nothing_away() {
    let mut path = Path::new(10_000_000);
    path.loses = 50;
    path.rounds(60);
    assert!(path.bbr.bandwidth() >= 10_000_000, "{:?}", path.bbr);
    assert!(path.bbr.window() >= 1_000_000, "{:?}", path.bbr);
}

/// One packet, acknowledged by itself on a path without a queue.
fn acked(sent: Instant) -> Acked {
    Acked {
        now: sent + RTT,
        bytes: MSS,
        newest_sent: sent,
        rtt: Some(RTT),
        srtt: RTT,
        in_flight: MSS,
        delivered: MSS,
        limited: true,
        rate: RateSample {
            delivered: MSS,
            interval: RTT,
            prior_delivered: 0,
            app_limited: false,
        },
    }
}

fn lost(sent: Instant) -> Lost {
    Lost {
        now: sent + RTT,
        bytes: MSS,
        oldest_sent: sent,
        newest_sent: sent,
        rtt: RTT,
        persistent: false,
    }
}

fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

/// RFC 9002 §6.1.1 takes a packet for lost that others have overtaken; then it arrives.
#[test]
fn losses_that_were_none_are_not_what_a_path_always_loses() {
    let base_loss = |arrives: bool| {
        let mut model = Model::default();
        model.begin_quiet(at(0));
        for sent in (0..100).map(at) {
            model.on_ack(&acked(sent), MSS);
        }
        for sent in (0..25).map(at) {
            model.on_loss(&lost(sent));
            if arrives {
                model.on_late(sent, MSS);
            }
        }
        model.end_quiet(at(100));
        model.on_ack(&acked(at(101)), MSS);
        model.base_loss()
    };
    assert!((base_loss(false) - 0.2).abs() < 1e-6, "25 of 125");
    assert!(base_loss(true) < 1e-6);
}

#[test]
fn losses_that_were_none_are_no_congestion() {
    let (mut round, mut model) = (Round::default(), Model::default());
    for sent in (0..60).map(at) {
        model.on_ack(&acked(sent), MSS);
        round.on_ack(&acked(sent), &model);
    }
    for sent in (0..40).map(at) {
        round.on_loss(&lost(sent), &model);
    }
    assert!(round.is_congested(&model, MSS, 0.0));
    round.on_late(5 * MSS);
    assert!(round.is_congested(&model, MSS, 0.0), "35 of 95 are much");
    round.on_late(34 * MSS);
    assert!(!round.is_congested(&model, MSS, 0.0), "1 of 61 is chance");
}

#[test]
fn losses_that_were_none_end_no_startup() {
    let mut path = Path::new(10_000_000);
    (path.app_limited, path.late) = (true, true);
    path.rounds(8);
    path.loses = 10;
    path.rounds(4);
    assert!(!path.bbr.full, "{:?}", path.bbr);
}

#[test]
fn a_probe_ends_at_the_first_full_queue() {
    for (marked, then) in [(true, Phase::Down), (false, Phase::Up)] {
        let mut path = Path::new(10_000_000);
        path.rounds(20);
        let bbr = &mut path.bbr;
        bbr.enter(Phase::Refill, path.now);
        bbr.enter(Phase::Up, path.now);
        if marked {
            bbr.on_congestion_experienced(path.now, path.now);
        }
        let mut acked = acked(path.now);
        acked.rate.prior_delivered = path.delivered;
        bbr.on_ack(&acked);
        assert_eq!(bbr.phase, then, "{bbr:?}");
    }
}

#[test]
fn nothing_getting_through_leaves_the_smallest_window() {
    let mut path = Path::new(10_000_000);
    path.rounds(20);
    path.bbr.on_loss(&Lost {
        now: path.now,
        bytes: MSS,
        oldest_sent: path.now,
        newest_sent: path.now,
        rtt: RTT,
        persistent: true,
    });
    assert_eq!(path.bbr.window(), PACKETS_MIN * MSS);
}

#[test]
fn an_idle_connection_holds_little() {
    assert!(size_of::<Bbr>() <= 448, "{}", size_of::<Bbr>());
}

/// A path that takes no full datagrams for minutes delivers a handful of bytes a second.
#[test]
fn a_path_that_let_nearly_nothing_through_is_still_tried() {
    let mut path = Path::new(10_000_000);
    path.rounds(20);
    for _ in 0..500 {
        let sent = path.now;
        path.now += Duration::from_secs(2);
        path.delivered += 40;
        path.bbr.on_ack(&Acked {
            now: path.now,
            bytes: 40,
            newest_sent: sent,
            rtt: Some(RTT),
            srtt: RTT,
            in_flight: 0,
            delivered: path.delivered,
            limited: true,
            rate: RateSample {
                delivered: 40,
                interval: Duration::from_secs(2),
                prior_delivered: path.delivered - 40,
                app_limited: false,
            },
        });
    }
    let (rate, window) = (path.bbr.pacing_rate(RTT), path.bbr.window());
    assert!(window >= PACKETS_MIN * MSS, "{window}");
    assert!(
        rate >= PACKETS_MIN * MSS * 10,
        "{rate}: a window a round trip"
    );
}
