//! Every queue ends somewhere, and nothing that a server says breaks the client.

use chat::message::{Closing, ClosingCode, NoSuchUser, Reason, SessionServerMessage};
use client::{DRAFT_BYTES_MAX, DRAFTS_MAX, Delivery, Event, Failure, LISTS_MAX, SendError};
use store::Store;
use store::device::{InboundState, Op, Outcome};

use crate::house::{House, name};

#[test]
fn more_drafts_than_fit_are_refused_and_none_is_lost() {
    let mut house = House::new(90);
    house.cut(true);
    let user = house.login("Alice", "Alice");
    let bob = name("Bob");
    let send = |house: &mut House, text: String| {
        house.act(user, |client, now| client.send(now, &bob, text))
    };
    for _ in 0..DRAFTS_MAX {
        assert!(send(&mut house, "x".to_owned()).is_ok());
    }
    assert_eq!(send(&mut house, String::new()), Err(SendError::Full));
    for _ in 0..LISTS_MAX {
        assert!(house.act(user, |client, now| client.list(now)).is_ok());
    }
    assert!(house.act(user, |client, now| client.list(now)).is_err());

    let user = house.login("Alice", "Alice");
    let big = "x".repeat(1 << 20);
    let mut taken = 0;
    let refused = loop {
        match house.act(user, |client, now| client.send(now, &bob, big.clone())) {
            Ok(_) => taken += big.len(),
            Err(error) => break error,
        }
    };
    assert_eq!((taken, refused), (DRAFT_BYTES_MAX, SendError::Full));
}

#[test]
fn drafts_make_room_when_they_are_sealed_or_fail() {
    let (mut house, alice, bob) = House::with_alice_and_bob(91);
    let big = "x".repeat(1 << 20);
    for round in 1..=3 {
        for _ in 0..14 {
            house.send(alice, "Nobody", &big);
        }
        house.send(alice, "Bob", "small");
        let done = |house: &House| house.user(bob).messages().len() == round;
        assert!(house.until(10, done));
        let failed = |event: &Event| {
            matches!(
                event,
                Event::Status {
                    state: Delivery::Failed,
                    ..
                }
            )
        };
        assert!(house.until(10, |house| house.user(alice).count(failed) == 14 * round));
    }
}

#[test]
fn h91_a_session_in_which_the_server_babbles_ends_and_another_begins() {
    let request = 99;
    let answer = SessionServerMessage::from(NoSuchUser { request }).encode();
    for babble in [vec![], vec![0xff; 40], vec![0x36, 0xa0], answer] {
        let (mut house, alice, bob) = House::with_alice_and_bob(92);
        house.change_relay(|relay, _| relay.mischief.babbles = Some(babble));
        house.send(alice, "Bob", "hello");
        let logged_in = |event: &Event| matches!(event, Event::LoggedIn { .. });
        assert!(house.until(20, |house| house.user(alice).count(logged_in) == 2));
        assert!(house.until(20, |house| house.user(bob).texts() == ["hello"]));
        let lost = |event: &Event| matches!(event, Event::Disconnected { .. });
        assert_eq!(house.user(alice).count(lost), 1);
    }
}

#[test]
fn h91_a_server_that_breaks_every_session_is_asked_less_and_less_often() {
    let (mut house, alice, _) = House::with_alice_and_bob(97);
    let logged_in = |event: &Event| matches!(event, Event::LoggedIn { .. });
    house.change_relay(|relay, now| {
        relay.mischief.babbles = Some(vec![0xff; 40]);
        relay.mischief.babbles_on = true;
        relay.stop(now);
    });
    house.pass(600);
    let logins = house.user(alice).count(logged_in);
    assert!((10..60).contains(&logins), "{logins} logins in ten minutes");
    // Once it keeps one, the next that is lost is made again at once.
    house.change_relay(|relay, _| relay.mischief.babbles = None);
    house.pass(100);
    let logins = house.user(alice).count(logged_in);
    house.change_relay(|relay, now| relay.stop(now));
    assert!(house.until(2, |house| house.user(alice).count(logged_in) > logins));
}

