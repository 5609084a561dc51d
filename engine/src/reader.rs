// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chunk id in, plaintext out: locates, fetches, decrypts, decompresses and verifies. Never returns bytes that do not have the
//! id asked for. Keeps a bounded number of decoded segments, because neighbouring chunks are asked for next.
//! A pack that is gone makes it read anew what is visible: a collector may have moved its chunks.

mod cache;
mod delta;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cache::SegmentCache;
use delta::{Allowance, Prefixes};
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{ChunkId, KeyId, PackId};
use keepfast_repo_format::keys::{Keys, SessionKey};
use keepfast_repo_format::pack::PackRecord;
use keepfast_repo_format::segment::{self, Decompressor};
use keepfast_repo_format::{FormatError, layout};
use keepfast_storage::Backend;
use keepfast_storage::cache::RangeCache;

use crate::error::{Error, Result};
use crate::history::{self, Access};
use crate::index::{LocalIndex, Location};
use crate::repository::object_name;

/// Which packs a reader reads from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sees {
    /// Every visible pack, those last that the index excludes: for whoever wants to read what can be read.
    All,
    /// Only those that the index does not exclude: for whoever makes something visible that needs the chunks to stay.
    NotExcluded,
}

/// What is said of a chunk of which one copy is damaged and another one can not be read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// That it is damaged: for whoever goes on with what can be read.
    Damaged,
    /// Why the other one can not be read: for whoever deletes what is damaged.
    Unknown,
}

/// Reads chunks of one repository. Cheap to share between threads.
pub struct Reader {
    sees: Sees,
    doubt: Doubt,
    backend: Arc<dyn Backend>,
    keys: Arc<Keys>,
    index: Arc<LocalIndex>,
    session_keys: Mutex<HashMap<(Kind, KeyId), Arc<SessionKey>>>,
    segments: Mutex<SegmentCache>,
    prefixes: Prefixes,
    /// Held by the one thread that reads anew what is visible.
    refreshing: Mutex<()>,
    refreshes: AtomicU64,
    /// Visible packs that are not there, or need one that is not, as reading anew has shown.
    lost: Mutex<HashSet<PackId>>,
    /// Stored segments of tree packs on the local disk.
    trees: Option<Arc<RangeCache>>,
}

/// The plaintext of a chunk, inside its decoded segment.
#[derive(Clone)]
pub struct Chunk {
    segment: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl std::ops::Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.segment[self.range.clone()]
    }
}

impl Chunk {
    /// Both as one, if `next` lies right behind in the same segment: neighbours are written together.
    pub fn joined(&self, next: &Self) -> Option<Self> {
        let is_next = Arc::ptr_eq(&self.segment, &next.segment) && self.range.end == next.range.start;
        is_next.then(|| Self { segment: self.segment.clone(), range: self.range.start..next.range.end })
    }
}

impl Reader {
    /// A reader for what `index` says is visible.
    pub fn new(backend: Arc<dyn Backend>, keys: Arc<Keys>, index: Arc<LocalIndex>, sees: Sees) -> Self {
        Self {
            sees,
            doubt: Doubt::Damaged,
            backend,
            keys,
            index,
            session_keys: Mutex::default(),
            segments: Mutex::default(),
            prefixes: Prefixes::default(),
            refreshing: Mutex::default(),
            refreshes: AtomicU64::new(0),
            lost: Mutex::default(),
            trees: None,
        }
    }

    /// The same, and segments of tree packs are looked for in `trees` first, and kept there.
    #[must_use]
    pub fn with_trees(self, trees: Option<Arc<RangeCache>>) -> Self {
        Self { trees, ..self }
    }

    /// With less memory: for base chunks, beside a reader of something else.
    #[must_use]
    pub(crate) fn for_bases(self) -> Self {
        Self { segments: Mutex::new(SegmentCache::new(cache::BASE_CACHE_BYTES)), ..self }
    }

    /// For who deletes what is damaged: a copy that can not be read now is an error, and no damage.
    #[must_use]
    pub(crate) fn for_collector(self) -> Self {
        Self { doubt: Doubt::Unknown, ..self }
    }

    /// A chunk of file content.
    pub fn data_chunk(&self, id: &ChunkId) -> Result<Chunk> {
        self.chunk(Kind::DataPack, id)
    }

    /// A tree node.
    pub fn tree_chunk(&self, id: &ChunkId) -> Result<Chunk> {
        self.chunk(Kind::TreePack, id)
    }

    /// Whether `data` is the content of the data chunk `id`.
    pub fn is_data_chunk(&self, id: &ChunkId, data: &[u8]) -> bool {
        self.keys.data_chunk_id(data) == *id
    }

