//! The directory of all accounts, as the server signs it (PROTOCOL.md §6.7).

use chat::Username;
use chat::manifest::{Assembly, HeadSeen, Manifest, accept_head};
use chat::message::{ManifestEntry, ManifestHead, ManifestPart};
use codec::{DecodeError, Reader, Writer};
use crypto::VerifyingKey;
use e2e::PublicIdentity;

use crate::Client;
use crate::event::Event;
use crate::work::Pending;
use store::device::{Op, meta};

/// What came of a head or a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Parts are still to come.
    More,
    /// The directory is complete, and in use from now on.
    Complete,
}

#[derive(Default)]
pub(crate) struct Directory {
    /// The server's key, once the channel has proven it.
    key: Option<VerifyingKey>,
    manifest: Option<Manifest>,
    assembly: Option<Assembly>,
    /// The newest head ever accepted, also in earlier runs.
    seen: Option<HeadSeen>,
    wanted: bool,
    requested: bool,
    /// The version of which a fork was told.
    fork_told: u64,
}

impl Directory {
    /// The newest head of earlier runs.
    ///
    /// # Errors
    /// The blob is not one of [`Directory::encode_seen`].
    pub(crate) fn restore(&mut self, blob: Option<&[u8]>) -> Result<(), DecodeError> {
        if let Some(bytes) = blob {
            let mut reader = Reader::new(bytes);
            let version = reader.u64()?;
            let root = reader.array()?;
            reader.finish()?;
            self.seen = Some(HeadSeen { version, root });
        }
        Ok(())
    }

    /// Version in 8 bytes, root in 32.
    fn encode_seen(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(40);
        if let Some(seen) = &self.seen {
            Writer::new(&mut bytes).u64(seen.version).bytes(&seen.root);
        }
        bytes
    }

    pub(crate) fn connected(&mut self, key: VerifyingKey) {
        self.key = Some(key);
    }

    /// What was asked for does not come any more.
    pub(crate) fn disconnected(&mut self) {
        self.assembly = None;
        self.requested = false;
    }

    /// Somebody needs the newest one.
    pub(crate) const fn want(&mut self) {
        self.wanted = true;
    }

    /// The version to ask from, if the server is to be asked now.
    pub(crate) fn request(&mut self) -> Option<u64> {
        if !self.wanted || self.requested {
            return None;
        }
        self.wanted = false;
        self.requested = true;
        let version = |manifest: &Manifest| manifest.head().version;
        Some(self.manifest.as_ref().map_or(0, version))
    }

    pub(crate) const fn unchanged(&mut self) {
        self.requested = false;
    }

    /// Begins a directory.
    ///
    /// # Errors
    /// The head is refused.
    pub(crate) fn head_arrived(
        &mut self,
        head: ManifestHead,
        wall_ms: u64,
    ) -> Result<Taken, String> {
        let key = self.key.as_ref().ok_or("the server's key is not known")?;
        if self.assembly.is_some() {
            return Err("a second head before the first one's parts".to_owned());
        }
        let accepted = accept_head(&head, key, wall_ms, self.seen);
        self.seen = Some(accepted.map_err(|refused| refused.to_string())?);
        self.assembly = Some(Assembly::new(head));
        self.complete()
    }

    /// Takes the next part.
    ///
    /// # Errors
    /// It is not what the head announced.
    pub(crate) fn part_arrived(&mut self, part: ManifestPart) -> Result<Taken, String> {
        let assembly = self.assembly.as_mut().ok_or("a part without a head")?;
        assembly.push(part).map_err(|bad| bad.to_string())?;
        self.complete()
    }

    fn complete(&mut self) -> Result<Taken, String> {
        match self.assembly.take_if(|assembly| assembly.is_complete()) {
            None => Ok(Taken::More),
            Some(assembly) => {
                self.manifest = Some(assembly.finish().map_err(|bad| bad.to_string())?);
                self.requested = false;
                Ok(Taken::Complete)
            }
        }
    }

    /// What goes into sealed messages.
    pub(crate) fn head(&self) -> Option<e2e::sealed::ManifestHead> {
        let head = self.manifest.as_ref()?.head();
        (head.version > 0).then_some(e2e::sealed::ManifestHead {
            version: head.version,
            root: head.root,
        })
    }

    pub(crate) fn entry(&self, name: &Username) -> Option<&ManifestEntry> {
        self.manifest.as_ref()?.entry(name)
    }

    /// Whether `identity`'s keys are those of `name`.
    pub(crate) fn lists(&self, name: &str, identity: &PublicIdentity) -> bool {
        let Ok(name) = Username::parse(name) else {
            return false;
        };
        if planted!(DirectoryNotAsked) {
            return true;
        }
        self.entry(&name).is_some_and(|entry| {
            entry.sig_fingerprint == *identity.fingerprint().as_bytes()
                && entry.enc_fingerprint == *identity.encryption_key().fingerprint().as_bytes()
        })
    }

    /// A name as its owner spells it, if it is listed.
    pub(crate) fn display(&self, name: &Username) -> Username {
        let entry = self.entry(name);
        entry.map_or_else(|| name.clone(), |entry| entry.user.clone())
    }
}

impl Client {
    /// Remembers the newest head, so that no later one goes back.
    pub(crate) fn note_directory(&mut self) {
        let put = Op::PutMeta {
            key: meta::MANIFEST.to_owned(),
            value: self.directory.encode_seen(),
        };
        self.desk.store(vec![put], Pending::Note);
    }

    /// Compares the head that a message's sender knew with one's own.
    pub(crate) fn compare_directories(
        &mut self,
        from: &Username,
        theirs: Option<e2e::sealed::ManifestHead>,
        events: &mut Vec<Event>,
    ) {
        let (Some(theirs), Some(seen)) = (theirs, self.directory.seen) else {
            return;
        };
        let told = self.directory.fork_told == theirs.version;
        if theirs.version == seen.version && theirs.root != seen.root && !told {
            self.directory.fork_told = theirs.version;
            events.push(Event::DirectoryFork {
                from: from.clone(),
                version: theirs.version,
            });
        }
    }
}
