// SPDX-License-Identifier: MIT OR Apache-2.0
//! Copies in another repository are the originals to the last attribute, are made once, and are whole or not made at all.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keepfast_engine::copy::{CopyOptions, Fate, Mode, copy};
use keepfast_engine::events::{Events, Silent};
use keepfast_engine::history::Snapshot;
use keepfast_engine::repository::Repository;
use keepfast_engine::stats::{Stats, stats};
use keepfast_engine::writer::Compression;
use keepfast_engine::{Error, Result};
use keepfast_repo_format::id::SnapshotId;
use keepfast_storage::testing::{Fault, FaultyBackend, MemBackend, Moment, Operation, Record, RecordingBackend};
use keepfast_storage::{Backend, ErrorKind};

use crate::support::capture::{Capture, assert_same, capture};
use crate::support::forest::{edit, grow};
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, client, let_time_pass, restore_options};

/// A repository with several snapshots of one folder, and what each of them is.
struct Source {
    sandbox: Sandbox,
    states: Vec<(SnapshotId, Capture)>,
}

impl Source {
    fn new(seed: u64, count: usize) -> Self {
        let (sandbox, mut random) = (Sandbox::new(), Random::new(seed));
        grow(&sandbox.source(), &mut random, 60);
        // Enough chunks for list nodes.
        fs::write(sandbox.source().join("large"), random.bytes(150_000)).unwrap();
        let mut states = Vec::new();
        for number in 0..count {
            let_time_pass();
            let mut options = sandbox.options_at_top();
            options.tags = vec![format!("night-{number}")];
            options.description = format!("number {number}");
            states.push((sandbox.backup_with(&options).snapshot.unwrap(), capture(&sandbox.source())));
            edit(&sandbox.source(), &mut random, 12);
        }
        Self { sandbox, states }
    }

    fn ids(&self) -> Vec<SnapshotId> {
        self.states.iter().map(|(id, _)| *id).collect()
    }
}

fn options() -> CopyOptions {
    CopyOptions { compression: Compression::Level(1), threads: 2, mode: Mode::Write }
}

/// Copies and says what became of each.
fn copy_with(
    source: &Repository,
    target: &Repository,
    ids: &[SnapshotId],
    options: &CopyOptions,
    events: &dyn Events,
) -> (Vec<(SnapshotId, Fate)>, Result<()>) {
    // Fates hold errors, which can not be cloned.
    let mut fates = Vec::new();
    let mut each = |snapshot: &Snapshot, fate: &Fate| {
        let fate = match fate {
            Fate::Copied(copy, totals) => Fate::Copied(*copy, *totals),
            Fate::Present(copy) => Fate::Present(*copy),
            Fate::Damaged(error) => Fate::Damaged(Error::Invalid(error.to_string())),
        };
        fates.push((snapshot.id, fate));
    };
    let done = copy(source, target, &client(), ids, options, events, &mut each);
    (fates, done)
}

fn copy_all(source: &Source, target: &Sandbox) -> Vec<(SnapshotId, Fate)> {
    let (fates, done) = copy_with(&source.sandbox.open(), &target.open(), &source.ids(), &options(), &Silent);
    done.unwrap();
    fates
}

fn restored(sandbox: &Sandbox, id: SnapshotId) -> Capture {
    let folder: PathBuf = sandbox.path(&format!("restored-{}", &id.to_string()[..8]));
    let (summary, _) = sandbox.restore_with(id, &restore_options(&folder)).unwrap();
    assert_eq!(summary.problems, []);
    capture(&folder)
}

fn count(sandbox: &Sandbox) -> Stats {
    let (repository, snapshots) = (sandbox.open(), sandbox.snapshots());
    repository.history().unwrap();
    stats(&repository, &snapshots.iter().collect::<Vec<_>>(), &Silent).unwrap()
}

fn pack_reads(records: &[Record]) -> usize {
    let is_read = |record: &&Record| record.operation == Operation::Get && record.name.starts_with("packs/");
    records.iter().filter(is_read).count()
}

