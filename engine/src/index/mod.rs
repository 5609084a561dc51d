// SPDX-License-Identifier: MIT OR Apache-2.0
//! The local index: which chunk lies where, and small objects that need not be fetched again.
//!
//! For every operation that looks chunks up. A cache in `SQLite`, outside the repository: it is filled from index objects, and
//! made anew whenever it is lost, foreign or damaged. It must never say that a chunk is there on the word of an index object that the caller did
//! not call visible, or of a row that was changed by anything but this program; a lost row only costs work.

mod cached;
pub(crate) mod database;
mod error;
mod filter;
mod lookup;
#[cfg(test)]
pub(crate) mod naive;
mod recent;
mod row;
mod rows;
mod survey;
#[cfg(test)]
mod tests;
mod whole;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{ChunkId, IndexId, PackId, RepositoryId};
use keepfast_repo_format::pack::PackRecord;
use keepfast_repo_format::segment::Codec;
use rusqlite::Connection;

use database::{Company, Lock};
pub use error::IndexError;
use filter::Filter;
use recent::Recent;
use rows::{Listed, Usable};
pub use survey::{Holder, SurveyedPack};
use whole::Whole;
pub use whole::{Fault, Lacking};

/// Memory for whole packs' rows, in bytes: about 600,000 chunks, the neighbourhood of 20 GB of files.
const RECENT_BYTES: usize = 48 << 20;

/// Where a chunk lies.
#[derive(Clone, Debug)]
pub struct Location {
    /// The pack, with its directory and key table.
    pub pack: Arc<PackRecord>,
    /// Row of the segment in the directory.
    pub segment: u32,
    /// Offset in the segment's plaintext, in bytes.
    pub offset: u32,
    /// Length of the chunk in bytes.
    pub length: u32,
}

impl Location {
    /// Whether the chunk can not be read without others.
    pub fn is_delta(&self) -> bool {
        self.pack.directory.segments.get(self.segment as usize).is_some_and(|row| row.codec == Codec::Delta)
    }

    /// Tells its segment from every other one.
    pub fn segment_key(&self) -> (PackId, u32) {
        (self.pack.id, self.segment)
    }

    /// The chunks without which this one can not be read.
    pub fn bases(&self) -> &[ChunkId] {
        self.pack.directory.edges_of(self.segment as usize)
    }

    /// Offsets and ids of all chunks of the segment.
    pub fn chunks(&self) -> impl Iterator<Item = (u32, ChunkId)> + '_ {
        let rows = self.pack.directory.locate().filter(|row| row.segment == self.segment as usize);
        rows.map(|row| (row.offset, row.chunk.id))
    }
}

/// A visible index object, or the newest generation, that can not be read. What is listed there is known from the packs themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// A pack without its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackSummary {
    /// The pack's name.
    pub id: PackId,
    /// Length of the object in bytes.
    pub length: u64,
    /// [`Kind::DataPack`] or [`Kind::TreePack`].
    pub kind: Kind,
}

/// The local index of one repository. Look-ups may come from several threads at once.
///
/// A fresh handle finds nothing: first [`retain`](Self::retain) says which index objects are visible, then [`load`](Self::load) brings those
/// that are missing.
pub struct LocalIndex {
    /// Taken before `state` where both are needed.
    store: Mutex<Store>,
    state: RwLock<State>,
    /// No visible pack at all: a first backup asks nobody.
    empty: AtomicBool,
    /// Held for writing while what is visible is read anew: who asks meanwhile waits, for nothing would be found.
    renewal: RwLock<()>,
    /// Who wants to know of index objects that can not be read.
    tell: OnceLock<fn(&Unreadable)>,
    /// Of which that one knows.
    told: Mutex<HashSet<String>>,
}

struct Store {
    connection: Connection,
    lock: Lock,
    /// Misses since there is no filter.
    misses: u64,
}

struct State {
    recent: Recent,
    /// Packs that are listed by a visible object and not excluded: only these are found.
    usable: Usable,
    /// Packs that are listed by a visible object and excluded.
    set_aside: Usable,
    numbers: HashMap<PackId, i64>,
    /// Chunks in `usable`.
    rows: u64,
    excluded: HashSet<PackId>,
    filter: Option<Filter>,
    /// Delta segments whose bases were found; emptied whenever a pack goes.
    whole: Whole,
    unreadable: Vec<Unreadable>,
}

