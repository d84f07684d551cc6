use crypto::{Random, Secret, SecretBytes};
use opaque_ke::{
    CredentialFinalization, CredentialRequest, RegistrationRequest, ServerLoginParameters,
    ServerRegistration, ServerSetup,
};
use zeroize::Zeroize;

use super::stretch::{KsfId, UnknownKsf};
use super::suite::{Rng, Suite, array, context, secret};
use crate::message::{LoginFinish, LoginResponse, LoginStart, RegisterResponse, RegisterStart};

/// First byte of the secret file.
const FILE_VERSION: u8 = 1;
const SETUP_LEN: usize = 128;
const PUBLIC_KEY_LEN: usize = 32;

/// What a server needs to check passwords, and a thief of its database to guess them: the seed of
/// all OPRF keys, the key pair of the key exchange, the decoy for unknown names.
///
/// It is one secret file, apart from the database and to be backed up: without it no account can
/// log in again.
pub struct ServerSecrets {
    setup: ServerSetup<Suite>,
    /// A record of nobody; it deserializes.
    decoy: [u8; 192],
    ksf: KsfId,
}

/// The bytes are not a server's secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the secrets of a server")]
pub struct InvalidSecrets;

/// A login or registration does not check out. For a login: wrong password, unknown user or another
/// channel; nothing tells which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("login failed")]
pub struct LoginFailed;

/// What a server keeps of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordRecord {
    ksf: KsfId,
    record: [u8; 192],
}

impl PasswordRecord {
    /// Checks that `record` is one: what does not parse now would lock its owner out later.
    fn parse(ksf: KsfId, record: [u8; 192]) -> Result<Self, LoginFailed> {
        ServerRegistration::<Suite>::deserialize(&record).map_err(|_| LoginFailed)?;
        Ok(Self { ksf, record })
    }

    /// A record from the server's own database: the KSF's byte and the record.
    pub fn from_stored(ksf: u8, record: [u8; 192]) -> Result<Self, UnknownKsf> {
        let ksf = KsfId::try_from(ksf)?;
        Ok(Self { ksf, record })
    }

    /// The password stretching that the record was made with.
    pub fn ksf(&self) -> KsfId {
        self.ksf
    }

    /// The record.
    pub fn as_bytes(&self) -> &[u8; 192] {
        &self.record
    }
}

/// A login whose KE2 was sent.
pub struct ServerLogin {
    opaque: opaque_ke::ServerLogin<Suite>,
    context: Vec<u8>,
}

impl ServerSecrets {
    /// New secrets.
    pub fn generate(random: &mut dyn Random) -> Self {
        Self::of(ServerSetup::new(&mut Rng(random)))
    }

