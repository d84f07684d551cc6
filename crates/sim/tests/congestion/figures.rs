//! Figures for whoever changes a controller.

use crate::flows::{Flow, Path, Sender, run};
use crate::{BAD, CLEAN, CONTROLLERS, JITTERY, LOSSY, alone, harness};

/// Paths on which a flow is alone.
const ALONE: [(&str, Path); 9] = [
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

/// Not a test: prints what each controller makes of each path, for whoever changes one. `ONLY` picks
/// paths by name, `CUBIC` shows it as well.
#[test]
#[ignore = "prints figures"]
fn figures() {
    let count = if std::env::var("CUBIC").is_ok() { 2 } else { 1 };
    for (name, path) in ALONE.into_iter().filter(|(name, _)| is_wanted(name)) {
        for congestion in CONTROLLERS.into_iter().take(count) {
            let flows: Vec<Flow> = harness::seeds(3)
                .map(|seed| run(seed, path, &alone(congestion), 105, |_| {}))
                .map(|mut outcome| outcome.flows.remove(0))
                .collect();
            if std::env::var("VERBOSE").is_ok() {
                for tenth in 0..103 {
                    print!(
                        "{:.2} ",
                        flows[0].goodput(tenth, tenth + 1) as f64 / path.rate() as f64
                    );
                }
                println!();
            }
            let goodput: Vec<f64> = (flows.iter())
                .map(|flow| flow.goodput_from_first() as f64 / 1e6)
                .collect();
            let of = |value: &dyn Fn(&Flow) -> f64| {
                flows.iter().map(value).sum::<f64>() / flows.len() as f64
            };
            println!(
                "{name:8} {congestion:?}: {:.3} MB/s ({:.3} to {:.3}), {:.2} % lost, {:.1} ms srtt",
                goodput.iter().sum::<f64>() / goodput.len() as f64,
                goodput.iter().copied().fold(f64::MAX, f64::min),
                goodput.iter().copied().fold(0.0, f64::max),
                of(&|flow| flow.packets_lost as f64 * 100.0 / flow.packets_sent.max(1) as f64),
                of(&|flow| flow.mean_srtt(30, 100).as_secs_f64() * 1e3),
            );
        }
    }
}

fn is_wanted(name: &str) -> bool {
    std::env::var("ONLY").map_or(true, |only| only.split(',').any(|part| name.contains(part)))
}

/// Not a test: prints how flows share bottlenecks. `ONLY` picks them by name, `MBIT` sets the rate.
#[test]
#[ignore = "prints figures"]
fn shares() {
    let mbit = std::env::var("MBIT").map_or(50, |mbit| mbit.parse().expect("a number"));
    println!("share of the second in %, mean srtt; by who starts first and seed");
    for rtt_ms in [10, 20, 50, 100] {
        for (depth, twentieths) in [("1/5", 4), ("1/2", 10), ("1", 20), ("2", 40), ("4", 80)] {
            let path = Path::new(rtt_ms, 0.0, mbit, rtt_ms * twentieths / 20);
            for (a, b) in [(0, 1), (0, 0), (1, 1)] {
                let [first, second] = [CONTROLLERS[a], CONTROLLERS[b]];
                let name = format!("{rtt_ms}ms-{depth}-{first:?}-{second:?}");
                if is_wanted(&name) {
                    println!("{name:20}:{}", shown(path, [a, b]));
                }
            }
        }
    }
}

fn shown(path: Path, pair: [usize; 2]) -> String {
    let mut text = String::new();
    let mut all = Vec::new();
    for starts_ms in [[0, 3000], [3000, 0]] {
        for seed in harness::seeds(2) {
            let senders =
                [0, 1].map(|flow: usize| Sender::new(CONTROLLERS[pair[flow]], starts_ms[flow]));
            let flows = run(seed, path, &senders, 900, |_| {}).flows;
            let [x, y] = [0, 1].map(|flow: usize| flows[flow].goodput(100, 900) as f64);
            let share = y * 100.0 / (x + y);
            all.push(share);
            text += &format!(
                " {share:3.0} (of {:2.0}, {:3.0} ms)",
                (x + y) * 100.0 / path.rate() as f64,
                flows[0].mean_srtt(100, 900).as_secs_f64() * 1e3
            );
        }
    }
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    format!("{text}  mean {mean:.0}")
}
