//! Two flows through one bottleneck.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::link::link;
use super::{Figure, Run, Scenario};
use crate::job::{Job, Packets, Traffic};
use crate::proxy::Proxy;
use crate::run::{self, Server, Span};

/// Before that, both find their pace.
const WARM_UP: Duration = Duration::from_secs(3);

pub(super) fn scenarios() -> [Scenario; 3] {
    let scenario = |name, about, link, run| Scenario {
        name,
        about,
        contenders: &[
            "undertone",
            "undertone-cubic",
            "quinn",
            "quinn-bbr",
            "s2n-quic-bbr",
            "quiche-bbr2",
        ],
        seconds: 20,
        traffic: Traffic::Bulk,
        packets: Packets::Ethernet,
        link: Some(link),
        run,
    };
    [
        scenario(
            "fairness",
            "beside a CUBIC flow of ours on one bottleneck: 40 ms RTT, 50 Mbit/s, a queue of 50 ms",
            link(40, 0.0, 50, 50),
            |job, run| beside("undertone-cubic", job, run),
        ),
        scenario(
            "fairness-quinn",
            "beside a CUBIC flow of quinn's on one bottleneck: 40 ms RTT, 50 Mbit/s, a queue of 50 ms",
            link(40, 0.0, 50, 50),
            |job, run| beside("quinn", job, run),
        ),
        scenario(
            "fairness-long",
            "beside a CUBIC flow of quinn's on a long path with a short queue: 100 ms RTT, 50 Mbit/s, 20 ms",
            link(100, 0.0, 50, 20),
            |job, run| beside("quinn", job, run),
        ),
    ]
}

/// A contender's flow and a CUBIC one of `peer`'s, as most of the Internet's are.
fn beside(peer: &str, job: &Job, run: Run) -> Result<Vec<Figure>> {
    let beside = Job {
        peer: peer.to_owned(),
        ..job.clone()
    };
    let mut servers = [Server::start(job)?, Server::start(&beside)?];
    let addresses: Vec<_> = servers.iter().map(|server| server.target.address).collect();
    let link = job.link.unwrap_or_default();
    let (_proxy, fronts) = Proxy::start(link, run.seed, &addresses)?;
    let mut clients = Vec::new();
    for ((server, front), job) in servers.iter().zip(fronts).zip([job, &beside]) {
        let mut target = server.target.clone();
        target.address = front;
        clients.push(run::client(job, &target)?);
    }
    thread::sleep(WARM_UP);
    let mut look = || -> Result<_> {
        let [one, other] = &mut servers;
        Ok([one.process.snapshot()?, other.process.snapshot()?])
    };
    let from = look()?;
    thread::sleep(run.length);
    let to = look()?;
    let rate = |index: usize| {
        let span = Span {
            from: from[index],
            to: to[index],
        };
        span.bytes() / span.seconds() / 1e6
    };
    let (ours, cubic) = (rate(0), rate(1));
    ensure!(ours + cubic > 0.0, "nothing arrives");
    Ok(vec![
        Figure::more(
            "the CUBIC flow's share",
            "%",
            100.0 * cubic / (ours + cubic),
        ),
        Figure::more("its own", "MB/s", ours),
        Figure::more("the CUBIC flow's", "MB/s", cubic),
    ])
}
