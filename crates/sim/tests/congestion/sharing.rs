//! Several flows on one bottleneck.

use core::time::Duration;

use transport::CongestionControl::{self, Bbr, Cubic};

use crate::CONTROLLERS;
use crate::flows::{Path, Sender, run};

/// What the first of two flows gets of what both get, once they know each other, and how much of the
/// path that is.
fn share(path: Path, pair: [CongestionControl; 2], starts_ms: [u64; 2]) -> (f64, f64) {
    let senders = [0, 1].map(|flow: usize| Sender::new(pair[flow], starts_ms[flow]));
    let flows = run(1, path, &senders, 700, |_| {}).flows;
    let [a, b] = [0, 1].map(|flow: usize| flows[flow].goodput(100, 700) as f64);
    (a / (a + b), (a + b) / path.rate() as f64)
}

#[test]
fn ours_and_cubic_share_queues_of_any_depth() {
    // A queue of a fifth of the round trip is full before anybody notices it, one of four makes
    // whoever keeps it short keep nothing.
    let paths = [
        (Path::new(20, 0.0, 50, 4), [0, 3000]),
        (Path::new(20, 0.0, 50, 80), [3000, 0]),
        (Path::new(50, 0.0, 50, 10), [3000, 0]),
        (Path::new(50, 0.0, 50, 50), [0, 3000]),
        (Path::new(50, 0.0, 20, 25), [3000, 0]),
        (Path::new(100, 0.0, 50, 20), [0, 3000]),
        (Path::new(100, 0.0, 50, 20), [3000, 0]),
        (Path::new(100, 0.0, 50, 50), [0, 3000]),
        (Path::new(100, 0.0, 20, 400), [3000, 0]),
    ];
    for (path, starts_ms) in paths {
        let (ours, used) = share(path, [Bbr, Cubic], starts_ms);
        assert!((0.2..=0.7).contains(&ours), "{path:?}: we have {ours}");
        assert!(used > 0.88, "{path:?}: {used}");
    }
}

#[test]
fn two_of_a_kind_share() {
    for congestion in CONTROLLERS {
        for path in [Path::new(20, 0.0, 50, 4), Path::new(20, 0.0, 100, 50)] {
            let (first, used) = share(path, [congestion; 2], [0, 2000]);
            let even = 0.3..=0.7;
            assert!(even.contains(&first), "{congestion:?}, {path:?}: {first}");
            assert!(used > 0.88, "{congestion:?}, {path:?}: {used}");
        }
    }
}

#[test]
fn ours_keeps_queues_short_when_others_do_not_fill_them() {
    let path = Path::new(50, 0.0, 50, 200);
    let beside = Sender {
        stops_ms: 20_000,
        ..Sender::new(Cubic, 0)
    };
    let flows = run(1, path, &[Sender::new(Bbr, 2000), beside], 900, |_| {}).flows;
    let shared = flows[0].mean_srtt(100, 200);
    assert!(shared > Duration::from_millis(100), "{shared:?}");
    // What it holds against others goes after they have gone.
    let alone = flows[0].mean_srtt(600, 900);
    assert!(alone < Duration::from_millis(65), "{alone:?}");
    let goodput = flows[0].goodput(600, 900) as f64 / path.rate() as f64;
    assert!(goodput > 0.93, "{goodput}");
}
