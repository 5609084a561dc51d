// SPDX-License-Identifier: MIT OR Apache-2.0
//! The next index generation: what is visible, without the packs that go.
//!
//! For a round. Objects that list none of those packs are taken over by their id, the others are read from the repository and
//! written anew; nothing else is ever left out. Small objects are put together, so that their number stays bounded. One object at
//! a time is in memory.

use std::collections::{BTreeMap, HashMap, HashSet};

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::generation::{Absorbed, Generation};
use keepfast_repo_format::id::{IndexId, PackId};
use keepfast_repo_format::index::{decode, encode, encoded_len};
use keepfast_repo_format::pack::PackRecord;
use keepfast_repo_format::{crypto, layout, record};
use keepfast_storage::{ErrorKind, Put};

use super::PruneError;
use super::orphans::Strays;
use crate::error::{Error, Result};
use crate::history::{Access, History, cache_generation, read_index_object, settle, tails};
use crate::repository::{Repository, object_name};

/// Plain bytes of a merged index object, at most (a single larger record still makes one); as for a session's own.
const OBJECT_BYTES: u64 = 12 << 20;

/// Stored bytes from which an object is not put together with others: they are hardly smaller than plain ones.
const SMALL_BYTES: u64 = OBJECT_BYTES / 2;

/// So many objects of about one size make one of the next: their number grows with the logarithm of the rows, and each row is
/// written as often.
const TIER_OBJECTS: usize = 8;

/// Stored bytes of the smallest tier.
const TIER_BYTES: u64 = 4096;

/// Numbers that generations may have had which are lost without a trace: machines that remember one take its number for it.
const LEAP: u64 = 1000;

/// Rounds of rebasing before somebody else's luck is called a fault.
const ATTEMPTS: usize = 64;

/// What became of the index.
#[derive(Default)]
pub(super) struct Written {
    /// The index objects that were there before the last generation of this prune; empty if it made none.
    pub(super) before: HashSet<IndexId>,
    /// Generations made.
    generations: u64,
    /// Index objects written.
    pub(super) objects: u64,
}

/// Whether so many small objects are visible that they are worth putting together, or one is lost and has to be written anew.
pub(super) fn wants_merging(repository: &Repository, history: &History) -> Result<bool> {
    Ok(!to_merge(history, &stored_lengths(repository)?).is_empty() || !repository.index.unreadable().is_empty())
}

/// Makes generations until none of `gone` is visible, without what is `unclaimed`, and one if `strays` have to be cut off. Returns the history that says so.
pub(super) fn drop_packs(
    repository: &Repository,
    gone: &HashSet<PackId>,
    unclaimed: &HashSet<PackId>,
    strays: Strays,
) -> Result<(History, Written)> {
    let mut written = Written::default();
    for _ in 0..ATTEMPTS {
        // Before the objects of the new generation: what is there now and not named by it will not be named.
        let lengths = stored_lengths(repository)?;
        let history = repository.history()?;
        // Also what another collector has put: its barrier may be still to come, and the deletes must not outlive it.
        settle(repository, &history)?;
        let is_visible = repository.index.survey().iter().any(|pack| gone.contains(&pack.summary.id));
        let is_wanted = strays == Strays::AfterGeneration
            || !to_merge(&history, &lengths).is_empty()
            || !repository.index.unreadable().is_empty();
        if !is_visible && (written.generations > 0 || !is_wanted) {
            return Ok((history, written));
        }
        let generation = match next(repository, &history, (gone, unclaimed), &lengths, &mut written) {
            // Another collector was faster, and has deleted what it put something else in place of.
            Err(error) if error.is_not_found() && repository.history()?.generation() != history.generation() => {
                continue;
            }
            outcome => outcome?,
        };
        if put(repository, &generation)? {
            written.before = lengths.into_keys().collect();
            written.generations += 1;
        }
    }
    let (writer, sequence) = ("generation".to_string(), repository.history()?.generation().number);
    Err(Error::SessionVoid { writer, sequence })
}

fn stored_lengths(repository: &Repository) -> Result<HashMap<IndexId, u64>> {
    let listed = repository.backend.list(layout::INDEX_FOLDER)?;
    Ok(listed.iter().filter_map(|object| Some((layout::parse_index(object.name.as_str())?, object.length))).collect())
}

/// Visible objects of a tier that is full.
fn to_merge(history: &History, lengths: &HashMap<IndexId, u64>) -> HashSet<IndexId> {
    let mut tiers: BTreeMap<u32, Vec<IndexId>> = BTreeMap::new();
    for id in history.index_objects() {
        if let Some(length) = lengths.get(id).filter(|length| **length < SMALL_BYTES) {
            tiers.entry((length / TIER_BYTES).max(1).ilog(4)).or_default().push(*id);
        }
    }
    tiers.into_values().filter(|tier| tier.len() >= TIER_OBJECTS).flatten().collect()
}

