/// Why bytes did not decode. Small, `Copy` and without allocation: it is made for every hostile
/// datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The input ended inside a field, or a length field promises more than there is.
    #[error("input ends inside a field")]
    Truncated,
    /// Bytes are left after the last field.
    #[error("bytes are left after the last field")]
    Trailing,
    /// A variable-length integer is not in its shortest form.
    #[error("an integer is not in its shortest form")]
    NotMinimal,
    /// A field has a value that its type does not allow.
    #[error("a field has a value that is not allowed")]
    Invalid,
    /// A length or count is above the limit of its field.
    #[error("a length is above its limit")]
    TooLong,
    /// A type, version or kind that is not known.
    #[error("unknown type")]
    Unknown,
}
