//! Names, keys and passwords that everybody knows, and channels made of them.

use core::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use chat::Username;
use chat::login::{KsfId, ServerSecrets};
use client::Channel;
use crypto::fixtures::{SeededRandom, rsa3072_decryption, rsa3072_pkcs8, rsa3072_signing};
use crypto::{Fingerprint, Secret, SecretBytes};
use e2e::Identity;
use server::ServerKeys;
use tls::{ClientSessions, Lifetime, NodeCertificate, ServerSessions, Trust, WallClock};
use transport::Sessions;

use crate::canaries::Canaries;
use crate::null::NullSessions;
use crate::{Rng, Watch, WatchedSessions};

/// What nobody but the two who talk, and nothing but their memory, may ever hold.
pub(super) const CANARY: &str = "PLAINTEXT-CANARY";

/// Bytes of a secret key that it is known by.
const KEY_PART: usize = 24;

/// Where the server is.
pub(super) const SERVER: SocketAddr = SocketAddr::new(
    core::net::IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 1)),
    5000,
);

/// The names of accounts, in order.
const NAMES: [&str; 4] = ["Alice", "Bob", "Carol", "Dave"];

/// Most accounts that a world has.
pub(super) const ACCOUNTS_MAX: u64 = NAMES.len() as u64;

pub(super) fn name(account: usize) -> Username {
    let typed = NAMES.get(account).copied().unwrap_or("Nobody");
    match Username::parse(typed) {
        Ok(name) => name,
        Err(_) => unreachable!("these are names"),
    }
}

/// Which account this is the name of.
pub(super) fn account_of(name: &Username) -> Option<usize> {
    (NAMES.iter()).position(|known| known.to_lowercase() == name.key())
}

pub(super) fn password(account: usize) -> SecretBytes {
    SecretBytes::new(format!("{CANARY} {account}").into())
}

/// The keys of an account. No two accounts sign with one key.
pub(super) fn identity(name: &str) -> Result<Identity, String> {
    let account = NAMES.iter().position(|known| known.to_lowercase() == name);
    identity_with(name, account.ok_or("nobody has that name")?)
}

/// Keys in the name of an account that somebody else has made: they fit each other, and not the directory.
pub(super) fn impostor(name: &str) -> Option<Identity> {
    let account = NAMES
        .iter()
        .position(|known| known.to_lowercase() == name)?;
    identity_with(name, (account + 1) % NAMES.len()).ok()
}

fn identity_with(name: &str, account: usize) -> Result<Identity, String> {
    let signing = rsa3072_signing(account);
    let decryption = rsa3072_decryption(account ^ 1);
    let archive = archive_key(account);
    Identity::from_keys(name, signing, decryption, Vec::new(), archive)
        .map_err(|error| error.to_string())
}

fn archive_key(account: usize) -> Secret<32> {
    Secret::generate(&mut SeededRandom::new(100 + account as u64))
}

/// What is never to be seen but by the two who talk: what all texts and passwords begin with, and of each secret
/// key of an account a part. The middle of an RSA key's PKCS#8 lies in a prime.
pub(super) fn canaries() -> &'static Canaries {
    static CANARIES: LazyLock<Canaries> = LazyLock::new(|| {
        let mut canaries = Canaries::default();
        canaries.add(CANARY.as_bytes());
        for account in 0..NAMES.len() {
            let key = rsa3072_pkcs8(account);
            let middle = key.len() / 2;
            canaries.add(&key[middle..middle + KEY_PART]);
            canaries.add(archive_key(account).expose());
        }
        canaries
    });
    &CANARIES
}

/// Of the keys of an account: that of its signature key and that of its encryption key.
pub(super) fn fingerprints(name: &str) -> Option<([u8; 32], [u8; 32])> {
    let account = NAMES
        .iter()
        .position(|known| known.to_lowercase() == name)?;
    let signature = rsa3072_signing(account).verifying_key().fingerprint();
    let encryption = rsa3072_decryption(account ^ 1)
        .encryption_key()
        .fingerprint();
    Some((*signature.as_bytes(), *encryption.as_bytes()))
}

pub(super) fn server_keys() -> ServerKeys {
    // What a password is checked with is the same after a restart.
    let passwords = ServerSecrets::generate(&mut SeededRandom::new(99));
    ServerKeys {
        identity: Arc::new(rsa3072_signing(0)),
        passwords: passwords.with_ksf(KsfId::DangerCheap),
        endpoint: Secret::from([9; 32]),
    }
}

fn server_spki() -> Vec<u8> {
    rsa3072_signing(0).verifying_key().spki_der().to_vec()
}

/// A server's side of channels, under a watch.
pub(super) fn server_sessions(
    real: bool,
    rng: Rng,
    clock: &WallClock,
    watch: &Watch,
) -> Box<dyn Sessions> {
    if !real {
        let sessions = NullSessions::server(rng).with_identity(server_spki());
        return Box::new(WatchedSessions::new(Box::new(sessions), watch));
    }
    let certificate = NodeCertificate::issue(rsa3072_pkcs8(0), clock.now(), Lifetime::Online);
    let sessions = certificate
        .ok()
        .and_then(|certificate| ServerSessions::new(certificate, clock).ok());
    match sessions {
        Some(sessions) => Box::new(WatchedSessions::new(Box::new(sessions), watch)),
        None => unreachable!("the fixtures make a certificate"),
    }
}

/// A client's side of channels, under a watch.
pub(super) fn channel(real: bool, rng: Rng, clock: &WallClock, watch: &Watch) -> Channel {
    let over = |sessions| Channel::new(Box::new(WatchedSessions::new(sessions, watch)));
    if !real {
        return over(Box::new(NullSessions::client(rng)));
    }
    let trust = Trust::Pinned(Fingerprint::of_spki(&server_spki()));
    match ClientSessions::new(trust, clock) {
        Ok(sessions) => over(Box::new(sessions)),
        Err(_) => unreachable!("a pin makes sessions"),
    }
}
