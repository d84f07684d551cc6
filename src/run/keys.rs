//! A server's secrets on disk.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ::server::ServerKeys;
use chat::login::ServerSecrets;
use crypto::{Random, RsaBits, Secret, SecretBytes, SigningKey};

use crate::cli::folders::{FolderError, private_file, read_secret, write_secret};

use super::problem::Problem;

/// `S`, the server's identity: RSA, PKCS#8 DER.
pub(super) const IDENTITY: &str = "identity.pk8";
/// What passwords are checked with: OPAQUE's server setup.
pub(super) const PASSWORDS: &str = "passwords.secret";
/// What connection ids and reset tokens derive from.
pub(super) const ENDPOINT: &str = "endpoint.secret";
/// The database: accounts and mailboxes.
pub(super) const DATABASE: &str = "server.sqlite";

/// Held by who makes secrets, or counts on those that are there, until the database is open.
const LOCK: &str = "keys.lock";

/// The right to a folder's secrets, so that of several processes that start at once all have the same ones. Until it
/// is dropped others wait.
pub(super) struct Turn(#[expect(dead_code, reason = "held")] File);

impl Turn {
    /// Waits for whoever has it.
    pub(super) fn take(folder: &Path) -> Result<Self, Problem> {
        let path = folder.join(LOCK);
        let failed = |error| FolderError::io("lock", &path, error);
        let mut options = private_file();
        let lock = options.create(true).truncate(false).open(&path);
        let lock = lock.map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(Self(lock))
    }
}

/// A server's secrets, as they are in its data folder.
pub(super) struct Keys {
    pub(super) server: ServerKeys,
    /// PKCS#8 of the identity, for the certificate of the channel.
    pub(super) identity_pkcs8: SecretBytes,
    /// The identity was made just now.
    pub(super) is_new: bool,
}

/// The secrets in `folder`, if all of them are there.
pub(super) fn load(folder: &Path) -> Result<Option<Keys>, Problem> {
    let read = |name| read_secret(&folder.join(name));
    let all = (read(IDENTITY)?, read(PASSWORDS)?, read(ENDPOINT)?);
    let (Some(identity), Some(passwords), Some(endpoint)) = all else {
        return Ok(None);
    };
    Keys::of(folder, identity, &passwords, &endpoint, false).map(Some)
}

/// Reads the secrets in `folder`, and makes those that are missing as long as there are no accounts
/// that would be lost with them.
pub(super) fn load_or_make(
    _: &Turn,
    folder: &Path,
    random: &mut dyn Random,
) -> Result<Keys, Problem> {
    let has_accounts = folder.join(DATABASE).exists();
    let is_new = !folder.join(IDENTITY).exists();
    let identity = load_or(folder, IDENTITY, has_accounts, || {
        let key = SigningKey::generate(RsaBits::B3072, random);
        let key = key.map_err(|error| Problem::other(format!("cannot make a key: {error}")))?;
        Ok(key.to_pkcs8())
    })?;
    let passwords = load_or(folder, PASSWORDS, has_accounts, || {
        Ok(ServerSecrets::generate(random).to_bytes())
    })?;
    let endpoint = load_or(folder, ENDPOINT, has_accounts, || {
        let mut secret = vec![0; 32];
        random.fill(&mut secret);
        Ok(SecretBytes::new(secret))
    })?;
    Keys::of(folder, identity, &passwords, &endpoint, is_new)
}

impl Keys {
    fn of(
        folder: &Path,
        identity: SecretBytes,
        passwords: &SecretBytes,
        endpoint: &SecretBytes,
        is_new: bool,
    ) -> Result<Self, Problem> {
        let damaged = |name: &str| {
            let path = folder.join(name);
            Problem::other(format!(
                "{} is damaged; restore it from a backup",
                path.display()
            ))
        };
        let signing = SigningKey::from_pkcs8(identity.expose()).map_err(|_| damaged(IDENTITY))?;
        let secret: [u8; 32] = endpoint
            .expose()
            .try_into()
            .map_err(|_| damaged(ENDPOINT))?;
        Ok(Self {
            server: ServerKeys {
                identity: Arc::new(signing),
                passwords: ServerSecrets::from_bytes(passwords.expose())
                    .map_err(|_| damaged(PASSWORDS))?,
                endpoint: Secret::from(secret),
            },
            identity_pkcs8: identity,
            is_new,
        })
    }
}

fn load_or(
    folder: &Path,
    name: &str,
    has_accounts: bool,
    make: impl FnOnce() -> Result<SecretBytes, Problem>,
) -> Result<SecretBytes, Problem> {
    let path = folder.join(name);
    if let Some(secret) = read_secret(&path)? {
        return Ok(secret);
    }
    if has_accounts {
        return Err(Problem::other(format!(
            "{} is missing, and without it nobody can log in any more; restore it from a backup, or say \
             -n --force again if that was interrupted",
            path.display()
        )));
    }
    let secret = make()?;
    write_secret(&path, secret.expose())?;
    Ok(secret)
}
