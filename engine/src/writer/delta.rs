// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which chunks serve as bases of a delta segment, and what that makes a reader decode. For the segmenter, in its one thread.
//!
//! A base is taken only where the whole chain below it is short: whoever opens the new segment decodes all of it. Why these limits:
//! `docs/decisions/004-delta.md`.

pub(super) mod overlap;

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
    /// Delta segments of data from it to one that stands alone, itself included; 0 writes no delta.
    pub steps: u32,
    /// The same for tree and list nodes: their segments are short, and a longer chain keeps what a night adds small.
    pub tree_steps: u32,
    /// Plaintext of all segments that have to be decoded for it, without itself, in bytes.
    pub bytes: u64,
}

impl Default for DeltaLimits {
    fn default() -> Self {
        Self { steps: 2, tree_steps: 8, bytes: 12 << 20 }
    }
}

impl DeltaLimits {
    /// Every segment stands alone.
    pub const NONE: Self = Self { steps: 0, tree_steps: 0, bytes: 0 };

    /// Those for segments of one kind, in `steps`.
    pub(super) fn of(self, kind: Kind) -> Self {
        Self { steps: if kind == Kind::TreePack { self.tree_steps } else { self.steps }, ..self }
    }
}

/// Base chunks of a segment, in bytes: more would not fit into zstd's window beside the segment at the usual levels.
const MAX_PREFIX_BYTES: usize = 4 << 20;

/// Chunks looked at for one new chunk.
const MAX_CANDIDATES: usize = 256;

/// Closures kept in memory; each is some hundred bytes, with thousands of small bases some kilobytes.
const MAX_KNOWN: usize = 1 << 11;

/// Where a chunk of a delta segment lies among the segment's bases is known only roughly. As much as this share of them, in bytes, counts to
/// either side of where it would lie if all differences were spread evenly.
const STRETCH_MARGIN_SHARE: u64 = 4;

type SegmentKey = (PackId, u32);

/// The segments that have to be decoded for one segment, itself included, with their plain lengths.
#[derive(Clone, Debug, Default)]
struct Closure {
    segments: BTreeMap<SegmentKey, u32>,
    /// Delta segments on the longest way down.
    steps: u32,
    /// Where each of the segment's own bases ends in the prefix that they make.
    base_ends: Vec<u32>,
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

    /// Those bases of the segment that a chunk in it most likely is close to.
    fn bases_of<'a>(&self, chunk: &'a Location) -> &'a [ChunkId] {
        let row = chunk.segment as usize;
        let all = u64::from(self.base_ends.last().copied().unwrap_or(0));
        let plain = u64::from(chunk.pack.directory.segments[row].plain_len).max(1);
        let start = u64::from(chunk.offset) * all / plain;
        let end = (u64::from(chunk.offset) + u64::from(chunk.length)) * all / plain;
        let margin = all / STRETCH_MARGIN_SHARE;
        let first = self.base_ends.partition_point(|base| u64::from(*base) + margin <= start);
        let last = self.base_ends.partition_point(|base| u64::from(*base) < end + margin);
        let bases = chunk.pack.directory.edges_of(row);
        bases.get(first..bases.len().min(last + 1)).unwrap_or_default()
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
    segment: SegmentKey,
    closure: Arc<Closure>,
}

impl Bases {
    /// Takes those candidates that keep the segment cheap to read; whether the most useful one was among them or is here already. Without it,
    /// nothing is taken.
    pub(super) fn take(&mut self, candidates: &[Candidate], limits: &DeltaLimits) -> bool {
        let Some(main) = candidates.iter().max_by_key(|candidate| candidate.length) else { return false };
        // What the segment has to decode anyway costs nothing. So segments begin and end where those of their bases do, and a chain of
        // them does not fan out: what lies below one segment is little more than one segment a step.
        if !(self.ids.is_empty() || self.closure.segments.contains_key(&main.segment)) || !self.fits(main, limits) {
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

    /// Whether the chunk may be one more base. Those that lie across the end of a segment come from two: without the second one, a chunk at
    /// every such end would be half new.
    fn fits(&self, candidate: &Candidate, limits: &DeltaLimits) -> bool {
        self.taken.contains(&candidate.id)
            || candidate.closure.steps < limits.steps
                && self.bytes + candidate.length as usize <= MAX_PREFIX_BYTES
                && self.closure.bytes_with(&candidate.closure) <= limits.bytes
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
            let is_deep = closure.steps >= steps || closure.bytes() > limits.bytes;
            if is_deep && closure.steps > 0 {
                wanted.extend(closure.bases_of(&location).iter().map(|base| (*base, 1)));
            } else {
                let segment = (location.pack.id, location.segment);
                candidates.push(Candidate { id, length: location.length, segment, closure });
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
            let mut end = 0;
            for id in location.pack.directory.edges_of(segment) {
                let Some(base) = self.index.find(location.pack.kind, id)? else { return Ok(None) };
                let Some(below) = self.closure(&base, steps)? else { return Ok(None) };
                closure.add(&below);
                end = base.length.saturating_add(end);
                closure.base_ends.push(end);
            }
            closure.steps += 1;
        }
        closure.segments.insert(key, row.plain_len);
        Ok(Some(closure))
    }
}

#[cfg(test)]
mod tests;
