use codec::{DecodeError, Reader, Writer};
use crypto::Fingerprint;

use crate::conversation::{
    COUNT_MAX, ChainHash, ConversationId, DeviceId, MessageId, Origin, Slot,
};
use crate::name::read_name;

/// The one version of the format.
const VERSION: u8 = 1;

/// What a sealed message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A text to be shown.
    Text,
    /// Takes the sequence of a message that the server refused for good; shows as a gap with a
    /// reason.
    Tombstone,
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::Text => 1,
            Self::Tombstone => 2,
        }
    }

    const fn from_code(code: u8) -> Result<Self, DecodeError> {
        match code {
            1 => Ok(Self::Text),
            2 => Ok(Self::Tombstone),
            _ => Err(DecodeError::Unknown),
        }
    }
}

/// How the message's key reaches its readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Suite {
    /// Under `C_enc` alone, without forward secrecy.
    One,
}

impl Suite {
    const fn code(self) -> u8 {
        match self {
            Self::One => 1,
        }
    }

    const fn from_code(code: u8) -> Result<Self, DecodeError> {
        match code {
            1 => Ok(Self::One),
            _ => Err(DecodeError::Unknown),
        }
    }
}

/// The newest head of the manifest that the sender has seen. Readers who compare it with theirs
/// find out a server that shows different people different directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifestHead {
    /// Its version, at least 1.
    pub version: u64,
    /// Its Merkle root.
    pub root: [u8; 32],
}

/// The clear part of a sealed message (PROTOCOL.md §8.3). The server reads it too; all of it is
/// under the sender's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the message is.
    pub kind: Kind,
    /// How its key reaches its readers.
    pub suite: Suite,
    /// The sender's case-mapped name.
    pub sender: String,
    /// The sending device.
    pub device: DeviceId,
    /// `fp(A_sig)`.
    pub sender_key: Fingerprint,
    /// The recipient's case-mapped name.
    pub recipient: String,
    /// `fp(B_enc)`.
    pub recipient_key: Fingerprint,
    /// The conversation of the two names.
    pub conversation: ConversationId,
    /// The message's id.
    pub id: MessageId,
    /// Its place in the origin's count, from 1.
    pub sequence: u64,
    /// The chain value of the message before it.
    pub previous: ChainHash,
    /// Milliseconds since 1970-01-01 UTC by the sender's clock.
    pub time_ms: u64,
    /// The newest manifest head that the sender knew, if any.
    pub manifest: Option<ManifestHead>,
}

impl Header {
    /// Whose count its sequence belongs to.
    pub const fn origin(&self) -> Origin {
        Origin {
            sender_key: self.sender_key,
            device: self.device,
            conversation: self.conversation,
        }
    }

    /// Its sequence and the chain value before it.
    pub const fn slot(&self) -> Slot {
        Slot {
            sequence: self.sequence,
            previous: self.previous,
        }
    }

    /// Whether sender and recipient are the same user.
    pub fn is_note_to_self(&self) -> bool {
        self.sender == self.recipient
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        let none = ManifestHead {
            version: 0,
            root: [0; 32],
        };
        let manifest = self.manifest.unwrap_or(none);
        writer
            .u8(VERSION)
            .u8(self.kind.code())
            .u8(self.suite.code())
            .prefixed(self.sender.as_bytes())
            .bytes(&self.device.0)
            .bytes(self.sender_key.as_bytes())
            .prefixed(self.recipient.as_bytes())
            .bytes(self.recipient_key.as_bytes())
            .bytes(&self.conversation.0)
            .bytes(&self.id.0)
            .u64(self.sequence)
            .bytes(&self.previous.0)
            .u64(self.time_ms)
            .u64(manifest.version)
            .bytes(&manifest.root);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.u8()? != VERSION {
            return Err(DecodeError::Unknown);
        }
        let header = Self {
            kind: Kind::from_code(reader.u8()?)?,
            suite: Suite::from_code(reader.u8()?)?,
            sender: read_name(reader)?,
            device: DeviceId(reader.array()?),
            sender_key: Fingerprint::from(reader.array::<32>()?),
            recipient: read_name(reader)?,
            recipient_key: Fingerprint::from(reader.array::<32>()?),
            conversation: ConversationId(reader.array()?),
            id: MessageId(reader.array()?),
            sequence: reader.u64()?,
            previous: ChainHash(reader.array()?),
            time_ms: reader.u64()?,
            manifest: read_manifest(reader)?,
        };
        let counts = (1..=COUNT_MAX).contains(&header.sequence) && header.time_ms <= COUNT_MAX;
        let starts = header.sequence == 1;
        if !counts || starts != (header.previous == ChainHash::START) {
            return Err(DecodeError::Invalid);
        }
        if header.conversation != ConversationId::of(&header.sender, &header.recipient) {
            return Err(DecodeError::Invalid);
        }
        Ok(header)
    }
}

fn read_manifest(reader: &mut Reader<'_>) -> Result<Option<ManifestHead>, DecodeError> {
    let version = reader.u64()?;
    let root: [u8; 32] = reader.array()?;
    match (version, root == [0; 32]) {
        (0, true) => Ok(None),
        (1..=COUNT_MAX, false) => Ok(Some(ManifestHead { version, root })),
        _ => Err(DecodeError::Invalid),
    }
}
