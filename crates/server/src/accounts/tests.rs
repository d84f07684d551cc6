use crypto::fixtures::{SeededRandom, rsa3072_decryption, rsa3072_signing};
use store::relay::MemoryStore;

use super::*;
use chat::login::KsfId;

fn draft(name: &str) -> AccountDraft {
    let mut random = SeededRandom::new(5);
    let secrets = ServerSecrets::generate(&mut random).with_ksf(KsfId::DangerCheap);
    let username = Username::parse(name).unwrap();
    let password = Password::parse("correct horse").unwrap();
    let (_, record) = register_locally(&secrets, &username, password, &mut random).unwrap();
    let sig = rsa3072_signing(0);
    let enc = rsa3072_decryption(1);
    let enc_key = enc.encryption_key().spki_der();
    let certified = Transcript::new("enc-key")
        .field(username.key().as_bytes())
        .field(enc_key);
    AccountDraft {
        record,
        key_bag: KeyBag::new(vec![7; 500]).unwrap(),
        key_bag_version: 1,
        sig_key: blob(sig.verifying_key().spki_der()),
        enc_key: blob(enc_key),
        enc_certificate: blob(&sig.sign(certified.as_bytes())),
        username,
    }
}

#[test]
fn an_account_made_here_is_kept_as_it_was_made() {
    let account = draft("Alice").into_account(5, true).unwrap();
    assert_eq!((account.name.as_str(), account.demo), ("alice", true));
    assert_eq!(account.display_name, "Alice");
    let again = record(&account).unwrap();
    assert!(again == draft("Alice").record);
    let mut store = MemoryStore::default();
    assert_eq!(count_demo_accounts(&mut store), Ok(0));
    let twice = [insert(account.clone()), insert(account)];
    assert_eq!(
        store.commit(&twice).unwrap(),
        [Outcome::Inserted, Outcome::Taken]
    );
    assert_eq!(count_demo_accounts(&mut store), Ok(1));
}

#[test]
fn keys_that_nobody_could_use_are_refused() {
    let changes: [fn(&mut AccountDraft); 5] = [
        |draft| draft.sig_key = blob(b"no key"),
        |draft| draft.enc_key = blob(b"no key"),
        |draft| draft.enc_key = draft.sig_key.clone(),
        |draft| draft.enc_certificate = blob(&[0; 384]),
        // Certified for another name.
        |draft| draft.username = Username::parse("Mallory").unwrap(),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut changed = draft("Alice");
        change(&mut changed);
        assert!(changed.into_account(5, false).is_err(), "change {index}");
    }
}

#[test]
fn a_record_that_is_none_is_no_account_to_log_in_to() {
    let mut account = draft("Alice").into_account(5, true).unwrap();
    account.credentials.opaque_record.pop();
    assert!(record(&account).is_none());
}

#[test]
fn invitations_are_kept_as_hashes() {
    let Op::PutMeta { key, value } = invitation(b"come in") else {
        panic!("an invitation is a blob");
    };
    assert!(is_open_invitation(Some(&value)));
    assert_eq!(key, invitation_key(b"come in"));
    assert!(!key.contains("come"));
    let account = draft("Alice").into_account(5, false).unwrap();
    let Op::InsertAccountAndMeta { value, .. } = insert_invited(Box::new(account), key) else {
        panic!("so is a used one");
    };
    assert!(!is_open_invitation(Some(&value)));
    assert!(!is_open_invitation(None));
}
