//! Datagrams as they pass between an endpoint and its driver.

use core::net::{IpAddr, SocketAddr};

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
    /// The address of ours that it was sent to, where the driver knows it: what answers it has to come
    /// from there (see [`Transmit::local`]). IPv4 is given as IPv4, as in `remote`.
    pub local: Option<IpAddr>,
    /// Its ECN bits, if any were set.
    pub ecn: Option<Ecn>,
}

impl Meta {
    pub(crate) fn addresses(&self) -> Addresses {
        Addresses {
            remote: self.remote,
            local: self.local,
        }
    }
}

/// The two ends of a path (docs/PROTOCOL.md §4.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) remote: SocketAddr,
    /// Ours; `None` is whichever the driver's system chooses. A client never has one: that its system
    /// chooses anew is how it goes on from another network.
    pub(crate) local: Option<IpAddr>,
}

/// Datagrams to send, all to one address: the bytes of the buffer that was handed to
/// `poll_transmit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub remote: SocketAddr,
    /// The address of ours to send it from: the one that was asked, since NATs and firewalls on the way
    /// let no answer from another pass. `None`: whichever the system chooses. A driver whose socket is bound to
    /// one address need not look; one whose system has the address no more goes by its system's choice.
    pub local: Option<IpAddr>,
    /// How many bytes of the buffer are to be sent.
    pub len: usize,
    /// Length of each datagram but the last, which may be shorter; `None` when it is only one.
    /// What segmentation offload takes as its segment size.
    pub segment_len: Option<usize>,
    /// ECN bits to set.
    pub ecn: Option<Ecn>,
}
