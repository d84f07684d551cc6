use std::fmt;
use std::str::FromStr;

/// SHA-256 of a public key's SubjectPublicKeyInfo DER, `fp(k)` of PROTOCOL.md §1.
///
/// Shown and parsed as 64 hexadecimal digits; parsing takes either case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; Fingerprint::LEN]);

impl Fingerprint {
    /// Length, in bytes.
    pub const LEN: usize = 32;

    /// The fingerprint of these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The fingerprint of the key with this SubjectPublicKeyInfo. The encoding is not checked.
    #[must_use]
    pub fn of_spki(spki_der: &[u8]) -> Self {
        Self(crate::sha256(spki_der))
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl From<[u8; Self::LEN]> for Fingerprint {
    fn from(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fingerprint({self})")
    }
}

/// A text that is not a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint has 64 hexadecimal digits")]
pub struct NotAFingerprint;

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Self, NotAFingerprint> {
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(NotAFingerprint);
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != Self::LEN || !rest.is_empty() {
            return Err(NotAFingerprint);
        }
        let mut bytes = [0; Self::LEN];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = (digit(*high)? << 4 | digit(*low)?) as u8;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_in_either_case() {
        let fingerprint = Fingerprint::of_spki(b"abc");
        // FIPS 180-4's one-block example.
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(fingerprint.to_string(), text);
        assert_eq!(text.parse(), Ok(fingerprint));
        assert_eq!(text.to_uppercase().parse(), Ok(fingerprint));
    }

    #[test]
    fn anything_else_is_refused() {
        let text = Fingerprint::new([0xab; 32]).to_string();
        for wrong in [
            "",
            &text[1..],
            &text[2..],
            &format!("{text}0"),
            &format!("{text}00"),
        ] {
            assert_eq!(wrong.parse::<Fingerprint>(), Err(NotAFingerprint));
        }
        for wrong in ['g', ' ', '+', '-', 'ü', ':'] {
            assert_eq!(
                text.replace('b', &wrong.to_string()).parse::<Fingerprint>(),
                Err(NotAFingerprint)
            );
        }
    }
}
