//! Thin streams: what was said last is said again while there is room (docs/PROTOCOL.md §4.5).

use core::ops::Range;

use codec::Writer;

use super::collection::Streams;
use super::{Mode, StreamId};
use crate::frame;
use crate::recovery::SentFrame;

/// So many frames are remembered; what was sent before them is not repeated any more.
const RECENT: usize = 8;

/// Longer frames than this are not repeated.
const FRAME_BYTES_MAX: usize = 512;

/// What a repeated frame costs beside its bytes, about.
const HEADER: usize = 8;

/// What it costs at most: type, stream, offset, length.
const HEADER_MAX: usize = 1 + 8 + 8 + 2;

/// What a packet costs beside its payload: header and tag, and what UDP, IPv4 and Ethernet add.
const PACKET: u32 = 27 + 66;

/// Repeats that may be saved up, in bytes.
const CREDIT_MAX: u32 = 2048;

/// Losses are counted over so many packets, and half as many before them.
const LOSS_WINDOW: u16 = 256;

/// With fewer packets than this nothing is known about losses.
const LOSS_WINDOW_MIN: u16 = 32;

/// A stream frame that was sent of late.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    id: u64,
    start: u64,
    /// The low bits of its packet's number.
    packet: u32,
    len: u16,
    fin: bool,
    /// How often it may yet be repeated.
    left: u8,
}

/// Which small stream frames a connection repeats, and how much of that it may.
///
/// Repeats are at most a third of all bytes sent, lower layers included, and each frame goes once
/// more, with the next packet. Where one packet in 64 is lost, two in a row are too often
/// lost together, and hold up what follows: then it goes twice more, and repeats are at most half.
#[derive(Debug)]
pub(crate) struct Repeats {
    recent: Option<Box<[Recent; RECENT]>>,
    /// Where the next frame goes.
    next: usize,
    /// Bytes that may be repeated.
    credit: u32,
    /// Packets sent, and how many of them were lost.
    sent: u16,
    lost: u16,
    /// Packets ever lost, when that was last looked at.
    lost_before: u64,
}

impl Default for Repeats {
    fn default() -> Self {
        Self {
            recent: None,
            next: 0,
            credit: CREDIT_MAX / 4,
            sent: 0,
            lost: 0,
            lost_before: 0,
        }
    }
}

impl Repeats {
    /// `packet` carries a frame.
    pub(crate) fn note(&mut self, packet: u64, sent: &SentFrame) {
        let SentFrame::Stream { id, range, fin } = sent else {
            return;
        };
        let len = range.end - range.start;
        if len > FRAME_BYTES_MAX as u64 {
            return;
        }
        let left = self.copies();
        self.recent.get_or_insert_default()[self.next] = Recent {
            id: *id,
            start: range.start,
            packet: packet as u32,
            len: len as u16,
            fin: *fin,
            left,
        };
        self.next = (self.next + 1) % RECENT;
    }

    /// Forgets what was said, after a while in which nobody missed it.
    pub(crate) fn rest(&mut self) {
        self.recent = None;
    }

    /// How often a frame is repeated.
    fn copies(&self) -> u8 {
        if self.is_lossy() { 2 } else { 1 }
    }

    fn is_lossy(&self) -> bool {
        self.sent < LOSS_WINDOW_MIN || self.lost > self.sent / 64
    }

    /// A packet with `said` bytes of payload, repeats not counted, was sent; `lost` packets were
    /// ever lost.
    pub(crate) fn on_sent(&mut self, said: usize, lost: u64) {
        let newly_lost = lost
            .saturating_sub(self.lost_before)
            .min(u64::from(LOSS_WINDOW));
        self.lost_before = lost;
        if self.sent >= LOSS_WINDOW {
            self.sent /= 2;
            self.lost /= 2;
        }
        self.sent += 1;
        self.lost = self.lost.saturating_add(newly_lost as u16);
        let fresh = said as u32 + PACKET;
        let earned = if self.is_lossy() { fresh } else { fresh / 2 };
        self.credit = (self.credit + earned).min(CREDIT_MAX);
    }
}

