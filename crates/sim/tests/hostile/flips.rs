//! Packets in which one bit is another.

use core::time::Duration;

use internet::DropReason;
use transport::{Epoch, Instant, OpenGate, Stats};

use crate::common::{self, PORT};
use crate::raw::{Raw, stream_frame};

/// What the connection goes by: all that it tells of itself but what counts arrivals.
fn standing(raw: &mut Raw) -> (Stats, Option<Instant>) {
    let handle = raw.handle();
    let mut stats = raw.server.connection(handle).unwrap().stats();
    stats.counters.packets_dropped = 0;
    stats.counters.datagrams_received = 0;
    stats.counters.bytes_received = 0;
    (stats, raw.server.poll_timeout())
}

fn connected() -> Raw {
    let mut raw = Raw::new(common::config(), Box::new(OpenGate)).connected();
    raw.say(&stream_frame(0, 0, &[0, PORT as u8, 0]));
    raw.wait(Duration::from_millis(200));
    raw
}

#[test]
fn h03_a_flipped_bit_leaves_a_connection_as_it_was() {
    let mut raw = connected();
    let genuine = raw.packet(Epoch::Data, &stream_frame(0, 3, b"once"));
    let before = standing(&mut raw);
    raw.events.clear();
    raw.heard.clear();
    let sent = raw.sent.len();
    let dropped = |raw: &Raw| raw.server.stats().drops.total();
    for bit in 0..genuine.len() * 8 {
        let dropped_before = dropped(&raw);
        let mut flipped = genuine.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        raw.deliver(flipped);
        assert_eq!(standing(&mut raw), before, "bit {bit}");
        assert_eq!(dropped(&raw), dropped_before + 1, "bit {bit}");
    }
    assert_eq!((raw.events.len(), raw.heard.len()), (0, 0));
    // A connection id that is nobody's is answered by a reset, to which nobody listens.
    let resets = raw.server.stats().resets;
    assert_eq!(raw.sent.len() - sent, usize::try_from(resets).unwrap());
    // The window has not seen its number: it is read, once.
    let replays = |raw: &Raw| raw.server.stats().drops.of(DropReason::Replay);
    let before = replays(&raw);
    raw.deliver(genuine.clone());
    assert_ne!(raw.events, []);
    assert_eq!(replays(&raw), before);
    raw.deliver(genuine);
    assert_eq!(replays(&raw), before + 1);
}
