//! A registration and a login, with bytes of a tape in one message: nobody gets in without the password,
//! both ends agree on their keys or on nothing, and what was not changed goes through.
use std::sync::LazyLock;

use chat::Username;
use chat::login::{
    ClientLogin, ClientRegistration, KsfId, LoggedIn, Password, PasswordRecord, ProofContext,
    RegisteredPassword, ServerSecrets, make_proof, sign_registration, verify_proof,
    verify_registration,
};
use chat::message::{
    Blob, LoginClientMessage, LoginFinish, LoginResponse, LoginServerMessage, Proof,
    RegisterFinish, RegisterResponse, Signature,
};
use crypto::fixtures::{SeededRandom, rsa3072_decryption, rsa3072_signing};
use crypto::{DeviceKey, Fingerprint, Secret, SigningKey};

use super::change::changed;

const CHANNEL: [u8; 32] = [0xe0; 32];
const PASSWORD: &str = "correct h\u{f6}rse";

/// The one that takes 64 MiB is for the unit tests.
const DEAR_KSF: u8 = 1;

struct Honest {
    secrets: ServerSecrets,
    alice: Username,
    key: SigningKey,
    server: Fingerprint,
    registered: RegisteredPassword,
    finish: RegisterFinish,
    proof: Proof,
}

static HONEST: LazyLock<Honest> = LazyLock::new(|| {
    let secrets = ServerSecrets::generate(&mut SeededRandom::new(1)).with_ksf(KsfId::DangerCheap);
    let alice = Username::parse("Alice").unwrap();
    let key = rsa3072_signing(0);
    let server = rsa3072_signing(1).verifying_key().fingerprint();
    let registered = register(&secrets, &mut Tape::default()).unwrap();
    let enc_key = rsa3072_decryption(1);
    let mut finish = RegisterFinish {
        record: registered.record,
        key_bag: Blob::new(vec![7; 3]).unwrap(),
        key_bag_version: 1,
        sig_key: Blob::new(key.verifying_key().spki_der().to_vec()).unwrap(),
        enc_key: Blob::new(enc_key.encryption_key().spki_der().to_vec()).unwrap(),
        enc_certificate: Blob::new(vec![8; 4]).unwrap(),
        invite: None,
        signature: Signature::default(),
    };
    sign_registration(&key, &CHANNEL, &alice, &mut finish);
    let device_key = DeviceKey::from_seed(Secret::from([0xd0; 32]));
    let proof = make_proof(&key, context(&alice, &server), [0xde; 16], &device_key);
    Honest {
        secrets,
        alice,
        key,
        server,
        registered,
        finish,
        proof,
    }
});

fn context<'a>(username: &'a Username, server: &'a Fingerprint) -> ProofContext<'a> {
    ProofContext {
        channel: &CHANNEL,
        nonce: &[0xa2; 32],
        username,
        server,
    }
}

/// What is changed, and how.
#[derive(Default)]
struct Tape<'a> {
    which: u8,
    way: u8,
    at: u16,
    bytes: &'a [u8],
    /// Something means something else than it did.
    tampered: bool,
}

impl Tape<'_> {
    fn over(&self, which: u8, honest: &[u8]) -> Vec<u8> {
        match self.which == which {
            true => changed(honest, self.way, self.at, self.bytes),
            false => honest.to_vec(),
        }
    }

    /// The client's message as it arrives, if it does.
    fn at_server(&mut self, which: u8, message: &LoginClientMessage) -> Option<LoginClientMessage> {
        let arrived = LoginClientMessage::decode(&self.over(which, &message.encode())).ok();
        self.tampered |= arrived.as_ref() != Some(message);
        arrived
    }

    fn at_client(&mut self, which: u8, message: &LoginServerMessage) -> Option<LoginServerMessage> {
        let arrived = LoginServerMessage::decode(&self.over(which, &message.encode())).ok();
        self.tampered |= arrived.as_ref() != Some(message);
        arrived
    }
}

/// Upper and lower case are one name.
fn is_alice(username: &Username) -> bool {
    username.key() == "alice"
}

/// Messages 1 and 2: what a client registers, if it comes so far.
fn register(secrets: &ServerSecrets, tape: &mut Tape<'_>) -> Option<RegisteredPassword> {
    let mut random = SeededRandom::new(2);
    let alice = Username::parse("Alice").unwrap();
    let password = Password::parse(PASSWORD).unwrap();
    let (client, start) = ClientRegistration::start(alice, password, &mut random).unwrap();
    let request = start.request;
    let sent = LoginClientMessage::RegisterStart(start);
    let Some(LoginClientMessage::RegisterStart(start)) = tape.at_server(1, &sent) else {
        return None;
    };
    if is_alice(&start.username) && start.request == request {
        tape.tampered = false;
    }
    let response = secrets.register_start(&start).ok()?;
    let sent = LoginServerMessage::RegisterResponse(response);
    match tape.at_client(2, &sent) {
        Some(LoginServerMessage::RegisterResponse(RegisterResponse { ksf: DEAR_KSF, .. })) => None,
        Some(LoginServerMessage::RegisterResponse(response)) => {
            client.finish(&response, &mut random).ok()
        }
        _ => None,
    }
}

