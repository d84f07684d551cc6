//! Whom a name stands for: pins, looked up once and kept (PROTOCOL.md §8.7).
//!
//! A *search* runs for a name while somebody waits for its keys: the pin on disk, then, where there
//! is none or the signed directory names other keys, a lookup. What a lookup presents counts only
//! when the directory lists the same fingerprints. A contact that is seen first is pinned as
//! unverified; another signing key puts the contact in quarantine.

use core::time::Duration;
use std::collections::BTreeMap;

use chat::Username;
use chat::message::{Account, Lookup};
use e2e::PublicIdentity;
use e2e::trust::{Pin, PinState, Trust};
use store::device::{Contact, ContactState, Op, Outcome as Stored};
use transport::Instant;

use crate::Client;
use crate::event::Event;
use crate::session::Asked;
use crate::work::Pending;

/// Names that are searched for at once; more wait.
pub(crate) const SEARCHES_MAX: usize = 64;

/// Pins in memory; beyond, those that nobody is searched for are read from disk again.
const CACHE_MAX: usize = 4096;

/// How often the directory is asked again for a name that it does not list as it was looked up,
/// after 1, 2, 4 and 8 s: a server may know of new keys before it has signed them.
const REFRESHES_MAX: u32 = 4;

#[derive(Default)]
pub(crate) struct Contacts {
    /// What is on disk: a pin, or that there is none.
    cache: BTreeMap<String, Option<Pin>>,
    searches: BTreeMap<String, Search>,
}

struct Search {
    name: Username,
    step: Step,
    refreshes: u32,
}

enum Step {
    /// The disk is asked.
    Load,
    /// The server is to be asked.
    Ask,
    /// The server was asked.
    Asked,
    /// A newer directory has to show whether the server's answer is true.
    Compare(Box<PublicIdentity>),
    /// To be asked again then.
    Later(Instant),
    /// The pin is on its way to the disk, and what is to be told then.
    Save(Box<Pin>, Option<Event>),
}

impl Contacts {
    /// The cached pin of `name`.
    pub(crate) fn pin(&self, name: &str) -> Option<&Pin> {
        self.cache.get(name)?.as_ref()
    }

    /// Whether it is known if `name` has a pin.
    pub(crate) fn is_known(&self, name: &str) -> bool {
        self.cache.contains_key(name)
    }

    /// Takes in what the disk has for `name`. A pin that cannot be read is a failure of the store.
    pub(crate) fn loaded(&mut self, name: &str, contact: Option<&Contact>) -> Result<(), String> {
        let pin = match contact {
            None => None,
            Some(contact) => {
                let pin = Pin::decode(&contact.pin)
                    .map_err(|error| format!("the pin of {name} is damaged: {error}"))?;
                Some(pin)
            }
        };
        self.cache.insert(name.to_owned(), pin);
        Ok(())
    }

    /// The connection is gone, and with it what was asked.
    pub(crate) fn disconnected(&mut self) {
        for search in self.searches.values_mut() {
            if matches!(search.step, Step::Asked | Step::Compare(_)) {
                search.step = Step::Ask;
            }
        }
    }

    pub(crate) fn timeout(&self) -> Option<Instant> {
        let later = |search: &Search| match search.step {
            Step::Later(at) => Some(at),
            _ => None,
        };
        self.searches.values().filter_map(later).min()
    }

    fn search(&mut self, name: &Username, step: Step) -> bool {
        if self.searches.len() >= SEARCHES_MAX || self.searches.contains_key(name.key()) {
            return false;
        }
        let search = Search {
            name: name.clone(),
            step,
            refreshes: 0,
        };
        self.searches.insert(name.key().to_owned(), search);
        true
    }
}

