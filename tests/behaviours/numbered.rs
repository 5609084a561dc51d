// SPDX-License-Identifier: MIT OR Apache-2.0
//! The entries of a tree by their numbers, as a mount asks for them: each is found, and what is damaged costs itself alone.

use std::sync::Arc;

use keepfast_engine::tree::{Cursor, Direction, NodeCache, Numbered, Part};
use keepfast_repo_format::tree::entry::FileType;

use crate::support::forest::grow;
use crate::support::forge::{Forge, entry};
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, root};

#[test]
fn every_entry_of_a_tree_is_found_by_its_number_and_its_path() {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(6));
    grow(&sandbox.source(), &mut random, 700);
    sandbox.backup();
    let repository = sandbox.open();
    repository.history().unwrap();
    let (reader, root) = (repository.reader(), root(&sandbox.snapshots()[0]));
    let entries: Vec<_> =
        Cursor::new(reader.clone(), root, Direction::Forward).collect::<Result<_, _>>().expect("nothing is damaged");
    // With room for everything, and for one node at a time.
    for limit in [usize::MAX, 1] {
        let tree = Numbered::new(reader.clone(), root, Arc::new(NodeCache::new(limit)));
        for (number, entry) in (0..).zip(&entries) {
            assert_eq!(*tree.entry(number).unwrap().unwrap(), *entry);
            let (found, same) = tree.find(&entry.directory, &entry.name).unwrap().unwrap();
            assert_eq!((found, &*same), (number, entry));
            assert_eq!(tree.first_from(&entry.directory, &entry.name).unwrap(), number);
            let missing = [&entry.name[..], b"\x01"].concat();
            assert!(tree.find(&entry.directory, &missing).unwrap().is_none());
        }
        let end = entries.len() as u64;
        assert!(tree.entry(end).unwrap().is_none() && matches!(tree.part(end).unwrap(), Part::End));
    }
}

/// A snapshot of three leaves with two files each, of which these can not be read.
fn with_lost_leaves(lost: &[usize]) -> Sandbox {
    let sandbox = Sandbox::new();
    let mut forge = Forge::new(&sandbox);
    let mut leaves = Vec::new();
    for number in 0..3 {
        let names = ["a", "b"].map(|name| format!("{number}{name}"));
        let entries = names.map(|name| entry(b"", name.as_bytes(), FileType::File));
        let nothing = format!("no leaf {number}");
        leaves.push(match lost.contains(&number) {
            true => forge.leaf_of_bytes(&entries, nothing.as_bytes()),
            false => forge.leaf(&entries),
        });
    }
    let above = forge.above(&leaves.iter().collect::<Vec<_>>());
    forge.commit(&above);
    sandbox
}

#[test]
fn whoever_goes_from_number_to_number_comes_to_the_end_whichever_leaves_are_lost() {
    for lost in [vec![], vec![0], vec![1], vec![2], vec![0, 2], vec![0, 1, 2]] {
        let sandbox = with_lost_leaves(&lost);
        let repository = sandbox.open();
        repository.history().unwrap();
        let root = root(&sandbox.snapshots()[0]);
        let tree = Numbered::new(repository.reader(), root, Arc::new(NodeCache::new(usize::MAX)));
        let (mut place, mut found, mut gaps) = (0, 0, 0);
        loop {
            let before = place;
            match tree.part(place).unwrap() {
                Part::End => break,
                Part::Lost(end, _) => (place, gaps) = (end, gaps + 1),
                Part::Entries(entries) => entries.for_each(|_| (place, found) = (place + 1, found + 1)),
            }
            assert!(place > before, "nobody comes beyond {place} where {lost:?} are lost");
        }
        assert_eq!((place, found, gaps), (6, 6 - 2 * lost.len(), lost.len()), "{lost:?} are lost");
    }
}
