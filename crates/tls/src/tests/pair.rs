//! Two sessions and the wire between them.

use std::sync::OnceLock;

use crypto::Fingerprint;
use crypto::fixtures::rsa3072_pkcs8;
use transport::{Epoch, Keys, Session, SessionError};

use crate::session::TlsSession;
use crate::{ClientSessions, Lifetime, NodeCertificate, ServerSessions, Trust, WallClock};

/// 2026-11-21T00:00:00Z.
pub(crate) const NOW_S: u64 = 1_795_219_200;
pub(crate) const HOUR_S: u64 = 3600;
pub(crate) const DAY_S: u64 = 24 * HOUR_S;

/// A certificate issued at [`NOW_S`] by the first of the test keys.
pub(crate) fn certificate() -> NodeCertificate {
    static ISSUED: OnceLock<NodeCertificate> = OnceLock::new();
    ISSUED.get_or_init(|| issued_by(0)).clone()
}

pub(crate) fn issued_by(key: usize) -> NodeCertificate {
    NodeCertificate::issue(rsa3072_pkcs8(key), NOW_S, Lifetime::Online).unwrap()
}

pub(crate) fn identity() -> Fingerprint {
    certificate().identity()
}

pub(crate) fn server_sessions() -> ServerSessions {
    ServerSessions::new(certificate(), &WallClock::new(NOW_S)).unwrap()
}

pub(crate) fn client_sessions(trust: Trust) -> ClientSessions {
    ClientSessions::new(trust, &WallClock::new(NOW_S)).unwrap()
}

/// Bytes of one epoch on their way.
pub(crate) type Flight = Vec<(Epoch, Vec<u8>)>;

/// One end, and what it has told the transport so far.
pub(crate) struct End {
    pub(crate) session: TlsSession,
    write_epoch: Epoch,
    pub(crate) handshake: Option<Keys>,
    pub(crate) data: Option<Keys>,
}

impl End {
    pub(crate) fn new(session: TlsSession) -> Self {
        Self {
            session,
            write_epoch: Epoch::Initial,
            handshake: None,
            data: None,
        }
    }

    /// Everything that is due.
    pub(crate) fn flight(&mut self) -> Flight {
        let mut flight = Vec::new();
        loop {
            let mut bytes = Vec::new();
            let change = self.session.write(&mut bytes);
            let idle = bytes.is_empty() && change.is_none();
            if !bytes.is_empty() {
                flight.push((self.write_epoch, bytes));
            }
            if let Some(change) = change {
                assert!(change.epoch > self.write_epoch, "epochs only advance");
                self.write_epoch = change.epoch;
                match change.epoch {
                    Epoch::Handshake => self.handshake = Some(change.keys),
                    Epoch::Data => self.data = Some(change.keys),
                    Epoch::Initial => unreachable!("initial keys are not the session's"),
                }
            }
            if idle {
                break flight;
            }
        }
    }

    pub(crate) fn read(&mut self, flight: &Flight) -> Result<(), SessionError> {
        flight
            .iter()
            .try_for_each(|(epoch, bytes)| self.session.read(*epoch, bytes))
    }
}

/// A client and a server that talk.
pub(crate) struct Pair {
    pub(crate) client: End,
    pub(crate) server: End,
}

impl Pair {
    pub(crate) fn new(client: &ClientSessions, server: &ServerSessions) -> Self {
        Self {
            client: End::new(client.start(b"of the client".to_vec()).unwrap()),
            server: End::new(server.start(b"of the server".to_vec()).unwrap()),
        }
    }

    /// Pinned, and through.
    pub(crate) fn connected() -> Self {
        let client = client_sessions(Trust::Pinned(identity()));
        let mut pair = Self::new(&client, &server_sessions());
        pair.run().unwrap();
        pair
    }

    /// Carries messages to and fro until both ends are silent or one fails.
    pub(crate) fn run(&mut self) -> Result<(), SessionError> {
        self.run_in_pieces(usize::MAX)
    }

    pub(crate) fn run_in_pieces(&mut self, piece: usize) -> Result<(), SessionError> {
        let pieces = |flight: Flight| -> Flight {
            let cut = |(epoch, bytes): (Epoch, Vec<u8>)| {
                let pieces: Vec<_> = bytes.chunks(piece).map(<[u8]>::to_vec).collect();
                pieces.into_iter().map(move |bytes| (epoch, bytes))
            };
            flight.into_iter().flat_map(cut).collect()
        };
        loop {
            let to_server = pieces(self.client.flight());
            self.server.read(&to_server)?;
            let to_client = pieces(self.server.flight());
            self.client.read(&to_client)?;
            if to_server.is_empty() && to_client.is_empty() {
                break Ok(());
            }
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        !self.client.session.is_handshaking() && !self.server.session.is_handshaking()
    }
}

/// Runs a handshake and gives the reason why it failed.
pub(crate) fn refusal(client: &ClientSessions, server: &ServerSessions) -> SessionError {
    let mut pair = Pair::new(client, server);
    let refusal = pair.run().unwrap_err();
    assert!(pair.client.session.is_handshaking());
    refusal
}
