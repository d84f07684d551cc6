use store::relay::{
    DEVICE_IDLE_MS, DEVICES_PER_ACCOUNT_MAX, NOTICES_PER_DEVICE_MAX, Notice, Op, Outcome,
};

use crate::build::{Relay, id};

fn remove(device: u8, seen_before_ms: Option<u64>) -> Op {
    Op::RemoveDevice {
        account: "bob".into(),
        device: id(device),
        seen_before_ms,
    }
}

fn see(device: u8, now_ms: u64) -> Op {
    Op::SeeDevice {
        account: "bob".into(),
        device: id(device),
        now_ms,
    }
}

pub(crate) fn a_removed_device_holds_nothing_back(store: &mut impl Relay) {
    store.add_account("bob");
    store.touch("bob", 1, 5);
    store.touch("bob", 2, 5);
    store.send("bob", 1);
    store.send("bob", 2);
    store.acknowledge("bob", 1, 1);
    let remove = |device| remove(device, None);
    assert_eq!(store.one(remove(2)), Outcome::Done);
    assert_eq!(store.one(remove(2)), Outcome::NoSuchDevice);
    // Only the second message waits: a device that comes now starts there.
    assert_eq!(
        store.touch("bob", 3, 5),
        Outcome::Touched {
            new: true,
            cursor: 1
        }
    );
    store.one(remove(1));
    store.one(remove(3));
    // Nobody left: what waits goes on waiting.
    assert_eq!(
        store.touch("bob", 4, 5),
        Outcome::Touched {
            new: true,
            cursor: 1
        }
    );
    assert_eq!(store.positions("bob", 4), [2]);
}

pub(crate) fn devices_are_limited_and_idle_ones_make_room(store: &mut impl Relay) {
    store.add_account("bob");
    let most = u8::try_from(DEVICES_PER_ACCOUNT_MAX).unwrap();
    for device in 0..most {
        store.touch("bob", device, 100 + u64::from(device));
    }
    store.send("bob", 1);
    for device in 1..most {
        store.acknowledge("bob", device, 1);
    }
    let late = 100 + DEVICE_IDLE_MS;
    let full = |wait_ms| Outcome::TooManyDevices { wait_ms };
    assert_eq!(store.touch("bob", 99, late), full(1));
    // The oldest is idle one millisecond later. It was the last to wait for the message.
    assert_eq!(
        store.touch("bob", 99, late + 1),
        Outcome::Touched {
            new: true,
            cursor: 1
        }
    );
    let Outcome::Devices(devices) = store.one(Op::ListDevices {
        account: "bob".into(),
    }) else {
        panic!("no devices");
    };
    let left: Vec<u8> = devices.iter().map(|device| device.device[0]).collect();
    assert_eq!(left, (1..most).chain([99]).collect::<Vec<u8>>());
    assert_eq!(store.touch("bob", 98, late + 1), full(1));
    // A clock that runs backwards makes no room.
    assert_eq!(store.touch("bob", 98, 0), full(102 + DEVICE_IDLE_MS));
}

pub(crate) fn a_device_that_is_seen_again_keeps_its_cursor(store: &mut impl Relay) {
    store.add_account("bob");
    store.touch("bob", 1, 5);
    store.send("bob", 1);
    store.acknowledge("bob", 1, 1);
    let again = Op::TouchDevice {
        account: "bob".into(),
        device: id(1),
        device_key: [0xdd; 32],
        now_ms: 50,
    };
    assert_eq!(
        store.one(again),
        Outcome::Touched {
            new: false,
            cursor: 1
        }
    );
    assert_eq!(
        store.touch("bob", 1, 20),
        Outcome::Touched {
            new: false,
            cursor: 1
        }
    );
    let Outcome::Devices(devices) = store.one(Op::ListDevices {
        account: "bob".into(),
    }) else {
        panic!("no devices");
    };
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].device_key, [1; 32]);
    assert_eq!((devices[0].first_seen_ms, devices[0].last_seen_ms), (5, 50));
}

