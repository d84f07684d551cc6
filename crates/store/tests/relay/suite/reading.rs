use std::ops::RangeInclusive;

use store::relay::{Append, Op, Outcome, Quota, Refusal};

use crate::build::{ROOMY, Relay, append, id, message, read_after};

pub(crate) fn reading_goes_on_after_the_cursor(store: &mut impl Relay) {
    store.add_account("bob");
    store.touch("bob", 2, 5);
    for sequence in 1..=5 {
        store.send("bob", sequence);
    }
    let entries = store.read("bob", 2);
    let expected = message("bob", 1);
    assert_eq!(entries[0].position, 1);
    assert_eq!(entries[0].sender, expected.sender);
    assert_eq!(entries[0].sending_device, expected.sending_device);
    assert_eq!(entries[0].message_id, expected.message_id);
    assert_eq!(entries[0].sealed, expected.sealed);
    assert_eq!(entries[0].time_ms, expected.now_ms);
    store.acknowledge("bob", 2, 2);
    assert_eq!(store.positions("bob", 2), [3, 4, 5]);
    let page = |after, limit| read_after("bob", 2, Some(after), limit, u64::MAX);
    let positions = |outcome| -> Vec<u64> {
        match outcome {
            Outcome::Entries(entries) => entries.iter().map(|entry| entry.position).collect(),
            other => panic!("{other:?}"),
        }
    };
    let none: Vec<u64> = Vec::new();
    assert_eq!(positions(store.one(page(0, 2))), [3, 4]);
    assert_eq!(positions(store.one(page(4, 2))), [5]);
    assert_eq!(positions(store.one(page(5, 2))), none);
    assert_eq!(positions(store.one(page(u64::MAX, 2))), none);
    assert_eq!(positions(store.one(page(0, 0))), none);
    let stranger = read_after("bob", 9, None, 9, 9);
    assert_eq!(store.one(stranger), Outcome::NoSuchDevice);
    assert_eq!(
        store.one(read_after("nobody", 2, None, 9, 9)),
        Outcome::NoSuchDevice
    );
}

pub(crate) fn reading_is_bounded_by_bytes(store: &mut impl Relay) {
    store.add_account("bob");
    store.touch("bob", 2, 5);
    for (sequence, len) in [(1, 50_000), (2, 10), (3, 10), (4, 11)] {
        store.one(append(Append {
            sealed: vec![1; len],
            ..message("bob", sequence)
        }));
    }
    let count = |store: &mut dyn FnMut(Op) -> Outcome, after, max_bytes| match store(read_after(
        "bob",
        2,
        Some(after),
        9,
        max_bytes,
    )) {
        Outcome::Entries(entries) => entries.len(),
        other => panic!("{other:?}"),
    };
    let mut one = |op| store.one(op);
    // A message longer than the limit comes alone: reading always gets on.
    assert_eq!(count(&mut one, 0, 100), 1);
    assert_eq!(count(&mut one, 0, 50_010), 2);
    assert_eq!(count(&mut one, 1, 30), 2);
    assert_eq!(count(&mut one, 1, 31), 3);
}

pub(crate) fn each_device_has_its_cursor(store: &mut impl Relay) {
    store.add_account("bob");
    store.touch("bob", 1, 5);
    store.touch("bob", 2, 5);
    for sequence in 1..=3 {
        store.send("bob", sequence);
    }
    assert_eq!(store.acknowledge("bob", 1, 2), [(1, true), (2, true)]);
    assert_eq!(store.positions("bob", 1), [3]);
    assert_eq!(store.positions("bob", 2), [1, 2, 3]);
    assert_eq!(
        store.acknowledge("bob", 2, 3),
        [(1, false), (2, false), (3, true)]
    );
    assert_eq!(store.positions("bob", 1), [3]);
    assert_eq!(store.acknowledge("bob", 1, 3), [(3, false)]);
    assert_eq!(store.acknowledge("bob", 1, 3), []);
    let stranger = Op::Acknowledge {
        account: "bob".into(),
        device: id(9),
        position: 3,
    };
    assert_eq!(store.one(stranger), Outcome::NoSuchDevice);
}

