// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading one node of a stored tree, and comparing it with what its parent says of it. For everything in this folder that walks trees.

use keepfast_repo_format::FormatError;
use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::tree::entry::Entry;
use keepfast_repo_format::tree::inner::Child;
use keepfast_repo_format::tree::{inner, leaf};

use crate::error::{Error, Result};
use crate::reader::Reader;

/// The entries of a leaf, at least one. The root has no parent that promises anything.
pub(super) fn read_leaf(reader: &Reader, id: ChunkId, promised: Option<&Child>) -> Result<Vec<Entry>> {
    let bytes = reader.tree_chunk(&id)?;
    let read = leaf::decode(&bytes).and_then(|entries| check_leaf(promised, &entries).map(|()| entries));
    read.map_err(|source| Error::Node { id, source })
}

/// The children of an inner node of a level.
pub(super) fn read_inner(reader: &Reader, id: ChunkId, level: u8, promised: Option<&Child>) -> Result<Vec<Child>> {
    let bytes = reader.tree_chunk(&id)?;
    let read = inner::decode(&bytes)
        .and_then(|(found, children)| check_inner(level, found, promised, &children).map(|()| children));
    read.map_err(|source| Error::Node { id, source })
}

fn check_leaf(promised: Option<&Child>, entries: &[Entry]) -> Result<(), FormatError> {
    let malformed = |why: &str| Err(FormatError::Malformed { what: "tree leaf", why: why.to_string() });
    let Some(last) = entries.last() else {
        return malformed("it has no entries");
    };
    let Some(child) = promised else { return Ok(()) };
    let bytes = entries.iter().map(|entry| entry.metadata.size).fold(0, u64::saturating_add);
    if (entries.len() as u64, bytes) != (child.entries, child.bytes)
        || (&last.directory[..], &last.name) != (&child.last_directory[..], &child.last_name)
    {
        return malformed("its entries are not what its parent says");
    }
    Ok(())
}

fn check_inner(level: u8, found: u8, promised: Option<&Child>, children: &[Child]) -> Result<(), FormatError> {
    let malformed = |why: &str| Err(FormatError::Malformed { what: "inner tree node", why: why.to_string() });
    if found != level {
        return malformed("its level does not fit where it stands");
    }
    let Some(promised) = promised else { return Ok(()) };
    let entries = children.iter().map(|child| child.entries).fold(0, u64::saturating_add);
    let bytes = children.iter().map(|child| child.bytes).fold(0, u64::saturating_add);
    if (entries, bytes) != (promised.entries, promised.bytes) {
        return malformed("its counts are not what its parent says");
    }
    // With siblings in order, this makes a second mention of a node a lie: ten small nodes could else stand for 2^60 leaves.
    let last = children.last().map(|child| (&child.last_directory, &child.last_name));
    if last != Some((&promised.last_directory, &promised.last_name)) {
        return malformed("its last entry is not the one its parent names");
    }
    Ok(())
}
