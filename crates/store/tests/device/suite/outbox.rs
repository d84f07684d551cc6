use store::device::{Conversation, Op, Outbound, OutboundEntry, OutboxState, Outcome};

use crate::build::{ALL, Device, enqueue, entries, id, outbound, tombstone};

const CONFLICT_1: Outcome = Outcome::SequenceConflict { expected: 1 };
const CONFLICT_2: Outcome = Outcome::SequenceConflict { expected: 2 };

pub(crate) fn messages_are_queued_in_order(store: &mut impl Device) {
    // The order is that of queueing, not of ids, conversations or times.
    let elsewhere = Outbound {
        conversation: id(0xaa),
        created_ms: 0,
        ..outbound(3, 1)
    };
    for (message, number) in [outbound(9, 1), elsewhere.clone(), outbound(1, 2)]
        .into_iter()
        .zip(1..)
    {
        assert_eq!(store.one(enqueue(message)), Outcome::Enqueued { number });
    }
    let list = Op::ListOutbox {
        states: vec![OutboxState::Queued],
        after: 0,
        limit: 9,
    };
    let expected: Vec<OutboundEntry> = [outbound(9, 1), elsewhere, outbound(1, 2)]
        .into_iter()
        .zip(1..)
        .map(|(message, number)| OutboundEntry {
            number,
            message,
            state: OutboxState::Queued,
            reason: None,
        })
        .collect();
    assert_eq!(store.one(list), Outcome::Outbox(expected.clone()));
    let load = |message| Op::LoadOutbound {
        message_id: id(message),
    };
    let found = Outcome::OutboundEntry(Some(Box::new(expected[1].clone())));
    assert_eq!(store.one(load(3)), found);
    assert_eq!(store.one(load(77)), Outcome::OutboundEntry(None));
    let conversation = Op::LoadConversation {
        conversation: id(0xcc),
    };
    let advanced = Conversation {
        next_sequence: 3,
        state: vec![1; 41],
    };
    assert_eq!(
        store.one(conversation),
        Outcome::Conversation(Some(advanced))
    );
}

pub(crate) fn a_sequence_is_used_once(store: &mut impl Device) {
    let load = || Op::LoadConversation {
        conversation: id(0xcc),
    };
    assert_eq!(store.one(load()), Outcome::Conversation(None));
    for wrong in [0, 2, u64::MAX] {
        assert_eq!(store.one(enqueue(outbound(1, wrong))), CONFLICT_1);
    }
    assert_eq!(store.one(load()), Outcome::Conversation(None));
    assert_eq!(
        store.one(enqueue(outbound(1, 1))),
        Outcome::Enqueued { number: 1 }
    );
    assert_eq!(store.one(enqueue(outbound(2, 1))), CONFLICT_2);
    assert_eq!(store.outbox(&ALL), [1]);
    let advance = |sequence| Op::AdvanceConversation {
        conversation: id(0xcc),
        sequence,
        state: vec![7],
    };
    assert_eq!(store.one(advance(1)), CONFLICT_2);
    assert_eq!(store.one(advance(2)), Outcome::Done);
    let advanced = Conversation {
        next_sequence: 3,
        state: vec![7],
    };
    assert_eq!(store.one(load()), Outcome::Conversation(Some(advanced)));
    assert_eq!(
        store.one(enqueue(outbound(2, 3))),
        Outcome::Enqueued { number: 2 }
    );
}

pub(crate) fn a_message_id_is_used_once(store: &mut impl Device) {
    store.one(enqueue(outbound(1, 1)));
    assert_eq!(store.one(enqueue(outbound(1, 2))), Outcome::IdTaken);
    let elsewhere = Outbound {
        conversation: id(0xaa),
        ..outbound(1, 1)
    };
    assert_eq!(store.one(enqueue(elsewhere)), Outcome::IdTaken);
    assert_eq!(store.one(tombstone(outbound(1, 1))), Outcome::IdTaken);
    assert_eq!(
        store.one(enqueue(outbound(2, 2))),
        Outcome::Enqueued { number: 2 }
    );
}

