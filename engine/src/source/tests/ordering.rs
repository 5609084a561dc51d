// SPDX-License-Identifier: MIT OR Apache-2.0
//! The walk gives exactly what is there, in the order of the tree.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use proptest::prelude::*;

use super::{make, options, see, within};
use crate::source::{Completer, Found, SourceFile, Walk, Walked, walk};

/// The order as the format page says it: `/` as a byte below every other, then the name.
fn key(directory: &[u8], name: &[u8]) -> (Vec<u16>, Vec<u8>) {
    let rank = |byte: &u8| if *byte == b'/' { 0 } else { u16::from(*byte) + 1 };
    (directory.iter().map(rank).collect(), name.to_vec())
}

fn naive(folder: &Path, directory: &[u8], into: &mut Vec<(Vec<u8>, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().as_bytes().to_vec();
        into.push((directory.to_vec(), name.clone()));
        if entry.file_type().unwrap().is_dir() {
            let below = if directory.is_empty() { name } else { [directory, b"/", &name].concat() };
            naive(&entry.path(), &below, into);
        }
    }
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::sample::select(vec!["a", "a-b", "a b", "a.b", "ab", "b", "A", "a!", "a0", "~", "\u{e9}"])
            .prop_map(|name| name.as_bytes().to_vec()),
        1 => prop::collection::vec(1_u8..=255, 1..6).prop_map(|mut bytes| {
            bytes.iter_mut().filter(|byte| **byte == b'/').for_each(|byte| *byte = 0xff);
            bytes.push(0xfe);
            bytes
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_walk_is_the_sorted_recursive_listing(
        paths in prop::collection::vec((prop::collection::vec(name(), 1..6), any::<bool>()), 0..40),
        threads in 0_usize..4,
    ) {
        let temporary = tempfile::tempdir().unwrap();
        for (names, is_folder) in &paths {
            let path = names.iter().fold(temporary.path().to_owned(), |path, name| path.join(OsStr::from_bytes(name)));
            // Some of these fail, because a file is in the way of a folder: what is there is what counts.
            if *is_folder {
                let _ = std::fs::create_dir_all(path);
            } else if std::fs::create_dir_all(path.parent().unwrap()).is_ok() {
                let _ = std::fs::write(path, b"x");
            }
        }
        let mut expected = vec![(Vec::new(), Vec::new())];
        naive(temporary.path(), b"", &mut expected);
        expected.sort_by_key(|(directory, name)| key(directory, name));
        let mut options = options(&["."]);
        options.threads = threads;
        let seen = see(&options, temporary.path());
        let found: Vec<_> = seen.found.iter().map(|found| (found.directory.to_vec(), found.name.clone())).collect();
        prop_assert_eq!(found, expected);
        prop_assert!(seen.problems.is_empty());
    }

    #[test]
    fn named_paths_in_any_order_and_number_give_one_ascending_walk(
        named in prop::collection::vec(prop::sample::select(vec![
            ".", "a", "a/", "a/b", "a/b/c", "a-b", "a/x/../b", "./a.b/d", "d/e/f", "d/e/f/g", "./", "d/../d/e",
        ]), 1..6),
    ) {
        let temporary = tempfile::tempdir().unwrap();
        make(temporary.path(), &["a/b/c/1", "a/b/2", "a/x/3", "a-b/4", "a.b/d/5", "d/e/f/g/6", "d/e/7", "8"]);
        let seen = see(&options(&named), temporary.path());
        let keys: Vec<_> = seen.found.iter().map(|found| key(&found.directory, &found.name)).collect();
        prop_assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", seen.paths());
        prop_assert!(seen.problems.is_empty());
        // Every named path alone is a part of all together, and nothing else is there.
        let alone: BTreeSet<String> =
            named.iter().flat_map(|path| see(&options(&[path]), temporary.path()).paths()).collect();
        let together: BTreeSet<String> = seen.paths().into_iter().collect();
        prop_assert_eq!(together, alone);
    }
}

#[test]
fn a_folder_of_20_000_entries_is_complete_and_sorted() {
    let temporary = tempfile::tempdir().unwrap();
    for number in 0..20_000 {
        std::fs::write(temporary.path().join(format!("{number}")), b"").unwrap();
    }
    let seen = see(&options(&["."]), temporary.path());
    assert_eq!(seen.found.len(), 20_001);
    assert!(seen.found.windows(2).all(|pair| pair[0].name < pair[1].name));
}

#[test]
fn more_entries_than_the_look_ahead_come_through_in_order() {
    let temporary = tempfile::tempdir().unwrap();
    for folder in 0..40 {
        let folder = temporary.path().join(format!("{folder}"));
        std::fs::create_dir(&folder).unwrap();
        for number in 0..1000 {
            std::fs::hard_link(first_file(temporary.path()), folder.join(format!("{number}"))).unwrap();
        }
    }
    let mut keys = Vec::new();
    for walked in walk(&within(&options(&["."]), temporary.path())).unwrap() {
        let Walked::Found(found) = walked else { panic!("no problem is expected") };
        keys.push(key(&found.directory, &found.name));
        if keys.len() == 100 {
            // The helpers fill the look-ahead and wait.
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
    assert_eq!(keys.len(), 40_042);
    assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
}

fn first_file(folder: &Path) -> std::path::PathBuf {
    let file = folder.join("file");
    if !file.exists() {
        std::fs::write(&file, b"").unwrap();
    }
    file
}

#[test]
fn a_walk_may_move_between_threads_and_what_it_found_may_be_shared() {
    fn moves<T: Send>() {}
    fn is_shared<T: Send + Sync>() {}
    moves::<Walk>();
    is_shared::<Found>();
    is_shared::<SourceFile>();
    is_shared::<Completer>();
}

#[test]
fn a_dropped_walk_ends_its_threads() {
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), &["a/1", "b/2", "c/3", "d/e/f/4"]);
    for taken in 0..6 {
        let mut walk = walk(&within(&options(&["."]), temporary.path())).unwrap();
        assert_eq!(walk.by_ref().take(taken).count(), taken);
        drop(walk);
    }
}
