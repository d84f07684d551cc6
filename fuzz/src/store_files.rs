//! A store's files, written over or cut off: a changed byte is noticed or changes nothing, and whatever the files
//! hold, the store says the same twice or says why it does not open.
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use store::relay::{self, Account, Append, Credentials, Quota};
use store::{Store, StoreError, device};

const BATCHES: u8 = 4;
const ME: [u8; 16] = [7; 16];
/// More changes than that find nothing that these do not.
const CHANGES_MAX: usize = 16;

/// A schema: how its store is opened, filled and asked for all that it holds.
trait Kind {
    type Outcome: PartialEq + core::fmt::Debug;
    type Store: Store<Outcome = Self::Outcome>;

    fn open(path: &Path) -> Result<Self::Store, StoreError>;
    fn batch(number: u8) -> Vec<<Self::Store as Store>::Op>;
    fn questions() -> Vec<<Self::Store as Store>::Op>;
}

struct Relay;
struct Device;

/// What was written, and what it answers.
struct Image<O> {
    /// The database that a clean end leaves.
    closed: Vec<u8>,
    /// The database and the log beside it that a crash leaves.
    crashed: (Vec<u8>, Vec<u8>),
    /// The answers after each batch, from none to all.
    answers: Vec<Vec<O>>,
}

static RELAY: LazyLock<Image<relay::Outcome>> = LazyLock::new(image::<Relay>);
static DEVICE: LazyLock<Image<device::Outcome>> = LazyLock::new(image::<Device>);

/// Checks one input: which schema (1), whether its log is there too and is what changes (2), then for each
/// change the offset (3), modulo the length, and what is added to the byte there; 0 cuts the file off.
pub fn check(input: &[u8]) {
    let Some((&choice, changes)) = input.split_first() else {
        return;
    };
    let in_log = choice & 2 != 0;
    if choice & 1 == 0 {
        try_changes::<Relay>(&RELAY, in_log, changes);
    } else {
        try_changes::<Device>(&DEVICE, in_log, changes);
    }
}

fn try_changes<K: Kind>(image: &Image<K::Outcome>, in_log: bool, changes: &[u8]) {
    let (mut database, mut log) = match in_log {
        true => image.crashed.clone(),
        false => (image.closed.clone(), Vec::new()),
    };
    let file = if in_log { &mut log } else { &mut database };
    let honest = file.clone();
    let mut touched = BTreeSet::new();
    for &[high, middle, low, add] in changes.as_chunks().0.iter().take(CHANGES_MAX) {
        let offset = u32::from_be_bytes([0, high, middle, low]) as usize % file.len().max(1);
        match file.get_mut(offset) {
            Some(byte) if add != 0 => {
                *byte = byte.wrapping_add(add);
                touched.insert(offset);
            }
            _ => file.truncate(offset),
        }
    }
    let differs = |&&offset: &&usize| file.get(offset).is_some_and(|byte| *byte != honest[offset]);
    let changed = touched.iter().filter(differs).count();
    let cut = file.len() < honest.len();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.db");
    fs::write(&path, &database).unwrap();
    fs::write(folder.path().join("some.db-wal"), &log).unwrap();
    let all = image.answers.last().unwrap();
    let answers = match ask::<K>(&path) {
        Ok(answers) => answers,
        Err(error) => {
            assert!(
                changed > 0 || cut,
                "what was written does not open: {error}"
            );
            return;
        }
    };
    if in_log {
        // Its checksums are chained: what was changed is the end of it.
        assert!(image.answers.contains(&answers), "batches by half");
    } else if changed <= 1 && !cut {
        assert_eq!(&answers, all, "a changed byte was not noticed");
    }
    // Nor did opening it do harm.
    assert_eq!(ask::<K>(&path).unwrap(), answers);
}

fn ask<K: Kind>(path: &Path) -> Result<Vec<K::Outcome>, StoreError> {
    K::open(path)?.commit(&K::questions())
}

fn image<K: Kind>() -> Image<K::Outcome> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.db");
    let mut store = K::open(&path).unwrap();
    let mut answers = vec![store.commit(&K::questions()).unwrap()];
    for number in 1..=BATCHES {
        store.commit(&K::batch(number)).unwrap();
        answers.push(store.commit(&K::questions()).unwrap());
    }
    let log = fs::read(folder.path().join("some.db-wal")).unwrap();
    let crashed = (fs::read(&path).unwrap(), log);
    drop(store);
    Image {
        closed: fs::read(&path).unwrap(),
        crashed,
        answers,
    }
}

