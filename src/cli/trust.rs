//! Whom a client takes for its server.

use std::path::PathBuf;

use crypto::Fingerprint;
use tls::Trust;

use super::address::ServerAddress;
use super::pins::{KnownServers, PinError, trusted_keys};

/// How the server's key is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustOptions {
    /// By the fingerprint in the server's address.
    Pinned(Fingerprint),
    /// By an operator's list.
    Keys(PathBuf),
    /// From an earlier login.
    Known {
        /// Whether a server never seen may be anybody until the login has proven its key.
        first_use: bool,
    },
}

impl TrustOptions {
    /// What to ask of the server's key. A pin on disk always holds, so that nobody trusts a changed
    /// key by accident.
    pub fn resolve(
        &self,
        server: &ServerAddress,
        known: &KnownServers,
    ) -> Result<Trust, TrustError> {
        let pin = known.find(server)?;
        match (self, pin) {
            (Self::Pinned(key), Some(known)) if *key != known => {
                Err(PinError::Other { known, key: *key }.into())
            }
            (Self::Keys(file), Some(known)) => match trusted_keys(file)?.contains(&known) {
                true => Ok(Trust::Pinned(known)),
                false => Err(TrustError::Unlisted(known)),
            },
            (Self::Pinned(key), _) => Ok(Trust::Pinned(*key)),
            (Self::Known { .. }, Some(known)) => Ok(Trust::Pinned(known)),
            (Self::Keys(file), None) => Ok(Trust::Keys(trusted_keys(file)?)),
            (Self::Known { first_use: true }, None) => Ok(Trust::FirstUse),
            (Self::Known { first_use: false }, None) => Err(TrustError::Unknown),
        }
    }
}

/// There is nobody to trust.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file cannot be used, or holds another key for this server.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// `--no-tofu`, and no pin.
    #[error(
        "the key of this server is not known: take its address with the fingerprint \
         (--server undertone://HOST:PORT#FINGERPRINT), or leave out --no-tofu"
    )]
    Unknown,
    /// The pinned key is not on the list.
    #[error("the known key of this server, {0}, is not among the trusted keys")]
    Unlisted(Fingerprint),
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn key(byte: u8) -> Fingerprint {
        Fingerprint::new([byte; 32])
    }

    #[test]
    fn a_pin_on_disk_holds_whatever_else_is_asked() {
        let root = tempfile::tempdir().unwrap();
        let known = KnownServers::in_folder(root.path());
        let server: ServerAddress = "h:1".parse().unwrap();
        let list = root.path().join("list");
        fs::write(&list, format!("{}\n{}\n", key(1), key(2))).unwrap();
        let resolve = |options: &TrustOptions| {
            let trust = options.resolve(&server, &known);
            trust.map_err(|error| error.to_string())
        };
        let listed = TrustOptions::Keys(list.clone());
        let first_use = TrustOptions::Known { first_use: true };
        let strict = TrustOptions::Known { first_use: false };
        // Never seen.
        assert_eq!(resolve(&first_use), Ok(Trust::FirstUse));
        assert!(resolve(&strict).unwrap_err().contains("--no-tofu"));
        assert_eq!(resolve(&listed), Ok(Trust::Keys(vec![key(1), key(2)])));
        assert_eq!(
            resolve(&TrustOptions::Pinned(key(3))),
            Ok(Trust::Pinned(key(3)))
        );
        // Pinned.
        known.pin(&server, key(1)).unwrap();
        for options in [&first_use, &strict, &listed, &TrustOptions::Pinned(key(1))] {
            assert_eq!(resolve(options), Ok(Trust::Pinned(key(1))));
        }
        let changed = resolve(&TrustOptions::Pinned(key(3))).unwrap_err();
        assert!(changed.contains(&key(1).to_string()) && changed.contains(&key(3).to_string()));
        fs::write(&list, format!("{}\n", key(2))).unwrap();
        assert!(resolve(&listed).is_err());
    }
}
