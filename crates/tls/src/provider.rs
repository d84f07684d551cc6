//! Which algorithms the channel may use.

use std::sync::{Arc, LazyLock};

use rustls::SupportedCipherSuite;
use rustls::crypto::{CryptoProvider, SecureRandom, ring};

use crate::kx::X25519_MLKEM768;
use crate::suite;

/// The application protocol of the channel (RFC 7301).
pub(crate) const ALPN: &[u8] = b"undertone/1";

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    Arc::new(CryptoProvider {
        cipher_suites: cipher_suites(has_aes()),
        kx_groups: vec![X25519_MLKEM768, ring::kx_group::X25519],
        ..ring::default_provider()
    })
});

/// ring's provider, narrowed to the suites and groups of docs/PROTOCOL.md §5.1.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

/// The system's randomness.
pub(crate) fn random() -> &'static dyn SecureRandom {
    PROVIDER.secure_random
}

/// The client's order counts (RFC 8446 §4.1.1), and AES without hardware is slow and hard to
/// compute in constant time: a client without it asks for ChaCha20 first.
fn cipher_suites(aes: bool) -> Vec<SupportedCipherSuite> {
    let aes_256 = suite::aes_256();
    let chacha20 = suite::chacha20();
    if aes {
        vec![aes_256, chacha20]
    } else {
        vec![chacha20, aes_256]
    }
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn has_aes() -> bool {
    std::arch::is_x86_feature_detected!("aes")
}

#[cfg(target_arch = "aarch64")]
fn has_aes() -> bool {
    std::arch::is_aarch64_feature_detected!("aes")
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
fn has_aes() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use rustls::CipherSuite;

    use super::*;

    #[test]
    fn without_aes_hardware_chacha20_comes_first() {
        let names = |aes| {
            cipher_suites(aes)
                .iter()
                .map(|s| s.suite())
                .collect::<Vec<_>>()
        };
        let aes_256 = CipherSuite::TLS13_AES_256_GCM_SHA384;
        let chacha20 = CipherSuite::TLS13_CHACHA20_POLY1305_SHA256;
        assert_eq!(names(true), [aes_256, chacha20]);
        assert_eq!(names(false), [chacha20, aes_256]);
    }
}
