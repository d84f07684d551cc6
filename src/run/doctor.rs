//! What the path to a server gives: a handshake, some probes, and words about them.

use std::net::SocketAddr;
use std::time::Duration;

use crypto::Fingerprint;
use net::{BindOptions, Offload};
use tls::Trust;
use transport::{Counters, EcnSupport, Instant, Stats};

use super::problem::Problem;
use super::resolve::resolve;
use super::visit::{Visit, socket_failed};
use super::way::any_port;

/// A probe that is not answered in this time is lost.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);

/// Between two probes.
const PAUSE: Duration = Duration::from_millis(20);

/// How long the search for the longest datagram may take.
const MTU_PATIENCE: Duration = Duration::from_secs(5);

/// How long a connection may take to find its peer from another port.
const REBIND_PATIENCE: Duration = Duration::from_secs(3);

/// What to look at.
pub struct Settings {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whom to take for the server.
    pub trust: Trust,
    /// How many probes to send.
    pub probes: u32,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Findings {
    /// The server's address.
    pub address: SocketAddr,
    /// Its key, as it proved to hold it.
    pub fingerprint: Option<Fingerprint>,
    /// From the first packet to the end of the handshake, the server's puzzle included.
    pub handshake: Duration,
    /// The shortest round trip.
    pub rtt_min: Duration,
    /// Half of the probes' round trips were shorter, the peer's hold included.
    pub rtt_median: Duration,
    /// Probes sent.
    pub probes: u32,
    /// Those that were lost, there or back.
    pub probes_lost: u32,
    /// The largest datagram that has passed, in bytes of UDP payload.
    pub datagram_bytes: usize,
    /// What the kernel takes off the program.
    pub offload: Offload,
    /// Whether marks of congestion pass (ECN), so that routers need not drop packets to be heard.
    pub ecn: EcnSupport,
    /// The connection went on when this end's port changed, as a NAT changes it.
    pub survives_rebinding: bool,
}

/// Looks at the path to a server. Needs no account.
///
/// # Errors
/// The server cannot be reached, or is not the one that is trusted.
pub fn examine(settings: Settings) -> Result<Findings, Problem> {
    let address = resolve(&settings.host, settings.port)?;
    let mut visit = Visit::begin(address, settings.trust)?;
    visit.until_connected()?;
    visit.search_mtu()?;
    let samples = visit.probe(settings.probes)?;
    let stats = visit.stats()?;
    let fingerprint = visit.fingerprint();
    let offload = visit.driver.offload();
    let survives_rebinding = visit.survives_rebinding()?;
    visit.leave();
    Ok(Findings {
        address,
        fingerprint,
        handshake: stats.handshake.unwrap_or_default(),
        rtt_min: stats.rtt_min.unwrap_or_default(),
        rtt_median: median(&samples).unwrap_or(stats.srtt),
        probes: settings.probes,
        probes_lost: settings.probes.saturating_sub(samples.len() as u32),
        datagram_bytes: stats.datagram_bytes,
        offload,
        ecn: stats.ecn,
        survives_rebinding,
    })
}

fn median(samples: &[Duration]) -> Option<Duration> {
    let mut sorted = samples.to_vec();
    sorted.sort();
    sorted.get(sorted.len() / 2).copied()
}

impl Findings {
    /// What a person may want to do about it; empty where all is well.
    pub fn advice(&self) -> Vec<&'static str> {
        let lossy = self.probes_lost * 50 > self.probes;
        let narrow = self.datagram_bytes < 1400;
        let slow = self.rtt_min > Duration::from_millis(300);
        let shaky = self.rtt_median > self.rtt_min * 3 + Duration::from_millis(20);
        let plain = self.offload.send_segments <= 1;
        [
            (
                lossy,
                "packets get lost: try a cable, or come closer to the access point",
            ),
            (
                narrow,
                "the path takes small datagrams only, as tunnels do: bulk costs more",
            ),
            (
                slow,
                "the server is far away, or its answers take a detour: look at VPN settings",
            ),
            (
                shaky,
                "round trips vary a lot: something on the way queues, such as an upload",
            ),
            (
                plain,
                "the kernel takes no trains of datagrams (GSO): bulk costs more",
            ),
            (
                !self.survives_rebinding,
                "a connection does not outlive a change of port: behind a NAT it is made anew",
            ),
        ]
        .into_iter()
        .filter_map(|(applies, words)| applies.then_some(words))
        .collect()
    }
}

