//! Computations that would block a loop, as pure functions for workers.

use std::collections::BTreeMap;
use std::sync::Arc;

use chat::Username;
use chat::login::{
    ClientLogin, ClientRegistration, LoggedIn, LoginError, ProofContext, make_proof,
    sign_registration, solve_login_work,
};
use chat::message::{
    Blob, Certificate, Credentials, KeyBag, LoginResponse, LoginWork, LoginWorkSolution, Proof,
    PublicKey, RegisterFinish, RegisterResponse, Signature,
};
use crypto::{DeviceKey, Fingerprint, Random, RsaBits, Secret};
use e2e::conversation::{DeviceId, MessageId, Origin, ReceiveState, SendState, Slot};
use e2e::keybag::{self, Binding};
use e2e::sealed::{self, Body, ManifestHead, Outgoing};
use e2e::trust::Pin;
use e2e::{Identity, PublicIdentity};

use crate::compose::Draft;
use crate::opening::{Item, Opened, open};

/// A computation. It has no side effects, and takes up to seconds.
#[non_exhaustive]
pub enum Job {
    /// The admission puzzle: about 2^20 hashes at most.
    Solve {
        /// The challenge's body.
        challenge: Vec<u8>,
        /// Hash of the handshake's first message.
        hello: [u8; 32],
    },
    /// The puzzle that a server asks for before it answers a login.
    LoginWork(Box<LoginWorkJob>),
    /// The keys of a new account: two RSA key pairs.
    GenerateIdentity {
        /// The account's name, case-mapped.
        name: String,
        /// Their size.
        bits: RsaBits,
    },
    /// The password's part of a registration (Argon2), the key bag, the signature.
    FinishRegistration(Box<RegistrationJob>),
    /// The password's part of a login: Argon2.
    FinishLogin(Box<LoginJob>),
    /// The key bag, and the proof that follows from it.
    OpenKeyBag(Box<KeyBagJob>),
    /// Texts of one conversation to be sealed in order.
    Seal {
        /// The sender.
        identity: Arc<Identity>,
        /// The recipient.
        recipient: Recipient,
        /// The sending device.
        device: DeviceId,
        /// Where the conversation is.
        state: SendState,
        /// The newest directory that is known.
        manifest: Option<ManifestHead>,
        /// The texts.
        drafts: Vec<Draft>,
    },
    /// Tombstones for messages that the server refused for good.
    Tombstones(Box<TombstonesJob>),
    /// Messages to be verified and decrypted in order.
    Open {
        /// The reader.
        identity: Arc<Identity>,
        /// The reading device.
        device: DeviceId,
        /// The messages.
        items: Vec<Item>,
        /// What has been seen of their senders.
        states: BTreeMap<Origin, ReceiveState>,
    },
}

/// Whom a message is sealed for.
pub enum Recipient {
    /// Oneself: a note.
    Myself,
    /// A pinned contact.
    Contact(Box<Pin>),
}

/// See [`Job::LoginWork`].
pub struct LoginWorkJob {
    pub(crate) work: LoginWork,
    pub(crate) channel: [u8; 32],
    pub(crate) username: Username,
    pub(crate) request: Vec<u8>,
}

/// See [`Job::FinishRegistration`].
pub struct RegistrationJob {
    pub(crate) registration: ClientRegistration,
    pub(crate) response: RegisterResponse,
    pub(crate) identity: Arc<Identity>,
    pub(crate) channel: [u8; 32],
    pub(crate) username: Username,
    pub(crate) invite: Option<Vec<u8>>,
}

/// See [`Job::FinishLogin`].
pub struct LoginJob {
    pub(crate) login: ClientLogin,
    pub(crate) response: LoginResponse,
    pub(crate) channel: [u8; 32],
}

/// See [`Job::OpenKeyBag`].
pub struct KeyBagJob {
    pub(crate) credentials: Credentials,
    pub(crate) export_key: Secret<64>,
    pub(crate) version_seen: u64,
    pub(crate) username: Username,
    pub(crate) channel: [u8; 32],
    pub(crate) server: Fingerprint,
    pub(crate) device: DeviceId,
    pub(crate) device_key: Arc<DeviceKey>,
}

