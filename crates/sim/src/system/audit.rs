//! What disks hold after a crash, compared with what was promised.

use core::time::Duration;
use std::collections::BTreeSet;

use chat::message::MessageId;
use client::Delivery;
use e2e::SealedMessage;
use store::device::{InboundState, OutboxState, meta};
use store::{Store, device, relay};

use super::book::{Book, hex};
use super::host::Relay;
use super::installation::Device;
use super::keys;
use super::node::Node;
use super::run::System;
use crate::NodeId;
use crate::seeds::Fault;

/// Messages that an installation opens at once, and whose showing one crash can spoil.
const SPOILT_MAX: usize = 8;

/// An installation's store as a new process would find it, and whose it is.
pub(super) struct Found {
    index: usize,
    store: Device,
}

impl System<'_> {
    /// Ends a process without a word, or removes one that has ended by itself; it begins again after a
    /// while. Tells whether there was one.
    pub(super) fn crash(&mut self, node: NodeId, until: Duration) -> bool {
        let was_up = match self.world.machine(node) {
            Some(Node::Server(host)) => host.is_up(),
            Some(Node::Client(client)) => client.is_up(),
            None => false,
        };
        let crashes = &mut self.crashes;
        let torn = self.world.with(node, |node, _| match node {
            Node::Server(host) => host.end(crashes),
            Node::Client(client) => client.end(crashes),
        });
        if torn == Some(true) {
            self.fired.count("torn");
        }
        let begins = self.world.now() + until;
        self.again.insert(node, begins);
        self.audit(node);
        was_up
    }

    /// Compares what disks hold with what was promised.
    fn audit(&mut self, crashed: NodeId) {
        let mut installations = self.installations();
        if let Some(place) = self.clients.iter().position(|node| *node == crashed)
            && let Some(found) = installations.get_mut(place)
        {
            if self.book.is_honest() {
                client_crashed(&mut self.book, found);
            }
            opened_is_shown(&mut self.book, found);
        }
        self.audit_all();
    }

    /// Whether everything that was promised is on a disk.
    pub(super) fn audit_all(&mut self) {
        if !self.book.is_honest() {
            return;
        }
        let mut installations = self.installations();
        if let Some(Node::Server(host)) = self.world.machine(self.server) {
            let mut relay = host.recovered();
            nothing_is_lost(&mut self.book, &mut relay, &mut installations);
        }
    }

    /// What new processes would find.
    pub(super) fn installations(&self) -> Vec<Found> {
        let nodes = self.clients.iter();
        let found = nodes.filter_map(|&node| match self.world.machine(node)? {
            Node::Client(client) => Some(Found {
                index: client.index,
                store: client.recovered(),
            }),
            Node::Server(_) => None,
        });
        found.collect()
    }
}

fn ask(store: &mut Device, op: device::Op) -> device::Outcome {
    let outcome = store.commit(&[op]).ok().and_then(|mut all| all.pop());
    outcome.unwrap_or(device::Outcome::NoSuchMessage)
}

impl Found {
    fn has(&mut self, message_id: MessageId) -> bool {
        let found = ask(&mut self.store, device::Op::FindInbound { message_id });
        matches!(found, device::Outcome::Found(places) if !places.is_empty())
    }

    fn device(&mut self) -> Option<[u8; 16]> {
        let key = meta::DEVICE_ID.to_owned();
        match ask(&mut self.store, device::Op::LoadMeta { key }) {
            device::Outcome::Meta(Some(id)) => id.try_into().ok(),
            _ => None,
        }
    }

    fn contacts(&mut self) -> Vec<device::Contact> {
        match ask(&mut self.store, device::Op::ListContacts) {
            device::Outcome::Contacts(contacts) => contacts,
            _ => Vec::new(),
        }
    }

    fn outbox(&mut self) -> Vec<device::Outbound> {
        let states = vec![
            OutboxState::Queued,
            OutboxState::Stored,
            OutboxState::Delivered,
            OutboxState::Failed,
        ];
        let (after, limit) = (0, u32::MAX);
        let list = device::Op::ListOutbox {
            states,
            after,
            limit,
        };
        match ask(&mut self.store, list) {
            device::Outcome::Outbox(entries) => {
                entries.into_iter().map(|entry| entry.message).collect()
            }
            _ => Vec::new(),
        }
    }

    fn inbound(&mut self, state: InboundState) -> Vec<device::Inbound> {
        let (after, limit) = (0, u32::MAX);
        let list = device::Op::ListInbound {
            state,
            after,
            limit,
        };
        match ask(&mut self.store, list) {
            device::Outcome::Inbox(entries) => entries,
            _ => Vec::new(),
        }
    }
}