impl LocalIndex {
    /// Opens the index in `folder` (made with rights 0700), or makes it. A file that is damaged, of another repository or of another version of
    /// the schema is made anew; if another process stands on it, it stays, and this handle is in memory only.
    ///
    /// # Errors
    /// The folder can not be made or written, the disk is full, another process does not let go of the file for a minute.
    pub fn open(folder: &Path, repository: RepositoryId) -> Result<Self, IndexError> {
        database::open(&database::INDEX, folder, repository).map(Self::new)
    }

    /// An index that ends with the handle: for `--no-cache` and where [`open`](Self::open) fails.
    ///
    /// # Errors
    /// None that are known; `SQLite` may lack memory.
    pub fn in_memory(repository: RepositoryId) -> Result<Self, IndexError> {
        database::in_memory(&database::INDEX, repository).map(Self::new)
    }

    /// The index objects whose rows are here, seen or not.
    ///
    /// # Errors
    /// The database.
    pub fn loaded(&self) -> Result<HashSet<IndexId>, IndexError> {
        let store = self.store();
        self.noted(&store, rows::objects(&store.connection))
    }

    /// Says which index objects are visible: from now on exactly their rows are found. Rows of others go away, at once or when no other handle
    /// stands on the file. Returns the visible objects that have to be loaded.
    ///
    /// # Errors
    /// The database.
    pub fn retain(&self, visible: &HashSet<IndexId>) -> Result<Vec<IndexId>, IndexError> {
        let mut store = self.store();
        // Whatever happens below, nothing is found on the word of an object that is not visible any more.
        self.state_mut().clear();
        self.empty.store(true, Ordering::Release);
        let found = store.retain(visible);
        let (listed, missing) = self.noted(&store, found)?;
        store.misses = 0;
        let mut state = self.state_mut();
        state.add(listed);
        self.empty.store(state.usable.is_empty(), Ordering::Release);
        Ok(missing)
    }

    /// Stores what a visible index object lists, in one transaction; from now on it is found. An object is never loaded in part.
    ///
    /// # Errors
    /// The database; then nothing was stored.
    pub fn load(&self, object: IndexId, packs: &[PackRecord]) -> Result<(), IndexError> {
        let mut store = self.store();
        let stored = rows::load(&mut store.connection, &object, packs);
        self.noted(&store, stored)?;
        let listed = rows::listing(&store.connection, &object);
        let listed = self.noted(&store, listed)?;
        let mut state = self.state_mut();
        state.add(listed.unwrap_or_default());
        packs.iter().for_each(|record| state.add_to_filter(record));
        self.empty.store(state.usable.is_empty(), Ordering::Release);
        Ok(())
    }

    /// These packs are condemned or damaged: until the handle ends, every look-up acts as if they were not there. Adds to those
    /// named before.
    pub fn exclude_packs(&self, packs: &HashSet<PackId>) {
        let mut state = self.state_mut();
        state.excluded.extend(packs);
        let State { usable, set_aside, numbers, recent, whole, .. } = &mut *state;
        whole.clear();
        set_aside.extend(usable.extract_if(|_, pack| packs.contains(&pack.summary.id)));
        numbers.retain(|id, _| !packs.contains(id));
        recent.retain(|number| usable.contains_key(&number));
    }

