// SPDX-License-Identifier: MIT OR Apache-2.0
//! How big things are: snapshots as they would be restored, and the repository as it is stored.

mod savings;

use std::collections::HashSet;
use std::sync::Arc;

use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::tree::entry::FileType;

use crate::error::Result;
use crate::events::Events;
use crate::history::Snapshot;
use crate::reader::Reader;
use crate::repository::Repository;
use crate::tree::{ContentItems, Cursor, Direction, Root};
pub use savings::{Compressed, Savings, SavingsReport, savings};

/// Sizes of the chosen snapshots and of the repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Snapshots counted.
    pub snapshots: u64,
    /// Files of all of them.
    pub files: u64,
    /// Folders and others.
    pub other_entries: u64,
    /// Bytes of all files, as a restore of every snapshot would write them.
    pub restore_bytes: u64,
    /// Different data chunks.
    pub unique_chunks: u64,
    /// Their bytes before compression.
    pub unique_bytes: u64,
    /// Bytes of all visible packs in the repository.
    pub pack_bytes: u64,
    /// Bytes of all objects in the repository.
    pub repository_bytes: u64,
    /// Objects in the repository.
    pub objects: u64,
}

/// Counts.
///
/// # Errors
/// A tree could not be read, or the user cancelled.
pub fn stats(repository: &Repository, snapshots: &[&Snapshot], events: &dyn Events) -> Result<Stats> {
    let reader = repository.reader();
    let mut stats = Stats { snapshots: snapshots.len() as u64, ..Stats::default() };
    let mut seen = HashSet::new();
    for snapshot in snapshots {
        let root = Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
        stats.snapshot(&reader, root, &mut seen, events)?;
    }
    stats.pack_bytes = repository.index.packs().iter().map(|pack| pack.length).sum();
    let objects = repository.backend.list("")?;
    stats.objects = objects.len() as u64;
    stats.repository_bytes = objects.iter().map(|object| object.length).sum();
    Ok(stats)
}

impl Stats {
    fn snapshot(
        &mut self,
        reader: &Arc<Reader>,
        root: Root,
        seen: &mut HashSet<ChunkId>,
        events: &dyn Events,
    ) -> Result<()> {
        for entry in Cursor::new(reader.clone(), root, Direction::Forward) {
            if events.cancelled() {
                return Err(crate::Error::Cancelled);
            }
            let entry = entry?;
            if entry.metadata.file_type != FileType::File {
                self.other_entries += 1;
                continue;
            }
            self.files += 1;
            // Sparse files can claim more than 2^64 bytes together.
            self.restore_bytes = self.restore_bytes.saturating_add(entry.metadata.size);
            for item in entry.contents().flat_map(|content| ContentItems::new(reader, content)) {
                let item = item?;
                if let Some(id) = item.id
                    && seen.insert(id)
                {
                    self.unique_chunks += 1;
                    self.unique_bytes = self.unique_bytes.saturating_add(item.length);
                }
            }
        }
        Ok(())
    }
}
