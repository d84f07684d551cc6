//! Sessions of a client.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::quic::{ClientConnection, Connection, Version};
use rustls::version::TLS13;
use rustls_pki_types::{DnsName, ServerName};
use transport::{Session, SessionError, Sessions};

use crate::clock::WallClock;
use crate::failure::failure;
use crate::provider::{ALPN, provider};
use crate::session::{PeerIdentity, TlsSession};
use crate::trust::{IdentityVerifier, KeyMismatch, RefusedKey, Trust, authority_verifier};

/// The name under which rustls files tickets where names do not matter. It is never sent, and each
/// [`ClientSessions`] has a file of its own.
pub(crate) const NAMELESS: &str = "undertone.invalid";

/// How many servers' tickets are kept. One [`ClientSessions`] has one server.
const TICKET_STORE_SIZE: usize = 16;

/// Why sessions cannot be made under a [`Trust`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The host is neither a DNS name nor an IP address.
    #[error("{0} is neither a host name nor an address")]
    Host(String),
    /// There is no authority, or one's certificate cannot be read.
    #[error("no usable certificate of an authority")]
    Roots,
    /// The library refused the configuration.
    #[error(transparent)]
    Config(#[from] rustls::Error),
}

/// Makes a client's sessions with one server. Clones share tickets and the refused key.
///
/// What it learnt under one [`Trust`] it never uses under another: trust on first use ends by
/// making another one that is pinned. It resumes earlier sessions by itself; tickets live and die
/// with it.
#[derive(Clone)]
pub struct ClientSessions {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    identity: PeerIdentity,
    refused: RefusedKey,
}

impl ClientSessions {
    /// Sessions with the server that `trust` means. `clock` tells the wall time.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn new(trust: Trust, clock: &WallClock) -> Result<Self, TrustError> {
        let refused = RefusedKey::default();
        let mut name = ServerName::DnsName(
            DnsName::try_from(NAMELESS).map_err(|_| TrustError::Host(NAMELESS.to_owned()))?,
        );
        let mut identity = PeerIdentity::Root;
        let by_identity = |expected| -> Arc<dyn ServerCertVerifier> {
            Arc::new(IdentityVerifier::new(expected, refused.clone()))
        };
        let verifier = match trust {
            Trust::Pinned(key) => by_identity(Some(vec![key])),
            Trust::Keys(keys) => by_identity(Some(keys)),
            Trust::FirstUse => by_identity(None),
            Trust::Authority { roots, host } => {
                identity = PeerIdentity::Absent;
                name = ServerName::try_from(host.clone()).map_err(|_| TrustError::Host(host))?;
                authority_verifier(&roots).map_err(|_| TrustError::Roots)?
            }
        };
        let sends_name = matches!(identity, PeerIdentity::Absent);
        let config = Arc::new(config(verifier, clock, sends_name)?);
        Ok(Self {
            config,
            name,
            identity,
            refused,
        })
    }

    /// The key by which the last handshake was refused, if that was the reason. A new session
    /// forgets it.
    #[must_use]
    pub fn refused_key(&self) -> Option<KeyMismatch> {
        self.refused.last()
    }

    #[cfg(test)]
    pub(crate) fn config(&self) -> &ClientConfig {
        &self.config
    }

    pub(crate) fn start(&self, parameters: Vec<u8>) -> Result<TlsSession, SessionError> {
        self.refused.set(None);
        let config = Arc::clone(&self.config);
        let connection = ClientConnection::new(config, Version::V1, self.name.clone(), parameters)
            .map_err(|error| failure(&error, None))?;
        Ok(TlsSession::new(
            Connection::Client(connection),
            self.identity,
        ))
    }
}

impl Sessions for ClientSessions {
    fn session(&mut self, parameters: Vec<u8>) -> Result<Box<dyn Session>, SessionError> {
        Ok(Box::new(self.start(parameters)?))
    }
}

fn config(
    verifier: Arc<dyn ServerCertVerifier>,
    clock: &WallClock,
    sends_name: bool,
) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_details(provider(), Arc::new(clock.clone()))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.enable_sni = sends_name;
    config.enable_early_data = false;
    config.resumption = Resumption::in_memory_sessions(TICKET_STORE_SIZE);
    Ok(config)
}
