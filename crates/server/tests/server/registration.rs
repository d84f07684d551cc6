//! Making accounts over the network (PROTOCOL.md §6.6).

use chat::message::SessionServerMessage as Session;
use chat::message::{FailureCode, LoginServerMessage as Answer, ManifestRequest};
use server::accounts::invitation;
use server::{Event, Registration};
use store::relay::{MemoryStore, Op, Outcome};
use store::{Store, StoreError};

use crate::common::{
    Fixture, TestStore, alice, bob, config, logged_in, register, session, start_registration,
};

const PHONE: [u8; 16] = [1; 16];

fn registered(fixture: &mut Fixture, id: sim::NodeId) -> bool {
    match fixture.login_answer(id) {
        Answer::Registered(_) => true,
        Answer::Failure(failure) => {
            assert_eq!(failure.code, FailureCode::NameTaken);
            false
        }
        other => panic!("unexpected: {other:?}"),
    }
}

#[test]
fn an_account_is_made_and_logs_in_on_the_same_connection() {
    let mut fixture = Fixture::knowing(&[]);
    let id = fixture.client();
    let finish = start_registration(&mut fixture, id, &alice(), "Alice");
    register(&mut fixture, id, &alice(), "Alice", finish);
    assert!(registered(&mut fixture, id));
    assert_eq!(logged_in(&mut fixture, id, &alice(), PHONE), 1);
    let user = alice().username();
    assert!(fixture.events.contains(&Event::Registered { user }));
}

#[test]
fn who_is_logged_in_finds_new_accounts_in_the_next_directory() {
    let mut fixture = Fixture::knowing(&[bob()]);
    let b = session(&mut fixture, &bob(), PHONE);
    let ask = |fixture: &mut Fixture, have_version| {
        fixture.tell(
            b,
            ManifestRequest {
                request: 3,
                have_version,
            },
        );
        fixture.answer(b)
    };
    let Session::ManifestHead(first) = ask(&mut fixture, 0) else {
        panic!("no ManifestHead");
    };
    assert!(matches!(fixture.answer(b), Session::ManifestPart(_)));
    let seen = first.version;
    assert!(
        matches!(ask(&mut fixture, seen), Session::ManifestUnchanged(same) if same.request == 3)
    );
    let id = fixture.client();
    let finish = start_registration(&mut fixture, id, &alice(), "Alice");
    register(&mut fixture, id, &alice(), "Alice", finish);
    assert!(registered(&mut fixture, id));
    let Session::ManifestHead(head) = ask(&mut fixture, seen) else {
        panic!("no ManifestHead");
    };
    assert_eq!(head.count, 2);
    assert!(head.version > seen);
    assert!(matches!(fixture.answer(b), Session::ManifestPart(part) if part.entries.len() == 2));
}

#[test]
fn h52_of_many_who_want_a_name_one_gets_it() {
    let mut fixture = Fixture::knowing(&[]);
    let spellings = ["Alice", "ALICE", "alice", "\u{ff21}lice", "aLICE", "AlicE"];
    let clients = spellings.map(|spelling| (fixture.client(), spelling));
    let ready = clients.map(|(id, spelling)| {
        let finish = start_registration(&mut fixture, id, &alice(), spelling);
        (id, spelling, finish)
    });
    fixture.hold = true;
    for (id, spelling, finish) in ready {
        register(&mut fixture, id, &certified(spelling), spelling, finish);
    }
    fixture.idle(std::time::Duration::from_secs(1));
    fixture.release();
    let won = clients.map(|(id, _)| registered(&mut fixture, id));
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
    let count = fixture.store.commit(&[Op::ListAccounts {
        after: None,
        limit: 10,
    }]);
    assert!(matches!(&count.unwrap()[0], Outcome::Accounts(all) if all.len() == 1));
}

/// Alice, whatever she calls herself: her certificate is over the name's key.
fn certified(_: &str) -> crate::common::Person {
    alice()
}

#[test]
fn a_name_that_is_taken_stays_its_owners() {
    let mut fixture = Fixture::knowing(&[alice()]);
    let id = fixture.client();
    let finish = start_registration(&mut fixture, id, &alice(), "ALICE");
    register(&mut fixture, id, &alice(), "ALICE", finish);
    assert!(!registered(&mut fixture, id));
    let owner = fixture.client();
    logged_in(&mut fixture, owner, &alice(), PHONE);
}

#[test]
fn what_no_account_can_be_made_of_is_refused() {
    let changes: [fn(&mut chat::message::RegisterFinish); 5] = [
        |finish| finish.key_bag_version = 2,
        |finish| finish.enc_key = finish.sig_key.clone(),
        |finish| finish.enc_certificate = vec![0; 384].try_into().unwrap(),
        |finish| finish.record = [0xff; 192],
        |finish| finish.sig_key = vec![1; 400].try_into().unwrap(),
    ];
    let mut fixture = Fixture::knowing(&[]);
    for change in changes {
        let id = fixture.client();
        let mut finish = start_registration(&mut fixture, id, &alice(), "Alice");
        change(&mut finish);
        register(&mut fixture, id, &alice(), "Alice", finish);
        assert_eq!(fixture.failure(id), FailureCode::KeysRefused);
    }
    // Signed for another channel.
    let (one, other) = (fixture.client(), fixture.client());
    let finish = start_registration(&mut fixture, one, &alice(), "Alice");
    let mut signed = finish.clone();
    let channel = fixture.peek(other).channel;
    let (key, name) = (alice().signing_key(), alice().username());
    chat::login::sign_registration(&key, &channel, &name, &mut signed);
    fixture.say(one, signed);
    assert_eq!(fixture.failure(one), FailureCode::KeysRefused);
}

