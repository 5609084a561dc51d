// SPDX-License-Identifier: MIT OR Apache-2.0
//! What went in comes out: whole, in part, over what is there already, and nowhere else than into the target.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use keepfast_engine::filter::Filter;
use keepfast_engine::restore::{Change, Compare, Extras, Mode, RestoreOptions, Verify};

use crate::support::capture::{Facts, assert_same, capture, join, without_holes};
use crate::support::forest::{edit, grow};
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, backup_options, restore_options, stored};

/// A sandbox whose source has grown from this seed.
fn grown(seed: u64, paths: usize) -> (Sandbox, Random) {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(seed));
    grow(&sandbox.source(), &mut random, paths);
    (sandbox, random)
}

#[test]
fn a_restored_folder_is_the_source() {
    for seed in 0..8 {
        let (sandbox, _) = grown(seed, 120);
        let snapshot = sandbox.backup();
        let target = sandbox.restore(snapshot);
        assert_same(&capture(&sandbox.source()), &capture(&target), &format!("seed {seed}"));
        assert_eq!(sandbox.check().findings, []);
    }
}

#[test]
fn big_files_come_back_through_the_workers() {
    let (sandbox, mut random) = grown(20, 5);
    // Above the size from which backup and restore part a file, with holes, and not a multiple of anything.
    let mut bytes = random.bytes(9_000_001);
    bytes[3_000_000..5_000_000].fill(0);
    fs::write(sandbox.source().join("big"), &bytes).unwrap();
    let file = fs::File::create(sandbox.source().join("big and sparse")).unwrap();
    file.set_len(40 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes[..100_000], 20 << 20).unwrap();
    drop(file);
    let target = sandbox.restore(sandbox.backup());
    assert_same(&capture(&sandbox.source()), &capture(&target), "big files");
}

#[test]
fn several_roots_stand_under_their_paths() {
    let (sandbox, mut random) = grown(30, 30);
    let other = sandbox.path("other/place");
    fs::create_dir_all(&other).unwrap();
    grow(&other, &mut random, 30);
    let alone = sandbox.path("alone.txt");
    fs::write(&alone, b"a file named by itself").unwrap();
    let summary = sandbox.backup_with(&backup_options(&[sandbox.source(), other.clone(), alone.clone()]));
    assert_eq!(summary.problems, []);
    let target = sandbox.path("target");
    sandbox.restore_with(summary.snapshot.unwrap(), &restore_options(&target)).unwrap();
    for path in [sandbox.source(), other] {
        assert_same(&capture(&path), &capture(&join(&target, &stored(&path))), "one of several roots");
    }
    assert_eq!(fs::read(join(&target, &stored(&alone))).unwrap(), fs::read(alone).unwrap());
    assert!(!join(&target, &stored(&sandbox.path("state"))).exists(), "what was not named is not there");
}

#[test]
fn a_subtree_or_one_file_comes_alone() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.source().join("etc/ssl")).unwrap();
    fs::create_dir_all(sandbox.source().join("etc!")).unwrap();
    for name in ["etc/ssl/key", "etc/hosts", "etc!/hosts", "hosts"] {
        fs::write(sandbox.source().join(name), name).unwrap();
    }
    let snapshot = sandbox.backup();
    let below = |name: &str| [&sandbox.subtree()[..], b"/", name.as_bytes()].concat();
    let target = sandbox.path("folder");
    let options = RestoreOptions { subtree: below("etc"), ..restore_options(&target) };
    sandbox.restore_with(snapshot, &options).unwrap();
    assert_same(&capture(&sandbox.source().join("etc")), &capture(&target), "a subtree");

    let target = sandbox.path("file");
    let options = RestoreOptions { subtree: below("etc/hosts"), ..restore_options(&target) };
    sandbox.restore_with(snapshot, &options).unwrap();
    assert_eq!(names(&target), ["hosts"]);

    let options = RestoreOptions { subtree: below("etc/nothing"), ..restore_options(&sandbox.path("none")) };
    let error = sandbox.restore_with(snapshot, &options).unwrap_err();
    assert!(matches!(error, keepfast_engine::Error::NoPath { .. }), "{error:?}");
}

