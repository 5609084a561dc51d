// SPDX-License-Identifier: MIT OR Apache-2.0
//! "A prune may die at any moment": it is cut after every single storage operation, and in every state that the storage may be left
//! in everything visible is whole, a backup goes on, and the next prune finishes what was begun.

use std::path::Path;
use std::time::Duration;

use keepfast_engine::prune::{MaxUnused, Mode, PruneOptions};
use keepfast_storage::testing::{Image, SimBackend};

use crate::support::collector::{all_of_it, forget, prune_on};
use crate::support::history_script::write_files;
use crate::support::prune_place::Place;
use crate::support::random::Random;

/// Far more operations than a prune of this size has.
const ENDLESS: usize = 400;

/// Two machines, packs that are dead, packs that are partly dead, duplicates, leftovers of a session that came to nothing, and a
/// forgotten snapshot.
fn prepared() -> Place {
    let mut place = Place::new();
    write_files(&place.source(1)[0], 12, 0);
    let first = place.back_up(0);
    let second = place.back_up(1);
    for round in 1..4 {
        write_files(&place.source(0)[0], 3, 2000 * round);
        place.back_up(0);
    }
    place.forget(0, &[first, second]);
    // A backup that dies before its slot.
    write_files(&place.source(1)[0], 5, 9000);
    let dying = std::sync::Arc::new(SimBackend::from_image(place.disk.image()));
    dying.cut_after(4);
    assert!(place.machines[1].back_up(dying.clone(), &place.key, &place.source(1)).is_err());
    place.disk = std::sync::Arc::new(SimBackend::from_image(dying.image()));
    place.back_up(1);
    place
}

/// Cuts a prune of `place` after each operation; `look` gets what the storage may be left with.
fn cut_everywhere(place: &Place, options: &PruneOptions, look: impl Fn(Place, usize)) -> usize {
    for cut in 0..ENDLESS {
        let scene = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let dying = place.after(place.disk.image(), &scene.path().join("dying"));
        dying.disk.cut_after(cut);
        let machine = &dying.machines[0];
        let result =
            machine.open(dying.disk.clone(), &dying.key).and_then(|repository| prune_on(&repository, machine, options));
        for (number, image) in distinct(dying.disk.crash_images(cut as u64)).into_iter().enumerate() {
            println!("cut after {cut}, image {number}");
            look(dying.after(image, &scene.path().join(number.to_string())), cut);
        }
        if result.is_ok() {
            return cut;
        }
    }
    panic!("a prune has more than {ENDLESS} operations");
}

fn distinct(images: Vec<Image>) -> Vec<Image> {
    let mut distinct: Vec<Image> = Vec::new();
    for image in images {
        if !distinct.contains(&image) {
            distinct.push(image);
        }
    }
    distinct
}

#[test]
fn a_prune_that_died_is_finished_by_the_next_one_of_the_same_machine() {
    let place = prepared();
    let cuts = cut_everywhere(&place, &all_of_it(), |place, _| {
        place.assert_whole();
        let report = place.prune(0, &all_of_it());
        assert!(report.finished, "{report:?}");
        place.assert_whole();
        place.assert_minimal();
    });
    assert!(cuts > 20, "{cuts} operations are not the whole protocol");
}

#[test]
fn a_backup_after_a_prune_that_died_relies_on_nothing_that_goes() {
    let place = prepared();
    cut_everywhere(&place, &all_of_it(), |mut place, cut| {
        // What was forgotten is in the source again: every chunk of it is condemned.
        let who = cut % 2;
        place.back_up(who);
        place.assert_whole();
        let overdue = PruneOptions { void_after: Some(Duration::ZERO), ..all_of_it() };
        let report = place.prune(1, &overdue);
        assert!(report.finished, "{report:?}");
        place.assert_whole();
        place.assert_minimal();
    });
}

