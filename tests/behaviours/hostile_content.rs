// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hostile contents: lists and chunks and segments that lie about their lengths, files larger than any disk, attributes by the
//! gigabyte. Each costs its own bytes, which are named; no number in a repository makes a reader take memory for it.

use std::sync::Arc;

use keepfast_engine::Error;
use keepfast_engine::check::{ReadData, check};
use keepfast_engine::events::Silent;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::segment::Sealed;
use keepfast_repo_format::tree::entry::{Content, ContentItem, Entry, FileType};
use keepfast_repo_format::tree::leaf;

use crate::support::capture;
use crate::support::child;
use crate::support::forge::{Forge, entry, file_of};
use crate::support::scene::{Outcome, Scene};

/// Memory of a whole process that reads something hostile: code, stacks and arenas of all threads, segments of 16 MiB, and not one
/// of the terabytes that are promised.
const LITTLE_MEMORY_KIB: u64 = 1 << 20;

/// Runs the rest of a test in a process of its own that gets no more memory.
fn in_little_memory(name: &str, body: impl FnOnce()) {
    if child::has_little_memory() {
        body();
    } else {
        child::again_in_little_memory(&format!("{}::{name}", module_path!()), LITTLE_MEMORY_KIB);
    }
}

/// A snapshot of one hostile file beside an innocent one.
fn one_file(make: impl FnOnce(&mut Forge) -> Entry) -> Outcome {
    let scene = Scene::new();
    let mut forge = scene.forge();
    let hostile = make(&mut forge);
    let innocent = forge.file(b"", b"zz", b"innocent");
    let leaf = forge.leaf(&[hostile, innocent]);
    let outcome = scene.attack(forge, &leaf);
    assert!(outcome.has_file("zz", b"innocent"), "{:?}", outcome.restored);
    outcome
}

fn hostile(content: Content, size: u64) -> Entry {
    file_of(b"", b"hostile", content, size)
}

fn item(length: u64, id: ChunkId) -> ContentItem {
    ContentItem { length, id: Some(id) }
}

fn hole(length: u64) -> ContentItem {
    ContentItem { length, id: None }
}

#[track_caller]
fn named(outcome: &Outcome) {
    let problems = &outcome.restored.as_ref().unwrap().problems;
    assert!(!problems.is_empty() && problems.iter().all(|problem| problem.path == b"hostile"), "{problems:?}");
    assert!(!outcome.findings.is_empty(), "check finds nothing");
}

#[test]
fn a_content_that_does_not_add_up_to_its_size_is_refused_with_its_leaf() {
    for (size, lengths) in [(10, vec![9]), (10, vec![5, 6]), (0, vec![1]), (1 << 62, vec![8]), (5, vec![])] {
        let scene = Scene::new();
        let mut forge = scene.forge();
        let id = forge.data_chunk(b"whatever");
        let items: Vec<_> = lengths.iter().map(|length| item(*length, id)).collect();
        let leaf = forge.leaf(&[hostile(Content { height: 0, items }, size)]);
        let beside = forge.file(b"zz", b"innocent", b"innocent");
        let beside = forge.leaf(&[beside]);
        let root = forge.above(&[&leaf, &beside]);
        let outcome = scene.attack(forge, &root);
        assert_eq!((outcome.problems(), outcome.listed.len()), (1, 1), "{size} {lengths:?}");
        assert_eq!(outcome.findings.len(), 1, "{size} {lengths:?}");
    }
}

#[test]
fn a_chunk_of_another_length_than_the_file_says_costs_its_own_bytes() {
    for wrong in [1, 3, 5, 4000, 16 << 20] {
        let outcome = one_file(|forge| {
            let (a, b) = (forge.data_chunk(b"aaaa"), forge.data_chunk(b"bbbb"));
            let items = vec![item(4, a), item(wrong, b), item(4, a)];
            hostile(Content { height: 0, items }, 8 + wrong)
        });
        named(&outcome);
        let expected = [b"aaaa", &vec![0; wrong as usize][..], b"aaaa"].concat();
        assert!(outcome.has_file("hostile", &expected), "{wrong}: {:?}", outcome.found[&b"hostile"[..]]);
        assert!(outcome.tar.is_err(), "{wrong}: an archive whose member is cut or filled up is no archive");
    }
}