pub(crate) fn an_acknowledgement_passes_many_entries_at_once(store: &mut impl Relay) {
    store.add_account("bob");
    for device in 1..=3 {
        store.touch("bob", device, 5);
    }
    for sequence in 1..=60 {
        store.send("bob", sequence);
    }
    let receipts = |positions: RangeInclusive<u64>, first| -> Vec<_> {
        positions.map(|position| (position, first)).collect()
    };
    let positions = |range: RangeInclusive<u64>| -> Vec<u64> { range.collect() };
    assert_eq!(
        store.acknowledge("bob", 1, u64::MAX),
        receipts(1..=60, true)
    );
    assert_eq!(store.acknowledge("bob", 2, 20), receipts(1..=20, false));
    assert_eq!(store.positions("bob", 3), positions(1..=60));
    assert_eq!(store.acknowledge("bob", 3, 40), receipts(1..=40, false));
    // The slowest of the three is at 20: a new one gets what it waits for.
    let new = |cursor| Outcome::Touched { new: true, cursor };
    assert_eq!(store.touch("bob", 4, 6), new(20));
    assert_eq!(store.acknowledge("bob", 4, 60), receipts(21..=60, false));
    assert_eq!(store.acknowledge("bob", 2, 60), receipts(21..=60, false));
    assert_eq!(store.touch("bob", 5, 7), new(40));
    assert_eq!(store.positions("bob", 5), positions(41..=60));
    // What has gone counts no more, and what is kept still does.
    let send = |messages, bytes| {
        append(Append {
            quota: Quota { messages, bytes },
            remember_full: false,
            ..message("bob", 61)
        })
    };
    let full = Outcome::Refused {
        reason: Refusal::MailboxFull,
        remembered: false,
    };
    assert_eq!(store.one(send(20, 21 * 80)), full);
    assert_eq!(store.one(send(21, 21 * 80 - 1)), full);
    assert_eq!(
        store.one(send(21, 21 * 80)),
        Outcome::Stored { position: 61 }
    );
    for device in [3, 5] {
        let device = id(device);
        let account = "bob".into();
        store.one(Op::RemoveDevice {
            account,
            device,
            seen_before_ms: None,
        });
    }
    assert_eq!(store.touch("bob", 6, 8), new(60));
    assert_eq!(store.positions("bob", 6), [61]);
}

pub(crate) fn an_acknowledgement_never_goes_back_nor_ahead(store: &mut impl Relay) {
    store.add_account("bob");
    store.touch("bob", 1, 5);
    assert_eq!(store.acknowledge("bob", 1, u64::MAX), []);
    store.send("bob", 1);
    store.send("bob", 2);
    assert_eq!(store.positions("bob", 1), [1, 2]);
    store.acknowledge("bob", 1, 1);
    assert_eq!(store.acknowledge("bob", 1, 0), []);
    assert_eq!(store.positions("bob", 1), [2]);
    assert_eq!(store.acknowledge("bob", 1, u64::MAX), [(2, true)]);
    store.send("bob", 3);
    assert_eq!(store.positions("bob", 1), [3]);
}

pub(crate) fn entries_wait_for_the_first_device(store: &mut impl Relay) {
    store.add_account("bob");
    store.send("bob", 1);
    store.send("bob", 2);
    assert_eq!(
        store.touch("bob", 1, 5),
        Outcome::Touched {
            new: true,
            cursor: 0
        }
    );
    assert_eq!(store.positions("bob", 1), [1, 2]);
    let nobody = Op::TouchDevice {
        account: "nobody".into(),
        device: id(1),
        device_key: [1; 32],
        now_ms: 5,
    };
    assert_eq!(store.one(nobody), Outcome::NoSuchAccount);
}

pub(crate) fn a_new_device_gets_what_is_kept(store: &mut impl Relay) {
    store.add_account("bob");
    store.touch("bob", 1, 5);
    for sequence in 1..=4 {
        store.send("bob", sequence);
    }
    store.acknowledge("bob", 1, 2);
    assert_eq!(
        store.touch("bob", 2, 6),
        Outcome::Touched {
            new: true,
            cursor: 2
        }
    );
    assert_eq!(store.positions("bob", 2), [3, 4]);
    store.acknowledge("bob", 1, 4);
    assert_eq!(store.positions("bob", 2), [3, 4]);
    store.acknowledge("bob", 2, 4);
    // All gone: the next one starts behind the newest.
    assert_eq!(
        store.touch("bob", 3, 7),
        Outcome::Touched {
            new: true,
            cursor: 4
        }
    );
    assert_eq!(store.positions("bob", 3), [0; 0]);
}

pub(crate) fn old_entries_expire_oldest_first(store: &mut impl Relay) {
    for name in ["bob", "charlie"] {
        store.add_account(name);
        store.touch(name, 1, 5);
    }
    for (sequence, (to, now_ms)) in
        (1..).zip([("bob", 30), ("charlie", 10), ("bob", 20), ("charlie", 40)])
    {
        store.one(append(Append {
            now_ms,
            ..message(to, sequence)
        }));
    }
    let expire = |before_ms, limit| Op::Expire { before_ms, limit };
    let expired = |messages| Outcome::Expired {
        messages,
        notices: 0,
    };
    assert_eq!(store.one(expire(10, 9)), expired(0));
    assert_eq!(store.one(expire(40, 2)), expired(2));
    assert_eq!(store.positions("bob", 1), [1]);
    assert_eq!(store.positions("charlie", 1), [2]);
    assert_eq!(store.one(expire(40, 9)), expired(1));
    assert_eq!(store.positions("bob", 1), [0; 0]);
    // What has gone makes room in the quota.
    let quota = Quota {
        messages: 1,
        ..ROOMY
    };
    let next = append(Append {
        quota,
        ..message("bob", 5)
    });
    assert_eq!(store.one(next), Outcome::Stored { position: 3 });
    assert_eq!(store.one(expire(u64::MAX, 9)), expired(2));
}
