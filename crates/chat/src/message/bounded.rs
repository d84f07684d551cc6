use core::fmt;
use core::ops::Deref;

use minicbor::decode::{Decoder, Error};
use minicbor::encode::{self, Encoder, Write};
use minicbor::{Decode, Encode};

use crate::Username;

/// A value is longer than the limit that its type names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a value is above its limit")]
pub struct AboveLimit;

/// At most `MAX` bytes.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> Blob<MAX> {
    /// Takes the bytes if they are at most `MAX`.
    pub fn new(bytes: Vec<u8>) -> Result<Self, AboveLimit> {
        if bytes.len() <= MAX {
            Ok(Self(bytes))
        } else {
            Err(AboveLimit)
        }
    }

    /// The bytes.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl<const MAX: usize> TryFrom<Vec<u8>> for Blob<MAX> {
    type Error = AboveLimit;

    fn try_from(bytes: Vec<u8>) -> Result<Self, AboveLimit> {
        Self::new(bytes)
    }
}

impl<const MAX: usize> TryFrom<&[u8]> for Blob<MAX> {
    type Error = AboveLimit;

    fn try_from(bytes: &[u8]) -> Result<Self, AboveLimit> {
        if bytes.len() <= MAX {
            Ok(Self(bytes.to_vec()))
        } else {
            Err(AboveLimit)
        }
    }
}

impl<const MAX: usize> Deref for Blob<MAX> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> AsRef<[u8]> for Blob<MAX> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The length alone: contents have no place in a log.
impl<const MAX: usize> fmt::Debug for Blob<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl<C, const MAX: usize> Encode<C> for Blob<MAX> {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C, const MAX: usize> Decode<'b, C> for Blob<MAX> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, Error> {
        Self::try_from(d.bytes()?).map_err(Error::custom)
    }
}

/// At most `MAX` bytes of UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// Takes the text if it is at most `MAX` bytes.
    pub fn new(text: String) -> Result<Self, AboveLimit> {
        if text.len() <= MAX {
            Ok(Self(text))
        } else {
            Err(AboveLimit)
        }
    }

    /// As many whole characters of `text` as fit.
    pub fn truncated(text: &str) -> Self {
        let end = text.floor_char_boundary(MAX);
        Self(text.get(..end).unwrap_or_default().to_owned())
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<C, const MAX: usize> Encode<C> for Text<MAX> {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C, const MAX: usize> Decode<'b, C> for Text<MAX> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, Error> {
        let text = d.str()?;
        if text.len() > MAX {
            return Err(Error::custom(AboveLimit));
        }
        Ok(Self(text.to_owned()))
    }
}

/// At most `MAX` elements.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    /// Takes the elements if they are at most `MAX`.
    pub fn new(elements: Vec<T>) -> Result<Self, AboveLimit> {
        if elements.len() <= MAX {
            Ok(Self(elements))
        } else {
            Err(AboveLimit)
        }
    }

    /// The elements.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> TryFrom<Vec<T>> for List<T, MAX> {
    type Error = AboveLimit;

    fn try_from(elements: Vec<T>) -> Result<Self, AboveLimit> {
        Self::new(elements)
    }
}

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<C, T: Encode<C>, const MAX: usize> Encode<C> for List<T, MAX> {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.array(self.0.len() as u64)?;
        for element in &self.0 {
            element.encode(e, context)?;
        }
        Ok(())
    }
}

impl<'b, C, T: Decode<'b, C>, const MAX: usize> Decode<'b, C> for List<T, MAX> {
    fn decode(d: &mut Decoder<'b>, context: &mut C) -> Result<Self, Error> {
        let claimed = d.array()?.and_then(|count| usize::try_from(count).ok());
        let count = match claimed {
            Some(count) if count <= MAX => count,
            _ => return Err(Error::custom(AboveLimit)),
        };
        // Grown as elements arrive: a claim alone allocates nothing.
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(T::decode(d, context)?);
        }
        Ok(Self(elements))
    }
}

/// As its display form; whoever receives it maps it again.
impl<C> Encode<C> for Username {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.str(self.display())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Username {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, Error> {
        Self::parse(d.str()?).map_err(Error::custom)
    }
}
