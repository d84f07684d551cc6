//! Two people, one server, virtual time: what they see.

mod common;

use client::{Delivery, Event};
use common::House;

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
