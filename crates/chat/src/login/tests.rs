use crypto::fixtures::{SeededRandom, rsa3072_decryption, rsa3072_signing};
use crypto::{DeviceKey, Fingerprint, Secret, Transcript, sha256};

use super::*;
use crate::Username;
use crate::message::{Blob, LoginFinish, LoginResponse, LoginStart, RegisterFinish, Signature};

mod throttle;

/// Test vectors of PROTOCOL.md §6.
const VECTORS: &str = include_str!("../vectors/login.txt");

const CHANNEL: [u8; 32] = [0xe0; 32];

fn name(typed: &str) -> Username {
    Username::parse(typed).unwrap()
}

fn password(typed: &str) -> Password {
    Password::parse(typed).unwrap()
}

fn secrets() -> ServerSecrets {
    ServerSecrets::generate(&mut SeededRandom::new(1)).with_ksf(KsfId::DangerCheap)
}

/// Registers `Alice` and gives her record and export key.
fn register(secrets: &ServerSecrets, typed: &str) -> (PasswordRecord, Secret<64>) {
    let mut random = SeededRandom::new(2);
    let (client, start) =
        ClientRegistration::start(name("Alice"), password(typed), &mut random).unwrap();
    let response = secrets.register_start(&start).unwrap();
    let registered = client.finish(&response, &mut random).unwrap();
    let record = secrets.register_finish(registered.record).unwrap();
    (record, registered.export_key)
}

fn client(typed_name: &str, typed: &str) -> (ClientLogin, LoginStart) {
    let mut random = SeededRandom::new(3);
    ClientLogin::start(name(typed_name), password(typed), &mut random).unwrap()
}

fn answer(
    secrets: &ServerSecrets,
    start: &LoginStart,
    record: Option<&PasswordRecord>,
) -> (ServerLogin, LoginResponse) {
    let mut random = SeededRandom::new(4);
    secrets
        .login_start(start, record, &CHANNEL, &mut random)
        .unwrap()
}

fn finish(
    client: ClientLogin,
    response: &LoginResponse,
    channel: &[u8; 32],
) -> Result<LoggedIn, LoginError> {
    client.finish(response, channel, &mut SeededRandom::new(5))
}

#[test]
fn a_login_agrees_on_keys_and_finds_the_export_key_again() {
    let secrets = secrets();
    let (record, export_key) = register(&secrets, "correct horse");
    // Another spelling of the name, after a restart of the server.
    let restarted = ServerSecrets::from_bytes(secrets.to_bytes().expose()).unwrap();
    let stored = PasswordRecord::from_stored(record.ksf().to_byte(), *record.as_bytes()).unwrap();
    let (client, start) = client("ALICE", "correct horse");
    let (server, response) = answer(&restarted, &start, Some(&stored));
    let logged_in = finish(client, &response, &CHANNEL).unwrap();
    let session_key = server.finish(&logged_in.finish).unwrap();
    assert!(logged_in.session_key.ct_eq(&session_key));
    assert!(logged_in.export_key.ct_eq(&export_key));
}

#[test]
fn the_real_stretching_works_end_to_end() {
    let secrets = ServerSecrets::generate(&mut SeededRandom::new(1));
    let (record, _) = register(&secrets, "correct horse");
    assert_eq!(record.ksf(), KsfId::Argon2id64MiB);
    let (client, start) = client("Alice", "correct horse");
    let (server, response) = answer(&secrets, &start, Some(&record));
    let logged_in = finish(client, &response, &CHANNEL).unwrap();
    assert!(server.finish(&logged_in.finish).is_ok());
}

#[test]
fn wrong_password_unknown_user_and_relayed_channel_are_one_error() {
    let secrets = secrets();
    let (record, _) = register(&secrets, "correct horse");

    let (wrong, start) = client("Alice", "wrong horse");
    let (_, response) = answer(&secrets, &start, Some(&record));
    assert_eq!(
        finish(wrong, &response, &CHANNEL).err(),
        Some(LoginError::Failed)
    );

    let (unknown, start) = client("Nobody", "correct horse");
    let (_, response) = answer(&secrets, &start, None);
    assert_eq!(
        finish(unknown, &response, &CHANNEL).err(),
        Some(LoginError::Failed)
    );

    let (relayed, start) = client("Alice", "correct horse");
    let (_, response) = answer(&secrets, &start, Some(&record));
    assert_eq!(
        finish(relayed, &response, &[0xe1; 32]).err(),
        Some(LoginError::Failed)
    );
}