/// An installation has crashed: what it told its user has to be on its disk.
fn client_crashed(book: &mut Book, found: &mut Found) {
    let by = found.index;
    let mut lost = None;
    for (id, letter) in book.letters.iter_mut().filter(|(_, l)| l.from == by) {
        let message_id = *id;
        let held = match ask(&mut found.store, device::Op::LoadOutbound { message_id }) {
            device::Outcome::OutboundEntry(entry) => entry.map(|entry| told(entry.state)),
            _ => None,
        };
        // A text that was not queued may fail, or be forgotten.
        let unqueued = letter.told == Some(Delivery::Failed) && held.is_none();
        // What a full disk has no room to note is sent again after the next start.
        let unnoted = book.faults.has(Fault::DiskFull) && held.is_some();
        if letter.told > held && !unqueued && !unnoted {
            lost = Some(format!(
                "{by} said that {} is {:?}, and its disk says {held:?}",
                hex(id),
                letter.told
            ));
        }
        letter.told = letter.told.max(held);
        letter.is_lost |= letter.told.is_none();
    }
    if let Some(lost) = lost {
        book.fail(lost);
    }
}

/// What a process had noted as shown nobody will see any more.
fn opened_is_shown(book: &mut Book, found: &mut Found) {
    let by = found.index;
    let opened = found.inbound(InboundState::Opened);
    let spoilt = (opened.iter()).filter(|inbound| book.noted_as_shown(by, &inbound.message_id));
    let spoilt = spoilt.count();
    if !book.is_honest() {
        // Whatever else is there is what somebody made it.
        return;
    }
    if spoilt > SPOILT_MAX {
        book.fail(format!("{by} never shows {spoilt} messages after a crash"));
    }
    let unreadable = found.inbound(InboundState::Unreadable);
    for inbound in &unreadable {
        if book.faults.has(Fault::FailedWork) {
            book.noted_as_shown(by, &inbound.message_id);
        } else {
            let id = hex(&inbound.message_id);
            book.fail(format!("{by} has put {id} aside as unreadable"));
        }
    }
}

const fn told(state: OutboxState) -> Delivery {
    match state {
        OutboxState::Queued => Delivery::Queued,
        OutboxState::Stored => Delivery::Stored,
        OutboxState::Delivered => Delivery::Delivered,
        OutboxState::Failed => Delivery::Failed,
    }
}

/// Whomever an installation has pinned, it has pinned with that one's keys: a server may tell others,
/// and its directory, which is true, does not list them.
pub(super) fn pins_are_true(book: &mut Book, found: &mut Found) {
    for contact in found.contacts() {
        let (signature, encryption) = (contact.sig_fingerprint, contact.enc_fingerprint);
        if keys::fingerprints(&contact.name) != Some((signature, encryption)) {
            let (by, name) = (found.index, contact.name);
            book.fail(format!(
                "{by} has pinned keys for {name} that are not its own"
            ));
        }
    }
}

/// What an installation has sealed, it has sealed for those whose name it wrote.
pub(super) fn is_sealed_for_its_readers(book: &mut Book, found: &mut Found) {
    for message in found.outbox() {
        let sealed = SealedMessage::decode(&message.sealed);
        let Some(header) = sealed.as_ref().ok().map(SealedMessage::unproven_header) else {
            book.fail(format!("{} has sealed what is no message", found.index));
            continue;
        };
        let theirs = keys::fingerprints(&header.recipient).map(|(_, encryption)| encryption);
        if theirs != Some(*header.recipient_key.as_bytes()) {
            let (by, name) = (found.index, &header.recipient);
            book.fail(format!(
                "{by} has sealed for a key of {name} that is not its own"
            ));
        }
    }
}

/// Any machine has crashed: what was stored has to be in the mailbox of everybody it is for, or on
/// the disk there; what was delivered has to be on a disk of the recipient's.
fn nothing_is_lost(book: &mut Book, relay: &mut Relay, installations: &mut [Found]) {
    let mut lost = None;
    let devices: Vec<_> = installations.iter_mut().map(Found::device).collect();
    let mailboxes: Vec<BTreeSet<MessageId>> = (installations.iter().zip(devices))
        .map(|(found, device)| mailbox(relay, book.account(found.index), device))
        .collect();
    for (id, letter) in book.letters.iter().filter(|(_, l)| l.is_promised()) {
        let mut somewhere = false;
        for (found, mailbox) in installations.iter_mut().zip(&mailboxes) {
            if book.account(found.index) != Some(letter.to) {
                continue;
            }
            let has = found.has(*id);
            somewhere |= has;
            if book.is_owed(letter, found.index) && !has && !mailbox.contains(id) {
                let to = found.index;
                lost = Some(format!("{} was stored, and is lost for {to}", hex(id)));
            }
        }
        if letter.told == Some(Delivery::Delivered) && !somewhere {
            lost = Some(format!("{} was delivered, and is on no disk", hex(id)));
        }
    }
    if let Some(lost) = lost {
        book.fail(lost);
    }
}

/// What waits for a device.
fn mailbox(
    relay: &mut Relay,
    account: Option<usize>,
    device: Option<[u8; 16]>,
) -> BTreeSet<MessageId> {
    let (Some(account), Some(device)) = (account, device) else {
        return BTreeSet::new();
    };
    let read = relay::Op::ReadAfter {
        account: keys::name(account).key().to_owned(),
        device,
        after: None,
        max_messages: u32::MAX,
        max_bytes: u64::MAX,
    };
    match relay.commit(&[read]).as_deref() {
        Ok([relay::Outcome::Entries(entries)]) => {
            entries.iter().map(|entry| entry.message_id).collect()
        }
        _ => BTreeSet::new(),
    }
}
