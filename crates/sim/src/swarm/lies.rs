//! What a liar says: frames that decode and break a rule, for which it has to be dismissed with the
//! right code; and what no rule forbids, which must neither harm nor grow anything.

use core::time::Duration;

use codec::Writer;
use transport::{Endpoint, Instant};

use super::crimes::{CRIMES, Crime};
use super::frames::{acknowledgement, datagram, reset, stream};
use super::liar::Liar;
use super::run::{SERVER, Swarm};
use crate::Rng;

/// The port that liars talk to.
pub(super) const LIARS_PORT: u16 = 9;

/// Modes as a stream's preamble tells them (docs/PROTOCOL.md §4.4).
pub(super) const BYTES: u8 = 0;
pub(super) const MESSAGES: u8 = 1;
pub(super) const UNORDERED: u8 = 2;
const DATAGRAMS: u8 = 3;

/// Somebody who breaks a rule is told so within this time.
const DISMISSED_WITHIN: Duration = Duration::from_secs(1);

/// So many challenges are answered at a time (docs/PROTOCOL.md §4.10).
const ANSWERS_MAX: usize = 4;

/// And what he says is read within this.
const READ_WITHIN: Duration = Duration::from_secs(1);

impl Liar {
    /// Says one packet of frames.
    pub(super) fn say_with(&mut self, write: impl FnOnce(&mut Writer<'_>)) -> bool {
        let mut frames = Vec::new();
        write(&mut Writer::new(&mut frames));
        self.say(&frames);
        true
    }

    pub(super) fn next_stream(&mut self) -> u64 {
        self.streams += 1;
        (self.streams - 1) << 1
    }

    /// Opens a stream, says `data` behind its preamble, and perhaps no more. Returns its number.
    pub(super) fn open_stream(&mut self, mode: u8, data: &[u8], fin: bool) -> u64 {
        let id = self.next_stream();
        let [high, low] = LIARS_PORT.to_be_bytes();
        let bytes = [&[high, low, mode], data].concat();
        self.spent += bytes.len() as u64;
        self.say_with(|w| stream(w, id, 0, &bytes, fin));
        id
    }

    /// Breaks a rule, if there is an occasion.
    fn break_a_rule(&mut self, now: Instant, draw: &mut Rng) {
        let index = usize::try_from(draw.below(CRIMES.len() as u64)).unwrap_or(0);
        let Crime { name, code, commit } = &CRIMES[index];
        if commit(self) {
            self.crime = Some((name, *code, now));
        }
    }

    /// Does what no rule forbids. `window` bytes may be sent, on one stream or on all, and `streams`
    /// streams be opened.
    fn be_a_nuisance(&mut self, now: Instant, window: u64, streams: u64, draw: &mut Rng) {
        if self.streams + 20 > streams {
            return;
        }
        match draw.below(11) {
            0 => self.overlap(now),
            1 if self.spent + window / 2 < window => self.scatter(window / 2),
            2 => self.flood(),
            3 => self.open_and_reset(),
            4 => self.ping(),
            5 => self.take_back(),
            6 => self.challenge(),
            7 => self.answer_unasked(),
            8 => self.announce_too_much(),
            9 => self.update_keys(),
            _ => {
                let ranges = self.ranges();
                let newest = ranges.rchunks(32).next().unwrap_or_default();
                if !newest.is_empty() {
                    self.say_with(|w| acknowledgement(w, newest));
                }
            }
        }
    }

    /// Pieces of a stream that overlap, and differ where they do: the first counts.
    fn overlap(&mut self, now: Instant) {
        let id = self.open_stream(BYTES, b"", false);
        self.say_with(|w| stream(w, id, 7, b"FIRST", false));
        self.say_with(|w| stream(w, id, 3, b"abcdefghijklmnop", false));
        self.say_with(|w| stream(w, id, 3, b"ABCDEFGHIJKLMNOPq", false));
        self.spent += 17;
        let expected = b"abcdFIRSTjklmnopq".to_vec();
        self.expected.push((id, expected, now));
    }

    /// Single bytes with gaps between them.
    fn scatter(&mut self, bytes: u64) {
        let id = self.open_stream(BYTES, b"", false);
        self.spent += bytes;
        let places: Vec<u64> = (5..bytes).step_by(2).take(4_000).collect();
        for places in places.chunks(100) {
            self.say_with(|w| {
                for &offset in places {
                    stream(w, id, offset, b"x", false);
                }
            });
        }
    }

    /// More datagrams than are kept.
    fn flood(&mut self) {
        let id = self.open_stream(DATAGRAMS, b"", false);
        for _ in 0..300 {
            self.say_with(|w| datagram(w, id, &[7; 1_000]));
        }
    }

    fn open_and_reset(&mut self) {
        for _ in 0..10 {
            let id = self.next_stream();
            self.say_with(|w| reset(w, id, 0));
        }
    }

    /// Pings with gaps between their numbers: each wants an acknowledgement at once.
    fn ping(&mut self) {
        for _ in 0..40 {
            self.leave_out();
            self.say_with(|w| _ = w.u8(1));
        }
    }

    /// Many challenges in a packet, of which the newest are answered.
    fn challenge(&mut self) {
        for _ in 0..4 {
            self.say_with(|w| (0..60).for_each(|n| _ = w.u8(0x1a).bytes(&[n; 8])));
        }
    }

    /// Answers to challenges that nobody sent.
    fn answer_unasked(&mut self) {
        self.say_with(|w| (0..60).for_each(|n| _ = w.u8(0x1b).bytes(&[n; 8])));
    }

    /// A message that is longer than any that is taken: its stream is stopped, and nothing of it kept.
    fn announce_too_much(&mut self) {
        let length = [0xc0, 0, 0, 1, 0, 0, 0, 0];
        self.open_stream(MESSAGES, &length, false);
    }

    /// Less credit than before, and a stop of what nobody says.
    fn take_back(&mut self) {
        let id = self.open_stream(BYTES, b"", false);
        self.say_with(|w| {
            w.u8(0x10).varint(0).u8(0x12).varint(0);
            w.u8(0x11).varint(id).varint(0);
            w.u8(0x05).varint(id).varint(77);
        });
    }
}

impl Swarm<'_> {
    /// The liar does something.
    pub(super) fn lie(&mut self, draw: &mut Rng) -> bool {
        let (now, seed) = (self.world.now(), self.plan.seed);
        let lost = |liar: &Liar, epoch| liar.epoch != epoch || liar.is_forgotten(now);
        let gone = self
            .liar
            .as_ref()
            .is_none_or(|liar| lost(liar, self.restarts));
        if gone {
            let number = self.liar.as_ref().map_or(0, |liar| liar.number + 1);
            self.liar = Liar::new(seed, number, now, self.restarts);
        } else if let Some(liar) = self.liar.as_mut()
            && liar.is_connected()
            && liar.crime.is_none()
        {
            let [_, config] = &self.plan.configs;
            if draw.chance(0.2) {
                liar.break_a_rule(now, draw);
            } else {
                let (window, streams) = (config.stream_window_bytes, config.streams_max);
                liar.be_a_nuisance(now, window, streams, draw);
            }
        }
        self.send_lies()
    }

