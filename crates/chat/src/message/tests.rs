use codec::DecodeError;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::Username;

/// Test vectors of PROTOCOL.md §6 and §7: a message's name, then its bytes.
const VECTORS: &str = include_str!("../vectors/messages.txt");

fn name(typed: &str) -> Username {
    Username::parse(typed).unwrap()
}

fn blob<const MAX: usize>(byte: u8, length: usize) -> Blob<MAX> {
    Blob::new(vec![byte; length]).unwrap()
}

fn head() -> ManifestHead {
    ManifestHead {
        version: 7,
        issued_ms: 1_795_000_000_000,
        count: 1,
        root: [0x14; 32],
        signature: blob(0x15, 8),
    }
}

fn part() -> ManifestPart {
    let entry = ManifestEntry {
        user: name("Alice"),
        sig_fingerprint: [0x16; 32],
        enc_fingerprint: [0x17; 32],
        key_bag_version: 1,
        key_bag_hash: [0x18; 32],
    };
    ManifestPart {
        entries: vec![entry].try_into().unwrap(),
    }
}

fn login_client_samples() -> Vec<LoginClientMessage> {
    let register = RegisterFinish {
        record: [0x06; 192],
        key_bag: blob(0x07, 3),
        key_bag_version: 1,
        sig_key: blob(0x08, 4),
        enc_key: blob(0x09, 5),
        enc_certificate: blob(0x0a, 6),
        invite: None,
        signature: blob(0x0b, 7),
    };
    let invited = RegisterFinish {
        invite: Some(blob(0x0c, 2)),
        ..register.clone()
    };
    vec![
        LoginStart {
            username: name("Alice"),
            ke1: [0x01; 96],
        }
        .into(),
        LoginWorkSolution {
            solution: [0x02; 32],
        }
        .into(),
        LoginFinish { ke3: [0x03; 64] }.into(),
        Proof {
            device: [0x04; 16],
            device_key: [0x05; 32],
            signature: blob(0x06, 8),
        }
        .into(),
        RegisterStart {
            username: name("Ren\u{e9}"),
            request: [0x05; 32],
        }
        .into(),
        register.into(),
        invited.into(),
    ]
}

fn login_server_samples() -> Vec<LoginServerMessage> {
    let credentials = Credentials {
        key_bag: blob(0x0d, 3),
        key_bag_version: 300,
        sig_key: blob(0x0e, 4),
        enc_key: blob(0x0f, 5),
        enc_certificate: blob(0x10, 6),
        nonce: [0x11; 32],
    };
    vec![
        LoginWork {
            difficulty: 16,
            nonce: [0x0c; 16],
        }
        .into(),
        LoginResponse {
            ksf: 1,
            ke2: [0x0d; 320],
        }
        .into(),
        credentials.into(),
        head().into(),
        part().into(),
        RegisterResponse {
            ksf: 1,
            response: [0x12; 64],
        }
        .into(),
        Registered {}.into(),
        Failure::new(FailureCode::LoginFailed, "login failed").into(),
    ]
}

fn session_client_samples() -> Vec<SessionClientMessage> {
    let send = Send {
        message_id: [0x21; 16],
        to: name("Alice"),
        conversation: [0x22; 16],
        sequence: 70_000,
        sealed: blob(0x23, 300),
    };
    let notify = vec![NotifyId([0x24; 16]), NotifyId([0x25; 16])];
    vec![
        ListOnline { request: 1 }.into(),
        Lookup {
            request: 2,
            name: name("Bob"),
        }
        .into(),
        send.into(),
        Acknowledge {
            position: 1 << 40,
            notify: notify.try_into().unwrap(),
        }
        .into(),
        ManifestRequest {
            request: 3,
            have_version: 0,
        }
        .into(),
        ReadMore { after: 23 }.into(),
    ]
}

