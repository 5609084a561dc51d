// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sources that do not hold still, can not be read, are huge, or are not files at all. Whatever can not be saved as it is
//! gets counted, stays in the snapshot's record and makes it partial; nothing of it goes by in silence.

use std::fs::{self, File};
use std::io::Cursor;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use keepfast_engine::Error;
use keepfast_engine::backup::{Stream, StreamInput, Summary, backup};
use keepfast_engine::events::{Events, ProblemCode, Silent};
use keepfast_engine::restore::{Mode, RestoreOptions};
use keepfast_repo_format::manifest::Completeness;

use crate::support::capture::{assert_same, capture, join};
use crate::support::child::again_as_ordinary_user;
use crate::support::history_script::scratch;
use crate::support::sandbox::{Sandbox, client, let_time_pass, restore_options};

/// Codes of the problems, and whether the manifest and its record say the same as the summary.
fn codes(sandbox: &Sandbox, summary: &Summary) -> Vec<ProblemCode> {
    let snapshots = sandbox.snapshots();
    let manifest = &snapshots.iter().find(|found| Some(found.id) == summary.snapshot).unwrap().manifest;
    assert_eq!(manifest.problems, summary.problems);
    assert_eq!(manifest.totals.problems, summary.problems.len() as u64);
    let partial = manifest.completeness == Completeness::Partial;
    assert_eq!(partial, !summary.problems.is_empty());
    summary.problems.iter().map(|problem| problem.code).collect()
}

/// Changes a file as soon as the backup is told to be about to end a path before it.
struct Meanwhile<F: Fn() + Sync>(F);

impl<F: Fn() + Sync> Events for Meanwhile<F> {
    fn bytes_done(&self, _: u64) {
        (self.0)();
    }

    fn path_done(&self, _: &[u8], _: u64) {
        (self.0)();
    }
}

/// Does something whenever a piece of a big file was read.
struct AtEachPiece<F: Fn() + Send + Sync>(F);

impl<F: Fn() + Send + Sync> Events for AtEachPiece<F> {
    fn bytes_done(&self, _: u64) {
        (self.0)();
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_marked_torn() {
    let sandbox = Sandbox::new();
    // Big enough to be cut piece by piece; every piece that is done changes it once more.
    let path = sandbox.source().join("big");
    fs::write(&path, vec![1; 12 << 20]).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    let events = Meanwhile(|| file.write_all_at(b"x", 11 << 20).unwrap());
    let summary = backup(&sandbox.open(), &client(), &sandbox.options(), &events).unwrap();
    assert_eq!(codes(&sandbox, &summary), [ProblemCode::Torn]);
    let (restored, _) =
        sandbox.restore_with(summary.snapshot.unwrap(), &sandbox.options_to(&sandbox.path("target"))).unwrap();
    assert_eq!(restored.problems[0].code, ProblemCode::Torn, "the restore says so, too");
    // The next night it holds still, and is read although its times are the same.
    let_time_pass();
    assert_eq!(sandbox.backup_with(&sandbox.options()).problems, []);
}

#[test]
fn a_file_that_never_stops_growing_ends() {
    let sandbox = Sandbox::new();
    let path = sandbox.source().join("log");
    fs::write(&path, vec![1; 5 << 20]).unwrap();
    let file = File::options().append(true).open(&path).unwrap();
    // Each piece that is read adds more than a piece; other paths, which are done at any time, add nothing.
    let events = AtEachPiece(|| std::io::Write::write_all(&mut &file, &[2; 4 << 20]).unwrap());
    let summary = backup(&sandbox.open(), &client(), &sandbox.options(), &events).unwrap();
    assert_eq!(codes(&sandbox, &summary), [ProblemCode::Torn]);
    assert_eq!(summary.totals.bytes, 5 << 20, "as much as there was when it was opened");
}

#[test]
fn small_files_that_change_all_the_time_are_read_again_or_told() {
    let sandbox = Sandbox::new();
    let paths: Vec<PathBuf> = (0..20).map(|n| sandbox.source().join(format!("{n}"))).collect();
    paths.iter().for_each(|path| fs::write(path, vec![b'a'; 300_000]).unwrap());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Whole files of one letter each: a mixture that nobody tells of would be seen. Time stamps move in ticks, so
            // a change may hide from them within one tick, but not after it.
            for letter in (b'a'..=b'z').cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
                paths.iter().for_each(|path| fs::write(path, vec![letter; 300_000]).unwrap());
                let_time_pass();
            }
        });
        let mixtures: Vec<PathBuf> = (0..5).flat_map(|_| untold_mixtures(&sandbox, &paths)).collect();
        stop.store(true, Ordering::Relaxed);
        assert_eq!(mixtures, [""; 0].map(PathBuf::from));
    });
}

