//! What is sent for the path's own sake (docs/PROTOCOL.md §4.8).

use codec::Writer;

use crate::datagram::Transmit;
use crate::frame;
use crate::recovery::SentFrame;
use crate::{Epoch, Instant};

use super::Connection;
use super::space::index;

impl Connection {
    /// The handshake is confirmed: datagrams may grow, as far as both ends allow.
    pub(super) fn allow_longer_datagrams(&mut self) {
        let peer = self.peer.as_ref().map_or(0, |peer| peer.max_datagram);
        let own = u64::try_from(self.config.datagram_bytes_max).unwrap_or(u64::MAX);
        self.mtu.allow(peer.min(own));
    }

    /// A datagram of its own that finds out whether the path takes longer ones: a PING, filled up
    /// (RFC 9000 §14.4).
    pub(super) fn transmit_mtu_probe(
        &mut self,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Option<Transmit> {
        let window = self.congestion.window();
        let len = self.mtu.probe_len(now, window)?;
        // Where one of usual length may go: a sender that fills its window has never more room.
        let usual = self.mtu.current() as u64;
        let has_room = self.pto_count == 0 && self.may_send_more(now, usual);
        if !has_room || !self.prepare_data_keys(now) {
            return None;
        }
        let start = out.len();
        let builder = self.begin_packet(Epoch::Data, out);
        Writer::new(out).u8(frame::PING);
        builder.pad_to(out, start + len);
        self.seal(now, Epoch::Data, builder, out);
        self.congestion
            .on_sent(now, len as u64, self.totals.in_flight);
        let sent = &mut self.spaces[index(Epoch::Data)].sent;
        sent.note(SentFrame::MtuProbe { len: len as u16 });
        sent.on_sent(now, len, 1, true, &mut self.totals);
        self.notes.counters.packets_sent += 1;
        self.on_datagram_sent(now, len, true);
        self.mtu.on_probe_sent();
        Some(Transmit {
            remote: self.remote,
            len,
            segment_len: None,
            ecn: self.ecn.mark(self.pto_count),
        })
    }

    /// Packets were lost: perhaps because the path no longer takes their length.
    pub(super) fn detect_black_hole(&mut self) {
        let sent = &mut self.spaces[index(Epoch::Data)].sent;
        if self.mtu.is_black_hole(sent.long().lost(), self.pto_count) {
            sent.forgive_long_losses();
            self.mtu.reset();
        }
    }
}