/// From a sound list node to the height and the node that the file names.
type ListLie = fn(&mut Forge, ContentItem) -> (u8, ContentItem);

#[test]
fn a_list_node_that_lies_is_named() {
    let lies: [ListLie; 5] = [
        // Another length, a level too high or too low, a node of the tree, no node.
        |_, list| (1, ContentItem { length: list.length + 1, ..list }),
        |_, list| (2, list),
        |forge, list| (1, forge.list(1, &[list])),
        |forge, list| {
            (1, ContentItem { id: Some(forge.tree_chunk(&leaf::encode(&[entry(b"", b"x", FileType::Fifo)]))), ..list })
        },
        |forge, list| (1, ContentItem { id: Some(forge.tree_chunk(b"no node")), ..list }),
    ];
    for lie in lies {
        let outcome = one_file(|forge| {
            let chunk = forge.data_chunk(b"four");
            let list = forge.list(0, &[item(4, chunk), item(4, chunk)]);
            let (height, list) = lie(forge, list);
            hostile(Content { height, items: vec![list] }, list.length)
        });
        named(&outcome);
    }
}

/// What comes after a list node that is lost lies where it belongs, or is missing: never where something else belongs.
#[test]
fn content_after_a_lost_list_node_is_not_put_in_its_place() {
    for chunk_bytes in [4, 300_000] {
        let outcome = one_file(|forge| {
            let chunks: Vec<_> = (b'a'..=b'c').map(|byte| forge.data_chunk(&vec![byte; chunk_bytes])).collect();
            let chunk_bytes = chunk_bytes as u64;
            let lists: Vec<_> =
                chunks.iter().map(|chunk| forge.list(0, &vec![item(chunk_bytes, *chunk); 40])).collect();
            let lost = ContentItem { id: Some(ChunkId([9; 32])), ..lists[1] };
            hostile(Content { height: 1, items: vec![lists[0], lost, lists[2]] }, 120 * chunk_bytes)
        });
        named(&outcome);
        let part = |byte: u8| vec![byte; 40 * chunk_bytes];
        let (whole, cut) = ([part(b'a'), part(0), part(b'c')].concat(), [part(b'a'), part(0), part(0)].concat());
        let nothing = vec![0; 120 * chunk_bytes];
        let may_be = [&whole[..], &cut, &nothing, b""];
        let is_right = may_be.iter().any(|content| outcome.has_file("hostile", content));
        assert!(is_right, "{chunk_bytes}: {:?}", outcome.found.get(&b"hostile"[..]));
    }
}

#[test]
fn a_file_larger_than_every_disk_is_named_or_a_hole() {
    in_little_memory("a_file_larger_than_every_disk_is_named_or_a_hole", || {
        for size in [1 << 40, 1 << 60, i64::MAX as u64] {
            one_file(|_| hostile(Content { height: 0, items: vec![hole(size)] }, size));
            // The same by list nodes, and with a chunk at the end that can not be written there.
            let outcome = one_file(|forge| {
                let end = item(4, forge.data_chunk(b"last"));
                let list = forge.list(0, &[hole(size - 4), end]);
                hostile(Content { height: 1, items: vec![list] }, size)
            });
            if outcome.found.get(&b"hostile"[..]).is_none_or(|facts| facts.content == capture::Content::None) {
                assert!(outcome.problems() > 0);
            }
        }
    });
}

/// Sums of sizes that no number holds.
#[test]
fn sizes_whose_sum_overflows_are_only_wrong_numbers() {
    let scene = Scene::new();
    let mut forge = scene.forge();
    let huge = i64::MAX as u64;
    let files = [&b"a"[..], b"b", b"c", b"d"]
        .map(|name| file_of(b"", name, Content { height: 0, items: vec![hole(huge)] }, huge));
    let (first, second) = (forge.leaf(&files[..2]), forge.leaf(&files[2..]));
    let root = forge.above(&[&first, &second]);
    scene.attack(forge, &root);
}