#[test]
fn h91_what_a_server_reports_is_heard_no_faster_than_the_disk_takes_it() {
    let (mut house, alice, bob) = House::with_alice_and_bob(98);
    let slow = core::time::Duration::from_millis(50);
    house.change_user(alice, |user| user.work_time = slow);
    house.change_relay(|relay, _| relay.mischief.reports = 20_000);
    house.act(alice, |client, now| client.list(now).unwrap());
    let is_answered = |house: &House| {
        let requests = house.user(alice).under_way();
        assert!(requests <= 256, "{requests}");
        house
            .user(alice)
            .count(|event| matches!(event, Event::Online { .. }))
            == 1
    };
    assert!(house.until(60, is_answered));
    house.send(alice, "Bob", "hello");
    assert!(house.until(20, |house| house.user(bob).texts() == ["hello"]));
}

#[test]
fn a_session_that_was_replaced_or_revoked_is_not_begun_again() {
    for (code, last) in [
        (ClosingCode::Replaced, true),
        (ClosingCode::Revoked, true),
        (ClosingCode::Shutdown, false),
    ] {
        let (mut house, alice, _) = House::with_alice_and_bob(93);
        let reason = Reason::truncated("so it is");
        let closing = SessionServerMessage::from(Closing { code, reason }).encode();
        house.change_relay(|relay, _| relay.mischief.babbles = Some(closing));
        house.act(alice, |client, now| client.list(now).unwrap());
        house.pass(1);
        house.change_relay(|relay, now| relay.stop(now));
        house.pass(20);
        let ended = matches!(house.user(alice).failure(), Some(Failure::Ended { .. }));
        assert_eq!(ended, last, "{:?}", house.user(alice).events);
    }
}

#[test]
fn deliveries_that_wait_for_no_acknowledgement_end_the_session() {
    let (mut house, alice, bob) = House::with_alice_and_bob(94);
    let disk = house.kill(bob);
    for index in 0..100 {
        house.send(alice, "Bob", &index.to_string());
    }
    assert!(house.until(20, |house| house.relay().taken == 100));
    house.change_relay(|relay, _| relay.mischief.rushes = true);
    let bob = house.begin(House::config("Bob", "Bob"), disk);
    let slow = core::time::Duration::from_millis(500);
    house.change_user(bob, |user| user.work_time = slow);
    let lost = |event: &Event| matches!(event, Event::Disconnected { .. });
    assert!(house.until(30, |house| house.user(bob).count(lost) == 1));
    house.change_relay(|relay, _| relay.mischief.rushes = false);
    assert!(house.until(60, |house| house.user(bob).messages().len() == 100));
}

#[test]
fn deliveries_of_too_many_bytes_end_the_session_too() {
    let (mut house, alice, bob) = House::with_alice_and_bob(99);
    let disk = house.kill(bob);
    let big = "x".repeat(1_000_000);
    for _ in 0..8 {
        house.send(alice, "Bob", &big);
    }
    assert!(house.until(60, |house| house.relay().taken == 8));
    house.change_relay(|relay, _| relay.mischief.rushes = true);
    let bob = house.begin(House::config("Bob", "Bob"), disk);
    let slow = core::time::Duration::from_secs(5);
    house.change_user(bob, |user| user.work_time = slow);
    let lost = |event: &Event| matches!(event, Event::Disconnected { .. });
    assert!(house.until(60, |house| house.user(bob).count(lost) == 1));
    house.change_relay(|relay, _| relay.mischief.rushes = false);
    assert!(house.until(300, |house| house.user(bob).messages().len() == 8));
    assert_eq!(house.user(bob).count(lost), 1);
}