impl Streams {
    /// Appends frames of recent packets that are still unacknowledged to `packet`, the newest first,
    /// which may grow up to `end` bytes. In a `probe` goes whatever is remembered.
    pub(crate) fn write_repeats(
        &self,
        repeats: &mut Repeats,
        packet: u64,
        probe: bool,
        end: usize,
        out: &mut Vec<u8>,
        mut sent: impl FnMut(SentFrame),
    ) {
        let Some(remembered) = &mut repeats.recent else {
            return;
        };
        // Neighbours become one frame.
        let mut run: Option<Run> = None;
        for back in 1..=RECENT {
            let recent = &mut remembered[(repeats.next + RECENT - back) % RECENT];
            let is_due = recent.left > 0 || probe && recent.len > 0;
            if recent.packet == packet as u32 || !is_due {
                continue;
            }
            let range = recent.start..recent.start + u64::from(recent.len);
            if !self.may_repeat(recent.id, &range, recent.fin) {
                *recent = Recent::default();
                continue;
            }
            let cost = usize::from(recent.len) + HEADER;
            let waiting = run.as_ref().map_or(0, Run::cost);
            let room = end.saturating_sub(out.len() + waiting);
            if room < usize::from(recent.len) + HEADER_MAX || !probe && repeats.credit < cost as u32
            {
                break;
            }
            repeats.credit = repeats.credit.saturating_sub(cost as u32);
            recent.left = recent.left.saturating_sub(1);
            match &mut run {
                Some(run) if run.start() == (recent.id, range.end) && self.may_join(run.id) => {
                    run.range.start = range.start;
                }
                _ => {
                    let next = Run {
                        id: recent.id,
                        range,
                        fin: recent.fin,
                    };
                    if let Some(done) = run.replace(next) {
                        self.write_run(done, out, &mut sent);
                    }
                }
            }
        }
        if let Some(done) = run {
            self.write_run(done, out, &mut sent);
        }
    }

    /// Whether the peer may still lack this, and nothing else will bring it.
    fn may_repeat(&self, id: u64, range: &Range<u64>, fin: bool) -> bool {
        self.streams
            .get(StreamId(id))
            .is_some_and(|stream| stream.send.may_repeat(range, fin))
    }

    /// Whether frames of this stream may be joined. Where messages go in any order, a frame ends with
    /// the message that it began inside of (docs/PROTOCOL.md §4.4).
    fn may_join(&self, id: u64) -> bool {
        let stream = self.streams.get(StreamId(id));
        stream.is_some_and(|stream| stream.mode != Some(Mode::Unordered))
    }

    fn write_run(&self, run: Run, out: &mut Vec<u8>, sent: &mut impl FnMut(SentFrame)) {
        let Some(stream) = self.streams.get(StreamId(run.id)) else {
            return;
        };
        let Run { id, range, fin } = run;
        let unordered = stream.mode == Some(Mode::Unordered);
        frame::StreamHeader {
            id,
            offset: range.start,
            len: Some((range.end - range.start) as usize),
            fin,
            begins: unordered && !range.is_empty() && stream.send.begins_at(range.start),
        }
        .encode(&mut Writer::new(out));
        stream.send.buffer.copy(&range, out);
        sent(SentFrame::Stream { id, range, fin });
    }
}

/// Frames that touch, to be sent as one.
struct Run {
    id: u64,
    range: Range<u64>,
    fin: bool,
}

impl Run {
    fn start(&self) -> (u64, u64) {
        (self.id, self.range.start)
    }

    /// How much room it takes, at most.
    fn cost(&self) -> usize {
        (self.range.end - self.range.start) as usize + HEADER_MAX
    }
}
