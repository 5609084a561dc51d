// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was written once is read for ever: every version of the format has a repository in `tests/golden`, made by the program
//! of its time, with everything in it that a tree can hold. It opens, is whole, restores, and takes the next backup.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use keepfast_engine::backup::backup;
use keepfast_engine::check::{ReadData, check};
use keepfast_engine::events::Silent;
use keepfast_engine::filter::Filter;
use keepfast_engine::history::Snapshot;
use keepfast_engine::repository::{Credential, Repository};
use keepfast_engine::restore::{Compare, Extras, Mode, RestoreOptions, Spared, Verify, restore};
use keepfast_engine::session::Client;
use keepfast_engine::target::OwnershipMode;
use keepfast_engine::tree::Root;

use crate::support::golden::{Abilities, Golden, describe, golden_folder};
use crate::support::history_script::{options, write_files};

/// Every version of the format that a program was released with, and what later programs began to write of it: delta segments and wrapped
/// files. None is ever taken away.
pub const VERSIONS: [&str; 2] = ["v1", "v1-deltas"];

fn snapshots(repository: &Repository) -> Vec<Snapshot> {
    let (snapshots, damaged) = repository.history().unwrap().snapshots(repository).unwrap();
    assert!(damaged.is_empty(), "{damaged:?}");
    snapshots
}

fn assert_whole(repository: &Repository, snapshots: u64) {
    let report = check(repository, ReadData::All, 2, &Silent).unwrap();
    assert_eq!(report.findings, [], "a golden repository is damaged");
    assert_eq!((report.snapshots, report.packs_read), (snapshots, report.packs));
}

fn restore_to(repository: &Repository, snapshot: &Snapshot, target: &Path) {
    let options = RestoreOptions {
        target: target.to_path_buf(),
        subtree: Vec::new(),
        filter: Filter::new(&[], &[]).unwrap(),
        extras: Extras::Keep,
        spared: Spared::default(),
        compare: Compare::Content,
        ownership: OwnershipMode::Numeric,
        mode: Mode::Write,
        verify: Verify::No,
        threads: 2,
    };
    let root = Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
    let summary = restore(repository.reader(), root, &options, &Silent, &|_, _| ()).unwrap();
    // An ordinary user can not give files away, and is told so.
    assert!(summary.problems.is_empty() || !rustix::process::geteuid().is_root(), "{:?}", summary.problems);
}

/// Every expected snapshot, restored, is what was saved.
fn assert_restores(golden: &Golden, repository: &Repository, base: &Path) {
    let (abilities, stored) = (Abilities::of(base), snapshots(repository));
    for expected in golden.expected() {
        let snapshot = stored.iter().find(|snapshot| snapshot.id.to_string() == expected.id).unwrap();
        let target = base.join(&expected.id[..8]);
        restore_to(repository, snapshot, &target);
        assert_same(&abilities.comparable(&expected.lines), &abilities.comparable(&describe(&target)));
    }
}

/// Equal, or the first lines that differ.
pub fn assert_same(expected: &BTreeSet<String>, found: &BTreeSet<String>) {
    let shown = |lines: Vec<&String>| lines.iter().take(20).map(|line| format!("  {line}\n")).collect::<String>();
    let (lost, new) = (expected.difference(found).collect::<Vec<_>>(), found.difference(expected).collect::<Vec<_>>());
    assert!(lost.is_empty() && new.is_empty(), "saved, but not restored:\n{}restored:\n{}", shown(lost), shown(new));
}

#[test]
fn every_golden_folder_stands_in_the_table() {
    let entries = fs::read_dir(golden_folder()).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    let names: BTreeSet<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    assert_eq!(names, VERSIONS.map(String::from).into());
}

#[test]
fn golden_repositories_open_with_key_file_and_password_and_are_whole() {
    for golden in VERSIONS.map(Golden::of_version) {
        let state = tempfile::tempdir().unwrap();
        for credential in [golden.key_file(), golden.password()] {
            let repository = golden.open(&credential, state.path()).unwrap();
            assert_whole(&repository, 2);
            let found: Vec<_> = snapshots(&repository).iter().map(|snapshot| snapshot.id.to_string()).collect();
            let expected: Vec<_> = golden.expected().into_iter().map(|snapshot| snapshot.id).collect();
            assert_eq!(found, expected);
        }
        let wrong = Credential::Password("correct horse battery".to_string());
        assert!(golden.open(&wrong, state.path()).is_err(), "a letter is missing");
    }
}

#[test]
fn golden_snapshots_have_the_tags_of_their_last_change() {
    for golden in VERSIONS.map(Golden::of_version) {
        let state = tempfile::tempdir().unwrap();
        let stored = snapshots(&golden.open(&golden.key_file(), state.path()).unwrap());
        assert_eq!(stored[0].tags, ["first", "renamed"]);
        assert_eq!(stored[0].manifest.tags, ["first", "to-be-replaced"]);
        assert_eq!((&stored[1].tags[..], stored[1].manifest.parent), (&["second".to_string()][..], Some(stored[0].id)));
    }
}

#[test]
fn golden_snapshots_restore_to_what_was_saved() {
    for golden in VERSIONS.map(Golden::of_version) {
        let base = tempfile::tempdir().unwrap();
        let repository = golden.open(&golden.password(), &base.path().join("state")).unwrap();
        assert_restores(&golden, &repository, base.path());
    }
}

#[test]
fn a_golden_repository_takes_the_next_backup_and_keeps_the_old_ones() {
    for golden in VERSIONS.map(Golden::of_version) {
        let base = tempfile::tempdir().unwrap();
        let copy = golden.copy(&base.path().join("golden"));
        let source = base.path().join("source");
        write_files(&source, 20, 4711);
        let repository = copy.open(&copy.key_file(), &base.path().join("state")).unwrap();
        let now = 1_900_000_000;
        let client =
            Client { host: "next".into(), user: "tester".into(), process: 1, program: "keepfast test".into(), now };
        let summary = backup(&repository, &client, &options(&[source]), &Silent).unwrap();
        assert!(summary.problems.is_empty() && summary.totals.new_files > 0, "{summary:?}");
        let again = copy.open(&copy.password(), &base.path().join("state")).unwrap();
        assert_whole(&again, 3);
        assert_restores(&copy, &again, base.path());
    }
}
