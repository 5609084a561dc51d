// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a restore over existing files must not take away, and files that it can not write into.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use keepfast_engine::Error;
use keepfast_engine::filter::Filter;
use keepfast_engine::restore::{Change, Extras, Mode, RestoreOptions, Spared, unread};
use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::manifest::{Problem, ProblemCode};
use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

use crate::support::sandbox::{Sandbox, stored};

/// A source with a file and an empty folder, and its snapshot.
fn saved() -> (Sandbox, SnapshotId) {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.source().join("etc/empty")).unwrap();
    fs::write(sandbox.source().join("etc/hosts"), b"1").unwrap();
    let snapshot = sandbox.backup();
    (sandbox, snapshot)
}

fn plant(target: &Path, paths: &[&str]) {
    for path in paths {
        fs::create_dir_all(target.join(path).parent().unwrap()).unwrap();
        fs::write(target.join(path), b"not in the snapshot").unwrap();
    }
}

/// Everything below a folder, folders too.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        crate::support::capture::capture(folder).keys().map(|path| path.escape_ascii().to_string()).collect();
    names.retain(|name| !name.is_empty());
    names
}

/// Restores with `--delete`, first as a dry run, which must say the same; returns what is there then, and problems.
fn restored(sandbox: &Sandbox, snapshot: SnapshotId, options: RestoreOptions) -> (Vec<String>, Vec<String>) {
    let options = RestoreOptions { extras: Extras::Delete, ..options };
    let target = options.target.clone();
    let before = names(&target);
    let dry = RestoreOptions {
        target: target.clone(),
        subtree: options.subtree.clone(),
        filter: options.filter.clone(),
        spared: options.spared.clone(),
        mode: Mode::DryRun,
        ..options
    };
    let (dry_summary, promised) = sandbox.restore_with(snapshot, &dry).unwrap();
    assert_eq!(names(&target), before, "a dry run changes nothing");
    let (summary, changes) = sandbox.restore_with(snapshot, &options).unwrap();
    assert_eq!((promised, dry_summary.problems), (changes, summary.problems.clone()), "the dry run told the truth");
    let told = summary.problems.iter().map(|problem| String::from_utf8(problem.path.clone()).unwrap()).collect();
    (names(&target), told)
}

#[test]
fn what_could_not_be_read_when_it_was_saved_is_not_deleted() {
    let (sandbox, _) = saved();
    let problem = |path: &str, code| {
        let path = [&stored(&sandbox.source())[..], b"/", path.as_bytes()].concat();
        Problem { path, code, text: "refused".into() }
    };
    let mut options = sandbox.options();
    options.missing = vec![
        problem("etc/empty", ProblemCode::Unreadable),
        problem("etc/lost/deep", ProblemCode::Vanished),
        problem("etc", ProblemCode::Metadata),
    ];
    let snapshot = sandbox.backup_with(&options).snapshot.unwrap();
    let manifest = &sandbox.snapshots().last().unwrap().manifest.clone();
    let target = sandbox.restore(snapshot);
    plant(&target, &["etc/empty/was here", "etc/lost/deep", "etc/lost/other", "etc/new"]);
    let spared = Spared { unread: unread(manifest), own: Vec::new() };
    let (left, told) = restored(&sandbox, snapshot, RestoreOptions { spared, ..sandbox.options_to(&target) });
    assert_eq!(left, ["etc", "etc/empty", "etc/empty/was here", "etc/hosts", "etc/lost", "etc/lost/deep"]);
    assert_eq!(told, ["etc/lost/deep", "etc/empty/was here"]);
}

#[test]
fn what_is_excluded_stays_also_in_a_folder_that_is_extra() {
    let (sandbox, snapshot) = saved();
    let target = sandbox.restore(snapshot);
    plant(&target, &["old/a.keep", "old/b", "old/deep/c.keep", "old/deep/d/e", "older/f"]);
    let filter = Filter::new(&[], &["*.keep".to_string()]).unwrap();
    let (left, told) = restored(&sandbox, snapshot, RestoreOptions { filter, ..sandbox.options_to(&target) });
    assert_eq!(left, ["etc", "etc/empty", "etc/hosts", "old", "old/a.keep", "old/deep", "old/deep/c.keep"]);
    assert!(told.is_empty());
}

#[test]
fn beside_one_file_nothing_can_be_deleted() {
    let (sandbox, snapshot) = saved();
    let target = sandbox.restore(snapshot);
    let subtree = [&sandbox.subtree()[..], b"/etc/hosts"].concat();
    let options = RestoreOptions { subtree, extras: Extras::Delete, ..sandbox.options_to(&target.join("etc")) };
    let error = sandbox.restore_with(snapshot, &options).unwrap_err();
    assert!(matches!(error, Error::WrongType { .. }), "{error:?}");
    assert_eq!(names(&target), ["etc", "etc/empty", "etc/hosts"]);
}

