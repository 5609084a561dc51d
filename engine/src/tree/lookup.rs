// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finding one path, or everything below one, in a stored tree by reading one node per level.

use std::sync::Arc;

use keepfast_repo_format::tree::entry::Entry;
use keepfast_repo_format::tree::order;

use super::{Cursor, Direction, Root};
use crate::error::Result;
use crate::reader::Reader;

/// The entry at `path` (without leading `/`), if the tree has one.
pub fn find(reader: &Arc<Reader>, root: Root, path: &[u8]) -> Result<Option<Entry>> {
    let (directory, name) = order::split(path);
    let mut cursor = Cursor::new(reader.clone(), root, Direction::Forward);
    cursor.seek(directory, name)?;
    let found = cursor.next().transpose()?;
    Ok(found.filter(|entry| (&entry.directory[..], &entry.name[..]) == (directory, name)))
}

/// A cursor that stands before the first entry of the folder `directory`; its contents and everything deeper follow in one run.
pub fn find_below(reader: &Arc<Reader>, root: Root, directory: &[u8]) -> Result<Cursor> {
    let mut cursor = Cursor::new(reader.clone(), root, Direction::Forward);
    cursor.seek(directory, b"")?;
    Ok(cursor)
}