pub(crate) fn a_state_only_moves_forward(store: &mut impl Device) {
    use OutboxState::{Delivered, Failed, Queued, Stored};
    let now = Outcome::OutboxState;
    for (message, sequence) in [(1, 1), (2, 2), (3, 3)] {
        store.one(enqueue(outbound(message, sequence)));
    }
    for (state, then) in [
        (Queued, Queued),
        (Stored, Stored),
        (Queued, Stored),
        (Failed, Stored),
        (Delivered, Delivered),
        (Stored, Delivered),
        (Failed, Delivered),
    ] {
        assert_eq!(store.set(1, state), now(then));
    }
    // The word of the delivery can overtake the word of the storage.
    assert_eq!(store.set(2, Delivered), now(Delivered));
    let fail = Op::SetOutboxState {
        message_id: id(3),
        state: Failed,
        reason: Some("mailbox full".into()),
    };
    assert_eq!(store.one(fail), now(Failed));
    for state in [Queued, Stored, Delivered] {
        assert_eq!(store.set(3, state), now(Failed));
    }
    let Outcome::OutboundEntry(Some(entry)) = store.one(Op::LoadOutbound { message_id: id(3) })
    else {
        panic!("no entry");
    };
    assert_eq!(entry.reason.as_deref(), Some("mailbox full"));
    assert_eq!(entry.message, outbound(3, 3));
    assert_eq!(store.set(77, Stored), Outcome::NoSuchMessage);
}

pub(crate) fn the_outbox_is_listed_by_state_and_paged(store: &mut impl Device) {
    use OutboxState::{Failed, Queued, Stored};
    for message in 1..=5 {
        store.one(enqueue(outbound(message, u64::from(message))));
    }
    store.set(2, Stored);
    store.set(4, Failed);
    assert_eq!(store.outbox(&[Queued]), [1, 3, 5]);
    assert_eq!(store.outbox(&[Failed, Stored, Failed]), [2, 4]);
    assert_eq!(store.outbox(&ALL), [1, 2, 3, 4, 5]);
    assert_eq!(store.outbox(&[]), [0; 0]);
    let page = |after, limit| Op::ListOutbox {
        states: vec![Queued],
        after,
        limit,
    };
    let numbers =
        |outcome| -> Vec<u64> { entries(outcome).iter().map(|entry| entry.number).collect() };
    assert_eq!(numbers(store.one(page(0, 2))), [1, 3]);
    assert_eq!(numbers(store.one(page(3, 2))), [5]);
    assert_eq!(numbers(store.one(page(u64::MAX, 2))), [0; 0]);
    assert_eq!(numbers(store.one(page(0, 0))), [0; 0]);
}

pub(crate) fn a_tombstone_takes_the_number_of_a_failed_message(store: &mut impl Device) {
    assert_eq!(store.one(tombstone(outbound(9, 1))), CONFLICT_1);
    store.one(enqueue(outbound(1, 1)));
    assert_eq!(store.one(tombstone(outbound(9, 1))), CONFLICT_2);
    store.set(1, OutboxState::Failed);
    let elsewhere = Outbound {
        conversation: id(0xaa),
        ..outbound(9, 1)
    };
    assert_eq!(store.one(tombstone(elsewhere)), CONFLICT_1);
    assert_eq!(
        store.one(tombstone(outbound(9, 1))),
        Outcome::Enqueued { number: 2 }
    );
    assert_eq!(store.one(tombstone(outbound(8, 1))), CONFLICT_2);
    assert_eq!(store.outbox(&[OutboxState::Queued]), [9]);
    // It advances nothing, and when it fails too another may try.
    assert_eq!(
        store.one(enqueue(outbound(2, 2))),
        Outcome::Enqueued { number: 3 }
    );
    store.set(9, OutboxState::Failed);
    assert_eq!(
        store.one(tombstone(outbound(8, 1))),
        Outcome::Enqueued { number: 4 }
    );
    // In place of the one before; what somebody wrote stays.
    assert_eq!(store.outbox(&ALL), [1, 2, 8]);
    assert_eq!(store.outbox(&[OutboxState::Failed]), [1]);
}

