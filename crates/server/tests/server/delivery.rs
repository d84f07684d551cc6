//! Messages from one client to another, through the store (PROTOCOL.md §7).

use std::time::Duration;

use chat::limits::DELIVERIES_AHEAD_MAX;
use chat::message::{
    ListOnline, Lookup, ManifestRequest, MessageId, Refusal, SessionServerMessage as Session,
};
use server::limits::{PEER_OPS_MAX, SEND_BURST, SENDS_PER_S};
use server::{Event, code};
use sim::NodeId;
use store::relay::MemoryStore;

use crate::common::{
    Fixture, TestStore, account, ack, alice, bob, config, delivered, next_delivery, read_more,
    send, session,
};

const PHONE: [u8; 16] = [1; 16];
const LAPTOP: [u8; 16] = [2; 16];

/// A server that knows Alice and Bob.
fn two() -> Fixture {
    Fixture::knowing(&[alice(), bob()])
}

fn stored(fixture: &mut Fixture, id: NodeId) -> MessageId {
    match fixture.answer(id) {
        Session::Stored(stored) => stored.message_id,
        other => panic!("not stored: {other:?}"),
    }
}

fn refused(fixture: &mut Fixture, id: NodeId) -> Refusal {
    match fixture.answer(id) {
        Session::Refused(refused) => refused.refusal,
        other => panic!("not refused: {other:?}"),
    }
}

/// Bob sends Alice messages of so many bytes, and each is stored.
fn send_all(
    fixture: &mut Fixture,
    b: NodeId,
    sequences: impl IntoIterator<Item = u64>,
    bytes: usize,
) {
    for sequence in sequences {
        fixture.tell(b, send(&bob(), &alice(), sequence, bytes));
        stored(fixture, b);
    }
}

#[test]
fn a_message_arrives_and_its_sender_is_told() {
    let mut fixture = two();
    let a = session(&mut fixture, &alice(), PHONE);
    let b = session(&mut fixture, &bob(), LAPTOP);
    let message = send(&bob(), &alice(), 1, 5000);
    let id = message.message_id;
    fixture.tell(b, message);
    assert_eq!(stored(&mut fixture, b), id);
    let deliver = next_delivery(&mut fixture, a);
    assert_eq!((deliver.position, deliver.message_id), (1, id));
    assert_eq!(deliver.from.display(), "Bob");
    assert_eq!(deliver.sealed.len(), 5000);
    ack(&mut fixture, a, 1, &[id]);
    assert_eq!(delivered(&mut fixture, b), id);
}

#[test]
fn the_sender_is_told_only_what_the_recipient_allows() {
    let mut fixture = two();
    let a = session(&mut fixture, &alice(), PHONE);
    let b = session(&mut fixture, &bob(), LAPTOP);
    send_all(&mut fixture, b, 1..=2, 100);
    let first = next_delivery(&mut fixture, a).message_id;
    let second = next_delivery(&mut fixture, a);
    // Not the first; nor one that never was.
    ack(
        &mut fixture,
        a,
        second.position,
        &[[9; 16], second.message_id],
    );
    assert_eq!(delivered(&mut fixture, b), second.message_id);
    // What was acknowledged before is not acknowledged again.
    ack(&mut fixture, a, second.position, &[first]);
    fixture.idle(Duration::from_secs(2));
    assert!(fixture.peek(b).session.inbox.is_empty());
}

#[test]
fn messages_wait_for_who_is_away_also_over_a_restart() {
    let mut fixture = two();
    let b = session(&mut fixture, &bob(), LAPTOP);
    send_all(&mut fixture, b, 1..=3, 100);
    let mut fixture = fixture.restarted();
    let a = session(&mut fixture, &alice(), PHONE);
    for position in 1..=3 {
        assert_eq!(next_delivery(&mut fixture, a).position, position);
    }
    let b = session(&mut fixture, &bob(), LAPTOP);
    send_all(&mut fixture, b, 4..=4, 100);
    assert_eq!(next_delivery(&mut fixture, a).position, 4);
    fixture.idle(Duration::from_secs(2));
    assert!(fixture.peek(a).session.inbox.is_empty());
}

#[test]
fn nothing_is_delivered_before_it_is_asked_for() {
    let mut fixture = two();
    let a = fixture.client();
    crate::common::logged_in(&mut fixture, a, &alice(), PHONE);
    fixture.client_mut(a, |client, _| client.open_session());
    fixture.tell(a, ListOnline { request: 1 });
    assert!(matches!(fixture.answer(a), Session::Online(_)));
    let b = session(&mut fixture, &bob(), LAPTOP);
    send_all(&mut fixture, b, 1..=2, 100);
    fixture.idle(Duration::from_secs(2));
    assert!(fixture.peek(a).session.inbox.is_empty());
    read_more(&mut fixture, a, 1);
    assert_eq!(next_delivery(&mut fixture, a).position, 2);
}

