use store::relay::{Account, Append, Credentials, Entry, Op, Outcome, Quota};
use store::{DeviceId, Store};

pub(crate) trait Relay: Store<Op = Op, Outcome = Outcome> {
    /// One operation as a batch of its own.
    fn one(&mut self, op: Op) -> Outcome {
        let mut outcomes = self.commit(&[op]).unwrap();
        assert_eq!(outcomes.len(), 1);
        outcomes.remove(0)
    }

    fn add_account(&mut self, name: &str) {
        assert_eq!(
            self.one(Op::InsertAccount(Box::new(account(name)))),
            Outcome::Inserted
        );
    }

    fn touch(&mut self, account: &str, device: u8, now_ms: u64) -> Outcome {
        self.one(Op::TouchDevice {
            account: account.into(),
            device: id(device),
            device_key: [device; 32],
            now_ms,
        })
    }

    fn send(&mut self, to: &str, sequence: u64) -> Outcome {
        self.one(Op::Append(Box::new(message(to, sequence))))
    }

    fn read(&mut self, account: &str, device: u8) -> Vec<Entry> {
        match self.one(read_after(account, device, None, u32::MAX, u64::MAX)) {
            Outcome::Entries(entries) => entries,
            other => panic!("{other:?}"),
        }
    }

    fn positions(&mut self, account: &str, device: u8) -> Vec<u64> {
        self.read(account, device)
            .iter()
            .map(|entry| entry.position)
            .collect()
    }

    /// The positions newly covered, and whether each was a first delivery.
    fn acknowledge(&mut self, account: &str, device: u8, position: u64) -> Vec<(u64, bool)> {
        let op = Op::Acknowledge {
            account: account.into(),
            device: id(device),
            position,
        };
        match self.one(op) {
            Outcome::Acknowledged { receipts } => receipts
                .iter()
                .map(|receipt| (receipt.position, receipt.first))
                .collect(),
            other => panic!("{other:?}"),
        }
    }
}

impl<S: Store<Op = Op, Outcome = Outcome> + ?Sized> Relay for S {}

pub(crate) fn id(byte: u8) -> DeviceId {
    [byte; 16]
}

pub(crate) fn account(name: &str) -> Account {
    Account {
        name: name.into(),
        display_name: name.to_uppercase(),
        credentials: credentials(1),
        created_ms: 1_000,
        demo: false,
    }
}

pub(crate) fn credentials(version: u64) -> Credentials {
    let byte = version.to_le_bytes()[0];
    Credentials {
        opaque_record: vec![byte; 192],
        key_bag: vec![byte; 3000],
        key_bag_version: version,
        key_bag_hash: [byte; 32],
        sig_key: vec![byte, 1],
        sig_fingerprint: [byte; 32],
        enc_key: vec![byte, 2],
        enc_fingerprint: [byte; 32],
        enc_certificate: Vec::new(),
    }
}

pub(crate) const ROOMY: Quota = Quota {
    messages: 1_000_000,
    bytes: 1_000_000_000,
};

/// Message `sequence` of device 1 of alice.
pub(crate) fn message(to: &str, sequence: u64) -> Append {
    Append {
        recipient: to.into(),
        sender: "alice".into(),
        sending_device: id(1),
        conversation: id(0xcc),
        sequence,
        message_id: id(sequence.to_le_bytes()[0]),
        sealed: sequence.to_be_bytes().repeat(10),
        now_ms: 1_000_u64.saturating_add(sequence),
        quota: ROOMY,
        remember_full: true,
    }
}

pub(crate) fn read_after(
    account: &str,
    device: u8,
    after: Option<u64>,
    max_messages: u32,
    max_bytes: u64,
) -> Op {
    Op::ReadAfter {
        account: account.into(),
        device: id(device),
        after,
        max_messages,
        max_bytes,
    }
}

pub(crate) fn append(append: Append) -> Op {
    Op::Append(Box::new(append))
}
