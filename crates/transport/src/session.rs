//! The seam to the channel handshake.

use internet::Protection;

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The end that connects.
    Client,
    /// The end that accepts.
    Server,
}

/// Which keys protect a packet. Packet numbers count in one space per epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Epoch {
    /// Keys that follow from the client's first destination id.
    Initial,
    /// Keys of the handshake.
    Handshake,
    /// 1-RTT keys: everything after the handshake.
    Data,
}

/// Both directions' protection in one epoch.
pub struct Keys {
    /// Seals what this end sends.
    pub local: Box<dyn Protection>,
    /// Opens what the peer sent.
    pub remote: Box<dyn Protection>,
}

/// Keys that a session has just agreed on.
pub struct KeyChange {
    /// The epoch they belong to, [`Epoch::Handshake`] or [`Epoch::Data`]. What
    /// [`Session::write`] gives from now on belongs to it.
    pub epoch: Epoch,
    /// The keys.
    pub keys: Keys,
}

/// A handshake that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("handshake failed: {reason}")]
pub struct SessionError {
    /// The TLS alert that says why (RFC 8446 §6), where there is one.
    pub alert: Option<u8>,
    /// Why, for a person.
    pub reason: String,
}

/// An authenticated key agreement that speaks in handshake messages, as TLS 1.3 does over QUIC
/// (RFC 9001 §4).
///
/// The connection carries its messages in crypto frames, in order and complete, and asks it for
/// keys. A session knows nothing of packets.
pub trait Session: Send {
    /// Takes in the peer's next handshake bytes of `epoch`.
    ///
    /// # Errors
    /// The peer's messages break the handshake, or it is not whom we trust: the connection closes.
    fn read(&mut self, epoch: Epoch, data: &[u8]) -> Result<(), SessionError>;

    /// Appends handshake bytes that are due to `out`. They belong to the epoch of the last
    /// [`KeyChange`], [`Epoch::Initial`] before the first. Call again until it gives neither bytes
    /// nor keys.
    fn write(&mut self, out: &mut Vec<u8>) -> Option<KeyChange>;

    /// Whether the handshake is still under way.
    fn is_handshaking(&self) -> bool;

    /// The peer's transport parameters, authenticated by the handshake once it is complete.
    fn peer_parameters(&self) -> Option<&[u8]>;

    /// The DER SubjectPublicKeyInfo of the key that the peer proved to be its identity, where it
    /// has one.
    fn peer_identity(&self) -> Option<Vec<u8>>;

    /// Fills `out` with keying material bound to this channel (RFC 8446 §7.5).
    ///
    /// # Errors
    /// Before the handshake is complete.
    fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), SessionError>;

    /// The next 1-RTT keys of a key update (RFC 9001 §6). Their header masks are
    /// those of the first 1-RTT keys (RFC 9001 §5.4). `None` before the first 1-RTT keys.
    fn next_keys(&mut self) -> Option<Keys>;

    /// The handshake is complete, and everything that was due was written: forgets what is not
    /// needed for [`Session::export`], [`Session::peer_identity`] and [`Session::next_keys`]. A
    /// client's then takes no more tickets. Called when a connection comes to rest, and possibly again;
    /// to forget nothing is right, and costs memory for as long as the connection lives.
    fn shed(&mut self);
}

/// Makes sessions: one for every connection that an endpoint opens or accepts.
pub trait Sessions: Send {
    /// A session that tells the peer our transport `parameters`.
    ///
    /// # Errors
    /// When none can be made, for instance for want of a valid certificate.
    fn session(&mut self, parameters: Vec<u8>) -> Result<Box<dyn Session>, SessionError>;
}