#[test]
fn filters_choose_paths_and_make_the_folders_above_them() {
    let sandbox = Sandbox::new();
    for folder in ["a/b", "c", "d"] {
        fs::create_dir_all(sandbox.source().join(folder)).unwrap();
    }
    for name in ["a/b/one.conf", "a/b/two.log", "c/three.conf", "d/four.log", "five.conf"] {
        fs::write(sandbox.source().join(name), name).unwrap();
    }
    let snapshot = sandbox.backup();
    let restored = |include: &[&str], exclude: &[&str]| {
        let text = |patterns: &[&str]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>();
        let target = tempfile::tempdir().unwrap();
        let filter = Filter::new(&text(include), &text(exclude)).unwrap();
        let options = RestoreOptions { filter, ..sandbox.options_to(target.path()) };
        sandbox.restore_with(snapshot, &options).unwrap();
        names(target.path())
    };
    assert_eq!(restored(&["*.conf"], &[]), ["a/b/one.conf", "c/three.conf", "five.conf"]);
    assert_eq!(restored(&["*.conf"], &["c"]), ["a/b/one.conf", "five.conf"]);
    assert_eq!(restored(&[], &["*.conf"]), ["a/b/two.log", "d/four.log"]);
    assert_eq!(restored(&["b"], &[]), ["a/b/one.conf", "a/b/two.log"]);
    assert_eq!(restored(&["nothing"], &[]), [""; 0]);
}

/// Paths of everything but folders, sorted.
fn names(folder: &Path) -> Vec<String> {
    let found = capture(folder);
    let files = found.iter().filter(|(_, facts)| facts.kind != "folder");
    files.map(|(path, _)| String::from_utf8(path.clone()).unwrap()).collect()
}

#[test]
fn a_second_restore_writes_nothing() {
    for seed in 40..44 {
        let (sandbox, _) = grown(seed, 100);
        let snapshot = sandbox.backup();
        let target = sandbox.restore(snapshot);
        let before = capture(&target);
        let (summary, changes) = sandbox.restore_with(snapshot, &sandbox.options_to(&target)).unwrap();
        let touched: Vec<_> = changes.iter().filter(|(_, change)| **change != Change::Unchanged).collect();
        assert_eq!((summary.written_bytes, summary.problems, touched), (0, vec![], vec![]), "seed {seed}");
        assert_same(&before, &capture(&target), &format!("seed {seed}"));
    }
}

#[test]
fn a_restore_over_an_edited_folder_gives_the_snapshot() {
    for seed in 50..58 {
        let (sandbox, mut random) = grown(seed, 80);
        let snapshot = sandbox.backup();
        let target = sandbox.restore(snapshot);
        edit(&target, &mut random, 40);
        let options = RestoreOptions { extras: Extras::Delete, verify: Verify::Yes, ..sandbox.options_to(&target) };

        let edited = capture(&target);
        let dry = RestoreOptions { mode: Mode::DryRun, extras: Extras::Delete, ..sandbox.options_to(&target) };
        let (summary, foretold) = sandbox.restore_with(snapshot, &dry).unwrap();
        assert_eq!(summary.problems, []);
        assert_same(&edited, &capture(&target), &format!("seed {seed}: a dry run changes nothing"));

        let (summary, changes) = sandbox.restore_with(snapshot, &options).unwrap();
        assert_eq!(summary.problems, []);
        let found = capture(&target);
        assert_same(&without_holes(capture(&sandbox.source())), &without_holes(found), &format!("seed {seed}"));
        // That a file is the last of its names, and may stay, shows only when the others are gone.
        let is_last_name = |path: &String| {
            let shared =
                |(path, facts): (&Vec<u8>, &Facts)| facts.linked_to.is_some().then(|| path.escape_ascii().to_string());
            edited.iter().filter_map(shared).any(|name| name == *path)
        };
        let is_foretold = |path, change| match (foretold.get(path), change) {
            (Some(Change::Updated), Change::Unchanged) => is_last_name(path),
            (before, change) => before == Some(&change),
        };
        let wrong = changes.iter().filter(|(path, change)| !is_foretold(path, **change));
        let wrong: Vec<_> = wrong.map(|(path, change)| (path, change, foretold.get(path))).collect();
        let unseen: Vec<_> = foretold.keys().filter(|path| !changes.contains_key(*path)).collect();
        assert_eq!((wrong, unseen), (vec![], vec![]), "seed {seed}: what the dry run foretold otherwise");
    }
}