fn session_server_samples() -> Vec<SessionServerMessage> {
    let account = Account {
        request: 2,
        name: name("Bob"),
        sig_key: blob(0x26, 4),
        enc_key: blob(0x27, 5),
        enc_certificate: blob(0x28, 6),
    };
    let users = vec![name("Alice"), name("Bob")].try_into().unwrap();
    let refused = |refusal| Refused {
        message_id: [0x21; 16],
        refusal,
    };
    let deliver = Deliver {
        position: 5,
        from: name("Alice"),
        message_id: [0x29; 16],
        sealed: blob(0x2a, 24),
        time_ms: 1_795_000_000_000,
    };
    vec![
        Online {
            request: 1,
            users,
            more: false,
        }
        .into(),
        account.into(),
        NoSuchUser { request: 2 }.into(),
        Stored {
            message_id: [0x21; 16],
        }
        .into(),
        refused(Refusal::NoSuchUser).into(),
        refused(Refusal::Gap { expected: 4 }).into(),
        deliver.into(),
        Delivered {
            message_id: [0x21; 16],
            by: name("Bob"),
        }
        .into(),
        head().into(),
        part().into(),
        ManifestUnchanged { request: 3 }.into(),
        Closing {
            code: ClosingCode::Shutdown,
            reason: Text::truncated("restart"),
        }
        .into(),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks what holds for every message, and returns its line among the vectors.
macro_rules! check {
    ($enum:ty, $message:expr) => {{
        let bytes = $message.encode();
        assert_eq!(<$enum>::decode(&bytes).as_ref(), Ok(&$message));
        for end in 0..bytes.len() {
            assert!(
                <$enum>::decode(&bytes[..end]).is_err(),
                "cut to {end}: {:?}",
                $message
            );
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(<$enum>::decode(&longer), Err(DecodeError::Trailing));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(other) = <$enum>::decode(&flipped) {
                assert_eq!(other.encode(), flipped, "a second encoding of {other:?}");
            }
        }
        let debug = format!("{:?}", $message);
        let variant = debug.split('(').next().unwrap_or_default();
        format!("{variant} {}\n", hex(&bytes))
    }};
}

#[test]
fn h02_h08_every_message_has_its_golden_bytes_and_neither_fewer_nor_others() {
    let mut lines = String::new();
    for message in login_client_samples() {
        lines += &check!(LoginClientMessage, message);
    }
    for message in login_server_samples() {
        lines += &check!(LoginServerMessage, message);
    }
    for message in session_client_samples() {
        lines += &check!(SessionClientMessage, message);
    }
    for message in session_server_samples() {
        lines += &check!(SessionServerMessage, message);
    }
    assert!(
        lines == VECTORS,
        "the encoding differs from the vectors; it is now:\n{lines}"
    );
}

#[test]
fn types_of_the_other_side_or_port_are_unknown() {
    let bytes = SessionServerMessage::from(NoSuchUser { request: 2 }).encode();
    assert_eq!(
        SessionClientMessage::decode(&bytes),
        Err(DecodeError::Unknown)
    );
    assert_eq!(
        LoginClientMessage::decode(&bytes),
        Err(DecodeError::Unknown)
    );
    assert_eq!(
        LoginServerMessage::decode(&bytes),
        Err(DecodeError::Unknown)
    );
    assert_eq!(
        SessionServerMessage::decode(&[]),
        Err(DecodeError::Truncated)
    );
}

#[test]
fn h08_other_spellings_of_a_body_are_refused() {
    let decode = |bytes: &[u8]| SessionClientMessage::decode(bytes);
    assert!(decode(&[0x21, 0xa1, 0x00, 0x05]).is_ok());
    let cases: [(&str, &[u8]); 9] = [
        ("a longer number", &[0x21, 0xa1, 0x00, 0x18, 0x05]),
        ("a longer key", &[0x21, 0xa1, 0x18, 0x00, 0x05]),
        ("an indefinite map", &[0x21, 0xbf, 0x00, 0x05, 0xff]),
        ("an array", &[0x21, 0x81, 0x05]),
        ("an unknown key", &[0x21, 0xa2, 0x00, 0x05, 0x01, 0x05]),
        ("a key twice", &[0x21, 0xa2, 0x00, 0x05, 0x00, 0x05]),
        ("a tag", &[0x21, 0xa1, 0x00, 0xc1, 0x05]),
        ("null", &[0x21, 0xa1, 0x00, 0xf6]),
        ("a missing key", &[0x21, 0xa0]),
    ];
    for (what, bytes) in cases {
        assert!(decode(bytes).is_err(), "{what}");
    }
    // Keys out of order: {1: 3, 0: 2} for {0: 2, 1: 3}.
    assert!(decode(&[0x25, 0xa2, 0x00, 0x02, 0x01, 0x03]).is_ok());
    assert!(decode(&[0x25, 0xa2, 0x01, 0x03, 0x00, 0x02]).is_err());
    // A full-width letter is not how the name travels.
    let mut lookup = SessionClientMessage::from(Lookup {
        request: 1,
        name: name("abc"),
    })
    .encode();
    let end = lookup.len() - 3;
    lookup[end..].copy_from_slice("\u{ff21}".as_bytes());
    assert_eq!(decode(&lookup), Err(DecodeError::Invalid));
}

#[test]
fn deep_or_wide_claims_are_refused_without_work() {
    // A million nested arrays under an unknown key.
    let mut deep = vec![0x21, 0xa1, 0x09];
    deep.resize(1_000_000, 0x81);
    assert_eq!(
        SessionClientMessage::decode(&deep),
        Err(DecodeError::Invalid)
    );
    // A list that claims 2^60 elements, and a map that claims 2^63.
    let wide = [
        0x24, 0xa2, 0x00, 0x01, 0x01, 0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0,
    ];
    assert!(SessionClientMessage::decode(&wide).is_err());
    let map = [0x24, 0xbb, 0x80, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(
        SessionClientMessage::decode(&map),
        Err(DecodeError::TooLong)
    );
}

#[test]
fn limits_are_enforced() {
    let notify = |count| {
        let mut bytes = vec![0x24, 0xa2, 0x00, 0x01, 0x01, 0x99];
        bytes.extend_from_slice(&u16::to_be_bytes(count));
        for _ in 0..count {
            bytes.push(0x50);
            bytes.extend_from_slice(&[7; 16]);
        }
        SessionClientMessage::decode(&bytes)
    };
    assert!(notify(256).is_ok());
    assert_eq!(notify(257), Err(DecodeError::TooLong));
    assert!(Sealed::new(vec![0; limits::SEALED_LEN_MAX]).is_ok());
    assert_eq!(
        Sealed::new(vec![0; limits::SEALED_LEN_MAX + 1]),
        Err(AboveLimit)
    );
    let oversized = vec![0x01; limits::LOGIN_MESSAGE_LEN_MAX + 1];
    assert_eq!(
        LoginClientMessage::decode(&oversized),
        Err(DecodeError::TooLong)
    );
}

#[test]
fn the_largest_messages_fit_the_transport() {
    let long = name(&"a".repeat(64));
    let deliver = SessionServerMessage::from(Deliver {
        position: u64::MAX,
        from: long.clone(),
        message_id: [0xff; 16],
        sealed: blob(0xff, limits::SEALED_LEN_MAX),
        time_ms: u64::MAX,
    });
    assert!(deliver.encode().len() <= limits::MESSAGE_LEN_MAX);
    let entry = ManifestEntry {
        user: long,
        key_bag_version: u64::MAX,
        ..part().entries[0].clone()
    };
    let entries = vec![entry; limits::MANIFEST_PART_ENTRIES_MAX]
        .try_into()
        .unwrap();
    assert!(
        LoginServerMessage::from(ManifestPart { entries })
            .encode()
            .len()
            <= 64 * 1024
    );
    let register = LoginClientMessage::from(RegisterFinish {
        record: [0xff; 192],
        key_bag: blob(0xff, limits::KEY_BAG_LEN_MAX),
        key_bag_version: u64::MAX,
        sig_key: blob(0xff, limits::PUBLIC_KEY_LEN_MAX),
        enc_key: blob(0xff, limits::PUBLIC_KEY_LEN_MAX),
        enc_certificate: blob(0xff, limits::CERTIFICATE_LEN_MAX),
        invite: Some(blob(0xff, limits::INVITE_LEN_MAX)),
        signature: blob(0xff, limits::SIGNATURE_LEN_MAX),
    });
    assert!(register.encode().len() <= limits::LOGIN_MESSAGE_LEN_MAX);
}

#[test]
fn reasons_are_cut_at_a_character() {
    let reason = Reason::truncated(&"\u{20ac}".repeat(100));
    assert_eq!(reason.len(), 255);
}

prop_compose! {
    fn any_name()(typed in "[a-zA-Z0-9\u{e9}]{1,20}") -> Username {
        name(&typed)
    }
}

fn any_blob<const MAX: usize>() -> impl Strategy<Value = Blob<MAX>> {
    vec(any::<u8>(), 0..MAX.min(400)).prop_map(|bytes| Blob::new(bytes).unwrap())
}

fn any_refusal() -> impl Strategy<Value = Refusal> {
    prop_oneof![
        Just(Refusal::NoSuchUser),
        Just(Refusal::MailboxFull),
        any::<u64>().prop_map(|expected| Refusal::Gap { expected }),
        Just(Refusal::TooLong),
        Just(Refusal::RateLimited),
    ]
}

proptest! {
    #[test]
    fn decode_of_encode_is_the_identity(
        number in any::<u64>(), other in any::<u64>(), id in any::<[u8; 16]>(),
        username in any_name(), sealed in any_blob(), key in any_blob(), certificate in any_blob(),
        invite in proptest::option::of(any_blob()), signature in any_blob(), key_bag in any_blob(),
        refusal in any_refusal(), ids in vec(any::<[u8; 16]>(), 0..=256),
        users in vec(any_name(), 0..40), reason in "\\PC{0,60}",
    ) {
        let register = LoginClientMessage::from(RegisterFinish {
            record: [number as u8; 192], key_bag, key_bag_version: number, sig_key: key.clone(),
            enc_key: key.clone(), enc_certificate: certificate.clone(), invite,
            signature: signature.clone(),
        });
        prop_assert_eq!(LoginClientMessage::decode(&register.encode()), Ok(register));
        let failure = LoginServerMessage::from(Failure::new(FailureCode::Busy, &reason));
        prop_assert_eq!(LoginServerMessage::decode(&failure.encode()), Ok(failure));
        let notify = ids.into_iter().map(NotifyId).collect::<Vec<_>>().try_into().unwrap();
        let from_client: [SessionClientMessage; 3] = [
            Send {
                message_id: id, to: username.clone(), conversation: id, sequence: other,
                sealed: sealed.clone(),
            }.into(),
            Acknowledge { position: number, notify }.into(),
            ManifestRequest { request: number, have_version: other }.into(),
        ];
        for message in from_client {
            prop_assert_eq!(SessionClientMessage::decode(&message.encode()), Ok(message));
        }
        let from_server: [SessionServerMessage; 4] = [
            Online { request: number, users: users.try_into().unwrap(), more: true }.into(),
            Account {
                request: other, name: username.clone(), sig_key: key.clone(), enc_key: key,
                enc_certificate: certificate,
            }.into(),
            Refused { message_id: id, refusal }.into(),
            Deliver { position: number, from: username, message_id: id, sealed, time_ms: other }
                .into(),
        ];
        for message in from_server {
            prop_assert_eq!(SessionServerMessage::decode(&message.encode()), Ok(message));
        }
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(bytes in vec(any::<u8>(), 0..64)) {
        for kind in 0..0x40 {
            let mut message = vec![kind];
            message.extend_from_slice(&bytes);
            if let Ok(decoded) = SessionClientMessage::decode(&message) {
                prop_assert_eq!(decoded.encode(), &message[..]);
            }
            if let Ok(decoded) = SessionServerMessage::decode(&message) {
                prop_assert_eq!(decoded.encode(), &message[..]);
            }
        }
    }
}
