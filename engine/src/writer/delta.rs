// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which chunks serve as bases of a delta segment, and what that makes a reader decode. For the segmenter, in its one thread.
//!
//! A base is taken only where the whole chain below it is short: whoever opens the new segment decodes all of it. Why these limits:
//! `docs/decisions/004-delta.md`.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{ChunkId, PackId};
use keepfast_repo_format::segment::{Codec, MAX_DELTA_STEPS};

use crate::error::Result;
use crate::index::{LocalIndex, Location};

/// What a delta segment may cost its readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaLimits {
    /// Delta segments from it to one that stands alone, itself included; 0 writes no delta.
    pub steps: u32,
    /// Plaintext of all segments that have to be decoded for it, without itself, in bytes.
    pub bytes: u64,
}

impl Default for DeltaLimits {
    fn default() -> Self {
        Self { steps: 8, bytes: 12 << 20 }
    }
}

impl DeltaLimits {
    /// Every segment stands alone.
    pub const NONE: Self = Self { steps: 0, bytes: 0 };
}

/// Bases in unrelated segments are taken together while all that has to be decoded is no more than this many bytes: about a
/// millisecond of work. So the edits of a night, from all over a tree, share one segment.
const UNRELATED_BYTES: u64 = 2 << 20;

/// Base chunks of a segment, in bytes: more would not fit into zstd's window beside the segment at the usual levels.
const MAX_PREFIX_BYTES: usize = 4 << 20;

/// Chunks looked at for one new chunk.
const MAX_CANDIDATES: usize = 256;

/// Closures kept in memory; each is some hundred bytes.
const MAX_KNOWN: usize = 1 << 12;

type SegmentKey = (PackId, u32);

/// The segments that have to be decoded for one segment, itself included, with their plain lengths.
#[derive(Clone, Debug, Default)]
struct Closure {
    segments: BTreeMap<SegmentKey, u32>,
    /// Delta segments on the longest way down.
    steps: u32,
}

impl Closure {
    fn bytes(&self) -> u64 {
        self.segments.values().map(|plain_len| u64::from(*plain_len)).sum()
    }

    /// Bytes of both together.
    fn bytes_with(&self, other: &Self) -> u64 {
        let new = other.segments.iter().filter(|(key, _)| !self.segments.contains_key(key));
        self.bytes() + new.map(|(_, plain_len)| u64::from(*plain_len)).sum::<u64>()
    }

    fn is_related(&self, other: &Self) -> bool {
        other.segments.keys().any(|key| self.segments.contains_key(key))
    }

    fn add(&mut self, other: &Self) {
        self.segments.extend(other.segments.iter().map(|(key, plain_len)| (*key, *plain_len)));
        self.steps = self.steps.max(other.steps);
    }
}

/// The bases of the delta segment that is being filled.
#[derive(Debug, Default)]
pub(crate) struct Bases {
    /// In the order of the prefix.
    pub(crate) ids: Vec<ChunkId>,
    taken: HashSet<ChunkId>,
    bytes: usize,
    closure: Closure,
}

/// A chunk of the previous version where the index finds it.
pub(super) struct Candidate {
    id: ChunkId,
    length: u32,
    closure: Arc<Closure>,
}

impl Bases {
    /// Takes those candidates that keep the segment cheap to read; whether the most useful one was among them or is here already. Without it,
    /// nothing is taken.
    pub(super) fn take(&mut self, candidates: &[Candidate], limits: &DeltaLimits) -> bool {
        let Some(main) = candidates.iter().max_by_key(|candidate| candidate.length) else { return false };
        if !self.fits(main, limits) {
            return false;
        }
        for candidate in candidates {
            if self.fits(candidate, limits) && self.taken.insert(candidate.id) {
                self.ids.push(candidate.id);
                self.bytes += candidate.length as usize;
                self.closure.add(&candidate.closure);
            }
        }
        self.taken.contains(&main.id)
    }

    fn fits(&self, candidate: &Candidate, limits: &DeltaLimits) -> bool {
        if self.taken.contains(&candidate.id) {
            return true;
        }
        let is_alone = self.ids.is_empty();
        let bytes = self.closure.bytes_with(&candidate.closure);
        candidate.closure.steps < limits.steps
            && self.bytes + candidate.length as usize <= MAX_PREFIX_BYTES
            && bytes <= limits.bytes
            && (is_alone || bytes <= UNRELATED_BYTES || self.closure.is_related(&candidate.closure))
    }
}

/// Finds bases in the index.
pub(super) struct BaseFinder {
    index: Arc<LocalIndex>,
    known: HashMap<SegmentKey, Option<Arc<Closure>>>,
}

impl BaseFinder {
    pub(super) fn new(index: Arc<LocalIndex>) -> Self {
        Self { index, known: HashMap::new() }
    }

    /// Those of the chunks that a session may rely on, with what they cost. In place of a chunk that lies too deep already come the chunks that
    /// its chain began with: a new chain begins there, with one larger difference, and the next versions are close to that.
    pub(super) fn candidates(&mut self, kind: Kind, ids: &[ChunkId], limits: &DeltaLimits) -> Result<Vec<Candidate>> {
        if self.known.len() > MAX_KNOWN {
            self.known.clear();
        }
        let mut candidates = Vec::with_capacity(ids.len());
        let mut seen = HashSet::new();
        let mut wanted: VecDeque<(ChunkId, u32)> = ids.iter().map(|id| (*id, limits.steps)).collect();
        while let Some((id, steps)) = wanted.pop_front() {
            if !seen.insert(id) || candidates.len() >= MAX_CANDIDATES {
                continue;
            }
            let Some(location) = self.index.find(kind, &id)? else { continue };
            let Some(closure) = self.closure(&location, MAX_DELTA_STEPS)? else { continue };
            if closure.steps >= steps {
                wanted
                    .extend(location.pack.directory.edges_of(location.segment as usize).iter().map(|base| (*base, 1)));
            } else {
                candidates.push(Candidate { id, length: location.length, closure });
            }
        }
        Ok(candidates)
    }

    /// `None` if a base below can not be found, or lies too deep.
    fn closure(&mut self, location: &Location, steps: u32) -> Result<Option<Arc<Closure>>> {
        let key = (location.pack.id, location.segment);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let found = self.work_out(location, key, steps)?.map(Arc::new);
        self.known.insert(key, found.clone());
        Ok(found)
    }

    fn work_out(&mut self, location: &Location, key: SegmentKey, steps: u32) -> Result<Option<Closure>> {
        let segment = location.segment as usize;
        let row = &location.pack.directory.segments[segment];
        let mut closure = Closure::default();
        if row.codec == Codec::Delta {
            let Some(steps) = steps.checked_sub(1) else { return Ok(None) };
            for id in location.pack.directory.edges_of(segment) {
                let base = match self.index.find(location.pack.kind, id)? {
                    Some(base) => self.closure(&base, steps)?,
                    None => None,
                };
                let Some(base) = base else { return Ok(None) };
                closure.add(&base);
            }
            closure.steps += 1;
        }
        closure.segments.insert(key, row.plain_len);
        Ok(Some(closure))
    }
}
