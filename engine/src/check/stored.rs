// SPDX-License-Identifier: MIT OR Apache-2.0
//! Objects that this machine may remember: log, newest generation, manifests, index objects. They are read from the storage
//! once more, because what a cache still holds may be lost to everybody else.

use keepfast_repo_format::layout;

use super::Checker;
use crate::error::{Error, Result};
use crate::history::{Access, History, Snapshot, read_index_object, read_stored_manifest};
use crate::session::condemned;

impl Checker<'_> {
    /// The log, the newest generation and what is condemned.
    pub(super) fn stored_log(&self, known: &History) -> Result<()> {
        let stored = match History::read_from_storage(self.repository) {
            Ok(stored) => stored,
            Err(error) if error.is_damage() => {
                self.error("log", &error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.stored_generation(known, &stored)?;
        self.condemn_lists()?;
        self.stored_slots(&stored)?;
        for id in known.index_objects() {
            match read_index_object(Access::of(self.repository), id) {
                Err(error) if error.is_damage() => {
                    // A collector may have put others in its place meanwhile.
                    if !error.is_not_found() || self.repository.history()?.index_objects().contains(id) {
                        // What this machine remembers of it must not keep the next prune from writing it anew.
                        self.repository.index.distrust();
                        self.error(layout::index(id), &error);
                    }
                }
                read => drop(read?),
            }
        }
        Ok(())
    }

    /// Slots that are damaged, lost or exchanged. What this machine remembers of those that are there is not what others read: the
    /// next backup must not rely on it.
    fn stored_slots(&self, stored: &History) -> Result<()> {
        let mut gaps = stored.gaps(self.repository)?;
        if !gaps.is_empty() {
            // Another process here may have read a new slot meanwhile.
            let again = History::read_from_storage(self.repository)?.gaps(self.repository)?;
            gaps.retain(|gap| again.contains(gap));
        }
        for slot in stored.replaced_slots(self.repository)? {
            self.repository.index.forget_cached(&slot)?;
            if !gaps.iter().any(|(gap, _)| *gap == slot) {
                self.found(slot, "has other bytes now than this machine once read: what it made visible is lost");
            }
        }
        for (slot, _) in stored.damaged() {
            self.repository.index.forget_cached(slot)?;
        }
        // Of the generation the finding is there already.
        gaps.retain(|(gap, _)| stored.lost_generation().is_none_or(|lost| lost.name != *gap));
        gaps.into_iter().for_each(|(slot, why)| self.found(slot, why));
        Ok(())
    }

    /// The newest generation: what this machine remembers of it may be lost to everybody else.
    fn stored_generation(&self, known: &History, stored: &History) -> Result<()> {
        let remembered = known.generation().number;
        let lost = stored.lost_generation().map(|lost| (lost.name.clone(), lost.why.clone()));
        let is_gone = stored.generation().number < remembered;
        let gone = || (layout::generation(remembered), "was there once, and is missing now".to_string());
        if let Some((name, why)) = lost.or_else(|| is_gone.then(gone)) {
            // What this machine remembers of it must not keep the next prune from making another.
            self.repository.index.forget_cached(&name)?;
            self.found(name, why);
        }
        Ok(())
    }

    /// Condemn lists: one that can not be read stops backups and prunes.
    fn condemn_lists(&self) -> Result<()> {
        for object in self.repository.backend.list(layout::CONDEMNED_FOLDER)? {
            match condemned::read(self.repository, &object.name) {
                Err(error) if error.is_damage() || matches!(error, Error::Unsupported { .. }) => {
                    self.error(object.name.as_str(), &error);
                }
                read => drop(read?),
            }
        }
        Ok(())
    }

    /// Manifests of snapshots that are visible.
    pub(super) fn stored_manifests(&self, snapshots: &[Snapshot]) -> Result<()> {
        for snapshot in snapshots {
            match read_stored_manifest(self.repository, &snapshot.id) {
                Err(error) if error.is_damage() => {
                    // A collector may have deleted what was forgotten meanwhile.
                    let is_visible =
                        || Ok::<_, Error>(self.repository.history()?.snapshot_ids().any(|id| id == snapshot.id));
                    if !error.is_not_found() || is_visible()? {
                        self.error(layout::snapshot(&snapshot.id), &error);
                    }
                }
                read => drop(read?),
            }
        }
        Ok(())
    }
}
