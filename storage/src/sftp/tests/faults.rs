// SPDX-License-Identifier: MIT OR Apache-2.0
//! The SFTP backend when the server answers badly: errors that mean several things, answers after the effect, silence.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use russh_sftp::protocol::StatusCode;
use tempfile::TempDir;

use super::server::{Act, Plan, backend};
use crate::local::FolderSync;
use crate::sftp::{SftpBackend, SftpError, SftpOptions, WithoutFsync};
use crate::testing::conformance;
use crate::{Backend, Delete, ErrorKind, Name, Put};

const FAILURE: StatusCode = StatusCode::Failure;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn open(plan: &Plan) -> (TempDir, SftpBackend) {
    backend(plan, &SftpOptions::default()).unwrap()
}

fn put(backend: &SftpBackend, text: &str, bytes: &[u8]) {
    assert_eq!(backend.put_if_absent(&name(text), &[bytes]).unwrap(), Put::Created);
}

fn files(path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        found.push(entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_server_that_tells_no_limits_and_few_entries_keeps_the_contract() {
    let folders = RefCell::new(Vec::new());
    conformance::check(&|| {
        let (folder, backend) = open(&Plan::default().reading_at_most(5000));
        folders.borrow_mut().push(folder);
        Box::new(backend)
    });
}

#[test]
fn a_link_that_worked_but_said_otherwise_is_ours() {
    for code in [FAILURE, StatusCode::PermissionDenied] {
        let (folder, backend) = open(&Plan::default().always("link", Act::WorksThenFails(code)));
        put(&backend, "gen/1", b"one");
        // The same bytes again are another file's, so this one is not ours.
        assert_eq!(backend.put_if_absent(&name("gen/1"), &[b"one"]).unwrap(), Put::Exists);
        assert_eq!(files(folder.path()), ["1", "gen"]);
    }
}

#[test]
fn where_times_can_not_be_set_an_object_is_not_claimed() {
    let plan = Plan::default().always("setstat", Act::Fails(FAILURE)).always("link", Act::WorksThenFails(FAILURE));
    let (_folder, backend) = open(&plan);
    assert_eq!(backend.put_if_absent(&name("gen/1"), &[b"one"]).unwrap(), Put::Exists);
}

#[test]
fn a_link_that_failed_created_nothing() {
    for (code, kind) in [(FAILURE, ErrorKind::Other), (StatusCode::PermissionDenied, ErrorKind::Denied)] {
        let (folder, backend) = open(&Plan::default().always("link", Act::Fails(code)));
        assert_eq!(backend.put_if_absent(&name("gen/1"), &[b"x"]).unwrap_err().kind, kind);
        assert_eq!(files(folder.path()), ["gen"]);
    }
}

#[test]
fn a_temporary_file_swept_elsewhere_is_written_again() {
    let plan = Plan::default();
    let (folder, backend) = open(&plan);
    plan.once("link", Act::Loses);
    put(&backend, "packs/00/a", b"all of it");
    assert_eq!(backend.get(&name("packs/00/a"), None).unwrap(), b"all of it");
    assert_eq!(plan.count("sync_file"), 2);
    assert_eq!(files(folder.path()), ["00", "a", "packs"]);
    let (_folder, backend) = open(&Plan::default().always("link", Act::Loses));
    assert_eq!(backend.put_if_absent(&name("a"), &[]).unwrap_err().kind, ErrorKind::Transient);
}

#[test]
fn a_failed_write_flush_or_close_creates_nothing_and_is_not_repeated() {
    for call in ["write", "sync_file", "close"] {
        let plan = Plan::default();
        let (folder, backend) = open(&plan);
        plan.once(call, Act::Fails(FAILURE));
        let before = plan.count(call);
        assert_eq!(backend.put_if_absent(&name("packs/00/a"), &[b"bytes"]).unwrap_err().kind, ErrorKind::Other);
        assert_eq!(files(folder.path()), ["00", "packs"], "{call}");
        assert_eq!(plan.count("link"), 0);
        if call != "close" {
            assert_eq!(plan.count(call), before + 1);
        }
        put(&backend, "packs/00/a", b"bytes");
    }
}

#[test]
fn a_listing_that_breaks_off_is_an_error_at_any_answer() {
    let plan = Plan::default();
    let (_folder, backend) = open(&plan);
    for i in 0..5 {
        put(&backend, &format!("packs/00/{i}"), b"x");
    }
    assert_eq!(backend.list("packs").unwrap().len(), 5);
    // packs: two answers; packs/00: four.
    for call in ["opendir", "readdir"] {
        for code in [FAILURE, StatusCode::PermissionDenied, StatusCode::NoSuchFile, StatusCode::BadMessage] {
            plan.once(call, Act::Fails(code));
            assert!(backend.list("packs").is_err(), "{call} {code:?}");
            plan.once(call, Act::Fails(code));
            assert!(backend.list("packs/00").is_err(), "{call} {code:?}");
        }
    }
    assert_eq!(backend.list("packs").unwrap().len(), 5);
}

#[test]
fn a_barrier_flushes_each_touched_folder_once_and_new_folders_parents() {
    let plan = Plan::default();
    let (_folder, backend) = open(&plan);
    let flushes = || {
        let before = plan.count("sync_folder");
        backend.barrier().unwrap();
        plan.count("sync_folder") - before
    };
    assert_eq!(flushes(), 0);
    put(&backend, "packs/00/a", b"");
    put(&backend, "packs/00/b", b"");
    // The root (for packs), packs (for 00), packs/00.
    assert_eq!(flushes(), 3);
    assert_eq!(flushes(), 0);
    put(&backend, "packs/00/c", b"");
    assert_eq!(flushes(), 1);
    assert_eq!(backend.delete(&name("packs/00/c")).unwrap(), Delete::Deleted);
    assert_eq!(flushes(), 1);
    assert_eq!(backend.put_if_absent(&name("packs/00/a"), &[]).unwrap(), Put::Exists);
    assert_eq!(flushes(), 1);
    assert_eq!(backend.folder_sync(), FolderSync::Synced);
}

#[test]
fn after_a_failed_flush_no_barrier_of_the_handle_succeeds() {
    let plan = Plan::default();
    let (_folder, backend) = open(&plan);
    put(&backend, "a", b"");
    plan.once("sync_folder", Act::Fails(FAILURE));
    for _ in 0..3 {
        assert_eq!(backend.barrier().unwrap_err().operation, "sync");
    }
    assert_eq!(plan.count("sync_folder"), 2, "one at the opening, one that failed");
}

#[test]
fn a_server_that_can_not_flush_folders_is_tolerated_and_known() {
    let (_folder, backend) = open(&Plan::default().always("sync_folder", Act::Fails(FAILURE)));
    put(&backend, "packs/00/a", b"");
    backend.barrier().unwrap();
    assert_eq!(backend.folder_sync(), FolderSync::LeftToServer);
}

#[test]
fn a_server_without_an_extension_is_refused_by_its_name() {
    let missing = |extension, without_fsync| {
        let options = SftpOptions { without_fsync, ..SftpOptions::default() };
        match backend(&Plan::default().without(extension), &options).err() {
            Some(SftpError::Missing { extension, .. }) => Some(extension),
            Some(error) => panic!("{error}"),
            None => None,
        }
    };
    let (hardlink, fsync) = ("hardlink@openssh.com", "fsync@openssh.com");
    assert_eq!(missing(hardlink, WithoutFsync::Accept), Some(hardlink));
    assert_eq!(missing(fsync, WithoutFsync::Refuse), Some(fsync));
    assert_eq!(missing(fsync, WithoutFsync::Accept), None);
}

#[test]
fn a_silent_server_is_an_error_for_all_who_wait() {
    let options = SftpOptions { stall_timeout: Duration::from_secs(3), ..SftpOptions::default() };
    for call in ["open", "write", "sync_file", "link", "opendir", "stat"] {
        let plan = Plan::default();
        let (_folder, backend) = backend(&plan, &options).unwrap();
        put(&backend, "packs/00/a", b"x");
        plan.once(call, Act::Hangs);
        let asked = Instant::now();
        std::thread::scope(|scope| {
            for i in 0..4 {
                let backend = &backend;
                scope.spawn(move || {
                    let put = backend.put_if_absent(&name(&format!("packs/00/b{i}")), &[b"x"]);
                    let listed = backend.list("");
                    assert_eq!(put.err().or(listed.err()).unwrap().kind, ErrorKind::Lost, "{call}");
                });
            }
        });
        assert!(asked.elapsed() < Duration::from_secs(60), "{call}");
        assert_eq!(backend.barrier().unwrap_err().kind, ErrorKind::Lost);
    }
}

#[test]
fn a_sweep_goes_by_age_and_takes_only_temporary_files() {
    let (folder, backend) = open(&Plan::default());
    put(&backend, "packs/00/a", b"1");
    let old = folder.path().join("packs/00/.tmp-00112233445566778899aabbccddeeff");
    let young = folder.path().join(".tmp-ffeeddccbbaa99887766554433221100");
    for path in [&old, &young] {
        fs::write(path, "half of it").unwrap();
    }
    fs::write(folder.path().join("packs/.tmp-not-ours"), "x").unwrap();
    let day_ago = std::time::SystemTime::now() - Duration::from_secs(25 * 60 * 60);
    fs::File::options().write(true).open(&old).unwrap().set_modified(day_ago).unwrap();
    let swept = backend.sweep_temporaries().unwrap();
    assert_eq!((swept.removed_files, swept.kept_files), (1, 1));
    assert!(!old.exists() && young.exists());
    assert_eq!(files(folder.path()).len(), 5);
}
