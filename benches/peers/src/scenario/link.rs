//! Links that are worse than loopback: the proxy's own ceiling first, then goodput and latency.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::flow::cpu_per_gigabyte;
use super::{Figure, Run, Scenario};
use crate::job::{Job, Link, Packets, Traffic};
use crate::run::Pair;

/// The UDP payload that fits an Ethernet frame over IPv4.
const PAYLOAD_BYTES_MAX: usize = 1472;

/// Who stays on such links; those with a choice of controllers, with each. Ours also as it is without
/// any setting.
const GOODPUT: &[&str] = &[
    "undertone",
    "undertone-default",
    "undertone-cubic",
    "quinn-bbr",
    "quinn",
    "s2n-quic-bbr",
    "s2n-quic",
    "quiche-bbr2",
    "quiche",
    "kcp",
    "enet",
    "limit",
];

/// Windows do not matter to small messages.
const LATENCY: &[&str] = &[
    "undertone",
    "undertone-cubic",
    "quinn-bbr",
    "quinn",
    "s2n-quic-bbr",
    "s2n-quic",
    "quiche-bbr2",
    "quiche",
    "kcp",
    "enet",
    "limit",
];

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = vec![Scenario {
        name: CEILING,
        about: "what the proxy of the scenarios below passes on at most, and how late it is",
        contenders: &["limit"],
        seconds: 2,
        traffic: Traffic::Bulk,
        packets: Packets::Ethernet,
        link: Some(Link::default()),
        run: ceiling,
    }];
    all.extend(goodputs());
    all.extend(latencies());
    all
}

/// The scenario that is shown before those that go through the proxy.
pub const CEILING: &str = "proxy";

fn goodputs() -> [Scenario; 4] {
    let goodput = |name, about, link| Scenario {
        name,
        about,
        contenders: GOODPUT,
        seconds: 10,
        traffic: Traffic::Bulk,
        packets: Packets::Ethernet,
        link: Some(link),
        run: goodput,
    };
    [
        goodput(
            "goodput-20ms",
            "20 ms RTT, no loss, 100 Mbit/s, a queue of 50 ms",
            link(20, 0.0, 100, 50),
        ),
        goodput(
            "goodput-50ms-1pct",
            "50 ms RTT, 1 % loss each way, 100 Mbit/s, a queue of 50 ms",
            link(50, 0.01, 100, 50),
        ),
        goodput(
            "goodput-100ms-5pct",
            "100 ms RTT, 5 % loss each way, 20 Mbit/s, a queue of 100 ms",
            link(100, 0.05, 20, 100),
        ),
        goodput(
            "goodput-200ms-jitter",
            "200 ms RTT, each way 20 ms of jitter (each packet evenly from 80 to 120 ms, so that they overtake each other), 2 % loss each way, 20 Mbit/s, a queue of 100 ms",
            Link {
                jitter_us: 20_000,
                ..link(200, 0.02, 20, 100)
            },
        ),
    ]
}

fn latencies() -> [Scenario; 2] {
    let latency = |name, about, link| Scenario {
        name,
        about,
        contenders: LATENCY,
        seconds: 20,
        traffic: Traffic::Beat {
            bytes: 64,
            per_second: 50,
        },
        packets: Packets::Ethernet,
        link: Some(link),
        run: latency,
    };
    [
        latency(
            "latency-50ms-1pct",
            "64-byte messages at 50/s, one way, in order; 50 ms RTT, 1 % loss each way, 100 Mbit/s",
            link(50, 0.01, 100, 50),
        ),
        latency(
            "latency-100ms-5pct",
            "64-byte messages at 50/s, one way, in order; 100 ms RTT, 5 % loss each way, 20 Mbit/s",
            link(100, 0.05, 20, 100),
        ),
    ]
}

/// A link of an Ethernet's packet size.
pub(super) fn link(rtt_ms: u64, loss: f64, rate_mbps: u64, queue_ms: u64) -> Link {
    Link {
        delay_us: rtt_ms * 1000 / 2,
        jitter_us: 0,
        loss,
        rate_bps: rate_mbps * 1_000_000,
        queue_us: queue_ms * 1000,
        payload_bytes_max: PAYLOAD_BYTES_MAX,
    }
}

/// What arrives of a flood through a link without limits, and how late packets leave a link at
/// 100 Mbit/s.
fn ceiling(job: &Job, run: Run) -> Result<Vec<Figure>> {
    let mut pair = Pair::start(job, run.seed)?;
    let measured = pair.measure(Duration::from_millis(300), run.length)?;
    let throughput = measured.server.bytes() / measured.server.seconds() / 1e6;
    drop(pair);
    let mut job = job.clone();
    job.link = Some(link(20, 0.0, 100, 50));
    let mut pair = Pair::start(&job, run.seed)?;
    pair.measure(Duration::from_millis(300), run.length)?;
    let proxy = pair.proxy.as_mut().context("no link")?.snapshot()?;
    Ok(vec![
        Figure::more("throughput", "MB/s", throughput),
        Figure::less("late at 100 Mbit/s: p50", "us", proxy.p50_ns as f64 / 1e3),
        Figure::less("p99", "us", proxy.p99_ns as f64 / 1e3),
    ])
}

/// From the first byte on: what a contender takes to find the link's rate counts.
fn goodput(job: &Job, run: Run) -> Result<Vec<Figure>> {
    let measured = Pair::start(job, run.seed)?.measure(Duration::ZERO, run.length)?;
    Ok(vec![
        Figure::more(
            "goodput",
            "MB/s",
            measured.server.bytes() / measured.server.seconds() / 1e6,
        ),
        cpu_per_gigabyte(&measured),
    ])
}

fn latency(job: &Job, run: Run) -> Result<Vec<Figure>> {
    let measured = Pair::start(job, run.seed)?.measure(Duration::from_secs(1), run.length)?;
    let heard = measured.server.to;
    ensure!(heard.samples > 0, "nothing arrives");
    Ok(vec![
        Figure::less("p50", "ms", heard.p50_ns as f64 / 1e6),
        Figure::less("p99", "ms", heard.p99_ns as f64 / 1e6),
        Figure::more(
            "arrived",
            "messages/s",
            measured.server.messages() / measured.server.seconds(),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_as_much_as_the_text_says() {
        let mut all = goodputs().into_iter();
        let jittery = all.find(|scenario| scenario.name == "goodput-200ms-jitter");
        let jittery = jittery.unwrap();
        let link = jittery.link.unwrap();
        let (least, most) = (
            (link.delay_us - link.jitter_us) / 1000,
            (link.delay_us + link.jitter_us) / 1000,
        );
        let said = format!("evenly from {least} to {most} ms");
        assert!(jittery.about.contains(&said), "{said}");
    }
}
