//! The login port (PROTOCOL.md §6).

use std::time::Duration;

use chat::Username;
use chat::login::ClientLogin;
use chat::message::{
    FailureCode, ListOnline, LoginClientMessage, LoginFinish, LoginServerMessage as Answer,
    LoginStart, SessionClientMessage, SessionServerMessage as Session,
};
use chat::puzzle::AdmissionConfig;
use server::limits::{LOGIN_MESSAGES_MAX, LOGIN_RESPONSES_MAX};
use server::{AdmissionPolicy, Event, Registration, code};
use sim::NodeId;
use store::relay::{DEVICES_PER_ACCOUNT_MAX, MemoryStore};

use crate::common::{
    Fixture, Person, TestStore, alice, bob, config, logged_in, open_password, proof, send, session,
    start_login,
};

const PHONE: [u8; 16] = [1; 16];

/// Somebody who knows neither Alice's password nor any name.
fn mallory() -> Person {
    Person {
        name: "Mallory",
        ..alice()
    }
}

/// What the server answers to a guess: the lengths of its messages, and the last one's bytes.
fn guess(fixture: &mut Fixture, id: NodeId, person: &Person) -> (Vec<usize>, Vec<u8>) {
    let (_, _) = start_login(fixture, id, person);
    fixture.until(|fixture| !fixture.peek(id).login.inbox.is_empty());
    fixture.say(id, LoginFinish { ke3: [7; 64] });
    fixture.until(|fixture| fixture.peek(id).login.inbox.len() == 2);
    fixture.idle(Duration::from_secs(5));
    let inbox = &fixture.peek(id).login.inbox;
    let last = inbox.back().cloned().unwrap();
    (inbox.iter().map(Vec::len).collect(), last)
}

#[test]
fn a_login_ends_with_the_directory() {
    let mut fixture = Fixture::knowing(&[alice(), bob()]);
    let id = fixture.client();
    fixture.idle(Duration::from_secs(1));
    assert_eq!(fixture.strangers(), 1);
    assert_eq!(logged_in(&mut fixture, id, &alice(), PHONE), 2);
    assert_eq!(fixture.strangers(), 0);
    let user = alice().username();
    assert!(fixture.events.contains(&Event::ClientLoggedIn { user }));
}

#[test]
fn h49_wrong_password_and_unknown_user_look_the_same() {
    let mut fixture = Fixture::knowing(&[alice()]);
    let clients = [fixture.client(), fixture.client()];
    let mut guess_of = |id, person: &Person| {
        let before = fixture.batches;
        let heard = guess(&mut fixture, id, person);
        (heard, fixture.batches - before)
    };
    let (wrong, asked) = guess_of(clients[0], &alice());
    assert_eq!(guess_of(clients[1], &mallory()), (wrong.clone(), asked));
    assert!(asked >= 1, "whether there is such an account");
    let Answer::Failure(failure) = Answer::decode(&wrong.1).unwrap() else {
        panic!("no failure");
    };
    assert_eq!(failure.code, FailureCode::LoginFailed);
    for id in clients {
        assert_eq!(fixture.peek(id).closed, None, "both may try again");
    }
}

#[test]
fn a_relayed_login_fails_at_the_client_and_at_the_server() {
    let mut fixture = Fixture::knowing(&[alice()]);
    let relay = fixture.client();
    let victim = fixture.client();
    let (login, _) = start_login(&mut fixture, relay, &alice());
    let Answer::LoginResponse(response) = fixture.login_answer(relay) else {
        panic!("no LoginResponse");
    };
    let channel = fixture.peek(victim).channel;
    assert_ne!(channel, fixture.peek(relay).channel);
    let opened = fixture.client_mut(victim, |client, _| {
        login.finish(&response, &channel, &mut client.random)
    });
    assert!(opened.is_err());
    fixture.say(relay, LoginFinish { ke3: [0; 64] });
    assert_eq!(fixture.failure(relay), FailureCode::LoginFailed);
}

