use crypto::{Random, Secret};
use opaque_ke::errors::{InternalError, ProtocolError};
use opaque_ke::{
    ClientLoginFinishParameters, ClientRegistrationFinishParameters, CredentialResponse,
    Identifiers, RegistrationResponse,
};

use super::Password;
use super::stretch::{KsfId, Stretch, UnknownKsf};
use super::suite::{Rng, Suite, array, context, secret};
use crate::Username;
use crate::message::{LoginFinish, LoginResponse, LoginStart, RegisterResponse, RegisterStart};

/// Why a client's login or registration does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// Wrong password, unknown user, or somebody between client and server: one error for all.
    #[error("login failed")]
    Failed,
    /// The server asks for a password stretching that this client does not do.
    #[error(transparent)]
    Ksf(#[from] UnknownKsf),
    /// There was no memory to stretch the password in.
    #[error("not enough memory to stretch the password")]
    Memory,
}

impl From<ProtocolError> for LoginError {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::LibraryError(InternalError::KsfError) => Self::Memory,
            _ => Self::Failed,
        }
    }
}

/// A login of which KE1 is under way.
pub struct ClientLogin {
    opaque: opaque_ke::ClientLogin<Suite>,
    password: Password,
}

/// What the password opened.
pub struct LoggedIn {
    /// To be sent.
    pub finish: LoginFinish,
    /// Opens the key bag; the same at every login with this password.
    pub export_key: Secret<64>,
    /// Known to this login's two ends alone.
    pub session_key: Secret<64>,
}

impl ClientLogin {
    /// Begins a login.
    pub fn start(
        username: Username,
        password: Password,
        random: &mut dyn Random,
    ) -> Result<(Self, LoginStart), LoginError> {
        let started = opaque_ke::ClientLogin::<Suite>::start(&mut Rng(random), password.expose())?;
        let ke1 = array(&started.message.serialize());
        let login = Self {
            opaque: started.state,
            password,
        };
        Ok((login, LoginStart { username, ke1 }))
    }

    /// Checks the server's answer on this channel. It stretches the password, which takes 64 MiB
    /// and some tenths of a second: made for a worker thread.
    pub fn finish(
        self,
        response: &LoginResponse,
        channel: &[u8; 32],
        random: &mut dyn Random,
    ) -> Result<LoggedIn, LoginError> {
        let stretch = Stretch(KsfId::try_from(response.ksf)?);
        let ke2 = CredentialResponse::<Suite>::deserialize(&response.ke2)?;
        let context = context(channel);
        let parameters = ClientLoginFinishParameters::new(
            Some(&context),
            Identifiers::default(),
            Some(&stretch),
        );
        let password = self.password.expose();
        let finished = self
            .opaque
            .finish(&mut Rng(random), password, ke2, parameters)?;
        let ke3 = array(&finished.message.serialize());
        Ok(LoggedIn {
            finish: LoginFinish { ke3 },
            export_key: secret(finished.export_key),
            session_key: secret(finished.session_key),
        })
    }
}

/// A registration whose request is under way.
pub struct ClientRegistration {
    opaque: opaque_ke::ClientRegistration<Suite>,
    password: Password,
}

/// What a registration made of the password.
pub struct RegisteredPassword {
    /// To be sent in `RegisterFinish`.
    pub record: [u8; 192],
    /// What the key bag is to be encrypted under; every login gives it again.
    pub export_key: Secret<64>,
}

impl ClientRegistration {
    /// Begins a registration.
    pub fn start(
        username: Username,
        password: Password,
        random: &mut dyn Random,
    ) -> Result<(Self, RegisterStart), LoginError> {
        let started =
            opaque_ke::ClientRegistration::<Suite>::start(&mut Rng(random), password.expose())?;
        let request = array(&started.message.serialize());
        let registration = Self {
            opaque: started.state,
            password,
        };
        Ok((registration, RegisterStart { username, request }))
    }

    /// Makes the record. It stretches the password, as [`ClientLogin::finish`] does: made for a
    /// worker thread.
    pub fn finish(
        self,
        response: &RegisterResponse,
        random: &mut dyn Random,
    ) -> Result<RegisteredPassword, LoginError> {
        let stretch = Stretch(KsfId::try_from(response.ksf)?);
        let answer = RegistrationResponse::<Suite>::deserialize(&response.response)?;
        let parameters =
            ClientRegistrationFinishParameters::new(Identifiers::default(), Some(&stretch));
        let password = self.password.expose();
        let finished = self
            .opaque
            .finish(&mut Rng(random), password, answer, parameters)?;
        Ok(RegisteredPassword {
            record: array(&finished.message.serialize()),
            export_key: secret(finished.export_key),
        })
    }
}