#[test]
fn copies_are_their_originals_to_the_last_attribute() {
    for seed in 0..4 {
        let (source, target) = (Source::new(seed, 4), Sandbox::new());
        let fates = copy_all(&source, &target);
        let originals = source.sandbox.snapshots();
        let copies = target.snapshots();
        assert_eq!((fates.len(), copies.len()), (4, 4));
        for (number, copied) in copies.iter().enumerate() {
            let (original, (id, state)) = (&originals[number], &source.states[number]);
            assert_eq!(original.id, *id);
            assert!(matches!(fates[number], (from, Fate::Copied(Some(to), _)) if (from, to) == (*id, copied.id)));
            assert_ne!((copied.id, copied.manifest.root), (original.id, original.manifest.root), "other keys");
            let about = |snapshot: &Snapshot| {
                let manifest = snapshot.manifest.clone();
                let times = (manifest.started, manifest.finished);
                (manifest.host, manifest.user, manifest.paths, times, manifest.description, snapshot.tags.clone())
            };
            assert_eq!(about(copied), about(original));
            assert_same(state, &restored(&target, copied.id), &format!("seed {seed}, snapshot {number}"));
        }
        for pair in copies.windows(2) {
            assert_eq!(pair[1].manifest.parent, Some(pair[0].id), "the parent is the parent's copy");
        }
        assert_eq!(target.check().findings, []);
        let (here, there) = (count(&source.sandbox), count(&target));
        assert_eq!((there.unique_chunks, there.unique_bytes), (here.unique_chunks, here.unique_bytes), "chunks as cut");
        assert_eq!((there.files, there.restore_bytes), (here.files, here.restore_bytes));
    }
}

#[test]
fn a_second_run_finds_everything_there_and_reads_no_pack() {
    let (source, target) = (Source::new(11, 3), Sandbox::new());
    let first = copy_all(&source, &target);
    let objects = target.objects.list("").unwrap().len();
    let recording = Arc::new(RecordingBackend::new(source.sandbox.objects.clone()));
    let from = source.sandbox.open_on(recording.clone()).unwrap();
    let (second, done) = copy_with(&from, &target.open(), &source.ids(), &options(), &Silent);
    done.unwrap();
    for ((_, first), (_, second)) in first.iter().zip(&second) {
        let (Fate::Copied(Some(copied), _), Fate::Present(present)) = (first, second) else { panic!("{second:?}") };
        assert_eq!(copied, present);
    }
    assert_eq!(pack_reads(&recording.take()), 0);
    assert_eq!(target.objects.list("").unwrap().len(), objects);
}

#[test]
fn tags_of_today_are_copied_and_changing_them_makes_no_other_snapshot() {
    let (source, target) = (Source::new(12, 1), Sandbox::new());
    let edit = |add: &str| keepfast_engine::tag::TagEdit { add: vec![add.into()], ..Default::default() };
    keepfast_engine::tag::tag(&source.sandbox.open(), &client(), &source.ids(), &edit("more")).unwrap();
    copy_all(&source, &target);
    assert_eq!(target.snapshots()[0].tags, ["more", "night-0"]);
    keepfast_engine::tag::tag(&source.sandbox.open(), &client(), &source.ids(), &edit("later")).unwrap();
    assert!(matches!(copy_all(&source, &target)[0].1, Fate::Present(_)));
}

#[test]
fn only_what_is_new_is_read_for_the_next_night() {
    let (source, target) = (Source::new(13, 2), Sandbox::new());
    let read = |id: SnapshotId| {
        let recording = Arc::new(RecordingBackend::new(source.sandbox.objects.clone()));
        let from = source.sandbox.open_on(recording.clone()).unwrap();
        copy_with(&from, &target.open(), &[id], &options(), &Silent).1.unwrap();
        pack_reads(&recording.take())
    };
    let (first, second) = (read(source.states[0].0), read(source.states[1].0));
    assert!(second < first, "{second} segments for the second, {first} for the first");
    assert_same(&source.states[1].1, &restored(&target, target.snapshots()[1].id), "the second");
}

/// Asks to stop once this many snapshots' worth of paths went by.
struct StopAfter {
    paths: usize,
    seen: AtomicUsize,
}

