//! Which devices of an account the server knows, and until when (PROTOCOL.md §9).

use std::slice;
use std::time::Duration;

use chat::message::{
    ClosingCode, DeviceId, FailureCode, LoginServerMessage as Answer, Proof, Refusal,
    SessionServerMessage as Session,
};
use server::code;
use sim::NodeId;
use store::Store;
use store::relay::{DEVICES_PER_ACCOUNT_MAX, Op, Outcome};

use crate::common::{
    Fixture, ack, alice, bob, logged_in, next_delivery, open_password, proof, read_more, send,
    session,
};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const PHONE: DeviceId = [1; 16];
const LAPTOP: DeviceId = [2; 16];
const TABLET: DeviceId = [3; 16];

/// A server that knows Alice and Bob.
fn two() -> Fixture {
    Fixture::knowing(&[alice(), bob()])
}

/// Bob sends Alice messages, and each is stored.
fn send_all(fixture: &mut Fixture, b: NodeId, sequences: impl IntoIterator<Item = u64>) {
    for sequence in sequences {
        fixture.tell(b, send(&bob(), &alice(), sequence, 100));
        assert!(matches!(fixture.answer(b), Session::Stored(_)));
    }
}

/// One of Alice's devices takes the messages at these positions.
fn take(fixture: &mut Fixture, id: NodeId, positions: impl IntoIterator<Item = u64>) {
    for position in positions {
        assert_eq!(next_delivery(fixture, id).position, position);
        ack(fixture, id, position, &[]);
    }
    fixture.idle(Duration::from_secs(1));
}

fn leave(fixture: &mut Fixture, id: NodeId) {
    fixture.client_mut(id, |client, now| client.close(now));
    fixture.idle(Duration::from_secs(1));
}

/// What waits for one of Alice's devices.
fn waiting(fixture: &mut Fixture, device: DeviceId) -> Outcome {
    let read = Op::ReadAfter {
        account: "alice".into(),
        device,
        after: None,
        max_messages: 10,
        max_bytes: 1000,
    };
    fixture.store.commit(&[read]).unwrap().remove(0)
}

/// How many messages wait for it.
fn count(fixture: &mut Fixture, device: DeviceId) -> usize {
    match waiting(fixture, device) {
        Outcome::Entries(entries) => entries.len(),
        other => panic!("{other:?}"),
    }
}

/// A login up to the proof, which is still to be sent.
fn about_to_log_in(fixture: &mut Fixture, device: DeviceId) -> (NodeId, Proof) {
    let id = fixture.client();
    let finish = open_password(fixture, id, &alice());
    fixture.say(id, finish);
    let Answer::Credentials(credentials) = fixture.login_answer(id) else {
        panic!("no Credentials");
    };
    let proof = proof(fixture, id, &alice(), device, &credentials);
    (id, proof)
}

#[test]
fn h70_a_device_that_never_comes_back_does_not_fill_the_mailbox_for_ever() {
    let mut fixture = two();
    let lost = session(&mut fixture, &alice(), PHONE);
    leave(&mut fixture, lost);
    let a = session(&mut fixture, &alice(), LAPTOP);
    let b = session(&mut fixture, &bob(), LAPTOP);
    send_all(&mut fixture, b, 1..=2);
    take(&mut fixture, a, 1..=2);
    fixture.later_ms = 80 * DAY_MS;
    session(&mut fixture, &alice(), TABLET);
    assert_eq!(count(&mut fixture, PHONE), 2);
    // The laptop's connection is as old; but it is there.
    fixture.later_ms = 91 * DAY_MS;
    session(&mut fixture, &alice(), [4; 16]);
    fixture.idle(Duration::from_secs(1));
    assert_eq!(waiting(&mut fixture, PHONE), Outcome::NoSuchDevice);
    send_all(&mut fixture, b, 3..=3);
    take(&mut fixture, a, 3..=3);
    assert_eq!(count(&mut fixture, LAPTOP), 0);
}

/// Bob sends Alice one message more, and it finds no room.
fn refused(fixture: &mut Fixture, b: NodeId, sequence: u64) {
    fixture.tell(b, send(&bob(), &alice(), sequence, 100));
    let Session::Refused(refused) = fixture.answer(b) else {
        panic!("not refused");
    };
    assert_eq!(refused.refusal, Refusal::MailboxFull);
    fixture.idle(Duration::from_secs(1));
}