#[test]
fn h84_a_message_sent_again_is_one_message() {
    let mut fixture = two();
    let a = session(&mut fixture, &alice(), PHONE);
    let b = session(&mut fixture, &bob(), LAPTOP);
    let message = send(&bob(), &alice(), 1, 100);
    for _ in 0..3 {
        fixture.tell(b, message.clone());
    }
    for _ in 0..3 {
        assert_eq!(stored(&mut fixture, b), message.message_id);
    }
    // The answer was lost with the connection; much later, the same device sends it again.
    fixture.client_mut(b, |client, now| client.close(now));
    let position = next_delivery(&mut fixture, a).position;
    ack(&mut fixture, a, position, &[]);
    fixture.idle(Duration::from_secs(100));
    let b = session(&mut fixture, &bob(), LAPTOP);
    fixture.tell(b, message.clone());
    assert_eq!(stored(&mut fixture, b), message.message_id);
    fixture.idle(Duration::from_secs(2));
    assert!(fixture.peek(a).session.inbox.is_empty());
}

#[test]
fn every_device_gets_every_message_at_its_own_pace() {
    let mut fixture = two();
    let phone = session(&mut fixture, &alice(), PHONE);
    let laptop = session(&mut fixture, &alice(), LAPTOP);
    let b = session(&mut fixture, &bob(), LAPTOP);
    send_all(&mut fixture, b, 1..=2, 100);
    for id in [phone, laptop] {
        assert_eq!(next_delivery(&mut fixture, id).position, 1);
        assert_eq!(next_delivery(&mut fixture, id).position, 2);
    }
    ack(&mut fixture, phone, 2, &[]);
    ack(&mut fixture, laptop, 1, &[]);
    fixture.idle(Duration::from_secs(1));
    for id in [phone, laptop] {
        fixture.client_mut(id, |client, now| client.close(now));
    }
    fixture.idle(Duration::from_secs(1));
    let phone = session(&mut fixture, &alice(), PHONE);
    let laptop = session(&mut fixture, &alice(), LAPTOP);
    assert_eq!(next_delivery(&mut fixture, laptop).position, 2);
    fixture.idle(Duration::from_secs(2));
    assert!(fixture.peek(phone).session.inbox.is_empty());
}

#[test]
fn a_sender_who_was_away_is_told_when_it_is_back() {
    let mut fixture = two();
    let b = session(&mut fixture, &bob(), LAPTOP);
    send_all(&mut fixture, b, 1..=1, 100);
    fixture.client_mut(b, |client, now| client.close(now));
    fixture.idle(Duration::from_secs(1));
    let a = session(&mut fixture, &alice(), PHONE);
    let deliver = next_delivery(&mut fixture, a);
    ack(&mut fixture, a, deliver.position, &[deliver.message_id]);
    fixture.idle(Duration::from_secs(1));
    // Another device of Bob's has not sent it.
    let other = session(&mut fixture, &bob(), PHONE);
    let b = session(&mut fixture, &bob(), LAPTOP);
    assert_eq!(delivered(&mut fixture, b), deliver.message_id);
    // After a minute it has arrived; so it is not told again.
    fixture.idle(Duration::from_secs(61));
    fixture.client_mut(b, |client, now| client.close(now));
    fixture.idle(Duration::from_secs(1));
    let b = session(&mut fixture, &bob(), LAPTOP);
    fixture.idle(Duration::from_secs(2));
    assert!(fixture.peek(b).session.inbox.is_empty());
    assert!(fixture.peek(other).session.inbox.is_empty());
}

