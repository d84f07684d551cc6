//! Bounded reading and writing of bytes.
//!
//! A [`Reader`] never looks past the slice that it was given, never panics, and every successful
//! call consumes at least one byte unless it was asked for none. A [`Writer`] appends to a buffer
//! of the caller. Integers are big-endian; variable-length integers are those of RFC 9000 §16,
//! with one addition: only the shortest encoding of a value is accepted, so that no value has a
//! second spelling.

#![forbid(unsafe_code)]

mod error;
mod reader;
mod varint;
mod writer;

pub use error::DecodeError;
pub use reader::Reader;
pub use varint::VarInt;
pub use writer::Writer;
