//! rustls' handshake as a [`Session`].

use std::collections::VecDeque;

use crypto::packet::{ChannelKey, ChannelMask};
use crypto::{HKDF_SHA256_MAX, Secret, Transcript};
use rustls::AlertDescription;
use rustls::quic::{Connection, KeyChange as RustlsKeyChange, Secrets};
use transport::{Epoch, KeyChange, Keys, Session, SessionError};

use crate::failure::{failure, refusal};
use crate::protection::PacketProtection;
use crate::suite::{Made, making};
use crate::trust;

/// Label of the secret from which everything else is exported (docs/PROTOCOL.md §5.2).
const EXPORTER_LABEL: &[u8] = b"EXPORTER-undertone";
const EXPORTER_LEN: usize = 32;

/// What is due to be sent: bytes, then perhaps keys for what follows them.
struct Due {
    bytes: Vec<u8>,
    change: Option<Change>,
}

/// Keys that rustls has agreed on.
struct Change {
    epoch: Epoch,
    /// Of our direction, then of the peer's.
    made: [Made; 2],
    /// What later generations derive from.
    secrets: Option<Secrets>,
}

/// What key updates need.
struct Generations {
    secrets: Secrets,
    local: ChannelMask,
    remote: ChannelMask,
}

/// How the peer's certificates tell who it is.
#[derive(Clone, Copy)]
pub(crate) enum PeerIdentity {
    /// It is the root of the chain.
    Root,
    /// It is not in the certificates.
    Absent,
}

/// One end of a handshake, and what is left of it.
pub(crate) struct TlsSession {
    stage: Stage,
    generations: Option<Generations>,
    /// Set once, then final.
    failure: Option<Box<SessionError>>,
}

enum Stage {
    Handshake(Box<Handshake>),
    /// The handshake is complete, and its state is gone.
    Channel(Box<Channel>),
}

/// rustls' state.
struct Handshake {
    connection: Connection,
    identity: PeerIdentity,
    due: VecDeque<Due>,
    /// Where the peer's next bytes have to come from.
    read_epoch: Epoch,
}

/// What outlives the handshake.
struct Channel {
    /// From which keying material is exported.
    exporter: Secret<EXPORTER_LEN>,
    peer_identity: Option<Box<[u8]>>,
    /// Whether the peer may have something to say on the handshake's stream: tickets, that is.
    may_hear: bool,
}

impl Handshake {
    /// Takes over what rustls wants to send, so that the epoch to read from is known at once and
    /// not only when somebody asks for output.
    fn collect(&mut self) {
        loop {
            let mut bytes = Vec::new();
            let (change, made) = making(|| self.connection.write_hs(&mut bytes));
            if bytes.is_empty() && change.is_none() {
                break;
            }
            let (epoch, secrets) = match change {
                None => (Epoch::Initial, None),
                Some(RustlsKeyChange::Handshake { .. }) => {
                    self.read_epoch = Epoch::Handshake;
                    (Epoch::Handshake, None)
                }
                Some(RustlsKeyChange::OneRtt { next, .. }) => (Epoch::Data, Some(next)),
            };
            let change = <[Made; 2]>::try_from(made).ok().map(|made| Change {
                epoch,
                made,
                secrets,
            });
            self.due.push_back(Due { bytes, change });
        }
        if !self.connection.is_handshaking() {
            self.read_epoch = Epoch::Data;
        }
    }

    fn read(&mut self, epoch: Epoch, data: &[u8]) -> Result<(), SessionError> {
        // RFC 9001 §4.1.3: bytes of another epoch than the current one are a violation. rustls
        // does not know under which keys they came, and Initial keys are anybody's.
        if epoch != self.read_epoch {
            return Err(out_of_turn());
        }
        let read = self.connection.read_hs(data);
        read.map_err(|error| failure(&error, self.connection.alert()))
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

    fn exporter(&self) -> Result<Secret<EXPORTER_LEN>, SessionError> {
        if self.connection.is_handshaking() {
            return Err(SessionError {
                alert: None,
                reason: "the handshake is not complete".to_owned(),
            });
        }
        let mut exported = Ok(());
        let exporter = Secret::filled(|out| {
            let out = &mut out[..];
            let result = self
                .connection
                .export_keying_material(out, EXPORTER_LABEL, None);
            exported = result.map(|_| ());
        });
        exported.map_err(|error| failure(&error, None))?;
        Ok(exporter)
    }
}

fn out_of_turn() -> SessionError {
    let alert = AlertDescription::UnexpectedMessage;
    refusal(alert, "handshake bytes under keys that are not in turn")
}

impl TlsSession {
    pub(crate) fn new(connection: Connection, identity: PeerIdentity) -> Self {
        let mut handshake = Handshake {
            connection,
            identity,
            due: VecDeque::new(),
            read_epoch: Epoch::Initial,
        };
        handshake.collect();
        Self {
            stage: Stage::Handshake(Box::new(handshake)),
            generations: None,
            failure: None,
        }
    }

