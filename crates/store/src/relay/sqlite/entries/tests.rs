use super::*;
use crate::StoreError;
use crate::relay::SqliteStore;

const MESSAGES: u64 = 50;
const DEVICE: DeviceId = [6; 16];

/// Bob's only device, when it has everything up to a position.
fn device(cursor: u64) -> Device {
    Device {
        device: DEVICE,
        device_key: [7; 32],
        cursor,
        first_seen_ms: 0,
        last_seen_ms: 0,
    }
}

fn message(sequence: u64) -> Append {
    Append {
        recipient: "bob".into(),
        sender: "alice".into(),
        sending_device: [1; 16],
        conversation: [2; 16],
        sequence,
        message_id: [3; 16],
        sealed: vec![4; 300],
        now_ms: 5,
        quota: Quota {
            messages: MESSAGES,
            bytes: u64::MAX,
        },
        remember_full: false,
    }
}

/// Does something with a store in which bob's mailbox holds messages.
fn with_messages<T>(work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, StoreError> {
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(&folder.path().join("relay.db"))?;
    store.engine.commit(|db| {
        devices::put(db, "bob", &device(0))?;
        for sequence in 1..=MESSAGES {
            Mailbox::load(db, "bob")?.push(db, &message(sequence))?;
        }
        work(db)
    })
}

#[test]
fn h69_an_acknowledgement_of_a_full_mailbox_changes_each_row_once() {
    let (outcome, changes, mailbox) = with_messages(|db| {
        let before = db.total_changes();
        let outcome = acknowledge(db, "bob", &DEVICE, u64::MAX)?;
        let changes = db.total_changes() - before;
        Ok((outcome, changes, Mailbox::load(db, "bob")?))
    })
    .unwrap();
    let Outcome::Acknowledged { receipts } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(count(&receipts), MESSAGES);
    // An entry and a body for each message, the device, and the mailbox for two reasons.
    assert_eq!(changes, 2 * MESSAGES + 3);
    assert_eq!((mailbox.messages, mailbox.bytes), (0, 0));
    assert_eq!((mailbox.newest, mailbox.delivered), (MESSAGES, MESSAGES));
}

#[test]
fn h81_a_damaged_entry_is_not_dropped_unseen() {
    let dropped = with_messages(|db| {
        db.execute_batch("UPDATE entries SET bytes = 7 WHERE position = 9")?;
        devices::put(db, "bob", &device(8))?;
        drop_passed(db, "bob")?;
        devices::put(db, "bob", &device(9))?;
        Ok(drop_passed(db, "bob").is_err())
    });
    assert!(dropped.unwrap(), "not before it is passed, and then");
}

#[test]
fn what_is_dropped_leaves_no_body() {
    let bodies = with_messages(|db| {
        devices::put(db, "bob", &device(20))?;
        drop_passed(db, "bob")?;
        BODIES.count(db, "", [])
    });
    assert_eq!(bodies.unwrap(), MESSAGES - 20);
}
