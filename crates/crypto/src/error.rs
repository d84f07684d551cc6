/// Bytes that do not authenticate under this key. It says no more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("does not authenticate")]
pub struct Unauthentic;

/// Why a key was refused or could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The encoding is not the DER, or not the kind of key, that was expected.
    #[error("the key's encoding is malformed or of another kind")]
    Malformed,
    /// An RSA modulus of a size other than 3072 or 4096 bits.
    #[error("an RSA key of {bits} bits is refused: 3072 or 4096 are accepted")]
    Size {
        /// Length of the modulus, in bits.
        bits: usize,
    },
    /// An RSA public exponent other than 65537.
    #[error("an RSA key's public exponent must be 65537")]
    Exponent,
    /// The parts of a private key do not belong together.
    #[error("the private key's parts do not belong together")]
    Inconsistent,
    /// No key came out of key generation.
    #[error("key generation failed")]
    Generation,
    /// Argon2 has no such cost: memory below 8 KiB per lane, no pass, no lane, a salt of less than
    /// 8 bytes or an output of less than 4.
    #[error("password stretching does not take these parameters")]
    Stretching,
}
