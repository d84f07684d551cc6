//! Two people, one server, virtual time: what they see.

use crate::house::House;
use client::{Delivery, Event};

#[test]
fn two_people_register_list_and_talk() {
    let (mut house, alice, bob) = House::with_alice_and_bob(1);
    house.act(bob, |client, now| client.list(now).unwrap());
    let sent = house.send(bob, "alice", "hello  there \u{1f642}\n");
    let delivered = |house: &House| house.user(bob).states(sent).contains(&Delivery::Delivered);
    assert!(house.until(5, delivered), "{:?}", house.user(bob).events);
    assert_eq!(
        house.user(bob).states(sent),
        [Delivery::Queued, Delivery::Stored, Delivery::Delivered]
    );
    let online = house.user(bob).events.iter().find_map(|event| match event {
        Event::Online { users, .. } => Some(users.clone()),
        _ => None,
    });
    let online: Vec<_> = online
        .unwrap()
        .iter()
        .map(|name| name.display().to_owned())
        .collect();
    assert_eq!(online, ["Alice", "Bob"]);

    let answer = house.send(alice, "Bob", "and back");
    let there = |house: &House| {
        house.user(bob).texts() == ["and back"]
            && house
                .user(alice)
                .states(answer)
                .contains(&Delivery::Delivered)
    };
    assert!(house.until(5, there));
    let message = &house.user(alice).messages()[0];
    assert_eq!(message.text, "hello  there \u{1f642}\n");
    assert_eq!(
        (message.from.display(), message.to.display()),
        ("Bob", "Alice")
    );
    assert_eq!(
        (message.id, message.gap, message.forked),
        (sent, None, false)
    );
}

#[test]
fn a_message_to_somebody_offline_is_stored_and_arrives_at_login() {
    let (mut house, alice, bob) = House::with_alice_and_bob(2);
    let disk = house.kill(bob);
    let first = house.send(alice, "Bob", "one");
    let second = house.send(alice, "Bob", "two");
    let stored = |house: &House| {
        [first, second]
            .iter()
            .all(|id| house.user(alice).states(*id).contains(&Delivery::Stored))
    };
    assert!(house.until(5, stored));
    house.pass(60);
    let bob = house.begin(House::config("bob", "Bob"), disk);
    let shown = |house: &House| house.user(bob).texts() == ["one", "two"];
    assert!(house.until(5, shown));
    let told = |house: &House| house.user(alice).states(second).len() == 3;
    assert!(house.until(5, told));
    house.send(bob, "Alice", "later sends work");
    assert!(house.until(5, |house| house.user(alice).texts() == ["later sends work"]));
}

#[test]
fn many_messages_keep_their_order_and_none_is_shown_twice() {
    let (mut house, alice, bob) = House::with_alice_and_bob(3);
    let texts: Vec<String> = (0..300).map(|index| format!("number {index}")).collect();
    for text in &texts {
        house.send(alice, "Bob", text);
    }
    let all = |house: &House| house.user(bob).messages().len() >= texts.len();
    assert!(house.until(60, all), "{}", house.user(bob).messages().len());
    house.pass(30);
    assert_eq!(house.user(bob).texts(), texts);
    assert!(
        house
            .user(bob)
            .messages()
            .iter()
            .all(|message| message.gap.is_none())
    );
}

#[test]
fn the_longest_text_arrives_and_a_longer_one_is_refused() {
    let (mut house, alice, bob) = House::with_alice_and_bob(4);
    let longest = "\u{e9}".repeat(512 * 1024);
    house.send(alice, "Bob", &longest);
    house.send(alice, "Bob", "");
    assert!(house.until(60, |house| house.user(bob).messages().len() == 2));
    assert!(house.user(bob).texts()[0] == longest);
    let longer = format!("{longest}x");
    let to = crate::house::name("Bob");
    let refused = house.act(alice, |client, now| client.send(now, &to, longer));
    assert_eq!(refused, Err(client::SendError::TooLong));
}

#[test]
fn a_note_to_oneself_is_shown_once() {
    let (mut house, alice, _) = House::with_alice_and_bob(5);
    let note = house.send(alice, "Alice", "milk");
    assert!(house.until(5, |house| house.user(alice).texts() == ["milk"]));
    house.pass(10);
    assert_eq!(house.user(alice).messages().len(), 1);
    assert!(house.user(alice).states(note).contains(&Delivery::Stored));
}

