// SPDX-License-Identifier: MIT OR Apache-2.0
//! New chunks on their way into the repository: `Segmenter` (order, dedup) -> seal -> `Packs` -> upload.
//!
//! One `Writer` belongs to one session. It decides nothing about files; of the repository it reads base chunks alone.

mod delta;
mod packs;
mod seal;
mod segmenter;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, Sender};
use keepfast_repo_format::directory::ChunkRow;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{ChunkId, SessionId};
use keepfast_repo_format::keys::{KeyRow, Keys, SessionKey};
use keepfast_repo_format::layout;
use keepfast_repo_format::pack::{FinishedPack, PackRecord};
use keepfast_repo_format::segment::Sealed;
use keepfast_storage::cache::RangeCache;
use keepfast_storage::{Backend, Name};

use crate::error::{Error, Result};
use crate::index::LocalIndex;
use crate::reader::Reader;
use crate::repository::{Repository, object_name};
use crate::session::{Ledger, Session};
pub(crate) use delta::Bases;
pub use delta::DeltaLimits;
use packs::Packs;
pub use seal::Compression;
pub use segmenter::Segmenter;

/// Chunks of one segment, ready to be sealed.
pub struct OpenSegment {
    kind: Kind,
    number: u32,
    /// Whether it is among what a session compresses harder.
    is_early: bool,
    plain: Vec<u8>,
    chunks: Vec<ChunkRow>,
    /// What it may be compressed against.
    bases: Bases,
}

impl OpenSegment {
    /// An empty segment. It gets its place in the session from [`Numbering::close`].
    pub(crate) fn new(kind: Kind) -> Self {
        let (plain, chunks) = (Vec::new(), Vec::new());
        Self { kind, number: 0, is_early: false, plain, chunks, bases: Bases::default() }
    }

    /// Adds a chunk, whose content has this id.
    pub(crate) fn add(&mut self, id: ChunkId, bytes: &[u8]) {
        self.plain.extend_from_slice(bytes);
        self.chunks.push(ChunkRow { id, length: bytes.len() as u32 });
    }

    /// What it may be compressed against: chunks that whoever calls this may rely on.
    pub(crate) fn set_bases(&mut self, ids: &[ChunkId]) {
        self.bases.ids = ids.to_vec();
    }

    /// Bytes of plaintext so far.
    pub(crate) fn plain_len(&self) -> usize {
        self.plain.len()
    }
}

/// How many segments a session has closed, and their plaintext: they may be many and short.
#[derive(Default)]
pub(crate) struct Numbering {
    segments: u32,
    plain_bytes: u64,
}

impl Numbering {
    /// Gives a full segment its number, and with it how hard it is compressed.
    pub(crate) fn close(&mut self, full: &mut OpenSegment) {
        full.number = self.segments;
        full.is_early = self.plain_bytes < seal::EARLY_BYTES;
        self.segments += 1;
        self.plain_bytes += full.plain.len() as u64;
    }
}

/// What a session has written so far.
#[derive(Default)]
pub struct Written {
    /// Chunks that the repository did not have.
    pub chunks: AtomicU64,
    /// Their bytes before compression.
    pub plain_bytes: AtomicU64,
    /// Bytes of finished packs.
    pub stored_bytes: AtomicU64,
}

/// The shared end of the pipeline. Called from all worker threads.
pub struct Writer {
    backend: Arc<dyn Backend>,
    keys: Arc<Keys>,
    index: Arc<LocalIndex>,
    session_keys: [Arc<SessionKey>; 2],
    packs: Mutex<Packs>,
    records: Mutex<Vec<PackRecord>>,
    uploads: Mutex<Option<Sender<FinishedPack>>>,
    drops: AtomicBool,
    failed: AtomicBool,
    failure: Mutex<Option<Error>>,
    /// What was written.
    pub written: Written,
    segment_targets: [u32; 2],
    compression: Compression,
    deltas: DeltaLimits,
    /// Reads base chunks, and only where this session may rely on them.
    reader: Arc<Reader>,
    trees: Option<Arc<RangeCache>>,
    /// Packs that the session has adopted, and their chunks, those of data first.
    adopted: Vec<PackRecord>,
    adopted_chunks: [HashSet<ChunkId>; 2],
    ledger: Option<Arc<Ledger>>,
}

