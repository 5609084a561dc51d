// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hostile trees: nodes that lie about what is below them, stand at the wrong level, or refer to one node again and again. A reader
//! takes nothing on a parent's word, does bounded work, and everything that is sound comes back; `check` finds every lie.

use std::time::{Duration, Instant};

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::tree::entry::{Entry, FileType};
use keepfast_repo_format::tree::inner::{self, Child};
use keepfast_repo_format::tree::{leaf, list};

use crate::support::forge::{Forge, Node, entry};
use crate::support::scene::{Outcome, Scene};

/// One leaf of the tests: two small files in a folder that has no entry of its own.
fn small_leaf(forge: &mut Forge, folder: &[u8]) -> Node {
    let entries = [forge.file(folder, b"one", b"1"), forge.file(folder, b"two", b"2")];
    forge.leaf(&entries)
}

/// A tree of three leaves, `a`, `b` and `c`, whose parent says what it likes about `b`.
fn about_the_middle(lie: impl FnOnce(&mut Forge, &mut Child)) -> Outcome {
    let scene = Scene::new();
    let mut forge = scene.forge();
    let mut children: Vec<Child> = [b"a", b"b", b"c"].map(|folder| small_leaf(&mut forge, folder).child()).to_vec();
    lie(&mut forge, &mut children[1]);
    let root = forge.inner(1, &children);
    scene.attack(forge, &root)
}

#[track_caller]
fn only_the_middle_is_lost(outcome: &Outcome) {
    assert_eq!(outcome.problems(), 1, "{:?}", outcome.restored);
    for file in ["a/one", "a/two", "c/one", "c/two"] {
        assert!(outcome.found.contains_key(file.as_bytes()), "{file}");
    }
    assert!(!outcome.found.contains_key(&b"b"[..]));
    assert_eq!((outcome.listed.len(), outcome.list_errors), (4, 1));
    assert!(outcome.tar.is_err());
    assert!(!outcome.findings.is_empty(), "check finds nothing");
}

#[test]
fn a_sound_tree_is_restored_without_a_word() {
    let outcome = about_the_middle(|_, _| {});
    assert_eq!((outcome.problems(), outcome.list_errors, outcome.listed.len()), (0, 0, 6));
    assert!(outcome.tar.is_ok());
    assert_eq!(outcome.findings, []);
}

#[test]
fn what_a_parent_says_of_a_leaf_must_be_true() {
    only_the_middle_is_lost(&about_the_middle(|_, child| child.entries = 1));
    only_the_middle_is_lost(&about_the_middle(|_, child| child.entries = u64::MAX / 2));
    only_the_middle_is_lost(&about_the_middle(|_, child| child.bytes = 0));
    only_the_middle_is_lost(&about_the_middle(|_, child| child.bytes = u64::MAX));
    only_the_middle_is_lost(&about_the_middle(|_, child| child.last_name = b"tvo".to_vec()));
    only_the_middle_is_lost(&about_the_middle(|_, child| child.last_directory = b"b/deeper".to_vec()));
}

#[test]
fn a_child_must_be_a_node_of_the_level_below() {
    only_the_middle_is_lost(&about_the_middle(|forge, child| child.id = forge.tree_chunk(b"\0")));
    only_the_middle_is_lost(&about_the_middle(|forge, child| child.id = forge.tree_chunk(b"no node")));
    only_the_middle_is_lost(&about_the_middle(|forge, child| {
        let node = forge.inner(1, std::slice::from_ref(child));
        child.id = node.id;
    }));
    only_the_middle_is_lost(&about_the_middle(|forge, child| {
        let node = forge.inner(7, std::slice::from_ref(child));
        child.id = node.id;
    }));
    only_the_middle_is_lost(&about_the_middle(|forge, child| {
        let id = Some(forge.data_chunk(b"x"));
        let item = keepfast_repo_format::tree::entry::ContentItem { length: 1, id };
        child.id = forge.list(0, &[item]).id.unwrap();
    }));
    // Content can not pass as a node, and a node that nobody stored is none.
    only_the_middle_is_lost(&about_the_middle(|forge, child| {
        child.id = forge.data_chunk(&leaf::encode(&[entry(b"b", b"two", FileType::Fifo)]));
    }));
    only_the_middle_is_lost(&about_the_middle(|_, child| child.id = ChunkId([7; 32])));
}

