use core::time::Duration;

use transport::{Config, CongestionControl};

use crate::seeds::{Faults, Kind, Limits, link_of};
use crate::{Link, Rng};

/// Everything that follows from a seed before the world begins.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Its bounds.
    pub limits: Limits,
    /// The faults that are active.
    pub faults: Faults,
    /// How many clients talk to the one server.
    pub clients: u64,
    /// Whether the server wants an address validated before it admits anybody.
    pub gated: bool,
    /// Every link.
    pub link: Link,
    /// The clients' configuration and the server's.
    pub configs: [Config; 2],
    /// Streams that a client opens on a connection.
    pub streams: u64,
    /// The longest message, in bytes.
    pub message_bytes: u64,
    /// The share of messages that are worth nothing after a while.
    pub mortal: f64,
    /// The share of messages behind which a stream ends.
    pub last: f64,
    /// The longest pause between two actions.
    pub pause: Duration,
}

impl Plan {
    /// The plan of a seed.
    pub fn new(seed: u64, limits: Limits) -> Self {
        let mut rng = Rng::stream(seed, "plan", 0);
        let mut faults = Faults::default();
        // A few kinds at a time find more than all of them at once.
        let share = rng.one_of(&[0.1, 0.25, 0.5]);
        for fault in Faults::of(Kind::Transport).iter() {
            // Each draws from a stream of its own, so that a new kind leaves the others as they were.
            let mut rng = Rng::stream(seed, fault.name(), 0);
            if rng.chance(share) && limits.faults.has(fault) {
                faults = faults.with(fault);
            }
        }
        let clients = (1 + rng.below(4)).min(limits.clients).max(1);
        let gated = rng.chance(0.5);
        let configs = [0, 1].map(|end| config(&mut Rng::stream(seed, "config", end)));
        Self {
            seed,
            limits,
            faults,
            clients,
            gated,
            link: link_of(seed, faults),
            configs,
            streams: 1 + rng.below(6),
            message_bytes: rng.one_of(&[40, 300, 3_000, 60_000]),
            mortal: rng.one_of(&[0.0, 0.0, 0.1, 0.5]),
            last: rng.one_of(&[0.0, 0.02, 0.2]),
            pause: Duration::from_millis(rng.one_of(&[20, 400, 5_000])),
        }
    }
}

/// Windows and datagrams of all sizes.
fn config(rng: &mut Rng) -> Config {
    let mut config = Config::default();
    config.ports.insert(super::party::PORT);
    config.ports.insert(super::lies::LIARS_PORT);
    config.stream_window_bytes = 4_096 << rng.below(9);
    config.connection_window_bytes = config.stream_window_bytes << rng.below(4);
    config.send_buffer_bytes = 4_096 << rng.below(9);
    config.streams_max = 6 << rng.below(6);
    config.key_update_packets = rng.one_of(&[20, 500, 1 << 20, 1 << 20]);
    if rng.chance(0.2) {
        config.congestion = CongestionControl::Cubic;
    }
    if rng.chance(0.3) {
        config.keep_alive = None;
    }
    config
}
