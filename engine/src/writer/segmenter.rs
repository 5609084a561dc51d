// SPDX-License-Identifier: MIT OR Apache-2.0
//! Puts new chunks into segments, in the order they come: path order, so that what lies together is compressed together.
//! Owned by one thread; it knows what the session has written itself.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::Ordering;

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::ChunkId;

use super::delta::{BaseFinder, Bases};
use super::{Numbering, OpenSegment, Writer};
use crate::error::Result;
use crate::pool::Pool;
use crate::tree::NodeSink;

/// Deduplicates within the session and fills segments.
pub struct Segmenter<'env> {
    writer: &'env Writer,
    pool: Pool<'env>,
    keys: std::sync::Arc<keepfast_repo_format::keys::Keys>,
    /// Ids written by this session; index rows of a session count only after its commit.
    session: [HashSet<ChunkId, BuildHasherDefault<IdHasher>>; 2],
    /// By kind: what stands alone, and what has bases.
    open: [[OpenSegment; 2]; 2],
    numbering: Numbering,
    bases: BaseFinder,
}

/// Places in `open`.
const ALONE: usize = 0;
const DELTA: usize = 1;

impl<'env> Segmenter<'env> {
    /// A segmenter whose segments are sealed by `pool`.
    pub fn new(writer: &'env Writer, pool: Pool<'env>) -> Self {
        let empty = |kind| [OpenSegment::new(kind), OpenSegment::new(kind)];
        Self {
            writer,
            pool,
            keys: writer.keys.clone(),
            session: Default::default(),
            open: [empty(Kind::DataPack), empty(Kind::TreePack)],
            numbering: Numbering::default(),
            bases: BaseFinder::new(writer.index.clone()),
        }
    }

    /// Adds a data chunk that the index does not know, unless the session has written it already. `bases` are data chunks of the
    /// repository that resemble it: of the same place in the previous version.
    ///
    /// # Errors
    /// The index.
    pub fn put_data(&mut self, id: ChunkId, bytes: &[u8], bases: &[ChunkId]) -> Result<()> {
        self.put(0, id, bytes, bases)
    }

    fn put(&mut self, which: usize, id: ChunkId, bytes: &[u8], bases: &[ChunkId]) -> Result<()> {
        if !self.session[which].insert(id) {
            return Ok(());
        }
        let place = if self.take_bases(which, bases)? { DELTA } else { ALONE };
        let target = self.writer.segment_targets[which] as usize;
        let open = &mut self.open[which][place];
        if open.plain.capacity() == 0 {
            open.plain.reserve_exact(target + target / 4);
        }
        open.add(id, bytes);
        self.writer.written.chunks.fetch_add(1, Ordering::Relaxed);
        self.writer.written.plain_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if open.plain.len() >= target {
            self.seal(which, place);
        }
        Ok(())
    }

    /// Adds bases to the open delta segment, or to the next one where they do not fit into it; whether a chunk that resembles them belongs there.
    fn take_bases(&mut self, which: usize, bases: &[ChunkId]) -> Result<bool> {
        let kind = self.open[which][DELTA].kind;
        let limits = self.writer.deltas.of(kind);
        if bases.is_empty() || limits.steps == 0 {
            return Ok(false);
        }
        let candidates = self.bases.candidates(kind, bases, &limits)?;
        if self.open[which][DELTA].bases.take(&candidates, &limits) {
            return Ok(true);
        }
        let mut fresh = Bases::default();
        if !fresh.take(&candidates, &limits) {
            return Ok(false);
        }
        if !self.open[which][DELTA].chunks.is_empty() {
            self.seal(which, DELTA);
        }
        self.open[which][DELTA].bases = fresh;
        Ok(true)
    }

    fn seal(&mut self, which: usize, place: usize) {
        let open = &mut self.open[which][place];
        let empty = OpenSegment::new(open.kind);
        let mut full = std::mem::replace(open, empty);
        self.numbering.close(&mut full);
        let writer = self.writer;
        self.pool.urgent(move |scratch| writer.seal(full, scratch));
    }

    /// Seals what is left.
    pub fn finish(mut self) {
        for (which, place) in [(0, ALONE), (0, DELTA), (1, ALONE), (1, DELTA)] {
            if !self.open[which][place].chunks.is_empty() {
                self.seal(which, place);
            }
        }
    }
}

impl NodeSink for Segmenter<'_> {
    fn put_node(&mut self, node: Vec<u8>, bases: &mut dyn FnMut() -> Result<Vec<ChunkId>>) -> Result<ChunkId> {
        let id = self.keys.tree_chunk_id(&node);
        if !self.session[1].contains(&id) && !self.writer.is_known(Kind::TreePack, &id)? {
            self.put(1, id, &node, &bases()?)?;
        }
        Ok(id)
    }
}

/// Chunk ids are uniformly random already: their first bytes are the hash.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    /// The length prefix of the array says nothing.
    fn write_usize(&mut self, _: usize) {}
}