pub(crate) fn a_device_that_was_seen_is_not_idle(store: &mut impl Relay) {
    store.add_account("bob");
    assert_eq!(store.one(see(0, 5)), Outcome::NoSuchDevice);
    let most = u8::try_from(DEVICES_PER_ACCOUNT_MAX).unwrap();
    for device in 0..most {
        store.touch("bob", device, 100);
    }
    store.send("bob", 1);
    store.acknowledge("bob", 0, 1);
    let late = 101 + DEVICE_IDLE_MS;
    assert_eq!(store.one(see(0, late)), Outcome::Done);
    // A clock that was set back does not take that away.
    assert_eq!(store.one(see(0, 5)), Outcome::Done);
    // The second makes room, and then is not there; the first is, with its cursor.
    store.touch("bob", 99, late);
    assert_eq!(store.one(see(1, late)), Outcome::NoSuchDevice);
    assert_eq!(
        store.touch("bob", 0, late),
        Outcome::Touched {
            new: false,
            cursor: 1
        }
    );
    assert_eq!(store.one(remove(0, Some(late))), Outcome::SeenSince);
    assert_eq!(store.one(remove(2, Some(100))), Outcome::SeenSince);
    assert_eq!(store.one(remove(1, Some(0))), Outcome::NoSuchDevice);
    assert_eq!(store.one(remove(2, Some(101))), Outcome::Done);
    assert_eq!(store.one(remove(0, Some(late + 1))), Outcome::Done);
    // Times saturate.
    store.one(see(3, u64::MAX));
    assert_eq!(store.one(remove(3, Some(late))), Outcome::SeenSince);
    assert_eq!(store.one(remove(3, Some(u64::MAX))), Outcome::Done);
}

fn notice(message: u8, time_ms: u64) -> Notice {
    Notice {
        message_id: id(message),
        kind: message,
        by: format!("author {message}"),
        time_ms,
    }
}

fn put_notice(device: u8, notice: Notice) -> Op {
    Op::PutNotice {
        account: "bob".into(),
        device: id(device),
        notice,
    }
}

fn load_notices(device: u8, limit: u32) -> Op {
    Op::LoadNotices {
        account: "bob".into(),
        device: id(device),
        limit,
    }
}

pub(crate) fn notices_wait_until_deleted(store: &mut impl Relay) {
    store.add_account("bob");
    assert_eq!(
        store.one(put_notice(1, notice(1, 10))),
        Outcome::NoSuchDevice
    );
    store.touch("bob", 1, 5);
    store.touch("bob", 2, 5);
    for (message, time_ms) in [(1, 30), (2, 10), (3, 20), (3, 20)] {
        assert_eq!(
            store.one(put_notice(1, notice(message, time_ms))),
            Outcome::Done
        );
    }
    let expected = |messages: &[(u8, u64)]| {
        let notices = messages
            .iter()
            .map(|(message, time_ms)| notice(*message, *time_ms));
        Outcome::Notices(notices.collect())
    };
    assert_eq!(
        store.one(load_notices(1, 9)),
        expected(&[(2, 10), (3, 20), (1, 30)])
    );
    assert_eq!(store.one(load_notices(1, 1)), expected(&[(2, 10)]));
    assert_eq!(store.one(load_notices(2, 9)), expected(&[]));
    let changed = Notice {
        kind: 0xff,
        by: "charlie".into(),
        ..notice(3, 40)
    };
    store.one(put_notice(1, changed.clone()));
    let delete = Op::DeleteNotices {
        account: "bob".into(),
        device: id(1),
        message_ids: vec![id(2), id(1), id(77)],
    };
    assert_eq!(store.one(delete.clone()), Outcome::Done);
    assert_eq!(store.one(delete), Outcome::Done);
    assert_eq!(
        store.one(load_notices(1, 9)),
        Outcome::Notices(vec![changed])
    );
    let expire = |before_ms| Op::Expire {
        before_ms,
        limit: 9,
    };
    assert_eq!(
        store.one(expire(40)),
        Outcome::Expired {
            messages: 0,
            notices: 0
        }
    );
    assert_eq!(
        store.one(expire(41)),
        Outcome::Expired {
            messages: 0,
            notices: 1
        }
    );
    store.one(put_notice(1, notice(1, 50)));
    store.one(remove(1, None));
    store.touch("bob", 1, 5);
    assert_eq!(store.one(load_notices(1, 9)), expected(&[]));
}

pub(crate) fn notices_are_bounded(store: &mut impl Relay) {
    store.add_account("bob");
    store.touch("bob", 1, 5);
    let most = u64::try_from(NOTICES_PER_DEVICE_MAX).unwrap();
    let batch: Vec<Op> = (0..=most)
        .map(|number| {
            let mut message_id = [0; 16];
            message_id[8..].copy_from_slice(&number.to_be_bytes());
            put_notice(
                1,
                Notice {
                    message_id,
                    kind: 1,
                    by: "alice".into(),
                    time_ms: number,
                },
            )
        })
        .collect();
    store.commit(&batch).unwrap();
    let Outcome::Notices(notices) = store.one(load_notices(1, u32::MAX)) else {
        panic!("no notices");
    };
    assert_eq!(notices.len(), NOTICES_PER_DEVICE_MAX);
    assert_eq!(notices[0].time_ms, 1);
}
