use core::time::Duration;

use super::{Fault, Faults};
use crate::{Link, Rng};

/// What these faults make of every link. Draws equally often whatever is active, so that dropping one fault leaves the others as they were.
pub(crate) fn link_of(seed: u64, faults: Faults) -> Link {
    let mut rng = Rng::stream(seed, "links", 0);
    let mut up_to = |fault, most: f64| {
        let share = most * (rng.below(1_000) + 1) as f64 / 1_000.0;
        if faults.has(fault) { share } else { 0.0 }
    };
    let milliseconds = |value: f64| Duration::from_micros((value * 1_000.0) as u64);
    let mut link = Link {
        loss: up_to(Fault::Loss, 0.3),
        burst: up_to(Fault::Bursts, 0.01),
        duplication: up_to(Fault::Duplication, 0.5),
        corruption: up_to(Fault::Corruption, 0.1),
        reordering: up_to(Fault::Reordering, 0.3),
        reordering_delay: milliseconds(up_to(Fault::Reordering, 200.0)),
        delay: milliseconds(up_to(Fault::Jitter, 20.0)),
        jitter: milliseconds(up_to(Fault::Jitter, 50.0)),
        ..Link::default()
    };
    let slow = up_to(Fault::Rate, 1.0);
    if slow > 0.0 {
        link.rate = Some((20_000.0 / slow) as u64);
        link.queue_bytes = 20_000 + (100_000.0 * slow) as u64;
    }
    let small = up_to(Fault::Mtu, 1.0);
    if small > 0.0 {
        link.mtu = 1_200 + (small * 300.0) as usize;
    }
    let mut rng = Rng::stream(seed, "delay", 0);
    link.delay += Duration::from_micros(200 << rng.below(10));
    link
}