#[test]
fn a_record_is_good_for_its_name_alone() {
    let secrets = secrets();
    let (record, _) = register(&secrets, "correct horse");
    let (client, start) = client("Bob", "correct horse");
    let (_, response) = answer(&secrets, &start, Some(&record));
    assert!(finish(client, &response, &CHANNEL).is_err());
}

#[test]
fn h49_unknown_names_answer_like_known_ones() {
    let secrets = secrets();
    let (record, _) = register(&secrets, "correct horse");
    let (_, alice) = client("Alice", "guess");
    let (_, nobody) = client("Nobody", "guess");
    for (start, record) in [(&alice, Some(&record)), (&nobody, None)] {
        let mut random = SeededRandom::new(6);
        let mut responses = Vec::new();
        for _ in 0..2 {
            let answered = secrets
                .login_start(start, record, &CHANNEL, &mut random)
                .unwrap();
            responses.push(answered.1);
        }
        assert_eq!(responses[0].ksf, responses[1].ksf);
        assert_eq!(responses[0].ksf, KsfId::DangerCheap.to_byte());
        // The evaluated element depends on name and request alone; all else is fresh.
        assert_eq!(responses[0].ke2[..32], responses[1].ke2[..32]);
        assert_ne!(responses[0].ke2[32..64], responses[1].ke2[32..64]);
        assert_ne!(responses[0].ke2[64..192], responses[1].ke2[64..192]);
    }
    // Whoever asks for the same element again, in another exchange, gets the same answer to it.
    for (start, record) in [(&alice, Some(&record)), (&nobody, None)] {
        let mut again = start.clone();
        again.ke1[32..64].fill(9);
        again.ke1.copy_within(..32, 64);
        let (_, first) = answer(&secrets, start, record);
        let (_, second) = answer(&secrets, &again, record);
        assert_eq!(first.ke2[..32], second.ke2[..32]);
    }
    // Nor does another name give the same element.
    let (_, known) = answer(&secrets, &alice, Some(&record));
    let renamed = LoginStart {
        username: name("Nobody"),
        ..alice
    };
    let (_, unknown) = answer(&secrets, &renamed, None);
    assert_ne!(known.ke2[..32], unknown.ke2[..32]);
}

#[test]
fn h51_a_client_stretches_neither_less_nor_more() {
    let secrets = secrets();
    let (record, _) = register(&secrets, "correct horse");
    for ksf in [0, 2, 100, 254] {
        let (client, start) = client("Alice", "correct horse");
        let (_, mut response) = answer(&secrets, &start, Some(&record));
        response.ksf = ksf;
        let error = finish(client, &response, &CHANNEL).err();
        assert_eq!(error, Some(LoginError::Ksf(UnknownKsf(ksf))));
    }
}

#[test]
fn h51_every_flipped_byte_of_an_answer_fails() {
    let secrets = secrets();
    let (record, _) = register(&secrets, "correct horse");
    for byte in 0..320 {
        let (client, start) = client("Alice", "correct horse");
        let (_, mut response) = answer(&secrets, &start, Some(&record));
        response.ke2[byte] ^= 1 << (byte % 8);
        assert!(finish(client, &response, &CHANNEL).is_err(), "byte {byte}");
    }
}

#[test]
fn h53_an_answer_finishes_its_own_login_alone() {
    let secrets = secrets();
    let (record, _) = register(&secrets, "correct horse");
    let (client, start) = client("Alice", "correct horse");
    let (first, response) = answer(&secrets, &start, Some(&record));
    let ke3 = finish(client, &response, &CHANNEL).unwrap().finish;
    let mut random = SeededRandom::new(7);
    let replayed = secrets.login_start(&start, Some(&record), &CHANNEL, &mut random);
    assert!(replayed.unwrap().0.finish(&ke3).is_err());
    let mut flipped = ke3.clone();
    flipped.ke3[63] ^= 1;
    let (again, _) = answer(&secrets, &start, Some(&record));
    assert!(again.finish(&flipped).is_err());
    assert!(
        again_is_same(&secrets, &start, &record)
            .finish(&ke3)
            .is_ok()
    );
    assert!(first.finish(&ke3).is_ok());
}

