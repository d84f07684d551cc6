//! Whose datagram it is, and what strangers get (docs/PROTOCOL.md §2, §3.1).

use std::sync::Arc;

use internet::{
    CHALLENGE_OVERHEAD, ConnectionId, DropReason, Header, PartialPacket, RESET_LEN_MIN, VERSION,
    encode_challenge, encode_stateless_reset, encode_version, open_challenge, resettable, versions,
};

use crate::connection::{Connection, DATAGRAM_MIN, Start};
use crate::datagram::Meta;
use crate::event::ConnectionHandle;
use crate::gate::{Admission, Attempt, Verdict};
use crate::parameters::Parameters;
use crate::{Instant, Side};

use super::{ANSWERS_MAX, Endpoint};

impl Endpoint {
    /// The connection that a datagram is for. What is for none is answered, if at all, and counted.
    pub(super) fn route(
        &mut self,
        now: Instant,
        meta: Meta,
        datagram: &[u8],
    ) -> Option<ConnectionHandle> {
        let packet = match PartialPacket::parse(datagram) {
            Ok(packet) => packet,
            Err(reason) => {
                self.stats.drops.count(reason);
                return None;
            }
        };
        match &packet.header {
            Header::Unknown { dcid, scid, .. } => {
                self.answer_version(meta, datagram, dcid.clone(), scid.clone());
                None
            }
            Header::Version {
                dcid,
                scid,
                versions: list,
            } => {
                let list = datagram.get(list.clone()).unwrap_or_default();
                if versions(list).any(|version| version == VERSION) {
                    self.stats.drops.count(DropReason::Unexpected);
                } else {
                    self.on_version(meta, *dcid, *scid);
                }
                None
            }
            Header::Challenge { dcid, .. } => {
                self.on_challenge(now, *dcid, &packet, datagram);
                None
            }
            Header::Initial { dcid, scid, token } => {
                let known = self
                    .table
                    .by_id(*dcid)
                    .or_else(|| self.table.by_attempt((meta.remote, *dcid, *scid)));
                let token = datagram.get(token.clone()).unwrap_or_default();
                known.or_else(|| self.on_stranger(now, meta, datagram.len(), *dcid, *scid, token))
            }
            Header::Handshake { dcid, .. } => {
                let known = self.table.by_id(*dcid);
                if known.is_none() && !self.is_stray(*dcid) {
                    self.stats.drops.count(DropReason::UnknownConnection);
                }
                known
            }
            Header::Data { dcid } => {
                let known = self.table.by_id(*dcid);
                known.or_else(|| {
                    self.on_unknown_data(meta, *dcid, datagram);
                    None
                })
            }
        }
    }

    /// An Initial from somebody of whom nothing is known: the gate decides.
    fn on_stranger(
        &mut self,
        now: Instant,
        meta: Meta,
        datagram_len: usize,
        dcid: ConnectionId,
        scid: ConnectionId,
        token: &[u8],
    ) -> Option<ConnectionHandle> {
        let Some(server) = &mut self.server else {
            self.stats.drops.count(DropReason::UnknownConnection);
            return None;
        };
        // RFC 9000 §14.1: a first datagram has full length, which also bounds every answer.
        if datagram_len < DATAGRAM_MIN {
            self.stats.drops.count(DropReason::TooShort);
            return None;
        }
        let attempt = Attempt {
            remote: meta.remote,
            dcid,
            scid,
            token,
        };
        let mut body = Vec::new();
        match server.accept.gate.judge(now, &attempt, &mut body) {
            Verdict::Admit(admission) => self.accept(now, meta, dcid, scid, admission),
            Verdict::Drop => {
                self.stats.drops.count(DropReason::Refused);
                None
            }
            Verdict::Challenge => {
                if !token.is_empty() {
                    self.stats.drops.count(DropReason::Token);
                }
                if body.len() + CHALLENGE_OVERHEAD > datagram_len {
                    self.stats.drops.count(DropReason::Amplification);
                    return None;
                }
                let mut answer = Vec::with_capacity(body.len() + CHALLENGE_OVERHEAD);
                encode_challenge(&mut answer, scid, dcid, &body);
                self.stats.challenges += u64::from(self.answer(meta, answer));
                None
            }
        }
    }