/// See [`Job::Tombstones`].
pub struct TombstonesJob {
    pub(crate) identity: Arc<Identity>,
    pub(crate) recipient: Recipient,
    pub(crate) device: DeviceId,
    pub(crate) time_ms: u64,
    pub(crate) manifest: Option<ManifestHead>,
    /// Their ids, and the places of the messages that they stand for.
    pub(crate) places: Vec<([u8; 16], Slot)>,
}

/// What a [`Job`] returns.
#[non_exhaustive]
pub enum Done {
    /// The admission token, or why there is none.
    Solved(Result<Vec<u8>, String>),
    /// The solution, or why there is none.
    LoginWork(Result<LoginWorkSolution, String>),
    /// The new keys.
    Identity(Result<Box<Identity>, String>),
    /// The registration, signed.
    Registration(Result<Box<RegisterFinish>, LoginError>),
    /// What the password opened.
    Login(Result<Box<LoggedIn>, LoginError>),
    /// The account's keys and the proof.
    KeyBag(Result<Box<(Identity, Proof)>, String>),
    /// The texts, sealed.
    Sealed(Vec<Sealed>),
    /// The tombstones, or why there are none.
    Tombstones(Result<Vec<Tombstone>, String>),
    /// The messages, opened or not.
    Opened(Opened),
}

/// A draft, and its sealed form or why there is none.
pub struct Sealed {
    pub(crate) draft: Draft,
    pub(crate) outcome: Result<Frozen, String>,
}

/// A sealed tombstone.
pub struct Tombstone {
    pub(crate) id: [u8; 16],
    pub(crate) sequence: u64,
    pub(crate) bytes: Vec<u8>,
}

/// A sealed message, to be sent as it is for ever.
pub struct Frozen {
    pub(crate) sequence: u64,
    pub(crate) bytes: Vec<u8>,
    /// The conversation's state behind it.
    pub(crate) state: SendState,
}

impl Job {
    /// Does it.
    pub fn run(self, random: &mut dyn Random) -> Done {
        match self {
            Self::Solve { challenge, hello } => Done::Solved(
                chat::puzzle::solve(&challenge, &hello).map_err(|error| error.to_string()),
            ),
            Self::LoginWork(job) => Done::LoginWork(
                solve_login_work(&job.work, &job.channel, &job.username, &job.request)
                    .map_err(|error| error.to_string()),
            ),
            Self::GenerateIdentity { name, bits } => Done::Identity(
                Identity::generate(&name, bits, random)
                    .map(Box::new)
                    .map_err(|error| error.to_string()),
            ),
            Self::FinishRegistration(job) => Done::Registration(job.run(random).map(Box::new)),
            Self::FinishLogin(job) => {
                let finished = job.login.finish(&job.response, &job.channel, random);
                Done::Login(finished.map(Box::new))
            }
            Self::OpenKeyBag(job) => Done::KeyBag(job.run().map(Box::new)),
            Self::Seal {
                identity,
                recipient,
                device,
                state,
                manifest,
                drafts,
            } => {
                let sealer = Sealer {
                    identity: &identity,
                    recipient: &recipient,
                    device,
                    manifest,
                };
                Done::Sealed(sealer.seal_all(state, drafts, random))
            }
            Self::Tombstones(job) => Done::Tombstones(job.run(random)),
            Self::Open {
                identity,
                device,
                items,
                states,
            } => Done::Opened(open(&identity, device, items, states)),
        }
    }
}

impl RegistrationJob {
    fn run(self, random: &mut dyn Random) -> Result<RegisterFinish, LoginError> {
        let password = self.registration.finish(&self.response, random)?;
        let version = 1;
        let mut bag = keybag::seal(
            &self.identity,
            version,
            password.export_key.expose(),
            random,
        );
        if planted!(BagUnsealed) {
            bag = (self.identity.signing_key().to_pkcs8().expose()).to_vec();
        }
        let public = self.identity.public();
        let mut finish = RegisterFinish {
            record: password.record,
            // All lengths are below their limits by construction.
            key_bag: KeyBag::new(bag).unwrap_or_default(),
            key_bag_version: version,
            sig_key: blob(public.signing_key().spki_der()),
            enc_key: blob(public.encryption_key().spki_der()),
            enc_certificate: Certificate::try_from(public.certificate()).unwrap_or_default(),
            invite: self.invite.and_then(|invite| Blob::new(invite).ok()),
            signature: Signature::default(),
        };
        let key = self.identity.signing_key();
        sign_registration(key, &self.channel, &self.username, &mut finish);
        Ok(finish)
    }
}

