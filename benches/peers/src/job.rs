//! What the two processes of a run are told to do.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Socket buffers of every peer, in each direction: what Linux grants without privileges after
/// `sysctl net.core.{r,w}mem_max=4194304`, and undertone's default.
pub const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// What a run does, whoever does it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The contender's name, as `quinn-bbr`.
    pub peer: String,
    /// What travels.
    pub traffic: Traffic,
    /// How large packets are.
    pub packets: Packets,
    /// The link in between; none is loopback itself.
    pub link: Option<Link>,
}

/// What travels, from client to server unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Traffic {
    /// One stream of bytes, as fast as it goes.
    Bulk,
    /// Messages of so many bytes with their boundaries kept, as fast as it goes.
    Messages {
        /// Bytes of each.
        bytes: usize,
        /// The caller collects them in a buffer of 64 KiB and frames them itself; otherwise each
        /// is one call.
        buffered: bool,
    },
    /// A message there, the same back, and the next one.
    Ping {
        /// Bytes of each.
        bytes: usize,
    },
    /// Messages at a steady rate, each with the time at which it was sent.
    Beat {
        /// Bytes of each.
        bytes: usize,
        /// How many a second.
        per_second: u32,
    },
    /// Connections made and closed, one after the other.
    Handshakes {
        /// With a ticket of the connection before.
        resumed: bool,
    },
    /// Connections made and kept.
    Idle {
        /// How many.
        connections: usize,
    },
}

/// How a peer is used to carry traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A stream of bytes.
    Bytes,
    /// Messages with boundaries: the peer's own, or a length in front of each where it has none.
    Messages,
}

impl Traffic {
    /// How a peer is used for it.
    pub fn style(self) -> Style {
        match self {
            Self::Bulk | Self::Messages { buffered: true, .. } => Style::Bytes,
            _ => Style::Messages,
        }
    }

    /// Whether it is one connection and what travels on it.
    pub fn is_flow(self) -> bool {
        !matches!(self, Self::Handshakes { .. } | Self::Idle { .. })
    }
}

/// How large packets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Packets {
    /// UDP payloads of 1452 bytes, which fit an Ethernet frame.
    Ethernet,
    /// What the peer finds that the path takes.
    Discovered,
}

/// The UDP payload of [`Packets::Ethernet`].
pub const ETHERNET_BYTES: u16 = 1452;

/// A link as the proxy imitates it, the same in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Delay one way, in microseconds.
    pub delay_us: u64,
    /// The delay of each packet varies evenly by so much up and down, in microseconds, so that
    /// packets overtake each other: what `netem` means by jitter, and the project's simulation.
    pub jitter_us: u64,
    /// Share of packets lost behind the bottleneck, 0 to 1.
    pub loss: f64,
    /// Bits a second through the bottleneck, IP and UDP headers included; 0 is no limit.
    pub rate_bps: u64,
    /// How long a packet may have to wait in the queue before the bottleneck, in microseconds; what
    /// would wait longer is dropped.
    pub queue_us: u64,
    /// The longest UDP payload that passes; 0 is no limit.
    pub payload_bytes_max: usize,
}

/// Where a server is and how to know that it is the one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Target {
    /// Its UDP or TCP address.
    pub address: SocketAddr,
    /// Its key's fingerprint or its certificate in hexadecimal digits; empty for those without.
    pub identity: String,
}
