use codec::DecodeError;

/// A message that did not open.
///
/// One error for every failure: whatever is told to a server or a sender must not depend on which
/// it was, so this is all that it prints. [`Unopened::reason`] is for the user's own screen and
/// for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message cannot be opened")]
pub struct Unopened(Reason);

/// Why a message did not open. Never leaves the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// It does not parse.
    #[error("malformed: {0}")]
    Malformed(DecodeError),
    /// It is neither addressed to this user nor from this user.
    #[error("addressed to somebody else")]
    NotForMe,
    /// It is this device's own message, come back.
    #[error("sent by this device itself")]
    Reflected,
    /// It is sealed for a key that this identity does not have, or not for this reader at all.
    #[error("sealed for a key that is not here")]
    NoKey,
    /// The sender has no pin yet: look it up, pin it, try again.
    #[error("the sender is not known yet")]
    UnknownSender,
    /// The sender's key is another than the pinned one: quarantine it.
    #[error("the sender's key is not the pinned one")]
    KeyChanged,
    /// The signature is not the pinned key's.
    #[error("the signature is wrong")]
    Signature,
    /// The wrapped key does not open, or has the wrong length.
    #[error("the message's key cannot be decrypted")]
    WrappedKey,
    /// The commitment is another key's.
    #[error("the message does not commit to its key")]
    Commitment,
    /// The ciphertext does not authenticate.
    #[error("the text cannot be decrypted")]
    Ciphertext,
    /// Padding or body is not what the kind prescribes.
    #[error("the text is malformed")]
    Body,
}

impl Unopened {
    /// Why. Show it to the user or to nobody.
    pub const fn reason(&self) -> Reason {
        self.0
    }
}

impl From<Reason> for Unopened {
    fn from(reason: Reason) -> Self {
        Self(reason)
    }
}

impl From<DecodeError> for Unopened {
    fn from(error: DecodeError) -> Self {
        Self(Reason::Malformed(error))
    }
}
