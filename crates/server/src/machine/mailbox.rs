//! Deliveries: out of the mailbox to the recipient's devices, and word of it to the sender's
//! (PROTOCOL.md §7.3).

use chat::Username;
use chat::message::{Acknowledge, Deliver, Delivered, DeviceId, MessageId, SessionServerMessage};
use store::relay::{Append, Entry, NOTICES_PER_DEVICE_MAX, Notice, Op, Outcome, Receipt};
use transport::{ConnectionHandle, Instant};

use super::{Server, State};
use crate::accounts::blob;
use crate::ledger::{Ledger, Then};
use crate::limits::{TOLD_FOR, TOLD_MAX};
use crate::peer::User;
use crate::pipe::Port;
use crate::window::Offer;

/// The only kind of notice: a message was delivered.
const DELIVERED: u8 = 1;

impl Server {
    /// A message is on disk: it goes at once to those devices of its recipient that have all before
    /// it. The others read it when they get there.
    pub(super) fn push_message(&mut self, position: u64, append: &Append) {
        let mut message = None;
        for handle in self.presence.devices(&append.recipient) {
            let Some(peer) = self.peers.get_mut(&handle) else {
                continue;
            };
            let is_flowing = peer.is_flowing();
            let bytes = append.sealed.len();
            let at_once = peer
                .user()
                .is_some_and(|user| user.window.committed(position, bytes, is_flowing));
            if !at_once {
                self.want_page(handle);
                continue;
            }
            let message = message.get_or_insert_with(|| {
                self.directory.spelling(&append.sender).map(|from| {
                    let deliver = Deliver {
                        position,
                        from,
                        message_id: append.message_id,
                        sealed: blob(&append.sealed),
                        time_ms: append.now_ms,
                    };
                    SessionServerMessage::from(deliver).encode()
                })
            });
            if let Some(message) = message.clone() {
                self.say(handle, Port::Session, message);
            }
        }
    }

    /// Lets a peer's mailbox be read, if there is something to read and room for it.
    pub(super) fn want_page(&mut self, handle: ConnectionHandle) {
        let Some(peer) = self.peers.get_mut(&handle) else {
            return;
        };
        let is_flowing = peer.is_flowing();
        let wants = peer.user().is_some_and(|user| user.window.wants_page());
        if wants && is_flowing && !core::mem::replace(&mut peer.reading, true) {
            self.readers.push_back(handle);
        }
    }

    /// Asks the store for pages, of at most so many mailboxes.
    pub(super) fn read_mailboxes(&mut self, max: usize) {
        if self.state != State::Running {
            return;
        }
        for _ in 0..max {
            let Some(handle) = self.readers.pop_front() else {
                break;
            };
            let Some(peer) = self.peers.get_mut(&handle) else {
                continue;
            };
            peer.reading = false;
            let Some(user) = peer.user() else {
                continue;
            };
            let Some(page) = user.window.next_page() else {
                continue;
            };
            let op = Op::ReadAfter {
                account: user.name.key().to_owned(),
                device: user.device,
                after: Some(page.after),
                max_messages: page.max_messages,
                max_bytes: page.max_bytes,
            };
            self.ledger.push(op, Then::Read(handle));
        }
    }

    /// A page was read.
    pub(super) fn page_read(&mut self, now: Instant, handle: ConnectionHandle, outcome: Outcome) {
        let Outcome::Entries(entries) = outcome else {
            return self.device_unknown(now, handle);
        };
        let Some(user) = self.user(handle) else {
            return;
        };
        user.window.page_read(entries.is_empty());
        for entry in entries {
            let Some(user) = self.user(handle) else {
                return;
            };
            match user.window.offer(entry.position, entry.sealed.len()) {
                Offer::Send => self.deliver(handle, entry),
                Offer::Skip => {}
                Offer::Stop => break,
            }
        }
        self.wake(handle);
    }

    fn deliver(&mut self, handle: ConnectionHandle, entry: Entry) {
        // Nobody has sent it whose name is none.
        let Some(from) = self.directory.spelling(&entry.sender) else {
            return;
        };
        let deliver = Deliver {
            position: entry.position,
            from,
            message_id: entry.message_id,
            sealed: blob(&entry.sealed),
            time_ms: entry.time_ms,
        };
        self.tell(handle, deliver);
    }

