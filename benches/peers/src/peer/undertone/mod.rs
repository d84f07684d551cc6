//! Ours: one endpoint, one socket, one thread, driven by `net::Driver`.

mod meet;
mod talk;

use anyhow::Result;
use crypto::{RsaBits, Secret, SigningKey};
use net::{BindOptions, Driver, OsRandom, unix_time_s};
use tls::{ClientSessions, Lifetime, NodeCertificate, ServerSessions, Trust, WallClock};
use transport::{Accept, Config, CongestionControl, Endpoint, OpenGate};

use super::Peer;
use crate::child::Desk;
use crate::datagrams::ANY_PORT;
use crate::job::{ETHERNET_BYTES, Job, Packets, SOCKET_BUFFER_BYTES, Target, Traffic};

/// What a flow may be ahead by, as for the others.
const WINDOW_BYTES: u64 = 16 << 20;

/// The port that clients open streams to.
const PORT: u16 = 7;

/// Undertone as it is set.
pub enum Undertone {
    /// With its own controller, and windows as the others have them.
    Wide,
    /// The same with CUBIC.
    Cubic,
    /// As somebody gets it who sets nothing.
    Default,
}

impl Peer for Undertone {
    fn settings(&self, job: &Job) -> String {
        let packets = match job.packets {
            Packets::Ethernet if self.is_set() => format!("packets of {ETHERNET_BYTES} bytes"),
            _ => "packets as discovered".to_owned(),
        };
        let controller = match self {
            Self::Wide | Self::Default => "default Config",
            Self::Cubic => "CUBIC",
        };
        let windows = if self.is_set() && job.traffic.is_flow() {
            "windows of 16 MiB"
        } else {
            "default windows"
        };
        format!(
            "{controller}, {windows}, {packets}, one thread, AES-256-GCM, X25519 and ML-KEM-768, an RSA-3072 identity over an Ed25519 certificate"
        )
    }

    fn serve(&self, desk: &Desk) -> Result<()> {
        let identity = SigningKey::generate(RsaBits::B3072, &mut OsRandom)?;
        let wall = WallClock::new(unix_time_s());
        let pkcs8 = identity.to_pkcs8();
        let certificate = NodeCertificate::issue(pkcs8.expose(), wall.now(), Lifetime::Online)?;
        let accept = Accept {
            sessions: Box::new(ServerSessions::new(certificate, &wall)?),
            gate: Box::new(OpenGate),
            secret: Secret::generate(&mut OsRandom),
        };
        let driver = Driver::bind(ANY_PORT, &options())?;
        desk.ready(&Target {
            address: driver.local_addr(),
            identity: identity.verifying_key().fingerprint().to_string(),
        });
        let endpoint = Endpoint::server(self.config(&desk.job), accept, Box::new(OsRandom));
        talk::Talks::new(driver, endpoint, desk).serve()
    }

    fn connect(&self, desk: &Desk, target: &Target) -> Result<()> {
        let driver = Driver::bind(ANY_PORT, &options())?;
        let endpoint = Endpoint::client(self.config(&desk.job), Box::new(OsRandom));
        let trust = Trust::Pinned(target.identity.parse()?);
        let sessions = ClientSessions::new(trust, &WallClock::new(unix_time_s()))?;
        let talks = talk::Talks::new(driver, endpoint, desk);
        match desk.job.traffic {
            Traffic::Handshakes { resumed: true } => {
                meet::Meetings::new(talks, target.clone(), Some(sessions)).make_and_close()
            }
            Traffic::Handshakes { resumed: false } => {
                meet::Meetings::new(talks, target.clone(), None).make_and_close()
            }
            Traffic::Idle { connections } => {
                meet::Meetings::new(talks, target.clone(), Some(sessions)).keep(connections)
            }
            _ => talks.connect(target.address, sessions),
        }
    }
}

fn options() -> BindOptions {
    let mut options = BindOptions::default();
    options.buffer_bytes = SOCKET_BUFFER_BYTES;
    options
}

impl Undertone {
    /// Whether a job's packets and windows are set.
    fn is_set(&self) -> bool {
        !matches!(self, Self::Default)
    }

    fn config(&self, job: &Job) -> Config {
        let mut config = Config::default();
        config.ports.insert(PORT);
        if !self.is_set() {
            return config;
        }
        if job.packets == Packets::Ethernet {
            config.datagram_bytes_max = usize::from(ETHERNET_BYTES);
        }
        if job.traffic.is_flow() {
            config.stream_window_bytes = WINDOW_BYTES;
            config.stream_window_bytes_max = WINDOW_BYTES;
            config.connection_window_bytes = WINDOW_BYTES;
            config.connection_window_bytes_max = WINDOW_BYTES;
        }
        if let Self::Cubic = self {
            config.congestion = CongestionControl::Cubic;
        }
        config
    }
}
