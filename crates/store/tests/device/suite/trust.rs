use store::device::{
    Contact, ContactState, Conversation, Inbound, InboundState, Op, Origin, Outbound, Outcome,
};

use crate::build::{Device, contact, enqueue, id, inbound, origin, outbound, store_inbound};

fn load(name: &str) -> Op {
    Op::LoadContact { name: name.into() }
}

pub(crate) fn a_contact_is_pinned_once(store: &mut impl Device) {
    assert_eq!(store.one(load("bob")), Outcome::Contact(None));
    let pin = |key| Op::PinContact(Box::new(contact("bob", key)));
    assert_eq!(store.one(pin(1)), Outcome::Pinned);
    let before = Outcome::PinnedBefore(Box::new(contact("bob", 1)));
    assert_eq!(store.one(pin(2)), before);
    assert_eq!(
        store.one(load("bob")),
        Outcome::Contact(Some(Box::new(contact("bob", 1))))
    );
    assert_eq!(store.one(load("Bob")), Outcome::Contact(None));
}

pub(crate) fn a_pinned_contact_is_updated(store: &mut impl Device) {
    let update = |contact| Op::UpdateContact(Box::new(contact));
    assert_eq!(store.one(update(contact("bob", 1))), Outcome::NoSuchContact);
    store.one(Op::PinContact(Box::new(contact("bob", 1))));
    for state in [
        ContactState::Verified,
        ContactState::Changed,
        ContactState::Quarantined,
        ContactState::Unverified,
    ] {
        let changed = Contact {
            state,
            ..contact("bob", 2)
        };
        assert_eq!(store.one(update(changed.clone())), Outcome::Done);
        assert_eq!(
            store.one(load("bob")),
            Outcome::Contact(Some(Box::new(changed)))
        );
    }
}

pub(crate) fn contacts_are_listed_in_order(store: &mut impl Device) {
    assert_eq!(store.one(Op::ListContacts), Outcome::Contacts(vec![]));
    for name in ["bob", "émile", "alice"] {
        store.one(Op::PinContact(Box::new(contact(name, 1))));
    }
    let expected = ["alice", "bob", "émile"]
        .map(|name| contact(name, 1))
        .to_vec();
    assert_eq!(store.one(Op::ListContacts), Outcome::Contacts(expected));
}

fn record(origin: Origin, expected: Option<&[u8]>, state: &[u8]) -> Op {
    Op::RecordSeen {
        origin,
        expected: expected.map(<[u8]>::to_vec),
        state: state.to_vec(),
    }
}

pub(crate) fn seen_is_compared_and_swapped(store: &mut impl Device) {
    let conflict = |current: Option<&[u8]>| Outcome::SeenConflict {
        current: current.map(<[u8]>::to_vec),
    };
    let load = |origin| Op::LoadSeen { origin };
    assert_eq!(store.one(load(origin(1))), Outcome::Seen(None));
    assert_eq!(
        store.one(record(origin(1), Some(b""), b"1")),
        conflict(None)
    );
    assert_eq!(store.one(record(origin(1), None, b"1")), Outcome::Done);
    assert_eq!(
        store.one(record(origin(1), None, b"2")),
        conflict(Some(b"1"))
    );
    assert_eq!(
        store.one(record(origin(1), Some(b"1"), b"2")),
        Outcome::Done
    );
    assert_eq!(
        store.one(load(origin(1))),
        Outcome::Seen(Some(b"2".to_vec()))
    );
    // Another key, device or conversation is another origin.
    let others = [
        Origin {
            sender_key: [9; 32],
            ..origin(1)
        },
        origin(2),
        Origin {
            conversation: id(9),
            ..origin(1)
        },
    ];
    for other in others {
        assert_eq!(store.one(load(other)), Outcome::Seen(None));
    }
}

pub(crate) fn opening_and_seeing_are_one_commit(store: &mut impl Device) {
    store.one(store_inbound(inbound(1)));
    let batch = [
        record(origin(1), None, b"state"),
        Op::SetInboundState {
            position: 1,
            state: InboundState::Opened,
            display: Some(b"sealed again".to_vec()),
        },
        Op::PutMeta {
            key: "mailbox_cursor".into(),
            value: vec![1],
        },
        Op::LoadSeen { origin: origin(1) },
        Op::ListInbound {
            state: InboundState::Opened,
            after: 0,
            limit: 9,
        },
    ];
    let opened = Inbound {
        state: InboundState::Opened,
        display: Some(b"sealed again".to_vec()),
        ..inbound(1)
    };
    let expected = [
        Outcome::Done,
        Outcome::Done,
        Outcome::Done,
        Outcome::Seen(Some(b"state".to_vec())),
        Outcome::Inbox(vec![opened]),
    ];
    assert_eq!(store.commit(&batch).unwrap(), expected);
}

pub(crate) fn meta_is_overwritten(store: &mut impl Device) {
    let load = || Op::LoadMeta {
        key: store::device::meta::SERVER_PIN.into(),
    };
    let put = |value: &[u8]| Op::PutMeta {
        key: store::device::meta::SERVER_PIN.into(),
        value: value.to_vec(),
    };
    assert_eq!(store.one(load()), Outcome::Meta(None));
    assert_eq!(store.one(put(b"one")), Outcome::Done);
    assert_eq!(store.one(put(b"two")), Outcome::Done);
    assert_eq!(store.one(load()), Outcome::Meta(Some(b"two".to_vec())));
}

pub(crate) fn the_largest_numbers_survive(store: &mut impl Device) {
    let most = i64::MAX.unsigned_abs();
    // Positions and times saturate.
    assert_eq!(store.one(store_inbound(inbound(u64::MAX))), Outcome::Kept);
    assert_eq!(
        store.one(store_inbound(inbound(u64::MAX - 1))),
        Outcome::KeptBefore
    );
    let list = Op::ListInbound {
        state: InboundState::Received,
        after: 0,
        limit: 9,
    };
    let expected = Inbound {
        position: most,
        time_ms: most,
        ..inbound(u64::MAX)
    };
    assert_eq!(store.one(list), Outcome::Inbox(vec![expected]));
    let late = Outbound {
        created_ms: u64::MAX,
        ..outbound(1, 1)
    };
    store.one(enqueue(late));
    let Outcome::OutboundEntry(Some(entry)) = store.one(Op::LoadOutbound { message_id: id(1) })
    else {
        panic!("no entry");
    };
    assert_eq!(entry.message.created_ms, most);
    let untouched = Op::LoadConversation {
        conversation: id(0xcc),
    };
    let expected = Conversation {
        next_sequence: 2,
        state: vec![1; 41],
    };
    assert_eq!(store.one(untouched), Outcome::Conversation(Some(expected)));
}
