//! What is promised when the disk fails, and when the server stops.

use std::collections::BTreeSet;
use std::time::Duration;

use chat::message::{ClosingCode, FailureCode, Refusal, SessionServerMessage as Session};
use server::limits::TOLD_MAX;
use server::{Completion, Event, Fatal, code};
use store::StoreError;

use crate::common::{
    Fixture, ack, alice, bob, logged_in, next_delivery, open_password, proof, send, session,
};

const PHONE: [u8; 16] = [1; 16];
const LAPTOP: [u8; 16] = [2; 16];

#[test]
fn nothing_is_acknowledged_or_delivered_before_it_is_durable() {
    let mut fixture = Fixture::knowing(&[alice(), bob()]);
    let a = session(&mut fixture, &alice(), PHONE);
    let b = session(&mut fixture, &bob(), LAPTOP);
    fixture.idle(Duration::from_secs(1));
    fixture.hold = true;
    fixture.tell(b, send(&bob(), &alice(), 1, 100));
    fixture.idle(Duration::from_secs(5));
    assert_eq!(fixture.held.len(), 1);
    for id in [a, b] {
        assert!(fixture.peek(id).session.inbox.is_empty());
    }
    fixture.release();
    assert!(matches!(fixture.answer(b), Session::Stored(_)));
    assert_eq!(next_delivery(&mut fixture, a).position, 1);
}

#[test]
fn what_comes_while_a_batch_is_in_flight_is_one_batch() {
    let mut fixture = Fixture::knowing(&[alice(), bob()]);
    let a = session(&mut fixture, &alice(), PHONE);
    let b = session(&mut fixture, &bob(), LAPTOP);
    fixture.idle(Duration::from_secs(1));
    fixture.hold = true;
    let before = fixture.batches;
    fixture.tell(b, send(&bob(), &alice(), 1, 100));
    fixture.idle(Duration::from_secs(1));
    for sequence in 2..=20 {
        fixture.tell(b, send(&bob(), &alice(), sequence, 100));
        fixture.tell(a, send(&alice(), &bob(), sequence - 1, 100));
    }
    fixture.idle(Duration::from_secs(1));
    fixture.release();
    let (mut stored, mut delivered) = (0, 0);
    while stored + delivered < 20 + 19 {
        match fixture.answer(b) {
            Session::Stored(_) => stored += 1,
            Session::Deliver(_) => delivered += 1,
            other => panic!("unexpected: {other:?}"),
        }
    }
    assert_eq!((stored, delivered), (20, 19));
    assert_eq!(fixture.batches - before, 2);
}

#[test]
fn h79_a_failed_commit_acknowledges_nothing_and_ends_the_server() {
    let mut fixture = Fixture::knowing(&[alice(), bob()]);
    let a = session(&mut fixture, &alice(), PHONE);
    let b = session(&mut fixture, &bob(), LAPTOP);
    fixture.idle(Duration::from_secs(1));
    fixture.store.fail_next(StoreError::Io("sync".into()));
    fixture.tell(b, send(&bob(), &alice(), 1, 100));
    assert_eq!(fixture.closed(b), Some(code::INTERNAL));
    assert_eq!(fixture.closed(a), Some(code::INTERNAL));
    for id in [a, b] {
        assert!(fixture.peek(id).session.inbox.is_empty());
    }
    let error = StoreError::Io("sync".into());
    let fatal = Event::Fatal(Fatal::Store(error));
    assert!(fixture.events.contains(&fatal));
    // It does nothing more.
    let batches = fixture.batches;
    let late = fixture.client();
    fixture.idle(Duration::from_secs(5));
    assert_eq!(fixture.closed(late), Some(code::CLOSING));
    assert_eq!(fixture.batches, batches);
}

#[test]
fn a_lost_worker_ends_the_server() {
    let mut fixture = Fixture::knowing(&[alice()]);
    let a = session(&mut fixture, &alice(), PHONE);
    fixture.with_server(|server, now| {
        server.handle_completion(now, Completion::Lost("it panicked".to_owned()));
    });
    assert_eq!(fixture.closed(a), Some(code::INTERNAL));
    let fatal = Fatal::Worker("it panicked".to_owned());
    assert!(fixture.events.contains(&Event::Fatal(fatal)));
}

