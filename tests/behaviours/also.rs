// SPDX-License-Identifier: MIT OR Apache-2.0
//! One reading for several repositories: each gets the whole moment, and each succeeds or fails on its own.

use std::fs;
use std::sync::{Arc, Mutex};

use keepfast_engine::backup::{BackupOptions, Stream, StreamInput, Summary, backup_to_all};
use keepfast_engine::events::{Events, Silent};
use keepfast_engine::repository::Repository;
use keepfast_engine::{Error, Result};
use keepfast_storage::ErrorKind;
use keepfast_storage::testing::{Fault, FaultyBackend, MemBackend, Moment, Operation};

use crate::support::capture::{assert_same, capture};
use crate::support::forest::{edit, grow};
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, client, initialise, let_time_pass};

/// Two repositories with other keys, and one source.
fn pair(seed: u64) -> (Sandbox, Sandbox, Random) {
    let (first, mut random) = (Sandbox::new(), Random::new(seed));
    grow(&first.source(), &mut random, 80);
    fs::write(first.source().join("big"), random.bytes(6 << 20)).unwrap();
    let mut second = first.copy(MemBackend::new());
    second.key = initialise(second.objects.as_ref());
    (first, second, random)
}

fn both(repositories: [&Repository; 2], options: &BackupOptions) -> [Result<Summary>; 2] {
    let results = backup_to_all(&repositories, &client(), options, &Silent).unwrap();
    results.try_into().unwrap()
}

#[test]
fn both_repositories_hold_the_source() {
    for seed in 0..4 {
        let (first, second, mut random) = pair(seed);
        for night in 0..3 {
            let_time_pass();
            let summaries = both([&first.open(), &second.open()], &first.options());
            for (sandbox, summary) in [&first, &second].into_iter().zip(summaries) {
                let summary = summary.unwrap();
                assert_eq!(summary.problems, []);
                let target = sandbox.restore(summary.snapshot.unwrap());
                assert_same(&capture(&first.source()), &capture(&target), &format!("seed {seed}, night {night}"));
                assert_eq!(sandbox.check().findings, []);
            }
            edit(&first.source(), &mut random, 15);
        }
    }
}

/// Counts bytes that were read.
#[derive(Default)]
struct Reading(Mutex<u64>);

impl Events for Reading {
    fn path_done(&self, _path: &[u8], bytes: u64) {
        *self.0.lock().unwrap() += bytes;
    }

    fn bytes_done(&self, bytes: u64) {
        *self.0.lock().unwrap() += bytes;
    }
}

#[test]
fn the_source_is_read_once_and_a_stream_can_be() {
    let (first, second, _) = pair(10);
    let mut options = first.options();
    let stream: Box<dyn std::io::Read + Send> = Box::new(std::io::Cursor::new(Random::new(3).bytes(9_000_000)));
    let input = StreamInput::Reader(Mutex::new(Some(stream)));
    options.streams = vec![Stream::new(b"dump.sql".to_vec(), input)];
    let reading = Reading::default();
    let (a, b) = (first.open(), second.open());
    let results = backup_to_all(&[&a, &b], &client(), &options, &reading).unwrap();
    let totals: Vec<_> = results.into_iter().map(|result| result.unwrap().totals).collect();
    assert_eq!(totals[0].bytes, totals[1].bytes);
    assert!(totals[0].bytes > 15_000_000);
    assert_eq!(*reading.0.lock().unwrap(), totals[0].bytes, "every byte once");
}

#[test]
fn each_repository_has_its_own_parent() {
    let (first, second, mut random) = pair(20);
    let_time_pass();
    first.backup_with(&first.options_at_top());
    edit(&first.source(), &mut random, 5);
    let_time_pass();
    let [a, b] = both([&first.open(), &second.open()], &first.options_at_top()).map(Result::unwrap);
    assert!(a.parent.is_some() && a.totals.unmodified_files > 0);
    assert_eq!((b.parent, b.totals.unmodified_files), (None, 0));
    assert!(a.totals.stored_bytes < b.totals.stored_bytes / 2);
    // From now on both are unchanged.
    let_time_pass();
    let [a, b] = both([&first.open(), &second.open()], &first.options_at_top()).map(Result::unwrap);
    for summary in [a, b] {
        assert_eq!((summary.totals.new_files, summary.totals.changed_files), (0, 0));
        assert_eq!(summary.totals.new_chunks, 0);
    }
}

#[test]
fn a_repository_that_fails_takes_no_other_with_it() {
    let (first, second, _) = pair(30);
    let whole = capture(&first.source());
    let places =
        [("sessions", 1), ("packs", 1), ("packs", 2), ("packs", 4), ("index", 1), ("snapshots", 1), ("log", 1)];
    for (folder, nth) in places {
        for failing in 0..2 {
            let what = format!("put {nth} in {folder} fails in repository {failing}");
            let sandboxes = [&first, &second].map(|sandbox| {
                let mut copy = first.copy(MemBackend::from_image(sandbox.objects.image()));
                copy.key = sandbox.key.clone();
                copy
            });
            let fault = Fault::new(Operation::Put, folder, nth, ErrorKind::Full, Moment::BeforeEffect).and_ever_after();
            let faulty = Arc::new(FaultyBackend::new(sandboxes[failing].objects.clone(), vec![fault]));
            let (broken, open) = (sandboxes[failing].open_on(faulty.clone()).unwrap(), sandboxes[1 - failing].open());
            let mut results = both(if failing == 0 { [&broken, &open] } else { [&open, &broken] }, &first.options());
            results.rotate_left(failing);
            let [failed, done] = results;
            let target = sandboxes[1 - failing].restore(done.unwrap().snapshot.unwrap());
            assert_same(&whole, &capture(&target), &what);
            assert!(matches!(failed, Err(Error::Storage(_))), "{what}: {failed:?}");
            faulty.verify_all_faults_reached();
            assert!(sandboxes[failing].snapshots().is_empty(), "{what}");
        }
    }
}

#[test]
fn who_cancels_cancels_for_all() {
    struct Stop;
    impl Events for Stop {
        fn cancelled(&self) -> bool {
            true
        }
    }
    let (first, second, _) = pair(40);
    let (a, b) = (first.open(), second.open());
    let outcome = backup_to_all(&[&a, &b], &client(), &first.options(), &Stop);
    assert!(matches!(outcome, Err(Error::Cancelled)));
    assert!(first.snapshots().is_empty() && second.snapshots().is_empty());
}
