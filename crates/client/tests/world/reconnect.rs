//! Connections end; messages do not.

use core::time::Duration;

use client::{Delivery, Event};
use sim::Link;

use crate::house::House;

fn lossy() -> Link {
    let mut link = Link::with_delay(Duration::from_millis(30));
    link.loss = 0.2;
    link.duplication = 0.2;
    link
}

#[test]
fn h84_after_a_restart_of_the_server_everything_arrives_once() {
    let (mut house, alice, bob) = House::with_alice_and_bob(40);
    house.send(alice, "Bob", "before");
    assert!(house.until(5, |house| house.user(bob).texts() == ["before"]));
    // Taken and not answered: whether it was stored, Alice does not know.
    house.change_relay(|relay, _| relay.mischief.silent = true);
    let unknown = house.send(alice, "Bob", "unknown");
    assert!(house.until(5, |house| house.relay().taken == 2));
    house.change_relay(|relay, _| relay.mischief.silent = false);
    house.restart_relay();
    let later = house.send(alice, "Bob", "later");
    let done = |house: &House| {
        let alice = house.user(alice);
        [unknown, later]
            .iter()
            .all(|id| alice.states(*id).contains(&Delivery::Delivered))
    };
    assert!(house.until(120, done), "{:?}", house.user(alice).events);
    house.pass(10);
    assert_eq!(house.user(bob).texts(), ["before", "unknown", "later"]);
    let lost = |event: &Event| matches!(event, Event::Disconnected { .. });
    let logged_in = |event: &Event| matches!(event, Event::LoggedIn { .. });
    assert_eq!(house.user(alice).count(lost), 1);
    assert_eq!(house.user(alice).count(logged_in), 2);
}

#[test]
fn a_server_that_has_moved_is_found_by_whoever_knows_where() {
    let (mut house, alice, bob) = House::with_alice_and_bob(49);
    let elsewhere = house.move_relay();
    house.restart_relay();
    let sent = house.send(alice, "Bob", "where are you?");
    house.pass(120);
    for user in [alice, bob] {
        let attempts = house.act(user, |client, _| client.attempts());
        assert!(attempts >= 2, "{attempts}");
        assert!(!house.act(user, |client, _| client.is_online()));
        house.act(user, |client, _| client.server_moved(elsewhere));
    }
    assert!(house.until(90, |house| house.user(bob).texts() == ["where are you?"]));
    let stored = |house: &House| {
        house
            .user(alice)
            .states(sent)
            .contains(&Delivery::Delivered)
    };
    assert!(house.until(10, stored));
}

#[test]
fn what_is_written_offline_to_a_known_contact_is_queued_and_survives_the_process() {
    let (mut house, alice, bob) = House::with_alice_and_bob(41);
    house.send(alice, "Bob", "before");
    assert!(house.until(5, |house| house.user(bob).texts() == ["before"]));
    house.cut(true);
    house.pass(60);
    assert!(!house.act(alice, |client, _| client.is_online()));
    let ids: Vec<_> = ["one", "two", "three"]
        .map(|text| house.send(alice, "Bob", text))
        .into();
    house.act(alice, |client, now| client.list(now).unwrap());
    house.pass(60);
    assert!(
        ids.iter()
            .all(|id| house.user(alice).states(*id) == [Delivery::Queued])
    );
    let disk = house.kill(alice);
    house.cut(false);
    house.pass(40);
    let alice = house.begin(House::config("Alice", "Alice"), disk);
    let expected = ["before", "one", "two", "three"];
    assert!(house.until(60, |house| house.user(bob).texts() == expected));
    assert!(
        ids.iter()
            .all(|id| house.user(alice).states(*id).contains(&Delivery::Stored))
    );
}

#[test]
fn what_is_written_offline_to_somebody_new_waits_for_the_connection() {
    let (mut house, alice, bob) = House::with_alice_and_bob(42);
    house.cut(true);
    house.pass(60);
    let sent = house.send(alice, "Bob", "hello");
    house.act(alice, |client, now| client.list(now).unwrap());
    house.pass(10);
    assert_eq!(house.user(alice).states(sent), [], "not said to be queued");
    house.cut(false);
    assert!(house.until(90, |house| house.user(bob).texts() == ["hello"]));
    let listed = |event: &Event| matches!(event, Event::Online { .. });
    assert!(house.until(5, |house| house.user(alice).count(listed) == 1));
}

#[test]
fn attempts_are_made_further_and_further_apart() {
    let (mut house, alice, _) = House::with_alice_and_bob(43);
    house.change_relay(|relay, now| relay.stop(now));
    house.cut(true);
    let told = |event: &Event| matches!(event, Event::Disconnected { .. });
    assert!(house.until(60, |house| house.user(alice).count(told) == 1));
    house.pass(600);
    assert_eq!(house.user(alice).count(told), 1, "told once");
    let sent = house.world.stats().sent;
    house.pass(300);
    let more = house.world.stats().sent - sent;
    assert!(
        more < 2 * 300,
        "two clients, {more} datagrams in five minutes"
    );
    house.cut(false);
    let online = |house: &House| {
        house
            .user(alice)
            .count(|event| matches!(event, Event::LoggedIn { .. }))
            == 2
    };
    assert!(house.until(60, online));
}

