//! Verifying and decrypting messages: the part of the inbox that runs on a worker.

use std::collections::{BTreeMap, BTreeSet};

use chat::Username;
use e2e::conversation::{ChainLink, DeviceId, Origin, ReceiveState, Refusal};
use e2e::sealed::{Content, Local, Reason};
use e2e::trust::Pin;
use e2e::{Identity, SealedMessage};
use store::device::Inbound;

use crate::event::Message;

/// An origin as the store names it.
pub(crate) const fn store_origin(origin: &Origin) -> store::device::Origin {
    store::device::Origin {
        sender_key: *origin.sender_key.as_bytes(),
        sending_device: origin.device.0,
        conversation: origin.conversation.0,
    }
}

/// A message to be opened.
pub struct Item {
    /// As it lies in the inbox.
    pub(crate) inbound: Inbound,
    /// The pin of the sender that it names, if there is one.
    pub(crate) pin: Option<Pin>,
    /// A message with this id was shown before.
    pub(crate) seen_before: bool,
}

/// What became of a batch.
pub struct Opened {
    /// The messages in their order.
    pub(crate) items: Vec<(Inbound, Verdict)>,
    /// Receiving states that changed.
    pub(crate) states: BTreeMap<Origin, ReceiveState>,
}

/// What became of a message.
pub(crate) enum Verdict {
    /// To be shown; with the directory's head that its sender knew.
    Show(Box<Message>, Option<e2e::sealed::ManifestHead>),
    /// Nothing to show: a repetition, one's own come back, or a tombstone.
    Quiet,
    /// A placeholder.
    Unreadable(String),
    /// Signed by another key than the sender's pinned one.
    KeyChanged(Username),
}

/// Opens a batch in order. What cannot be opened stops nothing behind it.
pub(crate) fn open(
    identity: &Identity,
    device: DeviceId,
    items: Vec<Item>,
    mut states: BTreeMap<Origin, ReceiveState>,
) -> Opened {
    let before = states.clone();
    let mut shown = BTreeSet::new();
    let mut verdicts = Vec::with_capacity(items.len());
    for mut item in items {
        item.seen_before |= shown.contains(&item.inbound.message_id);
        let verdict = open_one(identity, device, &item, &mut states);
        if matches!(verdict, Verdict::Show(..)) {
            shown.insert(item.inbound.message_id);
        }
        verdicts.push((item.inbound, verdict));
    }
    states.retain(|origin, state| before.get(origin) != Some(state));
    Opened {
        items: verdicts,
        states,
    }
}

fn open_one(
    identity: &Identity,
    device: DeviceId,
    item: &Item,
    states: &mut BTreeMap<Origin, ReceiveState>,
) -> Verdict {
    let Ok(message) = SealedMessage::decode(&item.inbound.sealed) else {
        return Verdict::Unreadable("it is malformed".to_owned());
    };
    let header = message.unproven_header();
    let names = (
        Username::parse(&header.sender),
        Username::parse(&header.recipient),
    );
    let (Ok(from), Ok(to)) = names else {
        return Verdict::Unreadable("it is malformed".to_owned());
    };
    // A note to oneself comes back to the device that wrote it, and is to be shown there.
    let note = header.is_note_to_self();
    let device = if note { DeviceId([0; 16]) } else { device };
    let local = Local { identity, device };
    let verified = match message.verify(local, item.pin.as_ref()) {
        Ok(verified) => verified,
        Err(unopened) => {
            return match unopened.reason() {
                Reason::Reflected => Verdict::Quiet,
                Reason::KeyChanged => Verdict::KeyChanged(from),
                reason => Verdict::Unreadable(reason.to_string()),
            };
        }
    };
    let origin = verified.origin();
    if verified.header().id.0 != item.inbound.message_id {
        return Verdict::Unreadable("the server names another id for it".to_owned());
    }
    let state = states
        .entry(origin)
        .or_insert_with(|| ReceiveState::new(origin));
    let arrival = match state.arrive(&verified, item.seen_before) {
        Ok(arrival) => arrival,
        Err(Refusal::Repeated) => return Verdict::Quiet,
        Err(refusal) => return Verdict::Unreadable(refusal.to_string()),
    };
    let opened = match verified.decrypt(identity) {
        Ok(opened) => opened,
        Err(unopened) => return Verdict::Unreadable(unopened.reason().to_string()),
    };
    let manifest = opened.header.manifest;
    match opened.content {
        Content::Text(text) => {
            let message = Message {
                id: opened.header.id.0,
                from,
                to,
                text,
                time_ms: opened.header.time_ms,
                gap: (arrival.skipped > u64::from(planted!(GapOffByOne)) && !arrival.first)
                    .then_some(arrival.skipped),
                forked: (arrival.link == ChainLink::Broken) != planted!(ForkedInverted),
            };
            Verdict::Show(Box::new(message), manifest)
        }
        _ => Verdict::Quiet,
    }
}
