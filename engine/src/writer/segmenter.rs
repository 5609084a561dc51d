// SPDX-License-Identifier: MIT OR Apache-2.0
//! Puts new chunks into segments, in the order they come: path order, so that what lies together is compressed together.
//! Owned by one thread; it knows what the session has written itself.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::Ordering;

use keepfast_repo_format::directory::ChunkRow;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::ChunkId;

use super::{OpenSegment, Writer};
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
    open: [OpenSegment; 2],
    next_number: u32,
}

impl<'env> Segmenter<'env> {
    /// A segmenter whose segments are sealed by `pool`.
    pub fn new(writer: &'env Writer, pool: Pool<'env>) -> Self {
        let empty = |kind| OpenSegment { kind, number: 0, plain: Vec::new(), chunks: Vec::new() };
        Self {
            writer,
            pool,
            keys: writer.keys.clone(),
            session: Default::default(),
            open: [empty(Kind::DataPack), empty(Kind::TreePack)],
            next_number: 0,
        }
    }

    /// Adds a data chunk that the index does not know, unless the session has written it already.
    pub fn put_data(&mut self, id: ChunkId, bytes: &[u8]) {
        self.put(0, id, bytes);
    }

    fn put(&mut self, which: usize, id: ChunkId, bytes: &[u8]) {
        if !self.session[which].insert(id) {
            return;
        }
        let target = self.writer.segment_targets[which] as usize;
        let open = &mut self.open[which];
        if open.plain.capacity() == 0 {
            open.plain.reserve_exact(target + bytes.len());
        }
        open.plain.extend_from_slice(bytes);
        open.chunks.push(ChunkRow { id, length: bytes.len() as u32 });
        self.writer.written.chunks.fetch_add(1, Ordering::Relaxed);
        self.writer.written.plain_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if open.plain.len() >= target {
            self.seal(which);
        }
    }

    fn seal(&mut self, which: usize) {
        let open = &mut self.open[which];
        let empty = OpenSegment { kind: open.kind, number: 0, plain: Vec::new(), chunks: Vec::new() };
        let mut full = std::mem::replace(open, empty);
        full.number = self.next_number;
        self.next_number += 1;
        let writer = self.writer;
        self.pool.urgent(move |scratch| writer.seal(full, scratch));
    }

    /// Seals what is left.
    pub fn finish(mut self) {
        for which in 0..2 {
            if !self.open[which].chunks.is_empty() {
                self.seal(which);
            }
        }
    }
}

impl NodeSink for Segmenter<'_> {
    fn put_node(&mut self, node: Vec<u8>) -> Result<ChunkId> {
        let id = self.keys.tree_chunk_id(&node);
        if !self.session[1].contains(&id) && !self.writer.is_known(Kind::TreePack, &id)? {
            self.put(1, id, &node);
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
