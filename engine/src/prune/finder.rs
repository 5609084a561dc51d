// SPDX-License-Identifier: MIT OR Apache-2.0
//! What of the condemned packs has to be copied.
//!
//! For a round. Whether a chunk is safe elsewhere is decided here alone: its whole id is found in the directory of a visible pack
//! that is stored and on nobody's list.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use keepfast_repo_format::directory::Directory;
use keepfast_repo_format::id::{ChunkId, PackId};
use keepfast_repo_format::pack::PackRecord;
use keepfast_repo_format::segment::Codec;

use super::mark::Marked;
use super::runs::{Groups, Runs};
use super::view::View;
use crate::error::Result;
use crate::index::{LocalIndex, SurveyedPack};
use crate::repository::Repository;

/// Looks for live chunks of condemned packs.
pub(super) struct Finder<'a> {
    repository: &'a Repository,
    /// Visible packs that may keep a chunk alive alone.
    reliable: HashSet<PackId>,
    /// Condemned packs, by number.
    condemned: HashMap<i64, SurveyedPack>,
}

/// Which segments are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codecs {
    /// Those that hold chunks as they are.
    Plain,
    /// Those that need base chunks.
    Delta,
}

/// A condemned pack, and which of its chunks, in the order of its directory, have to be copied.
pub(super) struct Needed {
    pub(super) record: PackRecord,
    pub(super) chunks: Vec<bool>,
}

/// A delta, and its base chunks, which its segment has in common.
type Delta = (ChunkId, Arc<[ChunkId]>);

/// Of what several packs hold, what was found to be needed; what one pack holds twice is for [`surplus`]. Small, because such chunks are
/// few, unless two collectors have copied the same: then some 100 bytes for each.
#[derive(Default)]
pub(super) struct Moved {
    plain: HashSet<ChunkId>,
    deltas: HashSet<Delta>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(repository: &'a Repository, view: &View, condemned: &HashSet<PackId>) -> Self {
        let survey = repository.index.survey();
        let reliable = survey.iter().filter(|pack| view.is_reliable(pack)).map(|pack| pack.summary.id).collect();
        // One that is gone has nothing that could be copied.
        let condemned = survey.into_iter().filter(|pack| condemned.contains(&pack.summary.id) && view.is_stored(pack));
        Self { repository, reliable, condemned: condemned.map(|pack| (pack.number, pack)).collect() }
    }

    /// Packs with something live in them, with the prefixes of that: by directories alone, whatever rows the index has. For deltas only
    /// packs that have any.
    pub(super) fn with_live(&self, marked: &mut Marked<'_>, scratch: &Path, codecs: Codecs) -> Result<Groups> {
        let mut rows = Runs::<(i64, i64)>::new(scratch);
        let all = codecs == Codecs::Plain;
        for (number, _) in self.condemned.iter().filter(|(_, pack)| all || pack.edges > 0) {
            for chunk in self.record(*number)?.into_iter().flat_map(|record| record.directory.chunks) {
                rows.add((LocalIndex::prefix(&chunk.id), *number))?;
            }
        }
        let mut live = marked.live()?.peekable();
        let mut held = Runs::<(i64, i64)>::new(scratch);
        for row in rows.sorted()? {
            let (prefix, number) = row?;
            while let Some(before) = live.next_if(|live| live.as_ref().map_or(true, |live| *live < prefix)) {
                before?;
            }
            if matches!(live.peek(), Some(Ok(live)) if *live == prefix) {
                held.add((number, prefix))?;
            }
        }
        Ok(Groups::new(held.sorted()?))
    }

