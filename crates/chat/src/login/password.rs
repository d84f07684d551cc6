use crypto::SecretBytes;
use precis_core::profile::PrecisFastInvocation;
use precis_profiles::OpaqueString;

/// Bytes of a password, before and after it is prepared.
pub const PASSWORD_LEN_MAX: usize = 1024;

/// A password as RFC 8265's OpaqueString profile prepares it: case and spaces count, and an accent
/// is the same whether a keyboard sends it in one character or in two.
pub struct Password(SecretBytes);

/// Empty, longer than [`PASSWORD_LEN_MAX`] bytes, or with control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a usable password: empty, too long, or with control characters")]
pub struct InvalidPassword;

impl Password {
    /// Prepares what was typed.
    pub fn parse(typed: &str) -> Result<Self, InvalidPassword> {
        if typed.len() > PASSWORD_LEN_MAX {
            return Err(InvalidPassword);
        }
        let prepared = OpaqueString::enforce(typed).map_err(|_| InvalidPassword)?;
        if prepared.is_empty() || prepared.len() > PASSWORD_LEN_MAX {
            return Err(InvalidPassword);
        }
        Ok(Self(SecretBytes::new(prepared.into_owned().into_bytes())))
    }

    /// The prepared bytes. A copy of them is not erased.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(typed: &str) -> Option<Vec<u8>> {
        let password = Password::parse(typed).ok()?;
        Some(password.expose().to_vec())
    }

    #[test]
    fn passwords_keep_case_and_spaces_and_lose_ways_of_typing() {
        assert_eq!(
            bytes("Correct Horse -sp"),
            Some(b"Correct Horse -sp".to_vec())
        );
        assert_ne!(bytes("a"), bytes("A"));
        assert_eq!(bytes("e\u{301}"), bytes("\u{e9}"));
        assert_eq!(bytes(""), None);
        assert_eq!(bytes("a\nb"), None);
        assert_eq!(bytes(&"a".repeat(1025)), None);
    }
}
