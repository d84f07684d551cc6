use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use internet::{Protection, SAMPLE_LEN, TAG_LEN, Unauthentic};
use transport::{Epoch, KeyChange, Keys, Session, SessionError, Sessions};

use crate::canaries::Canaries;

/// A number under which nobody seals anything: the largest that a packet has room for.
const IDENTIFYING_NUMBER: u64 = (1 << 62) - 1;

/// What a key makes of nothing, which tells it from all others, whoever holds it.
type KeyId = [u8; TAG_LEN];

/// Watches what sessions seal, before it is sealed: that no key seals two packets under one number,
/// and that nothing is said that must not be readable even inside a session.
///
/// A key's numbers only ever grow, so the last one is enough.
#[derive(Clone, Debug, Default)]
pub struct Watch(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    canaries: Canaries,
    /// The last number that each key has sealed.
    last: BTreeMap<KeyId, u64>,
    wrong: Option<String>,
}

impl Watch {
    /// From now on no packet may hold these bytes.
    ///
    /// # Panics
    /// When they are fewer than four.
    pub fn add_canary(&self, bytes: &[u8]) {
        self.lock().canaries.add(bytes);
    }

    /// The first thing that should not have been sealed.
    pub fn wrong(&self) -> Option<String> {
        self.lock().wrong.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn over(&self, keys: Keys) -> Keys {
        let mut id = KeyId::default();
        keys.local.seal(IDENTIFYING_NUMBER, &mut id, 0);
        Keys {
            local: Box::new(Watched {
                inner: keys.local,
                id,
                watch: self.clone(),
            }),
            remote: keys.remote,
        }
    }

    /// A key is about to seal this under that number.
    pub(crate) fn seals(&self, key: KeyId, number: u64, payload: &[u8]) {
        let state = &mut *self.lock();
        let last = state.last.insert(key, number);
        if last.is_some_and(|last| last >= number) {
            let wrong = || format!("packet number {number} under one key again");
            state.wrong.get_or_insert_with(wrong);
        }
        if state.canaries.are_in(payload) {
            let wrong = || "a packet holds a canary before it is sealed".to_owned();
            state.wrong.get_or_insert_with(wrong);
        }
    }
}

/// A key that is watched.
struct Watched {
    inner: Box<dyn Protection>,
    id: KeyId,
    watch: Watch,
}

impl Protection for Watched {
    fn seal(&self, packet_number: u64, packet: &mut [u8], header_len: usize) {
        let payload = packet.get(header_len..).unwrap_or_default();
        self.watch.seals(self.id, packet_number, payload);
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

    fn rest(&mut self) {
        self.inner.rest();
    }
}

/// Sessions whose keys are watched.
pub struct WatchedSessions {
    inner: Box<dyn Sessions>,
    watch: Watch,
}

impl WatchedSessions {
    /// Puts sessions under a watch.
    pub fn new(inner: Box<dyn Sessions>, watch: &Watch) -> Self {
        let watch = watch.clone();
        Self { inner, watch }
    }
}

impl Sessions for WatchedSessions {
    fn session(&mut self, parameters: Vec<u8>) -> Result<Box<dyn Session>, SessionError> {
        let inner = self.inner.session(parameters)?;
        let watch = self.watch.clone();
        Ok(Box::new(WatchedSession { inner, watch }))
    }
}

struct WatchedSession {
    inner: Box<dyn Session>,
    watch: Watch,
}

impl Session for WatchedSession {
    fn read(&mut self, epoch: Epoch, data: &[u8]) -> Result<(), SessionError> {
        self.inner.read(epoch, data)
    }

    fn write(&mut self, out: &mut Vec<u8>) -> Option<KeyChange> {
        let change = self.inner.write(out)?;
        Some(KeyChange {
            epoch: change.epoch,
            keys: self.watch.over(change.keys),
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
        self.inner.next_keys().map(|keys| self.watch.over(keys))
    }

    fn shed(&mut self) {
        self.inner.shed();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::Rng;
    use crate::null::NullSessions;

    /// A session that gives the same keys each time.
    fn session(watch: &Watch) -> Box<dyn Session> {
        let inner = Box::new(NullSessions::client(Rng::new(1)));
        let mut sessions = WatchedSessions::new(inner, watch);
        let mut client = sessions.session(Vec::new()).unwrap();
        let mut server = NullSessions::server(Rng::new(2)).session(Vec::new());
        let server = server.as_mut().unwrap();
        let mut hello = Vec::new();
        client.write(&mut hello);
        server.read(Epoch::Initial, &hello).unwrap();
        hello.clear();
        server.write(&mut hello);
        client.read(Epoch::Initial, &hello).unwrap();
        client
    }

    fn seal(keys: &Keys, number: u64, payload: &[u8]) {
        let mut packet = [b"header", payload, &[0; TAG_LEN]].concat();
        keys.local.seal(number, &mut packet, 6);
    }

    #[test]
    fn a_number_comes_once_under_a_key_however_often_the_key_is_handed_out() {
        let watch = Watch::default();
        let [mut first, mut again] = [0, 1].map(|_| session(&watch));
        let generation = first.next_keys().unwrap();
        seal(&generation, 7, b"one");
        seal(&first.next_keys().unwrap(), 7, b"under another key");
        seal(&generation, 8, b"two");
        assert_eq!(watch.wrong(), None);
        seal(
            &again.next_keys().unwrap(),
            8,
            b"the same key as an object of its own",
        );
        assert!(
            watch
                .wrong()
                .is_some_and(|wrong| wrong.contains("number 8"))
        );
    }

    #[test]
    fn what_is_said_unsealed_inside_a_session_is_seen() {
        let watch = Watch::default();
        watch.add_canary(b"canary");
        let keys = session(&watch).next_keys().unwrap();
        seal(&keys, 1, b"a canar and y");
        assert_eq!(watch.wrong(), None);
        seal(&keys, 2, b"in the canary's cage");
        assert!(watch.wrong().is_some_and(|wrong| wrong.contains("canary")));
    }
}
