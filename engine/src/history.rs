// SPDX-License-Identifier: MIT OR Apache-2.0
//! What has happened in a repository: the log of every writer, folded into snapshots and visible index objects.
//!
//! Slots are immutable, so opened ones come from the local index and only new ones are fetched. A collector may take objects
//! away between a list and a read: then the newest generation is read anew.

mod gaps;
mod generations;
mod rows;
mod slots;
pub(crate) mod tails;

use std::collections::{BTreeMap, HashMap, HashSet};

use keepfast_repo_format::generation::Generation;
use keepfast_repo_format::id::{IndexId, LogHash, SessionId, SnapshotId, WriterId};
use keepfast_repo_format::keys::Keys;
use keepfast_repo_format::log::{Head, LogBody, LogSlot};
use keepfast_repo_format::manifest::Manifest;
use keepfast_repo_format::{FormatError, layout, record};
use keepfast_storage::Backend;

use crate::error::{Error, Result};
use crate::index::{LocalIndex, Unreadable};
use crate::repository::Repository;
use generations::{Newest, newest_generation};
pub(crate) use generations::{cache_generation, settle};
pub(crate) use rows::{read_index_object, refresh};
use slots::{Placed, Slots, broken_links, lost, read_slots};

/// One snapshot that is visible.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its id.
    pub id: SnapshotId,
    /// What it says.
    pub manifest: Manifest,
    /// Its tags now: the manifest's, or those of the last TAG slot.
    pub tags: Vec<String>,
}

/// What the log is read through: parts of a repository that a reader of chunks holds as well.
#[derive(Clone, Copy)]
pub(crate) struct Access<'a> {
    pub(crate) backend: &'a dyn Backend,
    pub(crate) keys: &'a Keys,
    pub(crate) index: &'a LocalIndex,
}

impl<'a> Access<'a> {
    pub(crate) fn of(repository: &'a Repository) -> Self {
        Self { backend: repository.backend.as_ref(), keys: &repository.keys, index: &repository.index }
    }
}

/// A FORGET slot as a witness: what its writer had seen by the time that its clock said.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Unix seconds.
    pub time: u64,
    /// The last slot of each writer that it had seen, its own included.
    pub seen: HashMap<WriterId, u64>,
}

/// The state of a repository as its log tells it.
pub struct History {
    heads: BTreeMap<WriterId, Head>,
    hashes: HashMap<(WriterId, u64), LogHash>,
    commits: Vec<(SnapshotId, SessionId)>,
    /// Every COMMIT slot and the snapshot it names, visible or not.
    places: HashMap<(WriterId, u64), SnapshotId>,
    observations: Vec<Observation>,
    /// Committed once, and forgotten since.
    forgotten: Vec<(SnapshotId, SessionId)>,
    tags: HashMap<SnapshotId, Vec<String>>,
    index_objects: HashSet<IndexId>,
    /// Index objects that any slot has ever named.
    named: HashSet<IndexId>,
    /// Sessions that have their end in the log.
    ended: HashSet<SessionId>,
    generation: Generation,
    next_generation: u64,
    /// What stands in the place of a newer generation.
    lost_generation: Option<Unreadable>,
    unsettled: Vec<String>,
    clock: u64,
    /// Per writer: the heads of other writers as its last slots quote them.
    links: HashMap<WriterId, HashMap<WriterId, u64>>,
    /// Slots that could not be opened, and why: they count as VOID.
    damaged: Vec<(String, FormatError)>,
    /// Slots that do not name the one before them.
    broken_links: Vec<String>,
    /// Slots that were seen once and are not there.
    lost: Vec<String>,
}

impl History {
    pub(crate) fn read(repository: &Repository) -> Result<Self> {
        Self::read_from(Access::of(repository))
    }

    /// The same, with nothing from this machine's index: for who wants to know what the storage has.
    pub(crate) fn read_from_storage(repository: &Repository) -> Result<Self> {
        let index = LocalIndex::in_memory(repository.id())?;
        Self::read_from(Access { index: &index, ..Access::of(repository) })
    }