#[test]
fn a_proof_by_another_key_is_a_failed_login() {
    let mut fixture = Fixture::knowing(&[alice()]);
    let id = fixture.client();
    let finish = open_password(&mut fixture, id, &alice());
    fixture.say(id, finish);
    let Answer::Credentials(credentials) = fixture.login_answer(id) else {
        panic!("no Credentials");
    };
    let mut forged = proof(&fixture, id, &bob(), PHONE, &credentials);
    forged.device = PHONE;
    fixture.say(id, forged);
    assert_eq!(fixture.failure(id), FailureCode::LoginFailed);
    assert_eq!(fixture.strangers(), 1);
}

#[test]
fn h53_replayed_messages_log_nobody_in() {
    let mut fixture = Fixture::knowing(&[alice()]);
    let honest = fixture.client();
    let start = fixture.client_mut(honest, |client, _| {
        let alice = alice();
        ClientLogin::start(alice.username(), alice.password(), &mut client.random).unwrap()
    });
    fixture.say(honest, start.1.clone());
    let Answer::LoginResponse(response) = fixture.login_answer(honest) else {
        panic!("no LoginResponse");
    };
    let channel = fixture.peek(honest).channel;
    let opened = fixture.client_mut(honest, |client, _| {
        start.0.finish(&response, &channel, &mut client.random)
    });
    let finish = opened.unwrap().finish;
    fixture.say(honest, finish.clone());
    let Answer::Credentials(credentials) = fixture.login_answer(honest) else {
        panic!("no Credentials");
    };
    let proof = proof(&fixture, honest, &alice(), PHONE, &credentials);
    fixture.say(honest, proof.clone());
    assert!(matches!(
        fixture.login_answer(honest),
        Answer::ManifestHead(_)
    ));

    let thief = fixture.client();
    fixture.say(thief, start.1);
    assert!(matches!(
        fixture.login_answer(thief),
        Answer::LoginResponse(_)
    ));
    fixture.say(thief, finish);
    assert_eq!(fixture.failure(thief), FailureCode::LoginFailed);
    fixture.say(thief, proof.clone());
    assert_eq!(fixture.failure(thief), FailureCode::Malformed);
    assert_eq!(fixture.closed(thief), Some(code::VIOLATION));

    // Nor is anything taken twice on the channel that it was made for.
    fixture.say(honest, proof);
    assert_eq!(fixture.closed(honest), Some(code::VIOLATION));
    let logins = fixture.events.iter();
    let logins = logins.filter(|event| matches!(event, Event::ClientLoggedIn { .. }));
    assert_eq!(logins.count(), 1);
}

#[test]
fn h50_guesses_cost_work_then_time_and_end_the_connection() {
    let mut fixture = Fixture::knowing(&[alice()]);
    let id = fixture.client();
    for _ in 0..LOGIN_RESPONSES_MAX {
        start_login(&mut fixture, id, &alice());
        assert!(matches!(fixture.login_answer(id), Answer::LoginResponse(_)));
    }
    // From here on there is work; and this connection has had its attempts.
    let (_, ke1) = start_login(&mut fixture, id, &alice());
    let Answer::LoginWork(asked) = fixture.login_answer(id) else {
        panic!("no LoginWork");
    };
    crate::common::work(&mut fixture, id, &alice(), &ke1, &asked);
    assert_eq!(fixture.failure(id), FailureCode::TooManyAttempts);
    assert_eq!(fixture.closed(id), Some(code::REFUSED));
    // The owner, elsewhere, gets in for the work.
    let owner = fixture.client();
    assert_eq!(logged_in(&mut fixture, owner, &alice(), PHONE), 1);
}

#[test]
fn work_that_is_not_done_is_refused() {
    let mut fixture = Fixture::knowing(&[alice()]);
    let id = fixture.client();
    for _ in 0..LOGIN_RESPONSES_MAX {
        start_login(&mut fixture, id, &alice());
        fixture.login_answer(id);
    }
    start_login(&mut fixture, id, &alice());
    let Answer::LoginWork(_) = fixture.login_answer(id) else {
        panic!("no LoginWork");
    };
    let solution = [0; 32];
    fixture.say(id, chat::message::LoginWorkSolution { solution });
    assert_eq!(fixture.failure(id), FailureCode::WorkRefused);
}

