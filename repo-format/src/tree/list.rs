// SPDX-License-Identifier: MIT OR Apache-2.0
//! List nodes: the content of files that have too many chunks for their entry (`docs/format.md` section 8.3).
//!
//! For whoever writes or reads large files. A list at height h is stored in nodes of level h - 1.

use crate::error::FormatError;
use crate::tree::column::{chunk_id, content_item, count, malformed, put_content_item, within};
use crate::tree::entry::ContentItem;
use crate::wire::{Reader, put_varint};

const WHAT: &str = "list node";
/// First byte of a list node: no level that a tree node could have.
pub(crate) const MARKER: u8 = 255;
/// Highest level: with 512 items on average, two levels already hold terabytes.
pub const MAX_LEVEL: u8 = 15;
/// Items of a node at most; the boundary rule ends nodes at 4096.
const MAX_ITEMS: u64 = 65_535;
/// Longest file, in bytes: sizes are signed in every file system interface.
pub(crate) const MAX_FILE_BYTES: u64 = i64::MAX as u64;

/// The bytes of a node of `level` (0: the items are chunks and holes) with 1 to 65,535 items, none of them empty.
pub fn encode(level: u8, items: &[ContentItem]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + 36 * items.len());
    out.extend_from_slice(&[MARKER, level]);
    put_varint(&mut out, items.len() as u64);
    for item in items {
        put_content_item(&mut out, item);
    }
    for id in items.iter().filter_map(|item| item.id.as_ref()) {
        out.extend_from_slice(id.as_bytes());
    }
    out
}

/// The level and the items of a node.
///
/// # Errors
/// Anything that [`encode`] does not write: counts beyond the bytes, empty items, holes above level 0, bytes left over.
pub fn decode(node: &[u8]) -> Result<(u8, Vec<ContentItem>), FormatError> {
    let mut reader = Reader::new(node, WHAT);
    let [marker, level] = reader.array()?;
    if marker != MARKER {
        return Err(malformed(WHAT, "it is another kind of node"));
    }
    within("level of a list node", level.into(), 0..=MAX_LEVEL.into())?;
    let n = count(&mut reader, "items of a list node", 1..=MAX_ITEMS, 1)?;
    let mut items = Vec::with_capacity(n);
    let mut total = 0_u64;
    for _ in 0..n {
        let item = content_item(&mut reader, level)?;
        // Two lengths are below 2^64 together, and the first is checked before the next is added.
        total = within("bytes of a list node", total + item.length, 1..=MAX_FILE_BYTES)?;
        items.push(item);
    }
    for item in items.iter_mut().filter(|item| item.id.is_some()) {
        item.id = Some(chunk_id(&mut reader)?);
    }
    reader.finish(WHAT)?;
    Ok((level, items))
}
