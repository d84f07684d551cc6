//! What honest clients say.

use chat::Username;
use chat::login::{
    ClientLogin, ClientRegistration, ProofContext, make_proof, sign_registration, solve_login_work,
};
use chat::message::{
    Acknowledge, ConversationId, Credentials, Deliver, DeviceId, List, LoginFinish,
    LoginServerMessage as Answer, LoginWork, MessageId, NotifyId, Proof, ReadMore, RegisterFinish,
    Send, SessionServerMessage as Session,
};
use crypto::fixtures::SeededRandom;
use crypto::{DeviceKey, Transcript};
use sim::NodeId;

use super::{Fixture, Person, identity};

/// Sends a `LoginStart`.
pub(crate) fn start_login(
    fixture: &mut Fixture,
    id: NodeId,
    person: &Person,
) -> (ClientLogin, [u8; 96]) {
    let (login, start) = fixture.client_mut(id, |client, _| {
        ClientLogin::start(person.username(), person.password(), &mut client.random).unwrap()
    });
    let ke1 = start.ke1;
    fixture.say(id, start);
    (login, ke1)
}

/// Does the work that the server asks for.
pub(crate) fn work(
    fixture: &mut Fixture,
    id: NodeId,
    person: &Person,
    request: &[u8],
    work: &LoginWork,
) {
    let channel = fixture.peek(id).channel;
    let solution = solve_login_work(work, &channel, &person.username(), request).unwrap();
    fixture.say(id, solution);
}

/// The proof for these credentials.
pub(crate) fn proof(
    fixture: &Fixture,
    id: NodeId,
    person: &Person,
    device: DeviceId,
    credentials: &Credentials,
) -> Proof {
    let context = ProofContext {
        channel: &fixture.peek(id).channel,
        nonce: &credentials.nonce,
        username: &person.username(),
        server: &identity().verifying_key().fingerprint(),
    };
    let device_key = DeviceKey::generate(&mut SeededRandom::new(4));
    make_proof(&person.signing_key(), context, device, &device_key)
}

/// Everything up to KE3.
pub(crate) fn open_password(fixture: &mut Fixture, id: NodeId, person: &Person) -> LoginFinish {
    let (login, ke1) = start_login(fixture, id, person);
    let mut answer = fixture.login_answer(id);
    if let Answer::LoginWork(asked) = &answer {
        work(fixture, id, person, &ke1, asked);
        answer = fixture.login_answer(id);
    }
    let Answer::LoginResponse(response) = answer else {
        panic!("no LoginResponse: {answer:?}");
    };
    let channel = fixture.peek(id).channel;
    let opened = fixture.client_mut(id, |client, _| {
        login.finish(&response, &channel, &mut client.random)
    });
    opened.unwrap().finish
}

/// A whole login; gives the number of the directory's entries.
pub(crate) fn logged_in(
    fixture: &mut Fixture,
    id: NodeId,
    person: &Person,
    device: DeviceId,
) -> usize {
    let finish = open_password(fixture, id, person);
    fixture.say(id, finish);
    let Answer::Credentials(credentials) = fixture.login_answer(id) else {
        panic!("no Credentials");
    };
    let proof = proof(fixture, id, person, device, &credentials);
    fixture.say(id, proof);
    let Answer::ManifestHead(head) = fixture.login_answer(id) else {
        panic!("no ManifestHead");
    };
    let mut assembly = chat::manifest::Assembly::new(head.clone());
    while !assembly.is_complete() {
        let Answer::ManifestPart(part) = fixture.login_answer(id) else {
            panic!("no ManifestPart");
        };
        assembly.push(part).unwrap();
    }
    let manifest = assembly.finish().unwrap();
    manifest.entries().len()
}

/// A registration up to what has to be signed; `spelling` is the name as it is typed.
pub(crate) fn start_registration(
    fixture: &mut Fixture,
    id: NodeId,
    person: &Person,
    spelling: &str,
) -> RegisterFinish {
    let username = Username::parse(spelling).unwrap();
    let (registration, start) = fixture.client_mut(id, |client, _| {
        let password = person.password();
        ClientRegistration::start(username, password, &mut client.random).unwrap()
    });
    let request = start.request;
    fixture.say(id, start);
    let Answer::LoginWork(asked) = fixture.login_answer(id) else {
        panic!("a registration costs work");
    };
    work(fixture, id, person, &request, &asked);
    let Answer::RegisterResponse(response) = fixture.login_answer(id) else {
        panic!("no RegisterResponse");
    };
    let registered = fixture.client_mut(id, |client, _| {
        registration.finish(&response, &mut client.random)
    });
    person.registration(&registered.unwrap())
}

/// Signs and sends a registration.
pub(crate) fn register(
    fixture: &mut Fixture,
    id: NodeId,
    person: &Person,
    spelling: &str,
    mut finish: RegisterFinish,
) {
    let channel = fixture.peek(id).channel;
    let username = Username::parse(spelling).unwrap();
    sign_registration(&person.signing_key(), &channel, &username, &mut finish);
    fixture.say(id, finish);
}

/// A login, the session's stream, and the first ReadMore.
pub(crate) fn session(fixture: &mut Fixture, person: &Person, device: DeviceId) -> NodeId {
    let id = fixture.client();
    logged_in(fixture, id, person, device);
    fixture.client_mut(id, |client, _| client.open_session());
    read_more(fixture, id, 0);
    id
}

pub(crate) fn read_more(fixture: &mut Fixture, id: NodeId, after: u64) {
    fixture.tell(id, ReadMore { after });
}

pub(crate) fn conversation(one: &Person, other: &Person) -> ConversationId {
    let (one, other) = (one.username(), other.username());
    let (first, second) = if one < other {
        (one, other)
    } else {
        (other, one)
    };
    let hash = Transcript::new("conversation")
        .field(first.key().as_bytes())
        .field(second.key().as_bytes())
        .sha256();
    hash[..16].try_into().unwrap()
}

/// A message number `sequence` of so many bytes.
pub(crate) fn send(from: &Person, to: &Person, sequence: u64, bytes: usize) -> Send {
    let mut message_id = [0; 16];
    message_id[..8].copy_from_slice(&sequence.to_be_bytes());
    Send {
        message_id,
        to: to.username(),
        conversation: conversation(from, to),
        sequence,
        sealed: vec![sequence as u8; bytes].try_into().unwrap(),
    }
}

pub(crate) fn ack(fixture: &mut Fixture, id: NodeId, position: u64, notify: &[MessageId]) {
    let notify = notify.iter().map(|id| NotifyId(*id)).collect();
    let notify = List::new(notify).unwrap();
    fixture.tell(id, Acknowledge { position, notify });
}

pub(crate) fn next_delivery(fixture: &mut Fixture, id: NodeId) -> Deliver {
    match fixture.answer(id) {
        Session::Deliver(deliver) => deliver,
        other => panic!("not a delivery: {other:?}"),
    }
}

pub(crate) fn delivered(fixture: &mut Fixture, id: NodeId) -> MessageId {
    match fixture.answer(id) {
        Session::Delivered(delivered) => delivered.message_id,
        other => panic!("not Delivered: {other:?}"),
    }
}
