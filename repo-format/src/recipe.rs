// SPDX-License-Identifier: MIT OR Apache-2.0
//! Recipes: how a layer of a wrapped file comes from its stream (`docs/format.md` section 8.5).
//!
//! For whoever takes archives apart and puts them together again. Recipes may be longer than memory, so they are read record
//! by record from the bytes in view. Says nothing about deflate itself.

use crate::error::FormatError;
use crate::tree::column::{malformed, number, string};
use crate::wire::{Reader, put_varint};

const WHAT: &str = "recipe";
/// The only version there is.
const VERSION: u8 = 1;
/// Longest name of a version of the deflate library.
const MAX_LIBRARY_BYTES: usize = 32;

const RAW: u8 = 1;
const INLINE: u8 = 2;
const DEFLATE: u8 = 3;
const CONTINUED: u8 = 4;

/// Bytes of a raw record at most: what a file can have.
const MAX_RAW_BYTES: u64 = i64::MAX as u64;
/// Bytes of an inline record at most.
pub const MAX_INLINE_BYTES: usize = 64 << 10;
/// Compressed bytes of a deflate record at most.
pub const MAX_PACKED_BYTES: usize = 8 << 20;
/// Plain bytes of a deflate record at most: they are held in memory together.
pub const MAX_PLAIN_BYTES: usize = 32 << 20;
/// Corrections of a deflate record at most: a quarter of its packed bytes, and what a small one takes.
pub const MAX_CORRECTIONS_BYTES: usize = MAX_PACKED_BYTES / 4 + 1024;
/// A record needs at most this many bytes in view.
pub const MAX_RECORD_BYTES: usize = 64 + MAX_CORRECTIONS_BYTES;

/// Where a deflate record stands in its deflate stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At its beginning.
    First,
    /// Where the record before it ended.
    Next,
}

/// What the next bytes of a layer come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// So many bytes of the stream, as they are; at least 1.
    Raw(u64),
    /// These bytes; at least 1, at most [`MAX_INLINE_BYTES`].
    Inline(&'a [u8]),
    /// A part of a deflate stream, made of plain bytes of the stream and of corrections.
    Deflate {
        /// Its place.
        place: Place,
        /// Bytes that it gives, 1 to [`MAX_PACKED_BYTES`].
        packed: usize,
        /// Bytes of the stream that it takes, at most [`MAX_PLAIN_BYTES`].
        plain: usize,
        /// What the library needs besides, at most [`MAX_CORRECTIONS_BYTES`].
        corrections: &'a [u8],
    },
}

/// What was read, and how many bytes it took; `None` if more bytes have to be in view.
pub type InView<T> = Result<Option<(T, usize)>, FormatError>;

/// Appends what a recipe begins with. `library` is the version of the deflate library, at most 32 bytes.
pub fn put_head(out: &mut Vec<u8>, library: &str) {
    out.push(VERSION);
    out.push(library.len() as u8);
    out.extend_from_slice(library.as_bytes());
}

/// The version of the deflate library that a recipe was made with.
///
/// # Errors
/// Another version of recipes, or a name that is none.
pub fn head(bytes: &[u8]) -> InView<&str> {
    let [version, rest @ ..] = bytes else { return Ok(None) };
    if *version != VERSION {
        return Err(FormatError::Version { what: WHAT, found: (*version).into(), known: VERSION.into() });
    }
    let [length, rest @ ..] = rest else { return Ok(None) };
    let length = usize::from(*length);
    if length > MAX_LIBRARY_BYTES {
        return Err(malformed(WHAT, "the version of its library is too long"));
    }
    let Some(name) = rest.get(..length) else { return Ok(None) };
    match std::str::from_utf8(name) {
        Ok(name) if name.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Some((name, 2 + length))),
        _ => Err(malformed(WHAT, "the version of its library is no text")),
    }
}

