// SPDX-License-Identifier: MIT OR Apache-2.0
//! The last step of a round: packs, then manifests, then old index objects and generations, then the condemn lists.
//!
//! Takes what was decided and decides nothing about packs. What the storage refuses to delete stays on its list for the next prune.

use std::collections::HashSet;

use keepfast_repo_format::id::PackId;
use keepfast_repo_format::layout;
use keepfast_storage::{Delete, Name};

use super::Report;
use super::generation::Written;
use super::orphans::{is_dead_index_object, is_dead_manifest};
use super::view::View;
use crate::error::{Error, Result};
use crate::events::Events;
use crate::repository::{Repository, object_name};

/// Generations that stay: a reader may be about to read the one before the newest.
const KEPT_GENERATIONS: u64 = 2;

/// Deletes, and counts what became of it.
pub(super) struct Deleter<'a> {
    pub(super) repository: &'a Repository,
    pub(super) events: &'a dyn Events,
    pub(super) report: &'a mut Report,
}

impl Deleter<'_> {
    /// Deletes packs that nothing visible names any more. Returns those that are gone.
    pub(super) fn packs(&mut self, view: &View, packs: &HashSet<PackId>) -> Result<HashSet<PackId>> {
        let mut sorted: Vec<&PackId> = packs.iter().collect();
        sorted.sort_unstable();
        let mut gone = HashSet::new();
        for id in sorted {
            if self.events.cancelled() {
                return Err(Error::Cancelled);
            }
            match self.object(&object_name(&layout::pack(id)))? {
                Delete::Deleted => {
                    self.report.packs_deleted += 1;
                    self.report.bytes_freed += view.stored.get(id).copied().unwrap_or(0);
                }
                Delete::Absent => {}
                Delete::Refused => continue,
            }
            gone.insert(*id);
        }
        Ok(gone)
    }

    /// Deletes the manifests of condemned snapshots that are not visible, and those that no COMMIT ever named.
    pub(super) fn manifests(&mut self, view: &View) -> Result<()> {
        let visible = view.visible_snapshots();
        let condemned: HashSet<_> = view.finishable().flat_map(|list| list.snapshots.iter().copied()).collect();
        let committed = view.history.committed();
        for object in self.repository.backend.list(layout::SNAPSHOTS_FOLDER)? {
            let Some(id) = layout::parse_snapshot(object.name.as_str()) else { continue };
            let goes = condemned.contains(&id) && !visible.contains(&id);
            if goes || (!committed.contains(&id) && is_dead_manifest(self.repository, view, &object)?) {
                if self.object(&object.name)? == Delete::Deleted {
                    self.report.manifests_deleted += 1;
                }
                self.repository.index.forget_cached(object.name.as_str())?;
            }
        }
        Ok(())
    }

    /// Deletes index objects that nothing visible names and nothing will, and generations below the newest two.
    pub(super) fn index(&mut self, view: &View, written: &Written) -> Result<()> {
        let backend = &self.repository.backend;
        for object in backend.list(layout::INDEX_FOLDER)? {
            let Some(id) = layout::parse_index(object.name.as_str()) else { continue };
            if is_dead_index_object(self.repository, view, &id, written.before.contains(&id))?
                && self.object(&object.name)? == Delete::Deleted
            {
                self.report.index_objects_deleted += 1;
            }
        }
        let newest = view.history.generation().number;
        for object in backend.list(layout::GENERATIONS_FOLDER)? {
            let number = layout::parse_generation(object.name.as_str());
            if number.is_some_and(|number| number + KEPT_GENERATIONS <= newest) {
                self.object(&object.name)?;
                self.repository.index.forget_cached(object.name.as_str())?;
            }
        }
        Ok(())
    }

    /// Deletes the lists of which everything is gone.
    pub(super) fn lists(&mut self, view: &View) -> Result<()> {
        let backend = &self.repository.backend;
        // What was deleted must not come back after its list has gone.
        backend.barrier()?;
        let packs: HashSet<PackId> = names(&backend.list(layout::PACKS_FOLDER)?, layout::parse_pack);
        let manifests = names(&backend.list(layout::SNAPSHOTS_FOLDER)?, layout::parse_snapshot);
        for list in view.finishable() {
            let is_done = !list.packs.iter().any(|id| packs.contains(id))
                && !list.snapshots.iter().any(|id| manifests.contains(id));
            if is_done {
                self.object(&object_name(&layout::condemned(&list.writer, list.sequence)))?;
            }
        }
        Ok(())
    }

    fn object(&mut self, name: &Name) -> Result<Delete> {
        let outcome = self.repository.backend.delete(name)?;
        if outcome == Delete::Refused {
            self.report.refused += 1;
        }
        Ok(outcome)
    }
}

fn names<T: Eq + std::hash::Hash>(
    listed: &[keepfast_storage::Listed],
    parse: impl Fn(&str) -> Option<T>,
) -> HashSet<T> {
    listed.iter().filter_map(|object| parse(object.name.as_str())).collect()
}
