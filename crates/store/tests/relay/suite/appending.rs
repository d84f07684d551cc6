use store::relay::{Append, Op, Outcome, Quota, RECENT_IDS_MAX, REFUSED_MAX, Refusal};

use crate::build::{Relay, account, append, id, message};

const FULL: Outcome = Outcome::Refused {
    reason: Refusal::MailboxFull,
    remembered: true,
};
const FULL_FOR_NOW: Outcome = Outcome::Refused {
    reason: Refusal::MailboxFull,
    remembered: false,
};
const NO_ROOM: Quota = Quota {
    messages: 0,
    bytes: 0,
};

pub(crate) fn a_batch_sees_its_own_operations(store: &mut impl Relay) {
    let batch = [
        Op::LoadAccount { name: "bob".into() },
        append(message("bob", 1)),
        Op::InsertAccount(Box::new(account("bob"))),
        Op::InsertAccount(Box::new(account("bob"))),
        append(message("bob", 2)),
        append(message("bob", 1)),
        append(message("bob", 1)),
        append(message("bob", 2)),
    ];
    let outcomes = store.commit(&batch).unwrap();
    let expected = [
        Outcome::Account(None),
        Outcome::Refused {
            reason: Refusal::NoSuchAccount,
            remembered: false,
        },
        Outcome::Inserted,
        Outcome::Taken,
        Outcome::Refused {
            reason: Refusal::Gap { expected: 1 },
            remembered: false,
        },
        Outcome::Stored { position: 1 },
        Outcome::Duplicate,
        Outcome::Stored { position: 2 },
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(store.commit(&[]).unwrap(), []);
}

pub(crate) fn h84_a_retry_is_one_message(store: &mut impl Relay) {
    store.add_account("bob");
    store.touch("bob", 2, 5);
    assert_eq!(store.send("bob", 1), Outcome::Stored { position: 1 });
    assert_eq!(store.send("bob", 1), Outcome::Duplicate);
    assert_eq!(store.positions("bob", 2), [1]);
    // Read and gone, and later ones stored: still known.
    store.acknowledge("bob", 2, 1);
    assert_eq!(store.send("bob", 2), Outcome::Stored { position: 2 });
    assert_eq!(store.send("bob", 1), Outcome::Duplicate);
    // A number is one message.
    assert_eq!(store.one(append(other("bob", 2))), gap(3));
    assert_eq!(store.positions("bob", 2), [2]);
}

/// Another message of the same number.
fn other(recipient: &str, sequence: u64) -> Append {
    Append {
        message_id: id(0xee),
        ..message(recipient, sequence)
    }
}

const fn gap(expected: u64) -> Outcome {
    Outcome::Refused {
        reason: Refusal::Gap { expected },
        remembered: false,
    }
}

pub(crate) fn h61_a_number_that_another_message_has_is_not_acknowledged(store: &mut impl Relay) {
    store.add_account("bob");
    let last = u64::try_from(RECENT_IDS_MAX).unwrap() + 2;
    for sequence in 1..=last {
        assert!(matches!(
            store.send("bob", sequence),
            Outcome::Stored { .. }
        ));
        assert_eq!(store.one(append(other("bob", sequence))), gap(sequence + 1));
    }
    // Of the oldest nobody knows it any more; retries of all are recognised.
    assert_eq!(store.one(append(other("bob", 2))), Outcome::Duplicate);
    assert_eq!(store.one(append(other("bob", 3))), gap(last + 1));
    for sequence in 1..=last {
        assert_eq!(store.send("bob", sequence), Outcome::Duplicate);
    }
}

pub(crate) fn a_gap_changes_nothing(store: &mut impl Relay) {
    store.add_account("bob");
    store.touch("bob", 2, 5);
    assert_eq!(store.send("bob", 0), gap(1));
    assert_eq!(store.send("bob", 2), gap(1));
    assert_eq!(store.send("bob", u64::MAX), gap(1));
    assert_eq!(store.send("bob", 1), Outcome::Stored { position: 1 });
    assert_eq!(store.send("bob", 0), gap(2));
    assert_eq!(store.send("bob", 3), gap(2));
    assert_eq!(store.positions("bob", 2), [1]);
}

pub(crate) fn sequences_are_counted_per_sender_device_and_conversation(store: &mut impl Relay) {
    store.add_account("bob");
    let first = message("bob", 1);
    assert_eq!(
        store.one(append(first.clone())),
        Outcome::Stored { position: 1 }
    );
    // Nobody counts in the place of another's device.
    let others = [
        Append {
            sender: "eve".into(),
            ..first.clone()
        },
        Append {
            sending_device: id(7),
            ..first.clone()
        },
        Append {
            conversation: id(7),
            ..first.clone()
        },
    ];
    for (other, position) in others.into_iter().zip(2..) {
        assert_eq!(
            store.one(append(other.clone())),
            Outcome::Stored { position }
        );
        assert_eq!(store.one(append(other)), Outcome::Duplicate);
    }
    assert_eq!(store.send("bob", 2), Outcome::Stored { position: 5 });
}

pub(crate) fn an_unknown_recipient_is_refused_and_not_remembered(store: &mut impl Relay) {
    let nobody = Outcome::Refused {
        reason: Refusal::NoSuchAccount,
        remembered: false,
    };
    assert_eq!(store.send("bob", 1), nobody);
    assert_eq!(store.send("bob", 5), nobody);
    store.add_account("bob");
    assert_eq!(store.send("bob", 1), Outcome::Stored { position: 1 });
}

pub(crate) fn h70_a_full_mailbox_refuses_and_remembers(store: &mut impl Relay) {
    store.add_account("bob");
    store.touch("bob", 2, 5);
    let quota = Quota {
        messages: 2,
        bytes: 1_000,
    };
    let send = |sequence| {
        append(Append {
            quota,
            ..message("bob", sequence)
        })
    };
    assert_eq!(store.one(send(1)), Outcome::Stored { position: 1 });
    assert_eq!(store.one(send(2)), Outcome::Stored { position: 2 });
    assert_eq!(store.one(send(3)), FULL);
    assert_eq!(store.one(send(4)), FULL);
    // Room again: what was refused stays refused, what is new is taken.
    store.acknowledge("bob", 2, 1);
    assert_eq!(store.one(send(3)), FULL);
    assert_eq!(store.one(send(5)), Outcome::Stored { position: 3 });
    assert_eq!(store.one(send(4)), FULL);
    assert_eq!(store.one(send(2)), Outcome::Duplicate);
    assert_eq!(store.positions("bob", 2), [2, 3]);
    // Bytes count as messages do, to the last one.
    store.acknowledge("bob", 2, 3);
    let of = |sequence, len: usize, bytes| {
        let quota = Quota { messages: 9, bytes };
        append(Append {
            quota,
            sealed: vec![7; len],
            ..message("bob", sequence)
        })
    };
    assert_eq!(store.one(of(6, 40, 100)), Outcome::Stored { position: 4 });
    assert_eq!(store.one(of(7, 61, 100)), FULL);
    assert_eq!(store.one(of(8, 60, 100)), Outcome::Stored { position: 5 });
    assert_eq!(store.one(of(9, 0, 100)), Outcome::Stored { position: 6 });
}

pub(crate) fn h70_a_tombstone_takes_a_refused_number(store: &mut impl Relay) {
    store.add_account("bob");
    store.touch("bob", 2, 5);
    assert_eq!(
        store.one(append(Append {
            quota: NO_ROOM,
            ..message("bob", 1)
        })),
        FULL
    );
    assert_eq!(store.send("bob", 2), Outcome::Stored { position: 1 });
    let tombstone = Append {
        message_id: id(0xee),
        ..message("bob", 1)
    };
    let early = Append {
        quota: NO_ROOM,
        ..tombstone.clone()
    };
    assert_eq!(store.one(append(early)), FULL_FOR_NOW);
    assert_eq!(store.send("bob", 1), FULL);
    assert_eq!(
        store.one(append(tombstone.clone())),
        Outcome::Stored { position: 2 }
    );
    assert_eq!(store.one(append(tombstone)), Outcome::Duplicate);
    assert_eq!(store.send("bob", 1), gap(3), "it is the tombstone's");
    assert_eq!(store.send("bob", 3), Outcome::Stored { position: 3 });
}

pub(crate) fn h70_a_refusal_that_is_not_remembered_can_be_retried(store: &mut impl Relay) {
    store.add_account("bob");
    let full = Append {
        quota: NO_ROOM,
        remember_full: false,
        ..message("bob", 1)
    };
    assert_eq!(store.one(append(full.clone())), FULL_FOR_NOW);
    assert_eq!(store.one(append(full)), FULL_FOR_NOW);
    assert_eq!(store.send("bob", 1), Outcome::Stored { position: 1 });
}

pub(crate) fn h70_refusals_are_bounded(store: &mut impl Relay) {
    store.add_account("bob");
    let refused = |sequence| {
        append(Append {
            quota: NO_ROOM,
            ..message("bob", sequence)
        })
    };
    let many = u64::try_from(REFUSED_MAX).unwrap();
    let batch: Vec<Op> = (1..=many).map(refused).collect();
    let outcomes = store.commit(&batch).unwrap();
    assert!(outcomes.iter().all(|outcome| *outcome == FULL));
    assert_eq!(store.one(refused(many + 1)), FULL_FOR_NOW);
    // That one is not used up: it comes next.
    assert_eq!(store.send("bob", many + 1), Outcome::Stored { position: 1 });
    assert_eq!(store.one(refused(1)), FULL);
}

pub(crate) fn positions_are_never_used_twice(store: &mut impl Relay) {
    store.add_account("bob");
    store.touch("bob", 1, 5);
    store.send("bob", 1);
    store.acknowledge("bob", 1, 1);
    assert_eq!(store.send("bob", 2), Outcome::Stored { position: 2 });
    store.one(Op::Expire {
        before_ms: u64::MAX,
        limit: 9,
    });
    assert_eq!(store.send("bob", 3), Outcome::Stored { position: 3 });
    assert_eq!(store.acknowledge("bob", 1, 3), [(3, true)]);
}