/// The same randomness gives the same login: what a test may do and a server must not.
fn again_is_same(
    secrets: &ServerSecrets,
    start: &LoginStart,
    record: &PasswordRecord,
) -> ServerLogin {
    answer(secrets, start, Some(record)).0
}

#[test]
fn nobody_finishes_the_login_of_an_unknown_name() {
    let secrets = secrets();
    let (_, start) = client("Nobody", "any");
    let (server, _) = answer(&secrets, &start, None);
    assert!(server.finish(&LoginFinish { ke3: [0; 64] }).is_err());
}

#[test]
fn h46_points_that_are_none_are_refused() {
    let secrets = secrets();
    let (record, _) = register(&secrets, "correct horse");
    // The identity, a negative (not canonical) one, and a number above the field's prime.
    let mut negative = [0; 32];
    negative[0] = 1;
    for point in [[0; 32], negative, [0xff; 32]] {
        for offset in [0, 64] {
            let (_, mut start) = client("Alice", "correct horse");
            start.ke1[offset..offset + 32].copy_from_slice(&point);
            let mut random = SeededRandom::new(8);
            let answered = secrets.login_start(&start, Some(&record), &CHANNEL, &mut random);
            assert!(answered.is_err(), "offset {offset}");
        }
        let mut broken = *record.as_bytes();
        broken[..32].copy_from_slice(&point);
        assert!(secrets.register_finish(broken).is_err());
    }
}

fn proof_context<'a>(username: &'a Username, server: &'a Fingerprint) -> ProofContext<'a> {
    ProofContext {
        channel: &CHANNEL,
        nonce: &[0xa2; 32],
        username,
        server,
    }
}

#[test]
fn h48_a_proof_is_good_for_its_login_alone() {
    let key = rsa3072_signing(0);
    let other = rsa3072_signing(1);
    let (known, decoy) = (key.verifying_key(), other.verifying_key());
    let device_key = DeviceKey::from_seed(Secret::from([0xd0; 32]));
    let (alice, bob) = (name("Alice"), name("Bob"));
    let (here, elsewhere) = (known.fingerprint(), decoy.fingerprint());
    let context = proof_context(&alice, &here);
    let proof = make_proof(&key, context, [0xde; 16], &device_key);
    assert!(verify_proof(Some(known), decoy, context, &proof).is_ok());
    let others = [
        ProofContext {
            channel: &[0; 32],
            ..context
        },
        ProofContext {
            nonce: &[0; 32],
            ..context
        },
        ProofContext {
            username: &bob,
            ..context
        },
        ProofContext {
            server: &elsewhere,
            ..context
        },
    ];
    for changed in others {
        assert!(verify_proof(Some(known), decoy, changed, &proof).is_err());
    }
    let mut changed = proof.clone();
    changed.device[0] ^= 1;
    assert!(verify_proof(Some(known), decoy, context, &changed).is_err());
    let mut changed = proof.clone();
    changed.device_key[0] ^= 1;
    assert!(verify_proof(Some(known), decoy, context, &changed).is_err());
    assert!(verify_proof(Some(decoy), known, context, &proof).is_err());
    // Without an account even a proof by the decoy key fails.
    assert!(verify_proof(None, known, context, &proof).is_err());
}

