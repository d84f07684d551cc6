//! Connections that are made and then say nothing.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Figure, Run, Scenario};
use crate::job::{Job, Packets, Traffic};
use crate::meter::Snapshot;
use crate::run::{self, Process, Server};

/// Nobody takes longer than this for a connection on loopback, with both ends on a core.
const PATIENCE_EACH: Duration = Duration::from_millis(10);

/// And for the client to begin.
const PATIENCE: Duration = Duration::from_secs(10);

/// From the last connection to the first look.
const SETTLING: Duration = Duration::from_secs(5);

pub(super) fn scenarios() -> [Scenario; 2] {
    let idle = |name, about, contenders, connections| Scenario {
        name,
        about,
        contenders,
        seconds: 5,
        traffic: Traffic::Idle { connections },
        packets: Packets::Ethernet,
        link: None,
        run,
    };
    [
        idle(
            "idle-10k",
            "10,000 connections made and left alone: memory of the server's process for each",
            &["undertone", "quinn", "s2n-quic", "tcp-tls"],
            10_000,
        ),
        idle(
            "idle-100k",
            "100,000 connections from one socket, made and left alone: memory of the server's process for each",
            &["undertone", "quinn", "s2n-quic"],
            100_000,
        ),
    ]
}

/// A client that has made `connections` to the server.
fn connect(job: &Job, server: &mut Server, connections: usize) -> Result<Process> {
    let known = server.process.snapshot()?.connections;
    let begun = Instant::now();
    let patience = PATIENCE + PATIENCE_EACH * connections as u32;
    let mut client = run::client(job, &server.target)?;
    while server.process.snapshot()?.connections < known + connections as u64 {
        ensure!(begun.elapsed() < patience, "connections are not made");
        // A client that has lost a connection has ended, and says why.
        client.snapshot()?;
        thread::sleep(Duration::from_millis(50));
    }
    Ok(client)
}

/// What is resident, and what the allocator has given out, above what was before; and by how much
/// the former has changed when the connections have been left alone for the length of the run.
fn run(job: &Job, run: Run) -> Result<Vec<Figure>> {
    let Traffic::Idle { connections } = job.traffic else {
        return Ok(Vec::new());
    };
    let mut server = Server::start(job)?;
    // What the first connection brings into memory, code for the most part, the others share.
    let alone = Job {
        traffic: Traffic::Idle { connections: 1 },
        ..job.clone()
    };
    drop(connect(&alone, &mut server, 1)?);
    let before = server.process.snapshot()?;
    let begun = Instant::now();
    let mut client = connect(job, &mut server, connections)?;
    let rate = connections as f64 / begun.elapsed().as_secs_f64();
    // What handshakes leave behind for a moment is not what idleness costs.
    thread::sleep(SETTLING);
    let settled = server.process.snapshot()?;
    thread::sleep(run.length);
    let after = server.process.snapshot()?;
    client.snapshot()?;
    let each = |bytes: f64| bytes / connections as f64 / 1024.0;
    let resident = |now: Snapshot| now.rss_bytes as f64 - before.rss_bytes as f64;
    Ok(vec![
        Figure::less("resident", "KiB", each(resident(after))),
        Figure::less(
            "allocated",
            "KiB",
            each((after.allocated_bytes - before.allocated_bytes) as f64),
        ),
        Figure::less(
            "drift",
            "%",
            (resident(after) / resident(settled) - 1.0) * 100.0,
        ),
        Figure::more("made", "/s", rate),
    ])
}