#[test]
fn h80_a_full_disk_refuses_messages_and_still_reads() {
    let mut fixture = Fixture::knowing(&[alice(), bob()]);
    let b = session(&mut fixture, &bob(), LAPTOP);
    fixture.tell(b, send(&bob(), &alice(), 1, 100));
    assert!(matches!(fixture.answer(b), Session::Stored(_)));
    fixture.store.fail_next(StoreError::Full);
    fixture.tell(b, send(&bob(), &alice(), 2, 100));
    let Session::Refused(refused) = fixture.answer(b) else {
        panic!("not refused");
    };
    assert_eq!(refused.refusal, Refusal::MailboxFull);
    assert!(fixture.events.contains(&Event::DiskFull));

    // A page of the mailbox and a lost acknowledgement in one refused batch.
    let a = session(&mut fixture, &alice(), PHONE);
    assert_eq!(next_delivery(&mut fixture, a).position, 1);
    fixture.idle(Duration::from_secs(1));
    fixture.store.fail_next(StoreError::Full);
    ack(&mut fixture, a, 1, &[]);
    fixture.tell(b, send(&bob(), &alice(), 2, 100));
    fixture.until(|fixture| !fixture.peek(b).session.inbox.is_empty());
    fixture.client_mut(b, |client, _| client.session.inbox.clear());
    fixture.tell(b, send(&bob(), &alice(), 2, 100));
    assert!(matches!(fixture.answer(b), Session::Stored(_)));
    assert_eq!(next_delivery(&mut fixture, a).position, 2);
}

#[test]
fn h80_a_login_on_a_full_disk_is_told_to_come_back() {
    let mut fixture = Fixture::knowing(&[alice()]);
    let id = fixture.client();
    let finish = open_password(&mut fixture, id, &alice());
    fixture.say(id, finish);
    let chat::message::LoginServerMessage::Credentials(credentials) = fixture.login_answer(id)
    else {
        panic!("no Credentials");
    };
    let proof = proof(&fixture, id, &alice(), PHONE, &credentials);
    fixture.store.fail_next(StoreError::Full);
    fixture.say(id, proof);
    assert_eq!(fixture.failure(id), FailureCode::Busy);
    logged_in(&mut fixture, id, &alice(), PHONE);
}

#[test]
fn a_shutdown_commits_what_was_taken_and_says_goodbye() {
    let mut fixture = Fixture::knowing(&[alice(), bob()]);
    let b = session(&mut fixture, &bob(), LAPTOP);
    let stranger = fixture.client();
    fixture.idle(Duration::from_secs(1));
    fixture.hold = true;
    fixture.tell(b, send(&bob(), &alice(), 1, 100));
    fixture.until(|fixture| !fixture.held.is_empty());
    fixture.with_server(|server, now| server.shutdown(now));
    fixture.idle(Duration::from_secs(1));
    assert!(
        !fixture.events.contains(&Event::Stopped),
        "a commit is under way"
    );
    let late = fixture.client();
    assert_eq!(fixture.closed(late), Some(code::CLOSING));
    fixture.release();
    assert!(matches!(fixture.answer(b), Session::Stored(_)));
    let Session::Closing(closing) = fixture.answer(b) else {
        panic!("no Closing");
    };
    assert_eq!(closing.code, ClosingCode::Shutdown);
    assert_eq!(fixture.closed(b), Some(code::CLOSING));
    assert_eq!(fixture.closed(stranger), Some(code::CLOSING));
    fixture.until(|fixture| fixture.events.last() == Some(&Event::Stopped));
}

#[test]
fn a_shutdown_does_not_wait_for_clients_that_are_gone() {
    let mut fixture = Fixture::knowing(&[alice()]);
    let a = session(&mut fixture, &alice(), PHONE);
    // A network that carries nothing any more.
    let nowhere = "10.9.9.9:9".parse().unwrap();
    fixture.world.move_node(a, nowhere);
    fixture.with_server(|server, now| server.shutdown(now));
    fixture.idle(Duration::from_secs(11));
    assert!(fixture.events.contains(&Event::Stopped));
}