/// A pin as the store keeps it.
fn contact(display_name: &Username, pin: &Pin, wall_ms: u64) -> Contact {
    let identity = pin.identity();
    Contact {
        name: identity.name().to_owned(),
        display_name: display_name.display().to_owned(),
        sig_fingerprint: *identity.fingerprint().as_bytes(),
        enc_fingerprint: *identity.encryption_key().fingerprint().as_bytes(),
        pin: pin.encode(),
        state: match pin.state() {
            PinState::Unverified => ContactState::Unverified,
            PinState::Verified => ContactState::Verified,
            PinState::Changed => ContactState::Changed,
        },
        pinned_ms: wall_ms,
    }
}

impl Client {
    /// Keys to seal for `name`, or why nothing is to be sent; `None` while they are searched for.
    pub(crate) fn contact_for_sending(&mut self, name: &Username) -> Option<Result<Pin, String>> {
        if !self.contacts.is_known(name.key()) {
            self.load_pin(name);
            return None;
        }
        if let Some(pin) = self.contacts.pin(name.key()) {
            if let Err(quarantined) = pin.recipient() {
                return Some(Err(quarantined.to_string()));
            }
            if self.directory.lists(name.key(), pin.identity()) {
                return Some(Ok(pin.clone()));
            }
        }
        self.contacts.search(name, Step::Ask);
        None
    }

    /// The pin of a message's sender; `None` while it is searched for.
    pub(crate) fn contact_for_opening(&mut self, name: &Username) -> Option<Pin> {
        if !self.contacts.is_known(name.key()) {
            self.load_pin(name);
            return None;
        }
        let pin = self.contacts.pin(name.key()).cloned();
        if pin.is_none() {
            self.contacts.search(name, Step::Ask);
        }
        pin
    }

    /// A message came under another key than the pinned one: finds out whether the directory says
    /// so too.
    pub(crate) fn suspect(&mut self, name: &Username) {
        self.contacts.search(name, Step::Ask);
    }

    fn load_pin(&mut self, name: &Username) {
        if self.contacts.search(name, Step::Load) {
            let load = Op::LoadContact {
                name: name.key().to_owned(),
            };
            let pending = Pending::Pin(name.key().to_owned());
            self.desk.store(vec![load], pending);
        }
    }

    pub(crate) fn pin_loaded(&mut self, name: &str, outcomes: &[Stored]) -> Result<(), String> {
        self.contacts.searches.remove(name);
        let contact = match outcomes {
            [Stored::Contact(contact)] => contact.as_deref(),
            _ => None,
        };
        self.contacts.loaded(name, contact)
    }

    /// Asks the server for whatever is to be asked.
    pub(crate) fn advance_contacts(&mut self, now: Instant) {
        let contacts = &mut self.contacts;
        if contacts.cache.len() > CACHE_MAX {
            // What a search finds is compared with what was known when it began.
            let searches = &contacts.searches;
            contacts.cache.retain(|name, _| searches.contains_key(name));
        }
        for search in self.contacts.searches.values_mut() {
            if matches!(search.step, Step::Later(at) if at <= now) {
                search.step = Step::Ask;
            }
        }
        let Some(session) = self.link.session_mut() else {
            return;
        };
        for (key, search) in &mut self.contacts.searches {
            if matches!(search.step, Step::Ask) {
                let request = session.ask(Asked::Lookup(key.clone()));
                let name = search.name.clone();
                session.control(Lookup { request, name });
                search.step = Step::Asked;
            }
        }
    }

    /// The server's answer to a lookup.
    pub(crate) fn account_found(&mut self, now: Instant, name: &str, account: &Account) {
        let asked = |search: &Search| matches!(search.step, Step::Asked);
        if !self.contacts.searches.get(name).is_some_and(asked) {
            return;
        }
        if account.name.key() != name {
            return self.search_failed(name, "the server answered for another name");
        }
        let presented = PublicIdentity::from_parts(
            name,
            &account.sig_key,
            &account.enc_key,
            &account.enc_certificate,
        );
        match presented {
            Ok(presented) => self.compare(now, name, presented, false),
            Err(error) => self.search_failed(name, &format!("its keys are refused: {error}")),
        }
    }