    fn read_from(access: Access<'_>) -> Result<Self> {
        // The generation first: a COMMIT that it has absorbed may still be listed, a newer one surely is.
        let Newest { generation, next: next_generation, lost: lost_generation } = newest_generation(access)?;
        let Slots { placed: slots, damaged, unsettled } = read_slots(access)?;
        let absorbed: HashMap<WriterId, u64> =
            generation.absorbed.iter().map(|last| (last.writer, last.sequence)).collect();
        let mut history = Self {
            heads: BTreeMap::new(),
            hashes: slots.iter().map(|placed| ((placed.writer, placed.sequence), placed.hash)).collect(),
            commits: Vec::new(),
            places: HashMap::new(),
            observations: Vec::new(),
            forgotten: Vec::new(),
            tags: HashMap::new(),
            index_objects: generation.base.iter().copied().collect(),
            named: HashSet::new(),
            ended: HashSet::new(),
            unsettled,
            clock: 0,
            links: HashMap::new(),
            damaged,
            broken_links: broken_links(&slots),
            lost: lost(&slots, &generation),
            generation,
            next_generation,
            lost_generation,
        };
        let mut ordered: Vec<(u64, &Placed)> = Vec::new();
        for placed in &slots {
            // `slots` is sorted by writer, then sequence: the last one stays.
            let Placed { writer, sequence, hash, .. } = *placed;
            history.heads.insert(writer, Head { writer, sequence, hash });
            if let Some(slot) = &placed.slot {
                history.clock = history.clock.max(slot.clock);
                ordered.push((slot.clock, placed));
            }
        }
        ordered.sort_by_key(|(clock, placed)| (*clock, placed.writer, placed.sequence));
        for (_, placed) in ordered {
            let is_absorbed = absorbed.get(&placed.writer).is_some_and(|last| placed.sequence <= *last);
            history.apply(placed.slot.as_ref().expect("only opened slots are ordered"), is_absorbed);
        }
        Ok(history)
    }

    fn apply(&mut self, slot: &LogSlot, is_absorbed: bool) {
        let links = self.links.entry(slot.writer).or_default();
        links.extend(slot.heads.iter().map(|head| (head.writer, head.sequence)));
        match &slot.body {
            LogBody::Commit { session, snapshot, indexes } => {
                self.commits.push((*snapshot, *session));
                self.places.insert((slot.writer, slot.sequence), *snapshot);
                self.end(session, indexes, is_absorbed);
            }
            LogBody::Void { session } => self.end(session, &[], is_absorbed),
            LogBody::Collect { session, indexes } => self.end(session, indexes, is_absorbed),
            LogBody::Forget { snapshots } => {
                let mut seen = links.clone();
                seen.insert(slot.writer, slot.sequence);
                self.observations.push(Observation { time: slot.time, seen });
                self.forgotten.extend(self.commits.extract_if(.., |(id, _)| snapshots.contains(id)));
            }
            LogBody::Undelete { snapshots } => {
                self.commits.extend(self.forgotten.extract_if(.., |(id, _)| snapshots.contains(id)));
            }
            LogBody::Tag { taggings } => {
                self.tags.extend(taggings.iter().map(|tagging| (tagging.snapshot, tagging.tags.clone())));
            }
        }
    }

    fn end(&mut self, session: &SessionId, indexes: &[IndexId], is_absorbed: bool) {
        self.ended.insert(*session);
        self.named.extend(indexes);
        if !is_absorbed {
            self.index_objects.extend(indexes);
        }
    }

    /// The newest generation.
    pub(crate) fn generation(&self) -> &Generation {
        &self.generation
    }

    /// Set if a newer one can not be read, or none can: then rows that only it knows of are lost.
    pub(crate) fn lost_generation(&self) -> Option<&Unreadable> {
        self.lost_generation.as_ref()
    }

    /// The number of the generation to put next: one more than that of any that is there.
    pub(crate) fn next_generation(&self) -> u64 {
        self.next_generation
    }

    /// Whether any slot has ever named this index object.
    pub(crate) fn has_named(&self, object: &IndexId) -> bool {
        self.named.contains(object)
    }

    /// Whether the session has its end in the log: what it wrote is visible, or will never be.
    pub(crate) fn has_ended(&self, session: &SessionId) -> bool {
        self.ended.contains(session)
    }