    /// Says which visible index objects could not be read, until the next [`retain`](Self::retain).
    pub(crate) fn set_unreadable(&self, unreadable: Vec<Unreadable>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tell) = self.tell.get() {
            unreadable.iter().filter(|lost| told.insert(lost.name.clone())).for_each(tell);
        }
        self.state_mut().unreadable = unreadable;
    }

    /// Has `tell` called once for each visible index object that can not be read. Only the first call counts.
    pub fn watch_unreadable(&self, tell: fn(&Unreadable)) {
        let _ = self.tell.set(tell);
    }

    /// Visible index objects that could not be read, in the order of their names.
    pub fn unreadable(&self) -> Vec<Unreadable> {
        self.state().unreadable.clone()
    }

    /// All visible packs that are not excluded, sorted by name.
    pub fn packs(&self) -> Vec<PackSummary> {
        let state = self.state();
        let numbers = state.numbers.values();
        let mut packs: Vec<_> = numbers.filter_map(|number| Some(state.usable.get(number)?.summary)).collect();
        packs.sort_unstable_by_key(|pack| pack.id);
        packs
    }

    /// The bytes that were stored under this name.
    ///
    /// # Errors
    /// The database.
    pub fn cached(&self, name: &str) -> Result<Option<Vec<u8>>, IndexError> {
        let store = self.store();
        self.noted(&store, cached::get(&store.connection, name))
    }

    /// Stores an immutable object. Not for packs: the bytes are copied whole.
    ///
    /// # Errors
    /// The database.
    pub fn cache(&self, name: &str, bytes: &[u8]) -> Result<(), IndexError> {
        let store = self.store();
        self.noted(&store, cached::put(&store.connection, name, bytes))
    }

    /// Names of stored objects that begin with `prefix`, sorted.
    ///
    /// # Errors
    /// The database.
    pub fn cached_names(&self, prefix: &str) -> Result<Vec<String>, IndexError> {
        let store = self.store();
        self.noted(&store, cached::names(&store.connection, prefix))
    }

    /// Lets go of a stored object; fine if there is none.
    ///
    /// # Errors
    /// The database.
    pub fn forget_cached(&self, name: &str) -> Result<(), IndexError> {
        let store = self.store();
        self.noted(&store, cached::forget(&store.connection, name))
    }

    /// Reads anew what is visible: `work` calls [`retain`](Self::retain) and [`load`](Self::load), and look-ups wait until it is done.
    pub(crate) fn renew<T>(&self, work: impl FnOnce() -> T) -> T {
        let _alone = self.renewal.write().unwrap_or_else(PoisonError::into_inner);
        work()
    }

    /// What is visible stays the same as long as this is held. Not to be taken twice by one thread.
    fn still(&self) -> RwLockReadGuard<'_, ()> {
        self.renewal.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the file made anew when it is opened next: for who misses a chunk here that must be in the repository.
    pub fn distrust(&self) {
        self.store().lock.mark_damaged();
    }

    fn new((connection, lock): (Connection, Lock)) -> Self {
        Self::with_limit(connection, lock, RECENT_BYTES)
    }

    fn with_limit(connection: Connection, lock: Lock, recent_bytes: usize) -> Self {
        let state = State {
            recent: Recent::with_limit(recent_bytes),
            usable: Usable::new(),
            set_aside: Usable::new(),
            numbers: HashMap::new(),
            rows: 0,
            excluded: HashSet::new(),
            filter: None,
            whole: Whole::default(),
            unreadable: Vec::new(),
        };
        let store = Store { connection, lock, misses: 0 };
        Self {
            store: Mutex::new(store),
            state: RwLock::new(state),
            empty: AtomicBool::new(true),
            renewal: RwLock::default(),
            tell: OnceLock::new(),
            told: Mutex::default(),
        }
    }

    fn noted<T>(&self, store: &Store, result: Result<T, IndexError>) -> Result<T, IndexError> {
        if let Err(IndexError::Damaged { .. }) = &result {
            store.lock.mark_damaged();
        }
        result
    }

    // A thread that panicked left nothing half done: a transaction ends with its guard, the maps change in single steps.
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    fn retain(&mut self, visible: &HashSet<IndexId>) -> Result<(Vec<Listed>, Vec<IndexId>), IndexError> {
        let company = self.lock.seek_solitude()?;
        let forgotten = match company {
            Company::Alone => rows::forget(&mut self.connection, visible),
            Company::Shared => Ok(()),
        };
        self.lock.share()?;
        forgotten?;
        let (mut listed, mut missing) = (Vec::new(), Vec::new());
        for object in visible {
            match rows::listing(&self.connection, object)? {
                Some(packs) => listed.extend(packs),
                None => missing.push(*object),
            }
        }
        missing.sort_unstable();
        Ok((listed, missing))
    }
}

impl State {
    fn clear(&mut self) {
        self.recent.retain(|_| false);
        self.whole.clear();
        self.unreadable.clear();
        self.usable.clear();
        self.set_aside.clear();
        self.numbers.clear();
        self.rows = 0;
        self.filter = None;
    }

    fn add(&mut self, listed: Vec<Listed>) {
        for pack in listed {
            if self.excluded.contains(&pack.summary.id) {
                self.set_aside.insert(pack.number, pack);
            } else {
                self.numbers.insert(pack.summary.id, pack.number);
                let chunks = pack.chunks;
                if self.usable.insert(pack.number, pack).is_none() {
                    self.rows += chunks;
                }
            }
        }
    }
}
