use store::device::{
    Contact, ContactState, Inbound, InboundState, Op, Origin, Outbound, OutboundEntry, OutboxState,
    Outcome,
};
use store::{MessageId, Store};

pub(crate) trait Device: Store<Op = Op, Outcome = Outcome> {
    /// One operation as a batch of its own.
    fn one(&mut self, op: Op) -> Outcome {
        let mut outcomes = self.commit(&[op]).unwrap();
        assert_eq!(outcomes.len(), 1);
        outcomes.remove(0)
    }

    fn set(&mut self, message: u8, state: OutboxState) -> Outcome {
        self.one(Op::SetOutboxState {
            message_id: id(message),
            state,
            reason: None,
        })
    }

    /// Ids of the messages in the outbox that are in these states.
    fn outbox(&mut self, states: &[OutboxState]) -> Vec<u8> {
        let list = Op::ListOutbox {
            states: states.to_vec(),
            after: 0,
            limit: u32::MAX,
        };
        entries(self.one(list))
            .iter()
            .map(|entry| entry.message.message_id[0])
            .collect()
    }

    /// Positions of the messages in the inbox that are in this state.
    fn inbox(&mut self, state: InboundState) -> Vec<u64> {
        match self.one(Op::ListInbound {
            state,
            after: 0,
            limit: u32::MAX,
        }) {
            Outcome::Inbox(messages) => messages.iter().map(|message| message.position).collect(),
            other => panic!("{other:?}"),
        }
    }
}

impl<S: Store<Op = Op, Outcome = Outcome> + ?Sized> Device for S {}

pub(crate) const ALL: [OutboxState; 4] = [
    OutboxState::Queued,
    OutboxState::Stored,
    OutboxState::Delivered,
    OutboxState::Failed,
];

pub(crate) fn entries(outcome: Outcome) -> Vec<OutboundEntry> {
    match outcome {
        Outcome::Outbox(entries) => entries,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn id(byte: u8) -> MessageId {
    [byte; 16]
}

/// Message `message` to bob, number `sequence` of its conversation.
pub(crate) fn outbound(message: u8, sequence: u64) -> Outbound {
    Outbound {
        conversation: id(0xcc),
        sequence,
        message_id: id(message),
        recipient: "bob".into(),
        sealed: vec![message; 300],
        display: Some(vec![message; 30]),
        created_ms: u64::from(message) * 10,
    }
}

pub(crate) fn enqueue(message: Outbound) -> Op {
    let state = vec![message.message_id[0]; 41];
    Op::Enqueue {
        message: Box::new(message),
        state,
    }
}

pub(crate) fn tombstone(message: Outbound) -> Op {
    Op::EnqueueTombstone(Box::new(message))
}

pub(crate) fn inbound(position: u64) -> Inbound {
    let byte = position.to_le_bytes()[0];
    Inbound {
        position,
        sender: "alice".into(),
        message_id: id(byte),
        sealed: vec![byte; 300],
        time_ms: position.saturating_mul(10),
        state: InboundState::Received,
        display: None,
    }
}

pub(crate) fn store_inbound(message: Inbound) -> Op {
    Op::StoreInbound(Box::new(message))
}

pub(crate) fn contact(name: &str, key: u8) -> Contact {
    Contact {
        name: name.into(),
        display_name: name.to_uppercase(),
        sig_fingerprint: [key; 32],
        enc_fingerprint: [key; 32],
        pin: vec![key; 900],
        state: ContactState::Unverified,
        pinned_ms: 1_000,
    }
}

pub(crate) fn origin(device: u8) -> Origin {
    Origin {
        sender_key: [1; 32],
        sending_device: id(device),
        conversation: id(0xcc),
    }
}