/// Changes what a parent says.
type ChildLie = fn(&mut Child);

#[test]
fn an_inner_node_that_lies_about_its_leaves_is_lost_with_them_alone() {
    let lies: [(&str, ChildLie); 4] = [
        ("entries", |child| child.entries += 1),
        ("bytes", |child| child.bytes -= 1),
        ("last name", |child| child.last_name = b"zzz".to_vec()),
        ("last directory", |child| child.last_directory = b"bb".to_vec()),
    ];
    for (what, lie) in lies {
        let scene = Scene::new();
        let mut forge = scene.forge();
        let [a, b, c] = [b"a", b"b", b"c"].map(|folder| {
            let leaf = small_leaf(&mut forge, folder);
            forge.above(&[&leaf])
        });
        let mut middle = b.child();
        lie(&mut middle);
        let root = forge.inner(2, &[a.child(), middle, c.child()]);
        let outcome = scene.attack(forge, &root);
        assert_eq!(outcome.problems(), 1, "{what}: {:?}", outcome.restored);
        only_the_middle_is_lost(&outcome);
    }
}

#[test]
fn a_root_of_another_level_than_the_manifest_says_is_refused() {
    for level in [1, 2, 15] {
        let scene = Scene::new();
        let mut forge = scene.forge();
        let leaf = small_leaf(&mut forge, b"a");
        let outcome = scene.attack_with(forge.commit_as(leaf.id, level));
        assert_eq!((outcome.problems(), outcome.listed.len()), (1, 0), "{level}");
        assert!(!outcome.findings.is_empty());
    }
    let scene = Scene::new();
    let mut forge = scene.forge();
    let leaf = small_leaf(&mut forge, b"a");
    let above = forge.above(&[&leaf]);
    for level in [0, 2, 15] {
        let mut forge = scene.forge();
        forge.tree_chunk(&inner::encode(1, &[leaf.child()]));
        let outcome = scene.attack_with(forge.commit_as(above.id, level));
        assert_eq!((outcome.problems(), outcome.listed.len()), (1, 0), "{level}");
        assert!(!outcome.findings.is_empty());
    }
}

#[test]
fn keys_ascend_over_the_whole_tree() {
    let scene = Scene::new();
    let mut forge = scene.forge();
    let first = small_leaf(&mut forge, b"b");
    // It begins before the end of the one before: the same name twice, as a file and as a link.
    let again: Vec<Entry> = [b"one", b"two"].map(|name| entry(b"b", name, FileType::Fifo)).to_vec();
    let again = [again, vec![entry(b"c", b"x", FileType::Fifo)]].concat();
    let second = forge.leaf(&again);
    let third = small_leaf(&mut forge, b"d");
    let root = forge.above(&[&first, &second, &third]);
    let outcome = scene.attack(forge, &root);
    assert_eq!((outcome.problems(), outcome.listed.len(), outcome.list_errors), (1, 4, 1));
    assert!(!outcome.findings.is_empty(), "check finds nothing");
    assert!(outcome.has_file("b/one", b"1") && outcome.has_file("d/two", b"2"));
}

#[test]
fn a_node_that_stands_twice_is_read_once() {
    let scene = Scene::new();
    let mut forge = scene.forge();
    let leaf = small_leaf(&mut forge, b"a");
    let root = forge.inner(1, &[leaf.child(), leaf.child_up_to(b"b", b"x"), leaf.child_up_to(b"c", b"x")]);
    let outcome = scene.attack(forge, &root);
    assert_eq!((outcome.problems(), outcome.listed.len(), outcome.list_errors), (2, 2, 2));
    assert!(!outcome.findings.is_empty(), "check finds nothing");
}

/// Ten nodes of a few kilobytes stand for 10^10 leaves.
#[test]
fn a_few_nodes_do_not_keep_a_reader_busy_for_ever() {
    let scene = Scene::new();
    let mut forge = scene.forge();
    let mut node = small_leaf(&mut forge, b"a");
    for level in 1..=10 {
        let mut children = vec![node.child()];
        children.extend((1..10).map(|nth| node.child_up_to(b"b", format!("{level:02}{nth}").as_bytes())));
        node = forge.inner(level, &children);
    }
    let start = Instant::now();
    let outcome = scene.attack(forge, &node);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(outcome.problems() < 200, "{}", outcome.problems());
    assert_eq!(outcome.listed, [b"a/one", b"a/two"]);
    assert!(!outcome.findings.is_empty(), "check finds nothing");
}

