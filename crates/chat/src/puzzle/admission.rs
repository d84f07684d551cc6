use core::net::IpAddr;
use std::collections::BTreeSet;

use crypto::{Random, Secret, Transcript, ct_eq, random_array, sha256};

use super::challenge::Asker;
use super::{CHALLENGE_LEN, Challenge, DIFFICULTY_CAP, SUB_PUZZLES, TOKEN_LEN, Token};
use crate::sketch::Sketch;
use crate::source::SourcePrefix;

const SECOND_NS: u64 = 1_000_000_000;
/// How long a key lives; a challenge is good for one to two of these.
const EPOCH_NS: u64 = 60 * SECOND_NS;

/// A first packet, as its clear header tells it. Nothing of it is authenticated.
#[derive(Clone, Copy, Debug)]
pub struct Stranger<'a> {
    /// Where the datagram says that it came from. The port may change on the way back, the address
    /// may not.
    pub ip: IpAddr,
    /// The destination id that the client chose.
    pub dcid: [u8; 8],
    /// The client's own id.
    pub scid: [u8; 8],
    /// The token field; empty in a first attempt.
    pub token: &'a [u8],
}

/// What becomes of a first packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The work is done: a connection may be allocated.
    Admit {
        /// SHA-256 of the only first handshake message that may follow, with its 4-byte header.
        hello: [u8; 32],
        /// SHA-256 of the challenge that was answered.
        challenge: [u8; 32],
    },
    /// Answer with the challenge that was written.
    Challenge,
    /// No answer: the work is done, but its source or the server has too many. The client repeats
    /// its packet, and is let in when there is room.
    Drop,
}

/// The price of admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdmissionConfig {
    /// log2 of the hashes that a client does. 16 by default, about 10 ms; 0 asks only for the
    /// address. Above [`DIFFICULTY_CAP`] clients refuse, so it counts as that.
    pub difficulty: u8,
    /// This worker's number; a challenge is answered to the worker that made it.
    pub worker: u16,
    /// Admissions that one source prefix gets at once. 512 by default.
    pub source_burst: u64,
    /// Admissions per second that one source prefix gets in the long run. 64 by default.
    pub source_per_s: u64,
    /// Admissions per epoch of 60 s; each is remembered in about 32 bytes. 65,536 by default.
    pub spent_max: usize,
}

impl Default for AdmissionConfig {
    fn default() -> Self {
        Self {
            difficulty: 16,
            worker: 0,
            source_burst: 512,
            source_per_s: 64,
            spent_max: 65_536,
        }
    }
}

/// The server's policy of admission: who may have a connection's worth of state (PROTOCOL.md
/// §3.4).
///
/// Memory is fixed but for spent nonces, which cost their sender the work and are bounded.
pub struct Admission {
    config: AdmissionConfig,
    master: Secret<32>,
    random: Box<dyn Random>,
    sources: Sketch,
    current: Epoch,
    previous: Option<Epoch>,
}

/// A minute's key, and what was spent of it.
struct Epoch {
    number: u32,
    key: Secret<32>,
    spent: BTreeSet<[u8; 16]>,
}

impl Epoch {
    fn new(number: u32, master: &Secret<32>) -> Self {
        let key = Transcript::new("challenge epoch")
            .u32(number)
            .hmac_sha256(master.expose());
        Self {
            number,
            key: Secret::from(key),
            spent: BTreeSet::new(),
        }
    }
}

impl Admission {
    /// A policy with keys of its own from `random`: what an earlier process asked is void.
    pub fn new(config: AdmissionConfig, mut random: Box<dyn Random>) -> Self {
        let master = Secret::generate(&mut random);
        let sources = Sketch::new(
            Secret::generate(&mut random),
            SECOND_NS / config.source_per_s.max(1),
        );
        let current = Epoch::new(0, &master);
        Self {
            config,
            master,
            random,
            sources,
            current,
            previous: None,
        }
    }

    /// Judges a first packet. For [`Judgement::Challenge`] the challenge's body, kind byte first,
    /// is appended to `out`.
    pub fn judge(&mut self, now_ns: u64, stranger: &Stranger<'_>, out: &mut Vec<u8>) -> Judgement {
        self.turn_epoch(now_ns);
        match self.judge_token(now_ns, stranger) {
            Some(judgement) => judgement,
            None => {
                self.challenge(stranger, out);
                Judgement::Challenge
            }
        }
    }

    /// `None` if the token counts as absent. Cheapest checks first; nothing is kept before the
    /// last.
    fn judge_token(&mut self, now_ns: u64, stranger: &Stranger<'_>) -> Option<Judgement> {
        if stranger.token.len() != TOKEN_LEN {
            return None;
        }
        let token = Token::decode(stranger.token).ok()?;
        let challenge = &token.challenge;
        if challenge.worker != self.config.worker || challenge.sub_puzzles != SUB_PUZZLES {
            return None;
        }
        let expected = challenge.expected_tag(&self.epoch(challenge.epoch)?.key, stranger.asker());
        if !ct_eq(&expected, &challenge.tag) {
            return None;
        }
        if !token.is_solved() {
            return None;
        }
        let spent = &self.epoch(challenge.epoch)?.spent;
        if spent.contains(&challenge.nonce) {
            return None;
        }
        // Only work that is done counts: what costs nothing must not keep a neighbour out.
        let source = SourcePrefix::of(stranger.ip);
        let burst = self.config.source_burst.max(1);
        if spent.len() >= self.config.spent_max
            || !(self.sources).add_below(now_ns, &[source.as_bytes()], burst)
        {
            return Some(Judgement::Drop);
        }
        let spent = &mut self.epoch_mut(challenge.epoch)?.spent;
        spent.insert(challenge.nonce);
        Some(Judgement::Admit {
            hello: token.hello,
            challenge: sha256(&challenge.to_bytes()),
        })
    }

    fn challenge(&mut self, stranger: &Stranger<'_>, out: &mut Vec<u8>) {
        let mut challenge = Challenge {
            epoch: self.current.number,
            worker: self.config.worker,
            difficulty: self.config.difficulty.min(DIFFICULTY_CAP),
            sub_puzzles: SUB_PUZZLES,
            nonce: random_array(&mut self.random),
            tag: [0; _],
        };
        challenge.tag = challenge.expected_tag(&self.current.key, stranger.asker());
        out.reserve(CHALLENGE_LEN);
        challenge.encode(out);
    }

    /// A new key every 60 s. Time never goes back; if it did, the newest epoch stays.
    fn turn_epoch(&mut self, now_ns: u64) {
        let number = u32::try_from(now_ns / EPOCH_NS).unwrap_or(u32::MAX);
        if number <= self.current.number {
            return;
        }
        let follows = self.current.number.checked_add(1) == Some(number);
        let old = core::mem::replace(&mut self.current, Epoch::new(number, &self.master));
        self.previous = follows.then_some(old);
    }

    fn epoch(&self, number: u32) -> Option<&Epoch> {
        let mut known = core::iter::once(&self.current).chain(&self.previous);
        known.find(|epoch| epoch.number == number)
    }

    fn epoch_mut(&mut self, number: u32) -> Option<&mut Epoch> {
        let mut known = core::iter::once(&mut self.current).chain(&mut self.previous);
        known.find(|epoch| epoch.number == number)
    }
}

impl Stranger<'_> {
    fn asker(&self) -> Asker<'_> {
        Asker {
            ip: self.ip,
            dcid: &self.dcid,
            scid: &self.scid,
        }
    }
}