    /// What of a pack's segments with these codecs has to be copied, given the prefixes that are live in it; `None` if nothing has.
    /// Ask for plain ones first.
    pub(super) fn needed(
        &self,
        number: i64,
        live: &[i64],
        codecs: Codecs,
        moved: &mut Moved,
    ) -> Result<Option<Needed>> {
        let Some(record) = self.record(number)? else { return Ok(None) };
        let surplus = surplus(&record.directory, live);
        let mut chunks = Vec::with_capacity(record.directory.chunks.len());
        for (row, id, edges) in copies(&record.directory) {
            let fits = edges.is_some() == (codecs == Codecs::Delta);
            let is_live = fits && !surplus.contains(&row) && is_among(live, &id);
            chunks.push(is_live && self.takes(&record, id, edges, moved)?);
        }
        Ok(chunks.contains(&true).then_some(Needed { record, chunks }))
    }

    /// Whether a live copy has to be moved; then `moved` has it. A delta in a reliable pack is no other place, neither for a plain copy
    /// nor for a delta: no chain of edges grows, and none closes to a circle (`docs/format.md` section 11.2).
    fn takes(
        &self,
        record: &PackRecord,
        id: ChunkId,
        edges: Option<Arc<[ChunkId]>>,
        moved: &mut Moved,
    ) -> Result<bool> {
        if edges.is_some() && moved.plain.contains(&id) {
            return Ok(false);
        }
        let others = self.repository.index.other_holders(&record.id, record.kind, &id)?;
        if others.iter().any(|other| other.is_plain && self.reliable.contains(&other.pack)) {
            return Ok(false);
        }
        Ok(match edges {
            _ if others.is_empty() => true,
            None => moved.plain.insert(id),
            Some(edges) => moved.deltas.insert((id, edges)),
        })
    }

    /// `None` if nothing visible lists the pack any more, as reading anew has shown since: another collector has finished this list, after
    /// it had copied what was live. By name, because reading anew may also have given the pack another number.
    fn record(&self, number: i64) -> Result<Option<PackRecord>> {
        let Some(pack) = self.condemned.get(&number) else { return Ok(None) };
        Ok(self.repository.index.record_of(&pack.summary.id)?)
    }
}

/// Every copy in a pack: its row, its chunk, and the base chunks if it is a delta.
fn copies(directory: &Directory) -> impl Iterator<Item = (usize, ChunkId, Option<Arc<[ChunkId]>>)> + '_ {
    let mut edges = directory.edges.iter().copied();
    let mut rows = directory.chunks.iter().enumerate();
    directory.segments.iter().flat_map(move |segment| {
        let own: Arc<[ChunkId]> = edges.by_ref().take(segment.edges as usize).collect();
        let own = (segment.codec == Codec::Delta).then_some(own);
        let rows = rows.by_ref().take(segment.chunks as usize);
        rows.map(|(row, chunk)| (row, chunk.id, own.clone())).collect::<Vec<_>>()
    })
}

/// Live rows that bring nothing beside the others of their pack: of several copies that stand alone all but the first, then every delta,
/// and of several deltas against the same chunks all but the first. `live` are the live prefixes, each once and in order.
pub(super) fn surplus(directory: &Directory, live: &[i64]) -> HashSet<usize> {
    let mut surplus = HashSet::new();
    if directory.chunks.iter().filter(|chunk| is_among(live, &chunk.id)).count() <= live.len() {
        return surplus;
    }
    let (mut plain, mut deltas) = (HashSet::new(), HashSet::new());
    let live = || copies(directory).filter(|(_, id, _)| is_among(live, id));
    for (row, id, _) in live().filter(|(_, _, edges)| edges.is_none()) {
        if !plain.insert(id) {
            surplus.insert(row);
        }
    }
    for (row, id, edges) in live() {
        if edges.is_some_and(|edges| plain.contains(&id) || !deltas.insert((id, edges))) {
            surplus.insert(row);
        }
    }
    surplus
}

/// Whether a chunk is live, by its prefix.
pub(super) fn is_among(live: &[i64], id: &ChunkId) -> bool {
    live.binary_search(&LocalIndex::prefix(id)).is_ok()
}