    fn change(&mut self, change: Change) -> Option<KeyChange> {
        let [local, remote] = change.made;
        let (local_mask, remote_mask) = (local.mask?, remote.mask?);
        if let Some(secrets) = change.secrets {
            self.generations = Some(Generations {
                secrets,
                local: local_mask.clone(),
                remote: remote_mask.clone(),
            });
        }
        Some(KeyChange {
            epoch: change.epoch,
            keys: keys((local.key, local_mask), (remote.key, remote_mask)),
        })
    }

    #[cfg(test)]
    pub(crate) fn connection(&self) -> &Connection {
        match &self.stage {
            Stage::Handshake(handshake) => &handshake.connection,
            Stage::Channel(_) => panic!("shed"),
        }
    }
}

impl Session for TlsSession {
    fn read(&mut self, epoch: Epoch, data: &[u8]) -> Result<(), SessionError> {
        if let Some(failure) = &self.failure {
            return Err((**failure).clone());
        }
        if data.is_empty() {
            return Ok(());
        }
        let read = match &mut self.stage {
            Stage::Handshake(handshake) => {
                handshake.read(epoch, data).map(|()| handshake.collect())
            }
            Stage::Channel(channel) if channel.may_hear && epoch == Epoch::Data => Ok(()),
            Stage::Channel(_) => Err(out_of_turn()),
        };
        if let Err(failure) = &read {
            self.failure = Some(Box::new(failure.clone()));
        }
        read
    }

    fn write(&mut self, out: &mut Vec<u8>) -> Option<KeyChange> {
        let Stage::Handshake(handshake) = &mut self.stage else {
            return None;
        };
        let Due { bytes, change } = handshake.due.pop_front()?;
        out.extend_from_slice(&bytes);
        change.and_then(|change| self.change(change))
    }

    fn is_handshaking(&self) -> bool {
        match &self.stage {
            Stage::Handshake(handshake) => handshake.connection.is_handshaking(),
            Stage::Channel(_) => false,
        }
    }

    fn peer_parameters(&self) -> Option<&[u8]> {
        match &self.stage {
            Stage::Handshake(handshake) => handshake.connection.quic_transport_parameters(),
            Stage::Channel(_) => None,
        }
    }

    fn peer_identity(&self) -> Option<Vec<u8>> {
        match &self.stage {
            Stage::Handshake(handshake) => handshake.peer_identity(),
            Stage::Channel(channel) => channel.peer_identity.as_deref().map(<[u8]>::to_vec),
        }
    }

    fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), SessionError> {
        let computed;
        let exporter = match &self.stage {
            Stage::Channel(channel) => &channel.exporter,
            Stage::Handshake(handshake) => {
                computed = handshake.exporter()?;
                &computed
            }
        };
        if out.is_empty() || out.len() > HKDF_SHA256_MAX {
            return Err(SessionError {
                alert: None,
                reason: "so many bytes are not exported".to_owned(),
            });
        }
        Transcript::new("exporter")
            .field(label)
            .field(context)
            .hkdf_sha256(exporter.expose(), &[], out);
        Ok(())
    }

    fn shed(&mut self) {
        let Stage::Handshake(handshake) = &self.stage else {
            return;
        };
        if !handshake.due.is_empty() || self.failure.is_some() {
            return;
        }
        if let Ok(exporter) = handshake.exporter() {
            self.stage = Stage::Channel(Box::new(Channel {
                exporter,
                peer_identity: handshake.peer_identity().map(Vec::into_boxed_slice),
                may_hear: matches!(handshake.connection, Connection::Client(_)),
            }));
        }
    }

    fn next_keys(&mut self) -> Option<Keys> {
        let generations = self.generations.as_mut()?;
        let (_, made) = making(|| generations.secrets.next_packet_keys());
        let [local, remote] = <[Made; 2]>::try_from(made).ok()?;
        let (local_mask, remote_mask) = (generations.local.clone(), generations.remote.clone());
        Some(keys((local.key, local_mask), (remote.key, remote_mask)))
    }
}

fn keys(local: (ChannelKey, ChannelMask), remote: (ChannelKey, ChannelMask)) -> Keys {
    Keys {
        local: Box::new(PacketProtection::new(local.0, local.1)),
        remote: Box::new(PacketProtection::new(remote.0, remote.1)),
    }
}