#[test]
fn h44_connections_without_a_login_are_counted_and_turned_away() {
    let mut config = config();
    config.not_logged_in_max = 2;
    let mut store = TestStore::new(MemoryStore::default());
    crate::common::account(&mut store, &alice());
    let mut fixture = Fixture::with(config, store);
    let first = fixture.client();
    let second = fixture.client();
    let third = fixture.client();
    assert_eq!(fixture.closed(third), Some(code::BUSY));
    assert!(fixture.events.contains(&Event::Crowded));
    // Who has logged in does not count any more, nor who is gone.
    logged_in(&mut fixture, first, &alice(), PHONE);
    fixture.client_mut(second, |client, now| client.close(now));
    fixture.idle(Duration::from_secs(1));
    assert_eq!(fixture.strangers(), 0);
    let fourth = fixture.client();
    assert_eq!(fixture.peek(fourth).closed, None);
}

#[test]
fn h39_a_connection_that_does_not_log_in_ends_after_30_s() {
    let mut fixture = Fixture::knowing(&[alice()]);
    let idle = fixture.client();
    let busy = fixture.client();
    let begun = fixture.world.now();
    logged_in(&mut fixture, busy, &alice(), PHONE);
    fixture.idle(Duration::from_secs(28));
    assert_eq!(fixture.peek(idle).closed, None);
    assert_eq!(fixture.closed(idle), Some(code::TOO_SLOW));
    let took = fixture.world.now().since(begun);
    assert!(took < Duration::from_secs(32), "{took:?}");
    fixture.idle(Duration::from_secs(40));
    assert_eq!(fixture.peek(busy).closed, None);
}

/// What drips in keeps the connection from being idle, and the login from nothing: it has as long as any other,
/// and meanwhile others log in.
#[test]
fn h39_a_login_that_comes_a_byte_at_a_time_ends_at_its_deadline() {
    let mut fixture = Fixture::knowing(&[alice()]);
    let slow = fixture.client();
    let begun = fixture.world.now();
    let (_, start) = fixture.client_mut(slow, |client, _| {
        let alice = alice();
        ClientLogin::start(alice.username(), alice.password(), &mut client.random).unwrap()
    });
    let message = LoginClientMessage::from(start).encode();
    assert!((64..1 << 14).contains(&message.len()));
    let length = (message.len() as u16 | 1 << 14).to_be_bytes();
    for (byte, seconds) in [&length[..], &message]
        .concat()
        .into_iter()
        .zip([10, 10, 9])
    {
        fixture.client_mut(slow, |client, _| client.say_part(&[byte]));
        let other = fixture.client();
        logged_in(&mut fixture, other, &alice(), PHONE);
        fixture.idle(Duration::from_secs(seconds));
        assert_eq!(fixture.peek(slow).closed, None);
        assert_eq!(fixture.strangers(), 1);
    }
    assert_eq!(fixture.closed(slow), Some(code::TOO_SLOW));
    let took = fixture.world.now().since(begun);
    assert!(took < Duration::from_secs(32), "{took:?}");
    fixture.idle(Duration::from_secs(1));
    assert_eq!(fixture.strangers(), 0);
}

#[test]
fn the_session_port_is_shut_before_the_login() {
    let mut fixture = Fixture::knowing(&[alice()]);
    let id = fixture.client();
    fixture.client_mut(id, |client, _| client.open_session());
    fixture.tell(id, ListOnline { request: 1 });
    fixture.until(|fixture| fixture.peek(id).session.is_reset);
    assert!(fixture.peek(id).session.inbox.is_empty());
    assert_eq!(fixture.peek(id).closed, None);
}

#[test]
fn messages_without_end_are_not_listened_to() {
    let mut config = config();
    config.registration = Registration::Closed;
    let mut fixture = Fixture::with(config, TestStore::new(MemoryStore::default()));
    let id = fixture.client();
    for number in 0..=LOGIN_MESSAGES_MAX {
        let username = Username::parse(&format!("user{number}")).unwrap();
        let request = [0; 32];
        fixture.say(id, chat::message::RegisterStart { username, request });
    }
    for _ in 0..LOGIN_MESSAGES_MAX {
        assert_eq!(fixture.failure(id), FailureCode::RegistrationClosed);
    }
    assert_eq!(fixture.failure(id), FailureCode::Malformed);
    assert_eq!(fixture.closed(id), Some(code::VIOLATION));
}