fn blob(spki: &[u8]) -> PublicKey {
    PublicKey::try_from(spki).unwrap_or_default()
}

impl KeyBagJob {
    fn run(self) -> Result<(Identity, Proof), String> {
        let credentials = &self.credentials;
        // The public keys are those that others get: they have to be acceptable to others too.
        let public = PublicIdentity::from_parts(
            self.username.key(),
            &credentials.sig_key,
            &credentials.enc_key,
            &credentials.enc_certificate,
        )
        .map_err(|error| error.to_string())?;
        let binding = Binding {
            name: self.username.key(),
            version: credentials.key_bag_version,
            signing_key: public.fingerprint(),
            encryption_key: public.encryption_key().fingerprint(),
        };
        let identity = keybag::open(
            &credentials.key_bag,
            &binding,
            self.version_seen,
            self.export_key.expose(),
        )
        .map_err(|error| error.to_string())?;
        let context = ProofContext {
            channel: &self.channel,
            nonce: &credentials.nonce,
            username: &self.username,
            server: &self.server,
        };
        let signing = identity.signing_key();
        let proof = make_proof(signing, context, self.device.0, &self.device_key);
        Ok((identity, proof))
    }
}

impl TombstonesJob {
    fn run(self, random: &mut dyn Random) -> Result<Vec<Tombstone>, String> {
        let mut tombstones = Vec::with_capacity(self.places.len());
        for (id, slot) in self.places {
            let outgoing = Outgoing {
                recipient: self.recipient.of(&self.identity)?,
                device: self.device,
                id: MessageId(id),
                slot,
                time_ms: self.time_ms,
                manifest: self.manifest,
                body: Body::Tombstone,
            };
            let sealed = sealed::seal(&self.identity, &outgoing, random)
                .map_err(|error| error.to_string())?;
            tombstones.push(Tombstone {
                id,
                sequence: slot.sequence,
                bytes: sealed.bytes,
            });
        }
        Ok(tombstones)
    }
}

impl Recipient {
    fn of<'a>(&'a self, identity: &'a Identity) -> Result<e2e::trust::Recipient<'a>, String> {
        match self {
            Self::Myself => Ok(identity.as_recipient()),
            Self::Contact(pin) => pin.recipient().map_err(|error| error.to_string()),
        }
    }
}

/// What is the same for all messages of a batch.
struct Sealer<'a> {
    identity: &'a Identity,
    recipient: &'a Recipient,
    device: DeviceId,
    manifest: Option<ManifestHead>,
}

impl Sealer<'_> {
    /// One that fails leaves its place to the next.
    fn seal_all(
        &self,
        mut state: SendState,
        drafts: Vec<Draft>,
        random: &mut dyn Random,
    ) -> Vec<Sealed> {
        let mut all = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let outcome = self.seal(state.clone(), &draft, random);
            if let Ok(frozen) = &outcome {
                state = frozen.state.clone();
            }
            all.push(Sealed { draft, outcome });
        }
        all
    }

    fn seal(
        &self,
        mut state: SendState,
        draft: &Draft,
        random: &mut dyn Random,
    ) -> Result<Frozen, String> {
        let recipient = self.recipient.of(self.identity)?;
        let slot = state.slot();
        let outgoing = Outgoing {
            recipient,
            device: self.device,
            id: MessageId(draft.id),
            slot,
            time_ms: draft.time_ms,
            manifest: self.manifest,
            body: Body::Text(&draft.text),
        };
        let sealed =
            sealed::seal(self.identity, &outgoing, random).map_err(|error| error.to_string())?;
        state
            .advance(sealed.chain)
            .map_err(|error| error.to_string())?;
        Ok(Frozen {
            sequence: slot.sequence,
            bytes: if planted!(TextsUnsealed) {
                draft.text.as_bytes().to_vec()
            } else {
                sealed.bytes
            },
            state,
        })
    }
}
