//! As much as goes on one connection: bytes, and messages.

use std::time::Duration;

use anyhow::Result;

use super::{Figure, Run, Scenario};
use crate::job::{Job, Packets, Traffic};
use crate::run::{Measured, Pair};

/// Before that, windows grow and packet sizes are discovered.
const WARM_UP: Duration = Duration::from_millis(700);

/// Who carries bytes on loopback.
const BYTES: &[&str] = &[
    "undertone",
    "quinn",
    "s2n-quic",
    "quiche",
    "quiche-bbr2",
    "kcp",
    "enet",
    "tcp-tls",
    "tcp",
    "limit",
];

/// Who discovers what a path takes, and who has no such limit.
const DISCOVERING: &[&str] = &[
    "undertone",
    "quinn",
    "s2n-quic",
    "quiche",
    "tcp-tls",
    "tcp",
    "limit",
];

/// Who keeps boundaries, one call each.
const MESSAGES: &[&str] = &[
    "undertone",
    "quinn",
    "s2n-quic",
    "quiche",
    "kcp",
    "enet",
    "tcp-tls",
    "tcp",
    "limit",
];

/// Who carries what a caller has buffered: streams of bytes.
const BUFFERED: &[&str] = &["undertone", "quinn", "s2n-quic", "quiche", "tcp-tls", "tcp"];

pub(super) fn scenarios() -> Vec<Scenario> {
    let bulk = |name, about, packets| Scenario {
        name,
        about,
        contenders: match packets {
            Packets::Ethernet => BYTES,
            Packets::Discovered => DISCOVERING,
        },
        seconds: 3,
        traffic: Traffic::Bulk,
        packets,
        link: None,
        run: bulk,
    };
    let messages = |name, about, bytes, buffered| Scenario {
        name,
        about,
        contenders: if buffered { BUFFERED } else { MESSAGES },
        seconds: 3,
        traffic: Traffic::Messages { bytes, buffered },
        packets: Packets::Ethernet,
        link: None,
        run: messages,
    };
    vec![
        bulk(
            "bulk",
            "one stream as fast as it goes, packets of 1452 bytes",
            Packets::Ethernet,
        ),
        bulk(
            "bulk-mtu",
            "one stream as fast as it goes, packets as large as each finds that the path takes",
            Packets::Discovered,
        ),
        messages(
            "messages-64",
            "messages of 64 bytes, boundaries kept, a call each",
            64,
            false,
        ),
        messages(
            "messages-64-buffered",
            "messages of 64 bytes, collected and framed in a buffer of 64 KiB by the caller",
            64,
            true,
        ),
        messages(
            "messages-1k",
            "messages of 1 KiB, boundaries kept, a call each",
            1024,
            false,
        ),
        messages(
            "messages-1k-buffered",
            "messages of 1 KiB, collected and framed in a buffer of 64 KiB by the caller",
            1024,
            true,
        ),
    ]
}

fn bulk(job: &Job, run: Run) -> Result<Vec<Figure>> {
    let measured = Pair::start(job, run.seed)?.measure(WARM_UP, run.length)?;
    let bytes = measured.server.bytes();
    Ok(vec![
        Figure::more(
            "throughput",
            "MB/s",
            bytes / measured.server.seconds() / 1e6,
        ),
        cpu_per_gigabyte(&measured),
    ])
}

fn messages(job: &Job, run: Run) -> Result<Vec<Figure>> {
    let measured = Pair::start(job, run.seed)?.measure(WARM_UP, run.length)?;
    let messages = measured.server.messages();
    Ok(vec![
        Figure::more(
            "messages",
            "k/s",
            messages / measured.server.seconds() / 1e3,
        ),
        Figure::less("CPU", "us/message", measured.cpu_s() * 1e6 / messages),
    ])
}

/// CPU time of both sides.
pub(super) fn cpu_per_gigabyte(measured: &Measured) -> Figure {
    let gigabytes = measured.server.bytes() / 1e9;
    Figure::less("CPU", "s/GB", measured.cpu_s() / gigabytes)
}
