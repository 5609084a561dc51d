// SPDX-License-Identifier: MIT OR Apache-2.0
//! Marking: everything that visible snapshots reach, and the base chunks of that, as a sorted stream of id prefixes that does not grow with memory.
//!
//! For a prune, from its beginning to its end: what became visible meanwhile is added, and nothing is taken away unless all is marked
//! anew. Two ids with the same prefix keep each other alive.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use keepfast_repo_format::FormatError;
use keepfast_repo_format::id::{ChunkId, SnapshotId};
use keepfast_repo_format::tree::entry::{Content, FileType};
use keepfast_repo_format::tree::{inner, leaf, list};

use super::edges::Edges;
use super::runs::{Runs, Sorted};
use super::visited::Visited;
use super::{OnDamage, PruneError};
use crate::error::{Error, Result, describe};
use crate::events::Events;
use crate::history::{History, read_manifest};
use crate::index::LocalIndex;
use crate::reader::Reader;
use crate::repository::Repository;

/// What snapshots reach.
pub(super) struct Marked<'a> {
    repository: &'a Repository,
    reader: Arc<Reader>,
    events: &'a dyn Events,
    on_damage: OnDamage,
    snapshots: HashSet<SnapshotId>,
    visited: Visited,
    live: Runs<i64>,
    /// Snapshots or nodes that could not be read and were passed by.
    pub(super) passed_by: u64,
}

impl<'a> Marked<'a> {
    /// Nothing yet.
    pub(super) fn new(
        repository: &'a Repository,
        scratch: &Path,
        on_damage: OnDamage,
        events: &'a dyn Events,
    ) -> Result<Self> {
        Ok(Self {
            repository,
            reader: repository.reader_for_collector(),
            events,
            on_damage,
            snapshots: HashSet::new(),
            visited: Visited::new(scratch)?,
            live: Runs::new(scratch),
            passed_by: 0,
        })
    }

    /// Nothing yet, once more. What was forgotten since is not marked then; whoever brings it back sees the list that was published before, or is
    /// waited for.
    pub(super) fn begin_again(&self, scratch: &Path) -> Result<Self> {
        Self::new(self.repository, scratch, self.on_damage, self.events)
    }

    /// Whether a snapshot is marked that is not visible any more.
    pub(super) fn is_outdated(&self, history: &History) -> bool {
        let visible: HashSet<SnapshotId> = history.snapshot_ids().collect();
        !self.snapshots.is_subset(&visible)
    }

    /// Adds what the visible snapshots reach that were not marked before.
    pub(super) fn add(&mut self, history: &History) -> Result<()> {
        let new: Vec<SnapshotId> = history.snapshot_ids().filter(|id| !self.snapshots.contains(id)).collect();
        self.events.expected(new.len() as u64, 0);
        for id in new {
            let marked =
                read_manifest(self.repository, &id).and_then(|manifest| self.node(manifest.root, manifest.root_level));
            match marked {
                Ok(()) => {}
                Err(error) => self.pass_by(&id, error)?,
            }
            self.snapshots.insert(id);
            self.events.path_done(b"", 0);
        }
        Ok(())
    }

    /// Adds the base chunks of what is live, in the visible packs that are stored now.
    pub(super) fn follow(&mut self, edges: &mut Edges) -> Result<()> {
        edges.follow(&mut self.live)
    }

    /// The prefixes of everything that is live, ascending.
    pub(super) fn live(&mut self) -> Result<Sorted<i64>> {
        self.live.sorted()
    }

    /// Tree nodes that were read.
    pub(super) fn nodes(&self) -> u64 {
        self.visited.count()
    }

    fn pass_by(&mut self, snapshot: &SnapshotId, error: Error) -> Result<()> {
        if !error.is_damage() {
            return Err(error);
        }
        if self.on_damage == OnDamage::Refuse {
            let (snapshot, why) = (snapshot.to_string(), describe(&error));
            return Err(PruneError::UnreadableSnapshot { snapshot, why }.into());
        }
        self.passed_by += 1;
        Ok(())
    }

    /// Notes a tree chunk; whether it has to be read.
    fn enter(&mut self, id: &ChunkId) -> Result<bool> {
        if self.events.cancelled() {
            return Err(Error::Cancelled);
        }
        if !self.visited.insert(id)? {
            return Ok(false);
        }
        self.live.add(LocalIndex::prefix(id))?;
        Ok(true)
    }

    /// A node that can not be read costs what is below it and nothing beside it.
    fn tolerate(&mut self, outcome: Result<()>) -> Result<()> {
        match outcome {
            Err(error) if error.is_damage() && self.on_damage == OnDamage::Ignore => {
                self.passed_by += 1;
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Depth is bounded by the level, which goes down by one at each step.
    fn node(&mut self, id: ChunkId, level: u8) -> Result<()> {
        if !self.enter(&id)? {
            return Ok(());
        }
        let outcome = self.open_node(id, level);
        self.tolerate(outcome)
    }

    fn open_node(&mut self, id: ChunkId, level: u8) -> Result<()> {
        let fail = |source| Error::Node { id, source };
        let node = self.reader.tree_chunk(&id)?;
        if level == 0 {
            for entry in leaf::decode(&node).map_err(fail)? {
                if entry.metadata.file_type == FileType::File {
                    entry.contents().try_for_each(|content| self.content(content))?;
                }
            }
            return Ok(());
        }
        let (found, children) = inner::decode(&node).map_err(fail)?;
        if found != level {
            return Err(fail(wrong_level("inner tree node")));
        }
        drop(node);
        children.into_iter().try_for_each(|child| self.node(child.id, level - 1))
    }

    fn content(&mut self, content: &Content) -> Result<()> {
        for id in content.items.iter().filter_map(|item| item.id) {
            if content.height == 0 {
                self.live.add(LocalIndex::prefix(&id))?;
            } else if self.enter(&id)? {
                let outcome = self.open_list(id, content.height);
                self.tolerate(outcome)?;
            }
        }
        Ok(())
    }

    fn open_list(&mut self, id: ChunkId, height: u8) -> Result<()> {
        let fail = |source| Error::Node { id, source };
        let (level, items) = list::decode(&self.reader.tree_chunk(&id)?).map_err(fail)?;
        if level + 1 != height {
            return Err(fail(wrong_level("list node")));
        }
        self.content(&Content { height: level, items })
    }
}

fn wrong_level(what: &'static str) -> FormatError {
    FormatError::Malformed { what, why: "its level does not fit where it stands".to_string() }
}
