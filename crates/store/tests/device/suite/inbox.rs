use store::device::{Inbound, InboundState, Op, Outcome};

use crate::build::{Device, id, inbound, store_inbound};

use InboundState::{Opened, Received, Unreadable};

fn set(position: u64, state: InboundState, display: Option<&[u8]>) -> Op {
    Op::SetInboundState {
        position,
        state,
        display: display.map(<[u8]>::to_vec),
    }
}

pub(crate) fn h84_a_position_is_kept_once(store: &mut impl Device) {
    assert_eq!(store.one(store_inbound(inbound(7))), Outcome::Kept);
    store.one(set(7, Opened, None));
    let other = Inbound {
        sealed: vec![0],
        ..inbound(7)
    };
    assert_eq!(store.one(store_inbound(other)), Outcome::KeptBefore);
    let list = Op::ListInbound {
        state: Opened,
        after: 0,
        limit: 9,
    };
    let expected = Inbound {
        state: Opened,
        ..inbound(7)
    };
    assert_eq!(store.one(list), Outcome::Inbox(vec![expected]));
    assert_eq!(store.inbox(Received), [0; 0]);
}

pub(crate) fn a_message_in_a_used_position_goes_behind_the_newest(store: &mut impl Device) {
    for position in [7, 9] {
        store.one(store_inbound(inbound(position)));
    }
    let other = |message_id| Inbound {
        message_id: id(message_id),
        ..inbound(7)
    };
    for message_id in [0xee, 0xef] {
        assert_eq!(store.one(store_inbound(other(message_id))), Outcome::Kept);
    }
    // Both again, as after a lost acknowledgement.
    for message_id in [0xee, 0xef] {
        let again = store.one(store_inbound(other(message_id)));
        assert_eq!(again, Outcome::KeptBefore);
    }
    assert_eq!(store.inbox(Received), [7, 9, 10, 11]);
    let find = Op::FindInbound {
        message_id: id(0xef),
    };
    assert_eq!(store.one(find), Outcome::Found(vec![(11, Received)]));
    assert_eq!(store.one(set(11, Opened, Some(b"x"))), Outcome::Done);
    assert_eq!(store.inbox(Received), [7, 9, 10]);
}

pub(crate) fn the_inbox_is_listed_by_state_and_paged(store: &mut impl Device) {
    for position in [5, 1, 9, 3] {
        store.one(store_inbound(inbound(position)));
    }
    store.one(set(3, Unreadable, None));
    assert_eq!(store.inbox(Received), [1, 5, 9]);
    assert_eq!(store.inbox(Unreadable), [3]);
    let page = |after, limit| Op::ListInbound {
        state: Received,
        after,
        limit,
    };
    let expected = Outcome::Inbox(vec![inbound(5), inbound(9)]);
    assert_eq!(store.one(page(1, 9)), expected);
    assert_eq!(store.one(page(0, 1)), Outcome::Inbox(vec![inbound(1)]));
    assert_eq!(store.one(page(u64::MAX, 9)), Outcome::Inbox(vec![]));
    // What was unreadable can be read later, with other keys.
    assert_eq!(store.one(set(3, Received, None)), Outcome::Done);
    assert_eq!(store.inbox(Received), [1, 3, 5, 9]);
    assert_eq!(store.one(set(77, Opened, None)), Outcome::NoSuchMessage);
}

pub(crate) fn the_display_is_kept_until_it_is_replaced(store: &mut impl Device) {
    store.one(store_inbound(inbound(1)));
    let display = |store: &mut dyn FnMut(Op) -> Outcome| match store(Op::ListInbound {
        state: Opened,
        after: 0,
        limit: 9,
    }) {
        Outcome::Inbox(messages) => {
            assert_eq!(messages[0].sealed, inbound(1).sealed);
            messages[0].display.clone()
        }
        other => panic!("{other:?}"),
    };
    for (given, then) in [
        (None, None),
        (Some(&b"one"[..]), Some(b"one".to_vec())),
        (None, Some(b"one".to_vec())),
        (Some(b""), Some(Vec::new())),
    ] {
        store.one(set(1, Opened, given));
        assert_eq!(display(&mut |op| store.one(op)), then);
    }
}

pub(crate) fn opened_and_unreadable_messages_are_pruned_and_others_kept(store: &mut impl Device) {
    for position in 1..=5 {
        store.one(store_inbound(inbound(position)));
    }
    for position in [2, 3, 5] {
        store.one(set(position, Opened, None));
    }
    store.one(set(4, Unreadable, None));
    let prune = |before_ms, limit| Op::PruneInbound { before_ms, limit };
    assert_eq!(store.one(prune(20, 9)), Outcome::Pruned(0));
    assert_eq!(store.one(prune(50, 1)), Outcome::Pruned(1));
    assert_eq!(store.inbox(Opened), [3, 5]);
    assert_eq!(store.one(prune(50, 9)), Outcome::Pruned(2));
    assert_eq!(store.inbox(Unreadable), [0; 0]);
    assert_eq!(store.one(prune(u64::MAX, 9)), Outcome::Pruned(1));
    assert_eq!(store.inbox(Opened), [0; 0]);
    assert_eq!(store.inbox(Received), [1]);
}

pub(crate) fn an_id_is_found_wherever_it_is(store: &mut impl Device) {
    for position in [4, 2, 3] {
        let message_id = id(if position == 3 { 8 } else { 9 });
        store.one(store_inbound(Inbound {
            message_id,
            ..inbound(position)
        }));
    }
    store.one(set(2, Opened, None));
    let find = |message| Op::FindInbound {
        message_id: id(message),
    };
    assert_eq!(
        store.one(find(9)),
        Outcome::Found(vec![(2, Opened), (4, Received)])
    );
    assert_eq!(store.one(find(7)), Outcome::Found(vec![]));
}
