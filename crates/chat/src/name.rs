use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::FromStr;

use precis_core::profile::PrecisFastInvocation;
use precis_profiles::{UsernameCaseMapped, UsernameCasePreserved};

use crate::limits::{USERNAME_INPUT_LEN_MAX, USERNAME_LEN_MAX};

/// The name of an account (PROTOCOL.md §6.1).
///
/// It has two forms. The **key** is what RFC 8265's UsernameCaseMapped profile makes of it: all
/// comparison, storage and cryptography use the key, so `Alice` and `ALICE` are one account. The
/// **display** form is what UsernameCasePreserved makes of it: the spelling that the account was
/// registered with, which people see and which travels. Equality, order and hash are those of the
/// key.
#[derive(Clone, Debug)]
pub struct Username {
    key: String,
    display: String,
}

/// What was typed is not a username: empty, longer than [`USERNAME_LEN_MAX`] bytes, or with
/// characters that RFC 8265 does not allow (spaces, controls, most symbols beyond ASCII).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid username")]
pub struct InvalidName;

impl Username {
    /// Makes both forms of what was typed.
    pub fn parse(typed: &str) -> Result<Self, InvalidName> {
        if typed.len() > USERNAME_INPUT_LEN_MAX {
            return Err(InvalidName);
        }
        if is_plain(typed) {
            return Ok(Self {
                key: typed.to_ascii_lowercase(),
                display: typed.to_owned(),
            });
        }
        let display = UsernameCasePreserved::enforce(typed).map_err(|_| InvalidName)?;
        let key = UsernameCaseMapped::enforce(display.as_ref()).map_err(|_| InvalidName)?;
        let length_max = display.len().max(key.len());
        if key.is_empty() || length_max > USERNAME_LEN_MAX {
            return Err(InvalidName);
        }
        // A mapping that is not stable would give one spelling two accounts.
        let again = UsernameCaseMapped::enforce(key.as_ref()).map_err(|_| InvalidName)?;
        if again != key {
            return Err(InvalidName);
        }
        Ok(Self {
            key: key.into_owned(),
            display: display.into_owned(),
        })
    }

    /// The form that identifies the account.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The form that people see.
    pub fn display(&self) -> &str {
        &self.display
    }
}

/// Most names: visible ASCII (RFC 8264 §9.11), which both profiles leave alone but for its case. A
/// directory has tens of thousands of them.
fn is_plain(typed: &str) -> bool {
    (1..=USERNAME_LEN_MAX).contains(&typed.len()) && typed.bytes().all(|b| b.is_ascii_graphic())
}

impl PartialEq for Username {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Username {}

impl PartialOrd for Username {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Username {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl Hash for Username {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display)
    }
}

impl FromStr for Username {
    type Err = InvalidName;

    fn from_str(typed: &str) -> Result<Self, InvalidName> {
        Self::parse(typed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn h52_spellings_of_one_name_are_one_account() {
        let alice = Username::parse("Alice").unwrap();
        assert_eq!((alice.key(), alice.display()), ("alice", "Alice"));
        // Case, full width, and a decomposed accent.
        assert_eq!(Username::parse("ALICE").unwrap(), alice);
        assert_eq!(Username::parse("\u{ff21}lice").unwrap(), alice);
        let composed = Username::parse("Ren\u{e9}").unwrap();
        let decomposed = Username::parse("RENE\u{301}").unwrap();
        assert_eq!(composed, decomposed);
        assert_eq!(decomposed.display(), "REN\u{c9}");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for typed in [
            "",
            " ",
            "a b",
            "a\u{7}",
            "a\u{202e}b",
            "\u{1f600}",
            "a\n",
            "\u{200d}",
        ] {
            assert!(Username::parse(typed).is_err(), "{typed:?}");
        }
        assert!(Username::parse(&"a".repeat(64)).is_ok());
        assert!(Username::parse(&"a".repeat(65)).is_err());
        // 32 characters of three bytes.
        assert!(Username::parse(&"\u{4e00}".repeat(22)).is_err());
    }

    proptest! {
        #[test]
        fn plain_names_are_what_the_profiles_make_of_them(typed in "[!-~]{1,64}") {
            let name = Username::parse(&typed).unwrap();
            let display = UsernameCasePreserved::enforce(&typed[..]).unwrap();
            let key = UsernameCaseMapped::enforce(&typed[..]).unwrap();
            prop_assert_eq!((name.display(), name.key()), (&display[..], &key[..]));
        }

        #[test]
        fn both_forms_are_stable(typed in "\\PC{1,20}") {
            if let Ok(name) = Username::parse(&typed) {
                let again = Username::parse(name.display()).unwrap();
                prop_assert_eq!(again.display(), name.display());
                prop_assert_eq!(again.key(), name.key());
                let mapped = Username::parse(name.key()).unwrap();
                prop_assert_eq!(mapped.key(), name.key());
            }
        }
    }
}
