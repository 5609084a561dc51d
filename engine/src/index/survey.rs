// SPDX-License-Identifier: MIT OR Apache-2.0
//! The local index as a whole, for the collector: every visible pack, every chunk row in order, and who else holds a chunk.
//!
//! Rows may be missing or too many, as everywhere in this index. What decides over a deletion compares whole ids in a directory
//! whose hash is the one it was stored under.

use std::path::{Path, PathBuf};

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{ChunkId, IndexId, PackId};
use keepfast_repo_format::pack::PackRecord;

use super::recent::{PackRows, prefix_of};
use super::{IndexError, LocalIndex, Location, PackSummary, rows};

/// A visible pack, by its number in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SurveyedPack {
    /// The number that chunk rows name it by; another one after what is visible was read anew, perhaps.
    pub number: i64,
    /// The pack.
    pub summary: PackSummary,
    /// Its chunks.
    pub chunks: u64,
    /// The edges of its delta segments.
    pub edges: u64,
}

/// A pack that holds a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The pack.
    pub pack: PackId,
    /// It needs no other chunk for it.
    pub is_plain: bool,
}

impl LocalIndex {
    /// Every visible pack, excluded or not, sorted by number.
    pub fn survey(&self) -> Vec<SurveyedPack> {
        let state = self.state();
        let listed = state.usable.values().chain(state.set_aside.values());
        let mut packs: Vec<SurveyedPack> = listed
            .map(|pack| {
                let (chunks, edges) = (pack.chunks, pack.edges);
                SurveyedPack { number: pack.number, summary: pack.summary, chunks, edges }
            })
            .collect();
        packs.sort_unstable_by_key(|pack| pack.number);
        packs
    }

    /// The first 8 bytes of a chunk id, as [`each_row`](Self::each_row) gives and orders them.
    pub fn prefix(id: &ChunkId) -> i64 {
        prefix_of(id)
    }

    /// Calls `each` with prefix and pack number of every chunk row, ascending by prefix, then by number. There are rows of packs that
    /// are not visible. Every other question to this handle waits meanwhile.
    ///
    /// # Errors
    /// The database, or what `each` says.
    pub fn each_row<E: From<IndexError>>(&self, each: impl FnMut(i64, i64) -> Result<(), E>) -> Result<(), E> {
        let store = self.store();
        rows::in_order(&store.connection, each)
    }

    /// The record of a visible pack, excluded or not, past everything that is kept in memory. `None` if it is not visible.
    ///
    /// # Errors
    /// The database.
    pub fn record(&self, number: i64) -> Result<Option<PackRecord>, IndexError> {
        let store = self.store();
        let listed = {
            let state = self.state();
            state.usable.get(&number).or_else(|| state.set_aside.get(&number)).copied()
        };
        let Some(listed) = listed else { return Ok(None) };
        self.noted(&store, rows::pack(&store.connection, &listed))
    }

    /// The record of a visible pack by its name, whatever its number is by now. `None` if no visible object lists the pack.
    ///
    /// # Errors
    /// The database; [`IndexError::Damaged`] if the pack is listed and its row is not there.
    pub fn record_of(&self, id: &PackId) -> Result<Option<PackRecord>, IndexError> {
        let _still = self.still();
        let store = self.store();
        let listed = {
            let state = self.state();
            let usable = state.numbers.get(id).and_then(|number| state.usable.get(number));
            usable.or_else(|| state.set_aside.values().find(|pack| pack.summary.id == *id)).copied()
        };
        let Some(listed) = listed else { return Ok(None) };
        let record = rows::pack(&store.connection, &listed).and_then(|record| {
            record.map(Some).ok_or_else(|| IndexError::Damaged { what: format!("the row of pack {id} is gone") })
        });
        self.noted(&store, record)
    }

    /// Other visible packs than `besides` that hold the chunk as it is or as a delta and are not excluded. It names too few, never one
    /// that does not.
    ///
    /// # Errors
    /// The database.
    pub fn other_holders(&self, besides: &PackId, kind: Kind, id: &ChunkId) -> Result<Vec<Holder>, IndexError> {
        let store = self.store();
        let mut holders = Vec::new();
        for number in rows::candidates(&store.connection, prefix_of(id))? {
            let listed = self.state().usable.get(&number).map(|pack| pack.summary);
            if listed.is_none_or(|pack| pack.kind != kind || pack.id == *besides) {
                continue;
            }
            let copies = self.pull(&store, number, |rows| rows.locate_all(id));
            let copies = self.noted(&store, copies)?.unwrap_or_default();
            if let (Some(listed), false) = (listed, copies.is_empty()) {
                holders.push(Holder { pack: listed.id, is_plain: !copies.iter().all(Location::is_delta) });
            }
        }
        Ok(holders)
    }