impl Events for StopAfter {
    fn path_done(&self, _path: &[u8], _bytes: u64) {
        self.seen.fetch_add(1, Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.seen.load(Ordering::Relaxed) > self.paths
    }
}

#[test]
fn an_interrupted_copy_keeps_what_was_whole_and_goes_on_from_there() {
    let (source, target) = (Source::new(14, 4), Sandbox::new());
    let first = source.states[0].1.len();
    let stop = StopAfter { paths: first + 5, seen: AtomicUsize::new(0) };
    let (fates, done) = copy_with(&source.sandbox.open(), &target.open(), &source.ids(), &options(), &stop);
    assert!(matches!(done, Err(Error::Cancelled)), "{done:?}");
    assert_eq!((fates.len(), target.snapshots().len()), (1, 1));
    let fates = copy_all(&source, &target);
    assert!(matches!(fates[0].1, Fate::Present(_)));
    assert!(fates[1..].iter().all(|(_, fate)| matches!(fate, Fate::Copied(Some(_), _))));
    for (copied, (_, state)) in target.snapshots().iter().zip(&source.states) {
        assert_same(state, &restored(&target, copied.id), "after an interruption");
    }
    assert_eq!(target.check().findings, []);
}

#[test]
fn damage_costs_the_snapshots_that_it_is_in_and_no_other() {
    let source = Source::new(15, 3);
    let image = source.sandbox.objects.image();
    let (mut copied_some, mut damaged_some) = (0, 0);
    for pack in image.names("packs") {
        let victim = source.sandbox.copy(MemBackend::from_image(image.clone()));
        victim.objects.edit(|image| drop(image.remove(&pack)));
        let target = Sandbox::new();
        let (fates, done) = copy_with(&victim.open(), &target.open(), &source.ids(), &options(), &Silent);
        done.unwrap();
        assert_eq!(fates.len(), 3);
        let copies = target.snapshots();
        let mut copies = copies.iter();
        for ((_, fate), (_, state)) in fates.iter().zip(&source.states) {
            match fate {
                Fate::Copied(Some(id), _) => {
                    assert_eq!(copies.next().unwrap().id, *id);
                    assert_same(state, &restored(&target, *id), "beside damage");
                    copied_some += 1;
                }
                Fate::Damaged(_) => damaged_some += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(copies.next().is_none(), "what is damaged is not there in part");
        assert_eq!(target.check().findings, []);
    }
    assert!(copied_some > 0 && damaged_some > 0, "{copied_some} copied, {damaged_some} damaged");
}

#[test]
fn a_target_that_fails_keeps_what_was_whole() {
    let source = Source::new(16, 3);
    for nth in [1, 3, 5] {
        let target = Sandbox::new();
        let fault = Fault::new(Operation::Put, "packs/", nth, ErrorKind::Full, Moment::BeforeEffect);
        let faulty = Arc::new(FaultyBackend::new(target.objects.clone(), vec![fault]));
        let to = target.open_on(faulty).unwrap();
        let (fates, done) = copy_with(&source.sandbox.open(), &to, &source.ids(), &options(), &Silent);
        assert!(matches!(done, Err(Error::Storage(_))), "{done:?}");
        assert_eq!(fates.len(), target.snapshots().len());
        copy_all(&source, &target);
        for (copied, (_, state)) in target.snapshots().iter().zip(&source.states) {
            assert_same(state, &restored(&target, copied.id), "after a full disk");
        }
        assert_eq!(target.check().findings, []);
    }
}

#[test]
fn a_copy_heals_what_the_target_has_lost() {
    let source = Source::new(17, 2);
    let whole = Sandbox::new();
    copy_with(&source.sandbox.open(), &whole.open(), &source.ids()[..1], &options(), &Silent).1.unwrap();
    let image = whole.objects.image();
    for pack in image.names("packs") {
        let target = whole.copy(MemBackend::from_image(image.clone()));
        target.objects.edit(|image| drop(image.remove(&pack)));
        copy_with(&source.sandbox.open(), &target.open(), &source.ids()[1..], &options(), &Silent).1.unwrap();
        let second = target.snapshots()[1].id;
        assert_same(&source.states[1].1, &restored(&target, second), "nothing of it relies on the lost pack");
    }
}

#[test]
fn a_dry_run_says_what_is_missing_and_writes_nothing() {
    let (source, target) = (Source::new(18, 2), Sandbox::new());
    copy_with(&source.sandbox.open(), &target.open(), &source.ids()[..1], &options(), &Silent).1.unwrap();
    let objects = target.objects.list("").unwrap().len();
    let dry = CopyOptions { mode: Mode::DryRun, ..options() };
    let (fates, done) = copy_with(&source.sandbox.open(), &target.open(), &source.ids(), &dry, &Silent);
    done.unwrap();
    assert!(matches!(fates[..], [(_, Fate::Present(_)), (_, Fate::Copied(None, _))]), "{fates:?}");
    assert_eq!(target.objects.list("").unwrap().len(), objects);
}

#[test]
fn a_repository_is_not_copied_into_itself() {
    let source = Source::new(19, 1);
    let (fates, done) = copy_with(&source.sandbox.open(), &source.sandbox.open(), &source.ids(), &options(), &Silent);
    assert!(done.unwrap_err().to_string().contains("same repository"));
    let target = Sandbox::new();
    let unknown = [SnapshotId([3; 32])];
    let (none, done) = copy_with(&source.sandbox.open(), &target.open(), &unknown, &options(), &Silent);
    assert!(matches!(done, Err(Error::NoSnapshot { .. })), "{done:?}");
    assert!(fates.is_empty() && none.is_empty());
}
