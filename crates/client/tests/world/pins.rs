//! Pins, and those who would have others.

use core::time::Duration;

use chat::message::{ConversationId, MessageId};
use client::{Delivery, Event};
use e2e::SealedMessage;
use sim::NodeId;
use store::Store;
use store::device::{Op, Outcome};

use crate::house::{FULL, House, name};

/// More names than are kept in memory.
const MANY: usize = 4_200;

fn keys_changed(house: &House, of: NodeId) -> usize {
    let changed = |event: &Event| matches!(event, Event::KeyChanged { .. });
    house.user(of).count(changed)
}

/// Somebody else has the name of Bob now, and Alice, online again, has the directory that says so.
fn an_impostor(house: &mut House, alice: NodeId, bob: NodeId) -> NodeId {
    house.kill(bob);
    house.change_relay(|relay, _| {
        relay.disk.accounts.remove("bob");
    });
    house.strangers_keys = true;
    let impostor = house.register("Bob");
    assert!(house.until(20, |house| house.user(impostor).is_logged_in()));
    house.change_relay(|relay, now| {
        relay.mischief.keeps_secret = Some("bob".to_owned());
        relay.stop(now);
    });
    let again = |event: &Event| matches!(event, Event::LoggedIn { .. });
    assert!(house.until(30, |house| house.user(alice).count(again) == 2));
    impostor
}

/// Puts messages that nobody has sealed into a mailbox, each from somebody else: `sealed` with other names.
fn from_very_many(house: &mut House, sealed: &[u8], count: usize) {
    let at = sealed.windows(3).position(|three| three == b"bob").unwrap();
    let conversation = |name: &str| e2e::conversation::ConversationId::of(name, "alice").0;
    let before: ConversationId = conversation("bob");
    let place = sealed.windows(16).position(|id| id == before).unwrap();
    house.change_relay(|relay, _| {
        let letters = b"0123456789abcdefghijklmnopqrstuvwxyz";
        for number in 0..count {
            let spelled = [number / 1296 + 12, number / 36 % 36, number % 36];
            let spelled = spelled.map(|letter| char::from(letters[letter]));
            let spelled: String = spelled.iter().collect();
            let mut forged = sealed.to_vec();
            forged[at..at + 3].copy_from_slice(spelled.as_bytes());
            forged[place..place + 16].copy_from_slice(&conversation(&spelled));
            assert!(SealedMessage::decode(&forged).is_ok());
            let mut id = [9; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            relay.put(&name("Alice"), &name(&spelled), id, &forged);
        }
    });
}

/// Alice is told the impostor's key at last: she notices, and what she has written stays secret.
fn tell_in_vain(house: &mut House, alice: NodeId, secret: MessageId, impostor: NodeId) {
    house.change_relay(|relay, _| relay.tell_withheld());
    assert!(house.until(30, |house| !house.user(alice).states(secret).is_empty()));
    house.pass(10);
    assert_eq!(house.user(alice).states(secret), [Delivery::Failed]);
    assert_eq!(keys_changed(house, alice), 1);
    assert!(house.user(impostor).texts().is_empty());
}

#[test]
fn h55_no_flood_of_names_makes_a_pin_forgotten() {
    let (mut house, alice, bob) = House::with_two_who_have_met(72);
    let mut letters = house.relay().disk.mailboxes["alice"].iter();
    let letter = letters.find(|letter| letter.from == name("Bob")).unwrap();
    let sealed = letter.sealed.clone();
    let impostor = an_impostor(&mut house, alice, bob);
    // The search for the new key is under way when all those others write.
    let secret = house.send(alice, "Bob", "secret");
    house.pass(3);
    from_very_many(&mut house, &sealed, MANY);
    let taken = |house: &House| {
        let mut cursors = house.relay().disk.cursors.iter();
        cursors.any(|((account, _), cursor)| account == "alice" && *cursor >= 10 * MANY as u64)
    };
    assert!(house.until(300, taken));
    tell_in_vain(&mut house, alice, secret, impostor);
}

#[test]
fn h55_a_pin_that_came_to_the_disk_meanwhile_holds() {
    let (mut house, alice, bob) = House::with_alice_and_bob(73);
    let charlie = house.register("Charlie");
    house.send(charlie, "Bob", "one");
    assert!(house.until(20, |house| house.user(bob).texts() == ["one"]));
    let load = Op::LoadContact { name: "bob".into() };
    let mut pinned = None;
    house.change_user(charlie, |user| {
        pinned = user.store.commit(&[load]).unwrap().pop();
    });
    let Some(Outcome::Contact(Some(pinned))) = pinned else {
        panic!("{pinned:?}")
    };
    let impostor = an_impostor(&mut house, alice, bob);
    // Alice has no pin when the search begins, and has one when it ends.
    let secret = house.send(alice, "Bob", "secret");
    house.pass(3);
    house.change_user(alice, |user| {
        user.store.commit(&[Op::PinContact(pinned)]).unwrap();
    });
    tell_in_vain(&mut house, alice, secret, impostor);
}

#[test]
fn h80_a_full_disk_while_a_new_sender_is_pinned_loses_nothing() {
    for commit in 0..6 {
        let (mut house, alice, bob) = House::with_alice_and_bob(76);
        house.pass(5);
        house.change_user(bob, |user| {
            user.faults.extend(vec![None; commit]);
            user.faults.push_back(Some(FULL));
        });
        for text in ["one", "two"] {
            house.send(alice, "Bob", text);
        }
        let here = |house: &House| house.user(bob).texts() == ["one", "two"];
        assert!(house.until(60, here), "commit {commit}");
        house.pass(30);
        assert_eq!(house.user(bob).texts(), ["one", "two"], "commit {commit}");
        assert_eq!(house.user(bob).placeholders(), 0, "commit {commit}");
    }
}

#[test]
fn h80_a_full_disk_while_a_new_sender_is_pinned_hides_nothing_of_others() {
    // Whatever is on its way to and from the disk just then.
    for offset in (60..160).step_by(15) {
        let (mut house, alice, bob) = House::with_alice_and_bob(500);
        let charlie = house.register("Charlie");
        assert!(house.until(20, |house| house.user(charlie).is_logged_in()));
        house.send(charlie, "Bob", "first");
        assert!(house.until(20, |house| house.user(bob).texts() == ["first"]));
        house.pass(5);
        house.change_user(bob, |user| {
            user.work_time = Duration::from_millis(40);
            user.pins_refused = 1;
        });
        let wait = |house: &mut House, ms| {
            let next = house.world.now() + Duration::from_millis(ms);
            house.until(1, |house| house.world.now() >= next);
        };
        house.send(alice, "Bob", "one");
        wait(&mut house, offset);
        house.send(charlie, "Bob", "two");
        let shown = |house: &House| house.user(bob).texts().len() == 3;
        assert!(
            house.until(60, shown),
            "after {offset} ms: {:?}",
            house.user(bob).texts()
        );
        assert_eq!(house.user(bob).pins_refused, 0);
        assert_eq!(house.user(bob).placeholders(), 0);
    }
}