#[test]
fn a_sender_who_was_away_is_told_also_after_restarts_of_the_server() {
    let mut fixture = two();
    let b = session(&mut fixture, &bob(), LAPTOP);
    send_all(&mut fixture, b, 1..=3, 100);
    fixture.client_mut(b, |client, now| client.close(now));
    fixture.idle(Duration::from_secs(1));
    let a = session(&mut fixture, &alice(), PHONE);
    let ids: Vec<_> = (0..3)
        .map(|_| next_delivery(&mut fixture, a).message_id)
        .collect();
    ack(&mut fixture, a, 3, &ids);
    fixture.idle(Duration::from_secs(1));
    // Twice: what it was told just before the server died may not have arrived.
    for _ in 0..2 {
        fixture = fixture.restarted();
        let b = session(&mut fixture, &bob(), LAPTOP);
        let told: Vec<_> = (0..3).map(|_| delivered(&mut fixture, b)).collect();
        for id in &ids {
            assert!(told.contains(id));
        }
        fixture.idle(Duration::from_secs(1));
    }
    // A minute later it has.
    let b = session(&mut fixture, &bob(), LAPTOP);
    for _ in 0..3 {
        delivered(&mut fixture, b);
    }
    fixture.idle(Duration::from_secs(61));
    let mut fixture = fixture.restarted();
    let b = session(&mut fixture, &bob(), LAPTOP);
    fixture.idle(Duration::from_secs(2));
    assert!(fixture.peek(b).session.inbox.is_empty());
}

#[test]
fn h69_a_slow_reader_holds_up_nobody_and_gets_everything_later() {
    const MESSAGES: u64 = 150;
    let mut fixture = two();
    let slow = session(&mut fixture, &alice(), PHONE);
    let quick = session(&mut fixture, &alice(), LAPTOP);
    let b = session(&mut fixture, &bob(), LAPTOP);
    fixture.client_mut(slow, |client, _| client.is_deaf = true);
    for sequence in 1..=MESSAGES {
        send_all(&mut fixture, b, [sequence], 20_000);
        assert_eq!(next_delivery(&mut fixture, quick).position, sequence);
        ack(&mut fixture, quick, sequence, &[]);
    }
    fixture.idle(Duration::from_secs(1));
    fixture.client_mut(slow, |client, now| {
        client.is_deaf = false;
        client.pump(now);
    });
    // No further ahead than it may be.
    fixture.idle(Duration::from_secs(5));
    let ahead = fixture.peek(slow).session.inbox.len() as u64;
    assert_eq!(ahead, DELIVERIES_AHEAD_MAX);
    for position in 1..=MESSAGES {
        assert_eq!(next_delivery(&mut fixture, slow).position, position);
        ack(&mut fixture, slow, position, &[]);
    }
}

#[test]
fn h69_large_messages_come_one_by_one() {
    let mut fixture = two();
    let b = session(&mut fixture, &bob(), LAPTOP);
    send_all(&mut fixture, b, 1..=6, 1_000_000);
    let a = session(&mut fixture, &alice(), PHONE);
    fixture.idle(Duration::from_secs(20));
    assert_eq!(fixture.peek(a).session.inbox.len(), 4, "4 MiB ahead");
    for position in 1..=6 {
        assert_eq!(next_delivery(&mut fixture, a).position, position);
        // It moves no cursor, but it makes room.
        read_more(&mut fixture, a, position);
    }
}

#[test]
fn h70_a_full_mailbox_refuses_and_takes_again_when_there_is_room() {
    let mut fixture = Fixture::with_quota(&[alice(), bob()], 3);
    let b = session(&mut fixture, &bob(), LAPTOP);
    send_all(&mut fixture, b, 1..=3, 100);
    fixture.tell(b, send(&bob(), &alice(), 4, 100));
    assert_eq!(refused(&mut fixture, b), Refusal::MailboxFull);
    let a = session(&mut fixture, &alice(), PHONE);
    for _ in 0..3 {
        next_delivery(&mut fixture, a);
    }
    ack(&mut fixture, a, 3, &[]);
    fixture.idle(Duration::from_secs(1));
    send_all(&mut fixture, b, 4..=4, 100);
    assert_eq!(next_delivery(&mut fixture, a).position, 4);
}

#[test]
fn what_waits_for_the_store_is_bounded_for_each_connection() {
    let mut fixture = two();
    let b = session(&mut fixture, &bob(), LAPTOP);
    fixture.idle(Duration::from_secs(1));
    fixture.hold = true;
    for sequence in 1..=200 {
        fixture.tell(b, send(&bob(), &alice(), sequence, 100));
    }
    fixture.idle(Duration::from_secs(5));
    fixture.release_one();
    fixture.idle(Duration::from_secs(5));
    let taken = fixture.held[0].ops().len();
    assert!((2..=PEER_OPS_MAX).contains(&taken), "{taken}");
    // The rest follows.
    fixture.release();
    for sequence in 1..=200u64 {
        let id = stored(&mut fixture, b);
        assert_eq!(id[..8], sequence.to_be_bytes());
    }
}