impl Writer {
    /// A writer for `session`, and the queue of packs that [`Writer::upload`] must be run on in a thread of its own.
    pub fn new(
        repository: &Repository,
        session: SessionId,
        compression: Compression,
    ) -> (Self, Receiver<FinishedPack>) {
        // No slack: at most one pack is being uploaded and one is waiting, so memory stays bounded.
        let (uploads, queue) = crossbeam_channel::bounded(0);
        let keys = repository.keys.clone();
        let session_keys = [Kind::DataPack, Kind::TreePack].map(|kind| Arc::new(SessionKey::create(&keys, kind)));
        let config = &repository.config;
        let packs = Packs::new(keys.clone(), session, config.pack_size.into(), session_keys.clone());
        let writer = Self {
            backend: repository.backend.clone(),
            index: repository.index.clone(),
            session_keys,
            packs: Mutex::new(packs),
            records: Mutex::default(),
            uploads: Mutex::new(Some(uploads)),
            drops: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            failure: Mutex::default(),
            written: Written::default(),
            segment_targets: [config.data_segment, config.tree_segment],
            compression,
            deltas: DeltaLimits::default(),
            reader: repository.reader_for_bases(),
            trees: repository.trees.clone(),
            adopted: Vec::new(),
            adopted_chunks: Default::default(),
            ledger: None,
            keys,
        };
        (writer, queue)
    }

    /// A writer for an open session: what that has adopted is known, and what is put is noted for the next one, should this one
    /// be interrupted.
    pub fn of_session(
        repository: &Repository,
        session: &mut Session,
        compression: Compression,
    ) -> (Self, Receiver<FinishedPack>) {
        let (mut writer, queue) = Self::new(repository, session.id, compression);
        for pack in &session.adopted {
            let chunks = pack.directory.chunks.iter().map(|chunk| chunk.id);
            writer.adopted_chunks[usize::from(pack.kind == Kind::TreePack)].extend(chunks);
        }
        writer.adopted = std::mem::take(&mut session.adopted);
        writer.ledger = Some(session.ledger.clone());
        (writer, queue)
    }

    /// Whether the repository has the chunk already, where this session may rely on it: a delta only with its bases. So what lost a base
    /// is stored anew. Of an adopted pack this was asked when it was adopted.
    pub fn is_known(&self, kind: Kind, id: &ChunkId) -> Result<bool> {
        Ok(self.adopted_chunks[usize::from(kind == Kind::TreePack)].contains(id)
            || self.index.find_whole(kind, id)?.is_some())
    }

    /// Packs a segment that any session has sealed, as it is, with its base chunks. Whoever hands it over has opened it.
    pub(crate) fn push_sealed(
        &self,
        kind: Kind,
        segment: Sealed,
        key: KeyRow,
        chunks: &[ChunkRow],
        edges: &[ChunkId],
    ) -> Result<()> {
        self.check()?;
        let full = self.packs.lock().expect("no holder panics").push_sealed(kind, segment, key, chunks, edges);
        full.map_or(Ok(()), |builder| self.send(packs::finish_full(builder, &self.keys)))
    }

    /// Bounds what reading a delta segment may cost; without this call, the defaults hold.
    #[must_use]
    pub fn with_deltas(self, deltas: DeltaLimits) -> Self {
        Self { deltas, ..self }
    }

    /// How many plain bytes a segment of `kind` should have.
    pub(crate) fn segment_target(&self, kind: Kind) -> usize {
        self.segment_targets[usize::from(kind == Kind::TreePack)] as usize
    }

