//! What is on its way to the kernel.

use std::io;
use std::net::IpAddr;

use quinn_udp::{EcnCodepoint, UdpSockRef, UdpSocketState, is_msg_size_err};
use transport::{Ecn, Instant, Machine, Transmit};

use crate::Clock;
use crate::socket::{SocketStats, state_of};
use crate::source::{Sources, may_be_source};

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

    /// Sends the next segments, with one system call where nothing is amiss. An error other than
    /// `WouldBlock` drops what it was for.
    pub(crate) fn send(
        &mut self,
        clock: &Clock,
        io: &mio::net::UdpSocket,
        state: &mut UdpSocketState,
        sources: &mut Sources,
        stats: &mut SocketStats,
    ) -> io::Result<()> {
        let Some(next) = self.next(state.max_gso_segments()) else {
            return Ok(());
        };
        let source = sources.source(next.transmit.local, || clock.now());
        let mut result = next.send(io, state, sources, source);
        if let (Some(_), Some(local), Err(error)) = (source, next.transmit.local, &result)
            && may_be_source(error.kind())
        {
            // It may be the source, or segmentation, or the network; without a source it shows.
            // The state has taken EINVAL for a sign that the kernel knows neither offload nor ECN; one
            // that begins anew learns it again, where it is so.
            if error.kind() == io::ErrorKind::InvalidInput
                && let Ok(unspoilt) = state_of(io)
            {
                *state = unspoilt;
            }
            result = next.send(io, state, sources, None);
            if result.is_ok() {
                stats.source_refused += 1;
                sources.refuse(local, clock.now());
            }
        }
        let Next { count, end, .. } = next;
        let len = next.contents.len();
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

    /// What goes into the next call.
    fn next(&self, segments_max: usize) -> Option<Next<'_>> {
        let transmit = self.pending?;
        let segment_len = transmit.segment_len.unwrap_or(transmit.len).max(1);
        let segments = (SEND_BYTES_MAX / segment_len).clamp(1, segments_max.max(1));
        let end = transmit.len.min(
            self.sent
                .saturating_add(segment_len.saturating_mul(segments)),
        );
        let contents = self.buffer.get(self.sent..end).unwrap_or_default();
        Some(Next {
            transmit,
            contents,
            segment_len,
            count: contents.len().div_ceil(segment_len),
            end,
        })
    }

    fn advance(&mut self, end: usize) {
        self.sent = end;
        if self.pending.as_ref().is_none_or(|t| end >= t.len) {
            self.pending = None;
        }
    }
}

/// As many segments as one call takes.
struct Next<'a> {
    transmit: Transmit,
    contents: &'a [u8],
    segment_len: usize,
    count: usize,
    /// Where they end in the outbox.
    end: usize,
}

impl Next<'_> {
    fn send(
        &self,
        io: &mio::net::UdpSocket,
        state: &UdpSocketState,
        sources: &Sources,
        source: Option<IpAddr>,
    ) -> io::Result<()> {
        state.try_send(
            UdpSockRef::from(io),
            &quinn_udp::Transmit {
                destination: sources.destination(self.transmit.remote),
                ecn: self.transmit.ecn.map(to_codepoint),
                contents: self.contents,
                segment_size: (self.count > 1).then_some(self.segment_len),
                src_ip: source,
            },
        )
    }
}

fn to_codepoint(ecn: Ecn) -> EcnCodepoint {
    match ecn {
        Ecn::Ect0 => EcnCodepoint::Ect0,
        Ecn::Ect1 => EcnCodepoint::Ect1,
        Ecn::Ce => EcnCodepoint::Ce,
    }
}
