//! A server's folder made of keys that everybody knows and passwords that cost nothing to stretch, so
//! that a test begins at once and a login takes a millisecond.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use chat::Username;
use chat::login::{KsfId, Password, ServerSecrets};
use chat::message::MessageId;
use crypto::fixtures::{
    RSA3072_COUNT, SeededRandom, rsa3072_decryption, rsa3072_pkcs8, rsa3072_signing,
};
use crypto::{Fingerprint, Secret, SigningKey};
use e2e::{Identity, keybag};
use server::accounts::{AccountDraft, insert, register_locally};
use store::Store as _;
use store::relay::{Account, Op, Outcome, SqliteStore};

use crate::common::Home;

/// `fp(S)` of the server in such a folder.
pub fn fingerprint() -> Fingerprint {
    rsa3072_signing(0).verifying_key().fingerprint()
}

/// The key with which the account at this place of the list signs.
pub fn signing_key(index: usize) -> SigningKey {
    rsa3072_signing(index % RSA3072_COUNT)
}

/// Makes the server's folder in `home`, with accounts whose passwords are their names.
pub fn furnish(home: &Home, names: &[&str]) {
    let people: Vec<_> = names.iter().map(|&name| (name, name)).collect();
    furnish_with(home, &people);
}

/// The same, with names and passwords.
pub fn furnish_with(home: &Home, people: &[(&str, &str)]) {
    let folder = home.server_data();
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let mut random = SeededRandom::new(5);
    let secrets = ServerSecrets::generate(&mut random);
    write(&folder, "identity.pk8", rsa3072_pkcs8(0));
    write(&folder, "passwords.secret", secrets.to_bytes().expose());
    write(&folder, "endpoint.secret", &[9; 32]);
    let secrets = secrets.with_ksf(KsfId::DangerCheap);
    let mut store = SqliteStore::open(&folder.join("server.sqlite")).unwrap();
    let ops: Vec<_> = (people.iter().enumerate())
        .map(|(index, person)| insert(account(index, *person, &secrets, &mut random)))
        .collect();
    store.commit(&ops).unwrap();
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Two of the keys that there are; as many people have keys of their own as there are pairs.
fn identity(index: usize, name: &str) -> Identity {
    let step = 1 + index / RSA3072_COUNT % (RSA3072_COUNT - 1);
    let (signing, decryption) = (
        signing_key(index),
        rsa3072_decryption((index + step) % RSA3072_COUNT),
    );
    Identity::from_keys(name, signing, decryption, Vec::new(), Secret::from([8; 32])).unwrap()
}

fn account(
    index: usize,
    (name, password): (&str, &str),
    secrets: &ServerSecrets,
    random: &mut SeededRandom,
) -> Account {
    let username = Username::parse(name).unwrap();
    let password = Password::parse(password).unwrap();
    let (registered, record) = register_locally(secrets, &username, password, random).unwrap();
    let identity = identity(index, username.key());
    let key_bag = keybag::seal(&identity, 1, registered.export_key.expose(), random);
    let public = identity.public();
    let draft = AccountDraft {
        username,
        record,
        key_bag: key_bag.as_slice().try_into().unwrap(),
        key_bag_version: 1,
        sig_key: public.signing_key().spki_der().try_into().unwrap(),
        enc_key: public.encryption_key().spki_der().try_into().unwrap(),
        enc_certificate: public.certificate().try_into().unwrap(),
    };
    draft.into_account(net::unix_time_ms(), true).unwrap()
}

/// The ids in somebody's mailbox as the disk has it now, in order. A copy is looked at: what a server
/// finds is what a killed one has left.
pub fn mailbox(home: &Home, account: &str) -> Vec<MessageId> {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(home.server_data()).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    let mut store = SqliteStore::open(&copy.path().join("server.sqlite")).unwrap();
    let (account, device) = (account.to_owned(), [0xdd; 16]);
    let look = [
        Op::TouchDevice {
            account: account.clone(),
            device,
            device_key: [0; 32],
            now_ms: net::unix_time_ms(),
        },
        Op::ReadAfter {
            account,
            device,
            after: None,
            max_messages: u32::MAX,
            max_bytes: u64::MAX,
        },
    ];
    match store.commit(&look).unwrap().pop() {
        Some(Outcome::Entries(entries)) => entries.iter().map(|entry| entry.message_id).collect(),
        other => panic!("{other:?}"),
    }
}
