//! Clients and the server that people run.

use chat::Username;
use client::{Delivery, Event, Failure};
use core::time::Duration;
use sim::{Link, NodeId};

use crate::house::House;

fn with_alice_and_bob(seed: u64) -> (House, NodeId, NodeId) {
    let mut house = House::with_real_server(seed);
    let alice = house.register("Alice");
    let bob = house.register("Bob");
    let both = |house: &House| house.user(alice).is_logged_in() && house.user(bob).is_logged_in();
    assert!(house.until(30, both), "{:?}", house.user(alice).events);
    (house, alice, bob)
}

fn online(house: &House, user: NodeId) -> Vec<Vec<Username>> {
    let lists = house
        .user(user)
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Online { users, .. } => Some(users.clone()),
            _ => None,
        });
    lists.collect()
}

#[test]
fn two_people_register_list_and_talk() {
    let (mut house, alice, bob) = with_alice_and_bob(200);
    house.act(bob, |client, now| client.list(now).unwrap());
    let sent = house.send(bob, "alice", "hello  there \u{1f642}\n");
    let told = |house: &House| house.user(bob).states(sent).contains(&Delivery::Delivered);
    assert!(house.until(30, told), "{:?}", house.user(bob).events);
    assert_eq!(
        house.user(bob).states(sent),
        [Delivery::Queued, Delivery::Stored, Delivery::Delivered]
    );
    let lists = online(&house, bob);
    let names: Vec<_> = lists[0].iter().map(Username::display).collect();
    assert_eq!(names, ["Alice", "Bob"]);
    house.send(alice, "Bob", "and back");
    assert!(house.until(5, |house| house.user(bob).texts() == ["and back"]));
    assert_eq!(house.user(alice).texts(), ["hello  there \u{1f642}\n"]);
}

#[test]
fn a_message_to_somebody_offline_arrives_at_login() {
    let (mut house, alice, bob) = with_alice_and_bob(201);
    house.act(bob, |client, now| client.shutdown(now, true));
    assert!(house.until(5, |house| house.user(bob).events.last()
        == Some(&Event::Bye)));
    let disk = house.kill(bob);
    let sent: Vec<_> = ["one", "two"]
        .map(|text| house.send(alice, "Bob", text))
        .into();
    let stored = |house: &House| {
        sent.iter()
            .all(|id| house.user(alice).states(*id).contains(&Delivery::Stored))
    };
    assert!(house.until(30, stored), "{:?}", house.user(alice).events);
    house.pass(3600);
    let bob = house.begin(House::config("bob", "Bob"), disk);
    assert!(house.until(5, |house| house.user(bob).texts() == ["one", "two"]));
    house.send(bob, "Alice", "later sends work");
    assert!(house.until(30, |house| house.user(alice).texts()
        == ["later sends work"]));
    assert!(
        house
            .user(alice)
            .states(sent[1])
            .contains(&Delivery::Delivered)
    );
}

#[test]
fn h49_wrong_password_and_unknown_user_are_one_error() {
    let (mut house, ..) = with_alice_and_bob(202);
    for (user, password) in [("Alice", "alice"), ("Nobody", "Nobody")] {
        let user = house.login(user, password);
        assert!(house.until(10, |house| house.user(user).failure().is_some()));
        assert_eq!(house.user(user).failure(), Some(Failure::LoginFailed));
    }
}

#[test]
fn guessing_costs_work_and_then_time() {
    let (mut house, ..) = with_alice_and_bob(203);
    let mut failures = Vec::new();
    for _ in 0..7 {
        let user = house.login("Alice", "guess");
        assert!(house.until(20, |house| house.user(user).failure().is_some()));
        failures.extend(house.user(user).failure());
    }
    assert_eq!(failures[0], Failure::LoginFailed);
    let waits = |failure: &Failure| matches!(failure, Failure::Refused { retry_after_s, .. } if *retry_after_s > 0);
    assert!(failures.iter().any(waits), "{failures:?}");
    house.pass(3600);
    let owner = house.login("Alice", "Alice");
    assert!(house.until(20, |house| house.user(owner).is_logged_in()));
}

#[test]
fn h52_a_name_that_is_taken_cannot_be_registered() {
    let (mut house, ..) = with_alice_and_bob(204);
    let second = house.register("ALICE");
    assert!(house.until(20, |house| house.user(second).failure().is_some()));
    assert_eq!(house.user(second).failure(), Some(Failure::NameTaken));
}

