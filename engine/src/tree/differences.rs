// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two trees side by side: what differs, path by path, in tree order.
//!
//! Equal subtrees are recognised by their id and never read, so the work follows the number of changed leaves, not the size of the trees.

use std::cmp::Ordering;
use std::sync::Arc;

use keepfast_repo_format::tree::entry::{Entry, FileType};
use keepfast_repo_format::tree::order;

use super::{Cursor, Direction, Root, find_below, is_inside};
use crate::error::{Error, Result};
use crate::events::Events;
use crate::reader::Reader;

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

/// Is told of a difference: the entry before and after.
pub type EachDifference<'a> = &'a mut dyn FnMut(Difference, Option<&Entry>, Option<&Entry>) -> Result<()>;

/// A folder of a tree, and all that is below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folder<'a> {
    /// The tree.
    pub root: Root,
    /// Its path in the tree; empty for everything.
    pub path: &'a [u8],
}

/// Tells every difference below the folder `path` (empty: of everything), in tree order. The folder itself is not looked at.
///
/// # Errors
/// A tree could not be read, the user cancelled, or what `each` says.
pub fn differences(
    reader: &Arc<Reader>,
    before: Root,
    after: Root,
    path: &[u8],
    events: &dyn Events,
    each: EachDifference,
) -> Result<()> {
    differences_of(reader, Folder { root: before, path }, Folder { root: after, path }, events, each)
}

/// The same of two folders that may have different paths: what has the same path below them is compared.
///
/// # Errors
/// As of [`differences`].
pub fn differences_of(
    reader: &Arc<Reader>,
    before: Folder,
    after: Folder,
    events: &dyn Events,
    each: EachDifference,
) -> Result<()> {
    if before == after {
        return Ok(());
    }
    let mut sides = Sides {
        before: start(reader, before.root, before.path)?,
        after: start(reader, after.root, after.path)?,
        paths: (before.path, after.path),
    };
    if before.path != after.path {
        sides.pass_tops()?;
    }
    loop {
        if events.cancelled() {
            return Err(Error::Cancelled);
        }
        // A node holds whole paths, and of what is around the folders too.
        if before.path == after.path {
            sides.skip_equal_nodes()?;
        }
        let (old, new) = sides.next()?;
        let (old, new) = (old.as_ref(), new.as_ref());
        match compare(old, new) {
            Some(difference) => each(difference, old, new)?,
            None if old.is_none() && new.is_none() => return Ok(()),
            None => {}
        }
    }
}

/// Before the first entry in the folder `path`, or of everything.
fn start(reader: &Arc<Reader>, root: Root, path: &[u8]) -> Result<Cursor> {
    if path.is_empty() {
        return Ok(Cursor::new(reader.clone(), root, Direction::Forward));
    }
    find_below(reader, root, path)
}

struct Sides<'a> {
    before: Cursor,
    after: Cursor,
    paths: (&'a [u8], &'a [u8]),
}

impl Sides<'_> {
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

    /// Passes by the entry of a whole tree's own folder: it is not below that folder.
    fn pass_tops(&mut self) -> Result<()> {
        for cursor in [&mut self.before, &mut self.after] {
            if cursor.peek()?.is_some_and(|entry| entry.name.is_empty()) {
                cursor.next().transpose()?;
            }
        }
        Ok(())
    }

    /// The next path: its entry on either side.
    fn next(&mut self) -> Result<(Option<Entry>, Option<Entry>)> {
        let inside = |entry: Option<&Entry>, path: &[u8]| entry.is_some_and(|entry| is_inside(&entry.directory, path));
        let (before, after) = self.paths;
        let (has_old, has_new) = (inside(self.before.peek()?, before), inside(self.after.peek()?, after));
        let step = match (has_old, has_new) {
            (true, true) => match (self.before.peek()?, self.after.peek()?) {
                (Some(old), Some(new)) => {
                    order::compare(rest(&old.directory, before), &old.name, rest(&new.directory, after), &new.name)
                }
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

/// The way from `folder` to a directory in it.
fn rest<'a>(directory: &'a [u8], folder: &[u8]) -> &'a [u8] {
    let rest = &directory[folder.len()..];
    rest.strip_prefix(b"/").unwrap_or(rest)
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
