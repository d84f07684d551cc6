//! Random operations on both engines have the same outcomes, also when the file is opened anew.

use proptest::collection::vec;
use proptest::prelude::*;
use store::Store;
use store::relay::{Account, Append, MemoryStore, Notice, Op, Quota, SqliteStore};

use crate::build::{account, append, credentials, id, message, read_after};

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["alice", "bob", "eve"]).prop_map(str::to_owned)
}

/// Small ranges, so that operations meet, and now and then an extreme.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..12_u64, 1 => Just(u64::MAX), 1 => Just(i64::MAX.unsigned_abs() + 1)]
}

fn any_append() -> impl Strategy<Value = Op> {
    let place = (name(), name(), 0..2_u8, 0..2_u8);
    let sequence = prop_oneof![9 => 1..5_u64, 1 => number()];
    let content = (sequence, 0..6_u8, 0..40_usize, number(), any::<bool>());
    let quota = (0..6_u64, 0..120_u64);
    (place, content, quota).prop_map(
        |(
            (to, sender, device, conversation),
            (sequence, message_id, len, now_ms, remember),
            quota,
        )| {
            Op::Append(Box::new(Append {
                sender,
                sending_device: id(device),
                conversation: id(conversation),
                message_id: id(message_id),
                sealed: vec![message_id; len],
                now_ms,
                quota: Quota {
                    messages: quota.0,
                    bytes: quota.1,
                },
                remember_full: remember,
                ..message(&to, sequence)
            }))
        },
    )
}

fn on_accounts() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (name(), any::<bool>(), number()).prop_map(|(name, demo, created_ms)| {
            Op::InsertAccount(Box::new(Account { demo, created_ms, ..account(&name) }))
        }),
        1 => (name(), name(), vec(any::<u8>(), 0..4)).prop_map(|(name, key, value)| {
            let account = Box::new(account(&name));
            Op::InsertAccountAndMeta { account, key, value }
        }),
        2 => name().prop_map(|name| Op::LoadAccount { name }),
        1 => (prop::option::of(name()), 0..4_u32)
            .prop_map(|(after, limit)| Op::ListAccounts { after, limit }),
        1 => Just(Op::CountDemoAccounts),
        1 => (name(), 0..3_u64, 0..3_u64).prop_map(|(name, expected_version, version)| {
            let credentials = Box::new(credentials(version));
            Op::ReplaceCredentials { name, expected_version, credentials }
        }),
        1 => name().prop_map(|name| Op::DeleteAccount { name }),
    ]
}

fn on_devices() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (name(), 0..20_u8, number()).prop_map(|(account, device, now_ms)| Op::TouchDevice {
            account,
            device: id(device),
            device_key: [device; 32],
            now_ms,
        }),
        1 => name().prop_map(|account| Op::ListDevices { account }),
        1 => (name(), 0..3_u8, prop::option::of(number())).prop_map(
            |(account, device, seen_before_ms)| Op::RemoveDevice {
                account,
                device: id(device),
                seen_before_ms,
            }
        ),
        1 => (name(), 0..3_u8, number()).prop_map(|(account, device, now_ms)| Op::SeeDevice {
            account,
            device: id(device),
            now_ms,
        }),
        3 => (name(), 0..3_u8, prop::option::of(number()), 0..5_u32, 0..200_u64)
            .prop_map(|(name, device, after, messages, bytes)| {
                read_after(&name, device, after, messages, bytes)
            }),
        3 => (name(), 0..3_u8, number()).prop_map(|(account, device, position)| {
            Op::Acknowledge { account, device: id(device), position }
        }),
    ]
}

fn on_the_rest() -> impl Strategy<Value = Op> {
    prop_oneof![
        (number(), 0..4_u32).prop_map(|(before_ms, limit)| Op::Expire { before_ms, limit }),
        (name(), 0..3_u8, 0..6_u8, any::<u8>(), name(), number()).prop_map(
            |(account, device, message, kind, by, time_ms)| Op::PutNotice {
                account,
                device: id(device),
                notice: Notice {
                    message_id: id(message),
                    kind,
                    by,
                    time_ms
                },
            }
        ),
        (name(), 0..3_u8, 0..5_u32).prop_map(|(account, device, limit)| Op::LoadNotices {
            account,
            device: id(device),
            limit
        }),
        (name(), 0..3_u8, vec((0..6_u8).prop_map(id), 0..4)).prop_map(
            |(account, device, message_ids)| Op::DeleteNotices {
                account,
                device: id(device),
                message_ids,
            }
        ),
        (name(), vec(any::<u8>(), 0..4)).prop_map(|(key, value)| Op::PutMeta { key, value }),
        name().prop_map(|key| Op::LoadMeta { key }),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![5 => any_append(), 3 => on_accounts(), 5 => on_devices(), 2 => on_the_rest()]
}

/// Accounts and devices to begin with: most operations need some. Messages too, more than quotas
/// admit, so that one acknowledgement passes many.
fn preparation() -> Vec<Op> {
    let mut ops = Vec::new();
    for name in ["alice", "bob"] {
        ops.push(Op::InsertAccount(Box::new(account(name))));
        ops.extend((0..2).map(|device| Op::TouchDevice {
            account: name.into(),
            device: id(device),
            device_key: [device; 32],
            now_ms: 0,
        }));
    }
    for sequence in 1..=12 {
        ops.push(append(Append {
            conversation: id(9),
            ..message("alice", sequence)
        }));
    }
    ops
}

/// Everything that can be asked for.
fn questions() -> Vec<Op> {
    let mut ops = vec![
        Op::ListAccounts {
            after: None,
            limit: 9,
        },
        Op::CountDemoAccounts,
    ];
    for name in ["alice", "bob", "eve"] {
        ops.push(Op::LoadAccount { name: name.into() });
        ops.push(Op::ListDevices {
            account: name.into(),
        });
        ops.push(Op::LoadMeta { key: name.into() });
        for device in 0..20 {
            ops.push(read_after(name, device, None, 99, u64::MAX));
            ops.push(Op::LoadNotices {
                account: name.into(),
                device: id(device),
                limit: 99,
            });
        }
    }
    ops
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn engines_agree(batches in vec((vec(op(), 0..20), prop::bool::weighted(0.2)), 1..12)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("relay.db");
        let mut memory = MemoryStore::default();
        let mut sqlite = SqliteStore::open(&path).unwrap();
        let batches = std::iter::once((preparation(), false)).chain(batches);
        for (batch, reopen) in batches {
            let outcomes = sqlite.commit(&batch).unwrap();
            prop_assert_eq!(memory.commit(&batch).unwrap(), outcomes);
            if reopen {
                drop(sqlite);
                sqlite = SqliteStore::open(&path).unwrap();
            }
        }
        let questions = questions();
        prop_assert_eq!(memory.commit(&questions).unwrap(), sqlite.commit(&questions).unwrap());
    }
}
