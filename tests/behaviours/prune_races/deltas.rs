// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two collectors beside each other, where one moves a delta and the other what the delta needs: each sees what is live in the other's
//! packs, at whatever step both of them sleep.

use std::fs;
use std::sync::Arc;

use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::layout;
use keepfast_storage::testing::Operation;

use super::stops::{ALL, Script, scene};
use super::story::{Cue, Story};
use super::{Task, act};
use crate::support::collector::all_of_it;
use crate::support::history_script::random_bytes;
use crate::support::prune_place::Place;
use crate::support::random::Random;

/// More prunes than it takes until one finds nothing to do.
const ENOUGH: usize = 6;

/// Versions of a machine's files, stored as deltas, of which the second is forgotten: its pack is partly dead. Each has content that no
/// other has.
fn versions() -> (Place, [SnapshotId; 2]) {
    let mut place = Place::new();
    let mut random = Random::new(3);
    let mut chained = random.bytes(12_000);
    let snapshots: Vec<SnapshotId> = (0..3)
        .map(|version| {
            place.nibble(0, &mut random);
            // Each version is stored as a delta against the one before.
            chained[6_000] = version;
            fs::write(place.source(0)[0].join("chained"), &chained).unwrap();
            fs::write(place.source(0)[0].join("other"), random.bytes(9000)).unwrap();
            place.back_up(0)
        })
        .collect();
    assert!(place.deltas() > 0, "the versions are not stored as deltas");
    place.forget(0, &snapshots[1..2]);
    (place, [snapshots[0], snapshots[2]])
}

/// All is whole, and prunes leave nothing but what is needed: what only a dead delta needed is dead when the delta is gone.
fn settle(after: &Place) {
    after.assert_whole();
    for _ in 0..ENOUGH {
        let operations = after.disk.operations();
        assert!(after.prune(1, &super::impatient()).finished);
        after.assert_whole();
        if after.disk.operations() == operations {
            return after.assert_minimal();
        }
    }
    panic!("there is always something left to prune");
}

#[test]
fn a_delta_and_its_base_that_two_prunes_move_at_once_stay_together() {
    let (place, [first, _]) = versions();
    let tasks = [Task::Prune(all_of_it()), Task::Prune(all_of_it()), Task::Forget(vec![first])];
    let mut random = Random::new(78);
    for _ in 0..150 {
        let lines = [(0, random.below(70)), (2, ALL), (1, random.below(70)), (0, ALL), (1, ALL)];
        let (after, _) = act(&place, &scene(), Arc::new(Script::new(&lines)), &tasks);
        settle(&after);
    }
}

#[test]
fn a_prune_that_sleeps_anywhere_while_what_it_has_marked_is_forgotten_and_pruned_comes_to_its_end() {
    let (place, [first, last]) = versions();
    for forgotten in [vec![last], vec![first, last]] {
        let tasks = [Task::Prune(all_of_it()), Task::Prune(all_of_it()), Task::Forget(forgotten)];
        for stop in 0.. {
            let script = Arc::new(Script::new(&[(0, stop), (2, ALL), (1, ALL), (0, ALL)]));
            let (after, _) = act(&place, &scene(), script.clone(), &tasks);
            settle(&after);
            if script.steps() <= stop {
                break;
            }
        }
    }
}

/// A backup relies on a dead delta; one prune has condemned the delta and another one its base, both after that, and the first one moves
/// the delta while the second one looks at what there is: between the index, which still names the old pack, and the list of packs.
#[test]
fn a_base_is_seen_to_be_needed_although_the_delta_is_moved_between_two_looks() {
    let mut place = Place::new();
    let source = &place.source(0)[0];
    fs::remove_dir_all(source).unwrap();
    fs::create_dir(source).unwrap();
    let mut chained = random_bytes(5, 12_000);
    let mut snapshots = Vec::new();
    for version in 0..2 {
        // In each chunk: the second version needs the first one's as bases, and otherwise nothing of them.
        chained.iter_mut().step_by(200).for_each(|byte| *byte = version);
        fs::write(source.join("chained"), &chained).unwrap();
        snapshots.push(place.back_up(0));
    }
    assert!(place.deltas() > 0, "the second version is not stored as a delta");
    place.forget(0, &snapshots[1..]);
    let tasks = [
        Task::BackUp { who: 0, times: 1 },
        Task::Prune(all_of_it()),
        Task::Prune(all_of_it()),
        Task::Forget(snapshots[..1].to_vec()),
    ];
    let condemns = Cue::Before(Operation::Put, layout::CONDEMNED_FOLDER);
    let story = [
        (0, Cue::Before(Operation::Put, layout::SNAPSHOTS_FOLDER)),
        (1, condemns),
        (1, Cue::Steps(2)),
        (3, Cue::End),
        (2, condemns),
        (2, Cue::Steps(2)),
        (0, Cue::End),
        (2, Cue::Before(Operation::List, layout::PACKS_FOLDER)),
        (1, Cue::End),
        (2, Cue::End),
    ];
    let (after, outcomes) = act(&place, &scene(), Arc::new(Story::new(&story)), &tasks);
    assert_eq!(outcomes[0].committed.len(), 1);
    settle(&after);
}
