// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a collector goes by: condemn lists, *then* generation and log, *then* the packs that the storage lists.
//!
//! For every step of a round. Refuses a repository that shows less than it once held.

use std::collections::{HashMap, HashSet};

use keepfast_repo_format::condemned::CondemnList;
use keepfast_repo_format::id::{PackId, SessionId, SnapshotId, WriterId};
use keepfast_repo_format::layout;

use super::{OnDamage, PruneError};
use crate::error::{Error, Result};
use crate::history::History;
use crate::index::SurveyedPack;
use crate::repository::Repository;
use crate::session::{condemned, damage};

/// One look at the repository.
pub(super) struct View {
    pub(super) lists: Vec<CondemnList>,
    pub(super) history: History,
    /// Packs in the storage, with their lengths.
    pub(super) stored: HashMap<PackId, u64>,
    /// Packs on any list.
    pub(super) condemned: HashSet<PackId>,
    /// Packs that a check on this machine has found damaged.
    damaged: HashSet<PackId>,
    /// Lists that were there before sessions were waited for; all of them if nobody waited.
    eligible: Option<HashSet<Place>>,
    own: Option<SessionId>,
}

/// Writer and sequence of a condemn list.
pub(super) type Place = (WriterId, u64);

impl View {
    /// Looks. The local index then finds what is visible.
    pub(super) fn read(repository: &Repository) -> Result<Self> {
        Self::read_for(repository, None, None)
    }

    /// Looks once more, for the collector `own` that has waited for the sessions that `eligible` lists concern.
    pub(super) fn after_waiting(repository: &Repository, own: SessionId, eligible: HashSet<Place>) -> Result<Self> {
        Self::read_for(repository, Some(own), Some(eligible))
    }

    fn read_for(repository: &Repository, own: Option<SessionId>, eligible: Option<HashSet<Place>>) -> Result<Self> {
        loop {
            let lists = condemned::read_all(repository)?;
            let history = repository.history()?;
            let listed = repository.backend.list(layout::PACKS_FOLDER)?;
            let packs = listed.iter().map(|object| (layout::parse_pack(object.name.as_str()), object.length));
            let stored = packs.filter_map(|(id, length)| Some((id?, length))).collect();
            let condemned = lists.iter().flat_map(|list| &list.packs).copied().collect();
            let damaged = damage::noted(&repository.state)?;
            let view = Self { lists, history, stored, condemned, damaged, eligible: eligible.clone(), own };
            // A visible pack that is gone is lost, or another collector has moved what was live in it between two of these looks: then this one
            // has seen neither the pack nor what took its place, and would take bases of what was moved for dead.
            let is_complete = repository.index.survey().iter().all(|pack| view.is_stored(pack));
            if is_complete || view.history.has_newest_generation(repository)? {
                return Ok(view);
            }
        }
    }

    /// Whether something that was once there is missing from the log.
    pub(super) fn refuse_gaps(&self, repository: &Repository, on_damage: OnDamage) -> Result<()> {
        if on_damage == OnDamage::Ignore {
            return Ok(());
        }
        if let Some(lost) = repository.index.unreadable().into_iter().next() {
            return Err(Error::LostIndex { object: lost.name, why: lost.why });
        }
        if let Some((slot, why)) = self.history.damaged().first() {
            return Err(PruneError::DamagedSlot { slot: slot.clone(), why: why.to_string() }.into());
        }
        let lost = self.history.lost_slots(repository)?;
        match lost.first() {
            Some(slot) => Err(PruneError::LostSlots { slot: slot.clone(), count: lost.len() }.into()),
            None => Ok(()),
        }
    }

    /// Lists that may be finished: the collector's own, and those whose collector has ended. Of those that appeared while it waited
    /// it does not know which sessions they concern.
    pub(super) fn finishable(&self) -> impl Iterator<Item = &CondemnList> {
        self.lists.iter().filter(move |list| {
            let place = (list.writer, list.sequence);
            let is_free = Some(list.session) == self.own || self.history.is_filled(&list.writer, list.sequence);
            is_free && self.eligible.as_ref().is_none_or(|eligible| eligible.contains(&place))
        })
    }

    /// Whether a finishable list has anything left that can be done.
    pub(super) fn has_leftovers(&self, repository: &Repository) -> Result<bool> {
        if self.finishable().next().is_none() {
            return Ok(false);
        }
        let listed = repository.backend.list(layout::SNAPSHOTS_FOLDER)?;
        let manifests: HashSet<SnapshotId> =
            listed.iter().filter_map(|object| layout::parse_snapshot(object.name.as_str())).collect();
        let visible = self.visible_snapshots();
        Ok(self.finishable().any(|list| {
            let stands = |id: &&SnapshotId| manifests.contains(id);
            // A snapshot that is visible again keeps its manifest, and the list waits for it.
            let kept = list.snapshots.iter().filter(stands).all(|id| visible.contains(id));
            let is_held_up = kept && list.snapshots.iter().any(|id| manifests.contains(id));
            list.packs.iter().any(|id| self.stored.contains_key(id)) || !is_held_up
        }))
    }

    /// Whether the storage has the pack, as long as it should be.
    pub(super) fn is_stored(&self, pack: &SurveyedPack) -> bool {
        self.stored.get(&pack.summary.id) == Some(&pack.summary.length)
    }

    /// Whether live chunks may be left to this pack alone.
    pub(super) fn is_reliable(&self, pack: &SurveyedPack) -> bool {
        self.is_stored(pack) && !self.condemned.contains(&pack.summary.id) && !self.is_damaged(pack)
    }

    /// Whether something in it may not be readable: another copy of what it holds goes first.
    pub(super) fn is_damaged(&self, pack: &SurveyedPack) -> bool {
        self.damaged.contains(&pack.summary.id)
    }

    /// Whether the snapshot is visible.
    pub(super) fn visible_snapshots(&self) -> HashSet<SnapshotId> {
        self.history.snapshot_ids().collect()
    }
}
