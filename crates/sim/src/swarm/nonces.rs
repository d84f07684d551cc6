use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use internet::{Protection, SAMPLE_LEN, Unauthentic};
use transport::{Epoch, KeyChange, Keys, Session, SessionError, Sessions};

/// Watches that no key seals two packets under one number.
///
/// Every key counts the numbers it has sealed: they only ever grow, so the last one is enough.
#[derive(Clone, Debug, Default)]
pub(super) struct Nonces(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    keys: u64,
    /// The last number that each key has sealed.
    last: BTreeMap<u64, u64>,
    repeated: Option<u64>,
}

impl Nonces {
    /// A packet number that came twice under one key, or went back.
    pub(super) fn wrong(&self) -> Option<String> {
        let number = self.lock().repeated?;
        Some(format!("packet number {number} under one key again"))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self, keys: Keys) -> Keys {
        let mut state = self.lock();
        state.keys += 1;
        let key = state.keys;
        Keys {
            local: Box::new(Watched {
                inner: keys.local,
                key,
                nonces: self.clone(),
            }),
            remote: keys.remote,
        }
    }

    pub(super) fn sealed(&self, key: u64, number: u64) {
        let mut state = self.lock();
        let last = state.last.insert(key, number);
        if last.is_some_and(|last| last >= number) {
            state.repeated = Some(number);
        }
    }
}

/// A key that is watched.
struct Watched {
    inner: Box<dyn Protection>,
    key: u64,
    nonces: Nonces,
}

impl Protection for Watched {
    fn seal(&self, packet_number: u64, packet: &mut [u8], header_len: usize) {
        self.nonces.sealed(self.key, packet_number);
        self.inner.seal(packet_number, packet, header_len);
    }

    fn open(
        &self,
        packet_number: u64,
        packet: &mut [u8],
        header_len: usize,
    ) -> Result<usize, Unauthentic> {
        self.inner.open(packet_number, packet, header_len)
    }

    fn header_mask(&self, sample: &[u8; SAMPLE_LEN]) -> [u8; 5] {
        self.inner.header_mask(sample)
    }

    fn confidentiality_limit(&self) -> u64 {
        self.inner.confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.inner.integrity_limit()
    }
}

/// Sessions whose keys are watched.
pub(super) struct WatchedSessions<S> {
    pub(super) inner: S,
    pub(super) nonces: Nonces,
}

impl<S: Sessions> Sessions for WatchedSessions<S> {
    fn session(&mut self, parameters: Vec<u8>) -> Result<Box<dyn Session>, SessionError> {
        let inner = self.inner.session(parameters)?;
        let nonces = self.nonces.clone();
        Ok(Box::new(WatchedSession { inner, nonces }))
    }
}

struct WatchedSession {
    inner: Box<dyn Session>,
    nonces: Nonces,
}

impl Session for WatchedSession {
    fn read(&mut self, epoch: Epoch, data: &[u8]) -> Result<(), SessionError> {
        self.inner.read(epoch, data)
    }

    fn write(&mut self, out: &mut Vec<u8>) -> Option<KeyChange> {
        let change = self.inner.write(out)?;
        Some(KeyChange {
            epoch: change.epoch,
            keys: self.nonces.watch(change.keys),
        })
    }

    fn is_handshaking(&self) -> bool {
        self.inner.is_handshaking()
    }

    fn peer_parameters(&self) -> Option<&[u8]> {
        self.inner.peer_parameters()
    }

    fn peer_identity(&self) -> Option<Vec<u8>> {
        self.inner.peer_identity()
    }

    fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), SessionError> {
        self.inner.export(label, context, out)
    }

    fn next_keys(&mut self) -> Option<Keys> {
        self.inner.next_keys().map(|keys| self.nonces.watch(keys))
    }
}
