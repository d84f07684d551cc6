use crypto::{BadSignature, DeviceKey, Fingerprint, SigningKey, Transcript, VerifyingKey};

use super::LoginFailed;
use crate::Username;
use crate::message::{DeviceId, Proof, Signature};

/// What a proof is bound to: this channel, this login, this user, this server.
#[derive(Clone, Copy)]
pub struct ProofContext<'a> {
    /// `E` of the channel.
    pub channel: &'a [u8; 32],
    /// n2 of `Credentials`.
    pub nonce: &'a [u8; 32],
    /// Whose login.
    pub username: &'a Username,
    /// `fp(S)`: which server the client believes to talk to.
    pub server: &'a Fingerprint,
}

impl ProofContext<'_> {
    /// T("client-proof"; E, n2, name, fp(S), fp(C_sig), device, device key).
    fn message(&self, key: &VerifyingKey, device: &DeviceId, device_key: &[u8; 32]) -> Vec<u8> {
        Transcript::new("client-proof")
            .field(self.channel)
            .field(self.nonce)
            .field(self.username.key().as_bytes())
            .field(self.server.as_bytes())
            .field(key.fingerprint().as_bytes())
            .field(device)
            .field(device_key)
            .bytes()
    }
}

/// Proves the possession of the user's signing key, and names the device that speaks for it.
pub fn make_proof(
    key: &SigningKey,
    context: ProofContext<'_>,
    device: DeviceId,
    device_key: &DeviceKey,
) -> Proof {
    let device_key = device_key.public();
    let message = context.message(key.verifying_key(), &device, &device_key);
    Proof {
        device,
        device_key,
        signature: Signature::new(key.sign(&message)).unwrap_or_default(),
    }
}

/// Checks a proof against the account's signing key. Without an account, the same work is done with
/// `decoy`, any valid key, and fails.
pub fn verify_proof(
    key: Option<&VerifyingKey>,
    decoy: &VerifyingKey,
    context: ProofContext<'_>,
    proof: &Proof,
) -> Result<(), LoginFailed> {
    let checked = key.unwrap_or(decoy);
    let message = context.message(checked, &proof.device, &proof.device_key);
    let verdict: Result<(), BadSignature> = checked.verify(&message, &proof.signature);
    match (key, verdict) {
        (Some(_), Ok(())) => Ok(()),
        _ => Err(LoginFailed),
    }
}
