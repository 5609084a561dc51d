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
use crate::tree::{Root, compare, differences, find};

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
    differences(reader, before, after, path, events, &mut |difference, old, new| {
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
