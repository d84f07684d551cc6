//! A server that deceives, a mailbox that is full, a disk that is.

use std::collections::BTreeSet;

use chat::message::{Account, Refusal, SessionServerMessage};
use client::{Delivery, Event};
use crypto::Secret;
use crypto::fixtures::{rsa3072_decryption, rsa3072_signing};
use e2e::Identity;
use sim::Rng;
use store::StoreError;

use crate::house::{FULL, House, name};

#[test]
fn h54_messages_that_come_twice_are_shown_once() {
    let (mut house, alice, bob) = House::with_alice_and_bob(70);
    house.change_relay(|relay, _| relay.mischief.doubles = true);
    for text in ["one", "two"] {
        house.send(alice, "Bob", text);
    }
    assert!(house.until(5, |house| house.user(bob).texts() == ["one", "two"]));
    // Once more, much later and elsewhere in the mailbox.
    house.pass(5);
    house.change_relay(|relay, _| {
        let letter = relay.disk.mailboxes["bob"][0].clone();
        relay.put(&name("Bob"), &letter.from, letter.id, &letter.sealed);
    });
    house.pass(5);
    assert_eq!(house.user(bob).placeholders(), 0);
    // And all of them again after a restart of either side.
    house.change_relay(|relay, _| relay.mischief.forgets_cursors = true);
    house.restart_relay();
    house.pass(60);
    let disk = house.kill(bob);
    let again = house.begin(House::config("Bob", "Bob"), disk);
    house.pass(60);
    assert!(house.user(again).is_logged_in());
    assert_eq!(house.user(bob).texts(), ["one", "two"]);
    assert_eq!(
        house.user(again).events.len(),
        3,
        "{:?}",
        house.user(again).events
    );
}

#[test]
fn h54_whatever_a_server_says_nothing_is_shown_twice_or_made_up() {
    for seed in 300..308 {
        let (mut house, alice, bob) = House::with_alice_and_bob(seed);
        let mut draw = Rng::new(seed);
        for round in 0..40 {
            for node in [alice, bob] {
                assert_eq!(house.user(node).failure(), None, "seed {seed}");
            }
            house.send(alice, "Bob", &format!("to Bob {round}"));
            house.send(bob, "Alice", &format!("to Alice {round}"));
            for _ in 0..draw.below(4) {
                house.change_relay(|relay, _| relay.say_anything(&mut draw));
                house.pass(draw.below(3));
            }
        }
        house.pass(200);
        for (node, to) in [(alice, "to Alice "), (bob, "to Bob ")] {
            let user = house.user(node);
            assert_eq!(user.failure(), None, "seed {seed}");
            assert!(user.is_logged_in() && user.under_way() == 0);
            let shown = user.texts();
            let once: BTreeSet<&String> = shown.iter().collect();
            assert_eq!(once.len(), shown.len(), "seed {seed}: {shown:?}");
            let is_meant = |text: &String| text.starts_with(to);
            assert!(shown.iter().all(is_meant), "seed {seed}: {shown:?}");
        }
        // And once it says what is so, it is understood.
        let last = house.send(alice, "Bob", "to Bob: the last");
        let is_delivered = |house: &House| {
            house
                .user(alice)
                .states(last)
                .contains(&Delivery::Delivered)
        };
        assert!(
            house.until(200, is_delivered),
            "seed {seed}: {:?}",
            house.user(alice).states(last)
        );
    }
}

#[test]
fn h64_a_message_that_cannot_be_opened_stops_nothing() {
    let (mut house, alice, bob) = House::with_alice_and_bob(71);
    house.send(alice, "Bob", "one");
    assert!(house.until(5, |house| house.user(bob).texts() == ["one"]));
    house.change_relay(|relay, _| relay.mischief.spoils = true);
    let spoilt = house.send(alice, "Bob", "two");
    assert!(house.until(5, |house| house.user(bob).placeholders() == 1));
    house.change_relay(|relay, _| relay.mischief.spoils = false);
    house.change_relay(|relay, _| {
        relay.put(&name("Bob"), &name("Alice"), [7; 16], b"no message at all");
    });
    house.send(alice, "Bob", "three");
    assert!(house.until(5, |house| house.user(bob).texts() == ["one", "three"]));
    assert_eq!(house.user(bob).placeholders(), 2);
    assert_eq!(house.user(bob).messages()[1].gap, Some(1));
    // Decided before it was looked at: the acknowledgement tells nothing of it.
    let told = |house: &House| {
        house
            .user(alice)
            .states(spoilt)
            .contains(&Delivery::Delivered)
    };
    assert!(house.until(5, told));
    let disk = house.kill(bob);
    let again = house.begin(House::config("Bob", "Bob"), disk);
    house.pass(10);
    assert_eq!(
        house.user(again).placeholders(),
        0,
        "placeholders are shown once"
    );
}