pub(crate) fn a_conversation_is_listed_by_sequence_with_the_newest_in_each_place(
    store: &mut impl Device,
) {
    for message in 1..=4 {
        store.one(enqueue(outbound(message, u64::from(message))));
    }
    store.one(enqueue(Outbound {
        conversation: id(0xaa),
        ..outbound(7, 1)
    }));
    store.set(1, OutboxState::Delivered);
    store.set(2, OutboxState::Failed);
    store.one(tombstone(outbound(9, 2)));
    store.set(3, OutboxState::Failed);
    let list = |from, limit| Op::ListConversation {
        conversation: id(0xcc),
        from,
        limit,
    };
    let listed = |outcome| -> Vec<u8> {
        let entries = entries(outcome);
        let ids = entries.iter().map(|entry| entry.message.message_id[0]);
        ids.collect()
    };
    assert_eq!(listed(store.one(list(0, 9))), [1, 9, 3, 4]);
    assert_eq!(listed(store.one(list(2, 2))), [9, 3]);
    assert_eq!(listed(store.one(list(3, 9))), [3, 4]);
    assert_eq!(listed(store.one(list(5, 9))), [0; 0]);
    assert_eq!(listed(store.one(list(u64::MAX, 9))), [0; 0]);
    let nobody = Op::ListConversation {
        conversation: id(1),
        from: 0,
        limit: 9,
    };
    assert_eq!(store.one(nobody), Outcome::Outbox(Vec::new()));
    // Whole messages, as everywhere.
    let four = entries(store.one(list(4, 1))).remove(0);
    assert_eq!((four.number, four.message), (4, outbound(4, 4)));
}

pub(crate) fn a_failed_message_stays_until_the_server_has_what_is_behind_it(
    store: &mut impl Device,
) {
    let prune = || Op::PruneOutbox {
        before_ms: u64::MAX,
        limit: 9,
    };
    for message in 1..=3 {
        store.one(enqueue(outbound(message, u64::from(message))));
    }
    store.set(1, OutboxState::Failed);
    store.set(2, OutboxState::Failed);
    assert_eq!(store.one(prune()), Outcome::Pruned(0));
    // One in its own place counts, and passes nothing behind it.
    store.one(tombstone(outbound(9, 1)));
    store.set(9, OutboxState::Stored);
    assert_eq!(store.one(prune()), Outcome::Pruned(2));
    assert_eq!(store.outbox(&ALL), [2, 3]);
    // That of another conversation does not.
    store.one(enqueue(Outbound {
        conversation: id(0xaa),
        ..outbound(7, 1)
    }));
    store.set(7, OutboxState::Stored);
    assert_eq!(store.one(prune()), Outcome::Pruned(1));
    store.set(3, OutboxState::Delivered);
    assert_eq!(store.one(prune()), Outcome::Pruned(2));
    assert_eq!(store.outbox(&ALL), [0; 0]);
}

pub(crate) fn finished_messages_are_pruned_and_queued_ones_kept(store: &mut impl Device) {
    for message in 1..=5 {
        store.one(enqueue(outbound(message, u64::from(message))));
    }
    for message in [2, 3, 4, 5] {
        store.set(message, OutboxState::Stored);
    }
    let prune = |before_ms, limit| Op::PruneOutbox { before_ms, limit };
    assert_eq!(store.one(prune(20, 9)), Outcome::Pruned(0));
    assert_eq!(store.one(prune(50, 2)), Outcome::Pruned(2));
    assert_eq!(store.outbox(&ALL), [1, 4, 5]);
    assert_eq!(store.one(prune(50, 9)), Outcome::Pruned(1));
    assert_eq!(store.outbox(&ALL), [1, 5]);
    // What is forgotten is not counted anew.
    assert_eq!(
        store.one(enqueue(outbound(2, 2))),
        Outcome::SequenceConflict { expected: 6 }
    );
}

pub(crate) fn outbox_numbers_are_never_used_twice(store: &mut impl Device) {
    store.one(enqueue(outbound(1, 1)));
    store.set(1, OutboxState::Delivered);
    store.one(Op::PruneOutbox {
        before_ms: u64::MAX,
        limit: 9,
    });
    assert_eq!(
        store.one(enqueue(outbound(1, 2))),
        Outcome::Enqueued { number: 2 }
    );
}
