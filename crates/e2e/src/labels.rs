//! Every context of PROTOCOL.md §8 in one place, so that no two are alike.

/// Signature of `C_sig` over `C_enc` (§8.1).
pub(crate) const ENC_KEY: &str = "enc-key";
/// AAD of a key bag (§8.2).
pub(crate) const KEY_BAG: &str = "key-bag";
/// Key and nonce of a key bag (§8.2).
pub(crate) const KEY_BAG_KEY: &str = "key-bag-key";
/// Hash of a key bag in the manifest's leaf (§8.2).
pub(crate) const KEY_BAG_HASH: &str = "key-bag-hash";
/// Conversation id (§8.3).
pub(crate) const CONVERSATION: &str = "conversation";
/// OAEP label of the recipient's wrapped key (§8.3).
pub(crate) const SEALED_KEY: &str = "sealed-key";
/// OAEP label of the sender's own wrapped key (§8.3).
pub(crate) const SEALED_OWN_KEY: &str = "sealed-own-key";
/// `th` (§8.3).
pub(crate) const SEALED_HEAD: &str = "sealed-head";
/// Key, nonce and commitment (§8.3).
pub(crate) const SEALED_SECRETS: &str = "sealed-secrets";
/// Hash of the ciphertext (§8.3).
pub(crate) const SEALED_TEXT: &str = "sealed-text";
/// Signature of the message (§8.3).
pub(crate) const SEALED: &str = "sealed";
/// Chain value of a message (§8.6).
pub(crate) const CHAIN: &str = "chain";
/// What a safety number is derived from (§8.7).
pub(crate) const SAFETY_NUMBER: &str = "safety-number";
/// A safety number's digits (§8.7).
pub(crate) const SAFETY_NUMBER_DIGITS: &str = "safety-number-digits";
