// SPDX-License-Identifier: MIT OR Apache-2.0
//! The integers of `docs/format.md` section 1, read from and written to bytes, for the modules that store tables.
//!
//! A reader never looks beyond its bytes, never panics, and accepts one form per number only.

use crate::error::FormatError;

/// A varint of a 64-bit number never needs more bytes.
pub(crate) const MAX_VARINT_BYTES: usize = 10;

/// Reads a structure from front to back; errors name the structure.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// A reader of all of `bytes`; `what` names the structure in errors.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { bytes, what }
    }

    /// Bytes not read yet.
    #[inline]
    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// The next `n` bytes, borrowed.
    #[inline]
    pub(crate) fn bytes(&mut self, n: usize) -> Result<&'a [u8], FormatError> {
        match self.bytes.split_at_checked(n) {
            Some((head, rest)) => {
                self.bytes = rest;
                Ok(head)
            }
            None => Err(self.truncated(n)),
        }
    }

    /// The next `N` bytes, copied.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        match self.bytes.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.bytes = rest;
                Ok(*head)
            }
            None => Err(self.truncated(N)),
        }
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, FormatError> {
        self.array::<1>().map(|[byte]| byte)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, FormatError> {
        self.array().map(u16::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_le_bytes)
    }

    /// An unsigned varint in its shortest form.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, FormatError> {
        match self.bytes {
            [first, rest @ ..] if *first < 0x80 => {
                self.bytes = rest;
                Ok(u64::from(*first))
            }
            _ => self.long_varint(),
        }
    }

    /// A signed number in zigzag form.
    #[inline]
    pub(crate) fn zigzag(&mut self) -> Result<i64, FormatError> {
        let folded = self.varint()?;
        Ok((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }

    /// Refuses bytes that are left over in the structure `what`.
    pub(crate) fn finish(self, what: &'static str) -> Result<(), FormatError> {
        match self.bytes.len() {
            0 => Ok(()),
            left => Err(FormatError::Malformed { what, why: format!("{left} bytes follow its end") }),
        }
    }

    fn long_varint(&mut self) -> Result<u64, FormatError> {
        let mut value = 0_u64;
        for (position, &byte) in self.bytes.iter().take(MAX_VARINT_BYTES).enumerate() {
            let last_possible = position == MAX_VARINT_BYTES - 1;
            if last_possible && byte > 1 {
                return Err(self.malformed("a varint exceeds 64 bits"));
            }
            value |= u64::from(byte & 0x7f) << (7 * position);
            if byte < 0x80 {
                if byte == 0 && position > 0 {
                    return Err(self.malformed("a varint is not in its shortest form"));
                }
                self.bytes = &self.bytes[position + 1..];
                return Ok(value);
            }
        }
        Err(self.truncated(self.bytes.len() + 1))
    }

    #[cold]
    fn truncated(&self, needed: usize) -> FormatError {
        FormatError::Truncated { what: self.what, needed: needed as u64, found: self.bytes.len() as u64 }
    }

    #[cold]
    fn malformed(&self, why: &str) -> FormatError {
        FormatError::Malformed { what: self.what, why: why.into() }
    }
}

/// Appends `value` as a varint in its shortest form.
#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends `value` in zigzag form.
#[inline]
pub(crate) fn put_zigzag(out: &mut Vec<u8>, value: i64) {
    put_varint(out, (value << 1 ^ value >> 63) as u64);
}

#[cfg(test)]
mod tests {
    use super::{Reader, put_varint, put_zigzag};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back_as_they_were_put(shift in 0_u32..64, raw: u64, signed: i64) {
            let value = raw >> shift;
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            put_zigzag(&mut bytes, signed >> shift);
            let mut reader = Reader::new(&bytes, "test");
            prop_assert_eq!(reader.varint().unwrap(), value);
            prop_assert_eq!(reader.zigzag().unwrap(), signed >> shift);
            reader.finish("test").unwrap();
        }

        #[test]
        fn a_varint_has_one_form_only(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes, "test");
            if let Ok(value) = reader.varint() {
                let mut again = Vec::new();
                put_varint(&mut again, value);
                prop_assert_eq!(&again[..], &bytes[..bytes.len() - reader.remaining()]);
            }
        }
    }

    #[test]
    fn overlong_and_overflowing_varints_are_refused() {
        for bad in [&[0x80, 0][..], &[0xff; 10], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], &[0x80]] {
            assert!(Reader::new(bad, "test").varint().is_err(), "{bad:?}");
        }
        let largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(Reader::new(&largest, "test").varint().unwrap(), u64::MAX);
    }

    #[test]
    fn nothing_is_read_beyond_the_end() {
        let mut reader = Reader::new(&[1, 2, 3], "test");
        assert_eq!(reader.u16().unwrap(), 0x0201);
        assert!(reader.u32().is_err() && reader.u64().is_err() && reader.bytes(2).is_err());
        assert_eq!((reader.remaining(), reader.u8().unwrap()), (1, 3));
    }
}