#[test]
fn two_devices_of_one_account_both_receive_and_see_what_the_other_sent() {
    let (mut house, alice, bob) = House::with_alice_and_bob(6);
    let tablet = house.login("bob", "Bob");
    assert!(house.until(5, |house| house.user(tablet).is_logged_in()));
    house.send(alice, "Bob", "to both");
    let both = |house: &House| {
        house.user(bob).texts() == ["to both"] && house.user(tablet).texts() == ["to both"]
    };
    assert!(house.until(5, both));
    house.send(tablet, "Alice", "from the tablet");
    let copied = |house: &House| house.user(bob).messages().len() == 2;
    assert!(house.until(5, copied));
    let copy = &house.user(bob).messages()[1];
    assert_eq!((copy.from.display(), copy.to.display()), ("Bob", "Alice"));
    assert_eq!(copy.text, "from the tablet");
    house.pass(5);
    assert_eq!(
        house.user(tablet).messages().len(),
        1,
        "not its own come back"
    );
    assert_eq!(house.user(alice).texts(), ["from the tablet"]);
}

#[test]
fn nobody_of_that_name_fails_and_nothing_is_sealed() {
    let (mut house, alice, _) = House::with_alice_and_bob(7);
    let lost = house.send(alice, "Zoe", "anybody?");
    assert!(house.until(5, |house| !house.user(alice).states(lost).is_empty()));
    assert_eq!(house.user(alice).states(lost), [Delivery::Failed]);
    assert_eq!(
        house.user(alice).reason(lost).unwrap(),
        "there is no such user"
    );
    assert_eq!(house.relay().taken, 0);
}

#[test]
fn somebody_who_registered_a_moment_ago_is_found() {
    let (mut house, alice, _) = House::with_alice_and_bob(8);
    let zoe = house.register("Zoe");
    assert!(house.until(20, |house| house.user(zoe).is_logged_in()));
    house.send(alice, "Zoe", "welcome");
    assert!(house.until(5, |house| house.user(zoe).texts() == ["welcome"]));
}

#[test]
fn leaving_waits_for_what_is_on_its_way() {
    let (mut house, alice, bob) = House::with_alice_and_bob(9);
    let ids: Vec<_> = (0..40)
        .map(|index| house.send(bob, "Alice", &index.to_string()))
        .collect();
    house.act(bob, |client, now| {
        client.list(now).unwrap();
        client.shutdown(now, true);
    });
    let to = crate::house::name("Alice");
    let late = house.act(bob, |client, now| client.send(now, &to, String::new()));
    assert_eq!(late, Err(client::SendError::Leaving));
    let left = |house: &House| house.user(bob).events.last() == Some(&Event::Bye);
    assert!(house.until(20, left));
    let user = house.user(bob);
    assert!(
        ids.iter()
            .all(|id| user.states(*id).contains(&Delivery::Stored))
    );
    assert_eq!(user.count(|event| matches!(event, Event::Online { .. })), 1);
    assert!(house.until(20, |house| house.user(alice).messages().len() == 40));
}

#[test]
fn leaving_at_once_leaves_the_rest_to_the_next_start() {
    let (mut house, alice, bob) = House::with_alice_and_bob(10);
    // Alice's keys are on Bob's disk from here on.
    house.send(bob, "Alice", "first");
    assert!(house.until(5, |house| house.user(alice).texts() == ["first"]));
    // Nobody says what became of the second.
    let alices = house.kill(alice);
    house.change_relay(|relay, _| relay.mischief.silent = true);
    let sent = house.send(bob, "Alice", "second");
    assert!(house.until(5, |house| !house.user(bob).states(sent).is_empty()));
    house.act(bob, |client, now| client.shutdown(now, true));
    house.pass(20);
    assert_ne!(
        house.user(bob).events.last(),
        Some(&Event::Bye),
        "it is not stored"
    );
    house.act(bob, |client, now| client.shutdown(now, false));
    assert!(house.until(1, |house| house.user(bob).events.last()
        == Some(&Event::Bye)));
    house.change_relay(|relay, _| relay.mischief.silent = false);
    let disk = house.kill(bob);
    let bob = house.begin(House::config("bob", "Bob"), disk);
    let stored = |house: &House| house.user(bob).states(sent) == [Delivery::Stored];
    assert!(house.until(10, stored));
    let alice = house.begin(House::config("alice", "Alice"), alices);
    assert!(house.until(5, |house| house.user(alice).texts() == ["second"]));
}

#[test]
fn a_text_that_is_not_on_disk_when_its_client_leaves_has_failed() {
    let (mut house, _, bob) = House::with_alice_and_bob(11);
    house.cut(true);
    // Whose keys nobody here has: it waits in memory.
    let sent = house.send(bob, "Carol", "are you there?");
    house.act(bob, |client, now| client.shutdown(now, false));
    assert!(house.until(10, |house| house.user(bob).events.last()
        == Some(&Event::Bye)));
    assert_eq!(house.user(bob).states(sent), [Delivery::Failed]);
    assert!(house.user(bob).reason(sent).unwrap().contains("left"));
}