#[test]
fn what_may_have_been_lost_with_a_connection_is_told_again() {
    let mut fixture = Fixture::knowing(&[alice(), bob()]);
    let a = session(&mut fixture, &alice(), PHONE);
    let b = session(&mut fixture, &bob(), LAPTOP);
    fixture.tell(b, send(&bob(), &alice(), 1, 100));
    assert!(matches!(fixture.answer(b), Session::Stored(_)));
    let deliver = next_delivery(&mut fixture, a);
    // Bob's network is gone when Alice acknowledges; the server tells him in vain.
    fixture.world.change_links(b, |link| link.loss = 1.0);
    ack(&mut fixture, a, deliver.position, &[deliver.message_id]);
    fixture.idle(Duration::from_secs(1));
    let user = bob().username();
    let left = Event::ClientLeft { user };
    assert!(!fixture.events.contains(&left), "he counts as there");
    fixture.until(|fixture| fixture.events.contains(&left));
    let again = session(&mut fixture, &bob(), LAPTOP);
    let told = crate::common::delivered(&mut fixture, again);
    assert_eq!(told, deliver.message_id);
}

#[test]
fn of_very_many_deliveries_that_were_told_in_vain_all_are_told_again() {
    const MESSAGES: u64 = TOLD_MAX as u64 + 44;
    let mut fixture = Fixture::knowing(&[alice(), bob()]);
    let a = session(&mut fixture, &alice(), PHONE);
    let b = session(&mut fixture, &bob(), LAPTOP);
    for sequence in 1..=MESSAGES {
        fixture.tell(b, send(&bob(), &alice(), sequence, 100));
        assert!(matches!(fixture.answer(b), Session::Stored(_)));
    }
    fixture.world.change_links(b, |link| link.loss = 1.0);
    let mut ids = BTreeSet::new();
    for position in 1..=MESSAGES {
        let id = next_delivery(&mut fixture, a).message_id;
        ack(&mut fixture, a, position, &[id]);
        ids.insert(id);
    }
    let user = bob().username();
    let left = Event::ClientLeft { user };
    assert!(!fixture.events.contains(&left), "he counts as there");
    fixture.until(|fixture| fixture.events.contains(&left));
    let again = session(&mut fixture, &bob(), LAPTOP);
    let told: BTreeSet<_> = (0..MESSAGES)
        .map(|_| crate::common::delivered(&mut fixture, again))
        .collect();
    assert_eq!(told, ids);
}

#[test]
fn what_was_told_to_a_device_that_was_leaving_is_told_again() {
    let mut fixture = Fixture::knowing(&[alice(), bob()]);
    let a = session(&mut fixture, &alice(), PHONE);
    let b = session(&mut fixture, &bob(), LAPTOP);
    fixture.tell(b, send(&bob(), &alice(), 1, 100));
    assert!(matches!(fixture.answer(b), Session::Stored(_)));
    let deliver = next_delivery(&mut fixture, a);
    ack(&mut fixture, a, deliver.position, &[deliver.message_id]);
    // Bob is told, and has ended his program before he could note it.
    fixture.idle(Duration::from_secs(1));
    fixture.client_mut(b, |client, now| client.close(now));
    fixture.idle(Duration::from_secs(1));
    let again = session(&mut fixture, &bob(), LAPTOP);
    let told = crate::common::delivered(&mut fixture, again);
    assert_eq!(told, deliver.message_id);
    // And again, as long as it is not certain that he has it.
    fixture.client_mut(again, |client, now| client.close(now));
    fixture.idle(Duration::from_secs(1));
    let again = session(&mut fixture, &bob(), LAPTOP);
    let told = crate::common::delivered(&mut fixture, again);
    assert_eq!(told, deliver.message_id);
}

#[test]
fn a_connection_is_forgotten_when_its_last_word_is_said() {
    let mut fixture = Fixture::knowing(&[alice()]);
    let id = session(&mut fixture, &alice(), PHONE);
    assert_eq!(fixture.connections(), 1);
    fixture.client_mut(id, |client, now| client.close(now));
    // Nobody else speaks: there is nothing that the server could notice it by later.
    fixture.idle(Duration::from_secs(1));
    assert_eq!(fixture.connections(), 0);
}
