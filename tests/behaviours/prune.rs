// SPDX-License-Identifier: MIT OR Apache-2.0
//! "Prune deletes what nobody needs, and nothing else": random histories of backups, forgets and prunes against a naive model that
//! keeps every id in a set, and what single options and states promise.

use std::fs;
use std::sync::Arc;

use keepfast_engine::prune::{MaxUnused, Mode, PruneOptions};
use keepfast_repo_format::id::SnapshotId;
use keepfast_storage::limit::{Limit, LimitOptions};
use keepfast_storage::local::LocalBackend;
use keepfast_storage::retry::{Retry, RetryOptions};
use keepfast_storage::testing::TestClock;

use crate::support::collector::{all_of_it, prune_on};
use crate::support::history_script::{Machine, init_small, scratch};
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

/// What a program that was killed while it wrote an object leaves behind in a folder: seen by nobody, and never by a list.
#[test]
fn what_was_left_half_written_goes_through_all_that_stands_around_a_storage() {
    let scratch = scratch();
    let folder = scratch.path().join("repository");
    let local = Arc::new(LocalBackend::create(&folder).unwrap());
    let key = init_small(local.as_ref()).unwrap();
    let machine = Machine::new("alpha", scratch.path());
    let left = folder.join("packs").join(".tmp-0123456789abcdef0123456789abcdef");
    fs::create_dir_all(left.parent().unwrap()).unwrap();
    fs::write(&left, "half a pack").unwrap();
    let clock = TestClock::new();
    let limited = Arc::new(Limit::new(local, LimitOptions::default(), clock.pace()));
    let backend = Arc::new(Retry::new(limited, RetryOptions::default(), clock.pace()));
    let repository = machine.open(backend, &key).unwrap();
    let dry_run = PruneOptions { mode: Mode::DryRun, ..all_of_it() };
    prune_on(&repository, &machine, &dry_run).unwrap();
    assert!(left.exists(), "a dry run changes nothing");
    prune_on(&repository, &machine, &all_of_it()).unwrap();
    assert!(!left.exists());
}