    /// Whether the slot is filled. Logs have no gaps.
    pub(crate) fn is_filled(&self, writer: &WriterId, sequence: u64) -> bool {
        self.heads.get(writer).is_some_and(|head| sequence <= head.sequence)
    }

    /// The writer's first slot that is not filled.
    pub(crate) fn next_sequence(&self, writer: &WriterId) -> u64 {
        self.heads.get(writer).map_or(0, |head| head.sequence + 1)
    }

    /// Snapshots that a COMMIT has ever named, forgotten or not.
    pub(crate) fn committed(&self) -> HashSet<SnapshotId> {
        self.commits.iter().chain(&self.forgotten).map(|(id, _)| *id).collect()
    }

    /// Index objects whose rows count.
    pub fn index_objects(&self) -> &HashSet<IndexId> {
        &self.index_objects
    }

    /// Ids of the visible snapshots, in the order of their commits.
    pub fn snapshot_ids(&self) -> impl Iterator<Item = SnapshotId> + '_ {
        self.commits.iter().map(|(id, _)| *id)
    }

    /// Ids of the snapshots that were forgotten and not undeleted, in the order of their commits.
    pub fn forgotten_ids(&self) -> impl Iterator<Item = SnapshotId> + '_ {
        self.forgotten.iter().map(|(id, _)| *id)
    }

    /// The snapshot that the COMMIT at a place names.
    pub fn committed_at(&self, place: (WriterId, u64)) -> Option<SnapshotId> {
        self.places.get(&place).copied()
    }

    /// Writer and sequence of every COMMIT.
    pub fn commit_places(&self) -> impl Iterator<Item = (WriterId, u64)> + '_ {
        self.places.keys().copied()
    }

    /// The FORGET slots, in the order of slots.
    pub fn observations(&self) -> &[Observation] {
        &self.observations
    }

    /// The end of every writer's chain.
    pub fn heads(&self) -> &BTreeMap<WriterId, Head> {
        &self.heads
    }

    /// The heads of other writers as `writer` has quoted them in its log.
    pub fn last_links(&self, writer: &WriterId) -> HashMap<WriterId, u64> {
        self.links.get(writer).cloned().unwrap_or_default()
    }

    /// The largest clock seen.
    pub fn clock(&self) -> u64 {
        self.clock
    }

    /// Reads the manifest of every visible snapshot, oldest first by its own clock. Damaged ones are returned apart.
    pub fn snapshots(&self, repository: &Repository) -> Result<(Vec<Snapshot>, Vec<Error>)> {
        self.read_snapshots(repository, self.snapshot_ids())
    }

    /// The same of any committed snapshots.
    pub(crate) fn read_snapshots(
        &self,
        repository: &Repository,
        ids: impl Iterator<Item = SnapshotId>,
    ) -> Result<(Vec<Snapshot>, Vec<Error>)> {
        let mut snapshots = Vec::new();
        let mut damaged = Vec::new();
        for id in ids {
            match read_manifest(repository, &id) {
                Ok(manifest) => {
                    let tags = self.tags.get(&id).unwrap_or(&manifest.tags).clone();
                    snapshots.push(Snapshot { id, manifest, tags });
                }
                Err(error) if error.is_damage() => damaged.push(error),
                Err(error) => return Err(error),
            }
        }
        snapshots.sort_by_key(|snapshot| (snapshot.manifest.started, snapshot.manifest.sequence));
        Ok((snapshots, damaged))
    }
}

/// What a snapshot says.
pub(crate) fn read_manifest(repository: &Repository, id: &SnapshotId) -> Result<Manifest> {
    let name = layout::snapshot(id);
    if let Some(plain) = repository.index.cached(&name)?
        && let Ok(manifest) = record::from_cbor::<Manifest>(&plain, "manifest")
    {
        return Ok(manifest);
    }
    let manifest = read_stored_manifest(repository, id)?;
    repository.index.cache(&name, &record::to_cbor(&manifest))?;
    Ok(manifest)
}

/// The same, past what this machine keeps.
pub(crate) fn read_stored_manifest(repository: &Repository, id: &SnapshotId) -> Result<Manifest> {
    let name = layout::snapshot(id);
    let object = repository.get_hashed(&name, &id.0)?;
    Manifest::open(&repository.keys, &object).map_err(Error::object(name))
}
