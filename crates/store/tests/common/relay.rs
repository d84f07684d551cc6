//! Numbered batches of the relay's schema.

use std::path::Path;

use store::relay::{Account, Append, Credentials, Op, Outcome, Quota, SqliteStore};
use store::{SqliteOptions, StoreError};

use super::{KEPT, Schema, value};

const DEVICE: [u8; 16] = [7; 16];

pub(crate) struct Relay;

impl Schema for Relay {
    const NAME: &'static str = "relay";
    type Store = SqliteStore;
    type Op = Op;
    type Outcome = Outcome;

    fn open_with(path: &Path, options: &SqliteOptions) -> Result<SqliteStore, StoreError> {
        SqliteStore::open_with(path, options)
    }

    fn preparation() -> Vec<Op> {
        let credentials = Credentials {
            opaque_record: vec![1; 192],
            key_bag: vec![2; 3000],
            key_bag_version: 1,
            key_bag_hash: [3; 32],
            sig_key: vec![4; 422],
            sig_fingerprint: [5; 32],
            enc_key: vec![6; 422],
            enc_fingerprint: [7; 32],
            enc_certificate: vec![8; 384],
        };
        let account = Account {
            name: "bob".into(),
            display_name: "Bob".into(),
            credentials,
            created_ms: 1,
            demo: true,
        };
        let touch = Op::TouchDevice {
            account: "bob".into(),
            device: DEVICE,
            device_key: [9; 32],
            now_ms: 1,
        };
        vec![Op::InsertAccount(Box::new(account)), touch]
    }

    fn batch(number: u64) -> Vec<Op> {
        let meta = |key: &str| Op::PutMeta {
            key: key.into(),
            value: number.to_be_bytes().to_vec(),
        };
        vec![
            meta("first"),
            Op::Append(Box::new(message(number))),
            Op::Acknowledge {
                account: "bob".into(),
                device: DEVICE,
                position: number.saturating_sub(KEPT),
            },
            meta("last"),
        ]
    }

    fn questions() -> Vec<Op> {
        vec![
            Op::LoadMeta {
                key: "first".into(),
            },
            Op::LoadMeta { key: "last".into() },
            Op::LoadAccount { name: "bob".into() },
            Op::ListDevices {
                account: "bob".into(),
            },
            Op::ReadAfter {
                account: "bob".into(),
                device: DEVICE,
                after: None,
                max_messages: u32::MAX,
                max_bytes: u64::MAX,
            },
        ]
    }

    fn is_new(outcomes: &[Outcome], number: u64) -> bool {
        match &outcomes[1] {
            Outcome::Stored { position } => {
                assert_eq!(*position, number);
                true
            }
            Outcome::Duplicate => false,
            other => panic!("{other:?}"),
        }
    }

    fn last(outcomes: &[Outcome]) -> u64 {
        let last = Self::meta(&outcomes[0]);
        assert_eq!(Self::meta(&outcomes[1]), last, "half a batch");
        match outcomes.last() {
            Some(Outcome::Entries(entries)) => {
                let first = last.saturating_sub(KEPT) + 1;
                assert_eq!(entries.len(), usize::try_from(last + 1 - first).unwrap());
                for (entry, number) in entries.iter().zip(first..) {
                    assert_eq!(entry.position, number);
                    assert_eq!(entry.sealed, message(number).sealed);
                }
            }
            Some(Outcome::NoSuchDevice) => assert_eq!(last, 0, "messages without a device"),
            other => panic!("{other:?}"),
        }
        last
    }

    fn sealed(number: u64) -> Vec<u8> {
        message(number).sealed
    }

    fn fill(number: u64, len: usize) -> Vec<Op> {
        let message = Append {
            sending_device: [3; 16],
            sequence: number,
            sealed: vec![7; len],
            ..message(number)
        };
        let key = "filled".into();
        let value = number.to_be_bytes().to_vec();
        vec![Op::PutMeta { key, value }, Op::Append(Box::new(message))]
    }

    fn filled() -> Op {
        let key = "filled".into();
        Op::LoadMeta { key }
    }

    fn meta(outcome: &Outcome) -> u64 {
        match outcome {
            Outcome::Meta(stored) => value(stored.as_deref()),
            other => panic!("{other:?}"),
        }
    }

    fn make_room(messages: u32) -> (Op, Outcome) {
        let expire = Op::Expire {
            before_ms: u64::MAX,
            limit: messages,
        };
        let outcome = Outcome::Expired {
            messages: u64::from(messages),
            notices: 0,
        };
        (expire, outcome)
    }
}

fn message(number: u64) -> Append {
    let mut message_id = [0; 16];
    message_id[..8].copy_from_slice(&number.to_be_bytes());
    // Some fit into a page, some take many.
    let len = usize::try_from(number % 5 * 9_000 + 100).unwrap();
    Append {
        recipient: "bob".into(),
        sender: "alice".into(),
        sending_device: [1; 16],
        conversation: [2; 16],
        sequence: number,
        message_id,
        sealed: number.to_be_bytes().into_iter().cycle().take(len).collect(),
        now_ms: number,
        quota: Quota {
            messages: 1_000_000,
            bytes: u64::MAX,
        },
        remember_full: true,
    }
}