#[test]
fn h84_a_server_that_is_killed_at_any_moment_loses_and_doubles_nothing() {
    for steps in (0..120).step_by(15) {
        let (mut house, alice, bob) = with_alice_and_bob(205);
        house.send(alice, "Bob", "first");
        assert!(house.until(30, |house| house.user(bob).texts() == ["first"]));
        for index in 0..5 {
            house.send(alice, "Bob", &index.to_string());
        }
        let mut left = steps;
        house.until(60, |_| {
            left -= 1;
            left <= 0
        });
        house.kill_server();
        let last = house.send(alice, "Bob", "last");
        let told = |house: &House| {
            house
                .user(alice)
                .states(last)
                .contains(&Delivery::Delivered)
        };
        assert!(house.until(120, told), "after {steps} steps");
        house.pass(10);
        assert_eq!(
            house.user(bob).texts(),
            ["first", "0", "1", "2", "3", "4", "last"],
            "after {steps} steps"
        );
    }
}

#[test]
fn a_server_that_stops_says_so_and_clients_come_back() {
    let (mut house, alice, bob) = with_alice_and_bob(206);
    house.stop_server();
    let lost = |event: &Event| matches!(event, Event::Disconnected { .. });
    assert!(house.until(10, |house| house.user(alice).count(lost) == 1));
    house.pass(10);
    house.kill_server();
    let back = |event: &Event| matches!(event, Event::LoggedIn { .. });
    assert!(house.until(60, |house| house.user(alice).count(back) == 2));
    house.send(bob, "Alice", "there again");
    assert!(house.until(60, |house| house.user(alice).texts() == ["there again"]));
}

#[test]
fn two_devices_of_one_account_both_receive() {
    let (mut house, alice, bob) = with_alice_and_bob(207);
    let tablet = house.login("bob", "Bob");
    assert!(house.until(10, |house| house.user(tablet).is_logged_in()));
    let sent = house.send(alice, "Bob", "to both");
    let both = |house: &House| {
        house.user(bob).texts() == ["to both"] && house.user(tablet).texts() == ["to both"]
    };
    assert!(house.until(30, both));
    house.pass(5);
    let told = house.user(alice).states(sent);
    assert_eq!(
        told,
        [Delivery::Queued, Delivery::Stored, Delivery::Delivered]
    );
    house.send(bob, "Bob", "note");
    assert!(house.until(30, |house| {
        house.user(tablet).texts().contains(&"note".to_owned())
    }));
    assert!(house.until(30, |house| {
        house.user(bob).texts().contains(&"note".to_owned())
    }));
}

#[test]
fn h26_over_a_bad_link_everything_arrives_once_and_in_order() {
    for seed in 210..213 {
        let mut house = House::with_real_server(seed);
        let mut link = Link::with_delay(Duration::from_millis(30));
        link.loss = 0.2;
        link.duplication = 0.2;
        house.world.set_default_link(link);
        let alice = house.register("Alice");
        let bob = house.register("Bob");
        let both =
            |house: &House| house.user(alice).is_logged_in() && house.user(bob).is_logged_in();
        assert!(house.until(60, both), "{:?}", house.user(alice).events);
        let texts: Vec<String> = (0..100).map(|index| index.to_string()).collect();
        for text in &texts {
            house.send(alice, "Bob", text);
            house.send(bob, "Alice", text);
        }
        house.send(alice, "Bob", &"x".repeat(1 << 20));
        let all = |house: &House| {
            house.user(alice).messages().len() >= 100 && house.user(bob).messages().len() >= 101
        };
        assert!(
            house.until(300, all),
            "seed {seed}: {} and {}, {:?} {:?}",
            house.user(alice).messages().len(),
            house.user(bob).messages().len(),
            house
                .user(alice)
                .events
                .iter()
                .rev()
                .take(5)
                .collect::<Vec<_>>(),
            house
                .user(bob)
                .events
                .iter()
                .rev()
                .take(5)
                .collect::<Vec<_>>(),
        );
        house.pass(20);
        assert_eq!(house.user(alice).texts(), texts, "seed {seed}");
        assert_eq!(house.user(bob).texts()[..100], texts, "seed {seed}");
        assert_eq!(house.user(bob).messages().len(), 101, "seed {seed}");
    }
}