    /// A key of the repository for fingerprints that are shown and never stored.
    pub fn fingerprint_key(&self) -> [u8; 32] {
        blake3::derive_key("keepfast 2026 fingerprints of secrets in output", self.keys.data_chunk_id(b"").as_bytes())
    }

    /// Whether the storage still answers: after an error that may concern one object, or all.
    pub fn storage_answers(&self) -> bool {
        self.backend.list(layout::CONFIG_FOLDER).is_ok()
    }

    /// The index behind this reader.
    pub fn index(&self) -> &LocalIndex {
        &self.index
    }

    fn chunk(&self, kind: Kind, id: &ChunkId) -> Result<Chunk> {
        let seen = self.refreshes.load(Ordering::Acquire);
        let (pack, outcome) = self.chunk_in_any(kind, id)?;
        if !outcome.as_ref().is_err_and(Error::is_not_found) || self.is_lost(&pack) {
            return outcome;
        }
        // A collector may have moved it while this program was at work.
        self.refresh(seen)?;
        let (after, outcome) = self.chunk_in_any(kind, id)?;
        if outcome.is_err() && after == pack {
            self.note_lost(pack);
        }
        outcome
    }

    /// The chunk from wherever it is whole, or a pack that should hold it, and what is wrong there.
    fn chunk_in_any(&self, kind: Kind, id: &ChunkId) -> Result<(PackId, Result<Chunk>)> {
        let found = self.index.find(kind, id)?;
        let found = match (found, self.sees) {
            (None, Sees::All) => self.index.find_excluded(kind, id)?,
            (found, _) => found,
        };
        let first = found.ok_or(Error::MissingChunk { id: *id })?;
        let from = |location: &Location| (location.pack.id, self.chunk_at(location, kind, id));
        let outcome = from(&first);
        if outcome.1.is_ok() {
            return Ok(outcome);
        }
        // A backup that missed the pack has stored its chunks again, in another one.
        let others =
            self.index.find_all(kind, id)?.into_iter().filter(|other| other.segment_key() != first.segment_key());
        Ok(self.whole_or_said(outcome, others.map(|other| from(&other))))
    }

    /// The first of `others` that is whole. If none is, that of all copies, `failed` among them, which tells what is said of the chunk,
    /// whichever was asked first. A storage that does not answer is not asked for each copy.
    fn whole_or_said<T>(
        &self,
        failed: (PackId, Result<T>),
        others: impl Iterator<Item = (PackId, Result<T>)>,
    ) -> (PackId, Result<T>) {
        // Of what is damaged rather a pack that is gone: it may have been moved since the index was read.
        let weight = |copy: &(PackId, Result<T>)| {
            let error = copy.1.as_ref().err();
            error.map(|error| (error.is_damage() == (self.doubt == Doubt::Damaged), error.is_not_found()))
        };
        let is_gone = |copy: &(PackId, Result<T>)| copy.1.as_ref().is_err_and(Error::is_without_answer);
        let mut best = failed;
        if is_gone(&best) {
            return best;
        }
        for other in others {
            if other.1.is_ok() {
                return other;
            }
            let is_last = is_gone(&other);
            if weight(&other) > weight(&best) {
                best = other;
            }
            if is_last {
                break;
            }
        }
        best
    }

    fn is_lost(&self, pack: &PackId) -> bool {
        self.lost.lock().expect("no holder panics").contains(pack)
    }

    fn note_lost(&self, pack: PackId) {
        self.lost.lock().expect("no holder panics").insert(pack);
    }

