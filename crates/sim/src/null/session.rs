use crypto::{Transcript, hkdf_sha256, random_array};
use transport::{Epoch, KeyChange, Keys, Session, SessionError, Sessions, Side};

use super::protection::{Limits, NullProtection};
use crate::Rng;

/// Handshake message types, those of TLS 1.3.
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const PARAMETERS: u8 = 8;
const FINISHED: u8 = 20;

/// A message's header: type and 24-bit length.
const HEADER_LEN: usize = 4;

/// The longest handshake message that is taken in.
const MESSAGE_LEN_MAX: usize = 16_384;

/// What a TLS ClientHello with a hybrid key share takes, so that it needs two packets.
const HELLO_LEN: usize = 1_340;

/// Makes sessions without secrets.
#[derive(Clone, Debug)]
pub struct NullSessions {
    side: Side,
    rng: Rng,
    hello_len: usize,
    identity: Option<Vec<u8>>,
    limits: Limits,
}

impl NullSessions {
    /// Sessions of the end that connects.
    pub fn client(rng: Rng) -> Self {
        Self::new(Side::Client, rng)
    }

    /// Sessions of the end that accepts.
    pub fn server(rng: Rng) -> Self {
        Self::new(Side::Server, rng)
    }

    fn new(side: Side, rng: Rng) -> Self {
        Self {
            side,
            rng,
            hello_len: HELLO_LEN,
            identity: None,
            limits: Limits::default(),
        }
    }

    /// Changes the length of the client's first message with its header, in bytes.
    #[must_use]
    pub fn with_hello_len(mut self, len: usize) -> Self {
        self.hello_len = len;
        self
    }

    /// What the server presents as its identity's key.
    #[must_use]
    pub fn with_identity(mut self, identity: Vec<u8>) -> Self {
        self.identity = Some(identity);
        self
    }

    /// How many packets a key may seal, and how many may fail to open (RFC 9001 §6.6).
    #[must_use]
    pub fn with_limits(mut self, confidentiality: u64, integrity: u64) -> Self {
        self.limits = Limits {
            confidentiality,
            integrity,
        };
        self
    }
}

impl Sessions for NullSessions {
    fn session(&mut self, parameters: Vec<u8>) -> Result<Box<dyn Session>, SessionError> {
        let mut session = NullSession {
            side: self.side,
            nonce: random_array(&mut self.rng),
            parameters,
            identity: self.identity.clone(),
            limits: self.limits,
            received: Vec::new(),
            transcript: Vec::new(),
            outgoing: Vec::new(),
            keys_due: None,
            root: [0; 32],
            peer_parameters: None,
            peer_identity: None,
            state: State::Hello,
            generation: 0,
        };
        if self.side == Side::Client {
            session.say_hello(self.hello_len);
        }
        Ok(Box::new(session))
    }
}

/// What is awaited from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Hello,
    Parameters,
    Finished,
    Done,
}

/// One connection's handshake.
///
/// ```text
/// client                                              server
/// hello: nonce 32, parameters, zeros        ->
///                                           <-        hello: nonce 32
///                                           <-        {parameters: identity, parameters}
///                                           <-        {finished: MAC of all that came before}
/// {finished: MAC of all that came before}   ->
/// ```
pub struct NullSession {
    side: Side,
    nonce: [u8; 32],
    parameters: Vec<u8>,
    identity: Option<Vec<u8>>,
    limits: Limits,
    received: Vec<u8>,
    transcript: Vec<u8>,
    /// Messages that are due, each in the epoch of the key change before it.
    outgoing: Vec<(Vec<u8>, Option<Epoch>)>,
    keys_due: Option<Epoch>,
    root: [u8; 32],
    peer_parameters: Option<Vec<u8>>,
    peer_identity: Option<Vec<u8>>,
    state: State,
    generation: u64,
}

impl NullSession {
    fn say_hello(&mut self, hello_len: usize) {
        let mut body = self.nonce.to_vec();
        put_prefixed(&mut body, &self.parameters);
        body.resize(body.len().max(hello_len.saturating_sub(HEADER_LEN)), 0);
        let message = message(CLIENT_HELLO, &body);
        self.transcript.extend_from_slice(&message);
        self.outgoing.push((message, None));
    }

    /// What the server says once it has heard the client.
    fn answer_hello(&mut self) {
        let hello = message(SERVER_HELLO, &self.nonce);
        self.transcript.extend_from_slice(&hello);
        self.root = self.digest("null root");
        self.outgoing.push((hello, Some(Epoch::Handshake)));
        let mut body = Vec::new();
        put_prefixed(&mut body, self.identity.as_deref().unwrap_or_default());
        put_prefixed(&mut body, &self.parameters);
        let mut flight = message(PARAMETERS, &body);
        self.transcript.extend_from_slice(&flight);
        let finished = self.finished();
        self.transcript.extend_from_slice(&finished);
        flight.extend_from_slice(&finished);
        self.outgoing.push((flight, Some(Epoch::Data)));
        self.state = State::Finished;
    }

    fn finished(&self) -> Vec<u8> {
        message(FINISHED, &self.digest("null finished"))
    }

    /// A MAC of the transcript so far.
    fn digest(&self, context: &'static str) -> [u8; 32] {
        Transcript::new(context)
            .field(&self.transcript)
            .hmac_sha256(&self.root)
    }

