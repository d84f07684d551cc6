//! Type byte and body, for all message enums.

use codec::DecodeError;
use minicbor::{Decode, Encode, decode, encode};

use super::AboveLimit;
use super::canonical::{Compare, check_structure};

/// Declares an enum of messages with `encode`, `decode` and a `From` for each message.
macro_rules! messages {
    (
        $(#[$meta:meta])*
        pub enum $name:ident, at most $length_max:expr, {
            $( $(#[$variant_meta:meta])* $kind:literal => $variant:ident($body:ty), )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $( $(#[$variant_meta])* $variant($body), )*
        }

        impl $name {
            /// The message as it travels.
            pub fn encode(&self) -> Vec<u8> {
                match self {
                    $( Self::$variant(body) => $crate::message::wire::encode_message($kind, body), )*
                }
            }

            /// Reads a whole message; any other than its one encoding is an error.
            pub fn decode(bytes: &[u8]) -> Result<Self, codec::DecodeError> {
                if bytes.len() > $length_max {
                    return Err(codec::DecodeError::TooLong);
                }
                match bytes.split_first() {
                    $( Some(($kind, body)) => {
                        $crate::message::wire::decode_body(body).map(Self::$variant)
                    } )*
                    Some(_) => Err(codec::DecodeError::Unknown),
                    None => Err(codec::DecodeError::Truncated),
                }
            }
        }

        $( impl From<$body> for $name {
            fn from(body: $body) -> Self {
                Self::$variant(body)
            }
        } )*
    };
}
pub(super) use messages;

pub(super) fn encode_message<T: Encode<()>>(kind: u8, body: &T) -> Vec<u8> {
    let mut bytes = vec![kind];
    // Writing to a `Vec` cannot fail, and no body of ours refuses to be encoded.
    let written = encode(body, &mut bytes);
    debug_assert!(written.is_ok());
    bytes
}

pub(super) fn decode_body<'b, T: Encode<()> + Decode<'b, ()>>(
    body: &'b [u8],
) -> Result<T, DecodeError> {
    check_structure(body)?;
    let value: T = decode(body).map_err(|error| reason(&error))?;
    let mut compare = Compare::new(body);
    encode(&value, &mut compare).map_err(|_| DecodeError::Invalid)?;
    if compare.is_done() {
        Ok(value)
    } else {
        Err(DecodeError::Trailing)
    }
}

fn reason(error: &decode::Error) -> DecodeError {
    let source = core::error::Error::source(error);
    if source.is_some_and(|source| source.is::<AboveLimit>()) {
        DecodeError::TooLong
    } else if error.is_end_of_input() {
        DecodeError::Truncated
    } else if error.is_unknown_variant() {
        DecodeError::Unknown
    } else {
        DecodeError::Invalid
    }
}