#[test]
fn the_repository_and_what_leads_to_it_are_never_taken_away() {
    let (sandbox, snapshot) = saved();
    let target = sandbox.restore(snapshot);
    plant(&target, &["srv/backup/repo/config", "srv/backup/repo/packs/1", "srv/backup/other", "srv/key", "srv/old"]);
    let own = vec![target.join("srv/backup/repo"), target.join("srv/key"), target.join("not there")];
    let options =
        || RestoreOptions { spared: Spared { own: own.clone(), unread: Vec::new() }, ..sandbox.options_to(&target) };
    let (left, told) = restored(&sandbox, snapshot, options());
    let kept = ["srv", "srv/backup", "srv/backup/repo", "srv/backup/repo/config", "srv/backup/repo/packs"];
    let kept = ["etc", "etc/empty", "etc/hosts"].iter().chain(&kept).chain(&["srv/backup/repo/packs/1", "srv/key"]);
    assert_eq!(left, kept.copied().collect::<Vec<_>>());
    assert!(told.is_empty());
    // Nor is it overwritten by being the target, or replaced by something of its name.
    let inside = RestoreOptions { target: own[0].join("new"), ..options() };
    let error = sandbox.restore_with(snapshot, &inside).unwrap_err();
    assert!(matches!(error, Error::Own { .. }), "{error:?}");
    fs::write(sandbox.source().join("srv"), b"a file").unwrap();
    let (summary, _) = sandbox.restore_with(sandbox.backup(), &options()).unwrap();
    assert_eq!(summary.problems.len(), 1, "{:?}", summary.problems);
    assert!(own[0].join("packs/1").exists() && !own[0].join("new").exists());
}

/// A small file system there, until it is dropped; `None`, and a printed reason, where it can not be mounted.
fn mounted(path: &Path) -> Option<Mounted> {
    fs::create_dir_all(path).unwrap();
    let output = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(path).output();
    if output.is_ok_and(|output| output.status.success()) {
        return Some(Mounted(path.to_path_buf()));
    }
    println!("skipped: mounting a small file system needs root");
    None
}

struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        // Nobody works in it any more; if it does not go, the next test has another one.
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn what_is_on_a_file_system_of_its_own_stays_where_the_snapshot_has_an_empty_folder_or_none() {
    let (sandbox, snapshot) = saved();
    let target = sandbox.restore(snapshot);
    let Some(_empty) = mounted(&target.join("etc/empty")) else { return };
    let Some(_extra) = mounted(&target.join("etc/disk")) else { return };
    plant(&target, &["etc/empty/a", "etc/disk/a", "etc/c"]);
    let filter = Filter::new(&[], &["*.keep".to_string()]).unwrap();
    let options = RestoreOptions { filter, ..sandbox.options_to(&target) };
    for options in [options, sandbox.options_to(&target)] {
        let (left, told) = restored(&sandbox, snapshot, options);
        assert_eq!(left, ["etc", "etc/disk", "etc/disk/a", "etc/empty", "etc/empty/a", "etc/hosts"]);
        assert_eq!(told, ["etc/disk"]);
    }
}

/// Runs a file that was just written. Another thread's child may still hold it open to write for a moment.
fn run(program: &Path) -> Child {
    loop {
        match Command::new(program).arg("600").spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            other => return other.unwrap(),
        }
    }
}

#[test]
fn a_program_that_runs_is_left_alone_if_it_is_equal_and_else_replaced() {
    let sandbox = Sandbox::new();
    let (source, target) = (sandbox.source().join("sleep"), sandbox.path("target"));
    fs::copy(Command::new("sleep").get_program().to_str().map(|name| format!("/bin/{name}")).unwrap(), &source)
        .unwrap();
    fs::set_permissions(&source, Permissions::from_mode(0o755)).unwrap();
    let equal = sandbox.backup();
    fs::write(&source, b"#!/bin/sh\nanother version\n").unwrap();
    let other = sandbox.backup();
    sandbox.restore_with(equal, &sandbox.options_to(&target)).unwrap();
    let inode = || fs::metadata(target.join("sleep")).unwrap().ino();
    let before = inode();
    let mut child = run(&target.join("sleep"));
    let outcomes = [equal, other].map(|snapshot| sandbox.restore_with(snapshot, &sandbox.options_to(&target)).unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
    let [(first, told), (second, told_later)] = outcomes;
    assert_eq!((first.problems, told["sleep"]), (Vec::new(), Change::Unchanged));
    assert_eq!((second.problems, told_later["sleep"]), (Vec::new(), Change::Updated));
    assert_ne!(inode(), before, "the running program keeps its file");
    assert_eq!(fs::read(target.join("sleep")).unwrap(), fs::read(&source).unwrap());
}

fn set_flag(path: &Path, flag: IFlags, is_set: bool) -> rustix::io::Result<()> {
    let file = fs::File::open(path).map_err(|_| rustix::io::Errno::NOENT)?;
    let now = ioctl_getflags(&file)?;
    ioctl_setflags(&file, if is_set { now | flag } else { now - flag })
}

#[test]
fn what_is_sealed_against_changes_and_equal_is_no_problem() {
    let sandbox = Sandbox::new();
    let sealed = [("file", IFlags::IMMUTABLE), ("log", IFlags::APPEND), ("folder", IFlags::IMMUTABLE)];
    fs::create_dir(sandbox.source().join("folder")).unwrap();
    for path in ["file", "log", "folder/file"] {
        fs::write(sandbox.source().join(path), b"1").unwrap();
    }
    let target = sandbox.path("target");
    let unseal = || {
        for (path, flag) in sealed {
            for top in [sandbox.source(), target.clone()] {
                let _ = set_flag(&top.join(path), flag, false);
            }
        }
    };
    let refused = sealed.iter().find_map(|(path, flag)| set_flag(&sandbox.source().join(path), *flag, true).err());
    if let Some(error) = refused {
        unseal();
        eprintln!("skipped: this user or file system has no immutable files: {error}");
        return;
    }
    let snapshot = sandbox.backup();
    let outcomes = [0, 1].map(|_| sandbox.restore_with(snapshot, &sandbox.options_to(&target)));
    unseal();
    let [first, second] = outcomes.map(Result::unwrap);
    assert_eq!(first.0.problems, []);
    assert_eq!(second.0.problems, []);
    assert!(second.1.values().all(|change| *change == Change::Unchanged), "{:?}", second.1);
}
