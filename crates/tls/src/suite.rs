//! What rustls agrees on becomes keys of ours.
//!
//! rustls hands packet keys out behind traits that show neither the key nor a way to let it rest.
//! So its suites make them here: what rustls holds are blanks, and the keys wait for the session
//! during whose call they were made.

use core::cell::RefCell;
use std::sync::LazyLock;

use crypto::Secret;
use crypto::packet::{ChannelKey, ChannelMask, ChannelSuite, SAMPLE_LEN};
use rustls::crypto::cipher::{AeadKey, Iv};
use rustls::crypto::ring::cipher_suite::{
    TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::quic::{Algorithm, HeaderProtectionKey, PacketKey, Tag};
use rustls::{CipherSuiteCommon, Error, SupportedCipherSuite, Tls13CipherSuite};

/// AES-256-GCM with SHA-384.
pub(crate) fn aes_256() -> SupportedCipherSuite {
    static SUITE: LazyLock<Option<Tls13CipherSuite>> =
        LazyLock::new(|| with_keys(TLS13_AES_256_GCM_SHA384, &KeyMaker(ChannelSuite::Aes256Gcm)));
    of(&SUITE, TLS13_AES_256_GCM_SHA384)
}

/// ChaCha20-Poly1305 with SHA-256.
pub(crate) fn chacha20() -> SupportedCipherSuite {
    static SUITE: LazyLock<Option<Tls13CipherSuite>> = LazyLock::new(|| {
        let maker = &KeyMaker(ChannelSuite::ChaCha20Poly1305);
        with_keys(TLS13_CHACHA20_POLY1305_SHA256, maker)
    });
    of(&SUITE, TLS13_CHACHA20_POLY1305_SHA256)
}

fn of(
    suite: &'static Option<Tls13CipherSuite>,
    otherwise: SupportedCipherSuite,
) -> SupportedCipherSuite {
    match suite {
        Some(suite) => SupportedCipherSuite::Tls13(suite),
        // Without a maker of ours it yields no keys, and no handshake succeeds.
        None => otherwise,
    }
}

fn with_keys(suite: SupportedCipherSuite, maker: &'static KeyMaker) -> Option<Tls13CipherSuite> {
    let suite = suite.tls13()?;
    Some(Tls13CipherSuite {
        common: CipherSuiteCommon {
            suite: suite.common.suite,
            hash_provider: suite.common.hash_provider,
            confidentiality_limit: suite.common.confidentiality_limit,
        },
        hkdf_provider: suite.hkdf_provider,
        aead_alg: suite.aead_alg,
        quic: Some(maker),
    })
}

/// One direction's key, and its mask where there is a new one.
pub(crate) struct Made {
    pub(crate) key: ChannelKey,
    pub(crate) mask: Option<ChannelMask>,
}

thread_local! {
    /// Made during the present call of rustls and not yet fetched.
    static WAITING: RefCell<(Option<ChannelMask>, Vec<Made>)> = const { RefCell::new((None, Vec::new())) };
}

/// The keys that `call` has rustls make, in the order in which it makes them: of our own direction
/// first (`Keys::new` and `PacketKeySet::new` there).
pub(crate) fn making<T>(call: impl FnOnce() -> T) -> (T, Vec<Made>) {
    WAITING.with_borrow_mut(|(mask, made)| {
        *mask = None;
        made.clear();
    });
    let result = call();
    (
        result,
        WAITING.with_borrow_mut(|(_, made)| core::mem::take(made)),
    )
}

/// Makes the keys of one suite.
struct KeyMaker(ChannelSuite);

impl Algorithm for KeyMaker {
    fn packet_key(&self, key: AeadKey, iv: Iv) -> Box<dyn PacketKey> {
        let iv = iv.as_ref().try_into().unwrap_or_default();
        let key = ChannelKey::new(self.0, secret(&key), iv);
        WAITING.with_borrow_mut(|(mask, made)| {
            let mask = mask.take();
            made.push(Made { key, mask });
        });
        Box::new(Blank)
    }

    fn header_protection_key(&self, key: AeadKey) -> Box<dyn HeaderProtectionKey> {
        let new = ChannelMask::new(self.0, secret(&key));
        WAITING.with_borrow_mut(|(mask, _)| *mask = Some(new));
        Box::new(Blank)
    }

    fn aead_key_len(&self) -> usize {
        // That of both suites.
        32
    }
}

fn secret(key: &AeadKey) -> Secret<32> {
    Secret::filled(|bytes| {
        let key = key.as_ref();
        debug_assert_eq!(key.len(), bytes.len());
        for (byte, key) in bytes.iter_mut().zip(key) {
            *byte = *key;
        }
    })
}

/// Stands where rustls expects a key. It does nothing: rustls protects no packet by itself.
struct Blank;

impl PacketKey for Blank {
    fn encrypt_in_place(&self, _: u64, _: &[u8], _: &mut [u8]) -> Result<Tag, Error> {
        Err(Error::EncryptError)
    }

    fn decrypt_in_place<'a>(&self, _: u64, _: &[u8], _: &'a mut [u8]) -> Result<&'a [u8], Error> {
        Err(Error::DecryptError)
    }

    fn tag_len(&self) -> usize {
        internet::TAG_LEN
    }

    fn confidentiality_limit(&self) -> u64 {
        0
    }

    fn integrity_limit(&self) -> u64 {
        0
    }
}

impl HeaderProtectionKey for Blank {
    fn encrypt_in_place(&self, _: &[u8], _: &mut u8, _: &mut [u8]) -> Result<(), Error> {
        Err(Error::EncryptError)
    }

    fn decrypt_in_place(&self, _: &[u8], _: &mut u8, _: &mut [u8]) -> Result<(), Error> {
        Err(Error::DecryptError)
    }

    fn sample_len(&self) -> usize {
        SAMPLE_LEN
    }
}
