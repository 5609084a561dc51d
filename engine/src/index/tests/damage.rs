// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every way in which the index's file can be wrong: it says nothing wrong, and serves a later run again.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use keepfast_repo_format::envelope::Kind;
use proptest::prelude::{any, prop_assert_eq, proptest};
use proptest::test_runner::Config;
use tempfile::tempdir;

use super::{chunk, holds, object, open, pack, record, warm};
use crate::index::IndexError;

#[test]
fn a_file_whose_header_is_damaged_serves_the_next_run_again() {
    for (at, byte) in (0..100).flat_map(|at| [0, 1, 3, 0xff].map(|byte| (at, byte))) {
        let folder = tempdir().unwrap();
        drop(warm(folder.path()));
        let path = folder.path().join("index.sqlite");
        let mut file = fs::read(&path).unwrap();
        file[at] = byte;
        fs::write(&path, file).unwrap();
        let run = || {
            let index = open(folder.path());
            index.retain(&HashSet::from([object(2)]))?;
            index.load(object(2), &[record(2, Kind::DataPack, &[6])])?;
            Ok(holds(&index, 6))
        };
        let first = run();
        assert!(matches!(first, Ok(true) | Err(IndexError::Damaged { .. })), "byte {at} is {byte}: {first:?}");
        assert!(matches!(run(), Ok(true)), "byte {at} is {byte}");
    }
}

proptest! {
    #![proptest_config(Config { cases: 48, ..Config::default() })]

    #[test]
    fn a_file_that_was_changed_anywhere_says_nothing_wrong(at in any::<proptest::sample::Index>(), bytes in any::<[u8; 4]>()) {
        let folder = tempdir().unwrap();
        drop(warm(folder.path()));
        let path = folder.path().join("index.sqlite");
        let mut file = fs::read(&path).unwrap();
        let at = at.index(file.len() - 4);
        file[at..at + 4].copy_from_slice(&bytes);
        fs::write(&path, file).unwrap();
        let index = open(folder.path());
        let good = record(1, Kind::DataPack, &[1, 2, 3, 4, 5]);
        if index.retain(&HashSet::from([object(1)])).is_ok() {
            for c in 0..8 {
                if let Ok(Some(found)) = index.find(Kind::DataPack, &chunk(c)) {
                    prop_assert_eq!(&*found.pack, &good);
                }
            }
        }
    }
}

#[test]
fn unusable_files_are_made_anew() {
    type Damage = (&'static str, fn(&Path));
    let damages: [Damage; 7] = [
        ("garbage", |path| fs::write(path, vec![0xa5; 50_000]).unwrap()),
        ("empty", |path| fs::write(path, []).unwrap()),
        ("cut short", |path| fs::write(path, &fs::read(path).unwrap()[..5000]).unwrap()),
        ("cut within the header", |path| fs::write(path, &fs::read(path).unwrap()[..50]).unwrap()),
        ("another schema", |path| sql(path, "PRAGMA user_version = 99")),
        ("another program", |path| sql(path, "PRAGMA application_id = 5")),
        ("no table", |path| sql(path, "DROP TABLE chunks")),
    ];
    for (what, damage) in damages {
        let folder = tempdir().unwrap();
        drop(warm(folder.path()));
        damage(&folder.path().join("index.sqlite"));
        let (index, was_missing) = warm(folder.path());
        assert!(was_missing && holds(&index, 3), "{what}");
        drop(index);
        assert!(!warm(folder.path()).1, "{what}: kept from now on");
    }
}

pub(super) fn sql(path: &Path, sql: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn a_changed_row_is_damage_and_the_file_is_made_anew() {
    let folder = tempdir().unwrap();
    drop(warm(folder.path()));
    sql(&folder.path().join("index.sqlite"), "UPDATE directories SET record = zeroblob(90)");
    let (index, _) = warm(folder.path());
    assert!(index.find(Kind::DataPack, &chunk(3)).is_err());
    drop(index);
    let (index, was_missing) = warm(folder.path());
    assert!(was_missing && holds(&index, 3));
}

#[test]
fn a_changed_list_of_packs_makes_none_of_them_visible() {
    let folder = tempdir().unwrap();
    let index = open(folder.path());
    index.load(object(1), &[pack(1)]).unwrap();
    index.load(object(2), &[pack(2)]).unwrap();
    sql(&folder.path().join("index.sqlite"), "INSERT INTO listings VALUES(1, 2)");
    assert_eq!(index.retain(&HashSet::from([object(1)])).unwrap(), [object(1)]);
    assert!(index.packs().is_empty());
}

#[test]
fn a_distrusted_index_is_made_anew() {
    let folder = tempdir().unwrap();
    let (index, _) = warm(folder.path());
    index.distrust();
    drop(index);
    assert!(warm(folder.path()).1);
}
