// SPDX-License-Identifier: MIT OR Apache-2.0
//! "What a delta needs stays as long as the delta": histories of versions that are stored as deltas, forgotten and pruned in any
//! order, against a naive model; and what undelete and copy make of them.

use std::fs;
use std::path::Path;

use keepfast_engine::check::{ReadData, check};
use keepfast_engine::copy::{CopyOptions, Fate, Mode as CopyMode, copy};
use keepfast_engine::events::Silent;
use keepfast_engine::prune::{MaxUnused, PruneOptions};
use keepfast_engine::undelete::{Mode, undelete};
use keepfast_engine::writer::Compression;
use keepfast_repo_format::id::SnapshotId;
use keepfast_storage::testing::SimBackend;

use crate::support::collector::{all_of_it, prune_on};
use crate::support::history_script::{in_snapshot, init_small, open_bare};
use crate::support::prune_place::Place;
use crate::support::random::Random;

/// More prunes than it takes until one finds nothing to do.
const ENOUGH: usize = 6;

/// As many versions of one machine's files. One of them resembles none of its versions: what is new of it dies with its snapshot.
fn versions(count: usize) -> (Place, Vec<SnapshotId>) {
    let mut place = Place::new();
    let mut random = Random::new(1);
    let snapshots = (0..count)
        .map(|_| {
            place.nibble(0, &mut random);
            fs::write(place.source(0)[0].join("other"), random.bytes(9000)).unwrap();
            place.back_up(0)
        })
        .collect();
    assert!(place.deltas() > count, "the versions are not stored as deltas");
    (place, snapshots)
}

/// Prunes until nothing is left to do: what only a dead delta needed is dead when the delta is gone.
fn prune_to_the_end(place: &Place) {
    for _ in 0..ENOUGH {
        let operations = place.disk.operations();
        let report = place.prune(0, &all_of_it());
        assert!(report.finished, "{report:?}");
        place.assert_whole();
        if place.disk.operations() == operations {
            return place.assert_minimal();
        }
    }
    panic!("there is always something left to prune");
}

fn stored_bytes(place: &Place) -> u64 {
    place.raw().visible.values().map(|pack| pack.length).sum()
}

#[test]
fn forgotten_versions_leave_what_later_ones_need_and_nothing_else() {
    let (mut place, snapshots) = versions(12);
    place.forget(0, &snapshots[..1]);
    let before = stored_bytes(&place);
    prune_to_the_end(&place);
    assert!(place.deltas() > 0, "what stays is still stored as deltas");
    assert!(stored_bytes(&place) <= before, "a prune made the repository larger");
    place.forget(0, &snapshots[1..11]);
    let before = stored_bytes(&place);
    prune_to_the_end(&place);
    assert!(stored_bytes(&place) < before);
    place.forget(0, &snapshots[11..]);
    prune_to_the_end(&place);
    assert!(place.raw().visible.is_empty());
}

#[test]
fn deltas_that_are_needed_move_as_they_are() {
    let (mut place, snapshots) = versions(8);
    let deltas = place.deltas();
    // Every pack has something dead in it now, and most of each is needed.
    place.forget(0, &[snapshots[2], snapshots[5]]);
    let report = place.prune(0, &PruneOptions { max_unused: MaxUnused::Percent(0.1), ..all_of_it() });
    assert!(report.finished, "{report:?}");
    place.assert_whole();
    assert!(place.deltas() * 2 > deltas, "{} of {deltas} are left", place.deltas());
}

/// Everything is somewhere else when it goes on: chunks, and the bases of them.
#[test]
fn a_reader_that_began_before_the_prune_finds_what_was_moved_and_its_bases() {
    let (mut place, snapshots) = versions(12);
    place.forget(0, &[&snapshots[..3], &snapshots[6..10]].concat());
    let repository = open_bare(place.disk.clone(), &place.key, &place.base.path().join("reader")).unwrap();
    let (there, _) = repository.history().unwrap().snapshots(&repository).unwrap();
    let packs = place.raw().stored;
    assert!(place.prune(0, &all_of_it()).finished);
    assert!(!packs.is_subset(&place.raw().stored), "everything is where it was");
    assert_eq!(there.len(), 5);
    for snapshot in &there {
        assert!(in_snapshot(&repository, snapshot).unwrap() == place.promised[&snapshot.id]);
    }
}

