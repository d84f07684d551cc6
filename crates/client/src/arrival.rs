//! From the mailbox to the disk.
//!
//! ```text
//! Deliver -> commit the ciphertext -> Acknowledge
//! ```
//!
//! The acknowledgement says whether the sender may be told, and depends on the pin and the clear
//! header alone: on nothing that decryption finds out. A sender never seen before counts as
//! accepted. What is on disk is opened and shown by `inbox.rs`.

use chat::limits::{DELIVERIES_AHEAD_MAX, DELIVERY_BYTES_AHEAD_MAX, NOTIFY_MAX};
use chat::message::{Acknowledge, Deliver, List, MessageId, NotifyId, SessionClientMessage};
use crypto::Fingerprint;
use e2e::SealedMessage;
use e2e::sealed::Kind;
use e2e::trust::PinState;
use store::device::{Inbound, InboundState, Op, Outcome as Stored, meta};
use transport::ConnectionHandle;

use crate::Client;
use crate::work::Pending;

#[derive(Default)]
pub(crate) struct Arrivals {
    /// Delivered, and not given to the disk yet.
    arriving: Vec<Deliver>,
    /// Delivered, and not acknowledged: so many, of so many sealed bytes.
    unacknowledged: u64,
    unacknowledged_bytes: usize,
    /// On disk, and not yet said to be.
    acknowledging: Option<Acknowledging>,
    storing: bool,
}

/// A message that is on its way to the disk.
pub(crate) struct Arrived {
    position: u64,
    id: MessageId,
    sealed_bytes: usize,
    /// Name and key of the sender by the clear header, unless it is oneself or unreadable.
    sender: Option<(String, Fingerprint)>,
}

/// What is to be acknowledged.
#[derive(Default)]
struct Acknowledging {
    position: u64,
    notify: Vec<NotifyId>,
    count: u64,
    bytes: usize,
}

impl Arrivals {
    /// What is under way in memory is on disk too, and comes from there or from the server again.
    pub(crate) fn disconnected(&mut self) {
        self.arriving.clear();
        (self.unacknowledged, self.unacknowledged_bytes) = (0, 0);
        self.acknowledging = None;
    }

    /// What to say of what is on disk.
    pub(crate) fn acknowledgement(&self) -> Option<Vec<u8>> {
        let Acknowledging {
            position, notify, ..
        } = self.acknowledging.as_ref()?;
        let (position, notify) = (*position, List::new(notify.clone()).ok()?);
        let message = SessionClientMessage::from(Acknowledge { position, notify });
        Some(message.encode())
    }

    /// That was said.
    pub(crate) fn acknowledged(&mut self) {
        if let Some(said) = self.acknowledging.take() {
            self.unacknowledged = self.unacknowledged.saturating_sub(said.count);
            self.unacknowledged_bytes = self.unacknowledged_bytes.saturating_sub(said.bytes);
        }
    }

    /// The disk took nothing of what arrived; it comes again.
    pub(crate) fn refused(&mut self) {
        self.storing = false;
        self.arriving.clear();
    }

    /// Whether something is on its way to the disk.
    pub(crate) fn is_busy(&self) -> bool {
        self.storing || !self.arriving.is_empty()
    }
}