    /// Reads what is visible once more, unless somebody did since `seen`.
    fn refresh(&self, seen: u64) -> Result<()> {
        let _alone = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.refreshes.load(Ordering::Acquire) == seen {
            history::refresh(Access { backend: self.backend.as_ref(), keys: &self.keys, index: &self.index })?;
            self.refreshes.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }

    fn chunk_at(&self, location: &Location, kind: Kind, id: &ChunkId) -> Result<Chunk> {
        let segment = self.segment(location)?;
        let range = location.offset as usize..location.offset as usize + location.length as usize;
        if range.end > segment.len() {
            return Err(wrong_content(id));
        }
        let chunk = Chunk { segment, range };
        let found =
            if kind == Kind::TreePack { self.keys.tree_chunk_id(&chunk) } else { self.keys.data_chunk_id(&chunk) };
        if found == *id { Ok(chunk) } else { Err(wrong_content(id)) }
    }

    /// The whole plaintext of the segment at `location`, its chunks not compared with their ids.
    pub fn segment(&self, location: &Location) -> Result<Arc<Vec<u8>>> {
        self.segment_within(location, &mut Allowance::default())
    }

    /// Whether the segment at `location` is in memory, opened.
    pub fn has_segment(&self, location: &Location) -> bool {
        let segments = self.segments.lock().expect("no holder panics");
        segments.cells.get(&location.segment_key()).is_some_and(|(cell, _)| matches!(cell.get(), Some(Some(_))))
    }

    fn segment_within(&self, location: &Location, allowance: &mut Allowance) -> Result<Arc<Vec<u8>>> {
        let key = location.segment_key();
        let cell = self.segments.lock().expect("no holder panics").cell(key);
        if let Some(Some(segment)) = cell.get() {
            return Ok(segment.clone());
        }
        // Before the cell is held: who waits for a cell must not have what another one waits for.
        let prefix = self.prefix(&location.pack, location.segment as usize, allowance)?;
        let mut failure = None;
        let mut decoded = 0;
        let segment = cell.get_or_init(|| match self.decode(location, &prefix) {
            Ok(bytes) => {
                decoded = bytes.len();
                Some(Arc::new(bytes))
            }
            Err(error) => {
                failure = Some(error);
                None
            }
        });
        let outcome = match segment {
            Some(segment) => {
                let segment = segment.clone();
                if decoded > 0 {
                    self.segments.lock().expect("no holder panics").account(key, decoded);
                }
                Ok(segment)
            }
            // Another thread failed on it: fail on it ourselves, to say why.
            None => {
                self.segments.lock().expect("no holder panics").cells.remove(&key);
                match failure {
                    Some(error) => Err(error),
                    None => self.decode(location, &prefix).map(Arc::new),
                }
            }
        };
        self.prefixes.give_back(prefix);
        outcome
    }

    fn decode(&self, location: &Location, prefix: &[u8]) -> Result<Vec<u8>> {
        let (pack, segment) = (&location.pack, location.segment as usize);
        let row = &pack.directory.segments[segment];
        let name = object_name(&layout::pack(&pack.id));
        let range = u64::from(row.offset)..u64::from(row.offset) + u64::from(row.stored_len);
        let trees = self.trees.as_ref().filter(|_| pack.kind == Kind::TreePack);
        if let Some(trees) = trees
            && let Some(stored) = trees.get(&name, &range)
        {
            match self.open_segment(pack, segment, stored, prefix) {
                Ok(plain) => return Ok(plain),
                // Whole, and yet not what the repository has there: only the repository counts.
                Err(_) => trees.forget(&name, &range),
            }
        }
        let stored = self.backend.get(&name, Some(range.clone()))?;
        let Some(trees) = trees else { return self.open_segment(pack, segment, stored, prefix) };
        let plain = self.open_segment(pack, segment, stored.clone(), prefix)?;
        trees.put(&name, &range, &stored);
        Ok(plain)
    }

    fn open_segment(&self, pack: &PackRecord, segment: usize, stored: Vec<u8>, prefix: &[u8]) -> Result<Vec<u8>> {
        thread_local! {
            static DECOMPRESSOR: std::cell::RefCell<Option<Decompressor>> = const { std::cell::RefCell::new(None) };
        }
        let row = &pack.directory.segments[segment];
        let fail = |source: FormatError| Error::Object { object: layout::pack(&pack.id), source };
        let key = self.session_key(pack.kind, &pack.keys[usize::from(row.key_row)]).map_err(fail)?;
        DECOMPRESSOR.with_borrow_mut(|decompressor| {
            let decompressor = decompressor.get_or_insert_with(Decompressor::new);
            let repository = self.keys.repository();
            segment::open(&key, &repository, stored, row.codec, row.plain_len, prefix, decompressor).map_err(fail)
        })
    }

    /// The session key of a row of a key table, opened once.
    pub fn session_key(
        &self,
        kind: Kind,
        row: &keepfast_repo_format::keys::KeyRow,
    ) -> Result<Arc<SessionKey>, FormatError> {
        let mut opened = self.session_keys.lock().expect("no holder panics");
        if let Some(key) = opened.get(&(kind, row.id)) {
            return Ok(key.clone());
        }
        let key = Arc::new(SessionKey::open(&self.keys, kind, row)?);
        opened.insert((kind, row.id), key.clone());
        Ok(key)
    }
}

fn wrong_content(id: &ChunkId) -> Error {
    Error::Node { id: *id, source: FormatError::ChunkContent { id: *id } }
}