/// No node can hold its own id: an id is a hash. One that is stored under another id than its own is refused.
#[test]
fn a_node_under_an_id_that_is_not_its_own_is_refused() {
    let scene = Scene::new();
    let mut forge = scene.forge();
    let wanted = ChunkId([0x42; 32]);
    let (last_directory, last_name) = (b"a".to_vec(), b"two".to_vec());
    let own = Child { last_directory, last_name, entries: 2, bytes: 2, id: wanted };
    for level in 1..=15 {
        forge.chunk_as(Kind::TreePack, &inner::encode(level, std::slice::from_ref(&own)), wanted, |_| {});
    }
    let outcome = scene.attack_with(forge.commit_as(wanted, 15));
    assert_eq!((outcome.problems(), outcome.listed.len(), outcome.list_errors), (1, 0, 1));
    assert!(!outcome.findings.is_empty());
}

#[test]
fn counts_beyond_the_bytes_take_no_memory() {
    let huge = [0xff, 0xff, 0x03];
    let longest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let mut lies: Vec<Vec<u8>> = Vec::new();
    for number in [&huge[..], &longest] {
        for head in [&[0][..], &[1], &[15], &[255, 0], &[255, 15]] {
            lies.push([head, number].concat());
            lies.push([head, number, number, number, &[1; 64]].concat());
        }
    }
    let good = leaf::encode(&[entry(b"b", b"two", FileType::Fifo)]);
    // Each number of a sound leaf made long.
    lies.extend((1..good.len()).map(|at| [&good[..at], &longest, &good[at + 1..]].concat()));
    lies.extend((1..good.len()).map(|at| [&good[..at], &huge, &good[at + 1..]].concat()));
    for bytes in &lies {
        assert!(inner::decode(bytes).is_err() && list::decode(bytes).is_err());
        assert!(leaf::decode(bytes).is_err() || bytes[0] == 0, "{bytes:?}");
    }
    for bytes in lies.iter().step_by(7) {
        only_the_middle_is_lost(&about_the_middle(|forge, child| child.id = forge.tree_chunk(bytes)));
    }
}

#[test]
fn a_tree_of_fifteen_levels_is_restored() {
    let scene = Scene::new();
    let mut forge = scene.forge();
    let mut node = small_leaf(&mut forge, b"a");
    for level in 1..=15_u8 {
        let beside = Node { level: node.level, ..small_leaf(&mut forge, format!("b{level:02}").as_bytes()) };
        // A sibling of the right level: a chain of single children down to a leaf.
        let mut beside = Node { level: 0, ..beside };
        for _ in 0..level - 1 {
            beside = forge.above(&[&beside]);
        }
        node = forge.above(&[&node, &beside]);
        assert_eq!(node.level, level);
    }
    let outcome = scene.attack(forge, &node);
    assert_eq!((outcome.problems(), outcome.listed.len(), outcome.list_errors), (0, 32, 0));
    assert!(outcome.tar.is_ok());
    assert_eq!(outcome.findings, []);
    // One level more than there can be.
    let mut forge = scene.forge();
    let above = Node { level: 15, ..node };
    let child = above.child();
    let id = forge.tree_chunk(&[&[16][..], &inner::encode(15, &[child])[1..]].concat());
    let outcome = scene.attack_with(forge.commit_as(id, 15));
    assert_eq!((outcome.problems(), outcome.listed.len()), (1, 0));
}

#[test]
fn a_leaf_of_65535_longest_names_is_listed_and_restored() {
    let scene = Scene::new();
    let mut forge = scene.forge();
    // A chunk has 16 MiB at most, so the last few bytes of a name do not fit.
    let name = |nth: u32| format!("{nth:0>8}{}", "n".repeat(232)).into_bytes();
    let entries: Vec<Entry> = (0..65_535).map(|nth| entry(b"d", &name(nth), FileType::Fifo)).collect();
    let leaf = forge.leaf(&entries);
    let outcome = scene.attack_once(forge, &leaf);
    assert_eq!((outcome.problems(), outcome.listed.len(), outcome.list_errors), (0, 65_535, 0));
    assert_eq!(outcome.found.len(), 65_537);
    assert_eq!(outcome.findings, []);
}
