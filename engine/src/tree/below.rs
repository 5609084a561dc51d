// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything at and below one path of a tree, in order.

use std::sync::Arc;

use keepfast_repo_format::tree::entry::{Entry, FileType};
use keepfast_repo_format::tree::order;

use super::{Cursor, Direction, Root, find, find_below};
use crate::error::{Error, Result};
use crate::reader::Reader;

/// The entry at a path, then, for a folder, all that is in it.
pub struct Below {
    first: Option<Entry>,
    cursor: Option<Cursor>,
    folder: Vec<u8>,
}

/// Starts at `path`; empty for the whole tree.
///
/// # Errors
/// [`Error::NoPath`].
pub fn below(reader: &Arc<Reader>, root: Root, path: &[u8]) -> Result<Below> {
    if path.is_empty() {
        let cursor = Cursor::new(reader.clone(), root, Direction::Forward);
        return Ok(Below { first: None, cursor: Some(cursor), folder: Vec::new() });
    }
    let missing = || Error::NoPath { path: path.to_vec(), snapshot: root.id.to_string()[..8].to_string() };
    let entry = find(reader, root, path)?.ok_or_else(missing)?;
    let is_folder = entry.metadata.file_type == FileType::Directory;
    let cursor = if is_folder { Some(find_below(reader, root, path)?) } else { None };
    Ok(Below { first: Some(entry), cursor, folder: path.to_vec() })
}

/// Whether `directory` is `folder` or inside it.
pub fn is_inside(directory: &[u8], folder: &[u8]) -> bool {
    folder.is_empty() || directory.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

impl Iterator for Below {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        let entry = match self.cursor.as_mut()?.next()? {
            Ok(entry) => entry,
            Err(error) => return Some(Err(error)),
        };
        if is_inside(&entry.directory, &self.folder) {
            return Some(Ok(entry));
        }
        debug_assert!(order::compare_directories(&entry.directory, &self.folder).is_gt());
        self.cursor = None;
        None
    }
}
