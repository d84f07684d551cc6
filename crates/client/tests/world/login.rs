//! What keeps a client out, and how it says so.

use core::time::Duration;

use chat::message::{Failure as Refused, FailureCode};
use client::{Event, Failure, Registration};
use crypto::RsaBits;
use crypto::fixtures::rsa3072_signing;
use store::Store;
use store::device::{MemoryStore, Op};

use crate::house::{House, server};
use crate::relay::Mischief;

fn failure(house: &mut House, user: sim::NodeId, secs: u64) -> Failure {
    assert!(
        house.until(secs, |house| house.user(user).failure().is_some()),
        "{:?}",
        house.user(user).events
    );
    let last = house.user(user).events.last().cloned();
    assert!(
        matches!(last, Some(Event::Failed(_))),
        "it is the last event"
    );
    house.user(user).failure().unwrap()
}

#[test]
fn h49_wrong_password_and_unknown_user_are_one_error() {
    let (mut house, ..) = House::with_alice_and_bob(20);
    let wrong = house.login("Alice", "alice");
    let unknown = house.login("Nobody", "Nobody");
    assert_eq!(failure(&mut house, wrong, 5), Failure::LoginFailed);
    assert_eq!(failure(&mut house, unknown, 5), Failure::LoginFailed);
    let events = |user| {
        let mut events = house.user(user).events.clone();
        events.retain(|event| !matches!(event, Event::Connected { .. }));
        events
    };
    assert_eq!(events(wrong), events(unknown));
}

#[test]
fn a_name_that_is_taken_cannot_be_registered() {
    let (mut house, ..) = House::with_alice_and_bob(21);
    let second = house.register("ALICE");
    assert_eq!(failure(&mut house, second, 10), Failure::NameTaken);
}

#[test]
fn nobody_there_is_unreachable_within_its_time() {
    let mut house = House::new(22);
    house.cut(true);
    let begun = house.world.now();
    let user = house.login("Alice", "Alice");
    let failed = failure(&mut house, user, 20);
    assert!(matches!(failed, Failure::Unreachable { .. }));
    assert!(house.world.now().since(begun) < Duration::from_secs(10));
}

#[test]
fn a_closed_port_is_believed_on_loopback_alone() {
    let mut house = House::new(23);
    house.cut(true);
    let user = house.login("Alice", "Alice");
    house.pass(1);
    house.act(user, |client, now| {
        client.path_error(now, "nothing listens there")
    });
    assert_eq!(house.user(user).failure(), None, "anybody can forge that");
    let mut config = House::config("Alice", "Alice");
    config.server = "127.0.0.1:5000".parse().unwrap();
    let user = house.begin(config, MemoryStore::default());
    house.pass(1);
    house.act(user, |client, now| {
        client.path_error(now, "nothing listens there")
    });
    let reason = "nothing listens there".to_owned();
    assert_eq!(
        failure(&mut house, user, 1),
        Failure::Unreachable { reason }
    );
}

#[test]
fn another_server_key_than_the_pinned_one_is_a_hard_stop() {
    let (mut house, ..) = House::with_alice_and_bob(24);
    let presented = rsa3072_signing(0).verifying_key().fingerprint();
    let expected = rsa3072_signing(2).verifying_key().fingerprint();
    let mut config = House::config("Alice", "Alice");
    config.server_pin = Some(expected);
    let user = house.begin(config, MemoryStore::default());
    let changed = Failure::ServerKeyChanged {
        expected,
        presented,
    };
    assert_eq!(failure(&mut house, user, 5), changed);
    let mut config = House::config("Alice", "Alice");
    config.server_pin = Some(presented);
    let user = house.begin(config, MemoryStore::default());
    assert!(house.until(5, |house| house.user(user).is_logged_in()));
}

#[test]
fn the_key_of_the_first_login_holds_for_the_whole_run() {
    let (mut house, alice, _) = House::with_alice_and_bob(25);
    let first = rsa3072_signing(0).verifying_key().fingerprint();
    let pinned = |event: &Event| *event == Event::ServerPinned { fingerprint: first };
    assert_eq!(house.user(alice).count(pinned), 1);
    house.change_relay(|relay, now| relay.stop(now));
    house.change_relay(|relay, _| relay.mischief.key = 2);
    house.restart_relay();
    let changed = Failure::ServerKeyChanged {
        expected: first,
        presented: rsa3072_signing(2).verifying_key().fingerprint(),
    };
    assert_eq!(failure(&mut house, alice, 60), changed);
}

#[test]
fn a_pin_is_told_only_when_the_password_proved_it() {
    let (mut house, ..) = House::with_alice_and_bob(26);
    let wrong = house.login("Alice", "wrong");
    failure(&mut house, wrong, 5);
    let pinned = |event: &Event| matches!(event, Event::ServerPinned { .. });
    assert_eq!(house.user(wrong).count(pinned), 0);
}

