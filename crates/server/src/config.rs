use std::sync::Arc;

use chat::limits::{LOGIN_MESSAGE_LEN_MAX, MESSAGE_LEN_MAX, SEALED_LEN_MAX};
use chat::login::ServerSecrets;
use chat::puzzle::AdmissionConfig;
use crypto::{Secret, SigningKey};
use store::relay::Quota;

use crate::limits;

/// Who may make an account over the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    /// Everybody, for some work. The default.
    #[default]
    Open,
    /// Whoever has an invitation that was not used (see [`crate::accounts::invitation`]).
    Invited,
    /// Nobody: the operator makes the accounts.
    Closed,
}

/// What a stranger has to do before the server keeps anything of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdmissionPolicy {
    /// A proof of work, by default of 2^16 hashes.
    Work(AdmissionConfig),
    /// Nothing: for trusted networks and simulations.
    Open,
}

/// What an operator decides.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The price of a connection. Default: proof of work.
    pub admission: AdmissionPolicy,
    /// Who may register. Default: everybody.
    pub registration: Registration,
    /// What a mailbox holds. Default: 10,000 messages, 256 MiB. Above it, senders are refused.
    pub quota: Quota,
    /// The longest sealed message that is taken, in bytes. Default: the protocol's limit.
    pub sealed_bytes_max: usize,
    /// Connections that are not logged in. Default 8,192.
    pub not_logged_in_max: usize,
    /// Times and limits of connections; [`Config::default`] has those that suit the protocol.
    pub transport: transport::Config,
}

impl Default for Config {
    fn default() -> Self {
        let mut transport = transport::Config::default();
        transport.ports = [chat::limits::LOGIN_PORT].into();
        transport.message_bytes_max = MESSAGE_LEN_MAX;
        transport.message_bytes_first = LOGIN_MESSAGE_LEN_MAX;
        transport.stream_window_bytes = limits::LOGIN_WINDOW_BYTES;
        transport.stream_window_bytes_max = limits::LOGIN_WINDOW_BYTES;
        transport.connection_window_bytes = limits::LOGIN_WINDOW_BYTES;
        transport.connection_window_bytes_max = limits::LOGIN_WINDOW_BYTES;
        transport.send_buffer_bytes = limits::SEND_BUFFER_BYTES;
        transport.send_buffer_bytes_max = limits::SEND_BUFFER_BYTES;
        transport.streams_max = limits::STREAMS_MAX;
        Self {
            admission: AdmissionPolicy::Work(AdmissionConfig::default()),
            registration: Registration::default(),
            quota: Quota {
                messages: limits::MAILBOX_MESSAGES,
                bytes: limits::MAILBOX_BYTES,
            },
            sealed_bytes_max: SEALED_LEN_MAX,
            not_logged_in_max: limits::NOT_LOGGED_IN_MAX,
            transport,
        }
    }
}

/// What a server must keep to itself, and over restarts.
pub struct ServerKeys {
    /// `S`: the server's identity. Signs the directory.
    pub identity: Arc<SigningKey>,
    /// What passwords are checked with.
    pub passwords: ServerSecrets,
    /// Connection ids and reset tokens derive from it.
    pub endpoint: Secret<32>,
}