fn random_versions(seed: u64) {
    let mut random = Random::new(seed);
    let mut place = Place::new();
    for _ in 0..30 {
        let who = random.below(2);
        place.nibble(who, &mut random);
        if random.chance(20) {
            place.change(who, &mut random);
        }
        place.back_up(who);
        if random.chance(40) {
            let ids: Vec<SnapshotId> = place.promised.keys().copied().filter(|_| random.chance(35)).collect();
            place.forget(random.below(2), &ids);
        }
        let max_unused = match random.below(8) {
            0 => MaxUnused::Percent(0.0),
            1 => MaxUnused::Percent(5.0),
            2 => MaxUnused::Unlimited,
            _ => continue,
        };
        let report = place.prune(random.below(2), &PruneOptions { max_unused, ..all_of_it() });
        assert!(report.finished, "{report:?}");
        place.assert_whole();
    }
    place.assert_whole();
    prune_to_the_end(&place);
}

#[test]
fn thirty_versions_forgotten_at_random_stay_whole_through_every_prune() {
    for seed in 0..4 {
        random_versions(seed);
    }
}

/// Whether one of the snapshots that were forgotten would come back, and whether it does.
fn brought_back(place: &Place, snapshot: SnapshotId) -> (bool, bool) {
    let outcome = |mode| undelete(&place.open(1), &place.machines[1].client(), &[snapshot], mode, &Silent);
    (outcome(Mode::DryRun).is_ok(), outcome(Mode::Write).is_ok())
}

#[test]
fn what_comes_back_is_whole_and_a_dry_run_says_whether_it_will() {
    let (mut place, snapshots) = versions(5);
    let contents = place.promised[&snapshots[1]].clone();
    place.forget(0, &snapshots[..4]);
    let mut outcomes = Vec::new();
    for cut in 0..200 {
        let scene = tempfile::tempdir_in(place.base.path()).unwrap();
        let mut dying = place.after(place.disk.image(), &scene.path().join("dying"));
        dying.disk.cut_after(cut);
        let machine = &dying.machines[0];
        let pruned =
            machine.open(dying.disk.clone(), &dying.key).and_then(|open| prune_on(&open, machine, &all_of_it()));
        dying.disk = std::sync::Arc::new(SimBackend::from_image(dying.disk.image()));
        let (would, does) = brought_back(&dying, snapshots[1]);
        assert_eq!(would, does, "cut after {cut}");
        if does {
            dying.promised.insert(snapshots[1], contents.clone());
        }
        dying.assert_whole();
        outcomes.push(does);
        if pruned.is_ok() {
            break;
        }
    }
    assert_eq!((outcomes.first(), outcomes.last()), (Some(&true), Some(&false)), "the prune came to its end");
}

#[test]
fn a_copy_in_another_repository_needs_nothing_of_the_first_one() {
    let (place, snapshots) = versions(6);
    let disk = std::sync::Arc::new(SimBackend::new());
    let key = init_small(disk.as_ref()).unwrap();
    let folder = |name: &str| place.base.path().join(name);
    let target = open_bare(disk.clone(), &key, &folder("target")).unwrap();
    let options = CopyOptions { compression: Compression::Level(1), threads: 2, mode: CopyMode::Write };
    let client = place.machines[0].client();
    let mut copies = Vec::new();
    copy(&place.open(0), &target, &client, &snapshots, &options, &Silent, &mut |original, fate| match fate {
        Fate::Copied(Some(copy), _) => copies.push((original.id, *copy)),
        other => panic!("{other:?}"),
    })
    .unwrap();
    assert_eq!(copies.len(), 6);
    assert_copies(&place, &copies, disk, &key, &folder("reader"));
}

fn assert_copies(
    place: &Place,
    copies: &[(SnapshotId, SnapshotId)],
    disk: std::sync::Arc<SimBackend>,
    key: &keepfast_repo_format::key_slot::KeyFile,
    state: &Path,
) {
    let bare = open_bare(disk, key, state).unwrap();
    let (there, _) = bare.history().unwrap().snapshots(&bare).unwrap();
    for (original, copy) in copies {
        let copy = there.iter().find(|snapshot| snapshot.id == *copy).unwrap();
        assert!(in_snapshot(&bare, copy).unwrap() == place.promised[original]);
    }
    assert_eq!(check(&bare, ReadData::All, 1, &Silent).unwrap().findings, []);
}