#[test]
fn h55_a_changed_key_is_never_sent_to_and_what_it_signs_stays_sealed() {
    let (mut house, alice, bob) = House::with_two_who_have_met(72);
    // The server gives Bob's name to somebody else.
    house.kill(bob);
    house.change_relay(|relay, _| {
        let _ = relay.disk.accounts.remove("bob");
        relay.disk.sequences.clear();
    });
    house.strangers_keys = true;
    let impostor = house.register("Bob");
    assert!(house.until(20, |house| house.user(impostor).is_logged_in()));
    let claim = house.send(impostor, "Alice", "it is me");
    let noticed = |house: &House| {
        let alice = house.user(alice);
        alice.count(|event| matches!(event, Event::KeyChanged { .. })) == 1
            && alice.placeholders() == 1
    };
    assert!(house.until(20, noticed), "{:?}", house.user(alice).events);
    let before = house.relay().taken;
    let sent = house.send(alice, "Bob", "secret");
    assert!(house.until(5, |house| !house.user(alice).states(sent).is_empty()));
    assert_eq!(house.user(alice).states(sent), [Delivery::Failed]);
    let pinned = crate::house::identity("bob").public().fingerprint();
    let reason = house.user(alice).reason(sent).unwrap();
    assert!(reason.contains(&pinned.to_string()), "{reason}");
    assert_eq!(house.relay().taken, before);
    assert_eq!(house.user(alice).texts(), ["one"]);
    let heard = house.relay().notified.contains(&claim);
    assert!(!heard, "the impostor hears nothing");
    // And so it stays after a restart.
    let disk = house.kill(alice);
    let alice = house.begin(House::config("Alice", "Alice"), disk);
    let sent = house.send(alice, "Bob", "secret");
    assert!(house.until(10, |house| house.user(alice).states(sent)
        == [Delivery::Failed]));
}

#[test]
fn h57_keys_that_nobody_asked_for_are_not_taken() {
    let (signing, decryption) = (rsa3072_signing(1), rsa3072_decryption(0));
    let stranger = Identity::from_keys("bob", signing, decryption, vec![], Secret::from([1; 32]));
    let stranger = stranger.unwrap();
    let public = stranger.public();
    // For somebody who is known, and for somebody who is not yet.
    for met_before in [true, false] {
        let (mut house, alice, bob) = House::with_alice_and_bob(75);
        if met_before {
            house.send(alice, "Bob", "one");
            assert!(house.until(5, |house| house.user(bob).texts() == ["one"]));
        }
        let unasked = SessionServerMessage::from(Account {
            request: 99,
            name: name("Bob"),
            sig_key: public.signing_key().spki_der().try_into().unwrap(),
            enc_key: public.encryption_key().spki_der().try_into().unwrap(),
            enc_certificate: public.certificate().try_into().unwrap(),
        });
        let unasked = unasked.encode();
        house.change_relay(|relay, _| relay.mischief.babbles = Some(unasked));
        house.act(alice, |client, now| client.list(now).unwrap());
        let back = |event: &Event| matches!(event, Event::LoggedIn { .. });
        assert!(house.until(20, |house| house.user(alice).count(back) == 2));
        let sent = house.send(alice, "Bob", "two");
        assert!(house.until(20, |house| {
            house
                .user(alice)
                .states(sent)
                .contains(&Delivery::Delivered)
        }));
        // It was sealed for Bob's own keys.
        assert!(house.until(5, |house| {
            house.user(bob).texts().contains(&"two".to_owned())
        }));
        let swapped = |event: &Event| matches!(event, Event::KeyChanged { .. });
        assert_eq!(house.user(alice).count(swapped), 0);
    }
}

#[test]
fn keys_that_the_directory_does_not_list_are_not_used() {
    let (mut house, alice, bob) = House::with_alice_and_bob(73);
    house.change_relay(|relay, now| {
        relay.mischief.hides = Some("bob".to_owned());
        relay.stop(now);
    });
    let back = |house: &House| {
        house
            .user(alice)
            .count(|event| matches!(event, Event::LoggedIn { .. }))
            == 2
    };
    assert!(house.until(30, back));
    let sent = house.send(alice, "Bob", "secret");
    assert!(house.until(60, |house| !house.user(alice).states(sent).is_empty()));
    assert_eq!(house.user(alice).states(sent), [Delivery::Failed]);
    assert_eq!(house.relay().taken, 0);
    let _ = bob;
}