#[test]
fn only_chunks_that_differ_are_written_over_an_existing_file() {
    let (sandbox, mut random) = grown(60, 0);
    let bytes = random.bytes(1 << 20);
    fs::write(sandbox.source().join("file"), &bytes).unwrap();
    let snapshot = sandbox.backup();
    let target = sandbox.restore(snapshot);
    let file = fs::File::options().write(true).open(target.join("file")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"?", 500_000).unwrap();
    let inode = std::os::unix::fs::MetadataExt::ino(&file.metadata().unwrap());
    let (summary, _) = sandbox.restore_with(snapshot, &sandbox.options_to(&target)).unwrap();
    assert!((1..=8192).contains(&summary.written_bytes), "{} bytes for one chunk", summary.written_bytes);
    assert_eq!(fs::read(target.join("file")).unwrap(), bytes);
    let there = std::os::unix::fs::MetadataExt::ino(&fs::metadata(target.join("file")).unwrap());
    assert_eq!(there, inode, "it is still the same file");
}

#[test]
fn size_and_time_decide_only_when_asked_to() {
    let (sandbox, _) = grown(61, 0);
    fs::write(sandbox.source().join("file"), b"right").unwrap();
    let snapshot = sandbox.backup();
    let target = sandbox.restore(snapshot);
    let modified = fs::metadata(target.join("file")).unwrap().modified().unwrap();
    fs::write(target.join("file"), b"wrong").unwrap();
    fs::File::options().write(true).open(target.join("file")).unwrap().set_modified(modified).unwrap();
    let quick = RestoreOptions { compare: Compare::SizeAndTime, ..sandbox.options_to(&target) };
    sandbox.restore_with(snapshot, &quick).unwrap();
    assert_eq!(fs::read(target.join("file")).unwrap(), b"wrong");
    sandbox.restore_with(snapshot, &sandbox.options_to(&target)).unwrap();
    assert_eq!(fs::read(target.join("file")).unwrap(), b"right");
}

#[test]
fn extra_files_stay_unless_they_are_to_be_deleted() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.source().join("kept/empty")).unwrap();
    fs::write(sandbox.source().join("kept/file"), b"1").unwrap();
    let snapshot = sandbox.backup();
    let plant = |target: &Path| {
        fs::create_dir_all(target.join("extra/deep")).unwrap();
        for name in ["extra/deep/file.tmp", "kept/extra.tmp", "kept/extra.txt", "kept/empty/extra.tmp"] {
            fs::write(target.join(name), b"not in the snapshot").unwrap();
        }
    };
    let restored = |extras, exclude: &[&str]| {
        let target = sandbox.restore(snapshot);
        plant(&target);
        let exclude: Vec<_> = exclude.iter().map(ToString::to_string).collect();
        let filter = Filter::new(&[], &exclude).unwrap();
        let options = RestoreOptions { extras, filter, ..sandbox.options_to(&target) };
        let (summary, _) = sandbox.restore_with(snapshot, &options).unwrap();
        (names(&target), summary.deleted)
    };
    let all = ["extra/deep/file.tmp", "kept/empty/extra.tmp", "kept/extra.tmp", "kept/extra.txt", "kept/file"];
    assert_eq!(restored(Extras::Keep, &[]), (all.map(String::from).to_vec(), 0));
    assert_eq!(restored(Extras::Delete, &[]), (vec!["kept/file".to_string()], 4));
    let (left, deleted) = restored(Extras::Delete, &["*.txt", "empty"]);
    assert_eq!(
        (left, deleted),
        (["kept/empty/extra.tmp", "kept/extra.txt", "kept/file"].map(String::from).to_vec(), 4),
        "what is in a folder is asked for one by one, and told"
    );
}

