//! Sessions of a server.

use core::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring::Ticketer;
use rustls::quic::{Connection, ServerConnection, Version};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use transport::{Session, SessionError, Sessions};

use crate::clock::WallClock;
use crate::failure::failure;
use crate::identity::NodeCertificate;
use crate::provider::{ALPN, provider};
use crate::session::{PeerIdentity, TlsSession};

/// Tickets per handshake: the next connection brings another.
const TICKETS: usize = 1;

/// Why a server cannot make sessions.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The private key of the authority's chain is not PKCS#8, PKCS#1 or SEC 1 DER.
    #[error("the private key's encoding is unknown")]
    Key,
    /// The library refused certificate, key or configuration.
    #[error(transparent)]
    Config(#[from] rustls::Error),
}

/// An ordinary certificate chain for a host name, for clients that ask for one by SNI.
pub struct AuthorityChain {
    /// DER certificates, the server's own first.
    pub chain: Vec<Vec<u8>>,
    /// Its private key, DER.
    pub private_key: Vec<u8>,
}

impl Drop for AuthorityChain {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.private_key);
    }
}

/// Makes a server's sessions. Clones share the certificate, so one of them may renew it while
/// another makes sessions.
#[derive(Clone)]
pub struct ServerSessions {
    config: Arc<ServerConfig>,
    presented: Arc<Presented>,
    clock: WallClock,
}

impl ServerSessions {
    /// Sessions that present `certificate`. `clock` tells the wall time.
    ///
    /// Tickets for resumption are sealed by keys that change every 6 h and die with it.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn new(certificate: NodeCertificate, clock: &WallClock) -> Result<Self, ServerError> {
        Self::build(certificate, None, clock)
    }

    /// The same, and clients that send a host name see `authority`'s chain instead.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn with_authority(
        certificate: NodeCertificate,
        authority: &AuthorityChain,
        clock: &WallClock,
    ) -> Result<Self, ServerError> {
        let key = PrivateKeyDer::try_from(authority.private_key.as_slice());
        let key = key.map_err(|_| ServerError::Key)?.clone_key();
        let chain = authority
            .chain
            .iter()
            .cloned()
            .map(CertificateDer::from)
            .collect();
        let authority = CertifiedKey::from_der(chain, key, &provider())?;
        Self::build(certificate, Some(Arc::new(authority)), clock)
    }

    fn build(
        certificate: NodeCertificate,
        authority: Option<Arc<CertifiedKey>>,
        clock: &WallClock,
    ) -> Result<Self, ServerError> {
        let presented = Arc::new(Presented {
            node: RwLock::new(certificate),
            authority,
        });
        let resolver = Arc::clone(&presented) as Arc<dyn ResolvesServerCert>;
        let mut config = ServerConfig::builder_with_details(provider(), Arc::new(clock.clone()))
            .with_protocol_versions(&[&TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.max_early_data_size = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Ticketer::new()?;
        config.send_tls13_tickets = TICKETS;
        Ok(Self {
            config: Arc::new(config),
            presented,
            clock: clock.clone(),
        })
    }

    /// The certificate that is presented now.
    #[must_use]
    pub fn certificate(&self) -> NodeCertificate {
        self.presented.node()
    }

    /// Whether it is time to [`renew`](Self::renew), by the clock.
    #[must_use]
    pub fn needs_renewal(&self) -> bool {
        self.presented.node().needs_renewal(self.clock.now())
    }

    /// Presents `certificate` from the next handshake on. Connections stay.
    pub fn renew(&self, certificate: NodeCertificate) {
        *self
            .presented
            .node
            .write()
            .unwrap_or_else(PoisonError::into_inner) = certificate;
    }

    pub(crate) fn start(&self, parameters: Vec<u8>) -> Result<TlsSession, SessionError> {
        let config = Arc::clone(&self.config);
        let connection = ServerConnection::new(config, Version::V1, parameters)
            .map_err(|error| failure(&error, None))?;
        Ok(TlsSession::new(
            Connection::Server(connection),
            PeerIdentity::Absent,
        ))
    }
}

impl Sessions for ServerSessions {
    fn session(&mut self, parameters: Vec<u8>) -> Result<Box<dyn Session>, SessionError> {
        Ok(Box::new(self.start(parameters)?))
    }
}

/// What a server shows of itself.
struct Presented {
    node: RwLock<NodeCertificate>,
    authority: Option<Arc<CertifiedKey>>,
}

impl Presented {
    fn node(&self) -> NodeCertificate {
        self.node
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl ResolvesServerCert for Presented {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match &self.authority {
            Some(authority) if hello.server_name().is_some() => Some(Arc::clone(authority)),
            _ => Some(self.node().certified_key()),
        }
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").finish_non_exhaustive()
    }
}
