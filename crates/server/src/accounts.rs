//! Accounts as a server checks and keeps them, whether they come over the network or are made on
//! the spot.

use chat::Username;
use chat::login::{
    ClientRegistration, KeysRefused, LoginError, Password, PasswordRecord, RegisteredPassword,
    ServerSecrets,
};
use chat::manifest::key_bag_hash;
use chat::message::{Blob, Certificate, KeyBag, PublicKey};
use crypto::{EncryptionKey, Random, Transcript, VerifyingKey, sha256};
use store::relay::{Account, Credentials, Op, Outcome};
use store::{Store, StoreError};

/// Bytes of a password record in the store: KSF id, record.
const RECORD_LEN: usize = 193;

/// Everything that makes an account but for its time.
pub struct AccountDraft {
    /// Its name, as its owner spells it.
    pub username: Username,
    /// What passwords are checked against.
    pub record: PasswordRecord,
    /// The user's private keys, sealed under the password.
    pub key_bag: KeyBag,
    /// Counts key bags; 1 for a new account.
    pub key_bag_version: u64,
    /// `C_sig`, DER SubjectPublicKeyInfo.
    pub sig_key: PublicKey,
    /// `C_enc`, DER SubjectPublicKeyInfo.
    pub enc_key: PublicKey,
    /// `C_sig`'s word for `C_enc` (PROTOCOL.md §8.1).
    pub enc_certificate: Certificate,
}

impl AccountDraft {
    /// The account, made now: `now_ms` is in milliseconds since 1970-01-01 UTC. `demo` marks one
    /// whose password everybody knows.
    ///
    /// # Errors
    /// A key is not an RSA key of an allowed size, they are the same, or the certificate is not the
    /// one for `C_enc`.
    pub fn into_account(self, now_ms: u64, demo: bool) -> Result<Account, KeysRefused> {
        let sig_key = VerifyingKey::from_spki_der(&self.sig_key).map_err(|_| KeysRefused)?;
        let enc_key = EncryptionKey::from_spki_der(&self.enc_key).map_err(|_| KeysRefused)?;
        if self.sig_key == self.enc_key {
            return Err(KeysRefused);
        }
        let certified = Transcript::new("enc-key")
            .field(self.username.key().as_bytes())
            .field(&self.enc_key);
        sig_key
            .verify(certified.as_bytes(), &self.enc_certificate)
            .map_err(|_| KeysRefused)?;
        let mut opaque_record = vec![self.record.ksf().to_byte()];
        opaque_record.extend_from_slice(self.record.as_bytes());
        Ok(Account {
            name: self.username.key().to_owned(),
            display_name: self.username.display().to_owned(),
            credentials: Credentials {
                opaque_record,
                key_bag_version: self.key_bag_version,
                key_bag_hash: key_bag_hash(&self.key_bag),
                key_bag: self.key_bag.into_vec(),
                sig_fingerprint: *sig_key.fingerprint().as_bytes(),
                sig_key: self.sig_key.into_vec(),
                enc_fingerprint: *enc_key.fingerprint().as_bytes(),
                enc_key: self.enc_key.into_vec(),
                enc_certificate: self.enc_certificate.into_vec(),
            },
            created_ms: now_ms,
            demo,
        })
    }
}

/// Both ends of a registration in one process: for accounts that the operator makes. Gives what the
/// key bag is to be sealed under, and what goes into the [`AccountDraft`].
///
/// It stretches the password, which takes 64 MiB and some tenths of a second.
///
/// # Errors
/// There is no memory for that.
pub fn register_locally(
    secrets: &ServerSecrets,
    username: &Username,
    password: Password,
    random: &mut dyn Random,
) -> Result<(RegisteredPassword, PasswordRecord), LoginError> {
    let (client, start) = ClientRegistration::start(username.clone(), password, random)?;
    let response = secrets
        .register_start(&start)
        .map_err(|_| LoginError::Failed)?;
    let registered = client.finish(&response, random)?;
    let record = secrets
        .register_finish(registered.record)
        .map_err(|_| LoginError::Failed)?;
    Ok((registered, record))
}

/// Puts an account into a store: insert if absent.
pub fn insert(account: Account) -> Op {
    Op::InsertAccount(Box::new(account))
}

/// How many accounts of a store have a password that everybody knows. A server that has any should
/// not be reachable from elsewhere.
///
/// # Errors
/// The store's.
pub fn count_demo_accounts(
    store: &mut (impl Store<Op = Op, Outcome = Outcome> + ?Sized),
) -> Result<u64, StoreError> {
    let outcomes = store.commit(&[Op::CountDemoAccounts])?;
    match outcomes.first() {
        Some(Outcome::Count(count)) => Ok(*count),
        _ => Err(StoreError::Corrupt("the count of accounts".to_owned())),
    }
}

/// Makes an invitation of `code` valid, for one registration: random bytes, at most 64, that the
/// operator hands to somebody. The store keeps only its hash.
pub fn invitation(code: &[u8]) -> Op {
    Op::PutMeta {
        key: invitation_key(code),
        value: INVITATION_OPEN.to_vec(),
    }
}

/// The state of an invitation that was not used.
const INVITATION_OPEN: &[u8] = b"open";
const INVITATION_USED: &[u8] = b"used";

/// Where an invitation's state is kept.
pub(crate) fn invitation_key(code: &[u8]) -> String {
    let hash = sha256(code).map(|byte| format!("{byte:02x}"));
    format!("invitation/{}", hash.concat())
}

/// Whether the state of an invitation is that of one that can be used.
pub(crate) fn is_open_invitation(state: Option<&[u8]>) -> bool {
    state == Some(INVITATION_OPEN)
}

/// Puts an account into a store, as [`insert`] does, and uses an invitation up in the same
/// transaction: whatever happens in between, one invitation makes one account.
pub(crate) fn insert_invited(account: Box<Account>, key: String) -> Op {
    Op::InsertAccountAndMeta {
        account,
        key,
        value: INVITATION_USED.to_vec(),
    }
}

/// The password record of a stored account. `None` if it is none of ours.
pub(crate) fn record(account: &Account) -> Option<PasswordRecord> {
    let stored: &[u8; RECORD_LEN] = account
        .credentials
        .opaque_record
        .as_slice()
        .try_into()
        .ok()?;
    let (ksf, record) = stored.split_first()?;
    PasswordRecord::from_stored(*ksf, record.try_into().ok()?).ok()
}

/// Bytes of the store, as a field of a message. What is in the store was checked when it came; what
/// is too long all the same becomes empty, which no client accepts.
pub(crate) fn blob<const MAX: usize>(bytes: &[u8]) -> Blob<MAX> {
    Blob::try_from(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests;
