//! The server's identity and its certificates.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use crypto::{Fingerprint, KeyError, VerifyingKey};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData, SerialNumber,
    date_time_ymd,
};
use rustls::crypto::ring::sign::any_eddsa_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;
use zeroize::Zeroize;

use crate::provider::random;

/// How far a node certificate reaches back, in seconds: a client's clock may be that slow.
const BACKDATED_S: u64 = 24 * 3600;

/// A wall clock that was set back by more than this, in seconds, makes a certificate suspect: it
/// may have been issued under a wrong time.
const CLOCK_STEP_S: u64 = 3600;

const ROOT_NAME: &str = "undertone server";
const NODE_NAME: &str = "undertone node";

/// How long a node certificate is valid after it was issued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lifetime {
    /// 7 days: the server has its identity key at hand and renews by itself.
    #[default]
    Online,
    /// 90 days: the identity key is kept offline, and somebody has to fetch it for each renewal.
    Offline,
}

impl Lifetime {
    /// The time.
    #[must_use]
    pub const fn duration(self) -> Duration {
        let days = match self {
            Self::Online => 7,
            Self::Offline => 90,
        };
        Duration::from_secs(days * 24 * 3600)
    }
}

/// Why no certificate could be issued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The identity is not an RSA key of 3072 or 4096 bits with exponent 65537 in PKCS#8.
    #[error("the identity key is unfit: {0}")]
    Identity(#[from] KeyError),
    /// The wall time is outside of the years that a certificate can name.
    #[error("the wall time does not fit into a certificate")]
    Time,
    /// Signing or encoding failed, or there was no randomness.
    #[error("no certificate could be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The node key could not be used.
    #[error("the node key is unusable: {0}")]
    NodeKey(#[from] rustls::Error),
}

/// A node's key with its certificate by the server's identity key: what a server presents
/// (docs/PROTOCOL.md §5.3).
///
/// The identity key signs only here. A handshake is signed by the node key, so it costs no RSA
/// operation, and the identity key need not be on the machine that answers.
#[derive(Clone)]
pub struct NodeCertificate {
    key: Arc<CertifiedKey>,
    identity: Fingerprint,
    issued_s: u64,
    expires_s: u64,
}

impl NodeCertificate {
    /// Makes a fresh node key and certifies it by the server's identity key, given as PKCS#8, from
    /// 24 h before `now_s` (seconds since 1970-01-01 UTC) until `lifetime` after it.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn issue(
        identity_pkcs8: &[u8],
        now_s: u64,
        lifetime: Lifetime,
    ) -> Result<Self, IssueError> {
        let pkcs8 = PrivatePkcs8KeyDer::from(identity_pkcs8);
        let mut identity = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_RSA_SHA256)
            .map_err(|_| KeyError::Malformed)?;
        let mut node = KeyPair::generate_for(&PKCS_ED25519)?;
        let issued = VerifyingKey::from_spki_der(&identity.subject_public_key_info())
            .map_err(IssueError::from)
            .and_then(|_| Self::certify(&identity, &node, now_s, lifetime));
        identity.zeroize();
        node.zeroize();
        issued
    }

    /// Certifies without a look at the identity key's size.
    pub(crate) fn certify(
        identity: &KeyPair,
        node: &KeyPair,
        now_s: u64,
        lifetime: Lifetime,
    ) -> Result<Self, IssueError> {
        let expires_s = now_s.saturating_add(lifetime.duration().as_secs());
        let root_params = root_params();
        let root = root_params.self_signed(identity)?;
        let issuer = Issuer::from_params(&root_params, identity);
        let leaf = leaf_params(now_s, expires_s)?.signed_by(node, &issuer)?;
        let signer = any_eddsa_type(&PrivatePkcs8KeyDer::from(node.serialized_der()))?;
        let chain = vec![leaf.into(), root.into()];
        Ok(Self {
            key: Arc::new(CertifiedKey::new(chain, signer)),
            identity: Fingerprint::of_spki(&identity.subject_public_key_info()),
            issued_s: now_s,
            expires_s,
        })
    }

    /// The fingerprint of the identity key: what clients pin.
    #[must_use]
    pub const fn identity(&self) -> Fingerprint {
        self.identity
    }

    /// When it expires, in seconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn expires_s(&self) -> u64 {
        self.expires_s
    }

    /// Whether it is time for another one at `now_s`: less than a third of its life is left, or the
    /// clock shows an earlier time than at its issue.
    ///
    /// A third of 7 days is more than the 24 h by which a client's clock may be fast.
    #[must_use]
    pub const fn needs_renewal(&self, now_s: u64) -> bool {
        let life_s = self.expires_s.saturating_sub(self.issued_s);
        let left_s = self.expires_s.saturating_sub(now_s);
        left_s < life_s / 3 || now_s.saturating_add(CLOCK_STEP_S) < self.issued_s
    }

    /// The DER certificates as they are presented: node, then root.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.key.cert.iter().map(CertificateDer::as_ref)
    }

    /// The same key under another chain.
    #[cfg(test)]
    pub(crate) fn with_chain(&self, chain: Vec<CertificateDer<'static>>) -> Self {
        let key = CertifiedKey::new(chain, Arc::clone(&self.key.key));
        Self {
            key: Arc::new(key),
            ..self.clone()
        }
    }

    pub(crate) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }
}

impl fmt::Debug for NodeCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeCertificate")
            .field("identity", &self.identity)
            .field("issued_s", &self.issued_s)
            .field("expires_s", &self.expires_s)
            .finish_non_exhaustive()
    }
}

/// All but the key is constant, so an identity key has one root certificate, bit for bit.
fn root_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(ROOT_NAME);
    params.serial_number = Some(SerialNumber::from(vec![1]));
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(9999, 12, 31);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn leaf_params(now_s: u64, expires_s: u64) -> Result<CertificateParams, IssueError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(NODE_NAME);
    params.serial_number = Some(serial()?);
    params.not_before = date(now_s.saturating_sub(BACKDATED_S))?;
    params.not_after = date(expires_s)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn date(unix_s: u64) -> Result<OffsetDateTime, IssueError> {
    let unix_s = i64::try_from(unix_s).map_err(|_| IssueError::Time)?;
    OffsetDateTime::from_unix_timestamp(unix_s).map_err(|_| IssueError::Time)
}

/// 16 random bytes, as a positive integer of full length (RFC 5280 §4.1.2.2).
fn serial() -> Result<SerialNumber, IssueError> {
    let mut bytes = [0; 16];
    let drawn = random().fill(&mut bytes);
    drawn.map_err(|_| rustls::Error::FailedToGetRandomBytes)?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

#[cfg(test)]
mod tests;
