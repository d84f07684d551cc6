//! The seam between packets and the keys that protect them.

/// Length of the authentication tag at the end of every packet, in bytes.
pub const TAG_LEN: usize = 16;

/// Length of the ciphertext sample that masks a header (RFC 9001 §5.4.2), in bytes.
pub const SAMPLE_LEN: usize = 16;

/// A packet that does not authenticate. It says no more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("packet does not authenticate")]
pub struct Unauthentic;

/// One direction's packet protection in one epoch: AEAD and header mask (RFC 9001 §5.3, §5.4).
///
/// The packet number is the nonce, so a caller seals at most one packet under each number.
pub trait Protection: Send + Sync {
    /// Encrypts in place. `packet` is header, payload and [`TAG_LEN`] spare bytes at its end, which
    /// receive the tag; the first `header_len` bytes are authenticated and stay as they are.
    fn seal(&self, packet_number: u64, packet: &mut [u8], header_len: usize);

    /// Decrypts in place. `packet` is header, ciphertext and tag. Returns the payload's length; the
    /// payload then stands behind the header.
    ///
    /// # Errors
    /// [`Unauthentic`] when header, ciphertext or tag were changed, or the keys are not these; the
    /// packet's bytes are then unspecified.
    fn open(
        &self,
        packet_number: u64,
        packet: &mut [u8],
        header_len: usize,
    ) -> Result<usize, Unauthentic>;

    /// The five mask bytes for a header (RFC 9001 §5.4.1): one for the first byte, four for the
    /// packet number.
    fn header_mask(&self, sample: &[u8; SAMPLE_LEN]) -> [u8; 5];

    /// How many packets one key may seal (RFC 9001 §6.6).
    fn confidentiality_limit(&self) -> u64;

    /// How many packets may fail to open under one key before the connection has to close
    /// (RFC 9001 §6.6).
    fn integrity_limit(&self) -> u64;

    /// Nothing is sealed or opened for a while: gives back memory that the next use can fill again.
    /// The default gives nothing back.
    fn rest(&mut self) {}
}