#[test]
fn a_file_of_tiny_chunks_takes_little_memory_and_its_loss_is_told_in_few_words() {
    in_little_memory("a_file_of_tiny_chunks_takes_little_memory_and_its_loss_is_told_in_few_words", || {
        // Once small enough for one worker, once big; once there, once lost.
        for (length, is_lost) in [(1, false), (130, false), (1, true), (130, true)] {
            let outcome = one_file(|forge| {
                let id = if is_lost { ChunkId([8; 32]) } else { forge.data_chunk(&vec![b'x'; length as usize]) };
                let list = forge.list(0, &vec![item(length, id); 65_535]);
                let above = forge.list(1, &[list]);
                hostile(Content { height: 2, items: vec![above] }, above.length)
            });
            let problems = outcome.problems();
            assert!(problems < 100, "{problems} problems are one for each chunk");
            assert_eq!(problems > 0, is_lost);
            assert_eq!(outcome.findings.is_empty(), !is_lost);
        }
    });
}

#[test]
fn attributes_by_the_gigabyte_take_the_memory_of_one_leaf() {
    in_little_memory("attributes_by_the_gigabyte_take_the_memory_of_one_leaf", || {
        let scene = Scene::new();
        let mut forge = scene.forge();
        let huge = Arc::new(vec![(b"user.huge".to_vec(), vec![b'v'; 15 << 20])]);
        let odd = [&b"user.a=b"[..], b"user.nul\0nul", b"user.\n12 path=/etc/x\n", b"nonsense", &[b'n'; 255]];
        let mut odd: Vec<_> = odd.iter().map(|name| (name.to_vec(), b"value".to_vec())).collect();
        odd.sort();
        let mut entries: Vec<Entry> =
            (0..300).map(|nth| entry(b"d", format!("{nth:03}").as_bytes(), FileType::File)).collect();
        entries.iter_mut().for_each(|entry| entry.metadata.xattrs = huge.clone());
        entries[0].metadata.xattrs = Arc::new(odd);
        let leaf = forge.leaf(&entries);
        let outcome = scene.attack(forge, &leaf);
        assert_eq!(outcome.listed.len(), 300);
        assert_eq!(outcome.found.len(), 302, "the files are there without them");
        assert!((299..400).contains(&outcome.problems()), "{}", outcome.problems());
    });
}

#[test]
fn a_segment_that_lies_about_its_plain_length_is_refused() {
    in_little_memory("a_segment_that_lies_about_its_plain_length_is_refused", || {
        let lies: [fn(&mut Sealed); 3] =
            [|sealed| sealed.plain_len += 1, |sealed| sealed.plain_len -= 1, |sealed| sealed.plain_len = 16 << 20];
        for lie in lies {
            // Text that compresses: of a raw segment the directory already says too much.
            let text = b"hostile ".repeat(100);
            let outcome = one_file(|forge| {
                let id = ChunkId(*blake3::hash(&text).as_bytes());
                forge.chunk_as(Kind::DataPack, &text, id, lie);
                hostile(Content { height: 0, items: vec![item(800, id)] }, 800)
            });
            named(&outcome);
        }
    });
}

#[test]
fn an_index_that_lies_beyond_all_limits_is_refused_by_its_name() {
    let lies: [fn(&mut Sealed); 5] = [
        |sealed| sealed.plain_len = 1,
        |sealed| sealed.plain_len = (16 << 20) + 1,
        |sealed| sealed.plain_len = u32::MAX,
        |sealed| sealed.plain_len = 0,
        |sealed| sealed.stored.truncate(10),
    ];
    for lie in lies {
        let scene = Scene::new();
        let mut forge = scene.forge();
        forge.chunk_as(Kind::DataPack, &b"hostile ".repeat(100), ChunkId([1; 32]), lie);
        let leaf = forge.leaf(&[entry(b"", b"x", FileType::Fifo)]);
        forge.commit(&leaf);
        let repository = scene.sandbox.open();
        let report = check(&repository, ReadData::All, 2, &Silent).unwrap();
        let is_named = report.findings.iter().any(|finding| finding.place.starts_with("index/"));
        assert!(is_named, "{:?}", report.findings);
        let outcome = scene.sandbox.try_backup_on(scene.sandbox.objects.clone());
        assert!(
            matches!(&outcome, Err(Error::LostIndex { object, .. }) if object.starts_with("index/")),
            "{outcome:?}"
        );
    }
}
