use codec::{DecodeError, Reader};

/// Longest name of a user, in bytes of UTF-8 (PROTOCOL.md §8). The shortest has one.
pub const NAME_BYTES_MAX: usize = 64;

/// Whether `name` has an allowed length. Its characters are case-mapped and checked where accounts
/// are made.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
}

/// A name behind its length.
pub(crate) fn read_name(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let bytes = reader.prefixed(NAME_BYTES_MAX)?;
    let name = str::from_utf8(bytes).map_err(|_| DecodeError::Invalid)?;
    if is_name(name) {
        Ok(name.to_owned())
    } else {
        Err(DecodeError::Invalid)
    }
}
