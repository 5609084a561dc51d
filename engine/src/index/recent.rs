// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whole packs' rows in memory: where one chunk of a pack was looked for, its neighbours are looked for next.
//!
//! For the local index only. Bounded by bytes, whole packs leave, the longest unused first. It must never name a chunk
//! without having compared the whole id.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{ChunkId, PackId};
use keepfast_repo_format::pack::PackRecord;

use super::Location;

/// Memory a chunk takes: its directory row (36), its place (8), and its entry in the map (17 bytes, a map being half full at worst).
const BYTES_PER_CHUNK: usize = 36 + 8 + 34;

/// Memory a pack takes beyond its chunks and segments: record, map entries, allocations.
const BYTES_PER_PACK: usize = 1024;

/// The first 8 bytes of a chunk id, as the database holds them.
pub(super) fn prefix_of(id: &ChunkId) -> i64 {
    let (prefix, _) = id.0.split_first_chunk().expect("an id has 32 bytes");
    i64::from_le_bytes(*prefix)
}

/// A pack's rows, with the place of each chunk computed.
pub(super) struct PackRows {
    pub(super) number: i64,
    pub(super) record: Arc<PackRecord>,
    /// Segment, and offset in its plaintext, of each chunk.
    places: Vec<(u32, u32)>,
}

impl PackRows {
    pub(super) fn new(number: i64, record: PackRecord) -> Self {
        let mut places = Vec::with_capacity(record.directory.chunks.len());
        places.extend(
            record
                .directory
                .locate()
                .map(|found| (u32::try_from(found.segment).expect("the format ends at 2^20 segments"), found.offset)),
        );
        Self { number, record: Arc::new(record), places }
    }

    /// Where the chunk lies, if it is in this pack.
    pub(super) fn locate(&self, id: &ChunkId) -> Option<Location> {
        let index = self.record.directory.chunks.iter().position(|chunk| chunk.id == *id)?;
        self.location(index)
    }

    /// Every place of the chunk in this pack: a collector may move two deltas of it into one.
    pub(super) fn locate_all(&self, id: &ChunkId) -> Vec<Location> {
        let chunks = self.record.directory.chunks.iter().enumerate();
        chunks.filter(|(_, chunk)| chunk.id == *id).filter_map(|(index, _)| self.location(index)).collect()
    }

    fn location(&self, index: usize) -> Option<Location> {
        let (chunk, &(segment, offset)) = (self.record.directory.chunks.get(index)?, self.places.get(index)?);
        Some(Location { pack: Arc::clone(&self.record), segment, offset, length: chunk.length })
    }

    fn bytes(&self) -> usize {
        let directory = &self.record.directory;
        BYTES_PER_PACK
            + self.places.len() * BYTES_PER_CHUNK
            + directory.segments.len() * 32
            + directory.edges.len() * 32
    }
}

/// Prefixes are parts of keyed hashes already.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_i64(&mut self, prefix: i64) {
        self.0 = prefix.cast_unsigned();
    }
}

struct Slot {
    rows: PackRows,
    /// The clock when it was last asked.
    used: AtomicU64,
}

/// The packs' rows that were asked last.
pub(super) struct Recent {
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    /// Prefix to slot and chunk. One entry per prefix: who finds another chunk there asks the database.
    chunks: HashMap<i64, (u32, u32), BuildHasherDefault<AsIs>>,
    packs: HashMap<PackId, u32>,
    numbers: HashMap<i64, u32>,
    bytes: usize,
    limit_bytes: usize,
    /// Moves with every insertion, so that readers seldom write.
    clock: AtomicU64,
}

impl Recent {
    pub(super) fn with_limit(limit_bytes: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            chunks: HashMap::default(),
            packs: HashMap::new(),
            numbers: HashMap::new(),
            bytes: 0,
            limit_bytes,
            clock: AtomicU64::new(0),
        }
    }

    /// Where the chunk lies, if the pack is here; `None` says nothing.
    pub(super) fn find(&self, kind: Kind, prefix: i64, id: &ChunkId) -> Option<Location> {
        let &(slot, chunk) = self.chunks.get(&prefix)?;
        let rows = self.touch(slot)?;
        let index = chunk as usize;
        let same = rows.record.kind == kind && rows.record.directory.chunks.get(index)?.id == *id;
        if same { rows.location(index) } else { None }
    }

    /// The pack with this name.
    pub(super) fn pack(&self, id: &PackId) -> Option<Arc<PackRecord>> {
        self.touch(*self.packs.get(id)?).map(|rows| Arc::clone(&rows.record))
    }

    /// The pack with this number in the database.
    pub(super) fn by_number(&self, number: i64) -> Option<&PackRows> {
        self.touch(*self.numbers.get(&number)?)
    }

    /// Takes a pack in; others leave until all fit. The newest stays even if it is too large alone.
    pub(super) fn insert(&mut self, rows: PackRows) {
        self.remove(rows.number);
        let bytes = rows.bytes();
        while self.bytes + bytes > self.limit_bytes {
            let Some(number) = self.longest_unused() else { break };
            self.remove(number);
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("memory ends before 2^32 packs")
        });
        for (chunk, row) in (0..).zip(&rows.record.directory.chunks) {
            self.chunks.insert(prefix_of(&row.id), (slot, chunk));
        }
        self.packs.insert(rows.record.id, slot);
        self.numbers.insert(rows.number, slot);
        self.bytes += bytes;
        let used = AtomicU64::new(self.clock.fetch_add(1, Ordering::Relaxed) + 1);
        self.slots[slot as usize] = Some(Slot { rows, used });
    }

    /// Lets go of the packs for which `keep` says no.
    pub(super) fn retain(&mut self, keep: impl Fn(i64) -> bool) {
        let gone: Vec<i64> = self.numbers.keys().copied().filter(|&number| !keep(number)).collect();
        gone.into_iter().for_each(|number| self.remove(number));
    }

    fn remove(&mut self, number: i64) {
        let Some(slot) = self.numbers.remove(&number) else { return };
        let Some(Slot { rows, .. }) = self.slots[slot as usize].take() else { return };
        for row in &rows.record.directory.chunks {
            let prefix = prefix_of(&row.id);
            if self.chunks.get(&prefix).is_some_and(|place| place.0 == slot) {
                self.chunks.remove(&prefix);
            }
        }
        if self.packs.get(&rows.record.id) == Some(&slot) {
            self.packs.remove(&rows.record.id);
        }
        self.bytes -= rows.bytes();
        self.free.push(slot);
    }

    fn longest_unused(&self) -> Option<i64> {
        let slots = self.slots.iter().flatten();
        slots.min_by_key(|slot| slot.used.load(Ordering::Relaxed)).map(|slot| slot.rows.number)
    }

    fn touch(&self, slot: u32) -> Option<&PackRows> {
        let slot = self.slots.get(slot as usize)?.as_ref()?;
        let now = self.clock.load(Ordering::Relaxed);
        if slot.used.load(Ordering::Relaxed) != now {
            slot.used.store(now, Ordering::Relaxed);
        }
        Some(&slot.rows)
    }
}
