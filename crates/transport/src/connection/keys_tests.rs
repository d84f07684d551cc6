use core::cell::Cell;

use internet::{
    ConnectionId, PACKET_NUMBER_MAX, Protection, SAMPLE_LEN, Unauthentic, initial_keys,
};

use super::*;
use crate::session::{KeyChange, SessionError};

const PTOS: Duration = Duration::from_millis(300);

fn at(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

thread_local! {
    /// How often keys have tried to open a packet.
    static OPENED: Cell<u32> = const { Cell::new(0) };
}

/// Keys of so many updates later, with the header mask of the first.
struct Generation(Box<dyn Protection>, Box<dyn Protection>);

impl Generation {
    fn new(updates: u8, is_client: bool) -> Box<Self> {
        let one_of = |byte| -> Box<dyn Protection> {
            let (client, server) = initial_keys(ConnectionId::new([byte; 8]));
            Box::new(if is_client { client } else { server })
        };
        Box::new(Self(one_of(updates), one_of(0)))
    }

    fn keys(updates: u8, is_client: bool) -> Keys {
        Keys {
            local: Self::new(updates, is_client),
            remote: Self::new(updates, !is_client),
        }
    }
}

impl Protection for Generation {
    fn seal(&self, packet_number: u64, packet: &mut [u8], header_len: usize) {
        self.0.seal(packet_number, packet, header_len);
    }

    fn open(
        &self,
        packet_number: u64,
        packet: &mut [u8],
        header_len: usize,
    ) -> Result<usize, Unauthentic> {
        OPENED.set(OPENED.get() + 1);
        self.0.open(packet_number, packet, header_len)
    }

    fn header_mask(&self, sample: &[u8; SAMPLE_LEN]) -> [u8; 5] {
        self.1.header_mask(sample)
    }

    fn confidentiality_limit(&self) -> u64 {
        self.0.confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.0.integrity_limit()
    }
}

/// One end, its keys and where they come from.
struct End {
    keys: DataKeys,
    next: Next,
}

struct Next {
    updates: u8,
    is_client: bool,
}

impl Session for Next {
    fn read(&mut self, _: Epoch, _: &[u8]) -> Result<(), SessionError> {
        Ok(())
    }

    fn write(&mut self, _: &mut Vec<u8>) -> Option<KeyChange> {
        None
    }

    fn is_handshaking(&self) -> bool {
        false
    }

    fn peer_parameters(&self) -> Option<&[u8]> {
        None
    }

    fn peer_identity(&self) -> Option<Vec<u8>> {
        None
    }

    fn export(&self, _: &[u8], _: &[u8], _: &mut [u8]) -> Result<(), SessionError> {
        Ok(())
    }

    fn next_keys(&mut self) -> Option<Keys> {
        self.updates += 1;
        Some(Generation::keys(self.updates, self.is_client))
    }

    fn shed(&mut self) {}
}

impl End {
    fn new(is_client: bool) -> Self {
        Self {
            keys: DataKeys::new(Generation::keys(0, is_client)),
            next: Next {
                updates: 0,
                is_client,
            },
        }
    }

    fn say(&mut self, now: Instant, number: u64) -> Vec<u8> {
        let mut out = Vec::new();
        let to = ConnectionId::new([9; 8]);
        let builder = PacketBuilder::data(&mut out, to, self.keys.phase(), number, None);
        out.extend_from_slice(&[1; 8]);
        self.keys.seal(now, builder, &mut out);
        out
    }

    /// All that was said has been acknowledged, and one packet is enough for a key.
    fn update(&mut self, now: Instant) {
        (self.keys).update_if_due(now, 1, Some(u64::MAX), &mut self.next);
    }

    fn hears(&mut self, now: Instant, mut bytes: Vec<u8>) -> bool {
        let packet = PartialPacket::parse(&bytes).unwrap();
        let unmasked = self.keys.unmask(&packet, None, &mut bytes).ok().unwrap();
        let before = OPENED.get();
        let opened = (self.keys).open(now, &unmasked, &mut bytes, &mut self.next);
        assert_eq!(OPENED.get(), before + 1, "one trial decryption");
        opened.is_ok()
    }
}

/// RFC 9001 §6.5.
#[test]
fn previous_keys_open_what_was_overtaken_for_three_probe_timeouts_and_no_longer() {
    let [mut one, mut other] = [true, false].map(End::new);
    let late = [one.say(at(0), 0), one.say(at(0), 1)];
    one.update(at(1));
    assert!(one.keys.phase());
    assert!(other.hears(at(10), one.say(at(1), 2)), "the update");
    other.keys.forget_previous(at(309), PTOS);
    let [first, second] = late;
    assert!(other.hears(at(309), first));
    // Still talking: it is not by resting that they go.
    other.keys.forget_previous(at(310), PTOS);
    assert!(other.keys.previous.is_none());
    assert!(!other.hears(at(310), second));
    assert!(other.hears(at(310), one.say(at(310), 3)));
}

#[test]
fn previous_keys_are_kept_for_a_peer_that_may_not_know_of_the_update() {
    let [mut one, mut other] = [true, false].map(End::new);
    one.say(at(0), 0);
    one.update(at(1));
    // Nobody hears of it for a long time.
    let unheard = one.say(at(2), 1);
    for ms in [1000, 60_000, 600_000] {
        one.keys.rest(at(ms), PTOS);
        assert!(one.hears(at(ms), other.say(at(ms), ms)));
    }
    // Then it does, and what it said before may be overtaken once more.
    let overtaken = other.say(at(600_001), 600_001);
    assert!(other.hears(at(600_010), unheard));
    assert!(one.hears(at(600_020), other.say(at(600_010), 600_002)));
    one.keys.rest(at(600_300), PTOS);
    assert!(one.hears(at(600_300), overtaken));
    one.keys.rest(at(600_320), PTOS);
    assert!(one.keys.previous.is_none());
}

/// Whatever generation a packet is of, and forged or not, one key is tried.
#[test]
fn h25_every_packet_is_tried_under_one_key() {
    let [mut one, mut other] = [true, false].map(End::new);
    let forged = |mut packet: Vec<u8>| {
        let last = packet.len() - 1;
        packet[last] ^= 1;
        packet
    };
    let mut number = 0;
    let mut next = || {
        number += 1;
        number
    };
    for update in 0..4 {
        let now = at(update * 1_000);
        let overtaken = [one.say(now, next()), one.say(now, next())];
        assert!(other.hears(now, one.say(now, next())), "the current key");
        assert!(!other.hears(now, forged(one.say(now, next()))));
        one.update(now);
        // A forged update, which there is no key for, then the true one.
        assert!(!other.hears(now, forged(one.say(now, next()))));
        assert!(other.hears(now, one.say(now, next())), "the next key");
        let [genuine, changed] = overtaken;
        assert!(!other.hears(now, forged(changed)));
        assert!(other.hears(now, genuine), "the previous key");
        other.keys.forget_previous(now + PTOS, PTOS);
    }
    assert_eq!(other.keys.updates(), 4);
}

/// RFC 9000 §12.3: numbers do not go round. A few are left for closing.
#[test]
fn h24_no_packet_is_sealed_behind_the_last_number() {
    let keys = DataKeys::new(Generation::keys(0, true));
    assert!(keys.may_seal(0));
    assert!(keys.may_seal(PACKET_NUMBER_MAX - CLOSES_MAX));
    for number in [
        PACKET_NUMBER_MAX - CLOSES_MAX + 1,
        PACKET_NUMBER_MAX,
        u64::MAX,
    ] {
        assert!(!keys.may_seal(number), "{number}");
    }
}