    /// Hands over a finished pack; waits while another one is being uploaded.
    fn send(&self, pack: FinishedPack) -> Result<()> {
        let uploads = self.uploads.lock().expect("no holder panics").clone();
        match uploads {
            // The queue closes only after a failure, which is kept.
            Some(uploads) => uploads.send(pack).map_err(|_| Error::Cancelled),
            None => Ok(()),
        }
    }

    /// Stores packs until the queue closes. Runs in its own thread, so that sealing goes on while the storage works. After a
    /// failure packs are only taken off the queue: whoever hands one over must not wait for ever.
    pub fn upload(&self, queue: &Receiver<FinishedPack>) {
        for pack in queue {
            if self.failed.load(Ordering::Relaxed) {
                continue;
            }
            let name = object_name(&layout::pack(&pack.id));
            let parts: Vec<&[u8]> = pack.parts.iter().map(Vec::as_slice).collect();
            match self.backend.put_if_absent(&name, &parts) {
                Ok(_) => {
                    self.keep_trees(&name, &pack);
                    // What is not noted is put once more after an interruption, which costs nothing now.
                    let _ = self.ledger.as_ref().map(|ledger| ledger.note(&self.keys, &pack.record));
                    self.written.stored_bytes.fetch_add(pack.length, Ordering::Relaxed);
                    self.records.lock().expect("no holder panics").push(pack.record);
                }
                Err(error) => self.fail(error.into()),
            }
        }
    }

    /// Keeps what the next backup reads first: the tree of this one.
    fn keep_trees(&self, name: &Name, pack: &FinishedPack) {
        let Some(trees) = self.trees.as_ref().filter(|_| pack.record.kind == Kind::TreePack) else { return };
        let bytes = pack.parts.concat();
        for row in &pack.record.directory.segments {
            let range = u64::from(row.offset)..u64::from(row.offset) + u64::from(row.stored_len);
            let stored = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
            if let Some(stored) = stored.and_then(|(start, end)| bytes.get(start..end)) {
                trees.put(name, &range, stored);
            }
        }
    }

    /// Ends the packs that are still open and closes the queue, also when something has failed. Every segment must have been
    /// sealed.
    pub fn finish(&self) -> Result<()> {
        let sent = self.check().and_then(|()| {
            let rest = self.packs.lock().expect("no holder panics").finish();
            rest.into_iter().try_for_each(|pack| self.send(pack))
        });
        self.uploads.lock().expect("no holder panics").take();
        sent.and_then(|()| self.check())
    }

    /// From now on segments are dropped instead of sealed: for a dry run.
    pub fn write_nothing(&self) {
        self.drops.store(true, Ordering::Relaxed);
    }

    /// Closes the queue without ending the open packs.
    pub fn abandon(&self) {
        self.failed.store(true, Ordering::Relaxed);
        self.uploads.lock().expect("no holder panics").take();
    }

    /// The packs that were stored or adopted, sorted by id.
    pub fn into_records(self) -> Vec<PackRecord> {
        let mut records = self.records.into_inner().expect("no holder panics");
        records.extend(self.adopted);
        records.sort_by_key(|record| record.id);
        records
    }

    /// Whether to go on. The cause stays here, for [`Writer::cause`]: any number of stages may ask.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once any part of the pipeline has failed.
    pub fn check(&self) -> Result<()> {
        if self.failed.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// The failure in here, which is the cause of whatever the other stages saw. To be asked once, when all of them have ended.
    pub fn cause(&self) -> Option<Error> {
        self.failure.lock().expect("no holder panics").take()
    }

    /// Ends everything that goes to this writer, at its next look. The first cause is kept for [`Writer::cause`].
    pub fn fail(&self, error: Error) {
        let mut failure = self.failure.lock().expect("no holder panics");
        // The first failure is the cause; later ones follow from it.
        failure.get_or_insert(error);
        self.failed.store(true, Ordering::Relaxed);
    }
}
