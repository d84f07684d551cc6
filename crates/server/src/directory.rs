//! The signed directory: when it is signed anew, and who waits for it (PROTOCOL.md §6.7).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};

use chat::Username;
use chat::limits::MANIFEST_ENTRIES_MAX;
use chat::manifest::Manifest;
use chat::message::ManifestEntry;
use crypto::SigningKey;
use store::relay::{AccountSummary, Op, Outcome};
use transport::ConnectionHandle;

use crate::job::{Job, Sign};
use crate::ledger::{Ledger, Then};
use crate::limits::{ACCOUNTS_PAGE, DIRECTORY_ENTRIES_MAX, HEAD_AGE_MAX_MS};

/// Where the store keeps version (8 bytes) and root (32) of the last directory.
const META_KEY: &str = "directory";

/// What the store holds contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

pub(crate) struct Directory {
    key: Arc<SigningKey>,
    /// All accounts by their names' keys: what the next directory says.
    entries: BTreeMap<String, ManifestEntry>,
    loaded: bool,
    /// Version and root of the last directory that anybody can have seen.
    last: Option<(u64, [u8; 32])>,
    /// It is an earlier process's.
    is_inherited: bool,
    /// The newest, and older ones as long as somebody is being sent them.
    published: VecDeque<Arc<Manifest>>,
    /// An account has changed since the newest was begun.
    changed: bool,
    step: Step,
    /// Who is served by the directory that is being signed, and who by the one after it.
    waiting: Vec<ConnectionHandle>,
    waiting_next: Vec<ConnectionHandle>,
}

enum Step {
    Idle,
    Signing,
    /// Signed; its version is being remembered, so that no later process gives it out again.
    Storing(Arc<Manifest>),
}

impl Directory {
    /// Begins by reading what there is.
    pub(crate) fn new(key: Arc<SigningKey>, ledger: &mut Ledger) -> Self {
        let key_of_meta = META_KEY.to_owned();
        ledger.push(Op::LoadMeta { key: key_of_meta }, Then::DirectoryVersion);
        ledger.push(list(None), Then::Accounts);
        Self {
            key,
            entries: BTreeMap::new(),
            loaded: false,
            last: None,
            is_inherited: true,
            published: VecDeque::new(),
            changed: true,
            step: Step::Idle,
            waiting: Vec::new(),
            waiting_next: Vec::new(),
        }
    }

    /// The version of an earlier process was read.
    pub(crate) fn version_read(&mut self, outcome: &Outcome) -> Result<(), Damaged> {
        let Outcome::Meta(value) = outcome else {
            return Err(Damaged);
        };
        let Some(value) = value else {
            return Ok(());
        };
        let (version, root) = value.split_first_chunk().ok_or(Damaged)?;
        let root = root.try_into().map_err(|_| Damaged)?;
        self.last = Some((u64::from_be_bytes(*version), root));
        Ok(())
    }

    /// Accounts were read. Asks for more until all are there.
    pub(crate) fn accounts_read(
        &mut self,
        outcome: Outcome,
        ledger: &mut Ledger,
    ) -> Result<(), Damaged> {
        let Outcome::Accounts(accounts) = outcome else {
            return Err(Damaged);
        };
        match accounts.last().map(|account| account.name.clone()) {
            Some(last) => ledger.push(list(Some(last)), Then::Accounts),
            None => self.loaded = true,
        }
        for account in &accounts {
            self.insert(account)?;
        }
        Ok(())
    }