#[test]
fn what_does_not_decode_ends_the_connection() {
    let mut fixture = Fixture::knowing(&[]);
    for bytes in [&[][..], &[0xff], &[0x17, 0xa0], &[0x01, 0xa0]] {
        let id = fixture.client();
        fixture.client_mut(id, |client, _| client.say(bytes));
        assert_eq!(fixture.failure(id), FailureCode::Malformed);
        assert_eq!(fixture.closed(id), Some(code::VIOLATION));
    }
    assert_eq!(fixture.strangers(), 0);
}

#[test]
fn a_ke1_that_is_no_point_fails_like_a_wrong_password() {
    let mut fixture = Fixture::knowing(&[alice()]);
    for name in ["Alice", "Mallory"] {
        let id = fixture.client();
        let username = Username::parse(name).unwrap();
        let ke1 = [0xff; 96];
        fixture.say(id, LoginStart { username, ke1 });
        assert_eq!(fixture.failure(id), FailureCode::LoginFailed);
    }
}

#[test]
fn admission_asks_strangers_for_work() {
    let mut config = config();
    let mut admission = AdmissionConfig::default();
    admission.difficulty = 8;
    config.admission = AdmissionPolicy::Work(admission);
    let mut store = TestStore::new(MemoryStore::default());
    crate::common::account(&mut store, &alice());
    let mut fixture = Fixture::with(config, store);
    let id = fixture.client();
    assert_eq!(fixture.peek(id).puzzles, 1);
    assert_eq!(logged_in(&mut fixture, id, &alice(), PHONE), 1);
}

#[test]
fn a_device_has_one_session_the_newest() {
    let mut fixture = Fixture::knowing(&[alice()]);
    let old = session(&mut fixture, &alice(), PHONE);
    let other = session(&mut fixture, &alice(), [2; 16]);
    let new = session(&mut fixture, &alice(), PHONE);
    let chat::message::SessionServerMessage::Closing(closing) = fixture.answer(old) else {
        panic!("no Closing");
    };
    assert_eq!(closing.code, chat::message::ClosingCode::Replaced);
    assert_eq!(fixture.closed(old), Some(code::REPLACED));
    fixture.idle(Duration::from_secs(5));
    assert_eq!(fixture.peek(other).closed, None);
    assert_eq!(fixture.peek(new).closed, None);
}

#[test]
fn an_account_has_so_many_devices_and_no_more() {
    let mut fixture = Fixture::knowing(&[alice()]);
    for number in 0..DEVICES_PER_ACCOUNT_MAX {
        let id = session(&mut fixture, &alice(), [number as u8; 16]);
        fixture.client_mut(id, |client, now| client.close(now));
    }
    let id = fixture.client();
    let finish = open_password(&mut fixture, id, &alice());
    fixture.say(id, finish);
    let Answer::Credentials(credentials) = fixture.login_answer(id) else {
        panic!("no Credentials");
    };
    let proof = proof(&fixture, id, &alice(), [99; 16], &credentials);
    fixture.say(id, proof);
    assert_eq!(fixture.failure(id), FailureCode::TooManyDevices);
    assert_eq!(fixture.closed(id), Some(code::BUSY));
    // One that is known is still welcome.
    session(&mut fixture, &alice(), [3; 16]);
}

/// A stranger's messages are short; what is longer is not even taken in.
#[test]
fn h18_long_messages_are_not_held_before_the_login() {
    let mut fixture = Fixture::knowing(&[alice()]);
    let id = fixture.client();
    let before = fixture.world.stats().sent_bytes;
    fixture.client_mut(id, |client, _| client.say(&[1; 1_000_000]));
    fixture.until(|fixture| fixture.peek(id).closed.is_some());
    let sent = fixture.world.stats().sent_bytes - before;
    assert!(sent < 300_000, "{sent}");
}

#[test]
fn the_first_message_after_the_login_may_be_long() {
    let mut fixture = Fixture::knowing(&[alice(), bob()]);
    let id = fixture.client();
    logged_in(&mut fixture, id, &bob(), PHONE);
    let long = SessionClientMessage::from(send(&bob(), &alice(), 1, 1_000_000)).encode();
    fixture.client_mut(id, |client, _| {
        client.open_session();
        assert!(client.tell(&long));
    });
    assert!(matches!(fixture.answer(id), Session::Stored(_)));
}