fn next(
    repository: &Repository,
    history: &History,
    (gone, unclaimed): (&HashSet<PackId>, &HashSet<PackId>),
    lengths: &HashMap<IndexId, u64>,
    written: &mut Written,
) -> Result<Generation> {
    let merge = to_merge(history, lengths);
    let unreadable = repository.index.unreadable();
    let lost: HashSet<IndexId> = unreadable.iter().filter_map(|lost| layout::parse_index(&lost.name)).collect();
    let mut base = Vec::new();
    let mut rewrite = Vec::new();
    for id in history.index_objects().difference(&lost) {
        // What the local index has lost of an object is read again.
        let lists_gone = repository.index.listed_by(id)?.is_none_or(|packs| packs.iter().any(|id| gone.contains(id)));
        if lists_gone || merge.contains(id) { rewrite.push(*id) } else { base.push(*id) }
    }
    rewrite.sort_unstable();
    let mut pool = Pool { repository, records: Vec::new(), bytes: 0, seen: HashSet::new(), made: Vec::new(), written };
    for id in &rewrite {
        for record in read_index_object(Access::of(repository), id)? {
            if !gone.contains(&record.id) {
                pool.add(record)?;
            }
        }
    }
    if !unreadable.is_empty() {
        // What they listed stands in the packs, and in no other object.
        let mut told: HashSet<PackId> = gone.union(unclaimed).copied().collect();
        for id in history.index_objects().difference(&lost) {
            told.extend(read_index_object(Access::of(repository), id)?.iter().map(|record| record.id));
        }
        tails::untold(Access::of(repository), &told)?.into_iter().try_for_each(|record| pool.add(record))?;
    }
    base.extend(pool.finish()?);
    base.sort_unstable();
    if !rewrite.is_empty() || !unreadable.is_empty() {
        repository.backend.barrier()?;
    }
    let absorbed = history.heads().values().map(|head| Absorbed { writer: head.writer, sequence: head.sequence });
    let number = history.next_generation() + if unreadable.is_empty() { 0 } else { LEAP };
    Ok(Generation { number, base, absorbed: absorbed.collect(), reserved: Vec::new() })
}

/// Whether this call has made the generation; it is durable then.
fn put(repository: &Repository, generation: &Generation) -> Result<bool> {
    let object = generation.seal(&repository.keys);
    let name = object_name(&layout::generation(generation.number));
    let backend = &repository.backend;
    let is_ours = match backend.put_if_absent(&name, &[&object])? {
        Put::Created => true,
        Put::Exists => match backend.get(&name, None) {
            Ok(there) => there == object,
            // Newer ones have taken its place already.
            Err(error) if error.kind == ErrorKind::NotFound => false,
            Err(error) => return Err(error.into()),
        },
    };
    backend.barrier()?;
    if is_ours {
        cache_generation(repository, generation)?;
    }
    Ok(is_ours)
}

/// Records on their way into new objects. Each object is written for one generation: nothing is kept for another attempt.
struct Pool<'a> {
    repository: &'a Repository,
    records: Vec<PackRecord>,
    bytes: u64,
    seen: HashSet<PackId>,
    made: Vec<IndexId>,
    written: &'a mut Written,
}

impl Pool<'_> {
    fn add(&mut self, record: PackRecord) -> Result<()> {
        if !self.seen.insert(record.id) {
            return Ok(());
        }
        let length = encoded_len(&record);
        if !self.records.is_empty() && self.bytes + length > OBJECT_BYTES {
            self.write()?;
        }
        self.bytes += length;
        self.records.push(record);
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<IndexId>> {
        if !self.records.is_empty() {
            self.write()?;
        }
        Ok(self.made)
    }

    fn write(&mut self) -> Result<()> {
        let repository = self.repository;
        let plain = encode(&self.records);
        let object = record::seal_structure(&repository.keys, Kind::Index, &plain);
        // Taken all the way back: what is wrong in here is lost when the old objects go.
        let back = record::open_structure(&repository.keys, Kind::Index, &object).and_then(|plain| decode(&plain));
        self.records.sort_unstable_by_key(|record| record.id);
        if back.as_ref() != Ok(&self.records) {
            return Err(PruneError::SelfCheck.into());
        }
        let id = IndexId(crypto::object_hash(&object));
        repository.backend.put_if_absent(&object_name(&layout::index(&id)), &[&object])?;
        self.written.objects += 1;
        self.made.push(id);
        self.records.clear();
        self.bytes = 0;
        Ok(())
    }
}