#[test]
fn machines_that_lost_everything_finish_what_another_one_began() {
    let place = prepared();
    let options = PruneOptions { max_unused: MaxUnused::Percent(10.0), ..all_of_it() };
    cut_everywhere(&place, &options, |place, _| {
        place.machines[0].lose_state();
        place.machines[0].lose_cache();
        // Nobody knows whether the other collector lives: what it has condemned stays until it is overdue.
        let patient = place.prune(0, &options);
        place.assert_whole();
        let report = place.prune(0, &PruneOptions { void_after: Some(Duration::ZERO), ..all_of_it() });
        assert!(report.finished, "{patient:?} {report:?}");
        place.assert_whole();
        place.assert_minimal();
    });
}

/// Versions that are deltas against each other: some are dead, some are needed, some have only a part that is needed.
fn prepared_with_deltas() -> Place {
    let dry_run = PruneOptions { mode: Mode::DryRun, ..all_of_it() };
    let places = (0..ENDLESS as u64).map(versions);
    // Which of two packs a segment goes to is chance, and so is whether the dead and the living share one.
    let mut places = places.filter(|place| place.deltas() > 0 && place.prune(0, &dry_run).repack_packs > 0);
    places.next().expect("at some time they do")
}

fn versions(seed: u64) -> Place {
    let mut place = Place::new();
    let mut random = Random::new(seed);
    let mut forgotten = Vec::new();
    for version in 0..7 {
        place.nibble(version % 2, &mut random);
        place.change(version % 2, &mut random);
        let snapshot = place.back_up(version % 2);
        if version < 5 {
            forgotten.push(snapshot);
        }
    }
    place.forget(0, &forgotten);
    place
}

#[test]
fn a_prune_of_deltas_that_died_takes_no_base_away() {
    let place = prepared_with_deltas();
    let cuts = cut_everywhere(&place, &all_of_it(), |mut place, cut| {
        if cut % 2 == 0 {
            // Every chunk of it may be condemned, or a delta against one that is.
            place.nibble(1, &mut Random::new(cut as u64));
            place.back_up(1);
        }
        let overdue = PruneOptions { void_after: Some(Duration::ZERO), ..all_of_it() };
        assert!(place.prune(0, &overdue).finished);
        place.assert_whole();
        // What a dead delta needed goes when the delta has gone.
        assert!(place.prune(0, &overdue).finished);
        place.assert_whole();
        place.assert_minimal();
    });
    assert!(cuts > 20, "{cuts} operations are not the whole protocol");
}

#[test]
fn a_forget_that_the_power_took_back_loses_nothing() {
    let place = prepared();
    let victim = *place.promised.keys().next().unwrap();
    for cut in 0..ENDLESS {
        let scene = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let dying = place.after(place.disk.image(), &scene.path().join("dying"));
        dying.disk.cut_after(cut);
        let forgotten = dying.machines[1]
            .open(dying.disk.clone(), &dying.key)
            .and_then(|repository| forget(&repository, &dying.machines[1], &[victim]));
        // The machine that holds the objects lives on, the one that forgot does not: a prune goes by what it sees.
        for (number, image) in distinct(dying.disk.crash_images(7)).into_iter().enumerate() {
            check_after_forget(&dying, image, &scene.path().join(number.to_string()), victim);
        }
        if forgotten.is_ok() {
            return;
        }
    }
    panic!("a forget has more than {ENDLESS} operations");
}

fn check_after_forget(dying: &Place, image: Image, base: &Path, victim: keepfast_repo_format::id::SnapshotId) {
    let mut after = dying.after(image, base);
    let repository = after.open(0);
    if !repository.history().unwrap().snapshot_ids().any(|id| id == victim) {
        after.promised.remove(&victim);
    }
    drop(repository);
    let report = after.prune(0, &PruneOptions { void_after: Some(Duration::ZERO), ..all_of_it() });
    assert!(report.finished, "{report:?}");
    after.assert_whole();
    after.assert_minimal();
}
