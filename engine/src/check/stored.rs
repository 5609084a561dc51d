// SPDX-License-Identifier: MIT OR Apache-2.0
//! Objects that this machine may remember: log, newest generation, manifests, index objects. They are read from the storage
//! once more, because what a cache still holds may be lost to everybody else.

use keepfast_repo_format::layout;

use super::Checker;
use crate::error::{Error, Result};
use crate::history::{Access, History, Snapshot, read_index_object, read_stored_manifest};

impl Checker<'_> {
    /// The log and the newest generation.
    pub(super) fn stored_log(&self, known: &History) -> Result<()> {
        let stored = match History::read_from_storage(self.repository) {
            Ok(stored) => stored,
            Err(error) if error.is_damage() || matches!(error, Error::NotARepository { .. }) => {
                self.error(layout::GENERATIONS_FOLDER.trim_end_matches('/'), &error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for (slot, error) in stored.damaged() {
            self.found(slot.clone(), error.to_string());
        }
        for slot in stored.broken_links() {
            self.found(slot.clone(), "does not follow the slot before it: a slot was lost or replaced");
        }
        for slot in stored.lost_slots(self.repository)? {
            if !stored.broken_links().contains(&slot) {
                self.found(slot, "was there once, and is missing or has other bytes now: what it made visible is lost");
            }
        }
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