/// Somebody once opened a terminal and never came back, and somebody else writes without end.
#[test]
fn h70_a_full_mailbox_waits_for_a_forgotten_device_for_some_days_and_no_longer() {
    let mut fixture = Fixture::with_quota(&[alice(), bob()], 3);
    let lost = session(&mut fixture, &alice(), PHONE);
    leave(&mut fixture, lost);
    let a = session(&mut fixture, &alice(), LAPTOP);
    let away = session(&mut fixture, &alice(), TABLET);
    let b = session(&mut fixture, &bob(), LAPTOP);
    send_all(&mut fixture, b, 1..=3);
    take(&mut fixture, a, 1..=3);
    take(&mut fixture, away, 1..=2);
    fixture.later_ms = 2 * DAY_MS;
    refused(&mut fixture, b, 4);
    leave(&mut fixture, away);
    assert_eq!(count(&mut fixture, PHONE), 3);
    // The tablet was there yesterday and has not read all of it: that stays.
    fixture.later_ms = 4 * DAY_MS;
    refused(&mut fixture, b, 4);
    assert_eq!(waiting(&mut fixture, PHONE), Outcome::NoSuchDevice);
    assert_eq!(count(&mut fixture, TABLET), 1);
    send_all(&mut fixture, b, 4..=5);
    take(&mut fixture, a, 4..=5);
    refused(&mut fixture, b, 6);
    assert_eq!(count(&mut fixture, TABLET), 3);
    // Who comes back is a new device, and gets what is still there.
    session(&mut fixture, &alice(), PHONE);
    assert_eq!(count(&mut fixture, PHONE), 3);
}

#[test]
fn h70_what_no_device_has_read_makes_no_room() {
    let mut fixture = Fixture::with_quota(&[alice(), bob()], 2);
    for device in [PHONE, LAPTOP] {
        let id = session(&mut fixture, &alice(), device);
        leave(&mut fixture, id);
    }
    let b = session(&mut fixture, &bob(), LAPTOP);
    send_all(&mut fixture, b, 1..=2);
    fixture.later_ms = 80 * DAY_MS;
    refused(&mut fixture, b, 3);
    refused(&mut fixture, b, 3);
    // One of them comes back, and until it has read them nothing goes.
    let a = session(&mut fixture, &alice(), LAPTOP);
    refused(&mut fixture, b, 3);
    assert_eq!(count(&mut fixture, PHONE), 2);
    take(&mut fixture, a, 1..=2);
    refused(&mut fixture, b, 3);
    assert_eq!(waiting(&mut fixture, PHONE), Outcome::NoSuchDevice);
    send_all(&mut fixture, b, 3..=3);
}

#[test]
fn what_waits_for_a_device_that_was_there_for_long_stays_when_it_leaves() {
    let mut fixture = two();
    let phone = session(&mut fixture, &alice(), PHONE);
    let b = session(&mut fixture, &bob(), LAPTOP);
    fixture.later_ms = 91 * DAY_MS;
    fixture.idle(Duration::from_secs(1));
    leave(&mut fixture, phone);
    send_all(&mut fixture, b, 1..=2);
    let laptop = session(&mut fixture, &alice(), LAPTOP);
    take(&mut fixture, laptop, 1..=2);
    assert_eq!(count(&mut fixture, PHONE), 2);
    let phone = session(&mut fixture, &alice(), PHONE);
    take(&mut fixture, phone, 1..=2);
}

#[test]
fn who_takes_messages_is_seen_also_when_the_server_dies() {
    let mut fixture = two();
    let phone = session(&mut fixture, &alice(), PHONE);
    let b = session(&mut fixture, &bob(), LAPTOP);
    fixture.later_ms = 2 * DAY_MS;
    send_all(&mut fixture, b, 1..=1);
    take(&mut fixture, phone, 1..=1);
    let mut fixture = fixture.restarted();
    fixture.later_ms = 91 * DAY_MS;
    let laptop = session(&mut fixture, &alice(), LAPTOP);
    let b = session(&mut fixture, &bob(), LAPTOP);
    send_all(&mut fixture, b, 2..=2);
    take(&mut fixture, laptop, 2..=2);
    assert_eq!(count(&mut fixture, PHONE), 1);
}