impl Client {
    /// A message out of the mailbox.
    ///
    /// # Errors
    /// The server sends further ahead than it may.
    pub(crate) fn delivered(&mut self, deliver: Deliver) -> Result<(), &'static str> {
        let arrivals = &mut self.inbox.arrivals;
        arrivals.unacknowledged += 1;
        arrivals.unacknowledged_bytes += deliver.sealed.len();
        // One alone may be of any length.
        let is_long = arrivals.unacknowledged_bytes > DELIVERY_BYTES_AHEAD_MAX;
        let is_too_long = is_long && arrivals.unacknowledged > 1;
        if is_too_long || arrivals.unacknowledged > DELIVERIES_AHEAD_MAX {
            return Err("more deliveries than were asked for");
        }
        arrivals.arriving.push(deliver);
        Ok(())
    }

    /// Commits what was delivered, and reads the pins that the acknowledgement depends on.
    pub(crate) fn advance_arrivals(&mut self) {
        let arrivals = &mut self.inbox.arrivals;
        if arrivals.storing || arrivals.arriving.is_empty() || self.device.is_none() {
            return;
        }
        let Some(handle) = self.link.session_mut().map(|session| session.handle) else {
            return;
        };
        arrivals.storing = true;
        let arriving = core::mem::take(&mut arrivals.arriving);
        let mut ops = Vec::new();
        let mut arrived = Vec::new();
        for deliver in arriving {
            let sender = self.clear_sender(&deliver);
            arrived.push(Arrived {
                position: deliver.position,
                id: deliver.message_id,
                sealed_bytes: deliver.sealed.len(),
                sender,
            });
            ops.push(Op::StoreInbound(Box::new(Inbound {
                position: deliver.position,
                sender: deliver.from.display().to_owned(),
                message_id: deliver.message_id,
                sealed: deliver.sealed.into_vec(),
                time_ms: deliver.time_ms,
                state: InboundState::Received,
                display: None,
            })));
        }
        for (name, _) in arrived.iter().filter_map(|arrived| arrived.sender.as_ref()) {
            ops.push(Op::LoadContact { name: name.clone() });
        }
        let newest = arrived.iter().map(|arrived| arrived.position).max();
        if planted!(AcknowledgedBeforeStored)
            && let (Some(position), Some(session)) = (newest, self.link.session_mut())
            && let Ok(notify) = List::new(Vec::new())
        {
            session.control(Acknowledge { position, notify });
        }
        ops.push(Op::PutMeta {
            key: meta::MAILBOX_CURSOR.to_owned(),
            value: newest.unwrap_or(0).to_be_bytes().to_vec(),
        });
        self.desk.store(ops, Pending::Arrive(handle, arrived));
    }

    /// Who a message says has sent it. Nobody waits to hear of a tombstone; nor is anybody told who
    /// writes another name than its own into the header, since whether that one's pin fits would
    /// tell it whom this user knows.
    fn clear_sender(&self, deliver: &Deliver) -> Option<(String, Fingerprint)> {
        let message = SealedMessage::decode(&deliver.sealed).ok()?;
        let header = message.unproven_header();
        let own = header.sender == self.config.username.key();
        let honest = header.sender == deliver.from.key();
        let told = honest && !own && header.kind == Kind::Text;
        told.then(|| (header.sender.clone(), header.sender_key))
    }

    /// Messages are on disk: acknowledges them, to the session that brought them.
    pub(crate) fn arrived(
        &mut self,
        handle: ConnectionHandle,
        arrived: Vec<Arrived>,
        outcomes: Vec<Stored>,
    ) -> Result<(), String> {
        self.inbox.arrivals.storing = false;
        self.inbox.more_on_disk();
        for (arrived, outcome) in arrived.iter().zip(&outcomes) {
            // A server that was restored from an older state gives out positions again.
            if *outcome == Stored::Kept {
                self.inbox.read_again_from(arrived.position);
            }
        }
        let senders = arrived.iter().filter_map(|arrived| arrived.sender.as_ref());
        for ((name, _), outcome) in senders.zip(outcomes.into_iter().skip(arrived.len())) {
            if let (false, Stored::Contact(contact)) = (self.contacts.is_known(name), outcome) {
                self.contacts.loaded(name, contact.as_deref())?;
            }
        }
        let session = self.link.session_mut();
        if session.is_none_or(|session| session.handle != handle) {
            // The next session brings them again.
            return Ok(());
        }
        let accepted = arrived.iter().filter(|arrived| self.is_accepted(arrived));
        let accepted: Vec<NotifyId> = accepted.map(|arrived| NotifyId(arrived.id)).collect();
        let waiting = self.inbox.arrivals.acknowledging.get_or_insert_default();
        waiting.notify.extend(accepted);
        waiting.notify.truncate(NOTIFY_MAX);
        for arrived in &arrived {
            waiting.position = waiting.position.max(arrived.position);
            waiting.count += 1;
            waiting.bytes += arrived.sealed_bytes;
        }
        Ok(())
    }

    /// Whether the sender may be told that its message is here.
    fn is_accepted(&self, arrived: &Arrived) -> bool {
        let Some((name, key)) = &arrived.sender else {
            return false;
        };
        self.contacts.pin(name).is_none_or(|pin| {
            pin.state() != PinState::Changed && pin.identity().fingerprint() == *key
        })
    }
}
