use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Random;

/// Whether two byte strings are equal, in time that depends on their lengths alone.
#[must_use]
pub fn ct_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// A secret of a fixed size: erased when dropped, compared in constant time, never printed.
///
/// ```compile_fail
/// println!("{:?}", crypto::Secret::from([0; 32]));
/// ```
/// ```compile_fail
/// println!("{}", crypto::Secret::from([0; 32]));
/// ```
/// ```compile_fail
/// let equal = crypto::Secret::from([0; 32]) == crypto::Secret::from([0; 32]);
/// ```
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret<const N: usize>([u8; N]);

impl<const N: usize> Secret<N> {
    /// A new secret from `random`.
    pub fn generate(random: &mut (impl Random + ?Sized)) -> Self {
        let mut secret = Self([0; N]);
        random.fill(&mut secret.0);
        secret
    }

    /// A secret that `fill` writes, so that no copy of it stays behind on the way.
    pub fn filled(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Self([0; N]);
        fill(&mut secret.0);
        secret
    }

    /// The bytes. A copy of them is not erased.
    pub const fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// Whether both are the same, in constant time.
    #[must_use]
    pub fn ct_eq(&self, other: &Self) -> bool {
        ct_eq(&self.0, &other.0)
    }
}

/// Takes the bytes over and erases the argument; the caller's own copies stay the caller's.
impl<const N: usize> From<[u8; N]> for Secret<N> {
    fn from(mut bytes: [u8; N]) -> Self {
        let secret = Self(bytes);
        bytes.zeroize();
        secret
    }
}

/// A secret of any length: erased when dropped, compared in constant time, never printed.
///
/// ```compile_fail
/// println!("{:?}", crypto::SecretBytes::new(Vec::new()));
/// ```
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// Takes `bytes` over without a copy. What `bytes` left behind when it grew is not erased, so
    /// reserve its capacity first.
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes. A copy of them is not erased.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether both are the same, in time that depends on their lengths alone.
    #[must_use]
    pub fn ct_eq(&self, other: &Self) -> bool {
        ct_eq(&self.0, &other.0)
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::testing::Counting;

    #[test]
    fn equality_compares_every_byte_and_the_length() {
        let base = [7; 32];
        assert!(ct_eq(&base, &base));
        assert!(!ct_eq(&base, &base[..31]));
        for index in 0..32 {
            let mut other = base;
            other[index] ^= 1;
            assert!(!ct_eq(&base, &other));
            assert!(!Secret::from(base).ct_eq(&Secret::from(other)));
        }
        assert!(Secret::from(base).ct_eq(&Secret::from(base)));
        assert!(SecretBytes::new(vec![1, 2]).ct_eq(&SecretBytes::from(vec![1, 2])));
        assert!(!SecretBytes::new(vec![1, 2]).ct_eq(&SecretBytes::new(vec![1, 3])));
    }

    #[test]
    fn a_generated_secret_is_what_the_source_gave() {
        let mut random = Counting::default();
        assert_eq!(Secret::<4>::generate(&mut random).expose(), &[0, 1, 2, 3]);
        assert_eq!(Secret::<2>::generate(&mut random).expose(), &[4, 5]);
    }

    #[test]
    fn zeroizing_erases() {
        let mut fixed = Secret::from([9; 16]);
        fixed.zeroize();
        assert_eq!(fixed.expose(), &[0; 16]);
        let mut bytes = SecretBytes::new(vec![9; 16]);
        bytes.zeroize();
        assert!(bytes.expose().is_empty());
    }
}