#[test]
fn a_dry_run_into_nothing_makes_nothing() {
    let (sandbox, _) = grown(70, 40);
    let snapshot = sandbox.backup();
    let target = sandbox.path("not there");
    let options = RestoreOptions { mode: Mode::DryRun, ..sandbox.options_to(&target) };
    let (summary, changes) = sandbox.restore_with(snapshot, &options).unwrap();
    assert!(!target.exists());
    assert_eq!(summary.created as usize, capture(&sandbox.source()).len() - 1, "everything but the top");
    assert!(changes.values().all(|change| *change == Change::Created));
}

#[test]
fn links_planted_in_the_target_are_replaced_not_followed() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.source().join("folder/below")).unwrap();
    for name in ["folder/file", "folder/below/file", "file"] {
        fs::write(sandbox.source().join(name), name).unwrap();
    }
    let snapshot = sandbox.backup();
    let outside = sandbox.path("outside");
    fs::create_dir_all(outside.join("below")).unwrap();
    fs::write(outside.join("victim"), b"untouched").unwrap();
    fs::write(outside.join("linked"), b"untouched").unwrap();
    let before = capture(&outside);
    let target = sandbox.path("target");
    fs::create_dir(&target).unwrap();
    symlink(&outside, target.join("folder")).unwrap();
    symlink(outside.join("victim"), target.join("file")).unwrap();
    let options = RestoreOptions { extras: Extras::Delete, ..sandbox.options_to(&target) };
    let (summary, _) = sandbox.restore_with(snapshot, &options).unwrap();
    assert_eq!(summary.problems, []);
    assert_same(&before, &capture(&outside), "outside of the target");
    assert_same(&capture(&sandbox.source()), &capture(&target), "the target");

    // A second name of a file outside: writing into it would change the file there.
    fs::remove_file(target.join("file")).unwrap();
    fs::hard_link(outside.join("linked"), target.join("file")).unwrap();
    sandbox.restore_with(snapshot, &options).unwrap();
    assert_same(&before, &capture(&outside), "a file with a name outside of the target");
}

#[test]
fn a_dry_run_of_a_backup_stores_nothing() {
    let (sandbox, mut random) = grown(80, 30);
    sandbox.backup();
    edit(&sandbox.source(), &mut random, 10);
    let before = sandbox.objects.image();
    let mut options = sandbox.options();
    options.mode = keepfast_engine::backup::Mode::DryRun;
    let dry = sandbox.backup_with(&options);
    assert_eq!(dry.snapshot, None);
    assert_eq!(sandbox.objects.image(), before);
    let real = sandbox.backup_with(&sandbox.options());
    assert_eq!((dry.totals.new_chunks, dry.totals.files), (real.totals.new_chunks, real.totals.files));
}

#[test]
fn what_is_excluded_is_not_in_the_snapshot() {
    let sandbox = Sandbox::new();
    for name in ["keep.txt", "drop.tmp"] {
        fs::write(sandbox.source().join(name), name).unwrap();
    }
    let mut options = sandbox.options();
    let mut excludes = keepfast_engine::source::Excludes::builder();
    excludes.glob("*.tmp", keepfast_engine::source::Case::Sensitive).unwrap();
    options.source.excludes = excludes.build().unwrap();
    let summary = sandbox.backup_with(&options);
    let target = sandbox.restore(summary.snapshot.unwrap());
    assert_eq!(names(&target), ["keep.txt"]);
}
