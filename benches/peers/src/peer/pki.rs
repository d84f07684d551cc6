//! TLS 1.3 for peers that leave it to rustls: a certificate that signs itself, P-256, and the same
//! cipher that undertone uses.

use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{Ticketer, cipher_suite, default_provider};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// The name in the certificate.
pub(super) const NAME: &str = "localhost";

/// The protocol's name for peers that need one.
pub(super) const ALPN: &[u8] = b"bench";

/// How TLS is set.
pub(super) const SETTINGS: &str = "AES-256-GCM, X25519, P-256 certificate";

/// A server's certificate and its key.
pub(super) struct Identity {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: PrivatePkcs8KeyDer<'static>,
}

impl Identity {
    pub(super) fn generate() -> Result<Self> {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
        Ok(Self {
            certificate: made.cert.der().clone(),
            key: made.signing_key.serialize_der().into(),
        })
    }

    /// What a client needs to know it by.
    pub(super) fn to_hex(&self) -> String {
        let digits = self.certificate.iter().map(|byte| format!("{byte:02x}"));
        digits.collect()
    }

    /// The same as text.
    #[cfg(any(feature = "quiche", feature = "s2n-quic"))]
    pub(super) fn to_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// The key as text.
    #[cfg(any(feature = "quiche", feature = "s2n-quic"))]
    pub(super) fn key_to_pem(&self) -> String {
        pem("PRIVATE KEY", self.key.secret_pkcs8_der())
    }

    /// A server that issues tickets.
    pub(super) fn server_config(&self) -> Result<ServerConfig> {
        let key = PrivateKeyDer::Pkcs8(self.key.clone_key());
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)?;
        config.ticketer = Ticketer::new()?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(config)
    }
}

/// A client that knows the server by its certificate, and keeps its tickets or not.
pub(super) fn client_config(certificate_hex: &str, resumes: bool) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(certificate_hex)?)?;
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    if !resumes {
        config.resumption = Resumption::disabled();
    }
    Ok(config)
}

/// The certificate of [`Identity::to_hex`].
pub(super) fn certificate(hex: &str) -> Result<CertificateDer<'static>> {
    let byte = |at: usize| {
        let digits = hex.get(at..at + 2).context("half a byte")?;
        Ok(u8::from_str_radix(digits, 16)?)
    };
    let bytes: Result<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
    Ok(bytes?.into())
}

/// RFC 7468.
#[cfg(any(feature = "quiche", feature = "s2n-quic"))]
fn pem(label: &str, der: &[u8]) -> String {
    let config = ::pem::EncodeConfig::new().set_line_ending(::pem::LineEnding::LF);
    ::pem::encode_config(&::pem::Pem::new(label, der), config)
}

/// QUIC needs AES-128 for its first packets.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
        ],
        ..default_provider()
    })
}
