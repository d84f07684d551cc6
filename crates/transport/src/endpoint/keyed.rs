//! Maps for what peers choose.

use core::hash::{BuildHasher, Hash};

use crypto::{Random, random_array};

/// A map with room for more than so many times its entries gives it back.
const SPARE_MAX: usize = 8;

/// Hashes under a secret key, so that nobody can choose keys that collide.
#[derive(Clone)]
pub(super) struct Keyed {
    keys: (u64, u64),
}

impl Keyed {
    pub(super) fn new(random: &mut (impl Random + ?Sized)) -> Self {
        let mut draw = || u64::from_le_bytes(random_array(random));
        Self {
            keys: (draw(), draw()),
        }
    }
}

#[expect(
    deprecated,
    reason = "SipHash-2-4 under a key of one's own; what replaces it in std has only keys that it draws itself"
)]
impl BuildHasher for Keyed {
    type Hasher = core::hash::SipHasher;

    fn build_hasher(&self) -> Self::Hasher {
        core::hash::SipHasher::new_with_keys(self.keys.0, self.keys.1)
    }
}

#[expect(
    clippy::disallowed_types,
    reason = "the hasher's key is injected, and nothing depends on the order of entries"
)]
type Hashed<K, V> = std::collections::HashMap<K, V, Keyed>;

/// A hash map whose hasher is [`Keyed`]. It cannot be walked: where an entry stands depends on the
/// key, and what an endpoint does must not.
pub(super) struct Map<K, V>(Hashed<K, V>);

impl<K: Hash + Eq, V: Copy> Map<K, V> {
    pub(super) fn new(hasher: Keyed) -> Self {
        Self(Hashed::with_hasher(hasher))
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.0.get(key).copied()
    }

    #[cfg(feature = "danger-checking")]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        self.0.insert(key, value);
    }

    pub(super) fn remove(&mut self, key: &K) {
        self.0.remove(key);
        // What a crowd needed is given back when most of it has left.
        if self.0.len() < self.0.capacity() / SPARE_MAX {
            self.0.shrink_to_fit();
        }
    }
}
