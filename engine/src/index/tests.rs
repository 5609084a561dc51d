// SPDX-License-Identifier: MIT OR Apache-2.0
//! The local index against a naive model, its handles beside each other, and its file when something is wrong with it.

mod damage;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use keepfast_repo_format::directory::{ChunkRow, Directory, SegmentRow};
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{ChunkId, IndexId, PackId, RepositoryId, SessionId};
use keepfast_repo_format::keys::KeyRow;
use keepfast_repo_format::pack::PackRecord;
use keepfast_repo_format::segment::{Codec, OVERHEAD};
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::{Config, TestCaseError};
use tempfile::tempdir;

use super::{LocalIndex, database};

pub(super) const REPOSITORY: RepositoryId = RepositoryId([7; 16]);

/// Chunks come in pairs with the same prefix.
pub(super) fn chunk(n: u8) -> ChunkId {
    let mut id = *blake3::hash(&[n / 2]).as_bytes();
    id[31] = n;
    ChunkId(id)
}

pub(super) fn object(n: u8) -> IndexId {
    IndexId([n; 32])
}

pub(super) fn record(n: u8, kind: Kind, chunks: &[u8]) -> PackRecord {
    let length = |c: u8| u32::from(c) + 1;
    let row = |c: &u8| ChunkRow { id: chunk(*c), length: length(*c) };
    let mut segments = Vec::new();
    for (number, part) in (0..).zip(chunks.chunks(3)) {
        let plain_len = part.iter().map(|c| length(*c)).sum();
        segments.push(segment_row(64 + number * 1000, plain_len, u32::try_from(part.len()).unwrap()));
    }
    let directory = Directory { segments, chunks: chunks.iter().map(row).collect(), edges: Vec::new() };
    let keys = vec![KeyRow::new([n; 32], [2; 32])];
    PackRecord { id: PackId([n; 32]), length: 1 << 20, kind, session: SessionId([n; 16]), keys, directory }
}

fn segment_row(offset: u32, plain_len: u32, chunks: u32) -> SegmentRow {
    let stored_len = plain_len + u32::try_from(OVERHEAD).unwrap();
    SegmentRow { offset, stored_len, plain_len, codec: Codec::Raw, key_row: 0, chunks, edges: 0 }
}

/// Pack `n` always has the same content: its name is a hash.
fn pack(n: u8) -> PackRecord {
    let chunks: Vec<u8> = (0..40).filter(|c| (u32::from(*c) * 7 + u32::from(n) * 5) % 11 < 3).collect();
    record(n, if n % 4 == 3 { Kind::TreePack } else { Kind::DataPack }, &chunks)
}

fn open(folder: &Path) -> LocalIndex {
    LocalIndex::open(folder, REPOSITORY).unwrap()
}

fn holds(index: &LocalIndex, c: u8) -> bool {
    index.find(Kind::DataPack, &chunk(c)).unwrap().is_some()
}

/// Opens, says that object 1 is visible, and loads it if it is missing; whether it was.
fn warm(folder: &Path) -> (LocalIndex, bool) {
    let index = open(folder);
    let missing = index.retain(&HashSet::from([object(1)])).unwrap();
    if !missing.is_empty() {
        index.load(object(1), &[record(1, Kind::DataPack, &[1, 2, 3, 4, 5])]).unwrap();
    }
    (index, !missing.is_empty())
}

#[derive(Clone, Debug)]
enum Step {
    Load(u8, Vec<u8>),
    Retain(HashSet<u8>),
    Exclude(u8),
    Reopen,
    /// Another handle looks, with another view, and stays until the next one.
    Other(HashSet<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let packs = proptest::collection::vec(0..12_u8, 0..4);
    let objects = || proptest::collection::hash_set(0..6_u8, 0..6);
    let step = prop_oneof![
        4 => (0..6_u8, packs).prop_map(|(object, packs)| Step::Load(object, packs)),
        2 => objects().prop_map(Step::Retain),
        1 => (0..12_u8).prop_map(Step::Exclude),
        1 => Just(Step::Reopen),
        1 => objects().prop_map(Step::Other),
    ];
    proptest::collection::vec(step, 1..25)
}

/// What the index must know: an object's rows count while it is visible.
#[derive(Default)]
struct Model {
    visible: BTreeMap<u8, Vec<u8>>,
    excluded: HashSet<u8>,
}

impl Model {
    fn usable(&self) -> HashSet<u8> {
        self.visible.values().flatten().copied().filter(|pack| !self.excluded.contains(pack)).collect()
    }