#[test]
fn a_directory_that_went_back_is_refused() {
    let (mut house, _, bob) = House::with_alice_and_bob(27);
    let disk = house.kill(bob);
    house.change_relay(|relay, _| relay.disk.version = 0);
    let bob = house.begin(House::config("Bob", "Bob"), disk);
    let failed = failure(&mut house, bob, 5);
    assert!(matches!(failed, Failure::Directory { .. }), "{failed}");
}

#[test]
fn a_directory_without_oneself_is_refused() {
    let (mut house, _, bob) = House::with_alice_and_bob(28);
    let disk = house.kill(bob);
    house.change_relay(|relay, _| relay.mischief.hides = Some("bob".to_owned()));
    let bob = house.begin(House::config("Bob", "Bob"), disk);
    let failed = failure(&mut house, bob, 5);
    assert!(matches!(failed, Failure::Directory { .. }), "{failed}");
}

#[test]
fn a_key_bag_that_the_directory_does_not_list_is_refused() {
    let (mut house, _, bob) = House::with_alice_and_bob(35);
    house.kill(bob);
    house.change_relay(|relay, _| relay.mischief.lies_about_bags = true);
    let bob = house.login("Bob", "Bob");
    let failed = failure(&mut house, bob, 5);
    assert!(matches!(failed, Failure::Directory { .. }), "{failed}");
}

#[test]
fn h51_a_key_bag_that_was_changed_is_refused() {
    let (mut house, _, bob) = House::with_alice_and_bob(29);
    house.kill(bob);
    house.change_relay(|relay, _| {
        let account = relay.disk.accounts.get_mut("bob").unwrap();
        let mut bag = account.finish.key_bag.to_vec();
        bag[100] ^= 1;
        account.finish.key_bag = bag.try_into().unwrap();
    });
    let bob = house.login("Bob", "Bob");
    let failed = failure(&mut house, bob, 5);
    assert!(matches!(failed, Failure::Keys { .. }), "{failed}");
}

#[test]
fn a_store_of_another_account_is_not_used() {
    let (mut house, _, bob) = House::with_alice_and_bob(30);
    let disk = house.kill(bob);
    let user = house.begin(House::config("Alice", "Alice"), disk);
    let failed = failure(&mut house, user, 5);
    assert!(matches!(failed, Failure::Storage { .. }), "{failed}");
}

#[test]
fn a_store_that_is_damaged_is_not_used() {
    let (mut house, _, bob) = House::with_alice_and_bob(30);
    let mut disk = house.kill(bob);
    // Eight bytes are a version, and one more is nothing.
    let put = Op::PutMeta {
        key: "key_bag_version".to_owned(),
        value: vec![0; 9],
    };
    disk.commit(&[put]).unwrap();
    let user = house.begin(House::config("Bob", "Bob"), disk);
    let failed = failure(&mut house, user, 5);
    assert!(matches!(failed, Failure::Storage { .. }), "{failed}");
}

#[test]
fn a_disk_that_fails_stops_the_client() {
    let (mut house, alice, _) = House::with_alice_and_bob(31);
    house.change_user(alice, |user| {
        user.faults
            .push_back(Some(store::StoreError::Io("sync".to_owned())));
    });
    let sent = house.send(alice, "Bob", "lost");
    let failed = failure(&mut house, alice, 5);
    assert!(matches!(failed, Failure::Storage { .. }));
    assert_eq!(
        house.user(alice).states(sent),
        [],
        "never said to be queued"
    );
    assert_eq!(house.relay().taken, 0);
}

#[test]
fn the_server_says_no_in_its_own_words() {
    let mut house = House::with(
        32,
        Mischief {
            says_no: Some(Refused {
                code: FailureCode::RegistrationClosed,
                retry_after_s: 7,
                reason: chat::message::Reason::truncated("ask the operator"),
            }),
            ..Mischief::default()
        },
    );
    let mut config = House::config("Alice", "Alice");
    config.registration = Some(Registration {
        invite: Some(b"invited".to_vec()),
        bits: RsaBits::B3072,
    });
    let user = house.begin(config, MemoryStore::default());
    let refused = Failure::Refused {
        code: FailureCode::RegistrationClosed,
        retry_after_s: 7,
        reason: "ask the operator".to_owned(),
    };
    assert_eq!(failure(&mut house, user, 10), refused);
}

#[test]
fn the_work_that_a_login_costs_is_done() {
    let mut house = House::with(
        33,
        Mischief {
            asks_for_work: true,
            ..Mischief::default()
        },
    );
    let user = house.register("Alice");
    assert!(house.until(10, |house| house.user(user).is_logged_in()));
    assert_eq!(house.relay().worked, 2, "once to register, once to log in");
    assert_eq!(server().port(), 5000);
}

#[test]
fn a_server_that_falls_silent_during_the_login_is_unreachable() {
    let mut house = House::with(
        34,
        Mischief {
            ignores_logins: true,
            ..Mischief::default()
        },
    );
    let user = house.login("Alice", "Alice");
    let failed = failure(&mut house, user, 30);
    assert!(matches!(failed, Failure::Unreachable { .. }), "{failed}");
}
