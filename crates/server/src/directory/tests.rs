use crypto::fixtures::{SeededRandom, rsa3072_signing};
use store::relay::MemoryStore;
use transport::{Config, Endpoint, Instant};

use super::*;
use crate::job::Done;

const NOW_MS: u64 = 1_795_000_000_000;

fn summary(name: &str) -> AccountSummary {
    AccountSummary {
        name: name.to_lowercase(),
        display_name: name.to_owned(),
        sig_fingerprint: [1; 32],
        enc_fingerprint: [2; 32],
        key_bag_version: 1,
        key_bag_hash: [3; 32],
    }
}

/// A directory over a store, without the machine around it.
struct Fixture {
    store: MemoryStore,
    ledger: Ledger,
    directory: Directory,
    who: ConnectionHandle,
}

impl Fixture {
    fn new(store: MemoryStore) -> Self {
        let mut ledger = Ledger::default();
        let directory = Directory::new(Arc::new(rsa3072_signing(0)), &mut ledger);
        let mut endpoint = Endpoint::client(Config::default(), Box::new(SeededRandom::new(1)));
        let mut sessions = sim::null::NullSessions::client(sim::Rng::new(1));
        let to = "127.0.0.1:1".parse().unwrap();
        let who = endpoint.connect(Instant::ZERO, to, &mut sessions).unwrap();
        let mut fixture = Self {
            store,
            ledger,
            directory,
            who,
        };
        fixture.settle();
        fixture
    }

    /// Commits until there is nothing more to commit; gives how many are served.
    fn settle(&mut self) -> usize {
        let mut served = 0;
        while let Some(batch) = self.ledger.take() {
            let done = batch.commit(&mut self.store);
            let settled = self.ledger.settle(done).unwrap().unwrap();
            for one in settled {
                match one.then {
                    Then::DirectoryVersion => self.directory.version_read(&one.outcome).unwrap(),
                    Then::Accounts => self
                        .directory
                        .accounts_read(one.outcome, &mut self.ledger)
                        .unwrap(),
                    Then::DirectoryStored => served += self.directory.stored().len(),
                    _ => {}
                }
            }
        }
        served
    }

    /// Signs what there is to sign.
    fn sign(&mut self, now_ms: u64) -> usize {
        let Some(job) = self.directory.poll_job(now_ms) else {
            return 0;
        };
        let Done(manifest) = job.run();
        let served = self.directory.signed(manifest, &mut self.ledger).unwrap();
        served.len() + self.settle()
    }

    fn ask(&mut self, now_ms: u64) -> Option<(u64, u64)> {
        if self.directory.ask(self.who, now_ms).is_none() {
            assert_eq!(self.sign(now_ms), 1);
        }
        let newest = self.directory.newest()?.upgrade()?;
        Some((newest.head().version, newest.head().issued_ms))
    }
}

#[test]
fn a_version_counts_changes_and_never_goes_back() {
    let mut fixture = Fixture::new(MemoryStore::default());
    assert!(fixture.directory.is_loaded());
    assert_eq!(fixture.ask(NOW_MS), Some((1, NOW_MS)));
    assert_eq!(
        fixture.ask(NOW_MS + 1),
        Some((1, NOW_MS)),
        "nothing changed"
    );
    fixture.directory.insert(&summary("Alice")).unwrap();
    assert_eq!(fixture.ask(NOW_MS + 2), Some((2, NOW_MS + 2)));
    // A later process finds no such account: the directory is another one, so is the version.
    let mut fixture = Fixture::new(fixture.store);
    assert_eq!(fixture.ask(NOW_MS + 3), Some((3, NOW_MS + 3)));
    // And one that finds the same says the same.
    let mut fixture = Fixture::new(fixture.store);
    assert_eq!(fixture.ask(NOW_MS + 4), Some((3, NOW_MS + 4)));
}

#[test]
fn an_old_head_is_signed_again() {
    let mut fixture = Fixture::new(MemoryStore::default());
    fixture.ask(NOW_MS);
    let later = NOW_MS + HEAD_AGE_MAX_MS;
    assert_eq!(fixture.ask(later), Some((1, NOW_MS)));
    assert_eq!(fixture.ask(later + 1), Some((1, later + 1)));
    // Also when the clock was set back.
    assert_eq!(fixture.ask(NOW_MS), Some((1, NOW_MS)));
}

#[test]
fn one_signature_serves_all_who_wait() {
    let mut fixture = Fixture::new(MemoryStore::default());
    for _ in 0..5 {
        assert!(fixture.directory.ask(fixture.who, NOW_MS).is_none());
    }
    let job = fixture.directory.poll_job(NOW_MS).unwrap();
    assert!(
        fixture.directory.poll_job(NOW_MS).is_none(),
        "one at a time"
    );
    // Who comes after an account that is not in it waits for the next one.
    fixture.directory.insert(&summary("Alice")).unwrap();
    assert!(fixture.directory.ask(fixture.who, NOW_MS).is_none());
    let Done(manifest) = job.run();
    fixture
        .directory
        .signed(manifest, &mut fixture.ledger)
        .unwrap();
    assert_eq!(fixture.settle(), 5);
    assert_eq!(fixture.sign(NOW_MS), 1);
    let newest = fixture.directory.newest().unwrap().upgrade().unwrap();
    assert_eq!(newest.entries().len(), 1);
}

#[test]
fn nobody_sees_a_version_that_is_not_remembered() {
    let mut fixture = Fixture::new(MemoryStore::default());
    fixture.directory.ask(fixture.who, NOW_MS);
    let Done(manifest) = fixture.directory.poll_job(NOW_MS).unwrap().run();
    let served = fixture.directory.signed(manifest, &mut fixture.ledger);
    assert_eq!(served.unwrap(), []);
    assert!(fixture.directory.newest().is_none());
    assert_eq!(fixture.directory.not_stored().len(), 1);
    assert!(fixture.directory.newest().is_none());
    let _ = fixture.ledger.take();
}

#[test]
fn an_account_without_a_name_is_damage() {
    let mut fixture = Fixture::new(MemoryStore::default());
    let mut wrong = summary("Alice");
    wrong.name = "mallory".to_owned();
    assert_eq!(fixture.directory.insert(&wrong), Err(Damaged));
    wrong.display_name = "not a name".to_owned();
    assert_eq!(fixture.directory.insert(&wrong), Err(Damaged));
}
