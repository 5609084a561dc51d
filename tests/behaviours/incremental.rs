// SPDX-License-Identifier: MIT OR Apache-2.0
//! The second night: what did not change is neither read nor stored again, what did change is never overlooked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use keepfast_engine::backup::{self, Parent, backup};
use keepfast_engine::events::Silent;
use keepfast_storage::testing::{Operation, RecordingBackend};

use crate::support::capture::{assert_same, capture, without_holes};
use crate::support::child::{self, Process};
use crate::support::forest::{edit, grow, set_times};
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, backup_options, client, let_time_pass};

fn grown(seed: u64, paths: usize) -> (Sandbox, Random) {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(seed));
    grow(&sandbox.source(), &mut random, paths);
    let_time_pass();
    (sandbox, random)
}

#[test]
fn an_unchanged_folder_costs_a_session_a_manifest_and_a_log_slot() {
    // In a process of its own: the source is its working folder, so that no folder above it, which others change, counts.
    if child::process() == Process::Shared {
        let (sandbox, _) = grown(1, 100);
        let name = concat!(module_path!(), "::an_unchanged_folder_costs_a_session_a_manifest_and_a_log_slot");
        return child::again_in(&sandbox.source(), name);
    }
    let sandbox = Sandbox::new();
    let options = backup_options(&[".".into()]);
    let_time_pass();
    let first = sandbox.backup_with(&options);
    let recording = Arc::new(RecordingBackend::new(sandbox.objects.clone()));
    let mut operations = Vec::new();
    for _ in 0..3 {
        let repository = sandbox.open_cached_on(recording.clone()).unwrap();
        recording.take();
        let second = backup(&repository, &client(), &options, &Silent).unwrap();
        let totals = &second.totals;
        assert_eq!((totals.unmodified_files, totals.new_chunks), (totals.files, 0));
        assert_eq!((totals.files, totals.stored_bytes), (first.totals.files, 0));
        let records = recording.take();
        let of = |operation| records.iter().filter(move |record| record.operation == operation);
        let kinds: Vec<_> = of(Operation::Put).map(|record| record.name.split('/').next().unwrap()).collect();
        assert_eq!(kinds, ["sessions", "snapshots", "log"]);
        assert_eq!(of(Operation::Delete).count(), 1, "the session record");
        assert!(of(Operation::Get).all(|record| !record.name.starts_with("packs/") || record.range.is_some()));
        operations.push(records.len());
    }
    // The first time the index is loaded.
    assert_eq!(operations[1], operations[2], "the work does not grow with the history");
}

#[test]
fn an_unchanged_tree_makes_no_snapshot_if_that_is_asked_for() {
    if child::process() == Process::Shared {
        let (sandbox, _) = grown(2, 30);
        let name = concat!(module_path!(), "::an_unchanged_tree_makes_no_snapshot_if_that_is_asked_for");
        return child::again_in(&sandbox.source(), name);
    }
    let sandbox = Sandbox::new();
    let mut options = backup_options(&[".".into()]);
    options.mode = backup::Mode::CommitIfChanged;
    assert!(sandbox.backup_with(&options).snapshot.is_some(), "the first one has no parent");
    assert_eq!(sandbox.backup_with(&options).snapshot, None);
    assert_eq!(sandbox.snapshots().len(), 1);
    fs::write("new", b"now there is a change").unwrap();
    assert!(sandbox.backup_with(&options).snapshot.is_some());
}

#[test]
fn unmodified_files_are_not_even_opened() {
    // Nobody but root opens what has no mode: a file that is not opened is no problem.
    if rustix::process::geteuid().is_root() {
        let name = concat!(module_path!(), "::unmodified_files_are_not_even_opened");
        return child::again_as_ordinary_user(name);
    }
    let sandbox = Sandbox::new();
    let file = sandbox.source().join("file");
    fs::write(&file, b"content").unwrap();
    let_time_pass();
    sandbox.backup();
    // Back to the mode and the time of before, but the change time can not be set back: a mode that is the same again
    // shows that the file is looked at by its change time, and read.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    let summary = sandbox.backup_with(&sandbox.options());
    assert_eq!(summary.problems.len(), 1, "a changed mode has it read, which fails: {:?}", summary.problems);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(sandbox.backup_with(&sandbox.options()).problems, [], "what was unreadable once is read again");
}

#[test]
fn a_new_time_alone_stores_no_content() {
    let (sandbox, mut random) = grown(3, 0);
    let content = random.bytes(50_000);
    fs::write(sandbox.source().join("file"), content).unwrap();
    sandbox.backup();
    set_times(&sandbox.source().join("file"), 1_000_000_000, 5);
    let summary = sandbox.backup_with(&sandbox.options());
    let totals = &summary.totals;
    assert_eq!((totals.changed_files, totals.unmodified_files), (1, 0));
    let data = sandbox.open().backend.list("packs").unwrap();
    assert!(
        totals.new_plain_bytes < 10_000,
        "only tree nodes: {} bytes in {} packs",
        totals.new_plain_bytes,
        data.len()
    );
    assert_same(&capture(&sandbox.source()), &capture(&sandbox.restore(summary.snapshot.unwrap())), "a new time");
}