    fn compare(&self, index: &LocalIndex) -> Result<(), TestCaseError> {
        let usable = self.usable();
        for (kind, c) in (0..41).flat_map(|c| [(Kind::DataPack, c), (Kind::TreePack, c)]) {
            let holds =
                |n: &u8| pack(*n).kind == kind && pack(*n).directory.chunks.iter().any(|row| row.id == chunk(c));
            let found = index.find(kind, &chunk(c)).unwrap();
            prop_assert_eq!(found.is_some(), usable.iter().any(holds), "chunk {}", c);
            let Some(found) = found else { continue };
            let n = found.pack.id.0[0];
            prop_assert_eq!(usable.contains(&n) && holds(&n), true);
            prop_assert_eq!(&*found.pack, &pack(n));
            let rows = &found.pack.directory.chunks;
            let at = rows.iter().position(|row| row.id == chunk(c)).unwrap();
            prop_assert_eq!(found.segment as usize, at / 3);
            prop_assert_eq!(found.offset, rows[at / 3 * 3..at].iter().map(|row| row.length).sum::<u32>());
            prop_assert_eq!(found.length, rows[at].length);
        }
        let packs: HashSet<u8> = index.packs().iter().map(|pack| pack.id.0[0]).collect();
        prop_assert_eq!(&packs, &usable);
        for n in 0..12 {
            let found = index.pack(&PackId([n; 32])).unwrap();
            prop_assert_eq!(found.map(|pack| (*pack).clone()), usable.contains(&n).then(|| pack(n)));
        }
        Ok(())
    }
}

fn run(steps: Vec<Step>, recent_bytes: usize) -> Result<(), TestCaseError> {
    let folder = tempdir().unwrap();
    let reopen = || {
        let (connection, lock) = database::open(&database::INDEX, folder.path(), REPOSITORY).unwrap();
        LocalIndex::with_limit(connection, lock, recent_bytes)
    };
    let (mut index, mut model, mut loaded) = (reopen(), Model::default(), BTreeMap::<u8, Vec<u8>>::new());
    let mut _other = None;
    for step in steps {
        match step {
            // An object is immutable: what it listed first, it lists for ever.
            Step::Load(n, packs) => {
                let packs = loaded.entry(n).or_insert(packs).clone();
                let records: Vec<_> = packs.iter().map(|n| pack(*n)).collect();
                index.load(object(n), &records).unwrap();
                model.visible.insert(n, packs);
            }
            Step::Retain(wanted) => {
                let missing = index.retain(&wanted.iter().map(|n| object(*n)).collect()).unwrap();
                let missing: HashSet<u8> = missing.iter().map(|object| object.0[0]).collect();
                let here = index.loaded().unwrap();
                prop_assert_eq!(wanted.iter().all(|n| missing.contains(n) != here.contains(&object(*n))), true);
                // What was visible before and stays so was never missing.
                prop_assert_eq!(model.visible.keys().any(|n| missing.contains(n)), false);
                let present = wanted.difference(&missing);
                model.visible = present.map(|n| (*n, loaded[n].clone())).collect();
            }
            Step::Exclude(n) => {
                index.exclude_packs(&HashSet::from([PackId([n; 32])]));
                model.excluded.insert(n);
            }
            Step::Reopen => {
                drop(index);
                index = reopen();
                model = Model::default();
            }
            Step::Other(wanted) => {
                let other = reopen();
                other.retain(&wanted.iter().map(|n| object(*n)).collect()).unwrap();
                _other = Some(other);
            }
        }
        model.compare(&index)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(Config { cases: 48, ..Config::default() })]

    #[test]
    fn look_ups_agree_with_a_naive_map(steps in steps(), tiny in any::<bool>()) {
        // 1 byte: one pack at a time, so that every look-up evicts.
        run(steps, if tiny { 1 } else { 1 << 20 })?;
    }
}

#[test]
fn a_reopened_index_finds_again_once_it_is_told_what_is_visible() {
    let folder = tempdir().unwrap();
    assert!(warm(folder.path()).1);
    let index = open(folder.path());
    assert!(!holds(&index, 3), "nobody said that object 1 is visible");
    assert_eq!(index.loaded().unwrap(), HashSet::from([object(1)]));
    assert!(index.retain(&HashSet::from([object(1)])).unwrap().is_empty());
    assert!(holds(&index, 3));
}

#[test]
fn a_file_of_another_repository_is_made_anew() {
    let folder = tempdir().unwrap();
    drop(warm(folder.path()));
    let other = LocalIndex::open(folder.path(), RepositoryId([8; 16])).unwrap();
    assert!(other.loaded().unwrap().is_empty());
}

#[test]
fn a_file_that_somebody_stands_on_is_not_removed() {
    let folder = tempdir().unwrap();
    let (first, _) = warm(folder.path());
    let other = LocalIndex::open(folder.path(), RepositoryId([8; 16])).unwrap();
    other.load(object(2), &[record(2, Kind::DataPack, &[9])]).unwrap();
    assert!(holds(&other, 9) && holds(&first, 3));
    drop((first, other));
    assert!(!warm(folder.path()).1);
}

#[test]
fn two_handles_share_a_file_and_keep_their_own_views() {
    let folder = tempdir().unwrap();
    let (first, _) = warm(folder.path());
    let second = open(folder.path());
    assert_eq!(second.retain(&HashSet::from([object(2)])).unwrap(), [object(2)]);
    std::thread::scope(|scope| {
        scope.spawn(|| (0..50).for_each(|n| first.load(object(n + 100), &[pack(1)]).unwrap()));
        scope.spawn(|| (0..50).for_each(|n| second.load(object(n + 160), &[pack(2)]).unwrap()));
    });
    assert!(holds(&first, 3), "the other handle's view takes nothing away from this one");
    assert_eq!(second.packs().len(), 1);
    assert_eq!(second.loaded().unwrap().len(), 101);
}

#[test]
fn a_new_generation_takes_over_the_rows_of_the_old_one() {
    let folder = tempdir().unwrap();
    let (index, _) = warm(folder.path());
    assert_eq!(index.retain(&HashSet::from([object(9)])).unwrap(), [object(9)]);
    assert!(!holds(&index, 3));
    index.load(object(9), &[record(1, Kind::DataPack, &[1, 2, 3, 4, 5])]).unwrap();
    assert!(holds(&index, 3));
    let count = |table: &str| -> i64 {
        let connection = rusqlite::Connection::open(folder.path().join("index.sqlite")).unwrap();
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    // Chunks 2 and 3, and 4 and 5, have the same prefix.
    assert_eq!((count("packs"), count("chunks")), (1, 3));
    // Left over once, gone the next time.
    index.retain(&HashSet::new()).unwrap();
    index.retain(&HashSet::new()).unwrap();
    assert_eq!(["objects", "packs", "directories", "chunks"].map(count), [0; 4]);
}

#[test]
fn the_filter_hides_nothing_that_is_loaded_before_or_after_it_is_built() {
    let index = LocalIndex::in_memory(REPOSITORY).unwrap();
    index.load(object(1), &[record(1, Kind::DataPack, &[1, 2, 3])]).unwrap();
    (0..2000).for_each(|_| assert!(!holds(&index, 77)));
    assert!(index.state().filter.is_some());
    assert!(holds(&index, 3) && !holds(&index, 77));
    index.load(object(2), &[record(2, Kind::DataPack, &[77])]).unwrap();
    assert!(holds(&index, 77));
}

#[test]
fn look_ups_from_many_threads_agree() {
    let folder = tempdir().unwrap();
    let (connection, lock) = database::open(&database::INDEX, folder.path(), REPOSITORY).unwrap();
    let index = LocalIndex::with_limit(connection, lock, 6000);
    let mut model = Model::default();
    for n in 0..12 {
        index.load(object(n), &[pack(n)]).unwrap();
        model.visible.insert(n, vec![n]);
    }
    std::thread::scope(|scope| {
        (0..4).for_each(|_| drop(scope.spawn(|| (0..5).for_each(|_| model.compare(&index).unwrap()))));
    });
}

#[test]
fn cached_objects_are_found_again_until_they_are_forgotten() {
    let folder = tempdir().unwrap();
    let index = open(folder.path());
    for (name, bytes) in [("log/a/0", &b"one"[..]), ("log/a/1", b""), ("log/b/0", b"three"), ("gen/0", &[0; 100_000])] {
        index.cache(name, bytes).unwrap();
    }
    drop(index);
    let index = open(folder.path());
    assert_eq!(index.cached("log/a/0").unwrap().unwrap(), b"one");
    assert_eq!(index.cached("log/a/1").unwrap().unwrap(), b"");
    assert_eq!(index.cached("gen/0").unwrap().unwrap().len(), 100_000);
    assert_eq!(index.cached("log/c").unwrap(), None);
    assert_eq!(index.cached_names("log/a/").unwrap(), ["log/a/0", "log/a/1"]);
    index.forget_cached("log/a/0").unwrap();
    assert_eq!(index.cached("log/a/0").unwrap(), None);
    damage::sql(&folder.path().join("index.sqlite"), "UPDATE cached SET bytes = x'00'");
    assert_eq!(index.cached("log/b/0").unwrap(), None, "bytes that do not have their hash are no bytes");
}

#[test]
fn only_the_owner_can_read_the_folder() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a/b");
    drop(open(&path));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&path.join("index.sqlite"))), (0o700, 0o600));
}