    fn send_lies(&mut self) -> bool {
        let now = self.world.now();
        let Some(liar) = self.liar.as_mut() else {
            return false;
        };
        // One after the other, so that the server answers some of them alone.
        let delays = (0u64..).map(Duration::from_millis);
        let datagrams = liar.take_outgoing(now);
        let any = !datagrams.is_empty();
        for (delay, datagram) in delays.zip(datagrams) {
            self.world.speak(delay, liar.address, SERVER, datagram);
        }
        any
    }

    /// What the server says to the liar, and whether it does what it has to.
    pub(super) fn judge(&mut self) -> Result<(), String> {
        let now = self.world.now();
        for captured in &self.overheard {
            if let Some(liar) = self.liar.as_mut().filter(|l| l.address == captured.to) {
                liar.hear(captured.bytes.clone());
            }
        }
        self.send_lies();
        self.compare_with_expected()?;
        let Some(liar) = &self.liar else {
            return Ok(());
        };
        if liar.answers > ANSWERS_MAX {
            let count = liar.answers;
            return Err(format!("{count} answers to challenges in a packet"));
        }
        match (liar.crime, liar.dismissed) {
            _ if liar.epoch != self.restarts => {}
            (Some((_, code, _)), Some(told)) if code == told => {
                self.fired.count("dismissed");
                self.liar = self.begin_again();
            }
            (Some((what, code, _)), Some(told)) => {
                return Err(format!(
                    "a liar {what}, and was told {told:#x}, not {code:#x}"
                ));
            }
            (None, Some(told)) => return Err(format!("a liar was told {told:#x} for nothing")),
            (Some((what, _, since)), None) if now.since(since) > DISMISSED_WITHIN => {
                return Err(format!("a liar {what}, and nobody minded"));
            }
            _ => {}
        }
        Ok(())
    }

    fn begin_again(&self) -> Option<Liar> {
        let number = self.liar.as_ref()?.number + 1;
        Liar::new(self.plan.seed, number, self.world.now(), self.restarts)
    }

    /// Of overlapping pieces the first counts, and all is read.
    fn compare_with_expected(&mut self) -> Result<(), String> {
        let now = self.world.now();
        let (Some(liar), Some(party)) = (&self.liar, self.parties.first()) else {
            return Ok(());
        };
        let find = |endpoint: &mut Endpoint, _| {
            let handles: Vec<_> = endpoint.connections().collect();
            handles.into_iter().find(|&handle| {
                let connection = endpoint.connection(handle);
                connection.is_some_and(|c| c.remote() == liar.address && c.is_open())
            })
        };
        if liar.expected.is_empty() || liar.epoch != self.restarts {
            return Ok(());
        }
        let Some(handle) = self.world.with(self.server, find).flatten() else {
            return Ok(());
        };
        for (id, expected, since) in &liar.expected {
            let heard = party.heard_of_liar(handle, *id).unwrap_or_default();
            let has_come = heard == expected || now.since(*since) <= READ_WITHIN;
            if !expected.starts_with(heard) || !has_come {
                let heard = String::from_utf8_lossy(heard);
                return Err(format!("of overlapping pieces {heard:?} was read"));
            }
        }
        Ok(())
    }
}