#[test]
fn devices_that_are_online_make_no_room_for_one_more() {
    let mut fixture = two();
    let most = u8::try_from(DEVICES_PER_ACCOUNT_MAX).unwrap();
    let all: Vec<_> = (0..most)
        .map(|device| session(&mut fixture, &alice(), [device; 16]))
        .collect();
    let b = session(&mut fixture, &bob(), LAPTOP);
    fixture.later_ms = 91 * DAY_MS;
    fixture.idle(Duration::from_secs(1));
    let (one_more, proof) = about_to_log_in(&mut fixture, [most; 16]);
    fixture.say(one_more, proof);
    assert_eq!(fixture.failure(one_more), FailureCode::TooManyDevices);
    assert_eq!(fixture.closed(one_more), Some(code::BUSY));
    send_all(&mut fixture, b, 1..=1);
    for id in all {
        take(&mut fixture, id, 1..=1);
    }
    for device in 0..most {
        assert_eq!(count(&mut fixture, [device; 16]), 0);
    }
}

#[test]
fn a_device_that_comes_back_in_the_moment_in_which_it_is_to_be_forgotten_stays() {
    let mut fixture = two();
    let phone = session(&mut fixture, &alice(), PHONE);
    leave(&mut fixture, phone);
    let b = session(&mut fixture, &bob(), LAPTOP);
    let laptop = session(&mut fixture, &alice(), LAPTOP);
    send_all(&mut fixture, b, 1..=1);
    take(&mut fixture, laptop, 1..=1);
    fixture.later_ms = 91 * DAY_MS;
    let (tablet, first) = about_to_log_in(&mut fixture, TABLET);
    let (phone, second) = about_to_log_in(&mut fixture, PHONE);
    fixture.hold = true;
    fixture.say(tablet, first);
    fixture.until(|fixture| !fixture.held.is_empty());
    fixture.release_one();
    fixture.until(|fixture| !fixture.held.is_empty());
    let lists = |op: &Op| matches!(op, Op::ListDevices { .. });
    assert!(fixture.held[0].ops().iter().any(lists));
    // The store is about to say that nobody has seen the phone for long.
    fixture.say(phone, second);
    fixture.idle(Duration::from_secs(1));
    fixture.release();
    fixture.idle(Duration::from_secs(1));
    assert_eq!(count(&mut fixture, PHONE), 1);
    fixture.client_mut(phone, |client, _| client.open_session());
    read_more(&mut fixture, phone, 0);
    take(&mut fixture, phone, 1..=1);
}

#[test]
fn a_session_ends_whose_device_the_store_does_not_know() {
    let forget = Op::RemoveDevice {
        account: "alice".into(),
        device: PHONE,
        seen_before_ms: None,
    };
    for reads in [false, true] {
        let mut fixture = two();
        let b = session(&mut fixture, &bob(), LAPTOP);
        send_all(&mut fixture, b, 1..=1);
        let phone = fixture.client();
        logged_in(&mut fixture, phone, &alice(), PHONE);
        fixture.client_mut(phone, |client, _| client.open_session());
        fixture.idle(Duration::from_secs(1));
        fixture.store.commit(slice::from_ref(&forget)).unwrap();
        if reads {
            read_more(&mut fixture, phone, 0);
        } else {
            ack(&mut fixture, phone, 1, &[]);
            ack(&mut fixture, phone, 1, &[]);
        }
        let Session::Closing(closing) = fixture.answer(phone) else {
            panic!("no Closing");
        };
        assert_eq!(closing.code, ClosingCode::Shutdown);
        assert_eq!(fixture.closed(phone), Some(code::REFUSED));
        assert!(fixture.peek(phone).session.inbox.is_empty());
        // The next login makes the device known, and what is there waits for it.
        let phone = session(&mut fixture, &alice(), PHONE);
        take(&mut fixture, phone, 1..=1);
    }
}

#[test]
fn that_a_device_is_there_is_noted_once_a_day() {
    let mut fixture = two();
    let phone = session(&mut fixture, &alice(), PHONE);
    let b = session(&mut fixture, &bob(), LAPTOP);
    let mut noted = |sequence: u64, later_ms: u64| {
        fixture.later_ms = later_ms;
        send_all(&mut fixture, b, [sequence]);
        next_delivery(&mut fixture, phone);
        fixture.hold = true;
        ack(&mut fixture, phone, sequence, &[]);
        fixture.until(|fixture| !fixture.held.is_empty());
        let ops = fixture.held[0].ops().iter();
        let notes = ops.filter(|op| matches!(op, Op::SeeDevice { .. })).count();
        fixture.release();
        notes
    };
    assert_eq!(noted(1, DAY_MS - 60_000), 0);
    assert_eq!(noted(2, DAY_MS), 1);
    assert_eq!(noted(3, 2 * DAY_MS - 60_000), 0);
    assert_eq!(noted(4, 2 * DAY_MS), 1);
}