#[test]
fn what_cannot_be_stored_is_refused_with_the_reason() {
    let mut config = config();
    config.sealed_bytes_max = 1000;
    let mut store = TestStore::new(MemoryStore::default());
    account(&mut store, &bob());
    let mut fixture = Fixture::with(config, store);
    let b = session(&mut fixture, &bob(), LAPTOP);
    fixture.tell(b, send(&bob(), &alice(), 1, 100));
    assert_eq!(refused(&mut fixture, b), Refusal::NoSuchUser);
    fixture.tell(b, send(&bob(), &bob(), 3, 100));
    assert_eq!(refused(&mut fixture, b), Refusal::Gap { expected: 1 });
    fixture.tell(b, send(&bob(), &bob(), 1, 1001));
    assert_eq!(refused(&mut fixture, b), Refusal::TooLong);
    // A note to oneself comes back.
    fixture.tell(b, send(&bob(), &bob(), 1, 1000));
    stored(&mut fixture, b);
    assert_eq!(next_delivery(&mut fixture, b).from.display(), "Bob");
}

#[test]
fn a_conversation_of_other_names_ends_the_session() {
    let mut fixture = two();
    let b = session(&mut fixture, &bob(), LAPTOP);
    let mut message = send(&bob(), &alice(), 1, 100);
    message.conversation = [0; 16];
    fixture.tell(b, message);
    assert!(matches!(fixture.answer(b), Session::Closing(_)));
    assert_eq!(fixture.closed(b), Some(code::VIOLATION));
}

#[test]
fn a_second_question_for_the_directory_ends_the_session() {
    let mut fixture = two();
    let b = session(&mut fixture, &bob(), LAPTOP);
    // A new account, so that the answer takes a while.
    let id = fixture.client();
    let third = crate::common::Person {
        name: "Charlie",
        ..alice()
    };
    let finish = crate::common::start_registration(&mut fixture, id, &third, "Charlie");
    crate::common::register(&mut fixture, id, &third, "Charlie", finish);
    fixture.login_answer(id);
    fixture.hold = true;
    for request in 0..2 {
        let have_version = 1;
        fixture.tell(
            b,
            ManifestRequest {
                request,
                have_version,
            },
        );
    }
    assert_eq!(fixture.closed(b), Some(code::VIOLATION));
}

#[test]
fn who_is_online_is_known_to_who_is_logged_in() {
    let mut fixture = two();
    let a = session(&mut fixture, &alice(), PHONE);
    let again = session(&mut fixture, &alice(), LAPTOP);
    let b = session(&mut fixture, &bob(), LAPTOP);
    let online = |fixture: &mut Fixture| {
        fixture.tell(b, ListOnline { request: 7 });
        let Session::Online(online) = fixture.answer(b) else {
            panic!("no Online");
        };
        assert_eq!((online.request, online.more), (7, false));
        let names = online.users.iter().map(|name| name.display().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(online(&mut fixture), ["Alice", "Bob"]);
    fixture.client_mut(a, |client, now| client.close(now));
    fixture.idle(Duration::from_secs(1));
    assert_eq!(online(&mut fixture), ["Alice", "Bob"]);
    fixture.client_mut(again, |client, now| client.close(now));
    fixture.idle(Duration::from_secs(1));
    assert_eq!(online(&mut fixture), ["Bob"]);
    let user = alice().username();
    assert!(fixture.events.contains(&Event::ClientLeft { user }));
}

#[test]
fn keys_are_looked_up_by_any_spelling() {
    let mut fixture = two();
    let b = session(&mut fixture, &bob(), LAPTOP);
    for (request, name) in [(1, "ALICE"), (2, "nobody")] {
        let name = chat::Username::parse(name).unwrap();
        fixture.tell(b, Lookup { request, name });
    }
    let Session::Account(found) = fixture.answer(b) else {
        panic!("no Account");
    };
    assert_eq!((found.request, found.name.display()), (1, "Alice"));
    let expected = alice().signing_key().verifying_key().spki_der().to_vec();
    assert_eq!(found.sig_key.to_vec(), expected);
    assert!(matches!(fixture.answer(b), Session::NoSuchUser(no) if no.request == 2));
}

#[test]
fn who_sends_too_fast_is_read_more_slowly() {
    let mut fixture = two();
    let b = session(&mut fixture, &bob(), LAPTOP);
    let begun = fixture.world.now();
    let all = u64::from(SEND_BURST + 2 * SENDS_PER_S);
    for request in 0..all {
        fixture.tell(b, ListOnline { request });
    }
    for _ in 0..all {
        assert!(matches!(fixture.answer(b), Session::Online(_)));
    }
    let took = fixture.world.now().since(begun).as_secs_f64();
    assert!((1.8..3.0).contains(&took), "{took} s");
}
