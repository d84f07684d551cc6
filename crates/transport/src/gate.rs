//! The seam to admission: who may have a connection's worth of state.

use core::net::SocketAddr;

use internet::ConnectionId;

use crate::Instant;

/// A first packet from somebody of whom nothing is known, as its clear header tells it. Nothing of
/// it is authenticated.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Where the datagram says that it came from.
    pub remote: SocketAddr,
    /// The destination id that the client chose.
    pub dcid: ConnectionId,
    /// The client's own id.
    pub scid: ConnectionId,
    /// What stands in the token field; empty in a first attempt.
    pub token: &'a [u8],
}

/// What a gate makes of an [`Attempt`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A connection may be allocated.
    Admit(Admission),
    /// Answer with the challenge that the gate has written, and forget.
    Challenge,
    /// No answer.
    Drop,
}

/// What an admitted token vouches for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// SHA-256 of the only first handshake message that it admits, with its 4-byte header; any if
    /// `None`.
    pub hello: Option<[u8; 32]>,
    /// SHA-256 of the challenge that was answered. It goes into the server's transport parameters,
    /// so that a client notices tampering with admission.
    pub challenge: Option<[u8; 32]>,
}

/// How busy the endpoint is, told to the gate so that it can set its price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Handshakes under way.
    pub half_open: usize,
    /// How long the last admitted handshake took from admission to its end.
    pub handshake: core::time::Duration,
}

/// Decides, before any state and any public-key work, who gets a connection.
///
/// The mechanism is the transport's: challenges are stateless and never longer than the packet that
/// caused them, and a token is seen before anything is allocated. The policy is the gate's.
pub trait Gate: Send {
    /// Judges a first packet. For [`Verdict::Challenge`] the gate appends the challenge's body to
    /// `challenge`: a kind byte (0: repeat the body as the token, answered by the client's
    /// transport itself; others are the application's) and at most 255 bytes that are the gate's.
    fn judge(&mut self, now: Instant, attempt: &Attempt<'_>, challenge: &mut Vec<u8>) -> Verdict;

    /// Told after each admitted handshake has ended, well or not.
    fn observe(&mut self, now: Instant, load: Load);
}

/// Lets everybody in without a round trip: for trusted networks and simulations. What it sends to
/// an unvalidated address is bounded by three times what came from there (RFC 9000 §8.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenGate;

impl Gate for OpenGate {
    fn judge(&mut self, _: Instant, _: &Attempt<'_>, _: &mut Vec<u8>) -> Verdict {
        Verdict::Admit(Admission::default())
    }

    fn observe(&mut self, _: Instant, _: Load) {}
}
