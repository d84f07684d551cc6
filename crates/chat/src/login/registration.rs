use crypto::{EncryptionKey, SigningKey, Transcript, VerifyingKey, sha256};

use crate::Username;
use crate::message::{RegisterFinish, Signature};

/// The public keys of a registration, checked.
pub struct AccountKeys {
    /// Signs.
    pub sig_key: VerifyingKey,
    /// Is encrypted to.
    pub enc_key: EncryptionKey,
}

/// The keys of a registration are not what an account can be made of, or are not its sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the keys of this registration do not check out")]
pub struct KeysRefused;

/// Signs a registration that is complete but for its signature.
pub fn sign_registration(
    key: &SigningKey,
    channel: &[u8; 32],
    username: &Username,
    finish: &mut RegisterFinish,
) {
    let signature = key.sign(&message(channel, username, finish));
    finish.signature = Signature::new(signature).unwrap_or_default();
}

/// Checks the keys of a registration: both are RSA keys of an allowed size, they differ, and the
/// sender has the signing one. What the certificate says is for those who encrypt to check.
pub fn verify_registration(
    channel: &[u8; 32],
    username: &Username,
    finish: &RegisterFinish,
) -> Result<AccountKeys, KeysRefused> {
    let sig_key = VerifyingKey::from_spki_der(&finish.sig_key).map_err(|_| KeysRefused)?;
    let enc_key = EncryptionKey::from_spki_der(&finish.enc_key).map_err(|_| KeysRefused)?;
    if finish.sig_key == finish.enc_key {
        return Err(KeysRefused);
    }
    sig_key
        .verify(&message(channel, username, finish), &finish.signature)
        .map_err(|_| KeysRefused)?;
    Ok(AccountKeys { sig_key, enc_key })
}

/// T("registration"; E, name, record, SHA-256(key bag), version, C_sig, C_enc, certificate,
/// invitation).
fn message(channel: &[u8; 32], username: &Username, finish: &RegisterFinish) -> Vec<u8> {
    let invite: &[u8] = finish.invite.as_deref().unwrap_or_default();
    Transcript::new("registration")
        .field(channel)
        .field(username.display().as_bytes())
        .field(&finish.record)
        .field(&sha256(&finish.key_bag))
        .u64(finish.key_bag_version)
        .field(&finish.sig_key)
        .field(&finish.enc_key)
        .field(&finish.enc_certificate)
        .field(invite)
        .bytes()
}