/// Backs up, and names the files that came back mixed or short without a problem.
fn untold_mixtures(sandbox: &Sandbox, paths: &[PathBuf]) -> Vec<PathBuf> {
    let summary = sandbox.backup_with(&sandbox.options());
    let target = tempfile::tempdir().unwrap();
    sandbox.restore_with(summary.snapshot.unwrap(), &sandbox.options_to(target.path())).unwrap();
    let is_right = |path: &&PathBuf| {
        let name = path.file_name().unwrap();
        let is_told = summary.problems.iter().any(|problem| problem.path.ends_with(name.as_encoded_bytes()));
        let bytes = fs::read(target.path().join(name)).unwrap_or_default();
        is_told || bytes.is_empty() || bytes.len() == 300_000 && bytes.iter().all(|byte| *byte == bytes[0])
    };
    paths.iter().filter(|path| !is_right(path)).cloned().collect()
}

#[test]
fn what_vanishes_is_told_and_nothing_else_is_lost() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("a"), vec![7; 5 << 20]).unwrap();
    fs::create_dir(sandbox.source().join("z")).unwrap();
    for n in 0..100 {
        fs::write(sandbox.source().join(format!("z/{n}")), b"soon gone").unwrap();
    }
    let folder = sandbox.source().join("z");
    let events = Meanwhile(|| drop(fs::remove_dir_all(&folder)));
    let summary = backup(&sandbox.open(), &client(), &sandbox.options(), &events).unwrap();
    let codes = codes(&sandbox, &summary);
    assert!(!codes.is_empty(), "something was listed and then gone");
    let target = sandbox.restore(summary.snapshot.unwrap());
    assert_eq!(fs::read(target.join("a")).unwrap(), vec![7; 5 << 20]);
}

