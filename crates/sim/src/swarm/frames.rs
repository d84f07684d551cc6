//! Frames as a liar writes them (docs/PROTOCOL.md §4.3).

use core::ops::RangeInclusive;

use codec::Writer;

pub(super) fn stream(writer: &mut Writer<'_>, id: u64, offset: u64, data: &[u8], fin: bool) {
    let kind = 0x0a | u8::from(offset > 0) << 2 | u8::from(fin);
    writer.u8(kind).varint(id);
    if offset > 0 {
        writer.varint(offset);
    }
    writer.prefixed(data);
}

pub(super) fn reset(writer: &mut Writer<'_>, id: u64, final_size: u64) {
    writer.u8(0x04).varint(id).varint(77).varint(final_size);
}

pub(super) fn datagram(writer: &mut Writer<'_>, id: u64, data: &[u8]) {
    writer.u8(0x30).varint(id).prefixed(data);
}

/// Ranges ascend.
pub(super) fn acknowledgement(writer: &mut Writer<'_>, ranges: &[RangeInclusive<u64>]) {
    let mut newest_first = ranges.iter().rev();
    let Some(newest) = newest_first.next() else {
        return;
    };
    let (mut lowest, last) = (*newest.start(), *newest.end());
    writer.u8(2).varint(last).varint(0);
    writer.varint(ranges.len() as u64 - 1).varint(last - lowest);
    for range in newest_first {
        let gap = lowest - range.end() - 2;
        writer.varint(gap).varint(range.end() - range.start());
        lowest = *range.start();
    }
}

/// The id is `name`, and its token twice that.
pub(super) fn new_id(writer: &mut Writer<'_>, number: u64, retired_below: u64, name: u64) {
    let id = name.to_be_bytes();
    writer.u8(0x18).varint(number).varint(retired_below);
    writer.bytes(&id).bytes(&id).bytes(&id);
}
