// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lost bases: every file that needs one is named, the next backup stores it anew, and nothing else is lost. And edges that no writer makes.

use std::time::{Duration, Instant};

use keepfast_engine::Error;
use keepfast_engine::check::{Finding, ReadData, check};
use keepfast_engine::events::Silent;
use keepfast_repo_format::id::{ChunkId, PackId, SnapshotId};
use keepfast_repo_format::layout;
use keepfast_repo_format::segment::MAX_DELTA_STEPS;
use keepfast_repo_format::tree::entry::Entry;
use keepfast_storage::Name;

use crate::support::collector::{all_of_it, prune_on};
use crate::support::forge::{Forge, file_of_chunk};
use crate::support::history_script::{in_snapshot, open_bare};
use crate::support::prune_place::Place;
use crate::support::random::Random;
use crate::support::sandbox::Sandbox;
use crate::support::scene::{Outcome, Scene};

fn findings(place: &Place, read: ReadData) -> Vec<Finding> {
    let bare = open_bare(place.disk.clone(), &place.key, &place.base.path().join("checker")).unwrap();
    check(&bare, read, 1, &Silent).unwrap().findings
}

/// A pack that holds a base chunk as it is.
fn pack_of_a_base(place: &Place) -> PackId {
    let raw = place.raw();
    let base = *raw.visible.values().flat_map(|pack| &pack.directory.edges).next().expect("there are deltas");
    let holds = |pack: &PackId| raw.visible[pack].directory.chunks.iter().any(|chunk| chunk.id == base);
    raw.visible.keys().copied().find(holds).unwrap()
}

/// Files of a snapshot that can not be read, as the findings name them.
fn named(findings: &[Finding], snapshot: &SnapshotId) -> Vec<String> {
    let prefix = format!("snapshot {}, ", &snapshot.to_string()[..8]);
    let mut named: Vec<String> =
        findings.iter().filter_map(|finding| Some(finding.place.strip_prefix(&prefix)?.to_string())).collect();
    named.dedup();
    named
}

#[test]
fn a_lost_base_names_all_that_need_it_and_the_next_backup_heals() {
    let mut place = Place::new();
    let mut random = Random::new(3);
    let mut snapshots = Vec::new();
    for _ in 0..4 {
        place.nibble(0, &mut random);
        snapshots.push(place.back_up(0));
    }
    let lost = pack_of_a_base(&place);
    let mut image = place.disk.image();
    image.remove(&Name::new(layout::pack(&lost)).unwrap()).unwrap();
    let mut place = place.after(image, &place.base.path().join("after"));

    for read in [ReadData::None, ReadData::All] {
        let found = findings(&place, read);
        assert!(found.iter().any(|finding| finding.place == layout::pack(&lost)), "{found:?}");
        let is_edge = |finding: &&Finding| finding.text.contains("base chunk");
        assert!(found.iter().filter(is_edge).count() > 0, "{found:?}");
        assert_named_are_those_that_can_not_be_read(&place, &found);
    }
    let refused = prune_on(&place.open(0), &place.machines[0], &all_of_it());
    assert!(matches!(refused, Err(Error::Prune(_))), "{refused:?}");

    let healed = place.back_up(0);
    assert_eq!(named(&findings(&place, ReadData::All), &healed), Vec::<String>::new());
    place.forget(0, &snapshots);
    for _ in 0..2 {
        assert!(place.prune(0, &all_of_it()).finished);
    }
    place.assert_whole();
    place.assert_minimal();
}

/// What check says and what a reader can read are the same, file by file.
fn assert_named_are_those_that_can_not_be_read(place: &Place, found: &[Finding]) {
    let bare = open_bare(place.disk.clone(), &place.key, &place.base.path().join("reader")).unwrap();
    let (snapshots, _) = bare.history().unwrap().snapshots(&bare).unwrap();
    let mut broken = 0;
    for snapshot in &snapshots {
        let names = named(found, &snapshot.id);
        broken += names.len();
        if names.is_empty() && broken == 0 {
            assert!(in_snapshot(&bare, snapshot).unwrap() == place.promised[&snapshot.id]);
        } else if !names.is_empty() {
            assert!(in_snapshot(&bare, snapshot).is_err(), "{names:?}");
        }
    }
    assert!(broken > 0);
}

/// A base of a dead delta goes like anything dead. The delta is no damage, and no copy either: who needs its chunk stores it.
#[test]
fn a_dead_delta_without_its_base_is_no_finding_and_no_copy() {
    let sandbox = Sandbox::new();
    let mut random = Random::new(9);
    let (base, content) = similar(&mut random);
    let mut forge = Forge::new(&sandbox);
    let base_id = forge.data_id(&base);
    forge.delta_chunk(&content, &base, &[base_id]);
    let beside = forge.file(b"", b"file", b"beside it");
    let leaf = forge.leaf(&[beside]);
    forge.commit(&leaf);
    assert_eq!(sandbox.check().findings, []);
    std::fs::write(sandbox.source().join("file"), &content).unwrap();
    let snapshot = sandbox.backup();
    assert_eq!(std::fs::read(sandbox.restore(snapshot).join("file")).unwrap(), content);
    assert_eq!(sandbox.check().findings, []);
}

/// Content that does not compress, short enough to be one chunk, and another one like it.
fn similar(random: &mut Random) -> (Vec<u8>, Vec<u8>) {
    let first = random.bytes(250);
    let mut second = first.clone();
    second[100] ^= 1;
    (first, second)
}

