//! Making an account over the network (PROTOCOL.md §6.6).

use chat::Username;
use chat::login::verify_registration;
use chat::message::{FailureCode, RegisterFinish, RegisterStart, Registered};
use store::relay::{Account, Op, Outcome};
use transport::{ConnectionHandle, Instant};

use super::{Server, code};
use crate::Registration;
use crate::accounts::{AccountDraft, insert_invited, invitation_key, is_open_invitation};
use crate::event::{Event, Fatal};
use crate::ledger::Then;
use crate::limits::REGISTER_RESPONSES_MAX;
use crate::peer::{Asked, Peer, Step};

/// Version of a new account's key bag.
const FIRST_VERSION: u64 = 1;

impl Server {
    pub(super) fn register_start(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        start: RegisterStart,
    ) {
        if self.config.registration == Registration::Closed {
            return self.refuse(handle, start.username, FailureCode::RegistrationClosed, 0);
        }
        if !self.has_room() {
            return self.refuse(handle, start.username, FailureCode::Busy, 0);
        }
        let Some(peer) = self.peers.get(&handle) else {
            return;
        };
        let difficulty = self.throttle.registration(now.as_nanos(), peer.source);
        self.ask_work(now, handle, difficulty, Asked::Register(start));
    }

    /// The work is done: the password's turn.
    pub(super) fn answer_registration(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        start: &RegisterStart,
    ) {
        let username = start.username.clone();
        let Some(stranger) = self.peers.get_mut(&handle).and_then(Peer::stranger) else {
            return;
        };
        stranger.register_responses = stranger.register_responses.saturating_add(1);
        if stranger.register_responses > REGISTER_RESPONSES_MAX {
            self.refuse(handle, username, FailureCode::TooManyAttempts, 0);
            return self.leave(now, handle, code::REFUSED, "too many attempts");
        }
        match self.passwords.register_start(start) {
            Ok(response) => self.answer(handle, response, Step::Register(username)),
            Err(_) => self.refuse(handle, username, FailureCode::KeysRefused, 0),
        }
    }

    pub(super) fn register_finish(
        &mut self,
        handle: ConnectionHandle,
        username: Username,
        finish: RegisterFinish,
    ) {
        let invite = finish.invite.as_deref().map(<[u8]>::to_vec);
        let Some(account) = self.check_registration(handle, &username, finish) else {
            return self.refuse(handle, username, FailureCode::KeysRefused, 0);
        };
        if self.config.registration != Registration::Invited {
            return self.insert_account(handle, account, username, None);
        }
        let key = invite.map(|invite| invitation_key(&invite));
        // One that another registration is about to use up counts as used.
        let Some(key) = key.filter(|key| !self.invitations.contains(key)) else {
            return self.refuse(handle, username, FailureCode::InviteRequired, 0);
        };
        self.invitations.insert(key.clone());
        self.set_step(handle, Step::Storing);
        let load = Op::LoadMeta { key: key.clone() };
        self.ledger
            .push(load, Then::Invite(handle, account, username, key));
    }

    /// Signature, keys, certificate and record; `None` if any of them does not check out.
    fn check_registration(
        &self,
        handle: ConnectionHandle,
        username: &Username,
        finish: RegisterFinish,
    ) -> Option<Box<Account>> {
        let peer = self.peers.get(&handle)?;
        verify_registration(&peer.channel, username, &finish).ok()?;
        if finish.key_bag_version != FIRST_VERSION {
            return None;
        }
        let draft = AccountDraft {
            username: username.clone(),
            record: self.passwords.register_finish(finish.record).ok()?,
            key_bag: finish.key_bag,
            key_bag_version: finish.key_bag_version,
            sig_key: finish.sig_key,
            enc_key: finish.enc_key,
            enc_certificate: finish.enc_certificate,
        };
        draft.into_account(self.wall_ms, false).map(Box::new).ok()
    }

    fn insert_account(
        &mut self,
        handle: ConnectionHandle,
        account: Box<Account>,
        username: Username,
        invitation: Option<String>,
    ) {
        if !self.has_room() {
            return self.not_registered(handle, username, invitation, FailureCode::Busy);
        }
        self.inserting = self.inserting.saturating_add(1);
        self.set_step(handle, Step::Storing);
        let op = match &invitation {
            Some(key) => insert_invited(account, key.clone()),
            None => Op::InsertAccount(account),
        };
        self.ledger
            .push(op, Then::Insert(handle, username, invitation));
    }

    /// Whether the directory has room for one more account.
    fn has_room(&self) -> bool {
        let more = self.inserting.saturating_add(1);
        self.directory.is_loaded() && self.directory.has_room_for(more)
    }

    /// The state of an invitation was read.
    pub(super) fn invitation_read(
        &mut self,
        handle: ConnectionHandle,
        account: Box<Account>,
        username: Username,
        key: String,
        outcome: &Outcome,
    ) {
        if let Outcome::Meta(state) = outcome
            && is_open_invitation(state.as_deref())
        {
            return self.insert_account(handle, account, username, Some(key));
        }
        self.invitations.remove(&key);
        self.refuse(handle, username, FailureCode::InviteRequired, 0);
    }

    /// An account was stored, or not. It is listed even if its owner is gone.
    pub(super) fn account_stored(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        username: Username,
        invitation: Option<String>,
        account: &Account,
        outcome: &Outcome,
    ) {
        self.inserting = self.inserting.saturating_sub(1);
        if *outcome != Outcome::Inserted {
            return self.not_registered(handle, username, invitation, FailureCode::NameTaken);
        }
        if self.directory.insert(&account.summary()).is_err() {
            return self.fail(now, Fatal::Worker("an account without a name".to_owned()));
        }
        if let Some(key) = invitation {
            self.invitations.remove(&key);
        }
        self.answer(handle, Registered {}, Step::Start);
        self.events.push(Event::Registered { user: username });
    }

    /// The invitation can be used again.
    pub(super) fn not_registered(
        &mut self,
        handle: ConnectionHandle,
        username: Username,
        invitation: Option<String>,
        code: FailureCode,
    ) {
        if let Some(key) = invitation {
            self.invitations.remove(&key);
        }
        self.refuse(handle, username, code, 0);
    }
}
