//! What is on its way to the kernel.

use std::io;
use std::net::{IpAddr, SocketAddr};

use quinn_udp::{EcnCodepoint, UdpSockRef, UdpSocketState, is_msg_size_err};
use transport::{Ecn, Instant, Machine, Transmit};

use crate::socket::SocketStats;

/// Bytes in one system call. The kernel refuses more than 65,507 less a little, and splits
/// just below that.
const SEND_BYTES_MAX: usize = 65_000;

/// At most one [`Transmit`] of the machine, and how much of it is sent.
#[derive(Debug)]
pub(crate) struct Outbox {
    buffer: Vec<u8>,
    pending: Option<Transmit>,
    sent: usize,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            buffer: Vec::with_capacity(SEND_BYTES_MAX),
            pending: None,
            sent: 0,
        }
    }
}

impl Outbox {
    /// Whether everything was sent or given up.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_none()
    }

    /// Asks the machine for as much as goes into one system call. False when it has nothing.
    pub(crate) fn fill(
        &mut self,
        now: Instant,
        machine: &mut impl Machine,
        segments_max: usize,
    ) -> bool {
        self.buffer.clear();
        self.sent = 0;
        self.pending = machine.poll_transmit(now, segments_max, &mut self.buffer);
        let Some(transmit) = &mut self.pending else {
            return false;
        };
        transmit.len = transmit.len.min(self.buffer.len());
        true
    }

    /// One system call for the next segments. An error other than `WouldBlock` drops what it was
    /// for.
    pub(crate) fn send(
        &mut self,
        io: &mio::net::UdpSocket,
        state: &UdpSocketState,
        ipv6: bool,
        stats: &mut SocketStats,
    ) -> io::Result<()> {
        let Some(transmit) = &self.pending else {
            return Ok(());
        };
        let segment_len = transmit.segment_len.unwrap_or(transmit.len).max(1);
        let segments = (SEND_BYTES_MAX / segment_len).clamp(1, state.max_gso_segments().max(1));
        let end = transmit.len.min(
            self.sent
                .saturating_add(segment_len.saturating_mul(segments)),
        );
        let contents = self.buffer.get(self.sent..end).unwrap_or_default();
        let count = contents.len().div_ceil(segment_len);
        let result = state.try_send(
            UdpSockRef::from(io),
            &quinn_udp::Transmit {
                destination: as_family(transmit.remote, ipv6),
                ecn: transmit.ecn.map(to_codepoint),
                contents,
                segment_size: (count > 1).then_some(segment_len),
                src_ip: None,
            },
        );
        let len = contents.len();
        match result {
            Ok(()) => {
                stats.send_calls += 1;
                stats.sent += count as u64;
                stats.sent_bytes += len as u64;
                self.advance(end);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stats.send_blocked += 1;
                Err(error)
            }
            // The device cannot segment. The state has noted it, and the same
            // bytes go one by one.
            Err(error)
                if count > 1 && matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL)) =>
            {
                Ok(())
            }
            Err(error) => {
                match error.raw_os_error() {
                    Some(libc::ENOBUFS | libc::ENOMEM) => stats.send_no_buffers += 1,
                    _ if is_msg_size_err(&error) => stats.send_too_long += 1,
                    _ => stats.send_errors += 1,
                }
                self.advance(end);
                Err(error)
            }
        }
    }

    fn advance(&mut self, end: usize) {
        self.sent = end;
        if self.pending.as_ref().is_none_or(|t| end >= t.len) {
            self.pending = None;
        }
    }
}

/// `address` as a socket of this family takes it.
fn as_family(address: SocketAddr, ipv6: bool) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(v4) if ipv6 => SocketAddr::new(v4.to_ipv6_mapped().into(), address.port()),
        _ => address,
    }
}

fn to_codepoint(ecn: Ecn) -> EcnCodepoint {
    match ecn {
        Ecn::Ect0 => EcnCodepoint::Ect0,
        Ecn::Ect1 => EcnCodepoint::Ect1,
        Ecn::Ce => EcnCodepoint::Ce,
    }
}
