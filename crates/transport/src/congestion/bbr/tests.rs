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
