use crypto::fixtures::{SeededRandom, rsa3072_signing};
use store::Store;
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
fn a_version_rises_with_changes_and_never_goes_back() {
    let mut fixture = Fixture::new(MemoryStore::default());
    assert!(fixture.directory.is_loaded());
    assert_eq!(fixture.ask(NOW_MS), Some((NOW_MS, NOW_MS)));
    let again = fixture.ask(NOW_MS + 1);
    assert_eq!(again, Some((NOW_MS, NOW_MS)), "nothing changed");
    fixture.directory.insert(&summary("Alice")).unwrap();
    assert_eq!(fixture.ask(NOW_MS + 2), Some((NOW_MS + 2, NOW_MS + 2)));
    // Also when the clock was set back, in this process and in the next.
    fixture.directory.insert(&summary("Bob")).unwrap();
    assert_eq!(fixture.ask(9), Some((NOW_MS + 3, 9)));
    let mut fixture = Fixture::new(fixture.store);
    assert_eq!(fixture.ask(10), Some((NOW_MS + 4, 10)));
}

#[test]
fn whoever_asks_while_a_newer_directory_is_on_its_way_waits_for_it() {
    let mut fixture = Fixture::new(MemoryStore::default());
    fixture.ask(NOW_MS);
    fixture.directory.insert(&summary("Alice")).unwrap();
    assert!(fixture.directory.ask(fixture.who, NOW_MS).is_none());
    let Job(signing) = fixture.directory.poll_job(NOW_MS).unwrap();
    // The one before it does not list Alice, who may be the one that asks.
    assert!(fixture.directory.ask(fixture.who, NOW_MS).is_none());
    let Done(manifest) = Job(signing).run();
    let served = fixture.directory.signed(manifest, &mut fixture.ledger);
    assert!(served.unwrap().is_empty(), "its version is not stored yet");
    assert!(fixture.directory.ask(fixture.who, NOW_MS).is_none());
    assert_eq!(fixture.settle(), 3);
    let newest = fixture.directory.newest().unwrap().upgrade().unwrap();
    assert_eq!(newest.entries().len(), 1);
}

#[test]
fn h61_a_server_restored_from_an_older_state_is_above_what_clients_have_seen() {
    let mut fixture = Fixture::new(MemoryStore::default());
    fixture.ask(NOW_MS);
    let backup = copied(&mut fixture.store);
    for (number, name) in ["Alice", "Bob", "Charlie"].iter().enumerate() {
        fixture.directory.insert(&summary(name)).unwrap();
        fixture.ask(NOW_MS + 10 + number as u64);
    }
    let (seen, _) = fixture.ask(NOW_MS + 20).unwrap();
    // With the accounts of the backup, and the same as before: nobody may have seen it.
    let mut restored = Fixture::new(backup);
    let (version, _) = restored.ask(NOW_MS + 1000).unwrap();
    assert!(version > seen, "{version} is not above {seen}");
}

/// A store with the same directory.
fn copied(store: &mut MemoryStore) -> MemoryStore {
    let key = META_KEY.to_owned();
    let load = Op::LoadMeta { key: key.clone() };
    let Outcome::Meta(Some(value)) = store.commit(&[load]).unwrap().remove(0) else {
        panic!("no directory");
    };
    let mut copy = MemoryStore::default();
    copy.commit(&[Op::PutMeta { key, value }]).unwrap();
    copy
}

#[test]
fn an_old_head_is_signed_again() {
    let mut fixture = Fixture::new(MemoryStore::default());
    fixture.ask(NOW_MS);
    let later = NOW_MS + HEAD_AGE_MAX_MS;
    assert_eq!(fixture.ask(later), Some((NOW_MS, NOW_MS)));
    assert_eq!(fixture.ask(later + 1), Some((NOW_MS, later + 1)));
    // Also when the clock was set back.
    assert_eq!(fixture.ask(NOW_MS), Some((NOW_MS, NOW_MS)));
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
fn registrations_and_logins_during_a_signature_cost_one_more() {
    let mut fixture = Fixture::new(MemoryStore::default());
    assert!(fixture.directory.ask(fixture.who, NOW_MS).is_none());
    let job = fixture.directory.poll_job(NOW_MS).unwrap();
    for number in 0..100 {
        let name = format!("User{number}");
        fixture.directory.insert(&summary(&name)).unwrap();
        assert!(fixture.directory.ask(fixture.who, NOW_MS).is_none());
        assert!(fixture.directory.poll_job(NOW_MS).is_none());
    }
    let Done(manifest) = job.run();
    let served = fixture.directory.signed(manifest, &mut fixture.ledger);
    assert_eq!(served.unwrap().len() + fixture.settle(), 1);
    assert_eq!(fixture.sign(NOW_MS), 100, "all of them, with the next one");
    let newest = fixture.directory.newest().unwrap().upgrade().unwrap();
    assert_eq!(newest.entries().len(), 100);
    assert!(fixture.directory.ask(fixture.who, NOW_MS).is_some());
    assert!(fixture.directory.poll_job(NOW_MS).is_none());
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
