// SPDX-License-Identifier: MIT OR Apache-2.0
//! Archives that were looked into, after they were stored: what compares, copies, counts, prunes and brings back snapshots knows
//! that a file consists of its content and its recipes.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use keepfast_engine::backup::{BackupOptions, DeltaLimits};
use keepfast_engine::copy::{CopyOptions, Fate, Mode as CopyMode, copy};
use keepfast_engine::diff::{Difference, diff};
use keepfast_engine::events::Silent;
use keepfast_engine::forget::{Mode as ForgetMode, Selection, forget};
use keepfast_engine::prune::prune;
use keepfast_engine::stats::stats;
use keepfast_engine::tree::find;
use keepfast_engine::undelete::{Mode as UndeleteMode, undelete};
use keepfast_engine::writer::Compression;
use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::tree::entry::Entry;
use keepfast_storage::local::LocalBackend;

use super::golden_reader::python;
use crate::support::archives::{gzip, lines, tar, write, zip};
use crate::support::capture::{Capture, assert_same, capture};
use crate::support::collector::{all_of_it, live};
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, client, initialise, let_time_pass, root};
use crate::support::workspace;

/// Three nights of archives of all sizes, and what the source was.
struct Nights {
    sandbox: Sandbox,
    states: Vec<(SnapshotId, Capture)>,
}

impl Nights {
    fn new(seed: u64) -> Self {
        Self::with(seed, DeltaLimits::default())
    }

    fn with(seed: u64, deltas: DeltaLimits) -> Self {
        let (sandbox, mut random) = (Sandbox::new(), Random::new(seed));
        let mut texts: Vec<Vec<u8>> = [20_000, 700_000, 5 << 20].map(|length| lines(&mut random, length)).into();
        let mut states = Vec::new();
        for _ in 0..3 {
            let files = [
                ("small.gz", gzip(&texts[0])),
                ("middle.tar.gz", gzip(&tar(&[("a", &texts[1]), ("b", &texts[0])], 7))),
                ("large.zip", zip(&[("inner.gz", &gzip(&texts[2])), ("text", &texts[1])])),
                ("same.gz", gzip(b"the same every night, and short. ".repeat(3000).as_slice())),
            ];
            write(&sandbox.source(), &files);
            let_time_pass();
            let options = BackupOptions { deltas, ..sandbox.options_at_top() };
            let id = sandbox.backup_with(&options).snapshot.unwrap();
            states.push((id, capture(&sandbox.source())));
            for text in &mut texts {
                let at = random.below(text.len());
                text.splice(at..at, b"one more line\n".iter().copied());
            }
        }
        Self { sandbox, states }
    }

    fn ids(&self) -> Vec<SnapshotId> {
        self.states.iter().map(|(id, _)| *id).collect()
    }

    fn entry(&self, night: usize, path: &str) -> Entry {
        let repository = self.sandbox.open();
        repository.history().unwrap();
        let snapshots = self.sandbox.snapshots();
        let snapshot = snapshots.iter().find(|snapshot| snapshot.id == self.states[night].0).unwrap();
        find(&repository.reader(), root(snapshot), path.as_bytes()).unwrap().unwrap()
    }
}

/// The whole of a snapshot whose top is the source.
fn restored(sandbox: &Sandbox, id: SnapshotId) -> Capture {
    let target = tempfile::tempdir().unwrap();
    let options = crate::support::sandbox::restore_options(target.path());
    let (summary, _) = sandbox.restore_with(id, &options).unwrap();
    assert_eq!(summary.problems, []);
    capture(target.path())
}

fn without_top(mut capture: Capture) -> Capture {
    capture.remove(&b""[..]);
    capture
}

fn assert_restores(sandbox: &Sandbox, id: SnapshotId, state: &Capture, what: &str) {
    assert_same(&without_top(state.clone()), &without_top(restored(sandbox, id)), what);
}

#[test]
fn a_difference_is_told_of_archives_that_differ_and_of_no_other() {
    let nights = Nights::new(1);
    let repository = nights.sandbox.open();
    repository.history().unwrap();
    let snapshots = nights.sandbox.snapshots();
    let mut told = Vec::new();
    let mut each = |difference, old: Option<&Entry>, _: Option<&Entry>| {
        told.push((String::from_utf8(old.unwrap().path()).unwrap(), difference));
    };
    diff(&repository.reader(), root(&snapshots[0]), root(&snapshots[1]), b"", &Silent, &mut each).unwrap();
    let files: Vec<_> = told.into_iter().filter(|(path, _)| !path.is_empty() && path != "same.gz").collect();
    let modified = ["large.zip", "middle.tar.gz", "small.gz"].map(|name| (name.to_string(), Difference::Modified));
    assert_eq!(files, modified);
}

