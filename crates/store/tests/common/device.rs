//! Numbered batches of the schema of a client.

use std::path::Path;

use store::device::{Inbound, InboundState, Op, Outbound, OutboxState, Outcome, SqliteStore};
use store::{SqliteOptions, StoreError};

use super::{KEPT, Schema, value};

const ALL: [OutboxState; 4] = [
    OutboxState::Queued,
    OutboxState::Stored,
    OutboxState::Delivered,
    OutboxState::Failed,
];

pub(crate) struct Device;

impl Schema for Device {
    const NAME: &'static str = "device";
    type Store = SqliteStore;
    type Op = Op;
    type Outcome = Outcome;

    fn open_with(path: &Path, options: &SqliteOptions) -> Result<SqliteStore, StoreError> {
        SqliteStore::open_with(path, options)
    }

    fn preparation() -> Vec<Op> {
        Vec::new()
    }

    fn batch(number: u64) -> Vec<Op> {
        let mut batch = sent(number, Self::sealed(number)).to_vec();
        batch.splice(0..0, [put("first", number)]);
        let before_ms = number.saturating_sub(KEPT) + 1;
        batch.extend([
            Op::StoreInbound(Box::new(inbound(number))),
            Op::PruneOutbox {
                before_ms,
                limit: 9,
            },
            Op::PruneInbound {
                before_ms,
                limit: 9,
            },
            put("last", number),
        ]);
        batch
    }

    fn questions() -> Vec<Op> {
        let load = |key: &str| Op::LoadMeta { key: key.into() };
        let conversation = CONVERSATION;
        vec![
            load("first"),
            load("last"),
            Op::LoadConversation { conversation },
            Op::ListOutbox {
                states: ALL.to_vec(),
                after: 0,
                limit: u32::MAX,
            },
            Op::ListInbound {
                state: InboundState::Opened,
                after: 0,
                limit: u32::MAX,
            },
        ]
    }

    fn is_new(outcomes: &[Outcome], number: u64) -> bool {
        match (&outcomes[1], &outcomes[3]) {
            (Outcome::Enqueued { number: place }, Outcome::Kept) => {
                assert_eq!(*place, number);
                true
            }
            (Outcome::IdTaken, Outcome::KeptBefore) => false,
            other => panic!("{other:?}"),
        }
    }

    fn last(outcomes: &[Outcome]) -> u64 {
        let last = Self::meta(&outcomes[0]);
        assert_eq!(Self::meta(&outcomes[1]), last, "half a batch");
        let [
            _,
            _,
            Outcome::Conversation(sent),
            Outcome::Outbox(outbox),
            Outcome::Inbox(inbox),
        ] = outcomes
        else {
            panic!("{outcomes:?}");
        };
        let next = sent.as_ref().map_or(1, |sent| sent.next_sequence);
        assert_eq!(next, last + 1, "half a batch");
        let numbers = last.saturating_sub(KEPT) + 1..=last;
        assert!(outbox.iter().map(|entry| entry.number).eq(numbers.clone()));
        for entry in outbox {
            assert_eq!(entry.state, OutboxState::Stored);
            assert_eq!(
                entry.message,
                outbound(entry.number, Self::sealed(entry.number))
            );
        }
        assert!(inbox.iter().cloned().eq(numbers.map(inbound)));
        last
    }

    fn sealed(number: u64) -> Vec<u8> {
        // Some fit into a page, some take many.
        let len = usize::try_from(number % 5 * 9_000 + 100).unwrap();
        number.to_be_bytes().into_iter().cycle().take(len).collect()
    }

    fn fill(number: u64, len: usize) -> Vec<Op> {
        let mut batch = sent(number, vec![7; len]).to_vec();
        batch.push(put("filled", number));
        batch
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
        let prune = Op::PruneOutbox {
            before_ms: u64::MAX,
            limit: messages,
        };
        (prune, Outcome::Pruned(u64::from(messages)))
    }
}

const CONVERSATION: [u8; 16] = [2; 16];

fn put(key: &str, number: u64) -> Op {
    Op::PutMeta {
        key: key.into(),
        value: number.to_be_bytes().to_vec(),
    }
}

/// Queues a message, and notes that the server has it.
fn sent(number: u64, sealed: Vec<u8>) -> [Op; 2] {
    let message = outbound(number, sealed);
    let message_id = message.message_id;
    let state = number.to_be_bytes().to_vec();
    let enqueue = Op::Enqueue {
        message: Box::new(message),
        state,
    };
    let stored = Op::SetOutboxState {
        message_id,
        state: OutboxState::Stored,
        reason: None,
    };
    [enqueue, stored]
}

fn id(number: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    id
}

fn outbound(number: u64, sealed: Vec<u8>) -> Outbound {
    Outbound {
        conversation: CONVERSATION,
        sequence: number,
        message_id: id(number),
        recipient: "bob".into(),
        sealed,
        display: Some(number.to_be_bytes().to_vec()),
        created_ms: number,
    }
}

fn inbound(number: u64) -> Inbound {
    Inbound {
        position: number,
        sender: "bob".into(),
        message_id: id(number),
        sealed: Device::sealed(number + 1),
        time_ms: number,
        state: InboundState::Opened,
        display: None,
    }
}