impl Kind for Relay {
    type Outcome = relay::Outcome;
    type Store = relay::SqliteStore;

    fn open(path: &Path) -> Result<Self::Store, StoreError> {
        relay::SqliteStore::open(path)
    }

    fn batch(number: u8) -> Vec<relay::Op> {
        let credentials = Credentials {
            opaque_record: vec![1; 192],
            key_bag: vec![2; 300],
            key_bag_version: 1,
            key_bag_hash: [3; 32],
            sig_key: vec![4; 42],
            sig_fingerprint: [5; 32],
            enc_key: vec![6; 42],
            enc_fingerprint: [7; 32],
            enc_certificate: vec![8; 38],
        };
        let account = Account {
            name: "bob".into(),
            display_name: "Bob".into(),
            credentials,
            created_ms: 1,
            demo: false,
        };
        let message = Append {
            recipient: "bob".into(),
            sender: "alice".into(),
            sending_device: [1; 16],
            conversation: [2; 16],
            sequence: number.into(),
            message_id: [number; 16],
            sealed: vec![number; 200 + 2_000 * usize::from(number % 2)],
            now_ms: number.into(),
            quota: Quota {
                messages: 100,
                bytes: 1 << 20,
            },
            remember_full: true,
        };
        vec![
            relay::Op::InsertAccount(Box::new(account)),
            relay::Op::TouchDevice {
                account: "bob".into(),
                device: ME,
                device_key: [9; 32],
                now_ms: number.into(),
            },
            relay::Op::Append(Box::new(message)),
            relay::Op::PutMeta {
                key: "last".into(),
                value: vec![number],
            },
        ]
    }

    fn questions() -> Vec<relay::Op> {
        vec![
            relay::Op::LoadMeta { key: "last".into() },
            relay::Op::LoadAccount { name: "bob".into() },
            relay::Op::ListDevices {
                account: "bob".into(),
            },
            relay::Op::ReadAfter {
                account: "bob".into(),
                device: ME,
                after: None,
                max_messages: u32::MAX,
                max_bytes: u64::MAX,
            },
        ]
    }
}

impl Kind for Device {
    type Outcome = device::Outcome;
    type Store = device::SqliteStore;

    fn open(path: &Path) -> Result<Self::Store, StoreError> {
        device::SqliteStore::open(path)
    }

    fn batch(number: u8) -> Vec<device::Op> {
        let written = device::Outbound {
            conversation: [2; 16],
            sequence: number.into(),
            message_id: [number; 16],
            recipient: "alice".into(),
            sealed: vec![number; 300],
            display: Some(vec![number; 20]),
            created_ms: number.into(),
        };
        let arrived = device::Inbound {
            position: number.into(),
            sender: "alice".into(),
            message_id: [100 + number; 16],
            sealed: vec![number; 2_300],
            time_ms: number.into(),
            state: device::InboundState::Received,
            display: None,
        };
        let contact = device::Contact {
            name: format!("friend {number}"),
            display_name: format!("Friend {number}"),
            sig_fingerprint: [number; 32],
            enc_fingerprint: [number + 1; 32],
            pin: vec![number; 80],
            state: device::ContactState::Unverified,
            pinned_ms: number.into(),
        };
        vec![
            device::Op::Enqueue {
                message: Box::new(written),
                state: vec![number; 9],
            },
            device::Op::StoreInbound(Box::new(arrived)),
            device::Op::PinContact(Box::new(contact)),
            device::Op::PutMeta {
                key: "last".into(),
                value: vec![number],
            },
        ]
    }

    fn questions() -> Vec<device::Op> {
        vec![
            device::Op::LoadMeta { key: "last".into() },
            device::Op::ListOutbox {
                states: vec![device::OutboxState::Queued],
                after: 0,
                limit: u32::MAX,
            },
            device::Op::ListInbound {
                state: device::InboundState::Received,
                after: 0,
                limit: u32::MAX,
            },
            device::Op::ListContacts,
            device::Op::LoadConversation {
                conversation: [2; 16],
            },
        ]
    }
}