#[test]
fn two_ways_to_compress_the_same_text_are_a_difference() {
    let sandbox = Sandbox::new();
    let text = lines(&mut Random::new(2), 100_000);
    let [fast, slow] = [1, 9].map(|level| {
        let body = miniz_oxide::deflate::compress_to_vec(&text, level);
        [&[0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 0, 3][..], &body, b"crc0size"].concat()
    });
    let mut ids = Vec::new();
    for packed in [fast, slow] {
        write(&sandbox.source(), &[("a.gz", packed)]);
        let_time_pass();
        ids.push(sandbox.backup_with(&sandbox.options_at_top()).snapshot.unwrap());
    }
    let (repository, snapshots) = (sandbox.open(), sandbox.snapshots());
    repository.history().unwrap();
    let mut told = Vec::new();
    let mut each = |difference, _: Option<&Entry>, new: Option<&Entry>| told.push((new.unwrap().path(), difference));
    diff(&repository.reader(), root(&snapshots[0]), root(&snapshots[1]), b"", &Silent, &mut each).unwrap();
    assert!(told.contains(&(b"a.gz".to_vec(), Difference::Modified)), "{told:?}");
}

#[test]
fn copies_in_another_repository_come_back_and_a_second_copy_has_nothing_to_do() {
    let nights = Nights::new(3);
    let target = Sandbox::new();
    let options = CopyOptions { compression: Compression::Level(1), threads: 2, mode: CopyMode::Write };
    for round in 0..2 {
        let mut copies = Vec::new();
        let mut each = |_: &_, fate: &Fate| match fate {
            Fate::Copied(Some(id), _) if round == 0 => copies.push(*id),
            Fate::Present(id) if round == 1 => copies.push(*id),
            other => panic!("round {round}: {other:?}"),
        };
        copy(&nights.sandbox.open(), &target.open(), &client(), &nights.ids(), &options, &Silent, &mut each).unwrap();
        for (copy, (_, state)) in copies.iter().zip(&nights.states) {
            assert_restores(&target, *copy, state, &format!("round {round}"));
        }
        assert_eq!(copies.len(), 3);
    }
    assert_eq!(target.check().findings, []);
    let count = |sandbox: &Sandbox| {
        let (repository, snapshots) = (sandbox.open(), sandbox.snapshots());
        repository.history().unwrap();
        let stats = stats(&repository, &snapshots.iter().collect::<Vec<_>>(), &Silent).unwrap();
        (stats.files, stats.restore_bytes, stats.unique_chunks, stats.unique_bytes)
    };
    assert_eq!(count(&nights.sandbox), count(&target));
}

#[test]
fn a_prune_keeps_the_recipes_of_what_is_kept_and_nothing_of_what_is_not() {
    for deltas in [DeltaLimits::NONE, DeltaLimits::default()] {
        prune_all_but_the_last(&Nights::with(4, deltas));
    }
}

fn prune_all_but_the_last(nights: &Nights) {
    let sandbox = &nights.sandbox;
    let gone = Selection::Named(vec![nights.states[0].0, nights.states[1].0]);
    forget(&sandbox.open(), &client(), &gone, ForgetMode::Write).unwrap();
    let report = prune(&sandbox.open(), &client(), &all_of_it(), &Silent).unwrap();
    assert!(report.finished && report.packs_written + report.packs_deleted > 0, "{report:?}");
    assert_restores(sandbox, nights.states[2].0, &nights.states[2].1, "after the prune");
    assert_eq!(sandbox.check().findings, []);
    let entry = nights.entry(2, "large.zip");
    let live = live(&sandbox.open());
    assert_eq!(entry.layers.len(), 2);
    let ids = entry.contents().flat_map(|content| &content.items).filter_map(|item| item.id);
    assert!(ids.into_iter().all(|id| live.contains(&id)));
}

#[test]
fn a_forgotten_snapshot_with_archives_comes_back() {
    let nights = Nights::new(5);
    let (sandbox, (id, state)) = (&nights.sandbox, &nights.states[0]);
    forget(&sandbox.open(), &client(), &Selection::Named(vec![*id]), ForgetMode::Write).unwrap();
    undelete(&sandbox.open(), &client(), &[*id], UndeleteMode::Write, &Silent).unwrap();
    assert_restores(sandbox, *id, state, "undeleted");
}

/// Names of the files below a folder.
fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

#[test]
fn the_independent_reader_gives_the_innermost_stream_and_says_what_it_can_not() {
    let Some(python) = python() else { return };
    let mut sandbox = Sandbox::new();
    let (repo, key) = (sandbox.path("repo"), sandbox.path("key"));
    let backend = Arc::new(LocalBackend::create(&repo).unwrap());
    sandbox.key = initialise(backend.as_ref());
    fs::write(&key, sandbox.key.to_text().as_str()).unwrap();
    let text = lines(&mut Random::new(6), 400_000);
    write(&sandbox.source(), &[("dump.sql.gz", gzip(&text)), ("plain", b"plain".to_vec())]);
    let mut options = sandbox.options_at_top();
    options.source.working_directory = sandbox.source();
    let repository = sandbox.open_on(backend).unwrap();
    keepfast_engine::backup::backup(&repository, &client(), &options, &Silent).unwrap();
    let run = |words: &[&Path]| {
        let mut command = Command::new(&python);
        command.arg(workspace().join("docs/reader.py")).arg(&repo).arg("--key-file").arg(&key).args(words);
        command.output().unwrap()
    };
    let checked = run(&[Path::new("check")]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let target = sandbox.path("by the reader");
    let output = run(&[Path::new("restore"), Path::new("latest"), &target]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("dump.sql.gz") && said.contains("wrapped"), "{said}");
    assert_eq!(names(&target), ["dump.sql.gz.unwrapped", "plain"]);
    assert!(fs::read(target.join("dump.sql.gz.unwrapped")).unwrap() == text);
}
