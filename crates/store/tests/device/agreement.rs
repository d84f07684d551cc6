//! Random operations on both engines have the same outcomes, also when the file is opened anew.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use store::Store;
use store::device::{
    Contact, ContactState, Inbound, InboundState, MemoryStore, Op, Outbound, SqliteStore,
};

use crate::build::{
    ALL, contact, enqueue, id, inbound, origin, outbound, store_inbound, tombstone,
};

const INBOUND: [InboundState; 3] = [
    InboundState::Received,
    InboundState::Opened,
    InboundState::Unreadable,
];

/// Small ranges, so that operations meet, and now and then an extreme.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..12_u64, 1 => Just(u64::MAX), 1 => Just(i64::MAX.unsigned_abs() + 1)]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..3)
}

fn name() -> impl Strategy<Value = String> {
    select(vec!["alice", "bob", "eve"]).prop_map(str::to_owned)
}

fn message() -> impl Strategy<Value = Outbound> {
    (
        0..8_u8,
        prop_oneof![1..5_u64, number()],
        0..2_u8,
        number(),
        option::of(bytes()),
    )
        .prop_map(
            |(message, sequence, conversation, created_ms, display)| Outbound {
                conversation: id(conversation),
                created_ms,
                display,
                ..outbound(message, sequence)
            },
        )
}

fn on_outbox() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => message().prop_map(enqueue),
        2 => message().prop_map(tombstone),
        5 => (0..8_u8, select(ALL.to_vec()), option::of(name())).prop_map(
            |(message, state, reason)| Op::SetOutboxState {
                message_id: id(message),
                state,
                reason,
            }
        ),
        1 => (0..8_u8).prop_map(|message| Op::LoadOutbound { message_id: id(message) }),
        2 => (subsequence(ALL.to_vec(), 0..=4), number(), 0..5_u32)
            .prop_map(|(states, after, limit)| Op::ListOutbox { states, after, limit }),
        2 => (0..2_u8, number(), 0..5_u32).prop_map(|(conversation, from, limit)| {
            Op::ListConversation { conversation: id(conversation), from, limit }
        }),
        1 => (number(), 0..3_u32)
            .prop_map(|(before_ms, limit)| Op::PruneOutbox { before_ms, limit }),
        1 => (0..2_u8, 1..5_u64, bytes()).prop_map(|(conversation, sequence, state)| {
            Op::AdvanceConversation { conversation: id(conversation), sequence, state }
        }),
        1 => (0..2_u8).prop_map(|conversation| Op::LoadConversation {
            conversation: id(conversation),
        }),
    ]
}

fn on_inbox() -> impl Strategy<Value = Op> {
    let state = || select(INBOUND.to_vec());
    prop_oneof![
        4 => (number(), 0..4_u8, state(), number(), option::of(bytes())).prop_map(
            |(position, message, state, time_ms, display)| store_inbound(Inbound {
                message_id: id(message),
                state,
                time_ms,
                display,
                ..inbound(position)
            })
        ),
        4 => (number(), state(), option::of(bytes())).prop_map(|(position, state, display)| {
            Op::SetInboundState { position, state, display }
        }),
        2 => (state(), number(), 0..5_u32)
            .prop_map(|(state, after, limit)| Op::ListInbound { state, after, limit }),
        1 => (0..4_u8).prop_map(|message| Op::FindInbound { message_id: id(message) }),
        1 => (number(), 0..3_u32)
            .prop_map(|(before_ms, limit)| Op::PruneInbound { before_ms, limit }),
    ]
}

fn some_contact() -> impl Strategy<Value = Box<Contact>> {
    let states = vec![
        ContactState::Unverified,
        ContactState::Verified,
        ContactState::Quarantined,
        ContactState::Changed,
    ];
    (name(), 0..3_u8, select(states), number()).prop_map(|(name, key, state, pinned_ms)| {
        Box::new(Contact {
            state,
            pinned_ms,
            ..contact(&name, key)
        })
    })
}

fn on_the_rest() -> impl Strategy<Value = Op> {
    let state = || vec(0..2_u8, 0..2);
    prop_oneof![
        2 => some_contact().prop_map(Op::PinContact),
        2 => some_contact().prop_map(Op::UpdateContact),
        1 => name().prop_map(|name| Op::LoadContact { name }),
        1 => Just(Op::ListContacts),
        4 => (0..2_u8, option::of(state()), state()).prop_map(|(device, expected, state)| {
            Op::RecordSeen { origin: origin(device), expected, state }
        }),
        1 => (0..2_u8).prop_map(|device| Op::LoadSeen { origin: origin(device) }),
        1 => (name(), bytes()).prop_map(|(key, value)| Op::PutMeta { key, value }),
        1 => name().prop_map(|key| Op::LoadMeta { key }),
    ]
}

/// Everything that can be asked for.
fn questions() -> Vec<Op> {
    let mut ops = vec![
        Op::ListOutbox {
            states: ALL.to_vec(),
            after: 0,
            limit: 99,
        },
        Op::ListContacts,
    ];
    for state in INBOUND {
        ops.push(Op::ListInbound {
            state,
            after: 0,
            limit: 99,
        });
    }
    for byte in 0..4 {
        ops.push(Op::FindInbound {
            message_id: id(byte),
        });
        ops.push(Op::LoadConversation {
            conversation: id(byte),
        });
        ops.push(Op::LoadSeen {
            origin: origin(byte),
        });
    }
    for key in ["alice", "bob", "eve"] {
        ops.push(Op::LoadMeta { key: key.into() });
    }
    ops
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn engines_agree(
        batches in vec(
            (
                vec(prop_oneof![on_outbox(), on_inbox(), on_the_rest()], 0..20),
                prop::bool::weighted(0.2),
            ),
            1..12,
        )
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device.db");
        let mut memory = MemoryStore::default();
        let mut sqlite = SqliteStore::open(&path).unwrap();
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
