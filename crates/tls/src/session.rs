//! rustls' handshake as a [`Session`].

use std::collections::VecDeque;

use rustls::AlertDescription;
use rustls::quic::{Connection, KeyChange as RustlsKeyChange, PacketKeySet, Secrets};
use transport::{Epoch, KeyChange, Keys, Session, SessionError};

use crate::failure::{failure, refusal};
use crate::protection::{HeaderKey, PacketProtection};
use crate::trust;

/// What is due to be sent: bytes, then perhaps keys for what follows them.
struct Due {
    bytes: Vec<u8>,
    change: Option<RustlsKeyChange>,
}

/// What key updates need.
struct Generations {
    secrets: Secrets,
    local: HeaderKey,
    remote: HeaderKey,
}

/// How the peer's certificates tell who it is.
#[derive(Clone, Copy)]
pub(crate) enum PeerIdentity {
    /// It is the root of the chain.
    Root,
    /// It is not in the certificates.
    Absent,
}

/// One end of a handshake.
pub(crate) struct TlsSession {
    connection: Connection,
    identity: PeerIdentity,
    due: VecDeque<Due>,
    /// Where the peer's next bytes have to come from.
    read_epoch: Epoch,
    generations: Option<Generations>,
    /// Set once, then final.
    failure: Option<SessionError>,
}

impl TlsSession {
    pub(crate) fn new(connection: Connection, identity: PeerIdentity) -> Self {
        let mut session = Self {
            connection,
            identity,
            due: VecDeque::new(),
            read_epoch: Epoch::Initial,
            generations: None,
            failure: None,
        };
        session.collect();
        session
    }

    /// Takes over what rustls wants to send, so that the epoch to read from is known at once and
    /// not only when somebody asks for output.
    fn collect(&mut self) {
        loop {
            let mut bytes = Vec::new();
            let change = self.connection.write_hs(&mut bytes);
            if bytes.is_empty() && change.is_none() {
                break;
            }
            if matches!(change, Some(RustlsKeyChange::Handshake { .. })) {
                self.read_epoch = Epoch::Handshake;
            }
            self.due.push_back(Due { bytes, change });
        }
        if !self.connection.is_handshaking() {
            self.read_epoch = Epoch::Data;
        }
    }

    fn try_read(&mut self, epoch: Epoch, data: &[u8]) -> Result<(), SessionError> {
        // RFC 9001 §4.1.3: bytes of another epoch than the current one are a violation. rustls
        // does not know under which keys they came, and Initial keys are anybody's.
        if epoch != self.read_epoch {
            let alert = AlertDescription::UnexpectedMessage;
            return Err(refusal(
                alert,
                "handshake bytes under keys that are not in turn",
            ));
        }
        let read = self.connection.read_hs(data);
        read.map_err(|error| failure(&error, self.connection.alert()))
    }

    fn change(&mut self, change: RustlsKeyChange) -> KeyChange {
        let (epoch, keys, next) = match change {
            RustlsKeyChange::Handshake { keys } => (Epoch::Handshake, keys, None),
            RustlsKeyChange::OneRtt { keys, next } => (Epoch::Data, keys, Some(next)),
        };
        let local = PacketProtection::first(keys.local);
        let remote = PacketProtection::first(keys.remote);
        if let Some(secrets) = next {
            self.generations = Some(Generations {
                secrets,
                local: local.header_key(),
                remote: remote.header_key(),
            });
        }
        KeyChange {
            epoch,
            keys: Keys {
                local: Box::new(local),
                remote: Box::new(remote),
            },
        }
    }

    #[cfg(test)]
    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl Session for TlsSession {
    fn read(&mut self, epoch: Epoch, data: &[u8]) -> Result<(), SessionError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if data.is_empty() {
            return Ok(());
        }
        let read = self.try_read(epoch, data);
        match &read {
            Ok(()) => self.collect(),
            Err(failure) => self.failure = Some(failure.clone()),
        }
        read
    }

    fn write(&mut self, out: &mut Vec<u8>) -> Option<KeyChange> {
        let Due { bytes, change } = self.due.pop_front()?;
        out.extend_from_slice(&bytes);
        change.map(|change| self.change(change))
    }

    fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    fn peer_parameters(&self) -> Option<&[u8]> {
        self.connection.quic_transport_parameters()
    }

    fn peer_identity(&self) -> Option<Vec<u8>> {
        // In a resumed handshake the chain is known before the peer has proven that it knows the
        // ticket's secret: only its Finished does that.
        if self.connection.is_handshaking() {
            return None;
        }
        match self.identity {
            PeerIdentity::Root => trust::root_spki(self.connection.peer_certificates()?),
            PeerIdentity::Absent => None,
        }
    }

    fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), SessionError> {
        if self.connection.is_handshaking() {
            let reason = "the handshake is not complete".to_owned();
            return Err(SessionError {
                alert: None,
                reason,
            });
        }
        let exported = self
            .connection
            .export_keying_material(out, label, Some(context));
        exported.map(|_| ()).map_err(|error| failure(&error, None))
    }

    fn next_keys(&mut self) -> Option<Keys> {
        let generations = self.generations.as_mut()?;
        let PacketKeySet { local, remote } = generations.secrets.next_packet_keys();
        let local = PacketProtection::next(local, generations.local.clone());
        let remote = PacketProtection::next(remote, generations.remote.clone());
        Some(Keys {
            local: Box::new(local),
            remote: Box::new(remote),
        })
    }
}
