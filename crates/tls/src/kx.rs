//! X25519MLKEM768: a key exchange that holds as long as either of its halves does
//! (draft-ietf-tls-ecdhe-mlkem §4).
//!
//! X25519 is ring's, ML-KEM-768 (FIPS 203) libcrux's, which picks AVX2 or NEON by itself where the
//! processor has it. The ML-KEM half comes first in both shares and in the secret.

use crypto::Secret;
use libcrux_ml_kem::mlkem768::{self, MlKem768Ciphertext, MlKem768PrivateKey, MlKem768PublicKey};
use rustls::crypto::ring::kx_group::X25519;
use rustls::crypto::{ActiveKeyExchange, CompletedKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};

use crate::provider::random;

/// Length of an ML-KEM-768 encapsulation key, in bytes.
const ENCAPSULATION_KEY_LEN: usize = 1184;
/// Length of an ML-KEM-768 decapsulation key, in bytes.
const DECAPSULATION_KEY_LEN: usize = 2400;
/// Length of an ML-KEM-768 ciphertext, in bytes.
const CIPHERTEXT_LEN: usize = 1088;
/// Length of an X25519 share, in bytes.
const X25519_LEN: usize = 32;

/// The hybrid group, 0x11ec.
pub(crate) static X25519_MLKEM768: &dyn SupportedKxGroup = &Hybrid;

#[derive(Debug)]
struct Hybrid;

impl SupportedKxGroup for Hybrid {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let classical = X25519.start()?;
        let seed = draw::<64>()?;
        let (decapsulation_key, encapsulation_key) =
            mlkem768::generate_key_pair(*seed.expose()).into_parts();
        Ok(Box::new(Exchange {
            share: concat(encapsulation_key.as_ref(), classical.pub_key()),
            decapsulation_key: Secret::from(<[u8; DECAPSULATION_KEY_LEN]>::from(decapsulation_key)),
            classical,
        }))
    }

    // The server's half: a KEM's answer depends on the client's share, so it cannot start first.
    fn start_and_complete(&self, client_share: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let (encapsulation_key, point) =
            split::<ENCAPSULATION_KEY_LEN>(client_share).ok_or_else(invalid_share)?;
        let encapsulation_key = MlKem768PublicKey::from(encapsulation_key);
        // FIPS 203 §7.2: the encapsulation key's coefficients are checked before it is used.
        if !mlkem768::validate_public_key(&encapsulation_key) {
            return Err(invalid_share());
        }
        let classical = X25519.start_and_complete(point)?;
        let seed = draw::<32>()?;
        let (ciphertext, secret) = mlkem768::encapsulate(&encapsulation_key, *seed.expose());
        let secret = Secret::from(secret);
        Ok(CompletedKeyExchange {
            group: self.name(),
            pub_key: concat(ciphertext.as_ref(), &classical.pub_key),
            secret: concat(secret.expose(), classical.secret.secret_bytes()).into(),
        })
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}

/// The client's half between its first message and the server's answer.
struct Exchange {
    share: Vec<u8>,
    decapsulation_key: Secret<DECAPSULATION_KEY_LEN>,
    classical: Box<dyn ActiveKeyExchange>,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, server_share: &[u8]) -> Result<SharedSecret, Error> {
        let (ciphertext, point) =
            split::<CIPHERTEXT_LEN>(server_share).ok_or_else(invalid_share)?;
        // ring refuses points of small order, whose secret is all zero (RFC 8446 §7.4.2).
        let classical = self.classical.complete(point)?;
        let secret = Secret::from(mlkem768::decapsulate(
            &MlKem768PrivateKey::from(self.decapsulation_key.expose()),
            &MlKem768Ciphertext::from(ciphertext),
        ));
        Ok(concat(secret.expose(), classical.secret_bytes()).into())
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }
}

/// A share's ML-KEM half of `N` bytes and its X25519 half, if it has exactly these lengths.
fn split<const N: usize>(share: &[u8]) -> Option<(&[u8; N], &[u8])> {
    let (post_quantum, classical) = share.split_first_chunk()?;
    (classical.len() == X25519_LEN).then_some((post_quantum, classical))
}

fn concat(post_quantum: &[u8], classical: &[u8]) -> Vec<u8> {
    [post_quantum, classical].concat()
}

fn draw<const N: usize>() -> Result<Secret<N>, Error> {
    let mut drawn = Ok(());
    let secret = Secret::filled(|bytes| drawn = random().fill(bytes));
    drawn.map_err(|_| Error::FailedToGetRandomBytes)?;
    Ok(secret)
}

fn invalid_share() -> Error {
    PeerMisbehaved::InvalidKeyShare.into()
}

#[cfg(test)]
mod tests;
