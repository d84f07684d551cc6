//! Datagrams as they pass between an endpoint and its driver.

use core::net::SocketAddr;

/// The explicit congestion notification bits of an IP header (RFC 3168).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ecn {
    /// ECT(0): the sender can react to marks.
    Ect0,
    /// ECT(1).
    Ect1,
    /// Congestion experienced.
    Ce,
}

/// What the driver knows of a datagram that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Where it came from.
    pub remote: SocketAddr,
    /// Its ECN bits, if any were set.
    pub ecn: Option<Ecn>,
}

/// Datagrams to send, all to one address: the bytes of the buffer that was handed to
/// `poll_transmit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub remote: SocketAddr,
    /// How many bytes of the buffer are to be sent.
    pub len: usize,
    /// Length of each datagram but the last, which may be shorter; `None` when it is only one.
    /// What segmentation offload takes as its segment size.
    pub segment_len: Option<usize>,
    /// ECN bits to set.
    pub ecn: Option<Ecn>,
}