#[test]
fn h70_a_full_mailbox_delays_and_loses_nothing() {
    let (mut house, alice, bob) = House::with_alice_and_bob(74);
    house.change_relay(|relay, _| {
        let full = [Refusal::MailboxFull; 3];
        relay.mischief.refusals.extend(full);
        relay.mischief.refusals.push_back(Refusal::RateLimited);
    });
    let texts: Vec<String> = (0..6).map(|index| index.to_string()).collect();
    let ids: Vec<_> = texts
        .iter()
        .map(|text| house.send(alice, "Bob", text))
        .collect();
    assert!(house.until(200, |house| house.user(bob).messages().len() == 6));
    assert_eq!(house.user(bob).texts(), texts);
    let first = house.user(alice).states(ids[0]);
    assert!(
        first.starts_with(&[Delivery::Queued, Delivery::Queued]),
        "{first:?}"
    );
    assert!(house.until(5, |house| {
        house
            .user(alice)
            .states(ids[5])
            .contains(&Delivery::Delivered)
    }));
}

#[test]
fn h80_a_full_disk_refuses_and_recovers() {
    let (mut house, alice, bob) = House::with_alice_and_bob(75);
    house.send(alice, "Bob", "one");
    assert!(house.until(5, |house| house.user(bob).texts() == ["one"]));
    house.pass(5);
    // Sending: the draft fails and says so, the next one goes.
    house.change_user(alice, |user| user.faults.push_back(Some(FULL)));
    let failed = house.send(alice, "Bob", "two");
    assert!(house.until(5, |house| house.user(alice).states(failed)
        == [Delivery::Failed]));
    house.send(alice, "Bob", "three");
    assert!(house.until(5, |house| house.user(bob).texts() == ["one", "three"]));
    // Receiving: what cannot be kept comes again.
    house.pass(5);
    house.change_user(bob, |user| user.faults.push_back(Some(FULL)));
    house.send(alice, "Bob", "four");
    let expected = ["one", "three", "four"];
    assert!(house.until(60, |house| house.user(bob).texts() == expected));
    house.pass(60);
    assert_eq!(house.user(bob).texts(), expected);
}

#[test]
fn a_full_disk_while_showing_shows_once_in_the_end() {
    for commit in 0..6 {
        let (mut house, alice, bob) = House::with_alice_and_bob(76);
        house.send(alice, "Bob", "one");
        assert!(house.until(5, |house| house.user(bob).texts() == ["one"]));
        house.pass(5);
        house.change_user(bob, |user| {
            user.faults.extend(vec![None; commit]);
            user.faults.push_back(Some(FULL));
        });
        house.send(alice, "Bob", "two");
        house.send(alice, "Bob", "three");
        let expected = ["one", "two", "three"];
        let shown = |house: &House| house.user(bob).texts() == expected;
        assert!(house.until(60, shown), "commit {commit}");
        house.pass(30);
        assert_eq!(house.user(bob).texts(), expected, "commit {commit}");
    }
}

#[test]
fn nothing_that_reaches_the_disk_or_the_server_shows_a_text() {
    let mut house = House::new(77);
    let alice = house.register("Alice");
    let bob = house.register("Bob");
    let canary = "a canary in the coal mine";
    for user in [alice, bob] {
        let bytes = format!("{:?}", canary.as_bytes());
        let bytes = bytes.trim_matches(['[', ']']).to_owned();
        house.change_user(user, |user| user.canary = Some(bytes));
    }
    house.world.add_canary(canary.as_bytes());
    house.sealing.add_canary(canary.as_bytes());
    house.send(alice, "Bob", canary);
    assert!(house.until(20, |house| house.user(bob).texts() == [canary]));
    house.pass(5);
}

#[test]
fn what_was_refused_for_good_leaves_its_place_to_a_tombstone() {
    let (mut house, alice, bob) = House::with_alice_and_bob(78);
    house.change_relay(|relay, _| {
        relay.mischief.refusals.extend([Refusal::NoSuchUser; 2]);
    });
    let refused: Vec<_> = ["one", "two"]
        .map(|text| house.send(alice, "Bob", text))
        .into();
    let failed = |house: &House| {
        refused
            .iter()
            .all(|id| house.user(alice).states(*id).contains(&Delivery::Failed))
    };
    assert!(house.until(5, failed));
    let third = house.send(alice, "Bob", "three");
    assert!(house.until(30, |house| house.user(bob).texts() == ["three"]));
    let fourth = house.send(alice, "Bob", "four");
    assert!(house.until(30, |house| house.user(bob).texts() == ["three", "four"]));
    house.pass(20);
    for id in [third, fourth] {
        assert_eq!(
            house.user(alice).states(id),
            [Delivery::Queued, Delivery::Stored, Delivery::Delivered]
        );
    }
    assert!(
        house
            .user(bob)
            .messages()
            .iter()
            .all(|message| message.gap.is_none())
    );
    let strange = |event: &Event| matches!(event, Event::Status { id, .. } if ![refused[0], refused[1], third, fourth].contains(id));
    assert_eq!(
        house.user(alice).count(strange),
        0,
        "tombstones are not the user's"
    );
}

