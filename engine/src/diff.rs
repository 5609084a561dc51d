// SPDX-License-Identifier: MIT OR Apache-2.0
//! What differs between two snapshots, or between one and the live file system. Of two snapshots equal subtrees are recognised by their id and never read, so the work follows the
//! number of changed leaves, not the size of the trees.

mod contents;
mod live;
mod places;
mod renames;
mod same;

use std::sync::Arc;

pub use contents::{Side, contents};
use keepfast_repo_format::tree::entry::Entry;
pub use live::{EachLive, Live, LiveSummary, diff_live};
pub use places::Places;
pub use renames::{Later, Pairs, Renamed, Renames};

use crate::error::{Error, Result};
use crate::events::Events;
use crate::reader::Reader;
pub use crate::tree::Difference;
pub use crate::tree::Folder;
use crate::tree::{Root, compare, differences_of, find};

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
    let mut tops = (None, None);
    // In equal trees too: that nothing changed at a path that is not there would be no answer.
    if !path.is_empty() {
        tops = (find(reader, before, path)?, find(reader, after, path)?);
        if tops.0.is_none() && tops.1.is_none() {
            return Err(missing(after, path));
        }
    }
    below(reader, (Folder { root: before, path }, Folder { root: after, path }), tops, events, each)
}

/// The same of two paths, which may be in one snapshot: they are compared with each other, and of folders what has the same path in both.
///
/// # Errors
/// [`Error::NoPath`] if one of them is not there; else as of [`diff`].
pub fn diff_paths(
    reader: &Arc<Reader>,
    before: Folder,
    after: Folder,
    events: &dyn Events,
    each: Each,
) -> Result<Summary> {
    let top = |Folder { root, path }| match find(reader, root, path)? {
        None if !path.is_empty() => Err(missing(root, path)),
        top => Ok(top),
    };
    let tops = (top(before)?, top(after)?);
    // A tree of several paths has no folder of its own.
    let tops = if tops.0.is_some() && tops.1.is_some() { tops } else { (None, None) };
    below(reader, (before, after), tops, events, each)
}

fn missing(root: Root, path: &[u8]) -> Error {
    Error::NoPath { path: path.to_vec(), snapshot: root.id.to_string()[..8].to_string() }
}

/// Tells how two tops differ, and all that is below them.
fn below(
    reader: &Arc<Reader>,
    (before, after): (Folder, Folder),
    (old, new): (Option<Entry>, Option<Entry>),
    events: &dyn Events,
    each: Each,
) -> Result<Summary> {
    let mut summary = Summary::default();
    if before == after {
        return Ok(summary);
    }
    if let Some(difference) = compare(old.as_ref(), new.as_ref()) {
        summary.count(difference, old.as_ref(), new.as_ref());
        each(difference, old.as_ref(), new.as_ref());
    }
    differences_of(reader, before, after, events, &mut |difference, old, new| {
        summary.count(difference, old, new);
        each(difference, old, new);
        Ok(())
    })?;
    Ok(summary)
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
