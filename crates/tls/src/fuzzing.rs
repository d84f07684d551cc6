//! What fuzz targets see of the verifier inside. No part of the interface.

use crypto::Fingerprint;
use rustls::client::danger::ServerCertVerifier;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::trust::{IdentityVerifier, KeyMismatch, RefusedKey, root_spki};
use crate::{NodeCertificate, client};

/// What a server presents: the node's certificate and the root's, DER.
#[must_use]
pub fn chain(certificate: &NodeCertificate) -> [Vec<u8>; 2] {
    let key = certificate.certified_key();
    let mut chain = key.cert.iter().map(|certificate| certificate.to_vec());
    [(); 2].map(|()| chain.next().unwrap_or_default())
}

/// What a client makes of a chain at `now_s` if it expects this identity key, or any: the identity
/// key, DER.
///
/// # Errors
/// Refused; the other key, if that is why.
pub fn verify(
    expected: Option<Fingerprint>,
    chain: &[&[u8]],
    now_s: u64,
) -> Result<Vec<u8>, Option<KeyMismatch>> {
    let refused = RefusedKey::default();
    let verifier = IdentityVerifier::new(expected.map(|key| vec![key]), refused.clone());
    let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(*der)).collect();
    let (node, behind) = chain.split_first().ok_or(None)?;
    let name = ServerName::try_from(client::NAMELESS).map_err(|_| None)?;
    let now = UnixTime::since_unix_epoch(core::time::Duration::from_secs(now_s));
    let verified = verifier.verify_server_cert(node, behind, &name, &[], now);
    verified.map_err(|_| refused.last())?;
    root_spki(&chain).ok_or(None)
}
