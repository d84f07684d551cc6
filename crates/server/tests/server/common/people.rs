use chat::Username;
use chat::login::{Password, RegisteredPassword};
use chat::message::{Blob, KeyBag, RegisterFinish, Signature};
use crypto::fixtures::{SeededRandom, rsa3072_decryption, rsa3072_signing};
use crypto::{SigningKey, Transcript};
use server::accounts::{AccountDraft, insert, register_locally};
use store::Store;
use store::relay::Outcome;

use super::{NOW_MS, TestStore, secrets};

/// Somebody with keys. The key bag is any bytes: what is in it is not the server's business.
pub(crate) struct Person {
    pub(crate) name: &'static str,
    pub(crate) password: &'static str,
    pub(crate) sig: usize,
    pub(crate) enc: usize,
}

pub(crate) fn alice() -> Person {
    Person {
        name: "Alice",
        password: "alice's password",
        sig: 0,
        enc: 1,
    }
}

pub(crate) fn bob() -> Person {
    Person {
        name: "Bob",
        password: "bob's password",
        sig: 2,
        enc: 3,
    }
}

impl Person {
    pub(crate) fn username(&self) -> Username {
        Username::parse(self.name).unwrap()
    }

    pub(crate) fn password(&self) -> Password {
        Password::parse(self.password).unwrap()
    }

    pub(crate) fn signing_key(&self) -> SigningKey {
        rsa3072_signing(self.sig)
    }

    fn enc_key(&self) -> Vec<u8> {
        let key = rsa3072_decryption(self.enc);
        key.encryption_key().spki_der().to_vec()
    }

    fn certificate(&self) -> Vec<u8> {
        let certified = Transcript::new("enc-key")
            .field(self.username().key().as_bytes())
            .field(&self.enc_key());
        self.signing_key().sign(certified.as_bytes())
    }

    /// A registration, unsigned.
    pub(crate) fn registration(&self, password: &RegisteredPassword) -> RegisterFinish {
        RegisterFinish {
            record: password.record,
            key_bag: KeyBag::new(vec![7; 3000]).unwrap(),
            key_bag_version: 1,
            sig_key: Blob::try_from(self.signing_key().verifying_key().spki_der()).unwrap(),
            enc_key: Blob::new(self.enc_key()).unwrap(),
            enc_certificate: Blob::new(self.certificate()).unwrap(),
            invite: None,
            signature: Signature::default(),
        }
    }

    pub(crate) fn draft(&self) -> AccountDraft {
        let mut random = SeededRandom::new(3);
        let username = self.username();
        let made = register_locally(&secrets(), &username, self.password(), &mut random);
        let (password, record) = made.unwrap();
        let finish = self.registration(&password);
        AccountDraft {
            username,
            record,
            key_bag: finish.key_bag,
            key_bag_version: finish.key_bag_version,
            sig_key: finish.sig_key,
            enc_key: finish.enc_key,
            enc_certificate: finish.enc_certificate,
        }
    }
}

/// Puts somebody's account into a store.
pub(crate) fn account(store: &mut TestStore, person: &Person) {
    let account = person.draft().into_account(NOW_MS, false).unwrap();
    let outcome = store.commit(&[insert(account)]).unwrap();
    assert_eq!(outcome, [Outcome::Inserted]);
}
