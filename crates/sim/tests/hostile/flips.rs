//! Packets in which one bit is another, and packets that are guessed altogether.

use core::time::Duration;

use internet::DropReason;
use sim::Rng;
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

/// From addresses of his own and in the peer's name, with ids that are nobody's and with the right one.
#[test]
fn h34_whoever_guesses_off_the_path_changes_nothing_and_uses_up_nothing_that_is_shared() {
    let mut raw = connected();
    let before = standing(&mut raw);
    let (id, peer) = (raw.server_id, raw.address);
    raw.events.clear();
    let (sent, mut random, mut unknown) = (raw.sent.len(), Rng::new(34), 0);
    for guess in 0..6_000_usize {
        let len = 30 + random.below(100) as usize;
        let mut bytes: Vec<u8> = (0..len).map(|_| random.next_u64() as u8).collect();
        let kinds = [0x40, 0xc0, 0xe0];
        bytes[0] = bytes[0] & 0x1f | kinds[guess % 3];
        let is_short = guess % 3 == 0;
        let is_known = is_short && guess % 2 == 0;
        if is_known {
            bytes[1..9].copy_from_slice(id.as_bytes());
        }
        let from = if guess % 4 < 2 {
            peer
        } else {
            common::address(66)
        };
        raw.deliver_from(from, bytes);
        unknown += usize::from(is_short && !is_known);
        assert_eq!(standing(&mut raw), before, "guess {guess}");
    }
    assert_eq!(raw.events, []);
    let stats = raw.server.stats();
    assert_eq!((stats.connections, stats.half_open), (1, 0));
    // Each datagram for nobody is answered, however many came before: there is nothing to use up
    // whose end somebody else would see.
    assert_eq!(raw.sent.len() - sent, unknown);
    assert_eq!(stats.resets, unknown as u64);
    raw.say(&stream_frame(0, 3, b"as ever"));
    assert_ne!(raw.events, []);
}