    /// Makes the connection that the gate admitted.
    fn accept(
        &mut self,
        now: Instant,
        meta: Meta,
        dcid: ConnectionId,
        scid: ConnectionId,
        admission: Admission,
    ) -> Option<ConnectionHandle> {
        self.evict_half_open(now);
        let local_cid = self.issue_id();
        let server = self.server.as_mut()?;
        let mut parameters = Parameters::new(&self.config, local_cid);
        parameters.original_dcid = Some(dcid);
        parameters.challenge = admission.challenge;
        parameters.reset_token = Some(*server.ids.reset_token(local_cid).as_bytes());
        let Ok(session) = server.accept.sessions.session(parameters.encode()) else {
            self.stats.drops.count(DropReason::Refused);
            return None;
        };
        let [seed, path_seed] = self.seeds();
        let start = Start {
            now,
            side: Side::Server,
            addresses: meta.addresses(),
            local_cid,
            remote_cid: scid,
            original_dcid: dcid,
            session,
            seed,
            path_seed,
            admission: Some(admission),
        };
        let connection = Connection::new(start, Arc::clone(&self.config));
        let attempt = (meta.remote, dcid, scid);
        Some(self.table.insert_half_open(now, attempt, connection))
    }

    /// A challenge counts if it answers a first flight of ours.
    fn on_challenge(
        &mut self,
        now: Instant,
        dcid: ConnectionId,
        packet: &PartialPacket,
        datagram: &[u8],
    ) {
        let handle = self.table.by_id(dcid);
        let Some(connection) = handle.and_then(|handle| self.table.get_mut(handle)) else {
            self.stats.drops.count(DropReason::UnknownConnection);
            return;
        };
        match open_challenge(packet, connection.original_dcid(), datagram) {
            Ok(body) => connection.on_challenge(now, body),
            Err(_) => return self.stats.drops.count(DropReason::Unauthentic),
        }
        if let Some(handle) = handle {
            self.touch(handle);
        }
    }

    /// A Data packet that no connection has: perhaps a stateless reset for one of ours, otherwise
    /// its sender believes in a connection that is gone, and is told so.
    fn on_unknown_data(&mut self, meta: Meta, dcid: ConnectionId, datagram: &[u8]) {
        if datagram.len() >= RESET_LEN_MIN
            && let Some(tail) = datagram.last_chunk()
            && let Some(handle) = self.table.by_reset(meta.remote, *tail)
        {
            if let Some(connection) = self.table.get_mut(handle) {
                connection.on_stateless_reset();
            }
            self.touch(handle);
            return;
        }
        // Only its owner knows that a connection is gone.
        if self.is_stray(dcid) {
            return;
        }
        self.stats.drops.count(DropReason::UnknownConnection);
        let (Some(server), Some(id)) = (&self.server, resettable(datagram)) else {
            return;
        };
        let token = server.ids.reset_token(id);
        let mut answer = Vec::new();
        let written =
            encode_stateless_reset(&mut answer, &token, datagram.len(), &mut *self.random);
        if written.is_some() {
            self.stats.resets += u64::from(self.answer(meta, answer));
        }
    }

    /// A packet of another version is told ours, if it is long enough to deserve an answer.
    fn answer_version(
        &mut self,
        meta: Meta,
        datagram: &[u8],
        dcid: core::ops::Range<usize>,
        scid: core::ops::Range<usize>,
    ) {
        self.stats.drops.count(DropReason::UnknownVersion);
        if self.server.is_none() || datagram.len() < DATAGRAM_MIN {
            return;
        }
        let (Some(dcid), Some(scid)) = (datagram.get(dcid), datagram.get(scid)) else {
            return;
        };
        let mut answer = Vec::new();
        encode_version(&mut answer, scid, dcid);
        self.answer(meta, answer);
    }

    /// A Version packet is believed only if it echoes our ids.
    fn on_version(&mut self, meta: Meta, dcid: ConnectionId, scid: ConnectionId) {
        let handle = self.table.by_id(dcid);
        let Some((handle, connection)) =
            handle.and_then(|handle| Some((handle, self.table.get_mut(handle)?)))
        else {
            self.stats.drops.count(DropReason::UnknownConnection);
            return;
        };
        if connection.original_dcid() == scid && connection.remote() == meta.remote {
            connection.on_version_mismatch();
            self.touch(handle);
        } else {
            self.stats.drops.count(DropReason::Unexpected);
        }
    }

    /// Queues a stateless answer. Returns whether there was room.
    fn answer(&mut self, meta: Meta, answer: Vec<u8>) -> bool {
        if self.answers.len() >= ANSWERS_MAX {
            self.stats.drops.count(DropReason::QueueFull);
            return false;
        }
        self.answers.push_back((meta.addresses(), answer));
        true
    }
}