    /// Reads what [`ServerSecrets::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidSecrets> {
        match bytes.split_first() {
            Some((&FILE_VERSION, setup)) if setup.len() == SETUP_LEN => {
                let setup = ServerSetup::deserialize(setup).map_err(|_| InvalidSecrets)?;
                Ok(Self::of(setup))
            }
            _ => Err(InvalidSecrets),
        }
    }

    /// The secrets as one file's content.
    pub fn to_bytes(&self) -> SecretBytes {
        let mut setup = self.setup.serialize();
        let mut bytes = Vec::with_capacity(1 + SETUP_LEN);
        bytes.push(FILE_VERSION);
        bytes.extend_from_slice(&setup);
        setup.as_mut_slice().zeroize();
        SecretBytes::new(bytes)
    }

    fn of(setup: ServerSetup<Suite>) -> Self {
        // The setup's own decoy key is its last part; any masking key and envelope parse.
        let mut serialized = setup.serialize();
        let mut decoy = [0; 192];
        let public_key = serialized.iter().rev().take(PUBLIC_KEY_LEN).rev();
        for (to, from) in decoy.iter_mut().zip(public_key) {
            *to = *from;
        }
        serialized.as_mut_slice().zeroize();
        Self {
            setup,
            decoy,
            ksf: KsfId::default(),
        }
    }

    /// The password stretching of new accounts, and of the answers for unknown names. Accounts with
    /// another one stand out from unknown names.
    pub fn with_ksf(mut self, ksf: KsfId) -> Self {
        self.ksf = ksf;
        self
    }

    /// Answers a `LoginStart`. Without a record the answer is that of an account whose password
    /// nobody knows: the same work, the same size, and for the same name the same OPRF key.
    ///
    /// Fails on a KE1 that no honest client sends.
    pub fn login_start(
        &self,
        start: &LoginStart,
        record: Option<&PasswordRecord>,
        channel: &[u8; 32],
        random: &mut dyn Random,
    ) -> Result<(ServerLogin, LoginResponse), LoginFailed> {
        let ke1 = CredentialRequest::deserialize(&start.ke1).map_err(|_| LoginFailed)?;
        let bytes = record.map_or(&self.decoy, PasswordRecord::as_bytes);
        let parsed = ServerRegistration::<Suite>::deserialize(bytes).map_err(|_| LoginFailed)?;
        let context = context(channel);
        let started = opaque_ke::ServerLogin::start(
            &mut Rng(random),
            &self.setup,
            record.is_some().then_some(parsed),
            ke1,
            start.username.key().as_bytes(),
            parameters(&context),
        )
        .map_err(|_| LoginFailed)?;
        let ke2 = array(&started.message.serialize());
        let ksf = record.map_or(self.ksf, PasswordRecord::ksf);
        let login = ServerLogin {
            opaque: started.state,
            context,
        };
        let ksf = ksf.to_byte();
        Ok((login, LoginResponse { ksf, ke2 }))
    }

    /// Answers a `RegisterStart`.
    ///
    /// Fails on a request that no honest client sends.
    pub fn register_start(&self, start: &RegisterStart) -> Result<RegisterResponse, LoginFailed> {
        let request = RegistrationRequest::deserialize(&start.request).map_err(|_| LoginFailed)?;
        let identifier = start.username.key().as_bytes();
        let started =
            ServerRegistration::start(&self.setup, request, identifier).map_err(|_| LoginFailed)?;
        Ok(RegisterResponse {
            ksf: self.ksf.to_byte(),
            response: array(&started.message.serialize()),
        })
    }

    /// Checks the record of a `RegisterFinish` that was made with [`ServerSecrets::register_start`].
    pub fn register_finish(&self, record: [u8; 192]) -> Result<PasswordRecord, LoginFailed> {
        PasswordRecord::parse(self.ksf, record)
    }
}

impl ServerLogin {
    /// Checks a `LoginFinish`: whether the client knows the password. Gives the session key. Without
    /// a record none checks out: nobody has the decoy's private key.
    pub fn finish(self, finish: &LoginFinish) -> Result<Secret<64>, LoginFailed> {
        let ke3 = CredentialFinalization::deserialize(&finish.ke3).map_err(|_| LoginFailed)?;
        let finished = self
            .opaque
            .finish(ke3, parameters(&self.context))
            .map_err(|_| LoginFailed)?;
        Ok(secret(finished.session_key))
    }
}

fn parameters(context: &[u8]) -> ServerLoginParameters<'_, '_> {
    ServerLoginParameters {
        context: Some(context),
        ..ServerLoginParameters::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto::fixtures::SeededRandom;

    #[test]
    fn secrets_survive_a_restart() {
        let secrets = ServerSecrets::generate(&mut SeededRandom::new(1));
        let file = secrets.to_bytes();
        assert_eq!(file.expose().len(), 1 + SETUP_LEN);
        let again = ServerSecrets::from_bytes(file.expose()).unwrap();
        assert!(again.to_bytes().ct_eq(&file));
        assert_eq!(again.decoy, secrets.decoy);
        for wrong in [
            &file.expose()[1..],
            &file.expose()[..128],
            &[2; 129],
            &[1; 129],
            &[],
        ] {
            assert!(ServerSecrets::from_bytes(wrong).is_err());
        }
    }
}