/// Appends a record.
pub fn put_record(out: &mut Vec<u8>, record: &Record) {
    match record {
        Record::Raw(length) => {
            out.push(RAW);
            put_varint(out, *length);
        }
        Record::Inline(bytes) => {
            out.push(INLINE);
            put_varint(out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
        Record::Deflate { place, packed, plain, corrections } => {
            out.push(if *place == Place::First { DEFLATE } else { CONTINUED });
            put_varint(out, *packed as u64);
            put_varint(out, *plain as u64);
            put_varint(out, corrections.len() as u64);
            out.extend_from_slice(corrections);
        }
    }
}

/// The record that `bytes` begin with.
///
/// # Errors
/// A kind that is not known, or a length out of range.
pub fn record(bytes: &[u8]) -> InView<Record<'_>> {
    let mut reader = Reader::new(bytes, WHAT);
    match read(&mut reader) {
        Ok(record) => Ok(Some((record, bytes.len() - reader.remaining()))),
        Err(FormatError::Truncated { .. }) if bytes.len() < MAX_RECORD_BYTES => Ok(None),
        Err(error) => Err(error),
    }
}

fn read<'a>(reader: &mut Reader<'a>) -> Result<Record<'a>, FormatError> {
    match reader.u8()? {
        RAW => Ok(Record::Raw(number(reader, "raw bytes of a recipe", 1..=MAX_RAW_BYTES)?)),
        INLINE => Ok(Record::Inline(string(reader, "inline bytes of a recipe", 1..=MAX_INLINE_BYTES as u64)?)),
        kind @ (DEFLATE | CONTINUED) => {
            let packed = number(reader, "packed bytes of a recipe", 1..=MAX_PACKED_BYTES as u64)? as usize;
            let plain = number(reader, "plain bytes of a recipe", 0..=MAX_PLAIN_BYTES as u64)? as usize;
            let corrections = string(reader, "corrections of a recipe", 0..=MAX_CORRECTIONS_BYTES as u64)?;
            let place = if kind == DEFLATE { Place::First } else { Place::Next };
            Ok(Record::Deflate { place, packed, plain, corrections })
        }
        _ => Err(malformed(WHAT, "a record's kind is not known")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn records() -> impl Strategy<Value = (u8, u64, usize, usize, Vec<u8>)> {
        (1..=4_u8, 1..=MAX_RAW_BYTES, 1..=MAX_PACKED_BYTES, 0..=MAX_PLAIN_BYTES, vec(any::<u8>(), 1..300))
    }

    fn made(parts: &(u8, u64, usize, usize, Vec<u8>)) -> Record<'_> {
        let (kind, raw, packed, plain, bytes) = parts;
        match kind {
            1 => Record::Raw(*raw),
            2 => Record::Inline(bytes),
            kind => {
                let place = if *kind == 3 { Place::First } else { Place::Next };
                Record::Deflate { place, packed: *packed, plain: *plain, corrections: bytes }
            }
        }
    }

    proptest! {
        #[test]
        fn records_come_back_as_they_were_put_and_only_when_they_are_whole(parts in records(), behind in vec(any::<u8>(), 0..9)) {
            let mut bytes = Vec::new();
            put_record(&mut bytes, &made(&parts));
            let length = bytes.len();
            for cut in 0..length {
                prop_assert_eq!(record(&bytes[..cut]).unwrap(), None);
            }
            bytes.extend(behind);
            prop_assert_eq!(record(&bytes).unwrap(), Some((made(&parts), length)));
        }

        #[test]
        fn any_bytes_are_a_record_that_is_stored_the_same_way_or_are_refused(bytes in vec(any::<u8>(), 0..60)) {
            if let Ok(Some((found, used))) = record(&bytes) {
                let mut again = Vec::new();
                put_record(&mut again, &found);
                prop_assert_eq!(&again[..], &bytes[..used]);
            }
            let _ = head(&bytes);
        }
    }

    #[test]
    fn a_head_names_the_library_and_waits_until_it_is_whole() {
        let mut bytes = Vec::new();
        put_head(&mut bytes, "0.7.6");
        for cut in 0..bytes.len() {
            assert_eq!(head(&bytes[..cut]).unwrap(), None);
        }
        bytes.push(9);
        assert_eq!(head(&bytes).unwrap(), Some(("0.7.6", 7)));
    }

    #[test]
    fn what_no_recipe_begins_with_is_refused() {
        assert!(matches!(head(&[2, 0]), Err(FormatError::Version { found: 2, known: 1, .. })));
        assert!(head(&[1, 33]).is_err());
        assert!(head(&[1, 2, 0xff, 0xff]).is_err());
        assert!(head(&[1, 1, b'\n']).is_err());
    }

    #[test]
    fn lengths_out_of_range_are_refused_before_their_bytes_are_there() {
        let refused = |kind: u8, lengths: &[usize]| {
            let mut bytes = vec![kind];
            lengths.iter().for_each(|length| put_varint(&mut bytes, *length as u64));
            record(&bytes).is_err()
        };
        assert!(refused(RAW, &[0]) && refused(RAW, &[1 << 63]));
        assert!(refused(INLINE, &[0]) && refused(INLINE, &[MAX_INLINE_BYTES + 1]));
        assert!(refused(DEFLATE, &[0]) && refused(DEFLATE, &[MAX_PACKED_BYTES + 1]));
        assert!(refused(CONTINUED, &[1, MAX_PLAIN_BYTES + 1]));
        assert!(refused(CONTINUED, &[1, 1, MAX_CORRECTIONS_BYTES + 1]));
        assert!(refused(0, &[]) && refused(5, &[]));
    }
}
