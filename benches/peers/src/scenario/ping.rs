//! A message there and the same back.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Figure, Run, Scenario};
use crate::job::{Job, Packets, Traffic};
use crate::run::Pair;

const WARM_UP: Duration = Duration::from_millis(300);

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![Scenario {
        name: "ping",
        about: "64 bytes there and back, one at a time",
        contenders: &[
            "undertone",
            "quinn",
            "s2n-quic",
            "quiche",
            "kcp",
            "enet",
            "tcp-tls",
            "tcp",
            "limit",
            "udp",
        ],
        seconds: 3,
        traffic: Traffic::Ping { bytes: 64 },
        packets: Packets::Ethernet,
        link: None,
        run,
    }]
}

fn run(job: &Job, run: Run) -> Result<Vec<Figure>> {
    let measured = Pair::start(job, run.seed)?.measure(WARM_UP, run.length)?;
    let answers = measured.client.to;
    ensure!(answers.samples > 0, "nothing comes back");
    Ok(vec![
        Figure::less("p50", "us", answers.p50_ns as f64 / 1e3),
        Figure::less("p99", "us", answers.p99_ns as f64 / 1e3),
        Figure::less(
            "CPU",
            "us/round",
            measured.cpu_s() * 1e6 / measured.client.messages(),
        ),
    ])
}
