// SPDX-License-Identifier: MIT OR Apache-2.0
//! Columns: the runs of numbers, lengths and ids that nodes and directories are made of, read with their limits.
//!
//! For the decoders of tables. Every count is held against the bytes that are left before memory is taken for it.

use std::ops::RangeInclusive;

use crate::error::FormatError;
use crate::id::ChunkId;
use crate::tree::entry::ContentItem;
use crate::wire::{Reader, put_varint};

/// Longest chunk in bytes.
pub(crate) const MAX_CHUNK_BYTES: u64 = 16 << 20;

/// An error for content that contradicts itself.
#[cold]
pub(crate) fn malformed(what: &'static str, why: impl Into<String>) -> FormatError {
    FormatError::Malformed { what, why: why.into() }
}

/// A varint within `allowed`.
#[inline]
pub(crate) fn number(
    reader: &mut Reader<'_>,
    what: &'static str,
    allowed: RangeInclusive<u64>,
) -> Result<u64, FormatError> {
    let found = reader.varint()?;
    within(what, found, allowed)
}

/// `found`, if it is within `allowed`.
#[inline]
pub(crate) fn within(what: &'static str, found: u64, allowed: RangeInclusive<u64>) -> Result<u64, FormatError> {
    if allowed.contains(&found) {
        return Ok(found);
    }
    Err(FormatError::OutOfRange { what, found, min: *allowed.start(), max: *allowed.end() })
}

/// A count within `allowed` of things that take at least `bytes_each` of the bytes that follow.
pub(crate) fn count(
    reader: &mut Reader<'_>,
    what: &'static str,
    allowed: RangeInclusive<u64>,
    bytes_each: u64,
) -> Result<usize, FormatError> {
    let found = number(reader, what, allowed)?;
    fits(reader, what, found, bytes_each)
}

/// `count` things of at least `bytes_each` must fit into the bytes that are left.
pub(crate) fn fits(reader: &Reader<'_>, what: &'static str, count: u64, bytes_each: u64) -> Result<usize, FormatError> {
    let (needed, found) = (count.saturating_mul(bytes_each), reader.remaining() as u64);
    if needed > found {
        return Err(FormatError::Truncated { what, needed, found });
    }
    usize::try_from(count).map_err(|_| FormatError::Truncated { what, needed, found })
}

/// A length within `allowed`, then that many bytes.
pub(crate) fn string<'a>(
    reader: &mut Reader<'a>,
    what: &'static str,
    allowed: RangeInclusive<u64>,
) -> Result<&'a [u8], FormatError> {
    let length = number(reader, what, allowed)?;
    reader.bytes(usize::try_from(length).unwrap_or(usize::MAX))
}

/// Appends a length and the bytes.
pub(crate) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// An id of 32 bytes.
#[inline]
pub(crate) fn chunk_id(reader: &mut Reader<'_>) -> Result<ChunkId, FormatError> {
    reader.array().map(ChunkId)
}

/// Reads the `length << 1 | hole` of one item at `height`; an item that is not a hole gets its id later.
#[inline]
pub(crate) fn content_item(reader: &mut Reader<'_>, height: u8) -> Result<ContentItem, FormatError> {
    let packed = reader.varint()?;
    let (length, hole) = (packed >> 1, packed & 1 == 1);
    let item = ContentItem { length, id: if hole { None } else { Some(ChunkId([0; ChunkId::LEN])) } };
    match (hole, height) {
        _ if length == 0 => Err(malformed("content", "an item covers no bytes")),
        (true, 1..) => Err(malformed("content", "a hole stands above height 0")),
        (false, 0) if length > MAX_CHUNK_BYTES => {
            within("length of a chunk", length, 1..=MAX_CHUNK_BYTES).map(|_| item)
        }
        _ => Ok(item),
    }
}

/// Appends the `length << 1 | hole` of one item. The length is below 2^63.
#[inline]
pub(crate) fn put_content_item(out: &mut Vec<u8>, item: &ContentItem) {
    put_varint(out, item.length << 1 | u64::from(item.id.is_none()));
}
