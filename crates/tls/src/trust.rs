//! How a client trusts a server (docs/PROTOCOL.md §5.4).

use core::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crypto::{Fingerprint, KeyError, VerifyingKey};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, PeerMisbehaved, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{
    CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime, alg_id,
};

use crate::provider::provider;

/// Whom a client takes for its server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// The server with this identity key and no other.
    Pinned(Fingerprint),
    /// A server with one of these identity keys: an operator's list.
    Keys(Vec<Fingerprint>),
    /// Any server with a well-formed identity key. The caller shows
    /// [`Session::peer_identity`](transport::Session::peer_identity) to the user and pins it once
    /// the login has proven the channel; until then the server may be anybody.
    FirstUse,
    /// A server that an authority vouches for under a host name. Its identity key is not in its
    /// certificates and has to be proven afterwards.
    Authority {
        /// The authorities' certificates, DER.
        roots: Vec<Vec<u8>>,
        /// The host name or IP address. A name goes to the server in clear (SNI).
        host: String,
    },
}

/// A server that presents another identity key than expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMismatch {
    /// The keys that would have been accepted.
    pub expected: Vec<Fingerprint>,
    /// The key that was presented. The server has not proven that it holds it.
    pub presented: Fingerprint,
}

impl fmt::Display for KeyMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server's key is {}, expected was ", self.presented)?;
        for (index, expected) in self.expected.iter().enumerate() {
            let separator = if index == 0 { "" } else { " or " };
            write!(f, "{separator}{expected}")?;
        }
        Ok(())
    }
}

/// What a verifier refuses by our own rules.
#[derive(Debug, thiserror::Error)]
enum Distrust {
    #[error("{0}")]
    Key(KeyMismatch),
    #[error("the server presents {0} certificates instead of node and root")]
    Chain(usize),
    #[error("the server's identity key is unfit: {0}")]
    Unfit(KeyError),
}

impl From<Distrust> for Error {
    fn from(distrust: Distrust) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(distrust))))
    }
}

/// The last refused key, readable after the handshake that failed.
#[derive(Clone, Debug, Default)]
pub(crate) struct RefusedKey(Arc<Mutex<Option<KeyMismatch>>>);

impl RefusedKey {
    pub(crate) fn set(&self, mismatch: Option<KeyMismatch>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = mismatch;
    }

    pub(crate) fn last(&self) -> Option<KeyMismatch> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The DER SubjectPublicKeyInfo of the root of a chain that [`IdentityVerifier`] accepts.
pub(crate) fn root_spki(chain: &[CertificateDer<'_>]) -> Option<Vec<u8>> {
    let [_node, root] = chain else { return None };
    let root = ParsedCertificate::try_from(root).ok()?;
    Some(root.subject_public_key_info().to_vec())
}

/// Accepts the chain [node, root], where the root is by an identity key that is trusted.
pub(crate) struct IdentityVerifier {
    /// `None`: any.
    expected: Option<Vec<Fingerprint>>,
    refused: RefusedKey,
    schemes: WebPkiSupportedAlgorithms,
    /// By which a root may sign: RSA PKCS#1 v1.5 with SHA-256.
    chain_algorithms: Vec<&'static dyn SignatureVerificationAlgorithm>,
}

impl IdentityVerifier {
    /// `expected`: the keys to accept, `None` for any. `refused` receives the key of a server that
    /// is refused for it.
    pub(crate) fn new(expected: Option<Vec<Fingerprint>>, refused: RefusedKey) -> Self {
        let schemes = provider().signature_verification_algorithms;
        let chain_algorithms = schemes
            .all
            .iter()
            .copied()
            .filter(is_root_algorithm)
            .collect();
        Self {
            expected,
            refused,
            schemes,
            chain_algorithms,
        }
    }

    fn check_identity(&self, root: &CertificateDer<'_>) -> Result<(), Error> {
        let spki = ParsedCertificate::try_from(root)?.subject_public_key_info();
        let key = VerifyingKey::from_spki_der(&spki).map_err(Distrust::Unfit)?;
        let presented = key.fingerprint();
        match &self.expected {
            Some(expected) if !expected.contains(&presented) => {
                let mismatch = KeyMismatch {
                    expected: expected.clone(),
                    presented,
                };
                self.refused.set(Some(mismatch.clone()));
                Err(Distrust::Key(mismatch).into())
            }
            _ => Ok(()),
        }
    }
}

fn is_root_algorithm(algorithm: &&'static dyn SignatureVerificationAlgorithm) -> bool {
    algorithm.public_key_alg_id() == alg_id::RSA_ENCRYPTION
        && algorithm.signature_alg_id() == alg_id::RSA_PKCS1_SHA256
}

impl ServerCertVerifier for IdentityVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let [root] = intermediates else {
            return Err(Distrust::Chain(intermediates.len().saturating_add(1)).into());
        };
        self.check_identity(root)?;
        let mut anchor = RootCertStore::empty();
        anchor.add(root.clone().into_owned())?;
        let node = ParsedCertificate::try_from(end_entity)?;
        let algorithms = &self.chain_algorithms;
        verify_server_cert_signed_by_trust_anchor(&node, &anchor, &[], now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // Never asked: the channel is TLS 1.3 only.
        Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if dss.scheme != SignatureScheme::ED25519 {
            return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        }
        verify_tls13_signature(message, cert, dss, &self.schemes)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl fmt::Debug for IdentityVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = &self.expected;
        f.debug_struct("IdentityVerifier")
            .field("expected", expected)
            .finish_non_exhaustive()
    }
}

/// An ordinary verifier: chain to one of `roots`, host name, purpose, time.
pub(crate) fn authority_verifier(
    roots: &[Vec<u8>],
) -> Result<Arc<dyn ServerCertVerifier>, CertificateError> {
    let mut anchors = RootCertStore::empty();
    for root in roots {
        let root = CertificateDer::from(root.as_slice()).into_owned();
        anchors
            .add(root)
            .map_err(|_| CertificateError::BadEncoding)?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(anchors), provider());
    verifier
        .build()
        .map(|v| v as Arc<dyn ServerCertVerifier>)
        .map_err(|_| CertificateError::UnknownIssuer)
}
