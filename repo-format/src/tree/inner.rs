// SPDX-License-Identifier: MIT OR Apache-2.0
//! Inner nodes: the nodes of the level below, each with its last key and its totals (`docs/format.md` section 8.2).
//!
//! For whoever builds a tree or goes down in one. The last keys say which child holds a path; the totals bound what a
//! hostile tree can make a reader do.

use std::cmp::Ordering;

use crate::error::FormatError;
use crate::id::ChunkId;
use crate::tree::column::{count, malformed, number, put_string, string, within};
use crate::tree::order;
use crate::wire::{Reader, put_varint};

const WHAT: &str = "inner node";
/// Levels of inner nodes. 15 levels of at least two children hold more than any snapshot, and bound a reader's descent.
pub const MAX_LEVEL: u8 = 15;
/// Children of a node at most; the boundary rule ends nodes long before.
const MAX_CHILDREN: u64 = 65_535;
/// Two lengths, two totals, an id.
const MIN_CHILD_BYTES: u64 = 4 + ChunkId::LEN as u64;

/// A node of the level below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Directory of the last entry below.
    pub last_directory: Vec<u8>,
    /// Name of the last entry below.
    pub last_name: Vec<u8>,
    /// Entries below, at least 1.
    pub entries: u64,
    /// Sum of the file sizes below. Saturates: sparse files can claim more than 2^64 bytes together.
    pub bytes: u64,
    /// Where it is.
    pub id: ChunkId,
}

/// The bytes of a node of `level` (1 to 15) with 1 to 65,535 children, their last keys strictly ascending.
pub fn encode(level: u8, children: &[Child]) -> Vec<u8> {
    let keys = children.iter().map(|child| child.last_directory.len() + child.last_name.len()).sum::<usize>();
    let mut out = Vec::with_capacity(keys + children.len() * 48 + 8);
    out.push(level);
    put_varint(&mut out, children.len() as u64);
    for child in children {
        put_string(&mut out, &child.last_directory);
        put_string(&mut out, &child.last_name);
    }
    for child in children {
        put_varint(&mut out, child.entries);
        put_varint(&mut out, child.bytes);
    }
    for child in children {
        out.extend_from_slice(child.id.as_bytes());
    }
    out
}

/// The level and the children of a node.
///
/// # Errors
/// Anything that [`encode`] does not write: keys out of order or not valid, counts beyond the bytes, bytes left over.
pub fn decode(node: &[u8]) -> Result<(u8, Vec<Child>), FormatError> {
    let mut reader = Reader::new(node, WHAT);
    let level = reader.u8()?;
    within("level of an inner node", level.into(), 1..=MAX_LEVEL.into())?;
    let n = count(&mut reader, "children of an inner node", 1..=MAX_CHILDREN, MIN_CHILD_BYTES)?;
    let mut children: Vec<Child> = Vec::with_capacity(n);
    for _ in 0..n {
        let child = key(&mut reader)?;
        if children.last().is_some_and(|last| compare(last, &child) != Ordering::Less) {
            return Err(malformed(WHAT, "its keys are not in order"));
        }
        children.push(child);
    }
    let mut total = 0_u64;
    for child in &mut children {
        child.entries = number(&mut reader, "entries below an inner node", 1..=u64::MAX)?;
        child.bytes = reader.varint()?;
        total = total.checked_add(child.entries).ok_or_else(|| malformed(WHAT, "it claims more than 2^64 entries"))?;
    }
    for child in &mut children {
        child.id = ChunkId(reader.array()?);
    }
    reader.finish(WHAT)?;
    Ok((level, children))
}

fn compare(a: &Child, b: &Child) -> Ordering {
    order::compare(&a.last_directory, &a.last_name, &b.last_directory, &b.last_name)
}

fn key(reader: &mut Reader<'_>) -> Result<Child, FormatError> {
    let directory = string(reader, "length of a directory", 0..=order::MAX_DIRECTORY_BYTES as u64)?;
    let name = string(reader, "length of a name", 0..=order::MAX_NAME_BYTES as u64)?;
    if !order::valid_key(directory, name) {
        return Err(malformed(WHAT, "a key is not a valid path"));
    }
    let (last_directory, last_name) = (directory.to_vec(), name.to_vec());
    Ok(Child { last_directory, last_name, entries: 0, bytes: 0, id: ChunkId([0; ChunkId::LEN]) })
}