    /// Lists an account from now on.
    pub(crate) fn insert(&mut self, account: &AccountSummary) -> Result<(), Damaged> {
        let user = Username::parse(&account.display_name).map_err(|_| Damaged)?;
        if user.key() != account.name {
            return Err(Damaged);
        }
        let entry = ManifestEntry {
            user,
            sig_fingerprint: account.sig_fingerprint,
            enc_fingerprint: account.enc_fingerprint,
            key_bag_version: account.key_bag_version,
            key_bag_hash: account.key_bag_hash,
        };
        self.entries.insert(account.name.clone(), entry);
        self.changed = true;
        Ok(())
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.loaded
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether `more` accounts would be too many for a directory.
    pub(crate) fn has_room_for(&self, more: usize) -> bool {
        let most = usize::try_from(MANIFEST_ENTRIES_MAX).unwrap_or(usize::MAX);
        self.entries.len().saturating_add(more) <= most
    }

    /// A name as its owner spells it.
    pub(crate) fn spelling(&self, name: &str) -> Option<Username> {
        match self.entries.get(name) {
            Some(entry) => Some(entry.user.clone()),
            None => Username::parse(name).ok(),
        }
    }

    /// The newest directory, if it is new enough and no newer one is on its way; otherwise `who` is
    /// among those that [`Directory::stored`] gives later.
    pub(crate) fn ask(&mut self, who: ConnectionHandle, now_ms: u64) -> Option<Weak<Manifest>> {
        let settled = matches!(self.step, Step::Idle);
        match self.published.back() {
            Some(newest) if settled && !self.is_outdated(newest, now_ms) => {
                Some(Arc::downgrade(newest))
            }
            _ => {
                self.waiting_next.push(who);
                None
            }
        }
    }

    /// Work to be done, if a directory is wanted and none is on its way.
    ///
    /// One at a time, for all who wait, is pace enough: a pause would keep somebody who has just
    /// registered from logging in, and the copy of the entries here is no more than what each of
    /// those who wait is sent afterwards.
    pub(crate) fn poll_job(&mut self, now_ms: u64) -> Option<Job> {
        let is_due = self.loaded && matches!(self.step, Step::Idle);
        if !is_due || self.waiting_next.is_empty() {
            return None;
        }
        self.step = Step::Signing;
        self.changed = false;
        self.waiting.append(&mut self.waiting_next);
        Some(Job(Sign {
            key: Arc::clone(&self.key),
            last: self.last,
            is_inherited: self.is_inherited,
            issued_ms: now_ms,
            entries: self.entries.values().cloned().collect(),
        }))
    }

    /// A directory was signed. Gives who is served now; nobody, when its version has to be
    /// remembered first.
    pub(crate) fn signed(
        &mut self,
        manifest: Option<Manifest>,
        ledger: &mut Ledger,
    ) -> Result<Vec<ConnectionHandle>, Damaged> {
        let manifest = Arc::new(manifest.ok_or(Damaged)?);
        let head = manifest.head();
        if self.last == Some((head.version, head.root)) {
            return Ok(self.publish(manifest));
        }
        let mut value = head.version.to_be_bytes().to_vec();
        value.extend_from_slice(&head.root);
        let key = META_KEY.to_owned();
        ledger.push(Op::PutMeta { key, value }, Then::DirectoryStored);
        self.step = Step::Storing(manifest);
        Ok(Vec::new())
    }

    /// The version is remembered. Gives who is served now.
    pub(crate) fn stored(&mut self) -> Vec<ConnectionHandle> {
        match core::mem::replace(&mut self.step, Step::Idle) {
            Step::Storing(manifest) => self.publish(manifest),
            _ => Vec::new(),
        }
    }

    /// The version could not be remembered: nobody may see it. Gives who waited for it.
    pub(crate) fn not_stored(&mut self) -> Vec<ConnectionHandle> {
        self.step = Step::Idle;
        self.changed = true;
        core::mem::take(&mut self.waiting)
    }

    fn publish(&mut self, manifest: Arc<Manifest>) -> Vec<ConnectionHandle> {
        self.step = Step::Idle;
        self.is_inherited = false;
        self.last = Some((manifest.head().version, manifest.head().root));
        self.published.retain(|old| Arc::weak_count(old) > 0);
        self.published.push_back(manifest);
        // Whoever takes too long over an old one has to ask again.
        while self.published.len() > 1 && self.entries_held() > DIRECTORY_ENTRIES_MAX {
            self.published.pop_front();
        }
        if !self.changed {
            self.waiting.append(&mut self.waiting_next);
        }
        core::mem::take(&mut self.waiting)
    }

    /// The directory that those who have just been served get.
    pub(crate) fn newest(&self) -> Option<Weak<Manifest>> {
        self.published.back().map(Arc::downgrade)
    }

    fn entries_held(&self) -> usize {
        self.published.iter().map(|held| held.entries().len()).sum()
    }

    fn is_outdated(&self, newest: &Manifest, now_ms: u64) -> bool {
        self.changed || now_ms.abs_diff(newest.head().issued_ms) > HEAD_AGE_MAX_MS
    }
}

fn list(after: Option<String>) -> Op {
    Op::ListAccounts {
        after,
        limit: ACCOUNTS_PAGE,
    }
}

#[cfg(test)]
mod tests;
