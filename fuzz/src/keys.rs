//! Any bytes as a key's encoding: what is accepted is written back as it was, byte for byte.
use crypto::{DecryptionKey, DeviceKey, EncryptionKey, SigningKey, VerifyingKey};

/// Checks one input.
pub fn check(der: &[u8]) {
    if let Ok(key) = VerifyingKey::from_spki_der(der) {
        assert_eq!(key.spki_der(), der);
        assert!(key.verify(b"message", der).is_err());
    }
    if let Ok(key) = EncryptionKey::from_spki_der(der) {
        assert_eq!(key.spki_der(), der);
    }
    if let Ok(key) = SigningKey::from_pkcs8(der) {
        assert_eq!(key.to_pkcs8().expose(), der);
    }
    if let Ok(key) = DecryptionKey::from_pkcs8(der) {
        assert_eq!(key.to_pkcs8().expose(), der);
    }
    if let Ok(key) = DeviceKey::from_pkcs8(der) {
        assert_eq!(key.to_pkcs8().expose(), der);
    }
}