    /// Where a chunk lies in an excluded pack: for who wants to read it, as long as the pack is there.
    ///
    /// # Errors
    /// The database.
    pub fn find_excluded(&self, kind: Kind, id: &ChunkId) -> Result<Option<Location>, IndexError> {
        let _still = self.still();
        if self.state().set_aside.is_empty() {
            return Ok(None);
        }
        let store = self.store();
        for number in rows::candidates(&store.connection, prefix_of(id))? {
            let listed = self.state().set_aside.get(&number).filter(|pack| pack.summary.kind == kind).copied();
            let Some(listed) = listed else { continue };
            if let Some(record) = self.noted(&store, rows::pack(&store.connection, &listed))?
                && let Some(location) = PackRows::new(number, record).locate(id)
            {
                return Ok(Some(location));
            }
        }
        Ok(None)
    }

    /// The packs that a loaded index object lists; `None` if it is not loaded.
    ///
    /// # Errors
    /// The database.
    pub fn listed_by(&self, object: &IndexId) -> Result<Option<Vec<PackId>>, IndexError> {
        let store = self.store();
        let listed = self.noted(&store, rows::listing(&store.connection, object))?;
        Ok(listed.map(|packs| packs.iter().map(|pack| pack.summary.id).collect()))
    }

    /// The folder of the index, for scratch files beside it; `None` if it is in memory only.
    pub fn folder(&self) -> Option<PathBuf> {
        self.store().lock.folder().map(Path::to_path_buf)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use keepfast_repo_format::envelope::Kind;
    use keepfast_repo_format::id::PackId;

    use super::super::tests::{REPOSITORY, chunk, object, record};
    use super::{Holder, IndexError, LocalIndex};

    /// Packs 0 and 1 share chunk 5; chunk 4 of pack 2 has the prefix of chunk 5.
    fn filled() -> LocalIndex {
        let index = LocalIndex::in_memory(REPOSITORY).unwrap();
        index.retain(&HashSet::from([object(1), object(2)])).unwrap();
        let data = Kind::DataPack;
        index.load(object(1), &[record(0, data, &[1, 5]), record(1, data, &[5, 9])]).unwrap();
        index.load(object(2), &[record(2, data, &[4, 12])]).unwrap();
        index
    }

    #[test]
    fn a_chunk_with_the_same_prefix_does_not_pass_for_another_holder() {
        let index = filled();
        let others = |n: u8, c: u8| index.other_holders(&PackId([n; 32]), Kind::DataPack, &chunk(c)).unwrap();
        let plain = |n: u8| Holder { pack: PackId([n; 32]), is_plain: true };
        assert_eq!(LocalIndex::prefix(&chunk(4)), LocalIndex::prefix(&chunk(5)));
        assert_eq!(others(0, 5), [plain(1)]);
        assert_eq!(others(2, 4), []);
        assert_eq!(index.other_holders(&PackId([0; 32]), Kind::TreePack, &chunk(5)).unwrap(), []);
        index.exclude_packs(&HashSet::from([PackId([1; 32])]));
        assert_eq!(others(0, 5), []);
    }

    #[test]
    fn a_pack_is_found_by_its_name_also_when_it_has_another_number() {
        let index = filled();
        let id = PackId([2; 32]);
        let number = index.survey().iter().find(|pack| pack.summary.id == id).unwrap().number;
        // What is visible is read anew twice, because an object is gone the first time: rows that nothing lists go.
        let visible = HashSet::from([object(1), object(3)]);
        index.retain(&visible).unwrap();
        assert_eq!(index.record_of(&id).unwrap(), None);
        index.retain(&visible).unwrap();
        index.load(object(3), &[record(2, Kind::DataPack, &[4, 12])]).unwrap();
        assert_eq!(index.record(number).unwrap(), None);
        assert_eq!(index.record_of(&id).unwrap().unwrap().id, id);
        index.exclude_packs(&HashSet::from([id]));
        assert_eq!(index.record_of(&id).unwrap().unwrap().id, id);
    }

    #[test]
    fn rows_come_in_order_and_excluded_packs_can_still_be_read() {
        let index = filled();
        index.exclude_packs(&HashSet::from([PackId([1; 32])]));
        let mut rows = Vec::new();
        index
            .each_row::<IndexError>(|prefix, number| {
                rows.push((prefix, number));
                Ok(())
            })
            .unwrap();
        assert!(rows.len() == 6 && rows.is_sorted());
        let survey = index.survey();
        assert_eq!(survey.iter().map(|pack| (pack.summary.id.0[0], pack.chunks)).collect::<Vec<_>>().len(), 3);
        for pack in &survey {
            assert_eq!(index.record(pack.number).unwrap().unwrap().id, pack.summary.id);
        }
        assert!(index.find(Kind::DataPack, &chunk(9)).unwrap().is_none());
        assert_eq!(index.find_excluded(Kind::DataPack, &chunk(9)).unwrap().unwrap().pack.id, PackId([1; 32]));
        assert!(index.find_excluded(Kind::DataPack, &chunk(1)).unwrap().is_none());
        assert_eq!(index.listed_by(&object(2)).unwrap(), Some(vec![PackId([2; 32])]));
        assert_eq!(index.listed_by(&object(3)).unwrap(), None);
    }
}