    pub(crate) fn account_missing(&mut self, name: &str) {
        self.search_failed(name, "there is no such user");
    }

    /// The directory is the newest there is: what waited for it can be judged.
    pub(crate) fn directory_refreshed(&mut self, now: Instant) {
        let mut waiting = Vec::new();
        for (name, search) in &mut self.contacts.searches {
            if matches!(search.step, Step::Compare(_))
                && let Step::Compare(presented) = core::mem::replace(&mut search.step, Step::Ask)
            {
                waiting.push((name.clone(), *presented));
            }
        }
        for (name, presented) in waiting {
            self.compare(now, &name, presented, true);
        }
    }

    /// Believes what a lookup presented if the directory lists it.
    fn compare(&mut self, now: Instant, name: &str, presented: PublicIdentity, refreshed: bool) {
        if self.directory.lists(name, &presented) {
            return self.pin(name, presented);
        }
        let Some(search) = self.contacts.searches.get_mut(name) else {
            return;
        };
        if !refreshed {
            search.step = Step::Compare(Box::new(presented));
            self.directory.want();
        } else if search.refreshes < REFRESHES_MAX {
            let wait = Duration::from_secs(1 << search.refreshes);
            search.refreshes += 1;
            search.step = Step::Later(now + wait);
        } else {
            self.search_failed(name, "the server's signed directory does not list its keys");
        }
    }

    fn pin(&mut self, name: &str, presented: PublicIdentity) {
        let Some(search) = self.contacts.searches.get_mut(name) else {
            return;
        };
        let display = search.name.clone();
        let Some(known) = self.contacts.cache.get(name) else {
            // Not to know a pin is not to know that there is none.
            self.contacts.searches.remove(name);
            return self.load_pin(&display);
        };
        let mut told = None;
        let (pin, new) = match known.clone() {
            None => (Pin::first_seen(presented), true),
            Some(mut pin) => {
                match pin.present(&presented) {
                    Trust::Changed { pinned, presented } => {
                        told = Some(Event::KeyChanged {
                            name: display.clone(),
                            pinned,
                            presented,
                        });
                    }
                    Trust::Same => {
                        self.contacts.searches.remove(name);
                        return;
                    }
                    _ => {}
                }
                (pin, false)
            }
        };
        let contact = Box::new(contact(&display, &pin, self.desk.wall_ms));
        let put = if new {
            Op::PinContact(contact)
        } else {
            Op::UpdateContact(contact)
        };
        search.step = Step::Save(Box::new(pin), told);
        self.desk.store(vec![put], Pending::Pinned(name.to_owned()));
    }

    /// The disk has the pin, or has another one: that one holds then.
    pub(crate) fn pin_saved(&mut self, name: &str, outcomes: Vec<Stored>) -> Result<(), String> {
        let Some(search) = self.contacts.searches.remove(name) else {
            return Ok(());
        };
        let Step::Save(pin, told) = search.step else {
            return Ok(());
        };
        match outcomes.into_iter().next() {
            Some(Stored::PinnedBefore(before)) => self.contacts.loaded(name, Some(&before)),
            Some(Stored::NoSuchContact) => self.contacts.loaded(name, None),
            _ => {
                self.contacts.cache.insert(name.to_owned(), Some(*pin));
                if let Some(event) = told {
                    self.desk.emit(event);
                }
                Ok(())
            }
        }
    }

    /// The disk is full: whom drafts are for is not known, and what came from there waits on.
    pub(crate) fn pin_not_saved(&mut self, now: Instant, name: &str, reason: String) {
        self.contacts.searches.remove(name);
        self.fail_drafts_for(name, &reason);
        if self.inbox.put_back(name) {
            self.inbox_is_full(now, reason);
        }
    }

    pub(crate) fn search_failed(&mut self, name: &str, reason: &str) {
        if self.contacts.searches.remove(name).is_some() {
            self.fail_drafts_for(name, reason);
            self.fail_waiting_from(name, reason);
            self.outbox.held.search_failed(name, reason);
        }
    }
}