/// Whoever learns the secret of a client's exchange, but not the password, has nothing for another login.
#[test]
fn h48_a_leaked_ephemeral_key_makes_no_later_login() {
    let secrets = secrets();
    let (record, _) = register(&secrets, "correct horse");
    let (honest, start) = client("Alice", "correct horse");
    let (server, response) = answer(&secrets, &start, Some(&record));
    let ke3 = finish(honest, &response, &CHANNEL).unwrap().finish;
    assert!(server.finish(&ke3).is_ok());
    // The same randomness makes the same exchange key, under whatever password.
    let (_, guessed) = client("Alice", "wrong horse");
    assert_eq!(guessed.ke1[32..], start.ke1[32..], "nonce and key");
    assert_ne!(guessed.ke1[..32], start.ke1[..32]);
    let mut random = SeededRandom::new(9);
    for offered in [&start, &guessed] {
        let (thief, _) = client("Alice", "wrong horse");
        let later = secrets.login_start(offered, Some(&record), &CHANNEL, &mut random);
        let (later, response) = later.unwrap();
        assert!(finish(thief, &response, &CHANNEL).is_err());
        assert!(later.finish(&ke3).is_err());
    }
}

/// Whoever lets a client sign one thing has no signature of another.
#[test]
fn h48_what_is_signed_for_one_purpose_is_signed_for_no_other() {
    let key = rsa3072_signing(0);
    let decoy = rsa3072_signing(1);
    let (alice, here) = (name("Alice"), key.verifying_key().fingerprint());
    let context = proof_context(&alice, &here);
    let device_key = DeviceKey::from_seed(Secret::from([0xd0; 32]));
    let proof = make_proof(&key, context, [0xde; 16], &device_key);
    let mut finish = registration();
    let verify = |proof: &_| {
        verify_proof(
            Some(key.verifying_key()),
            decoy.verifying_key(),
            context,
            proof,
        )
    };
    let crossed = crate::message::Proof {
        signature: finish.signature.clone(),
        ..proof.clone()
    };
    assert!(verify(&proof).is_ok() && verify(&crossed).is_err());
    finish.signature = proof.signature.clone();
    assert!(verify_registration(&CHANNEL, &alice, &finish).is_err());
    // Nor with the same fields: the purpose is under the signature (docs/PROTOCOL.md §6.5, §6.6).
    let proved = |purpose| {
        (Transcript::new(purpose)
            .field(&CHANNEL)
            .field(context.nonce))
        .field(alice.key().as_bytes())
        .field(here.as_bytes())
        .field(key.verifying_key().fingerprint().as_bytes())
        .field(&proof.device)
        .field(&proof.device_key)
        .bytes()
    };
    let is_signed = |purpose| (key.verifying_key()).verify(&proved(purpose), &proof.signature);
    assert!(is_signed("client-proof").is_ok() && is_signed("registration").is_err());
    finish.signature = registration().signature;
    let registered = |purpose| {
        (Transcript::new(purpose).field(&CHANNEL))
            .field(alice.display().as_bytes())
            .field(&finish.record)
            .field(&sha256(&finish.key_bag))
            .u64(finish.key_bag_version)
            .field(&finish.sig_key)
            .field(&finish.enc_key)
            .field(&finish.enc_certificate)
            .field(finish.invite.as_deref().unwrap_or_default())
            .bytes()
    };
    let is_signed = |purpose| (key.verifying_key()).verify(&registered(purpose), &finish.signature);
    assert!(is_signed("registration").is_ok() && is_signed("client-proof").is_err());
}

fn registration() -> RegisterFinish {
    let sig_key = rsa3072_signing(0);
    let enc_key = rsa3072_decryption(1);
    let mut finish = RegisterFinish {
        record: [6; 192],
        key_bag: Blob::new(vec![7; 3]).unwrap(),
        key_bag_version: 1,
        sig_key: Blob::new(sig_key.verifying_key().spki_der().to_vec()).unwrap(),
        enc_key: Blob::new(enc_key.encryption_key().spki_der().to_vec()).unwrap(),
        enc_certificate: Blob::new(vec![8; 4]).unwrap(),
        invite: None,
        signature: Signature::default(),
    };
    sign_registration(&sig_key, &CHANNEL, &name("Alice"), &mut finish);
    finish
}

