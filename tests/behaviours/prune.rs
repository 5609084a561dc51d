// SPDX-License-Identifier: MIT OR Apache-2.0
//! "Prune deletes what nobody needs, and nothing else": random histories of backups, forgets and prunes against a naive model that
//! keeps every id in a set, and what single options and states promise.

use keepfast_engine::prune::{MaxUnused, PruneOptions};
use keepfast_repo_format::id::SnapshotId;

use crate::support::collector::all_of_it;
use crate::support::prune_place::Place;
use crate::support::random::Random;

fn random_history(seed: u64) {
    let mut random = Random::new(seed);
    let mut place = Place::new();
    for _ in 0..14 {
        let who = random.below(2);
        match random.below(10) {
            0..5 => {
                place.change(who, &mut random);
                place.back_up(who);
            }
            5..7 => {
                let ids: Vec<SnapshotId> = place.promised.keys().copied().filter(|_| random.chance(40)).collect();
                place.forget(who, &ids);
            }
            7 => {
                let report = place.prune(who, &PruneOptions { max_unused: MaxUnused::Percent(30.0), ..all_of_it() });
                assert!(report.finished);
            }
            8 => {
                let report = place.prune(who, &PruneOptions { max_unused: MaxUnused::Unlimited, ..all_of_it() });
                assert!(report.finished);
                assert_eq!(report.packs_written, 0, "packs with something live are left alone");
            }
            _ => {
                place.prune(who, &all_of_it());
                place.assert_minimal();
            }
        }
        place.assert_whole();
    }
    let report = place.prune(0, &all_of_it());
    assert!(report.finished, "{report:?}");
    place.assert_whole();
    place.assert_minimal();
    let operations = place.disk.operations();
    let again = place.prune(1, &all_of_it());
    assert_eq!(place.disk.operations(), operations, "a prune after a prune wrote something: {again:?}");
}

#[test]
fn what_is_visible_stays_and_what_is_dead_goes_whatever_happened_before() {
    for seed in 0..8 {
        random_history(seed);
    }
}
