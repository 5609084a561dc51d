// SPDX-License-Identifier: MIT OR Apache-2.0
//! Decoded segments in memory, for the reader alone: a bounded number, the least recently used leave first.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use keepfast_repo_format::id::PackId;

/// Decoded segments kept in memory, in bytes of plaintext. A segment is about 1 MiB; restore walks them in order, and
/// chunks shared between distant files make it come back to a few older ones.
const SEGMENT_CACHE_BYTES: usize = 24 << 20;

/// The same for a reader of base chunks: they come in the order of what is written.
pub(super) const BASE_CACHE_BYTES: usize = 12 << 20;

pub(super) type SegmentKey = (PackId, u32);
/// Filled by the first thread that needs the segment; others wait for it instead of decoding it again.
pub(super) type SegmentCell = Arc<OnceLock<Option<Arc<Vec<u8>>>>>;

pub(super) struct SegmentCache {
    pub(super) cells: HashMap<SegmentKey, (SegmentCell, u64)>,
    bytes: usize,
    limit: usize,
    tick: u64,
}

impl Default for SegmentCache {
    fn default() -> Self {
        Self::new(SEGMENT_CACHE_BYTES)
    }
}

impl SegmentCache {
    pub(super) fn new(limit: usize) -> Self {
        Self { cells: HashMap::new(), bytes: 0, limit, tick: 0 }
    }

    pub(super) fn cell(&mut self, key: SegmentKey) -> SegmentCell {
        self.tick += 1;
        let tick = self.tick;
        let (cell, used) = self.cells.entry(key).or_default();
        *used = tick;
        cell.clone()
    }

    /// Counts a decoded segment, and lets the least recently used ones go.
    pub(super) fn account(&mut self, key: SegmentKey, bytes: usize) {
        self.bytes += bytes;
        while self.bytes > self.limit {
            let filled = |cell: &SegmentCell| cell.get().and_then(Option::as_ref).map_or(0, |segment| segment.len());
            let oldest = self.cells.iter().filter(|(other, (cell, _))| **other != key && filled(cell) > 0);
            let Some(oldest) = oldest.min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key) else { return };
            if let Some((cell, _)) = self.cells.remove(&oldest) {
                self.bytes -= filled(&cell);
            }
        }
    }
}