#[test]
fn a_change_within_the_same_tick_is_not_overlooked() {
    for _ in 0..20 {
        let sandbox = Sandbox::new();
        let file = sandbox.source().join("file");
        fs::write(&file, b"first").unwrap();
        sandbox.backup();
        // Same size, same inode, and very likely the same time stamps.
        let modified = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(&file, b"other").unwrap();
        fs::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
        let target = sandbox.restore(sandbox.backup());
        assert_eq!(fs::read(target.join("file")).unwrap(), b"other");
    }
}

#[test]
fn a_changed_content_behind_an_old_modification_time_is_seen() {
    let (sandbox, _) = grown(4, 0);
    let file = sandbox.source().join("file");
    fs::write(&file, b"first").unwrap();
    set_times(&file, 1_000_000_000, 0);
    let_time_pass();
    sandbox.backup();
    fs::write(&file, b"other").unwrap();
    set_times(&file, 1_000_000_000, 0);
    let target = sandbox.restore(sandbox.backup());
    assert_eq!(fs::read(target.join("file")).unwrap(), b"other");
}

#[test]
fn a_parent_that_is_not_wanted_is_not_used() {
    let (sandbox, _) = grown(5, 40);
    let first = sandbox.backup();
    sandbox.backup();
    let mut options = sandbox.options();
    options.parent = Parent::None;
    let summary = sandbox.backup_with(&options);
    assert_eq!((summary.parent, summary.totals.unmodified_files), (None, 0));
    assert_eq!(summary.totals.new_files, summary.totals.files);
    options.parent = Parent::Snapshot(first);
    let summary = sandbox.backup_with(&options);
    assert_eq!((summary.parent, summary.totals.new_files), (Some(first), 0));
}

#[test]
fn another_kind_of_thing_under_the_same_name_is_seen() {
    let (sandbox, _) = grown(6, 0);
    let path = sandbox.source().join("name");
    let forms: [&dyn Fn(); 4] = [
        &|| fs::write(&path, b"a file").unwrap(),
        &|| fs::create_dir_all(path.join("below")).unwrap(),
        &|| std::os::unix::fs::symlink("below", &path).unwrap(),
        &|| fs::write(&path, b"a file again").unwrap(),
    ];
    for form in forms {
        if fs::symlink_metadata(&path).is_ok() {
            crate::support::forest::remove(&path);
        }
        form();
        assert_same(&capture(&sandbox.source()), &capture(&sandbox.restore(sandbox.backup())), "another kind");
    }
}

#[test]
fn the_first_name_of_a_linked_file_may_go() {
    let (sandbox, _) = grown(7, 0);
    let name = |name: &str| sandbox.source().join(name);
    fs::write(name("a"), b"content of all names").unwrap();
    for other in ["b", "c"] {
        fs::hard_link(name("a"), name(other)).unwrap();
    }
    let_time_pass();
    sandbox.backup();
    for gone in ["a", "b"] {
        fs::remove_file(name(gone)).unwrap();
        let_time_pass();
        // Unlinking changes the inode; the night after the next nothing changed at all.
        for night in 0..2 {
            let target = sandbox.restore(sandbox.backup());
            assert_same(&capture(&sandbox.source()), &capture(&target), &format!("{gone} is gone, night {night}"));
        }
    }
}

#[test]
fn every_snapshot_of_a_random_history_is_the_state_of_its_time() {
    for seed in 100..106 {
        let (sandbox, mut random) = grown(seed, 60);
        let mut history = Vec::new();
        for night in 0..5 {
            history.push((sandbox.backup(), capture(&sandbox.source())));
            if random.chance(30) {
                let_time_pass();
            }
            let changes = if night == 3 { 0 } else { random.below(25) };
            edit(&sandbox.source(), &mut random, changes);
        }
        for (night, (snapshot, state)) in history.iter().enumerate() {
            assert_same(state, &capture(&sandbox.restore(*snapshot)), &format!("seed {seed}, night {night}"));
        }
        assert_eq!(sandbox.check().findings, [], "seed {seed}");
    }
}

#[test]
fn a_lost_cache_or_a_second_machine_changes_nothing() {
    let (sandbox, mut random) = grown(110, 60);
    for round in 0..6 {
        let repository = sandbox.open_cached_on(sandbox.objects.clone()).unwrap();
        let summary = backup(&repository, &client(), &sandbox.options(), &Silent).unwrap();
        drop(repository);
        match round % 3 {
            0 => fs::remove_dir_all(sandbox.path("cache")).unwrap(),
            1 => fs::remove_dir_all(sandbox.path("state")).unwrap(),
            _ => {}
        }
        let target = sandbox.restore(summary.snapshot.unwrap());
        let (expected, found) = (capture(&sandbox.source()), capture(&target));
        assert_same(&without_holes(expected), &without_holes(found), &format!("round {round}"));
        edit(&sandbox.source(), &mut random, 8);
    }
    assert_eq!(sandbox.snapshots().len(), 6);
    assert_eq!(sandbox.check().findings, []);
}
