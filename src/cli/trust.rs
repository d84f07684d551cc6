//! Whom a client takes for its server.

use std::fs;
use std::path::{Path, PathBuf};

use crypto::Fingerprint;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tls::Trust;

use super::address::{Host, ServerAddress};
use super::folders::FolderError;
use super::pins::{KnownServers, PinError, trusted_keys};

/// How the server's key is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustOptions {
    /// By the fingerprint in the server's address.
    Pinned(Fingerprint),
    /// By an operator's list.
    Keys(PathBuf),
    /// By an authority that vouches for the server's name.
    Authority {
        /// Certificates, PEM or DER.
        file: PathBuf,
        /// The name.
        name: Host,
    },
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
            (Self::Authority { file, name }, _) => Ok(Trust::Authority {
                roots: certificates(file)?,
                host: name.as_str().to_owned(),
            }),
        }
    }
}

/// All certificates of a PEM file, or the one of a DER file.
fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, TrustError> {
    let bytes = fs::read(path).map_err(|error| FolderError::io("read", path, error))?;
    // A certificate in DER is a SEQUENCE (X.690 §8.9).
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes]);
    }
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match parsed {
        Ok(roots) if !roots.is_empty() => Ok(roots.iter().map(|it| it.to_vec()).collect()),
        _ => Err(TrustError::NoCertificate(path.to_owned())),
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
    /// Neither PEM nor DER.
    #[error("{0} holds no certificate")]
    NoCertificate(PathBuf),
}

impl From<FolderError> for TrustError {
    fn from(error: FolderError) -> Self {
        Self::Pin(error.into())
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn authorities_come_as_pem_or_der() {
        let root = tempfile::tempdir().unwrap();
        let known = KnownServers::in_folder(root.path());
        let file = root.path().join("ca");
        let options = TrustOptions::Authority {
            file: file.clone(),
            name: "chat.example.org".parse().unwrap(),
        };
        let roots = |bytes: &[u8]| {
            fs::write(&file, bytes).unwrap();
            match options.resolve(&"h:1".parse().unwrap(), &known) {
                Ok(Trust::Authority { roots, host }) if host == "chat.example.org" => Some(roots),
                _ => None,
            }
        };
        // Not certificates, but in their wrapping: MAE= and MAI= are 30 01 and 30 02.
        let pem = "-----BEGIN CERTIFICATE-----\nMAE=\n-----END CERTIFICATE-----\n\
            -----BEGIN CERTIFICATE-----\nMAI=\n-----END CERTIFICATE-----\n";
        assert_eq!(
            roots(pem.as_bytes()),
            Some(vec![vec![0x30, 1], vec![0x30, 2]])
        );
        assert_eq!(roots(&[0x30, 3]), Some(vec![vec![0x30, 3]]));
        assert_eq!(roots(b"nothing"), None);
        assert_eq!(roots(b""), None);
    }
}