#[test]
fn what_can_not_be_read_keeps_its_place_and_is_told_of() {
    if rustix::process::geteuid().is_root() {
        return again_as_ordinary_user(concat!(
            module_path!(),
            "::what_can_not_be_read_keeps_its_place_and_is_told_of"
        ));
    }
    let sandbox = Sandbox::new();
    let closed = |path: PathBuf| fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
    fs::write(sandbox.source().join("fine"), b"fine").unwrap();
    fs::write(sandbox.source().join("closed"), b"closed").unwrap();
    fs::create_dir(sandbox.source().join("folder")).unwrap();
    fs::write(sandbox.source().join("folder/in it"), b"in it").unwrap();
    closed(sandbox.source().join("closed"));
    closed(sandbox.source().join("folder"));
    for night in 0..2 {
        let summary = sandbox.backup_with(&sandbox.options());
        assert_eq!(codes(&sandbox, &summary), [ProblemCode::Unreadable; 2], "night {night}: never silent");
        let target = sandbox.path(&format!("target {night}"));
        let (restored, _) = sandbox.restore_with(summary.snapshot.unwrap(), &sandbox.options_to(&target)).unwrap();
        assert_eq!(restored.problems.len(), 1, "the file without its content: {:?}", restored.problems);
        assert_eq!(fs::read(target.join("fine")).unwrap(), b"fine");
        assert!(target.join("folder").is_dir() && !target.join("closed").exists());
    }
    fs::set_permissions(sandbox.source().join("folder"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn nothing_at_all_is_an_error_not_an_empty_snapshot() {
    let sandbox = Sandbox::new();
    let mut options = sandbox.options();
    options.source.paths = vec![sandbox.path("missing")];
    assert!(backup(&sandbox.open(), &client(), &options, &Silent).is_err());
    assert_eq!(sandbox.snapshots().len(), 0);
    options.source.paths.push(sandbox.source());
    let summary = backup(&sandbox.open(), &client(), &options, &Silent).unwrap();
    assert_eq!(codes(&sandbox, &summary).len(), 1, "one of two paths is missing");
}

#[test]
fn a_folder_of_two_hundred_thousand_files_is_no_special_case() {
    const COUNT: u64 = 200_000;
    let sandbox = Sandbox::new();
    // In memory where that is possible: making so many files takes a disk a minute.
    let folder = scratch();
    for n in 0..COUNT {
        File::create(folder.path().join(format!("{n}"))).unwrap();
    }
    let_time_pass();
    let mut options = sandbox.options_at_top();
    options.source.working_directory = folder.path().to_path_buf();
    let summary = sandbox.backup_with(&options);
    assert_eq!((summary.totals.files, summary.problems), (COUNT, vec![]));
    let again = sandbox.backup_with(&options);
    assert_eq!(again.totals.unmodified_files, COUNT);
    assert!(again.totals.new_plain_bytes < 100_000, "{} bytes for nothing new", again.totals.new_plain_bytes);
    // Every name comes by; to make them all would only test the file system.
    let target = sandbox.path("target");
    let dry = RestoreOptions { mode: Mode::DryRun, subtree: Vec::new(), ..sandbox.options_to(&target) };
    let (restored, _) = sandbox.restore_with(again.snapshot.unwrap(), &dry).unwrap();
    assert_eq!(restored.created, COUNT);
}

#[test]
fn a_sparse_file_of_a_hundred_gigabytes_costs_its_data_only() {
    const SIZE: u64 = 100 << 30;
    let sandbox = Sandbox::new();
    let path = sandbox.source().join("disk image");
    let file = File::create(&path).unwrap();
    file.set_len(SIZE).unwrap();
    for at in [0, 1 << 30, 50 << 30, SIZE - 4096] {
        file.write_all_at(&[7; 4096], at).unwrap();
    }
    drop(file);
    let begin = Instant::now();
    let summary = sandbox.backup_with(&sandbox.options());
    assert_eq!((summary.totals.bytes, summary.problems), (SIZE, vec![]));
    assert!(summary.totals.stored_bytes < 100_000, "{} bytes stored", summary.totals.stored_bytes);
    let snapshot = summary.snapshot.unwrap();
    let target = sandbox.restore(snapshot);
    assert_same(&capture(&sandbox.source()), &capture(&target), "a sparse file");
    let (second, _) = sandbox.restore_with(snapshot, &sandbox.options_to(&target)).unwrap();
    assert_eq!((second.written_bytes, second.unchanged), (0, 1));
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?} for four blocks", begin.elapsed());
}

#[test]
fn paths_longer_than_the_kernel_takes_come_back() {
    let sandbox = Sandbox::new();
    let name = "n".repeat(200);
    // Step by step: the whole path is longer than one call permits.
    let make = |top: &std::path::Path| {
        use rustix::fs::{Mode, OFlags, openat};
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut at = openat(rustix::fs::CWD, top, flags, Mode::empty()).unwrap();
        for _ in 0..30 {
            let _ = rustix::fs::mkdirat(&at, &name, Mode::from_raw_mode(0o755));
            at = openat(&at, &name, flags, Mode::empty()).unwrap();
        }
        at
    };
    let write = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CREATE;
    let file =
        rustix::fs::openat(make(&sandbox.source()), "deep", write, rustix::fs::Mode::from_raw_mode(0o644)).unwrap();
    rustix::io::write(&file, b"at the bottom").unwrap();
    let summary = sandbox.backup_with(&sandbox.options());
    assert_eq!(summary.problems, []);
    let target = sandbox.restore(summary.snapshot.unwrap());
    let flags = rustix::fs::OFlags::RDONLY;
    let file = rustix::fs::openat(make(&target), "deep", flags, rustix::fs::Mode::empty()).unwrap();
    let mut bytes = [0; 32];
    let read = rustix::io::read(&file, &mut bytes).unwrap();
    assert_eq!(&bytes[..read], b"at the bottom");
}

fn command(path: &str, words: &[&str]) -> Stream {
    Stream::new(path.into(), StreamInput::Command(words.iter().map(Into::into).collect()))
}

#[test]
fn outputs_of_commands_and_files_stand_in_one_snapshot() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), b"a file").unwrap();
    let mut options = sandbox.options();
    let input = StreamInput::Reader(Mutex::new(Some(Box::new(Cursor::new(b"from stdin".to_vec())))));
    options.streams = vec![
        command("dumps/one.sql", &["sh", "-c", "seq 1 2000000"]),
        command("dumps/empty", &["true"]),
        Stream::new(b"stdin".to_vec(), input),
    ];
    let summary = sandbox.backup_with(&options);
    assert_eq!(codes(&sandbox, &summary), []);
    let target = sandbox.path("target");
    sandbox.restore_with(summary.snapshot.unwrap(), &restore_options(&target)).unwrap();
    let lines: String = (1..=2_000_000).map(|n| format!("{n}\n")).collect();
    assert!(fs::read_to_string(target.join("dumps/one.sql")).unwrap() == lines, "the stream's bytes");
    assert_eq!(fs::read(target.join("dumps/empty")).unwrap(), b"");
    assert_eq!(fs::read(target.join("stdin")).unwrap(), b"from stdin");
    assert_eq!(fs::read(join(&target, &sandbox.subtree()).join("file")).unwrap(), b"a file");
}

