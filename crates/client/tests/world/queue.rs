//! Long queues, and what stands in their way.

use std::collections::BTreeMap;

use chat::message::{MessageId, Refusal};
use client::{Delivery, Event};
use sim::{NodeId, Rng};
use store::Store;
use store::device::{Op, OutboxState, Outcome};

use crate::house::{FULL, House};

/// More than are in memory, and about as many.
const LENGTHS: [usize; 4] = [15, 17, 33, 100];

const DAY: u64 = 24 * 60 * 60;

fn send_many(house: &mut House, from: NodeId, to: &str, texts: &[String]) -> Vec<MessageId> {
    texts
        .iter()
        .map(|text| house.send(from, to, text))
        .collect()
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

fn failed(house: &House, of: NodeId) -> usize {
    house.user(of).count(|event| {
        let state = Delivery::Failed;
        matches!(event, Event::Status { state: told, .. } if *told == state)
    })
}

fn await_failure(house: &mut House, of: NodeId, id: MessageId) {
    let gone = |house: &House| house.user(of).states(id).contains(&Delivery::Failed);
    assert!(house.until(30, gone));
}

/// Sends Bob something that the server refuses for good.
fn fail_one(house: &mut House, from: NodeId) {
    house.change_relay(|relay, _| relay.mischief.refusals.push_back(Refusal::TooLong));
    let refused = house.send(from, "Bob", "too long");
    await_failure(house, from, refused);
}

#[test]
fn what_is_refused_for_good_costs_nothing_of_what_is_queued_behind_it() {
    for length in LENGTHS {
        let (mut house, alice, bob) = House::with_alice_and_bob(78);
        house.change_relay(|relay, _| relay.mischief.refusals.push_back(Refusal::TooLong));
        let refused = house.send(alice, "Bob", "too long");
        let texts = numbers(length);
        send_many(&mut house, alice, "Bob", &texts);
        let here = |house: &House| house.user(bob).texts() == texts;
        assert!(house.until(120, here), "{length}");
        assert_eq!(
            house.user(alice).states(refused).last(),
            Some(&Delivery::Failed)
        );
        assert_eq!(failed(&house, alice), 1, "{length}");
        house.pass(60);
        assert_eq!(house.user(bob).texts(), texts, "{length}");
    }
}

#[test]
fn h61_a_server_that_was_restored_gets_what_it_lost_before_a_long_queue() {
    for length in LENGTHS {
        let (mut house, alice, bob) = House::with_alice_and_bob(79);
        let charlie = house.register("Charlie");
        assert!(house.until(20, |house| house.user(charlie).is_logged_in()));
        house.send(alice, "Bob", "one");
        house.send(alice, "Charlie", "one");
        let met = |house: &House| {
            house.user(bob).texts() == ["one"] && house.user(charlie).texts() == ["one"]
        };
        assert!(house.until(20, met));
        house.pass(5);
        let backup = house.relay().disk.clone();
        house.send(alice, "Bob", "two");
        assert!(house.until(5, |house| house.user(bob).messages().len() == 2));
        house.pass(5);
        let version = house.relay().disk.version;
        house.cut(true);
        house.change_relay(|relay, _| {
            relay.disk = backup;
            relay.disk.version = version;
        });
        house.restart_relay();
        let texts = numbers(length);
        send_many(&mut house, alice, "Bob", &texts);
        house.send(alice, "Charlie", "two");
        house.pass(60);
        house.cut(false);
        let all = [vec!["one".to_owned(), "two".to_owned()], texts].concat();
        let here = |house: &House| {
            house.user(bob).texts() == all && house.user(charlie).texts() == ["one", "two"]
        };
        assert!(house.until(180, here), "{length}");
        assert_eq!(failed(&house, alice), 0, "{length}");
    }
}

#[test]
fn more_messages_than_one_repair_fills_in_fail_and_the_next_one_arrives() {
    let (mut house, alice, bob) = House::with_alice_and_bob(80);
    house.change_relay(|relay, _| relay.mischief.refusals.extend([Refusal::NoSuchUser; 70]));
    for text in numbers(70) {
        let refused = house.send(alice, "Bob", &text);
        await_failure(&mut house, alice, refused);
    }
    house.send(alice, "Bob", "at last");
    assert!(house.until(120, |house| house.user(bob).texts() == ["at last"]));
}

#[test]
fn a_message_that_failed_long_ago_ends_no_conversation() {
    let (mut house, alice, bob) = House::with_alice_and_bob(81);
    house.send(alice, "Bob", "one");
    assert!(house.until(30, |house| house.user(bob).texts() == ["one"]));
    fail_one(&mut house, alice);
    house.pass(5);
    let disk = house.kill(alice);
    house.pass(31 * DAY);
    let alice = house.begin(House::config("Alice", "Alice"), disk);
    house.send(alice, "Bob", "two");
    assert!(house.until(60, |house| house.user(bob).texts() == ["one", "two"]));
}

#[test]
fn h70_a_full_mailbox_is_in_nobody_elses_way() {
    let (mut house, alice, bob) = House::with_alice_and_bob(82);
    let charlie = house.register("Charlie");
    assert!(house.until(20, |house| house.user(charlie).is_logged_in()));
    house.change_relay(|relay, _| relay.mischief.full_for = Some("bob".to_owned()));
    let texts = numbers(80);
    send_many(&mut house, alice, "Bob", &texts);
    house.pass(10);
    for (number, text) in ["one", "two"].into_iter().enumerate() {
        house.send(alice, "Charlie", text);
        let here = |house: &House| house.user(charlie).texts().len() == number + 1;
        assert!(house.until(5, here), "{text}");
        house.pass(600);
    }
    // An hour later it is still offered, now and then, and one message at a time.
    let asked = house.relay().offered;
    house.pass(3600);
    let asked = house.relay().offered - asked;
    assert!((50..=200).contains(&asked), "{asked} in an hour");
    house.change_relay(|relay, _| relay.mischief.full_for = None);
    assert!(house.until(180, |house| house.user(bob).texts() == texts));
    assert_eq!(failed(&house, alice), 0);
}

#[test]
fn h80_what_the_disk_does_not_know_to_have_failed_is_not_said_to_have() {
    let (mut house, alice, bob) = House::with_alice_and_bob(83);
    house.send(alice, "Bob", "one");
    assert!(house.until(30, |house| house.user(bob).texts() == ["one"]));
    house.pass(5);
    house.change_relay(|relay, _| {
        let refusals = [Refusal::TooLong, Refusal::TooLong];
        relay.mischief.refusals.extend(refusals);
    });
    house.change_user(alice, |user| user.faults.extend([None, Some(FULL)]));
    let refused = house.send(alice, "Bob", "too long");
    // The first refusal is not on disk, and so comes again.
    house.pass(1);
    let texts = numbers(20);
    send_many(&mut house, alice, "Bob", &texts);
    let all = [vec!["one".to_owned()], texts].concat();
    assert!(house.until(120, |house| house.user(bob).texts() == all));
    // In between it is told why that is not so yet.
    let states = [Delivery::Queued, Delivery::Queued, Delivery::Failed];
    assert_eq!(house.user(alice).states(refused), states);
    let disk = house.kill(alice);
    house.begin(House::config("Alice", "Alice"), disk);
    house.pass(60);
    assert_eq!(house.user(bob).texts(), all);
}

/// Whether a message has failed, by the disk.
fn has_failed(house: &mut House, of: NodeId, message_id: MessageId) -> bool {
    let mut state = None;
    house.change_user(of, |user| {
        let load = Op::LoadOutbound { message_id };
        if let Outcome::OutboundEntry(entry) = user.store.commit(&[load]).unwrap().remove(0) {
            state = entry.map(|entry| entry.state);
        }
    });
    state == Some(OutboxState::Failed)
}

/// Whatever a server refuses, for whatever reason, and whenever anything is cut, restarted or full: each message
/// arrives once and in its place, or its sender is told that it does not.
#[test]
fn long_queues_arrive_in_order_in_any_weather() {
    for seed in 400..404 {
        let (mut house, mut alice, bob) = House::with_alice_and_bob(seed);
        let charlie = house.register("Charlie");
        assert!(house.until(20, |house| house.user(charlie).is_logged_in()));
        let mut draw = Rng::new(seed);
        let mut runs = vec![alice];
        let mut written = BTreeMap::new();
        for round in 0..30 {
            let to = ["Bob", "Bob", "Charlie"][draw.below(3) as usize];
            for number in 0..draw.below(25) {
                let text = format!("{round}.{number}");
                let id = house.send(alice, to, &text);
                written.insert(id, (to, text));
            }
            match draw.below(8) {
                0 => house.change_relay(|relay, _| {
                    let reasons = [
                        Refusal::TooLong,
                        Refusal::RateLimited,
                        Refusal::MailboxFull,
                        Refusal::NoSuchUser,
                    ];
                    for _ in 0..draw.below(30) {
                        let reason = reasons[draw.below(4) as usize];
                        relay.mischief.refusals.push_back(reason);
                    }
                }),
                1 => house.change_relay(|relay, _| {
                    let full = relay.mischief.full_for.take();
                    relay.mischief.full_for = full.xor(Some("bob".to_owned()));
                }),
                2 => house.restart_relay(),
                3 => {
                    let disk = house.kill(alice);
                    alice = house.begin(House::config("Alice", "Alice"), disk);
                    runs.push(alice);
                    assert!(house.until(90, |house| house.user(alice).is_logged_in()));
                }
                4 => house.change_user(alice, |user| {
                    user.faults.extend(vec![None; draw.below(9) as usize]);
                    user.faults.push_back(Some(FULL));
                }),
                _ => {}
            }
            house.pass(draw.below(20));
        }
        house.change_relay(|relay, _| {
            relay.mischief.full_for = None;
            relay.mischief.refusals.clear();
        });
        house.pass(200);
        for (to, reader) in [("Bob", bob), ("Charlie", charlie)] {
            let texts = house.user(reader).texts();
            for (id, (_, text)) in written.iter().filter(|(_, (name, _))| *name == to) {
                let told = runs.iter().map(|run| house.user(*run).states(*id));
                let states = told.collect::<Vec<_>>().concat();
                let count = texts.iter().filter(|here| *here == text).count();
                let is_right = match count {
                    // What was in the memory of a process that has ended is in no state; what it has noted
                    // last it may not have told.
                    0 => {
                        let told = states.is_empty() || states.contains(&Delivery::Failed);
                        told || has_failed(&mut house, alice, *id)
                    }
                    _ => count == 1 && !states.contains(&Delivery::Failed),
                };
                assert!(
                    is_right,
                    "seed {seed}: {text} to {to} came {count} times: {states:?}"
                );
            }
            let order = |text: &String| -> (u64, u64) {
                let (round, number) = text.split_once('.').unwrap();
                (round.parse().unwrap(), number.parse().unwrap())
            };
            let order: Vec<_> = texts.iter().map(order).collect();
            assert!(order.is_sorted(), "seed {seed}: {to} has {order:?}");
        }
    }
}

/// Who says that one is missing, takes that one, and misses it again.
#[test]
fn h91_a_server_that_never_has_enough_is_heard_less_and_less_often() {
    let (mut house, alice, bob) = House::with_alice_and_bob(84);
    house.send(alice, "Bob", "one");
    assert!(house.until(30, |house| house.user(bob).texts() == ["one"]));
    house.change_relay(|relay, _| relay.mischief.misses = Some(1));
    house.send(alice, "Bob", "two");
    house.pass(60);
    let offered = house.relay().offered;
    assert!(offered < 40, "{offered} in a minute");
    house.change_relay(|relay, _| relay.mischief.misses = None);
    assert!(house.until(90, |house| house.user(bob).texts() == ["one", "two"]));
}

#[test]
fn h91_tombstones_that_are_refused_do_not_pile_up() {
    let (mut house, alice, _) = House::with_alice_and_bob(85);
    house.change_relay(|relay, _| {
        relay.mischief.refusals.push_back(Refusal::TooLong);
        relay.mischief.refuses_tombstones = true;
    });
    for text in ["one", "two"] {
        house.send(alice, "Bob", text);
    }
    house.pass(4 * 60 * 60);
    let mut rows = 0;
    house.change_user(alice, |user| {
        let list = Op::ListOutbox {
            states: vec![OutboxState::Queued, OutboxState::Failed],
            after: 0,
            limit: 1000,
        };
        if let Outcome::Outbox(entries) = user.store.commit(&[list]).unwrap().remove(0) {
            rows = entries.len();
        }
    });
    assert!((2..=4).contains(&rows), "{rows} on disk");
}

#[test]
fn h80_what_can_only_fail_does_not_keep_a_full_disk_busy() {
    let (mut house, alice, bob) = House::with_alice_and_bob(86);
    house.send(alice, "Bob", "one");
    assert!(house.until(30, |house| house.user(bob).texts() == ["one"]));
    house.pass(5);
    // What the server says to have missed was removed from the disk long ago.
    let disk = house.kill(alice);
    house.pass(31 * DAY);
    let alice = house.begin(House::config("Alice", "Alice"), disk);
    assert!(house.until(60, |house| house.user(alice).is_logged_in()));
    house.cut(true);
    let texts = numbers(40);
    let sent = send_many(&mut house, alice, "Bob", &texts);
    house.pass(60);
    house.change_relay(|relay, _| relay.mischief.misses = Some(1));
    const FAULTS: usize = 10_000;
    house.change_user(alice, |user| user.faults.extend(vec![Some(FULL); FAULTS]));
    house.cut(false);
    house.pass(120);
    let mut met = 0;
    house.change_user(alice, |user| {
        met = FAULTS - user.faults.len();
        user.faults.clear();
    });
    assert!(
        (1..1_000).contains(&met),
        "{met} transactions on a full disk"
    );
    assert_eq!(failed(&house, alice), 0);
    house.pass(120);
    for id in sent {
        assert_eq!(house.user(alice).states(id).last(), Some(&Delivery::Failed));
    }
}

#[test]
fn a_tombstone_for_somebody_who_is_gone_ends_the_wait() {
    let (mut house, alice, bob) = House::with_alice_and_bob(87);
    house.send(alice, "Bob", "one");
    assert!(house.until(30, |house| house.user(bob).texts() == ["one"]));
    fail_one(&mut house, alice);
    house.cut(true);
    let sent = house.send(alice, "Bob", "two");
    house.pass(60);
    house.kill(bob);
    house.change_relay(|relay, _| {
        relay.disk.accounts.remove("bob");
        relay.mischief.misses = Some(2);
    });
    house.restart_relay();
    house.cut(false);
    let over = |house: &House| house.user(alice).states(sent).last() == Some(&Delivery::Failed);
    assert!(
        house.until(300, over),
        "{:?}",
        house.user(alice).states(sent)
    );
    house.act(alice, |client, now| client.shutdown(now, true));
    let bye = |event: &Event| matches!(event, Event::Bye);
    assert!(house.until(60, |house| house.user(alice).count(bye) == 1));
}
