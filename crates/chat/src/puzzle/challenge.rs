use core::net::IpAddr;

use codec::{DecodeError, Reader, Writer};
use crypto::{Secret, hmac_sha256};

use crate::source::address_bytes;

/// First byte of a challenge's body: it is for the application to solve.
pub const CHALLENGE_KIND: u8 = 1;

/// Bytes of a challenge.
pub const CHALLENGE_LEN: usize = CLEAR_LEN + TAG_LEN;

pub(super) const TAG_LEN: usize = 16;
const CLEAR_LEN: usize = 25;

/// c1, what a server asks of a stranger (PROTOCOL.md §3.2).
///
/// ```text
/// 0      1        5         7              8             9        25       41
/// +------+--------+---------+--------------+-------------+--------+--------+
/// | kind | epoch  | worker  | difficulty d | sub-puzzles | n1     | tag    |
/// +------+--------+---------+--------------+-------------+--------+--------+
///   = 1
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Which minute of the server's clock; counts from its start.
    pub epoch: u32,
    /// The worker that keeps what is spent.
    pub worker: u16,
    /// log2 of the hashes that a solution takes on average.
    pub difficulty: u8,
    /// Into how many puzzles the work is divided.
    pub sub_puzzles: u8,
    /// Makes the challenge unique.
    pub nonce: [u8; 16],
    /// MAC of the server over the above and over who was asked.
    pub tag: [u8; TAG_LEN],
}

/// Whom a challenge is for: all of it is in the clear header of the packet that asked.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) ip: IpAddr,
    pub(super) dcid: &'a [u8; 8],
    pub(super) scid: &'a [u8; 8],
}

impl Challenge {
    /// Reads a challenge's body, kind and all.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let challenge = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(challenge)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.u8()? != CHALLENGE_KIND {
            return Err(DecodeError::Unknown);
        }
        Ok(Self {
            epoch: reader.u32()?,
            worker: reader.u16()?,
            difficulty: reader.u8()?,
            sub_puzzles: reader.u8()?,
            nonce: reader.array()?,
            tag: reader.array()?,
        })
    }

    /// Appends the challenge's body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.clear());
        Writer::new(out).bytes(&self.tag);
    }

    /// The body as an array.
    pub fn to_bytes(&self) -> [u8; CHALLENGE_LEN] {
        let mut bytes = [0; CHALLENGE_LEN];
        let (clear, tag) = bytes.split_at_mut(CLEAR_LEN);
        clear.copy_from_slice(&self.clear());
        tag.copy_from_slice(&self.tag);
        bytes
    }

    /// `HMAC(K_epoch, T("challenge"; ip, dcid, scid, rest of c1))[..16]`, without an allocation:
    /// it is computed for every forged token.
    pub(super) fn expected_tag(&self, epoch_key: &Secret<32>, asker: Asker<'_>) -> [u8; TAG_LEN] {
        let clear = self.clear();
        let ip = address_bytes(asker.ip);
        let mac = hmac_sha256(
            epoch_key.expose(),
            &[
                b"undertone/1 challenge\0",
                &16u32.to_be_bytes(),
                &ip,
                &8u32.to_be_bytes(),
                asker.dcid,
                &8u32.to_be_bytes(),
                asker.scid,
                &25u32.to_be_bytes(),
                &clear,
            ],
        );
        let mut tag = [0; TAG_LEN];
        tag.copy_from_slice(&mac[..TAG_LEN]);
        tag
    }

    /// All but the tag.
    fn clear(&self) -> [u8; CLEAR_LEN] {
        let mut bytes = [0; CLEAR_LEN];
        bytes[0] = CHALLENGE_KIND;
        bytes[1..5].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[5..7].copy_from_slice(&self.worker.to_be_bytes());
        bytes[7] = self.difficulty;
        bytes[8] = self.sub_puzzles;
        bytes[9..25].copy_from_slice(&self.nonce);
        bytes
    }
}