#[test]
fn an_operator_can_make_all_accounts_alone() {
    let mut config = config();
    config.registration = Registration::Closed;
    let mut fixture = Fixture::with(config, TestStore::new(MemoryStore::default()));
    let id = fixture.client();
    let username = alice().username();
    let request = [0; 32];
    fixture.say(id, chat::message::RegisterStart { username, request });
    assert_eq!(fixture.failure(id), FailureCode::RegistrationClosed);
}

#[test]
fn an_invitation_is_good_for_one_account() {
    let mut config = config();
    config.registration = Registration::Invited;
    let mut store = TestStore::new(MemoryStore::default());
    store.commit(&[invitation(b"come in")]).unwrap();
    let mut fixture = Fixture::with(config, store);
    let mut attempt = |person: &crate::common::Person, invite: Option<&[u8]>| {
        let id = fixture.client();
        let mut finish = start_registration(&mut fixture, id, person, person.name);
        finish.invite = invite.map(|code| code.try_into().unwrap());
        register(&mut fixture, id, person, person.name, finish);
        match fixture.login_answer(id) {
            Answer::Registered(_) => None,
            Answer::Failure(failure) => Some(failure.code),
            other => panic!("unexpected: {other:?}"),
        }
    };
    let required = Some(FailureCode::InviteRequired);
    assert_eq!(attempt(&alice(), None), required);
    assert_eq!(attempt(&alice(), Some(b"let me in")), required);
    assert_eq!(attempt(&alice(), Some(b"come in")), None);
    assert_eq!(attempt(&bob(), Some(b"come in")), required);
}

#[test]
fn an_invitation_is_not_lost_on_a_name_that_is_taken() {
    let mut config = config();
    config.registration = Registration::Invited;
    let mut store = TestStore::new(MemoryStore::default());
    store.commit(&[invitation(b"come in")]).unwrap();
    crate::common::account(&mut store, &alice());
    let mut fixture = Fixture::with(config, store);
    for (person, wins) in [(alice(), false), (bob(), true)] {
        let id = fixture.client();
        let mut finish = start_registration(&mut fixture, id, &person, person.name);
        finish.invite = Some((&b"come in"[..]).try_into().unwrap());
        register(&mut fixture, id, &person, person.name, finish);
        assert_eq!(registered(&mut fixture, id), wins);
    }
}

#[test]
fn an_invitation_is_used_up_by_the_transaction_that_makes_its_account() {
    let mut config = config();
    config.registration = Registration::Invited;
    let mut store = TestStore::new(MemoryStore::default());
    store.commit(&[invitation(b"come in")]).unwrap();
    let mut fixture = Fixture::with(config.clone(), store);
    let ask = |fixture: &mut Fixture, person: &crate::common::Person| {
        let id = fixture.client();
        let mut finish = start_registration(fixture, id, person, person.name);
        finish.invite = Some((&b"come in"[..]).try_into().unwrap());
        fixture.hold = true;
        register(fixture, id, person, person.name, finish);
        // Whether the invitation is open; then the account.
        fixture.until(|fixture| !fixture.held.is_empty());
        fixture.release_one();
        id
    };
    let id = ask(&mut fixture, &alice());
    fixture.until(|fixture| !fixture.held.is_empty());
    fixture.store.fail_next(StoreError::Full);
    fixture.release();
    assert_eq!(fixture.failure(id), FailureCode::Busy);

    ask(&mut fixture, &alice());
    fixture.until(|fixture| !fixture.held.is_empty());
    fixture.release_one();
    // The server dies before anything else is stored.
    let store = TestStore::new(fixture.store.into_inner());
    let mut fixture = Fixture::with(config, store);
    let id = ask(&mut fixture, &bob());
    fixture.release();
    assert_eq!(fixture.failure(id), FailureCode::InviteRequired);
    let id = fixture.client();
    assert_eq!(logged_in(&mut fixture, id, &alice(), PHONE), 1);
}

#[test]
fn h80_a_full_disk_makes_no_account_and_later_does() {
    let mut fixture = Fixture::knowing(&[]);
    let id = fixture.client();
    let finish = start_registration(&mut fixture, id, &alice(), "Alice");
    fixture.store.fail_next(StoreError::Full);
    register(&mut fixture, id, &alice(), "Alice", finish);
    assert_eq!(fixture.failure(id), FailureCode::Busy);
    assert!(fixture.events.contains(&Event::DiskFull));
    let finish = start_registration(&mut fixture, id, &alice(), "Alice");
    register(&mut fixture, id, &alice(), "Alice", finish);
    assert!(registered(&mut fixture, id));
}
