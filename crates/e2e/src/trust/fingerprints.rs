use std::fmt;

use crypto::{Fingerprint, Transcript};

use crate::{PublicIdentity, labels};

/// How many groups of five digits a safety number has.
const GROUPS: usize = 12;

/// What two people read to each other: 60 decimal digits, the same on both sides exactly when both
/// have each other's true keys (PROTOCOL.md §8.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafetyNumber([u32; GROUPS]);

impl SafetyNumber {
    /// The safety number of two users, in any order.
    pub fn of(one: &PublicIdentity, other: &PublicIdentity) -> Self {
        let (one, other) = (
            (one.name(), one.fingerprint()),
            (other.name(), other.fingerprint()),
        );
        let (first, second) = if one <= other {
            (one, other)
        } else {
            (other, one)
        };
        let both = Transcript::new(labels::SAFETY_NUMBER)
            .field(first.0.as_bytes())
            .field(first.1.as_bytes())
            .field(second.0.as_bytes())
            .field(second.1.as_bytes())
            .sha256();
        let mut bytes = [0; GROUPS * 5];
        Transcript::new(labels::SAFETY_NUMBER_DIGITS).hkdf_sha256(&both, &[], &mut bytes);
        let mut groups = [0; GROUPS];
        for (group, five) in groups.iter_mut().zip(bytes.chunks_exact(5)) {
            let value = five
                .iter()
                .fold(0, |value, &byte| value << 8 | u64::from(byte));
            *group = (value % 100_000) as u32;
        }
        Self(groups)
    }
}

/// Twelve groups of five digits with spaces between them.
impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, group) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{group:05}")?;
        }
        Ok(())
    }
}

/// A fingerprint for comparing: its 64 digits in 16 groups of four.
pub fn grouped(fingerprint: &Fingerprint) -> String {
    in_fours(&fingerprint.to_string())
}

/// A fingerprint for recognizing: its first 16 digits in four groups. An attacker can make a key
/// that begins like another, so never let anyone verify with it.
pub fn short(fingerprint: &Fingerprint) -> String {
    let digits: String = fingerprint.to_string().chars().take(16).collect();
    in_fours(&digits)
}

fn in_fours(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() * 5 / 4);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && index % 4 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{alice, bob, eve};

    #[test]
    fn a_safety_number_is_the_same_on_both_sides_and_for_no_other_key() {
        let number = SafetyNumber::of(alice().public(), bob().public());
        assert_eq!(number, SafetyNumber::of(bob().public(), alice().public()));
        assert_ne!(number, SafetyNumber::of(alice().public(), eve().public()));
        let text = number.to_string();
        assert_eq!(text.len(), 71);
        assert!(text.split(' ').all(|group| group.len() == 5));
    }

    #[test]
    fn fingerprints_show_in_groups_of_four() {
        let fingerprint = Fingerprint::from([0xab; 32]);
        assert_eq!(grouped(&fingerprint), ["abab"; 16].join(" "));
        assert_eq!(short(&fingerprint), "abab abab abab abab");
    }
}