/// Messages 3 to 5, with the password that is typed: what both ends come to.
fn login(
    secrets: &ServerSecrets,
    record: Option<&PasswordRecord>,
    password: Password,
    tape: &mut Tape<'_>,
) -> (Option<LoggedIn>, Option<Secret<64>>) {
    // Of the tape, so that no tape holds what an honest client would say: a fuzzer sees what it is compared with.
    let seed = tape.bytes.iter().fold(3_u64, |seed, byte| {
        (seed ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut random = SeededRandom::new(seed);
    let alice = Username::parse("Alice").unwrap();
    let (client, start) = ClientLogin::start(alice, password, &mut random).unwrap();
    let before = tape.tampered;
    let ke1 = start.ke1;
    let sent = LoginClientMessage::LoginStart(start);
    let Some(LoginClientMessage::LoginStart(start)) = tape.at_server(3, &sent) else {
        return (None, None);
    };
    if is_alice(&start.username) && start.ke1 == ke1 {
        tape.tampered = before;
    }
    let answered = secrets.login_start(&start, record, &CHANNEL, &mut random);
    let Ok((server, response)) = answered else {
        return (None, None);
    };
    let sent = LoginServerMessage::LoginResponse(response);
    let logged_in = match tape.at_client(4, &sent) {
        Some(LoginServerMessage::LoginResponse(LoginResponse { ksf: DEAR_KSF, .. })) => None,
        Some(LoginServerMessage::LoginResponse(response)) => {
            client.finish(&response, &CHANNEL, &mut random).ok()
        }
        _ => None,
    };
    // Who does not know the password may still say something.
    let ke3 = match &logged_in {
        Some(logged_in) => logged_in.finish.ke3,
        None => core::array::from_fn(|at| tape.bytes.get(at).copied().unwrap_or_default()),
    };
    let sent = LoginClientMessage::LoginFinish(LoginFinish { ke3 });
    let finished = match tape.at_server(5, &sent) {
        Some(LoginClientMessage::LoginFinish(finish)) => server.finish(&finish).ok(),
        _ => None,
    };
    (logged_in, finished)
}

/// The record that the server keeps, or a tape's; and whether it is the client's.
fn record(honest: &Honest, tape: &mut Tape<'_>) -> Option<PasswordRecord> {
    let record = match tape.which {
        1 | 2 => register(&honest.secrets, tape)?.record,
        6 => {
            let sent = LoginClientMessage::RegisterFinish(honest.finish.clone());
            let Some(LoginClientMessage::RegisterFinish(finish)) = tape.at_server(6, &sent) else {
                return None;
            };
            let verified = verify_registration(&CHANNEL, &honest.alice, &finish);
            assert_eq!(verified.is_ok(), !tape.tampered);
            tape.tampered = finish.record != honest.registered.record;
            finish.record
        }
        _ => honest.registered.record,
    };
    let record = honest.secrets.register_finish(record);
    assert!(record.is_ok() || tape.tampered);
    record.ok()
}

/// A proof that is not the one that was signed is none.
fn check_proof(honest: &Honest, tape: &mut Tape<'_>) {
    let sent = LoginClientMessage::Proof(honest.proof.clone());
    if let Some(LoginClientMessage::Proof(proof)) = tape.at_server(7, &sent) {
        let key = honest.key.verifying_key();
        let context = context(&honest.alice, &honest.server);
        let verified = verify_proof(Some(key), key, context, &proof);
        assert_eq!(verified.is_ok(), !tape.tampered);
    }
}

/// Checks one input: which message a tape is in (0: the password), how (see `change`; 4: nobody has
/// that name), the place (2), then the tape.
pub fn check(input: &[u8]) {
    let Some((&[which, way, high, low], bytes)) = input.split_first_chunk() else {
        return;
    };
    let honest = &*HONEST;
    let mut tape = Tape {
        which: which % 8,
        way,
        at: u16::from_be_bytes([high, low]),
        bytes,
        tampered: false,
    };
    if tape.which == 7 {
        return check_proof(honest, &mut tape);
    }
    let typed = tape.over(0, PASSWORD.as_bytes());
    let Ok(password) = Password::parse(&String::from_utf8_lossy(&typed)) else {
        return;
    };
    let expected = Password::parse(PASSWORD).unwrap();
    let knows = password.expose() == expected.expose();
    let Some(record) = record(honest, &mut tape) else {
        return assert!(tape.tampered);
    };
    let known = way & 4 == 0;
    let record = known.then_some(&record);
    let same_record = !tape.tampered;
    let (logged_in, finished) = login(&honest.secrets, record, password, &mut tape);
    let only_server_sees = tape.which == 5 && same_record;
    let gets_in = knows && known && !tape.tampered;
    assert_eq!(finished.is_some(), gets_in);
    assert_eq!(
        logged_in.is_some(),
        knows && known && (only_server_sees || !tape.tampered)
    );
    if let Some(logged_in) = logged_in {
        let registered = &honest.registered.export_key;
        assert!(logged_in.export_key.ct_eq(registered));
        assert!(finished.is_none_or(|key| key.ct_eq(&logged_in.session_key)));
    }
}
