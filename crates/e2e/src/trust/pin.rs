use codec::{DecodeError, Reader, Writer};
use crypto::Fingerprint;

use crate::{IdentityError, PublicIdentity};

/// First byte of the blob.
const FORMAT: u8 = 1;

/// What a presented identity is to a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Never seen: pin it, as unverified.
    New,
    /// The pinned keys.
    Same,
    /// The pinned signing key certifies another encryption key. The pin takes it and keeps its
    /// state. (That it is not an older one again, the manifest's versions tell.)
    Renewed,
    /// Another signing key: quarantine until the user decides, showing both.
    Changed {
        /// `fp(C_sig)` of the pin.
        pinned: Fingerprint,
        /// `fp(C_sig)` that was presented.
        presented: Fingerprint,
    },
    /// The pin is another user's. A mistake of the caller, and no reason to trust anything.
    OtherName,
}

/// Judges an identity that a server presents, or a proof names, against what is pinned for its
/// name. Changes nothing; [`Pin::present`] does.
pub fn judge(pin: Option<&Pin>, presented: &PublicIdentity) -> Trust {
    let Some(pinned) = pin.map(Pin::identity) else {
        return Trust::New;
    };
    if pinned.name() != presented.name() {
        Trust::OtherName
    } else if pinned.fingerprint() != presented.fingerprint() {
        Trust::Changed {
            pinned: pinned.fingerprint(),
            presented: presented.fingerprint(),
        }
    } else if pinned.same_keys(presented) {
        Trust::Same
    } else {
        Trust::Renewed
    }
}

/// How far a pin is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinState {
    /// The first keys that were seen; nobody has compared them.
    Unverified,
    /// The user has compared the safety number.
    Verified,
    /// Another signing key was presented: nothing is sealed for this name until the user decides.
    Changed,
}

/// A contact's key has changed, and the user has not decided yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the contact's key has changed: pinned {pinned}, now {presented}")]
pub struct Quarantined {
    /// `fp(C_sig)` of the pin.
    pub pinned: Fingerprint,
    /// `fp(C_sig)` that was presented.
    pub presented: Fingerprint,
}

/// Somebody for whom a message may be sealed. Comes from a pin that is not in quarantine, or from
/// oneself.
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'a>(&'a PublicIdentity);

impl<'a> Recipient<'a> {
    pub(crate) const fn new(identity: &'a PublicIdentity) -> Self {
        Self(identity)
    }

    /// Their keys.
    pub const fn identity(&self) -> &'a PublicIdentity {
        self.0
    }
}

/// A contact's keys, as first seen or as the user accepted them.
#[derive(Clone, Debug)]
pub struct Pin {
    identity: PublicIdentity,
    verified: bool,
    changed: Option<PublicIdentity>,
}

impl Pin {
    /// Pins keys that are seen for the first time: unverified.
    pub const fn first_seen(identity: PublicIdentity) -> Self {
        Self {
            identity,
            verified: false,
            changed: None,
        }
    }

    /// The pinned keys. What they signed is believed even while a change waits for the user.
    pub const fn identity(&self) -> &PublicIdentity {
        &self.identity
    }

    /// The keys that wait for the user's decision.
    pub const fn changed(&self) -> Option<&PublicIdentity> {
        self.changed.as_ref()
    }

    /// How far it is trusted.
    pub const fn state(&self) -> PinState {
        match (&self.changed, self.verified) {
            (Some(_), _) => PinState::Changed,
            (None, true) => PinState::Verified,
            (None, false) => PinState::Unverified,
        }
    }

    /// Judges presented keys and takes the consequence: a renewed encryption key is pinned, a
    /// changed signing key puts the contact in quarantine. A quarantine ends by
    /// [`Pin::accept`] or [`Pin::reject`] alone, not when the old keys are presented again.
    pub fn present(&mut self, presented: &PublicIdentity) -> Trust {
        let trust = judge(Some(self), presented);
        match trust {
            Trust::Renewed => self.identity = presented.clone(),
            Trust::Changed { .. } => self.changed = Some(presented.clone()),
            Trust::New | Trust::Same | Trust::OtherName => {}
        }
        trust
    }

    /// The contact as someone to seal for.
    ///
    /// # Errors
    /// [`Quarantined`] while a changed key waits for the user's decision.
    pub fn recipient(&self) -> Result<Recipient<'_>, Quarantined> {
        match &self.changed {
            None => Ok(Recipient(&self.identity)),
            Some(changed) => Err(Quarantined {
                pinned: self.identity.fingerprint(),
                presented: changed.fingerprint(),
            }),
        }
    }

    /// The user has compared the safety number, and it was the same.
    ///
    /// # Errors
    /// [`Quarantined`] while a changed key waits for the user's decision.
    pub fn verify(&mut self) -> Result<(), Quarantined> {
        self.recipient().map(drop)?;
        self.verified = true;
        Ok(())
    }

    /// The user accepts the changed keys with this fingerprint, the one that was shown: they are
    /// pinned, unverified. Does nothing, and returns false, if others wait by now.
    pub fn accept(&mut self, shown: &Fingerprint) -> bool {
        match self
            .changed
            .take_if(|changed| changed.fingerprint() == *shown)
        {
            None => false,
            Some(changed) => {
                *self = Self::first_seen(changed);
                true
            }
        }
    }

    /// The user rejects the changed keys: the pin is as it was before.
    pub fn reject(&mut self) {
        self.changed = None;
    }

    /// The blob of PROTOCOL.md §8.8.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer
            .u8(FORMAT)
            .u8(self.verified.into())
            .bytes(&self.identity.encode());
        match &self.changed {
            None => writer.u8(0),
            Some(changed) => writer.u8(1).bytes(&changed.encode()),
        };
        bytes
    }

    /// Reads the blob of PROTOCOL.md §8.8.
    ///
    /// # Errors
    /// [`IdentityError`] when it is not such a blob, or holds keys that are not acceptable.
    pub fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != FORMAT {
            return Err(DecodeError::Unknown.into());
        }
        let verified = read_flag(&mut reader)?;
        let identity = PublicIdentity::read(&mut reader)?;
        let changed = match read_flag(&mut reader)? {
            true => Some(PublicIdentity::read(&mut reader)?),
            false => None,
        };
        reader.finish()?;
        let other = |changed: &PublicIdentity| {
            changed.name() == identity.name() && changed.fingerprint() != identity.fingerprint()
        };
        if !changed.as_ref().is_none_or(other) {
            return Err(DecodeError::Invalid.into());
        }
        Ok(Self {
            identity,
            verified,
            changed,
        })
    }
}

fn read_flag(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::Invalid),
    }
}

#[cfg(test)]
#[path = "pin_tests.rs"]
mod tests;