impl Visit {
    fn stats(&mut self) -> Result<Stats, Problem> {
        self.connection().map(|connection| connection.stats())
    }

    /// Finds out how long datagrams may be. Smaller probes behind each show whether it was lost.
    fn search_mtu(&mut self) -> Result<(), Problem> {
        let deadline = self.driver.now() + MTU_PATIENCE;
        self.connection()?.search_mtu();
        while self.connection()?.is_searching_mtu() && self.driver.now() < deadline {
            self.until(PAUSE, |_| false)?;
            self.connection()?.ping();
        }
        Ok(())
    }

    /// Sends probes one by one. Gives the round trips of those that came back.
    fn probe(&mut self, count: u32) -> Result<Vec<Duration>, Problem> {
        let mut samples = Vec::new();
        for _ in 0..count {
            samples.extend(self.probe_once(PROBE_PATIENCE)?);
            self.until(PAUSE, |_| false)?;
        }
        Ok(samples)
    }

    /// One probe's round trip, if it was not lost. That it was late, on a busy machine for instance, is no loss.
    fn probe_once(&mut self, patience: Duration) -> Result<Option<Duration>, Problem> {
        let lost =
            |counters: &Counters| counters.packets_lost.saturating_sub(counters.packets_late);
        let before = self.stats()?.counters;
        self.connection()?.ping();
        let sent: Instant = self.driver.now();
        let deadline = sent + patience;
        loop {
            let stats = self.stats()?;
            let (now, counters) = (self.driver.now(), stats.counters);
            let is_sent = counters.packets_sent > before.packets_sent;
            if is_sent && stats.bytes_in_flight == 0 {
                let has_come = lost(&counters) <= lost(&before);
                return Ok(has_come.then_some(stats.rtt_latest));
            }
            if now >= deadline {
                return Ok(None);
            }
            self.turn(deadline.since(now))?;
            if let Some(reason) = self.closed.clone() {
                return Err(self.problem(&reason));
            }
        }
    }

    /// Goes on from another port, as if a NAT had forgotten the old one.
    fn survives_rebinding(&mut self) -> Result<bool, Problem> {
        self.driver
            .rebind(any_port(self.address), &BindOptions::client())
            .map_err(|error| socket_failed(&error))?;
        let deadline = self.driver.now() + REBIND_PATIENCE;
        let before = self.stats()?.counters.packets_received;
        self.connection()?.ping();
        while self.stats()?.counters.packets_received == before {
            let left = deadline.since(self.driver.now());
            if left.is_zero() || self.closed.is_some() {
                return Ok(false);
            }
            self.turn(left)?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Findings {
        Findings {
            address: ([127, 0, 0, 1], 5000).into(),
            fingerprint: None,
            handshake: Duration::from_millis(3),
            rtt_min: Duration::from_millis(20),
            rtt_median: Duration::from_millis(24),
            probes: 20,
            probes_lost: 0,
            datagram_bytes: 1452,
            offload: Offload {
                send_segments: 64,
                receive_segments: 64,
            },
            ecn: EcnSupport::Capable,
            survives_rebinding: true,
        }
    }

    #[test]
    fn a_good_path_needs_no_advice() {
        assert!(findings().advice().is_empty());
    }

    #[test]
    fn advice_names_what_is_wrong() {
        let mut bad = findings();
        bad.probes_lost = 1;
        bad.datagram_bytes = 1280;
        bad.rtt_min = Duration::from_millis(400);
        bad.rtt_median = Duration::from_millis(1300);
        bad.offload.send_segments = 1;
        bad.survives_rebinding = false;
        assert_eq!(bad.advice().len(), 6);
        assert!(bad.advice()[0].contains("lost"));
    }
}
