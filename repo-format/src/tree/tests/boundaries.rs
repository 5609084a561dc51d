// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where nodes end: by key and not by history, within the limits, and about as often as the target says.

use proptest::prelude::*;

use crate::id::ChunkId;
use crate::tree::boundary::{ListCutter, NodeCutter, child_weight, entry_weight, link_group};
use crate::tree::entry::ContentItem;
use crate::tree::inner::Child;
use crate::tree::samples;

const KEY: [u8; 32] = [42; 32];

fn names(count: u32) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(|number| format!("name-{number:08}").into_bytes())
}

/// Numbers of the names after which a node ends.
fn ends(target: u32, names: impl Iterator<Item = Vec<u8>>, weight: u32) -> Vec<Vec<u8>> {
    let mut cutter = NodeCutter::new(&KEY, target);
    names.filter(|name| cutter.ends_after(0, b"some/folder", name, weight)).collect()
}

#[test]
fn nodes_are_seldom_shorter_than_the_target_and_never_than_half_of_it() {
    let found = ends(64, names(64_000), 60).len();
    assert!((750..1000).contains(&found), "{found}");
    let mut cutter = NodeCutter::new(&KEY, 64);
    let mut run = 0;
    for name in names(64_000) {
        run += 1;
        if cutter.ends_after(0, b"", &name, 1) {
            assert!((32..=512).contains(&run), "{run}");
            run = 0;
        }
    }
}

#[test]
fn a_node_ends_at_eight_targets_and_at_256_kib_whatever_the_keys() {
    // With this target no hash ends a node in practice.
    let mut by_weight = NodeCutter::new(&KEY, 1 << 28);
    let found: Vec<usize> =
        names(30).enumerate().filter(|(_, name)| by_weight.ends_after(0, b"", name, 32 << 10)).map(|at| at.0).collect();
    assert_eq!(found, [7, 15, 23]);
    let mut by_count = NodeCutter::new(&KEY, 1 << 12);
    let longest = (0..200_000_u32).map(|_| by_count.ends_after(0, b"", b"the same name", 1)).position(|ended| ended);
    assert_eq!(longest, Some(8 * 4096 - 1));
}

#[test]
fn an_added_entry_changes_only_the_nodes_around_it() {
    let all = || names(20_000);
    let added = || all().chain([b"name-00010000x".to_vec()]);
    let mut sorted: Vec<Vec<u8>> = added().collect();
    sorted.sort();
    let after = ends(64, sorted.into_iter(), 60);
    let before = ends(64, all(), 60);
    let moved = before.iter().filter(|name| !after.contains(name)).count();
    assert!(moved <= 3, "{moved} of {} nodes end elsewhere", before.len());
}

#[test]
fn levels_and_directories_have_boundaries_of_their_own() {
    let ended = |level, directory: &[u8]| {
        let mut cutter = NodeCutter::new(&KEY, 8);
        names(200).map(|name| cutter.ends_after(level, directory, &name, 1)).collect::<Vec<_>>()
    };
    assert_eq!(ended(0, b"a"), ended(0, b"a"));
    assert_ne!(ended(0, b"a"), ended(1, b"a"));
    assert_ne!(ended(0, b"a"), ended(0, b"b"));
}

#[test]
fn list_nodes_end_by_id_and_at_4096_items() {
    let item = |first: u64| {
        let mut id = [7; 32];
        id[..8].copy_from_slice(&first.to_le_bytes());
        ContentItem { length: 1, id: Some(ChunkId(id)) }
    };
    let mut cutter = ListCutter::new();
    assert!(cutter.ends_after(&item(512)) && cutter.ends_after(&item(0)) && !cutter.ends_after(&item(511)));
    let hole = ContentItem { length: 1, id: None };
    assert_eq!((0..10_000).position(|_| cutter.ends_after(&hole)), Some(4094));
}

proptest! {
    #[test]
    fn weights_are_those_of_the_rule(entries in samples::entries(1..10)) {
        for entry in entries {
            let xattrs: usize = entry.metadata.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
            let strings = entry.directory.len() + entry.name.len() + entry.metadata.target.len() + xattrs;
            let recipes: usize = entry.layers.iter().map(|layer| layer.recipe.items.len()).sum();
            let items = entry.content.items.len() + recipes;
            prop_assert_eq!(entry_weight(&entry) as usize, 40 + strings + 40 * items);
        }
    }
}

#[test]
fn a_child_weighs_its_key() {
    let id = ChunkId([0; 32]);
    let child = Child { last_directory: b"ab".to_vec(), last_name: b"c".to_vec(), entries: 1, bytes: 1, id };
    assert_eq!(child_weight(&child), 43);
}

#[test]
fn boundaries_and_link_groups_are_the_same_for_ever() {
    let hash = |message: &[u8]| {
        let hash = blake3::keyed_hash(&KEY, message);
        u64::from_le_bytes(*hash.as_bytes().first_chunk().unwrap())
    };
    let mut count = 0;
    let by_rule = names(500).filter(|name| {
        count += 1;
        let hash = hash(&[b"\0some/folder/", &name[..]].concat());
        let ends = count >= 16 && hash.is_multiple_of(4) || (8..16).contains(&count) && hash.is_multiple_of(64);
        if ends {
            count = 0;
        }
        ends
    });
    assert_eq!(ends(16, names(500), 60), by_rule.collect::<Vec<_>>());
    assert_eq!(link_group(&KEY, b"a/b"), hash(b"linka/b"));
}
