//! What a client is told once.

use core::net::SocketAddr;
use core::time::Duration;

use chat::Username;
use chat::limits::MESSAGE_LEN_MAX;
use crypto::{Fingerprint, RsaBits, SecretBytes};

/// A server, an account, and how long to wait.
#[non_exhaustive]
pub struct Config {
    /// Where the server is.
    pub server: SocketAddr,
    /// The account.
    pub username: Username,
    /// Its password, kept until the client is dropped: every reconnection is a full login.
    pub password: SecretBytes,
    /// The server's identity key, where it is known. The sessions check it too; without it the key
    /// of the first login holds for the life of the client.
    pub server_pin: Option<Fingerprint>,
    /// Makes the account before the first login. Default: none.
    pub registration: Option<Registration>,
    /// The transport's times and limits. Its defaults with room for the longest message.
    pub transport: transport::Config,
    /// How long the first connection may take, puzzle included. Default 8 s.
    pub connect_timeout: Duration,
    /// How long the server may take for one answer of the login. Default 10 s.
    pub answer_timeout: Duration,
    /// How long leaving may take until the server is taken to be gone. Default 2 s.
    pub leave_timeout: Duration,
}

/// An account to be made.
pub struct Registration {
    /// The one-use invitation, where the operator asks for one.
    pub invite: Option<Vec<u8>>,
    /// Size of the keys to be made.
    pub bits: RsaBits,
}

impl Config {
    /// A login with the defaults above.
    pub fn new(server: SocketAddr, username: Username, password: SecretBytes) -> Self {
        let mut transport = transport::Config::default();
        transport.message_bytes_max = MESSAGE_LEN_MAX;
        transport.stream_window_bytes = 2 << 20;
        transport.stream_window_bytes_max = 2 << 20;
        transport.connection_window_bytes = 4 << 20;
        transport.connection_window_bytes_max = 4 << 20;
        transport.send_buffer_bytes = 2 << 20;
        Self {
            server,
            username,
            password,
            server_pin: None,
            registration: None,
            transport,
            connect_timeout: Duration::from_secs(8),
            answer_timeout: Duration::from_secs(10),
            leave_timeout: Duration::from_secs(2),
        }
    }
}