#[test]
fn a_registration_is_signed_as_a_whole() {
    let alice = name("Alice");
    let verify = |finish: &RegisterFinish| verify_registration(&CHANNEL, &alice, finish);
    let good = registration();
    let keys = verify(&good).unwrap();
    assert_eq!(keys.sig_key.spki_der(), &good.sig_key[..]);
    assert_eq!(keys.enc_key.spki_der(), &good.enc_key[..]);
    assert!(verify_registration(&[0; 32], &alice, &good).is_err());
    assert!(verify_registration(&CHANNEL, &name("Bob"), &good).is_err());
    let changes: [fn(&mut RegisterFinish); 8] = [
        |finish| finish.record[0] ^= 1,
        |finish| finish.key_bag = Blob::new(vec![7; 4]).unwrap(),
        |finish| finish.key_bag_version = 2,
        |finish| finish.enc_key = finish.sig_key.clone(),
        |finish| finish.sig_key = finish.enc_key.clone(),
        |finish| finish.enc_certificate = Blob::default(),
        |finish| finish.invite = Some(Blob::new(vec![1]).unwrap()),
        |finish| finish.signature = Signature::default(),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut changed = good.clone();
        change(&mut changed);
        assert!(verify(&changed).is_err(), "change {index}");
    }
}

#[test]
fn login_work_is_bound_to_what_it_is_for() {
    use crate::message::LoginWork;
    use crate::puzzle::Refusal;
    let alice = name("Alice");
    let work = LoginWork {
        difficulty: 14,
        nonce: [1; 16],
    };
    let answer = solve_login_work(&work, &CHANNEL, &alice, b"ke1").unwrap();
    assert!(verify_login_work(&work, &CHANNEL, &alice, b"ke1", &answer));
    assert!(!verify_login_work(&work, &[0; 32], &alice, b"ke1", &answer));
    assert!(!verify_login_work(
        &work,
        &CHANNEL,
        &name("Bob"),
        b"ke1",
        &answer
    ));
    assert!(!verify_login_work(&work, &CHANNEL, &alice, b"ke2", &answer));
    let fresh = LoginWork {
        nonce: [2; 16],
        ..work
    };
    assert!(!verify_login_work(
        &fresh, &CHANNEL, &alice, b"ke1", &answer
    ));
    let dear = LoginWork {
        difficulty: 21,
        ..work
    };
    let refused = solve_login_work(&dear, &CHANNEL, &alice, b"ke1");
    assert_eq!(refused, Err(Refusal::TooHard(21)));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn vectors() {
    let secrets = secrets();
    let (record, export_key) = register(&secrets, "correct horse");
    let (client, start) = client("Alice", "correct horse");
    let (server, response) = answer(&secrets, &start, Some(&record));
    let logged_in = finish(client, &response, &CHANNEL).unwrap();
    let session_key = server.finish(&logged_in.finish).unwrap();
    let work = crate::message::LoginWork {
        difficulty: 8,
        nonce: [1; 16],
    };
    let solution = solve_login_work(&work, &CHANNEL, &name("Alice"), &start.ke1).unwrap();
    let key = rsa3072_signing(0);
    let server_key = rsa3072_signing(2).verifying_key().fingerprint();
    let proof = Transcript::new("client-proof")
        .field(&CHANNEL)
        .field(&[0xa2; 32])
        .field(b"alice")
        .field(server_key.as_bytes())
        .field(key.verifying_key().fingerprint().as_bytes())
        .field(&[0xde; 16])
        .field(&[0xd0; 32])
        .bytes();
    let file = secrets.to_bytes();
    let context = suite::context(&CHANNEL);
    let fields: [(&str, &[u8]); 12] = [
        ("E", &CHANNEL),
        ("context", &context),
        ("server secrets", file.expose()),
        ("record of Alice, correct horse, KSF 255", record.as_bytes()),
        ("export key", export_key.expose()),
        ("KE1", &start.ke1),
        ("KE2", &response.ke2),
        ("KE3", &logged_in.finish.ke3),
        ("session key", session_key.expose()),
        (
            "work of difficulty 8, nonce 01 x 16, solution",
            &solution.solution,
        ),
        ("client-proof transcript", &proof),
        ("its SHA-256", &sha256(&proof)),
    ];
    let lines: String = fields
        .iter()
        .map(|(what, bytes)| format!("{what}: {}\n", hex(bytes)))
        .collect();
    assert!(lines == VECTORS, "it is now:\n{lines}");
}
