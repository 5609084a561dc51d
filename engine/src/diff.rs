// SPDX-License-Identifier: MIT OR Apache-2.0
//! What differs between two snapshots. Equal subtrees are recognised by their id and never read, so the work follows the
//! number of changed leaves, not the size of the trees.

mod bytes;
mod contents;
mod renames;

use std::cmp::Ordering;
use std::sync::Arc;

pub use bytes::FileBytes;
pub use contents::{contents, mask};
pub use renames::{Renamed, Renames};

use keepfast_repo_format::tree::entry::{Entry, FileType};
use keepfast_repo_format::tree::order;

use crate::error::{Error, Result};
use crate::events::Events;
use crate::reader::Reader;
use crate::tree::{Cursor, Direction, Root, find, find_below, is_inside};

/// How a path differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Only the second snapshot has it.
    Added,
    /// Only the first has it.
    Removed,
    /// The content differs (a symlink's target is its content).
    Modified,
    /// It is something else now.
    TypeChanged,
    /// Only metadata differs: owner, mode, modification time, attributes.
    Metadata,
}

/// Counts and sizes of a difference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Paths by [`Difference`], in its order.
    pub paths: [u64; 5],
    /// Bytes of files that are new, or the new size of changed ones.
    pub added_bytes: u64,
    /// Bytes of files that are gone, or the old size of changed ones.
    pub removed_bytes: u64,
}

/// Is told of a difference: the entry before and after.
pub type Each<'a> = &'a mut dyn FnMut(Difference, Option<&Entry>, Option<&Entry>);

/// Tells every difference at or below `path`, in tree order, with the entry before and after.
///
/// # Errors
/// [`Error::NoPath`] if neither has the path. A tree could not be read, or the user cancelled.
pub fn diff(
    reader: &Arc<Reader>,
    before: Root,
    after: Root,
    path: &[u8],
    events: &dyn Events,
    each: Each,
) -> Result<Summary> {
    let mut summary = Summary::default();
    if before == after {
        return Ok(summary);
    }
    if !path.is_empty() {
        let (old, new) = (find(reader, before, path)?, find(reader, after, path)?);
        if old.is_none() && new.is_none() {
            return Err(Error::NoPath { path: path.to_vec(), snapshot: after.id.to_string()[..8].to_string() });
        }
        if let Some(difference) = compare(old.as_ref(), new.as_ref()) {
            summary.count(difference, old.as_ref(), new.as_ref());
            each(difference, old.as_ref(), new.as_ref());
        }
    }
    let mut sides = Sides { before: start(reader, before, path)?, after: start(reader, after, path)? };
    loop {
        if events.cancelled() {
            return Err(Error::Cancelled);
        }
        sides.skip_equal_nodes()?;
        let (old, new) = sides.next(path)?;
        let (old, new) = (old.as_ref(), new.as_ref());
        let Some(difference) = compare(old, new) else {
            if old.is_none() && new.is_none() {
                return Ok(summary);
            }
            continue;
        };
        summary.count(difference, old, new);
        each(difference, old, new);
    }
}

/// Before the first entry in the folder `path`, or of everything.
fn start(reader: &Arc<Reader>, root: Root, path: &[u8]) -> Result<Cursor> {
    if path.is_empty() {
        return Ok(Cursor::new(reader.clone(), root, Direction::Forward));
    }
    find_below(reader, root, path)
}

struct Sides {
    before: Cursor,
    after: Cursor,
}

impl Sides {
    /// Passes by nodes that both sides come to at once; enters the larger ones of those that differ.
    fn skip_equal_nodes(&mut self) -> Result<()> {
        while let (Some((old_level, old)), Some((new_level, new))) = (self.before.next_node(), self.after.next_node()) {
            if old == new {
                self.before.skip_node();
                self.after.skip_node();
                continue;
            }
            if old_level >= new_level {
                self.before.enter_node()?;
            }
            if new_level >= old_level {
                self.after.enter_node()?;
            }
        }
        Ok(())
    }

    /// The next path: its entry on either side.
    fn next(&mut self, path: &[u8]) -> Result<(Option<Entry>, Option<Entry>)> {
        let inside = |entry: Option<&Entry>| entry.is_some_and(|entry| is_inside(&entry.directory, path));
        let (has_old, has_new) = (inside(self.before.peek()?), inside(self.after.peek()?));
        let step = match (has_old, has_new) {
            (true, true) => match (self.before.peek()?, self.after.peek()?) {
                (Some(old), Some(new)) => order::compare(&old.directory, &old.name, &new.directory, &new.name),
                _ => Ordering::Equal,
            },
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => return Ok((None, None)),
        };
        let old = if step.is_le() { self.before.next().transpose()? } else { None };
        let new = if step.is_ge() { self.after.next().transpose()? } else { None };
        Ok((old, new))
    }
}

impl Summary {
    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.paths.iter_mut().zip(other.paths).for_each(|(sum, paths)| *sum += paths);
        self.added_bytes = self.added_bytes.saturating_add(other.added_bytes);
        self.removed_bytes = self.removed_bytes.saturating_add(other.removed_bytes);
    }

    fn count(&mut self, difference: Difference, old: Option<&Entry>, new: Option<&Entry>) {
        self.paths[difference as usize] += 1;
        if difference != Difference::Metadata {
            let size = |entry: Option<&Entry>| entry.map_or(0, |entry| entry.metadata.size);
            // Sparse files can claim more than 2^64 bytes together.
            self.added_bytes = self.added_bytes.saturating_add(size(new));
            self.removed_bytes = self.removed_bytes.saturating_add(size(old));
        }
    }
}

/// How two entries of one path differ; `None` if they do not. Inode number, status change and birth time say nothing
/// about what would be restored.
pub fn compare(old: Option<&Entry>, new: Option<&Entry>) -> Option<Difference> {
    let (old, new) = match (old, new) {
        (None, None) => return None,
        (None, Some(_)) => return Some(Difference::Added),
        (Some(_), None) => return Some(Difference::Removed),
        (Some(old), Some(new)) => (old, new),
    };
    let (before, after) = (&old.metadata, &new.metadata);
    if before.file_type != after.file_type {
        return Some(Difference::TypeChanged);
    }
    let is_file = before.file_type == FileType::File;
    if (is_file && (old.content != new.content || old.layers != new.layers || before.size != after.size))
        || before.target != after.target
        || before.device != after.device
    {
        return Some(Difference::Modified);
    }
    let same = before.mode == after.mode
        && before.owner == after.owner
        && before.modified == after.modified
        && before.inode_flags == after.inode_flags
        && before.xattrs == after.xattrs;
    if same { None } else { Some(Difference::Metadata) }
}
