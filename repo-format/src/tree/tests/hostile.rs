// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nodes that someone with the keys could write and no correct program does: each is refused for its own reason.

use std::sync::Arc;

use super::vectors::typical;
use crate::error::FormatError;
use crate::id::ChunkId;
use crate::tree::entry::{Content, ContentItem, Entry, FileType, Layer, Marks};
use crate::tree::inner::Child;
use crate::tree::{inner, leaf, list};

/// The reason for which a leaf with one thing changed is refused.
fn refused(change: impl FnOnce(&mut Vec<Entry>)) -> String {
    let mut entries = typical(6, 3);
    change(&mut entries);
    leaf::decode(&leaf::encode(&entries)).expect_err("it is not valid").to_string()
}

fn malformed(what: &str, why: &str) -> String {
    format!("{what} is not well formed: {why}")
}

#[test]
fn entries_out_of_order_are_refused() {
    assert_eq!(refused(|entries| entries.swap(0, 1)), malformed("leaf", "its names are not in order"));
    assert_eq!(refused(|entries| entries.rotate_left(3)), malformed("leaf", "its directories are not in order"));
    let twice = refused(|entries| entries[1] = entries[0].clone());
    assert_eq!(twice, malformed("leaf", "its names are not in order"));
    let parted = refused(|entries| entries.swap(2, 4));
    assert_eq!(parted, malformed("leaf", "its directories are not in order"));
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    for name in [&b""[..], b".", b"..", b"a/b", b"a\0"] {
        assert_eq!(refused(|entries| entries[0].name = name.to_vec()), malformed("leaf", "a name is not valid"));
    }
    for directory in [&b".."[..], b"/", b"a/", b"a//b", b"."] {
        let why = refused(|entries| {
            entries.truncate(1);
            entries[0].directory = Arc::from(directory);
        });
        assert_eq!(why, malformed("leaf", "a directory is not a valid path"));
    }
    let top_file = refused(|entries| {
        entries.truncate(1);
        (entries[0].directory, entries[0].name) = (Arc::from(&b""[..]), Vec::new());
    });
    assert_eq!(top_file, malformed("leaf", "the top folder is not a directory"));
}

#[test]
fn attributes_longer_than_the_format_says_are_refused() {
    let with = |name: usize, value: usize| {
        refused(|entries| entries[3].metadata.xattrs = Arc::new(vec![(vec![b'a'; name], vec![0; value])]))
    };
    assert!(with(256, 1).starts_with("length of an xattr name is 256,"), "{}", with(256, 1));
    assert!(with(0, 1).starts_with("length of an xattr name is 0,"));
    let value = (16 << 20) + 1;
    assert!(with(255, value).starts_with(&format!("length of an xattr value is {value},")));
    let mut longest = typical(6, 3);
    longest[3].metadata.xattrs = Arc::new(vec![(vec![b'a'; 255], vec![0; 16 << 20])]);
    assert_eq!(leaf::decode(&leaf::encode(&longest)).unwrap(), longest);
}

#[test]
fn values_out_of_range_are_refused() {
    assert!(refused(|entries| entries[3].metadata.mode = 0o10000).starts_with("mode is 4096,"));
    assert!(refused(|entries| entries[3].metadata.modified.nanos = 1_000_000_000).starts_with("nanoseconds is"));
    assert!(refused(|entries| entries[3].metadata.changed.nanos = 1_000_000_000).starts_with("nanoseconds is"));
    let born = refused(|entries| {
        let mut born = entries[3].metadata.changed;
        born.nanos = 1_000_000_000;
        entries[3].metadata.born = Some(born);
    });
    assert!(born.starts_with("nanoseconds is"));
    let no_pairs = refused(|entries| {
        let pair = (b"a".to_vec(), Vec::new());
        entries[0].metadata.xattrs = Arc::new(vec![pair.clone(), pair]);
    });
    assert_eq!(no_pairs, malformed("leaf", "xattrs are not in order"));
}

#[test]
fn content_that_does_not_add_up_is_refused() {
    let sum = malformed("content", "it does not add up to the size of its file");
    assert_eq!(refused(|entries| entries[0].metadata.size += 1), sum);
    assert_eq!(refused(|entries| entries[0].content.items.clear()), sum);
    let height = |height| move |entries: &mut Vec<Entry>| entries[0].content.height = height;
    assert!(refused(height(16)).starts_with("height of content is 16"));
    let hole = |entries: &mut Vec<Entry>| {
        entries[0].content.height = 1;
        entries[0].content.items[0].id = None;
    };
    assert_eq!(refused(hole), malformed("content", "a hole stands above height 0"));
    let empty = |entries: &mut Vec<Entry>| entries[0].content.items[0].length = 0;
    assert_eq!(refused(empty), malformed("content", "an item covers no bytes"));
    let long = |entries: &mut Vec<Entry>| entries[0].content.items[0].length = (16 << 20) + 1;
    assert!(refused(long).starts_with("length of a chunk is 16777217"));
    let many = |entries: &mut Vec<Entry>| entries[0].content.items = vec![ContentItem { length: 1, id: None }; 33];
    assert!(refused(many).starts_with("items of an entry is 33"));
    let sum_too_large = |entries: &mut Vec<Entry>| {
        entries[0].content.items = vec![ContentItem { length: i64::MAX as u64, id: None }; 3];
    };
    assert!(refused(sum_too_large).starts_with("bytes of content is"));
    let nothing_inside = |entries: &mut Vec<Entry>| {
        (entries[0].metadata.size, entries[0].content.height) = (0, 1);
        entries[0].content.items.clear();
    };
    assert_eq!(refused(nothing_inside), malformed("content", "it has a height and no items"));
}

