//! What fuzz targets see of a message that was decrypted. No part of the interface.

use crate::sealed::{Content, Kind, Unopened};

/// What a message of this kind carries, if `padded` is what it decrypts to.
///
/// # Errors
/// As [`Verified::decrypt`](crate::sealed::Verified::decrypt).
pub fn content(kind: Kind, padded: &[u8]) -> Result<Content, Unopened> {
    crate::sealed::content(kind, padded)
}
