// SPDX-License-Identifier: MIT OR Apache-2.0
//! A live file that changes between the two readings of a comparison: what is told is of one moment.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keepfast_engine::compare::{Mask, Outcome, Readers, Terms};
use keepfast_engine::diff::{Difference, Live, Places, Side, contents, diff_live};
use keepfast_engine::events::Silent;
use keepfast_engine::source::{Excludes, OneFileSystem};
use keepfast_storage::testing::{HookedBackend, Operation};

use crate::support::sandbox::{Sandbox, let_time_pass};

#[test]
fn a_live_file_that_changes_while_it_is_compared_is_compared_again() {
    let sandbox = Sandbox::new();
    let file = sandbox.source().join("file");
    fs::write(&file, "older\n").unwrap();
    sandbox.backup_with(&sandbox.options_at_top());
    fs::write(&file, "first\n").unwrap();
    // Contents that are still to be read until the file is written anew; 0 for never.
    let left = Arc::new(AtomicU64::new(0));
    let (meddled, meddling) = (file.clone(), left.clone());
    let meddle = move |operation, _: &str| {
        let is_last = || {
            let less = meddling.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            less == Ok(1)
        };
        if operation == Operation::Get && is_last() {
            let_time_pass();
            fs::write(&meddled, "later\n").unwrap();
        }
    };
    let backend = Arc::new(HookedBackend::new(sandbox.objects.clone(), meddle));
    let repository = sandbox.open_on(backend).unwrap();
    let (snapshots, _) = repository.history().unwrap().snapshots(&repository).unwrap();
    let reader = repository.reader();
    let live = Live {
        places: Places::below(&reader, &snapshots[0], &sandbox.source()).unwrap(),
        excludes: Excludes::default(),
        one_file_system: OneFileSystem::Cross,
        threads: 1,
    };
    let mut rows = Vec::new();
    diff_live(&reader, &snapshots[0], &live, b"", &Silent, &mut |difference, old, new| {
        rows.push((difference, old.cloned(), new.map(|(_, found)| found.clone())));
    })
    .unwrap();
    rows.retain(|(difference, ..)| *difference == Difference::Modified);
    let [(_, Some(old), Some(found))] = &rows[..] else { panic!("{rows:?}") };
    left.store(1, Ordering::Relaxed);
    let mask = Mask::reveal();
    let terms = Terms { readers: Readers::All, mask: &mask, now_unix: 0 };
    let (outcome, _) = contents(&reader, Some(Side::Stored(old)), Some(Side::Live(found)), terms).unwrap();
    assert_eq!(left.load(Ordering::Relaxed), 0, "it was changed between the two");
    let Outcome::Text { before, after } = outcome else { panic!("{outcome:?}") };
    assert_eq!((&before[..], &after[..]), (&b"older\n"[..], &b"later\n"[..]));
}