    fn take(&mut self, epoch: Epoch, kind: u8, body: &[u8]) -> Result<(), SessionError> {
        let expected = match (self.side, self.state) {
            (Side::Server, State::Hello) => (Epoch::Initial, CLIENT_HELLO),
            (Side::Client, State::Hello) => (Epoch::Initial, SERVER_HELLO),
            (_, State::Parameters) => (Epoch::Handshake, PARAMETERS),
            (_, State::Finished) => (Epoch::Handshake, FINISHED),
            (_, State::Done) => return Err(failure("a message after the handshake")),
        };
        if (epoch, kind) != expected {
            return Err(failure("an unexpected message"));
        }
        let received = message(kind, body);
        match kind {
            CLIENT_HELLO => {
                let mut rest = body.get(32..).ok_or_else(|| failure("a short hello"))?;
                self.peer_parameters = Some(take_prefixed(&mut rest)?);
                self.transcript.extend_from_slice(&received);
                self.answer_hello();
            }
            SERVER_HELLO => {
                self.transcript.extend_from_slice(&received);
                self.root = self.digest("null root");
                self.keys_due = Some(Epoch::Handshake);
                self.state = State::Parameters;
            }
            PARAMETERS => {
                let mut rest = body;
                let identity = take_prefixed(&mut rest)?;
                self.peer_identity = (!identity.is_empty()).then_some(identity);
                self.peer_parameters = Some(take_prefixed(&mut rest)?);
                self.transcript.extend_from_slice(&received);
                self.state = State::Finished;
            }
            _ => {
                if received != self.finished() {
                    return Err(failure("the handshake was tampered with"));
                }
                self.transcript.extend_from_slice(&received);
                if self.side == Side::Client {
                    let finished = self.finished();
                    self.outgoing.push((finished, Some(Epoch::Data)));
                }
                self.state = State::Done;
            }
        }
        Ok(())
    }

    fn keys(&self, epoch: Epoch, generation: u64) -> Keys {
        let protection = |side: Side, generation: u64| {
            let mut key = [0; 32];
            Transcript::new("null keys")
                .u8(epoch as u8)
                .u8(side as u8)
                .u64(generation)
                .hkdf_sha256(&self.root, &[], &mut key);
            NullProtection::new(&key).with_limits(self.limits)
        };
        let key = |side: Side| {
            let first = protection(side, 0);
            Box::new(protection(side, generation).under_mask_of(&first))
        };
        let peer = match self.side {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        };
        Keys {
            local: key(self.side),
            remote: key(peer),
        }
    }
}

impl Session for NullSession {
    fn read(&mut self, epoch: Epoch, data: &[u8]) -> Result<(), SessionError> {
        self.received.extend_from_slice(data);
        while let Some(&[kind, a, b, c]) = self.received.first_chunk() {
            let len = u32::from_be_bytes([0, a, b, c]) as usize;
            if len > MESSAGE_LEN_MAX {
                return Err(failure("a message that is too long"));
            }
            let Some(body) = self.received.get(HEADER_LEN..HEADER_LEN + len) else {
                return Ok(());
            };
            let body = body.to_vec();
            self.received.drain(..HEADER_LEN + len);
            self.take(epoch, kind, &body)?;
        }
        Ok(())
    }

    fn write(&mut self, out: &mut Vec<u8>) -> Option<KeyChange> {
        let epoch = match self.keys_due.take() {
            Some(epoch) => epoch,
            None if self.outgoing.is_empty() => return None,
            None => {
                let (bytes, epoch) = self.outgoing.remove(0);
                out.extend_from_slice(&bytes);
                epoch?
            }
        };
        Some(KeyChange {
            epoch,
            keys: self.keys(epoch, 0),
        })
    }

    fn is_handshaking(&self) -> bool {
        self.state != State::Done
    }

    fn peer_parameters(&self) -> Option<&[u8]> {
        self.peer_parameters.as_deref()
    }

    fn peer_identity(&self) -> Option<Vec<u8>> {
        self.peer_identity.clone()
    }

    fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), SessionError> {
        if self.is_handshaking() {
            return Err(failure("exported too early"));
        }
        let info = Transcript::new("null export").field(label).field(context);
        hkdf_sha256(&self.root, &[], info.as_bytes(), out);
        Ok(())
    }

    fn next_keys(&mut self) -> Option<Keys> {
        if self.root == [0; 32] {
            return None;
        }
        self.generation += 1;
        Some(self.keys(Epoch::Data, self.generation))
    }

    fn shed(&mut self) {
        if self.state == State::Done && self.outgoing.is_empty() {
            self.parameters = Vec::new();
            self.peer_parameters = None;
            self.identity = None;
            self.received = Vec::new();
            self.transcript = Vec::new();
            self.outgoing = Vec::new();
        }
    }
}

fn failure(reason: &str) -> SessionError {
    SessionError {
        alert: Some(40),
        reason: reason.to_owned(),
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut message = vec![kind, a, b, c];
    message.extend_from_slice(body);
    message
}

fn put_prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
}

fn take_prefixed(bytes: &mut &[u8]) -> Result<Vec<u8>, SessionError> {
    let short = || failure("a short message");
    let (&[a, b], rest) = bytes.split_first_chunk().ok_or_else(short)?;
    let (field, rest) = rest
        .split_at_checked(usize::from(u16::from_be_bytes([a, b])))
        .ok_or_else(short)?;
    *bytes = rest;
    Ok(field.to_vec())
}

#[cfg(test)]
mod tests;