#[test]
fn a_command_that_fails_makes_the_snapshot_partial() {
    let sandbox = Sandbox::new();
    for words in [&["sh", "-c", "echo half; exit 3"][..], &["/not/there"], &[], &["sh", "-c", "echo half; kill -9 $$"]]
    {
        let mut options = sandbox.options();
        options.streams = vec![command("dump", words), command("other", &["echo", "fine"])];
        let summary = sandbox.backup_with(&options);
        assert_eq!(codes(&sandbox, &summary), [ProblemCode::Stream], "{words:?}");
        let target = tempfile::tempdir().unwrap();
        let options = restore_options(target.path());
        let (restored, _) = sandbox.restore_with(summary.snapshot.unwrap(), &options).unwrap();
        assert_eq!(fs::read(target.path().join("other")).unwrap(), b"fine\n", "{words:?}");
        assert!(!restored.problems.is_empty(), "{words:?}: nobody is told that the dump is not whole");
    }
}

#[test]
fn streams_that_can_not_have_their_path_are_refused_before_anything_runs() {
    let sandbox = Sandbox::new();
    for paths in [&["same", "same"][..], &["a", "a/b"], &["a/b", "a"], &["../out"], &[""], &["/absolute"], &["a//b"]] {
        let mut options = sandbox.options();
        let marker = sandbox.path("ran");
        let touch = ["touch".to_string(), marker.to_str().unwrap().to_string()];
        let words: Vec<&str> = touch.iter().map(String::as_str).collect();
        options.streams = paths.iter().map(|path| command(path, &words)).collect();
        let outcome = backup(&sandbox.open(), &client(), &options, &Silent);
        assert!(matches!(outcome, Err(Error::Invalid(_))), "{paths:?}: {outcome:?}");
        assert!(!marker.exists(), "{paths:?}");
    }
}

#[test]
fn a_stream_takes_the_place_of_a_file_of_the_same_path() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("dump"), b"an old dump on disk").unwrap();
    fs::write(sandbox.source().join("file"), b"a file").unwrap();
    let mut options = sandbox.options_at_top();
    options.streams = vec![command("dump", &["echo", "fresh"])];
    for _ in 0..2 {
        let summary = sandbox.backup_with(&options);
        assert_eq!(codes(&sandbox, &summary), []);
        let target = tempfile::tempdir().unwrap();
        sandbox.restore_with(summary.snapshot.unwrap(), &restore_options(target.path())).unwrap();
        assert_eq!(fs::read(target.path().join("dump")).unwrap(), b"fresh\n");
        assert_eq!(fs::read(target.path().join("file")).unwrap(), b"a file");
    }
}

#[test]
fn a_stream_lies_neither_in_a_file_nor_in_the_place_of_a_folder() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.source().join("folder")).unwrap();
    for path in ["file", "folder/inside"] {
        fs::write(sandbox.source().join(path), b"x").unwrap();
    }
    for (path, reason) in [("file/dump", "file is no folder"), ("folder", "folder is a folder")] {
        let mut options = sandbox.options();
        let stored = [&sandbox.subtree()[..], b"/", path.as_bytes()].concat();
        let words = ["echo", "1"].map(Into::into).to_vec();
        options.streams = vec![Stream::new(stored, StreamInput::Command(words))];
        let error = backup(&sandbox.open(), &client(), &options, &Silent).unwrap_err();
        assert!(matches!(&error, Error::Invalid(text) if text.contains(reason)), "{path}: {error:?}");
        assert!(sandbox.snapshots().is_empty(), "{path}: nothing is saved that could not come back");
    }
}
