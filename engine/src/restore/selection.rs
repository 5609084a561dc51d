// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which entries of a snapshot a restore takes, and what their paths are below the target.

use std::sync::Arc;

use keepfast_repo_format::tree::entry::{Entry, FileType};
use keepfast_repo_format::tree::order;

use super::{Extras, RestoreOptions};
use crate::error::{Error, Result};
use crate::reader::Reader;
use crate::tree::{Cursor, Direction, Root, find, find_below, is_inside};

/// Which entries are restored, and where to.
pub(super) struct Selection<'a> {
    pub(super) options: &'a RestoreOptions,
    /// What is cut off the front of paths.
    pub(super) prefix: Vec<u8>,
    /// The subtree is one file: only this entry.
    pub(super) single: Option<Vec<u8>>,
}

impl<'a> Selection<'a> {
    pub(super) fn new(reader: &Arc<Reader>, root: Root, options: &'a RestoreOptions) -> Result<Self> {
        let subtree = &options.subtree;
        if subtree.is_empty() {
            return Ok(Self { options, prefix: Vec::new(), single: None });
        }
        let entry = find(reader, root, subtree)?;
        let missing = || Error::NoPath { path: subtree.clone(), snapshot: root.id.to_string()[..8].to_string() };
        let entry = entry.ok_or_else(missing)?;
        if entry.metadata.file_type == FileType::Directory {
            return Ok(Self { options, prefix: subtree.clone(), single: None });
        }
        // Beside one file everything in the target would be extra.
        if options.extras == Extras::Delete {
            return Err(Error::WrongType {
                path: subtree.clone(),
                expected: "a folder, so nothing can be deleted beside it",
            });
        }
        Ok(Self { options, prefix: entry.directory.to_vec(), single: Some(subtree.clone()) })
    }

    pub(super) fn cursor(&self, reader: &Arc<Reader>, root: Root, direction: Direction) -> Result<Cursor> {
        match direction {
            Direction::Forward if !self.prefix.is_empty() => find_below(reader, root, &self.prefix),
            _ => Ok(Cursor::new(reader.clone(), root, direction)),
        }
    }

    /// Path below the target; `None` if the entry is not below the subtree.
    pub(super) fn relative(&self, entry: &Entry) -> Option<Vec<u8>> {
        let path = entry.path();
        if self.single.as_ref().is_some_and(|single| *single != path) {
            return None;
        }
        if self.prefix.is_empty() {
            return Some(path);
        }
        if path == self.prefix {
            return Some(Vec::new());
        }
        path.strip_prefix(&self.prefix[..])?.strip_prefix(b"/").map(<[u8]>::to_vec)
    }

    /// Whether a forward cursor has left the subtree.
    pub(super) fn is_past(&self, entry: &Entry) -> bool {
        !is_inside(&entry.directory, &self.prefix) && order::compare_directories(&entry.directory, &self.prefix).is_gt()
    }

    pub(super) fn takes(&self, entry: &Entry) -> bool {
        self.options.filter.takes_all()
            || self.options.filter.takes(&entry.path(), entry.metadata.file_type == FileType::Directory)
    }
}