/// A leaf with one entry of which nothing is known but its name, as bytes.
fn smallest() -> Vec<u8> {
    let keys = [&[0, 1, 1, 1, 0][..], &[1, b'x']].concat();
    let type_marks_owner = [4, 0, 1, 0, 0, 0, 0, 0];
    let mode_times_inode_flags_xattrs = [0; 9];
    [&keys[..], &type_marks_owner, &mode_times_inode_flags_xattrs].concat()
}

#[test]
fn the_smallest_leaf_is_accepted_and_each_wrong_byte_in_it_is_refused() {
    let node = smallest();
    let entries = leaf::decode(&node).unwrap();
    assert_eq!((entries.len(), entries[0].metadata.file_type, entries[0].marks), (1, FileType::Fifo, Marks(0)));
    let with = |at: usize, byte: u8| {
        let mut node = smallest();
        node[at] = byte;
        leaf::decode(&node)
    };
    // Level, entries, directories, entries of it; type, marks, owners, row of the owner, xattr sets, row of the set.
    for (at, byte) in [(0, 1), (1, 0), (1, 2), (2, 0), (2, 2), (3, 0), (3, 2), (7, 0), (7, 8), (8, 64), (8, 128)] {
        assert!(with(at, byte).is_err(), "byte {at} as {byte}");
    }
    for (at, byte) in [(9, 0), (9, 2), (14, 1), (22, 1), (23, 1)] {
        assert!(with(at, byte).is_err(), "byte {at} as {byte}");
    }
}

#[test]
fn marks_that_only_the_stored_form_has_are_not_stored_from_an_entry() {
    let mut entries = typical(1, 1);
    entries[0].marks = Marks(255);
    assert_eq!(leaf::decode(&leaf::encode(&entries)).unwrap()[0].marks, Marks(35));
}

fn child(directory: &[u8], name: &[u8]) -> Child {
    let (last_directory, last_name) = (directory.to_vec(), name.to_vec());
    Child { last_directory, last_name, entries: 1, bytes: 0, id: ChunkId([1; 32]) }
}

#[test]
fn hostile_inner_nodes_are_refused() {
    let refused = |level, children: &[Child]| inner::decode(&inner::encode(level, children)).is_err();
    let good = [child(b"a", b"b"), child(b"a/b", b"a")];
    assert!(!refused(1, &good) && !refused(15, &good));
    assert!(refused(0, &good) && refused(16, &good) && refused(1, &[]));
    assert!(refused(1, &[good[1].clone(), good[0].clone()]) && refused(1, &[good[0].clone(), good[0].clone()]));
    assert!(refused(1, &[child(b"..", b"b")]) && refused(1, &[child(b"a", b"")]));
    assert!(refused(1, &[Child { entries: 0, ..child(b"a", b"b") }]));
    let [mut one, mut other] = good;
    (one.entries, other.entries) = (u64::MAX, 1);
    assert!(refused(1, &[one, other]));
}

#[test]
fn hostile_list_nodes_are_refused() {
    let refused = |level, items: &[ContentItem]| list::decode(&list::encode(level, items)).is_err();
    let chunk = |length| ContentItem { length, id: Some(ChunkId([1; 32])) };
    let hole = |length| ContentItem { length, id: None };
    assert!(!refused(0, &[chunk(16 << 20), hole(1 << 50)]) && !refused(1, &[chunk(1 << 50)]));
    assert!(refused(0, &[]) && refused(16, &[chunk(1)]) && refused(1, &[hole(1)]) && refused(0, &[chunk(0)]));
    assert!(refused(0, &[chunk((16 << 20) + 1)]) && refused(0, &[hole(i64::MAX as u64), hole(1)]));
    assert!(matches!(list::decode(&[0, 0, 1]), Err(FormatError::Malformed { .. })));
}

#[test]
fn layers_that_no_wrapped_file_has_are_refused() {
    let recipe = |id| Content { height: 0, items: vec![ContentItem { length: 5, id }] };
    let layer = |length, id| Layer { length, recipe: recipe(id) };
    let id = Some(ChunkId([3; 32]));
    let with = |layers: Vec<Layer>| refused(|entries| entries[0].layers = layers);
    let size = typical(6, 3)[0].metadata.size;
    assert_eq!(with(vec![layer(size, None)]), malformed("recipe", "it has a hole"));
    assert_eq!(with(vec![layer(size + 1, id)]), malformed("content", "it does not add up to the size of its file"));
    assert!(with(vec![layer(size, id); 4]).starts_with("layers of a file is 4,"));
    let empty = Layer { length: size, recipe: Content::default() };
    assert!(with(vec![empty, layer(size, id)]).starts_with("items of an entry is 0,"));
    let folder = refused(|entries| {
        entries[0].metadata.file_type = FileType::Directory;
        entries[0].layers = vec![layer(size, id)];
    });
    assert_eq!(folder, malformed("leaf", "what is no file is wrapped"));
}

#[test]
fn a_leaf_of_wrapped_files_cut_short_anywhere_is_refused() {
    let mut entries = typical(6, 3);
    let recipe = Content { height: 0, items: vec![ContentItem { length: 5, id: Some(ChunkId([3; 32])) }] };
    for entry in &mut entries[..3] {
        entry.layers = vec![Layer { length: entry.metadata.size, recipe: recipe.clone() }; 2];
    }
    let bytes = leaf::encode(&entries);
    assert_eq!(leaf::decode(&bytes).unwrap(), entries);
    assert!((0..bytes.len()).all(|cut| leaf::decode(&bytes[..cut]).is_err()));
}