#[test]
fn h26_over_a_bad_link_everything_arrives_once_and_in_order() {
    for seed in 50..55 {
        let mut house = House::new(seed);
        house.world.set_default_link(lossy());
        let alice = house.register("Alice");
        let bob = house.register("Bob");
        let both =
            |house: &House| house.user(alice).is_logged_in() && house.user(bob).is_logged_in();
        assert!(house.until(60, both));
        let texts: Vec<String> = (0..30).map(|index| index.to_string()).collect();
        for (index, text) in texts.iter().enumerate() {
            house.send(alice, "Bob", text);
            house.send(bob, "Alice", text);
            if index == 15 {
                house.restart_relay();
            }
            house.until(1, |_| false);
        }
        let all = |house: &House| {
            house.user(alice).messages().len() >= 30 && house.user(bob).messages().len() >= 30
        };
        assert!(house.until(200, all), "seed {seed}");
        house.pass(20);
        assert_eq!(house.user(alice).texts(), texts, "seed {seed}");
        assert_eq!(house.user(bob).texts(), texts, "seed {seed}");
    }
}

#[test]
fn h90_a_process_that_ends_at_any_moment_loses_no_queued_message_and_doubles_none() {
    for steps in (0..240).step_by(20) {
        let (mut house, mut alice, bob) = House::with_alice_and_bob(60);
        let mut ids = Vec::new();
        for index in 0..4 {
            ids.push(house.send(alice, "Bob", &index.to_string()));
        }
        let mut left = steps;
        house.until(60, |_| {
            left -= 1;
            left <= 0
        });
        let queued: Vec<usize> = (0..4)
            .filter(|index| !house.user(alice).states(ids[*index]).is_empty())
            .collect();
        let disk = house.kill(alice);
        alice = house.begin(House::config("Alice", "Alice"), disk);
        let queued: Vec<String> = queued.iter().map(ToString::to_string).collect();
        let arrived = |house: &House| {
            let texts = house.user(bob).texts();
            queued.iter().all(|text| texts.contains(text))
        };
        assert!(house.until(60, arrived), "after {steps} steps");
        house.send(alice, "Bob", "end");
        assert!(house.until(60, |house| {
            house.user(bob).texts().contains(&"end".to_owned())
        }));
        let texts = house.user(bob).texts();
        let mut sorted = texts.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted, texts, "after {steps} steps: once, and in order");
    }
}

#[test]
fn h77_a_receiver_that_ends_at_any_moment_shows_everything_once() {
    for steps in (0..240).step_by(20) {
        let (mut house, alice, mut bob) = House::with_alice_and_bob(61);
        for index in 0..4 {
            house.send(alice, "Bob", &index.to_string());
        }
        let mut left = steps;
        house.until(60, |_| {
            left -= 1;
            left <= 0
        });
        let mut texts = house.user(bob).texts();
        let disk = house.kill(bob);
        bob = house.begin(House::config("Bob", "Bob"), disk);
        house.send(alice, "Bob", "end");
        assert!(house.until(60, |house| {
            house.user(bob).texts().contains(&"end".to_owned())
        }));
        texts.extend(house.user(bob).texts());
        // "Shown" commits first: what was committed and not shown is the one that may be missing.
        let mut expected: Vec<&str> = vec!["0", "1", "2", "3", "end"];
        expected.retain(|text| texts.iter().any(|shown| shown == text));
        assert!(expected.len() >= 4, "after {steps} steps: {texts:?}");
        assert_eq!(texts, expected, "after {steps} steps");
    }
}

#[test]
fn a_message_queued_while_the_outbox_is_being_read_is_sent_whatever_is_answered_first() {
    let (mut house, alice, bob) = House::with_alice_and_bob(49);
    house.send(alice, "Bob", "one");
    assert!(house.until(5, |house| house.user(bob).texts() == ["one"]));
    house.change_user(alice, |user| user.work_time = Duration::from_millis(500));
    let second = house.send(alice, "Bob", "two");
    let queued = |house: &House| house.user(alice).states(second) == [Delivery::Queued];
    assert!(house.until(5, queued));
    // The outbox is being read now, which takes half a second. The next one is queued meanwhile.
    house.change_user(alice, |user| user.work_time = Duration::from_millis(1));
    house.send(alice, "Bob", "three");
    let all = |house: &House| house.user(bob).texts() == ["one", "two", "three"];
    assert!(house.until(30, all), "{:?}", house.user(bob).texts());
}
