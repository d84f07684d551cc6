//! Figures for whoever changes a controller.

use crate::flows::{Path, Sender, run};
use crate::{BAD, CLEAN, CONTROLLERS, JITTERY, LOSSY, alone, harness};

/// Not a test: prints what each controller makes of each path, for whoever changes one.
#[test]
#[ignore = "prints figures"]
fn figures() {
    let only = std::env::var("ONLY").unwrap_or_default();
    let cubic = std::env::var("CUBIC").is_ok();
    let seeds = harness::seeds(3);
    let verbose = std::env::var("VERBOSE").is_ok();
    let paths = [
        ("clean", CLEAN),
        ("lossy", LOSSY),
        ("bad", BAD),
        ("jittery", JITTERY),
        ("deep", Path::new(50, 0.0, 100, 500)),
        ("shallow", Path::new(50, 0.0, 100, 2)),
        ("thin", Path::new(40, 0.0, 1, 200)),
        ("fast", Path::new(5, 0.0, 1000, 10)),
        ("awful", Path::new(60, 0.25, 20, 100)),
    ];
    for (name, path) in paths {
        if !name.contains(&only) {
            continue;
        }
        for congestion in CONTROLLERS.into_iter().take(if cubic { 2 } else { 1 }) {
            let outcomes: Vec<_> = seeds
                .clone()
                .map(|seed| run(seed, path, &alone(congestion), 103, |_| {}))
                .collect();
            print!("{name:8} {congestion:?}:");
            for outcome in &outcomes {
                let flow = &outcome.flows[0];
                let begin = flow.connected.unwrap().as_nanos() as usize / 100_000_000;
                let goodput = flow.goodput(begin, begin + 100);
                print!(
                    "  {:.3} MB/s ({:.2} % lost)",
                    goodput as f64 / 1e6,
                    flow.packets_lost as f64 * 100.0 / flow.packets_sent.max(1) as f64
                );
            }
            println!();
            if verbose {
                let flow = &outcomes[0].flows[0];
                for tenth in 0..103 {
                    print!("{:.2} ", flow.tenths[tenth] as f64 / 1e5);
                }
                println!();
            }
        }
    }
    for (name, path) in [
        ("clean", CLEAN),
        ("lossless", Path::new(50, 0.0, 100, 50)),
        ("deep", Path::new(50, 0.0, 100, 250)),
        ("narrow", Path::new(50, 0.0, 20, 50)),
        ("shallow", Path::new(50, 0.0, 100, 10)),
    ] {
        let name = format!("share-{name}");
        if !name.contains(&only) {
            continue;
        }
        let pairs = [(0, 1), (0, 0), (1, 1)];
        for (a, b) in pairs {
            print!("{name:15} {:?} {:?}:", CONTROLLERS[a], CONTROLLERS[b]);
            for (first, second) in [(0, 2000), (2000, 0)] {
                let senders = [(a, first), (b, second)].map(|(index, starts_ms)| Sender {
                    congestion: CONTROLLERS[index],
                    starts_ms,
                });
                let outcome = run(1, path, &senders, 600, |_| {});
                let [x, y] = [0, 1].map(|flow: usize| outcome.flows[flow].goodput(100, 600));
                print!(
                    "  {:.2} + {:.2} MB/s ({:.0} %)",
                    x as f64 / 1e6,
                    y as f64 / 1e6,
                    y as f64 * 100.0 / (x + y) as f64
                );
            }
            println!();
        }
    }
}