/// The hostile file is named with why, everywhere, and what is beside it comes back.
#[track_caller]
fn only_the_hostile_file_is_refused(outcome: &Outcome, why: &str) {
    let problems = &outcome.restored.as_ref().unwrap().problems;
    assert!(!problems.is_empty() && problems.iter().all(|problem| problem.path == b"hostile"), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.text.contains(why)), "{problems:?}");
    assert!(outcome.has_file("zz", b"innocent"), "{:?}", outcome.restored);
    let named = outcome.findings.iter().any(|finding| finding.place.ends_with("hostile"));
    assert!(named, "{:?}", outcome.findings);
}

fn attack(make: impl FnOnce(&mut Forge) -> Vec<Entry>) -> Outcome {
    let scene = Scene::new();
    let mut forge = scene.forge();
    let mut entries = make(&mut forge);
    entries.push(forge.file(b"", b"zz", b"innocent"));
    let leaf = forge.leaf(&entries);
    scene.attack(forge, &leaf)
}

#[test]
fn deltas_against_each_other_are_refused() {
    let outcome = attack(|forge| {
        let (one, other) = similar(&mut Random::new(1));
        let (one_id, other_id) = (forge.data_id(&one), forge.data_id(&other));
        forge.delta_chunk(&one, &other, &[other_id]);
        forge.delta_chunk(&other, &one, &[one_id]);
        vec![file_of_chunk(b"hostile", one_id, one.len())]
    });
    only_the_hostile_file_is_refused(&outcome, "in a circle");
}

#[test]
fn a_copy_in_a_circle_hides_none_that_is_whole() {
    let scene = Scene::new();
    let mut forge = scene.forge();
    let (one, other) = similar(&mut Random::new(5));
    let (one_id, other_id) = (forge.data_id(&one), forge.data_id(&other));
    forge.delta_chunk(&one, &other, &[other_id]);
    forge.delta_chunk(&other, &one, &[one_id]);
    // A whole one, above a chunk that is stored as it is.
    let mut below = one.clone();
    below[7] ^= 1;
    let below_id = forge.data_chunk(&below);
    forge.delta_chunk(&one, &below, &[below_id]);
    let leaf = forge.leaf(&[file_of_chunk(b"one", one_id, one.len()), file_of_chunk(b"other", other_id, other.len())]);
    let outcome = scene.attack(forge, &leaf);
    assert_eq!(outcome.problems(), 0, "{:?}", outcome.restored);
    assert!(outcome.has_file("one", &one) && outcome.has_file("other", &other));
    assert_eq!(outcome.findings, []);
}

/// A file whose content is a delta so many steps above a chunk that is stored as it is.
fn at_depth(steps: u32) -> Outcome {
    attack(|forge| {
        let mut content = Random::new(2).bytes(250);
        let mut id = forge.data_chunk(&content);
        for step in 0..steps {
            let before = content.clone();
            content[step as usize] ^= 1;
            id = forge.delta_chunk(&content, &before, &[id]);
        }
        vec![file_of_chunk(b"hostile", id, content.len())]
    })
}

#[test]
fn a_chain_that_is_too_deep_is_refused_and_a_deep_one_is_not() {
    let deep = at_depth(MAX_DELTA_STEPS);
    assert_eq!((deep.problems(), deep.findings.len()), (0, 0), "{:?} {:?}", deep.restored, deep.findings);
    only_the_hostile_file_is_refused(&at_depth(MAX_DELTA_STEPS + 1), "deeper than any writer");
}

#[test]
fn more_base_chunks_than_the_format_permits_are_refused() {
    let outcome = attack(|forge| {
        let mut random = Random::new(3);
        let bases = [random.bytes(9 << 20), random.bytes(9 << 20)];
        let ids = [forge.data_chunk(&bases[0]), forge.data_chunk(&bases[1])];
        let (content, prefix) = similar(&mut random);
        let id = forge.delta_chunk(&content, &prefix, &ids);
        vec![file_of_chunk(b"hostile", id, content.len())]
    });
    only_the_hostile_file_is_refused(&outcome, "more base chunks than the format permits");
}

/// Sixteen chunks in a circle, each in three copies: 3^16 ways, none of which ends.
#[test]
fn many_ways_in_circles_do_not_keep_a_reader_busy_for_ever() {
    let scene = Scene::new();
    let mut forge = scene.forge();
    let mut random = Random::new(4);
    let (first, _) = similar(&mut random);
    let contents: Vec<Vec<u8>> = (0..16)
        .map(|at| {
            let mut content = first.clone();
            content[at] ^= 1;
            content
        })
        .collect();
    let ids: Vec<ChunkId> = contents.iter().map(|content| forge.data_id(content)).collect();
    for _ in 0..3 {
        for (at, content) in contents.iter().enumerate() {
            let next = (at + 1) % contents.len();
            forge.delta_chunk(content, &contents[next], &[ids[next]]);
        }
    }
    let innocent = forge.file(b"", b"zz", b"innocent");
    let leaf = forge.leaf(&[file_of_chunk(b"hostile", ids[0], first.len()), innocent]);
    let start = Instant::now();
    let outcome = scene.attack_once(forge, &leaf);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    only_the_hostile_file_is_refused(&outcome, "in a circle");
}