/// What cannot be said counts as not acknowledged, and does not queue up.
#[test]
fn deliveries_of_a_server_that_does_not_listen_end_the_session() {
    let (mut house, alice, bob) = House::with_alice_and_bob(100);
    let disk = house.kill(bob);
    let mut config = House::config("Bob", "Bob");
    config.transport.send_buffer_bytes = 500_000;
    config.transport.send_buffer_bytes_max = 500_000;
    let bob = house.begin(config, disk);
    house.send(bob, "Alice", "hello");
    assert!(house.until(20, |house| house.user(alice).texts() == ["hello"]));
    house.change_relay(|relay, _| {
        relay.mischief.rushes = true;
        relay.mischief.ignores = Some("bob".to_owned());
    });
    // More than the session's stream takes.
    let big = "x".repeat(200_000);
    for _ in 0..20 {
        house.send(bob, "Alice", &big);
    }
    house.pass(2);
    for index in 0..100 {
        house.send(alice, "Bob", &index.to_string());
    }
    let lost = |event: &Event| matches!(event, Event::Disconnected { .. });
    assert!(house.until(20, |house| house.user(bob).count(lost) == 1));
    house.change_relay(|relay, _| {
        relay.mischief.rushes = false;
        relay.mischief.ignores = None;
    });
    assert!(house.until(60, |house| house.user(bob).messages().len() == 100));
    assert!(house.until(60, |house| house.user(alice).messages().len() == 21));
}

#[test]
fn a_worker_that_fails_costs_what_it_had_in_hand_and_no_more() {
    let (mut house, alice, bob) = House::with_alice_and_bob(95);
    house.change_user(alice, |user| user.panics = true);
    let lost = house.send(alice, "Bob", "lost");
    assert!(house.until(5, |house| house.user(alice).states(lost)
        == [Delivery::Failed]));
    house.change_user(alice, |user| user.panics = false);
    house.change_user(bob, |user| user.panics = true);
    house.send(alice, "Bob", "unreadable");
    assert!(house.until(5, |house| house.user(bob).placeholders() == 1));
    house.change_user(bob, |user| user.panics = false);
    house.send(alice, "Bob", "readable");
    assert!(house.until(5, |house| house.user(bob).texts() == ["readable"]));
}

#[test]
fn a_sender_who_is_being_looked_up_holds_up_nobody_else() {
    let (mut house, alice, bob) = House::with_alice_and_bob(96);
    let zoe = house.register("Zoe");
    assert!(house.until(20, |house| house.user(zoe).is_logged_in()));
    house.change_relay(|relay, _| relay.mischief.keeps_secret = Some("zoe".to_owned()));
    for text in ["z1", "z2"] {
        house.send(zoe, "Bob", text);
    }
    house.pass(2);
    house.send(alice, "Bob", "a");
    assert!(house.until(5, |house| house.user(bob).texts() == ["a"]));
    // What waits is on disk, and goes on after a restart.
    house.change_relay(|relay, _| relay.mischief.keeps_secret = None);
    let disk = house.kill(bob);
    let bob = house.begin(House::config("Bob", "Bob"), disk);
    assert!(house.until(10, |house| house.user(bob).texts() == ["z1", "z2"]));
}

#[test]
fn what_cannot_be_read_is_not_kept_for_ever() {
    let (mut house, _, bob) = House::with_alice_and_bob(94);
    house.change_relay(|relay, _| {
        for id in 0..50 {
            relay.put(&name("Bob"), &name("Alice"), [id; 16], b"no message");
        }
    });
    assert!(house.until(20, |house| house.user(bob).placeholders() == 50));
    let kept = |house: &mut House| {
        let mut kept = 0;
        house.change_user(bob, |user| {
            let list = Op::ListInbound {
                state: InboundState::Unreadable,
                after: 0,
                limit: 100,
            };
            if let Outcome::Inbox(messages) = &user.store.commit(&[list]).unwrap()[0] {
                kept = messages.len();
            }
        });
        kept
    };
    assert_eq!(kept(&mut house), 50);
    // Who never leaves has room made too.
    house.change_user(bob, |user| user.later_ms = 31 * 24 * 60 * 60 * 1000);
    house.pass(60);
    assert_eq!(kept(&mut house), 0);
}