#[test]
fn a_server_that_was_restored_from_an_older_state_gets_what_it_lost() {
    let (mut house, alice, bob) = House::with_alice_and_bob(79);
    house.send(alice, "Bob", "one");
    assert!(house.until(5, |house| house.user(bob).texts() == ["one"]));
    house.pass(5);
    let backup = house.relay().disk.clone();
    house.send(alice, "Bob", "two");
    house.send(alice, "Bob", "three");
    assert!(house.until(5, |house| house.user(bob).messages().len() == 3));
    house.pass(5);
    let version = house.relay().disk.version;
    house.change_relay(|relay, _| {
        relay.disk = backup;
        // Signed heads do not go back: they are kept apart.
        relay.disk.version = version;
    });
    house.restart_relay();
    let last = house.send(alice, "Bob", "four");
    let delivered = |house: &House| {
        house
            .user(alice)
            .states(last)
            .contains(&Delivery::Delivered)
    };
    assert!(
        house.until(120, delivered),
        "{:?}",
        house.user(alice).events
    );
    house.pass(20);
    assert_eq!(house.user(bob).texts(), ["one", "two", "three", "four"]);
    assert_eq!(house.relay().disk.mailboxes["bob"].len(), 4);
}

#[test]
fn h61_a_position_that_a_restored_server_gives_out_again_hides_no_message() {
    let (mut house, alice, bob) = House::with_alice_and_bob(80);
    let charlie = house.register("Charlie");
    assert!(house.until(20, |house| house.user(charlie).is_logged_in()));
    let backup = house.relay().disk.clone();
    house.send(alice, "Bob", "one");
    assert!(house.until(5, |house| house.user(bob).texts() == ["one"]));
    house.pass(5);
    let version = house.relay().disk.version;
    house.change_relay(|relay, _| {
        relay.disk = backup;
        relay.disk.version = version;
    });
    house.restart_relay();
    // The first message after that takes the position of the one that was lost.
    let sent = house.send(charlie, "Bob", "two");
    let arrived = |house: &House| house.user(bob).texts() == ["one", "two"];
    assert!(house.until(120, arrived), "{:?}", house.user(bob).texts());
    let state = house.user(charlie).states(sent);
    assert!(state.contains(&Delivery::Delivered), "{state:?}");
}

#[test]
fn h65_nobody_learns_whom_a_user_knows_by_writing_that_name_into_a_message() {
    let (mut house, alice, bob) = House::with_alice_and_bob(81);
    house.send(alice, "Bob", "one");
    assert!(house.until(5, |house| house.user(bob).texts() == ["one"]));
    let sealed = house.relay().disk.mailboxes["bob"][0].sealed.clone();
    // Somebody else sends what says that it is from Alice, whose key Bob has pinned.
    let id = house.relay().disk.mailboxes["bob"][0].id;
    house.register("Eve");
    house.pass(20);
    house.change_relay(|relay, _| {
        relay.notified.clear();
        relay.put(&name("Bob"), &name("Eve"), id, &sealed);
    });
    house.pass(5);
    assert!(house.relay().notified.is_empty());
}

#[test]
fn a_client_that_has_given_up_waits_for_nothing() {
    let (mut house, alice, _) = House::with_alice_and_bob(79);
    house.change_relay(|relay, _| relay.mischief.refusals.push_back(Refusal::MailboxFull));
    let held = house.send(alice, "Bob", "held back for a second");
    let refused = |house: &House| house.user(alice).reason(held).is_some();
    assert!(house.until(5, refused));
    let broken = StoreError::Io("a sector".to_owned());
    house.change_user(alice, |user| user.faults.push_back(Some(broken)));
    house.send(alice, "Bob", "the disk fails");
    assert!(house.until(5, |house| house.user(alice).failure().is_some()));
    // Whoever asks to be woken for what it does not do any more is woken for ever.
    house.pass(5);
}
