//! What the store says, given to those who asked.

use chat::manifest::Manifest;
use chat::message::{FailureCode, Refusal};
use store::StoreError;
use store::relay::Op;
use transport::{ConnectionHandle, Instant};

use super::{Server, State};
use crate::directory::Damaged;
use crate::event::{Event, Fatal};
use crate::ledger::{Ledger, Settled, StoreDone, Then, Unsettled};

impl Server {
    /// A batch is done. Only from here on may anything of it be acknowledged.
    pub(super) fn stored(&mut self, now: Instant, done: StoreDone) {
        match self.ledger.settle(done) {
            Some(Ok(settled)) => {
                for one in settled {
                    if self.state == State::Failed {
                        return;
                    }
                    self.settle(now, one);
                }
            }
            Some(Err(Unsettled { error, wanted })) if error.is_refusal() => {
                self.events.push(Event::DiskFull);
                for (op, then) in wanted {
                    self.not_stored(now, op, then);
                }
            }
            Some(Err(Unsettled { error, .. })) => self.fail(now, Fatal::Store(error)),
            None => {
                let reason = "the store answered what was not asked".to_owned();
                self.fail(now, Fatal::Worker(reason));
            }
        }
    }

    fn settle(&mut self, now: Instant, settled: Settled) {
        let Settled { op, then, outcome } = settled;
        match (then, op) {
            (Then::Login(handle), _) => self.login_stored(now, handle, outcome),
            (Then::Invite(handle, account, username, key), _) => {
                self.invitation_read(handle, account, username, key, &outcome);
            }
            (
                Then::Insert(handle, username, invitation),
                Op::InsertAccount(account) | Op::InsertAccountAndMeta { account, .. },
            ) => {
                self.account_stored(now, handle, username, invitation, &account, &outcome);
            }
            (Then::Lookup(handle, request), _) => {
                self.store_answered(handle, 0);
                self.looked_up(handle, request, &outcome);
            }
            (Then::Send(handle, message_id, _), Op::Append(append)) => {
                self.message_stored(handle, message_id, &append, &outcome);
            }
            (Then::Read(handle), _) => self.page_read(now, handle, outcome),
            (Then::Notices(handle), _) => self.notices_loaded(now, handle, outcome),
            (Then::Acknowledge(handle, notify), Op::Acknowledge { account, .. }) => {
                self.acknowledged(now, handle, &account, notify, outcome);
            }
            (Then::Devices(name), _) => self.devices_listed(&name, &outcome),
            (Then::Room(name), _) => self.make_room(&name, &outcome),
            (Then::DirectoryVersion, _) => {
                let read = self.directory.version_read(&outcome);
                self.judge(now, read);
            }
            (Then::Accounts, _) => {
                let read = self.directory.accounts_read(outcome, &mut self.ledger);
                self.judge(now, read);
                if self.directory.is_loaded() {
                    let accounts = self.directory.len();
                    self.events.push(Event::Ready { accounts });
                }
            }
            (Then::DirectoryStored, _) => {
                let served = self.directory.stored();
                self.serve_all(now, served);
            }
            _ => {}
        }
    }

    /// The disk is full: nothing of a batch happened. What changes nothing is tried again; the rest
    /// is refused, so that its client tries again later.
    fn not_stored(&mut self, now: Instant, op: Op, then: Then) {
        if Ledger::is_load(&op) {
            return self.ledger.push(op, then);
        }
        match then {
            Then::Login(handle) => self.login_not_stored(handle),
            Then::Insert(handle, username, invitation) => {
                self.inserting = self.inserting.saturating_sub(1);
                self.not_registered(handle, username, invitation, FailureCode::Busy);
            }
            Then::Send(handle, message_id, bytes) => {
                self.store_answered(handle, bytes);
                self.refuse_message(handle, message_id, Refusal::MailboxFull);
            }
            Then::Acknowledge(handle, _) => self.store_answered(handle, 0),
            Then::DirectoryStored => {
                for handle in self.directory.not_stored() {
                    self.no_directory(now, handle);
                }
            }
            _ => {}
        }
    }

    /// A directory was signed.
    pub(super) fn signed(&mut self, now: Instant, manifest: Option<Manifest>) {
        match self.directory.signed(manifest, &mut self.ledger) {
            Ok(served) => self.serve_all(now, served),
            Err(damaged) => self.judge(now, Err(damaged)),
        }
    }

    fn serve_all(&mut self, now: Instant, served: Vec<ConnectionHandle>) {
        let Some(newest) = self.directory.newest() else {
            return;
        };
        for handle in served {
            self.serve_directory(now, handle, &newest);
        }
    }

    fn judge(&mut self, now: Instant, outcome: Result<(), Damaged>) {
        if outcome.is_err() {
            let error = StoreError::Corrupt("the directory of accounts".to_owned());
            self.fail(now, Fatal::Store(error));
        }
    }
}
