//! Connections made and closed, one after the other.

use std::time::Duration;

use anyhow::Result;

use super::{Figure, Run, Scenario};
use crate::job::{Job, Packets, Traffic};
use crate::run::Pair;

const WARM_UP: Duration = Duration::from_millis(500);

pub(super) fn scenarios() -> [Scenario; 2] {
    let handshake = |name, about, contenders, resumed| Scenario {
        name,
        about,
        contenders,
        seconds: 3,
        traffic: Traffic::Handshakes { resumed },
        packets: Packets::Ethernet,
        link: None,
        run,
    };
    [
        handshake(
            "handshake",
            "connections made and closed one after the other, knowing nothing of those before",
            &["undertone", "quinn", "s2n-quic", "quiche", "tcp-tls", "tcp"],
            false,
        ),
        handshake(
            "handshake-resumed",
            "connections made and closed one after the other, each with a ticket of the one before, for which 64 bytes go there and back",
            &["undertone", "quinn", "tcp-tls"],
            true,
        ),
    ]
}

fn run(job: &Job, run: Run) -> Result<Vec<Figure>> {
    let measured = Pair::start(job, run.seed)?.measure(WARM_UP, run.length)?;
    let count = measured.client.connections();
    let each_us = |seconds: f64| seconds * 1e6 / count;
    Ok(vec![
        Figure::less("CPU of both", "us", each_us(measured.cpu_s())),
        Figure::less("CPU of server", "us", each_us(measured.server.cpu_s())),
        Figure::less("CPU of client", "us", each_us(measured.client.cpu_s())),
        Figure::more("handshakes", "/s", count / run.length.as_secs_f64()),
    ])
}
