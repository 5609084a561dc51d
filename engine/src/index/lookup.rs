// SPDX-License-Identifier: MIT OR Apache-2.0
//! Look-ups of the local index: memory first, then the filter, then the database.
//!
//! Called from several threads at once; a hit in memory takes no exclusive lock. A location leaves this module only
//! after the whole id was compared in a directory that has the hash it was stored under.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{ChunkId, PackId};
use keepfast_repo_format::pack::PackRecord;

use super::filter::Filter;
use super::recent::{PackRows, prefix_of};
use super::{IndexError, LocalIndex, Location, State, Store, rows};

/// Misses in the database before a filter is built, however small the index is.
const LEAST_MISSES: u64 = 1000;

/// A filter is built when one miss was paid for this many rows. Reading a row into it costs about 1/90 of a miss while the file is in memory
/// (`examples/index_timing.rs`), and far less of one that has to wait for the disk.
const ROWS_PER_MISS: u64 = 256;

/// A filter is made for this share of rows more than there are, so that it need not be built again after each `load`.
const SPARE_SHARE: u64 = 4;

/// And for at least this many more.
const SPARE_ROWS: u64 = 1 << 16;

impl LocalIndex {
    /// Where a chunk lies. If several visible packs hold it, any of them; packs that were excluded do not count.
    ///
    /// # Errors
    /// The database. A backup may take [`IndexError::Damaged`] for a miss; who needs the chunk opens the index anew and loads it.
    pub fn find(&self, kind: Kind, id: &ChunkId) -> Result<Option<Location>, IndexError> {
        let _still = self.still();
        if self.empty.load(Ordering::Acquire) {
            return Ok(None);
        }
        let prefix = prefix_of(id);
        {
            let state = self.state();
            if let Some(location) = state.recent.find(kind, prefix, id) {
                return Ok(Some(location));
            }
            if state.filter.as_ref().is_some_and(|filter| !filter.may_hold(prefix)) {
                return Ok(None);
            }
        }
        let mut store = self.store();
        let found = self.find_stored(&mut store, kind, prefix, id);
        self.noted(&store, found)
    }

    /// Every place where a chunk lies: for who finds that the pack of the first one is lost.
    ///
    /// # Errors
    /// The database.
    pub fn find_all(&self, kind: Kind, id: &ChunkId) -> Result<Vec<Location>, IndexError> {
        let _still = self.still();
        let store = self.store();
        let mut found = Vec::new();
        for number in rows::candidates(&store.connection, prefix_of(id))? {
            if self.state().usable.get(&number).is_none_or(|pack| pack.summary.kind != kind) {
                continue;
            }
            let pulled = self.pull(&store, number, |rows| rows.locate_all(id));
            found.extend(self.noted(&store, pulled)?.into_iter().flatten());
        }
        Ok(found)
    }

    /// The record of a pack that is visible and not excluded.
    ///
    /// # Errors
    /// The database.
    pub fn pack(&self, id: &PackId) -> Result<Option<Arc<PackRecord>>, IndexError> {
        let _still = self.still();
        if let Some(pack) = self.state().recent.pack(id) {
            return Ok(Some(pack));
        }
        let store = self.store();
        let number = self.state().numbers.get(id).copied();
        let Some(number) = number else { return Ok(None) };
        let pulled = self.pull(&store, number, |rows| Arc::clone(&rows.record));
        self.noted(&store, pulled)
    }

    fn find_stored(
        &self,
        store: &mut Store,
        kind: Kind,
        prefix: i64,
        id: &ChunkId,
    ) -> Result<Option<Location>, IndexError> {
        // Another thread may have pulled the pack while this one waited.
        if let Some(location) = self.state().recent.find(kind, prefix, id) {
            return Ok(Some(location));
        }
        for number in rows::candidates(&store.connection, prefix)? {
            if self.state().usable.get(&number).is_none_or(|pack| pack.summary.kind != kind) {
                continue;
            }
            if let Some(location) = self.pull(store, number, |rows| rows.locate(id))?.flatten() {
                return Ok(Some(location));
            }
        }
        self.count_miss(store)?;
        Ok(None)
    }

    /// Brings a usable pack into memory, if it is not there, and looks at it.
    pub(super) fn pull<T>(
        &self,
        store: &Store,
        number: i64,
        look: impl Fn(&PackRows) -> T,
    ) -> Result<Option<T>, IndexError> {
        let listed = {
            let state = self.state();
            if let Some(rows) = state.recent.by_number(number) {
                return Ok(Some(look(rows)));
            }
            let Some(listed) = state.usable.get(&number) else { return Ok(None) };
            *listed
        };
        let Some(record) = rows::pack(&store.connection, &listed)? else { return Ok(None) };
        let pulled = PackRows::new(number, record);
        let seen = look(&pulled);
        let mut state = self.state_mut();
        // It may have been excluded meanwhile; then it must not come back.
        if state.usable.contains_key(&number) {
            state.recent.insert(pulled);
            return Ok(Some(seen));
        }
        Ok(None)
    }

    fn count_miss(&self, store: &mut Store) -> Result<(), IndexError> {
        store.misses += 1;
        let rows = self.state().rows;
        if store.misses < LEAST_MISSES.max(rows / ROWS_PER_MISS) || self.state().filter.is_some() {
            return Ok(());
        }
        let mut filter =
            Filter::for_rows(usize::try_from(rows + rows / SPARE_SHARE + SPARE_ROWS).unwrap_or(usize::MAX));
        rows::prefixes(&store.connection, |prefix| filter.add(prefix))?;
        self.state_mut().filter = Some(filter);
        store.misses = 0;
        Ok(())
    }
}

impl State {
    /// Keeps the filter's promise when a pack becomes visible.
    pub(super) fn add_to_filter(&mut self, record: &PackRecord) {
        let Some(filter) = &mut self.filter else { return };
        super::row::ids(record).for_each(|id| filter.add(prefix_of(id)));
        if filter.is_full() {
            self.filter = None;
        }
    }
}
