// SPDX-License-Identifier: MIT OR Apache-2.0
//! What has happened in a repository: the log of every writer, folded into snapshots and visible index objects.
//!
//! Slots are immutable, so opened ones come from the local catalog and only new ones are fetched.

use std::collections::{BTreeMap, HashMap, HashSet};

use keepfast_repo_format::generation::Generation;
use keepfast_repo_format::id::{IndexId, LogHash, SessionId, SnapshotId, WriterId};
use keepfast_repo_format::log::{Head, LogBody, LogSlot};
use keepfast_repo_format::manifest::Manifest;
use keepfast_repo_format::{FormatError, layout, record};

use crate::error::{Error, Result};
use crate::repository::{Repository, object_name};

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
    commits: Vec<(SnapshotId, SessionId)>,
    /// Every COMMIT slot and the snapshot it names, visible or not.
    places: HashMap<(WriterId, u64), SnapshotId>,
    observations: Vec<Observation>,
    /// Committed once, and forgotten since.
    forgotten: Vec<(SnapshotId, SessionId)>,
    tags: HashMap<SnapshotId, Vec<String>>,
    index_objects: HashSet<IndexId>,
    clock: u64,
    /// Per writer: the heads of other writers as its last slots quote them.
    links: HashMap<WriterId, HashMap<WriterId, u64>>,
    /// Slots that could not be opened, and why: they count as VOID.
    damaged: Vec<(String, FormatError)>,
    /// Slots that do not name the one before them.
    broken_links: Vec<String>,
}

/// A slot with its place and hash.
struct Placed {
    writer: WriterId,
    sequence: u64,
    hash: LogHash,
    slot: Option<LogSlot>,
}

impl History {
    pub(crate) fn read(repository: &Repository) -> Result<Self> {
        // The generation first: a COMMIT that it has absorbed may still be listed, a newer one surely is.
        let generation = newest_generation(repository)?;
        let mut damaged = Vec::new();
        let slots = read_slots(repository, &mut damaged)?;
        let absorbed: HashMap<WriterId, u64> =
            generation.absorbed.iter().map(|last| (last.writer, last.sequence)).collect();
        let mut history = Self {
            heads: BTreeMap::new(),
            commits: Vec::new(),
            places: HashMap::new(),
            observations: Vec::new(),
            forgotten: Vec::new(),
            tags: HashMap::new(),
            index_objects: generation.base.iter().copied().collect(),
            clock: 0,
            links: HashMap::new(),
            damaged,
            broken_links: broken_links(&slots),
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
                if !is_absorbed {
                    self.index_objects.extend(indexes);
                }
            }
            LogBody::Void { .. } => {}
            LogBody::Collect { indexes, .. } => {
                if !is_absorbed {
                    self.index_objects.extend(indexes);
                }
            }
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

    /// Log slots that did not open.
    pub fn damaged(&self) -> &[(String, FormatError)] {
        &self.damaged
    }

    /// Log slots that do not follow the one before them. They count; the one before was lost or replaced.
    pub fn broken_links(&self) -> &[String] {
        &self.broken_links
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

fn broken_links(slots: &[Placed]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut before: Option<&Placed> = None;
    for placed in slots {
        let expected = before.filter(|before| before.writer == placed.writer);
        let follows = match expected {
            Some(before) => before.sequence + 1 == placed.sequence,
            None => placed.sequence == 0,
        };
        let names = |slot: &LogSlot| slot.previous == expected.map(|before| before.hash);
        if !follows || !placed.slot.as_ref().is_none_or(names) {
            broken.push(layout::log(&placed.writer, placed.sequence));
        }
        before = Some(placed);
    }
    broken
}

fn read_manifest(repository: &Repository, id: &SnapshotId) -> Result<Manifest> {
    let name = layout::snapshot(id);
    if let Some(plain) = repository.index.cached(&name)?
        && let Ok(manifest) = record::from_cbor::<Manifest>(&plain, "manifest")
    {
        return Ok(manifest);
    }
    let object = repository.get_hashed(&name, &id.0)?;
    let manifest = Manifest::open(&repository.keys, &object).map_err(Error::object(name.as_str()))?;
    repository.index.cache(&name, &record::to_cbor(&manifest))?;
    Ok(manifest)
}

fn newest_generation(repository: &Repository) -> Result<Generation> {
    let listed = repository.backend.list(layout::GENERATIONS_FOLDER)?;
    let Some(number) = listed.iter().filter_map(|object| layout::parse_generation(object.name.as_str())).max() else {
        return Err(Error::NotARepository {
            location: repository.backend.location(),
            why: "it has no index generation".to_string(),
        });
    };
    let name = layout::generation(number);
    if let Some(plain) = repository.index.cached(&name)?
        && let Ok(generation) = record::from_cbor::<Generation>(&plain, "index generation")
    {
        return Ok(generation);
    }
    let object = repository.backend.get(&object_name(&name), None)?;
    let generation = Generation::open(&repository.keys, number, &object).map_err(Error::object(name.as_str()))?;
    repository.index.cache(&name, &record::to_cbor(&generation))?;
    Ok(generation)
}

/// Every slot, sorted by writer and sequence.
fn read_slots(repository: &Repository, damaged: &mut Vec<(String, FormatError)>) -> Result<Vec<Placed>> {
    let mut slots = Vec::new();
    let mut fetched = Vec::new();
    for object in repository.backend.list(layout::LOG_FOLDER)? {
        let name = object.name.as_str();
        let Some((writer, sequence)) = layout::parse_log(name) else { continue };
        let cached = repository.index.cached(name)?;
        if let Some((hash, payload)) = cached.as_deref().and_then(|bytes| bytes.split_first_chunk::<32>())
            && let Ok(slot) = LogSlot::from_payload(payload)
        {
            slots.push(Placed { writer, sequence, hash: LogHash(*hash), slot: Some(slot) });
            continue;
        }
        let bytes = repository.backend.get(&object.name, None)?;
        let hash = *blake3::hash(&bytes).as_bytes();
        let slot = match LogSlot::open(&repository.keys, writer, sequence, &bytes) {
            Ok(slot) => {
                fetched.push((writer, sequence, [&hash[..], &slot.to_payload()].concat()));
                Some(slot)
            }
            Err(error) => {
                damaged.push((name.to_string(), error));
                None
            }
        };
        slots.push(Placed { writer, sequence, hash: LogHash(hash), slot });
    }
    slots.sort_by_key(|placed| (placed.writer, placed.sequence));
    cache_durable(repository, &slots, fetched)?;
    Ok(slots)
}

/// Caches slots that no power cut can take back and give their name to others: those with a successor, and those whose session
/// record is gone, which happens only after the barrier.
fn cache_durable(repository: &Repository, slots: &[Placed], fetched: Vec<(WriterId, u64, Vec<u8>)>) -> Result<()> {
    if fetched.is_empty() {
        return Ok(());
    }
    let records = repository.backend.list(layout::SESSIONS_FOLDER)?;
    let open: HashSet<_> = records.iter().filter_map(|object| layout::parse_session(object.name.as_str())).collect();
    let heads: HashMap<WriterId, u64> = slots.iter().map(|placed| (placed.writer, placed.sequence)).collect();
    for (writer, sequence, bytes) in fetched {
        if heads.get(&writer) != Some(&sequence) || !open.contains(&(writer, sequence)) {
            repository.index.cache(&layout::log(&writer, sequence), &bytes)?;
        }
    }
    Ok(())
}
