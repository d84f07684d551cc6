use codec::{DecodeError, Reader, Writer};
use crypto::{Fingerprint, Transcript};

use super::header::Header;
use super::padding::{PADDED_BYTES_MAX, PADDED_BYTES_MIN};
use crate::conversation::ChainHash;
use crate::labels;

/// Longest sealed message, in bytes: 1126 KiB, just under 1.1 MiB (PROTOCOL.md §9). A longer one is
/// not looked at.
pub const SEALED_BYTES_MAX: usize = 1126 * 1024;

/// Length of AES-GCM's tag, in bytes.
const TAG_BYTES: usize = 16;

/// What RSA signatures and wrapped keys may measure, in bytes: 3072 and 4096 bits.
const RSA_BYTES: [usize; 2] = [384, 512];

/// A sealed message as parsed: its form is right, and nothing else is known of it. Whatever its
/// header says may be forged until [`SealedMessage::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedMessage {
    pub(super) header: Header,
    /// The header as it travels: what is hashed is what was received.
    pub(super) header_bytes: Vec<u8>,
    pub(super) keys: Keys,
    pub(super) keys_bytes: Vec<u8>,
    pub(super) commitment: [u8; 32],
    pub(super) ciphertext: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

/// The wrapped keys. Suite 2 adds a list of device entries to both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    /// K0 for the recipient.
    pub(super) wrapped: Vec<u8>,
    /// K0 for the sender's other devices.
    pub(super) own: Option<OwnCopy>,
}

/// K0 for the sender's other devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnCopy {
    /// `fp(A_enc)`.
    pub(super) key: Fingerprint,
    pub(super) wrapped: Vec<u8>,
}

impl SealedMessage {
    /// Parses the form of PROTOCOL.md §8.3.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not of this form: counted, and no reason for an answer.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > SEALED_BYTES_MAX {
            return Err(DecodeError::TooLong);
        }
        let mut reader = Reader::new(bytes);
        let (header, header_bytes) = with_bytes(bytes, &mut reader, Header::read)?;
        let (keys, keys_bytes) = with_bytes(bytes, &mut reader, Keys::read)?;
        if keys.own.is_some() && header.is_note_to_self() {
            return Err(DecodeError::Invalid);
        }
        let commitment = reader.array()?;
        let ciphertext = reader.prefixed(PADDED_BYTES_MAX + TAG_BYTES)?.to_vec();
        if ciphertext.len() < PADDED_BYTES_MIN + TAG_BYTES {
            return Err(DecodeError::Invalid);
        }
        let signature = read_rsa(&mut reader)?;
        reader.finish()?;
        Ok(Self {
            header,
            header_bytes,
            keys,
            keys_bytes,
            commitment,
            ciphertext,
            signature,
        })
    }

    /// The form of PROTOCOL.md §8.3: what was decoded, byte for byte.
    pub fn encode(&self) -> Vec<u8> {
        let rest = 32 + 4 + self.ciphertext.len() + 2 + self.signature.len();
        let mut bytes = Vec::with_capacity(self.header_bytes.len() + self.keys_bytes.len() + rest);
        Writer::new(&mut bytes)
            .bytes(&self.header_bytes)
            .bytes(&self.keys_bytes)
            .bytes(&self.commitment)
            .prefixed(&self.ciphertext)
            .prefixed(&self.signature);
        bytes
    }

    /// What the message says of itself. Unproven: good for looking up a pin, for nothing more.
    pub const fn unproven_header(&self) -> &Header {
        &self.header
    }

    /// `th`: the hash of header and keys.
    pub(super) fn head_hash(&self) -> [u8; 32] {
        head_hash(&self.header_bytes, &self.keys_bytes)
    }

    /// What the sender signs.
    pub(super) fn signed_bytes(&self, th: &[u8; 32]) -> Vec<u8> {
        signed_bytes(th, &self.commitment, &self.ciphertext)
    }

    /// The chain value; `None` for a tombstone, whose follower names the refused message's.
    pub(super) fn chain_hash(&self, th: &[u8; 32]) -> ChainHash {
        ChainHash::of(th, &self.signature)
    }
}

impl Keys {
    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        writer.prefixed(&self.wrapped).u8(0);
        match &self.own {
            None => writer.u8(0),
            Some(own) => writer
                .u8(1)
                .bytes(own.key.as_bytes())
                .prefixed(&own.wrapped)
                .u8(0),
        };
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let wrapped = read_rsa(reader)?;
        read_no_devices(reader)?;
        let own = match reader.u8()? {
            0 => None,
            1 => {
                let key = Fingerprint::from(reader.array::<32>()?);
                let wrapped = read_rsa(reader)?;
                read_no_devices(reader)?;
                Some(OwnCopy { key, wrapped })
            }
            _ => return Err(DecodeError::Invalid),
        };
        Ok(Self { wrapped, own })
    }
}

/// `th = SHA-256(T("sealed-head"; header, keys))`.
pub(super) fn head_hash(header: &[u8], keys: &[u8]) -> [u8; 32] {
    Transcript::new(labels::SEALED_HEAD)
        .field(header)
        .field(keys)
        .sha256()
}

/// `T("sealed"; th, commitment, SHA-256(T("sealed-text"; ciphertext)))`.
pub(super) fn signed_bytes(th: &[u8; 32], commitment: &[u8; 32], ciphertext: &[u8]) -> Vec<u8> {
    let text = Transcript::new(labels::SEALED_TEXT)
        .field(ciphertext)
        .sha256();
    Transcript::new(labels::SEALED)
        .field(th)
        .field(commitment)
        .field(&text)
        .bytes()
}

/// Reads something, and keeps the very bytes that it took.
fn with_bytes<'a, T>(
    bytes: &[u8],
    reader: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<(T, Vec<u8>), DecodeError> {
    let start = reader.position();
    let value = read(reader)?;
    let taken = bytes.get(start..reader.position()).unwrap_or_default();
    Ok((value, taken.to_vec()))
}

/// A signature or a wrapped key.
fn read_rsa(reader: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    let bytes = reader.prefixed(512)?;
    if RSA_BYTES.contains(&bytes.len()) {
        Ok(bytes.to_vec())
    } else {
        Err(DecodeError::Invalid)
    }
}

/// The count of device entries, which is 0 in suite 1.
fn read_no_devices(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    match reader.u8()? {
        0 => Ok(()),
        _ => Err(DecodeError::Invalid),
    }
}