    /// A device has everything up to a position.
    pub(super) fn acknowledge(&mut self, handle: ConnectionHandle, acknowledge: Acknowledge) {
        let Some(user) = self.user(handle) else {
            return;
        };
        user.window.acknowledge(acknowledge.position);
        let op = Op::Acknowledge {
            account: user.name.key().to_owned(),
            device: user.device,
            position: acknowledge.position,
        };
        let notify = acknowledge.notify.into_vec();
        let notify = notify.into_iter().map(|id| id.0).collect();
        self.ask_store(handle, op, 0, Then::Acknowledge(handle, notify));
    }

    /// The cursor is moved: senders whose messages it passed are told, as far as the recipient
    /// allows.
    pub(super) fn acknowledged(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        account: &str,
        mut notify: Vec<MessageId>,
        outcome: Outcome,
    ) {
        self.store_answered(handle, 0);
        let Outcome::Acknowledged { receipts } = outcome else {
            return self.device_unknown(now, handle);
        };
        let Some(by) = self.directory.spelling(account) else {
            return;
        };
        notify.sort_unstable();
        for receipt in receipts {
            if notify.binary_search(&receipt.message_id).is_ok() {
                self.delivered(now, &by, &receipt);
            }
        }
    }

    /// Tells the device that sent a message, now or when it comes back.
    fn delivered(&mut self, now: Instant, by: &Username, receipt: &Receipt) {
        let handle = self
            .presence
            .device(&receipt.sender, &receipt.sending_device);
        let waiting = handle
            .and_then(|handle| self.peers.get(&handle))
            .and_then(|peer| peer.session.as_ref())
            .map(|pipe| pipe.waiting());
        if let (Some(handle), Some(0..TOLD_MAX)) = (handle, waiting)
            && self.tell_delivered(now, handle, receipt.message_id, by)
        {
            return;
        }
        if planted!(NoticeNotKept) {
            return;
        }
        let (name, device) = (&receipt.sender, receipt.sending_device);
        self.keep_notice(name, device, receipt.message_id, by);
    }

    /// A device is to be told of a delivery when it comes back.
    pub(super) fn keep_notice(
        &mut self,
        name: &str,
        device: DeviceId,
        message_id: MessageId,
        by: &Username,
    ) {
        let put = Op::PutNotice {
            account: name.to_owned(),
            device,
            notice: Notice {
                message_id,
                kind: DELIVERED,
                by: by.key().to_owned(),
                time_ms: self.wall_ms,
            },
        };
        self.ledger.push(put, Then::Nothing);
    }

    /// Whether it is also remembered, so that it can be told again.
    fn tell_delivered(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        message_id: MessageId,
        by: &Username,
    ) -> bool {
        let by = by.clone();
        let remembered = self
            .user(handle)
            .is_some_and(|user| user.remember_told(now, message_id, &by));
        self.tell(handle, Delivered { message_id, by });
        remembered
    }

    /// A device is back: what it was not told while it was away is read.
    pub(super) fn want_notices(&mut self, handle: ConnectionHandle) {
        let Some(user) = self.user(handle) else {
            return;
        };
        let load = Op::LoadNotices {
            account: user.name.key().to_owned(),
            device: user.device,
            limit: u32::try_from(NOTICES_PER_DEVICE_MAX).unwrap_or(u32::MAX),
        };
        self.ledger.push(load, Then::Notices(handle));
    }

    /// Tells a device what happened while it was away. The store forgets it when that has arrived
    /// for sure; should the connection break before, it is told again.
    pub(super) fn notices_loaded(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        outcome: Outcome,
    ) {
        let (Outcome::Notices(notices), Some(user)) = (outcome, self.user(handle)) else {
            return;
        };
        if notices.is_empty() {
            return;
        }
        user.noticed = notices.iter().map(|notice| notice.message_id).collect();
        user.noticed_until = now + TOLD_FOR;
        self.timers.insert((now + TOLD_FOR, handle));
        for notice in notices {
            if let (DELIVERED, Some(by)) = (notice.kind, self.directory.spelling(&notice.by)) {
                let message_id = notice.message_id;
                self.tell(handle, Delivered { message_id, by });
            }
        }
    }

    /// What a user was told has arrived.
    pub(super) fn forget_notices(ledger: &mut Ledger, user: &mut User) {
        if user.noticed.is_empty() {
            return;
        }
        let delete = Op::DeleteNotices {
            account: user.name.key().to_owned(),
            device: user.device,
            message_ids: core::mem::take(&mut user.noticed),
        };
        ledger.push(delete, Then::Nothing);
    }
}
