// SPDX-License-Identifier: MIT OR Apache-2.0
//! The local backend against real folders, and against system calls that fail.

mod create_once;
mod faults;
mod network;

use std::cell::RefCell;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use rustix::fs::Mode;
use tempfile::TempDir;

use super::*;
use crate::testing::conformance;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn put(backend: &dyn Backend, text: &str, bytes: &[u8]) {
    assert_eq!(backend.put_if_absent(&name(text), &[bytes]).unwrap(), Put::Created);
}

fn names(backend: &dyn Backend) -> Vec<String> {
    backend.list("").unwrap().into_iter().map(|listed| listed.name.to_string()).collect()
}

/// Every file and folder below `path`, also those that are no objects.
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

/// Whether permissions mean something here; prints why not.
fn permissions_bind() -> bool {
    let bind = !rustix::process::geteuid().is_root();
    if !bind {
        println!("skipped: root is not stopped by permissions");
    }
    bind
}

#[test]
fn a_folder_keeps_the_contract() {
    let folders = RefCell::new(Vec::new());
    conformance::check(&|| {
        let folder = TempDir::new().unwrap();
        let backend = LocalBackend::create(&folder.path().join("repository")).unwrap();
        folders.borrow_mut().push(folder);
        Box::new(backend)
    });
}

#[test]
fn no_temporary_file_remains_after_the_contract_was_tested() {
    let folder = TempDir::new().unwrap();
    let backend = LocalBackend::create(folder.path()).unwrap();
    put(&backend, "a/b", b"1");
    backend.put_if_absent(&name("a/b"), &[b"2"]).unwrap();
    assert_eq!(files(folder.path()), ["a", "b"]);
}

#[test]
fn create_makes_private_folders_and_accepts_existing_ones() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("x/y/repository");
    LocalBackend::create(&root).unwrap();
    let backend = LocalBackend::create(&root).unwrap();
    put(&backend, "packs/00/a", b"1");
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode("."), mode("packs/00"), mode("packs/00/a")], [0o700, 0o700, 0o600]);
    assert_eq!(backend.location(), root.display().to_string());
}

#[test]
fn what_is_no_folder_can_not_be_opened() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for path in ["absent", "file", "file/below"] {
        let error = LocalBackend::open(&folder.path().join(path)).err().unwrap();
        assert_eq!(error.kind, ErrorKind::NotFound, "{path}");
    }
    assert!(LocalBackend::create(&folder.path().join("file")).is_err());
    assert!(LocalBackend::open(folder.path()).is_ok());
}

#[test]
fn a_removed_root_is_an_error_not_an_empty_list() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("repository");
    let backend = LocalBackend::create(&root).unwrap();
    fs::remove_dir(&root).unwrap();
    assert_eq!(backend.list("packs").unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(backend.list("").unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(backend.put_if_absent(&name("packs/a"), &[]).unwrap_err().kind, ErrorKind::NotFound);
    // Another folder of that name is another repository.
    fs::create_dir(&root).unwrap();
    assert!(backend.list("").is_err());
    assert!(backend.put_if_absent(&name("a"), &[]).is_err());
    assert!(files(&root).is_empty());
}

#[test]
fn two_handles_see_each_others_objects_and_do_not_overwrite_them() {
    let folder = TempDir::new().unwrap();
    let one = LocalBackend::create(folder.path()).unwrap();
    let two = LocalBackend::open(folder.path()).unwrap();
    put(&one, "log/aa/1", b"one");
    assert_eq!(two.put_if_absent(&name("log/aa/1"), &[b"two"]).unwrap(), Put::Exists);
    assert_eq!(two.get(&name("log/aa/1"), None).unwrap(), b"one");
}

#[test]
fn foreign_files_are_not_listed() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    let backend = LocalBackend::create(root).unwrap();
    put(&backend, "packs/00/a", b"1");
    for path in ["packs/00/.tmp-00112233445566778899aabbccddeeff", "packs/00/.nfs0001", "packs/00/B", "packs/Thumbs.db"]
    {
        fs::write(root.join(path), "x").unwrap();
    }
    for path in [".snapshot", "lost+found", "packs/00/folder", "#recycle"] {
        fs::create_dir(root.join(path)).unwrap();
        fs::write(root.join(path).join("UPPER"), "x").unwrap();
    }
    fs::write(root.join(".snapshot/lower"), "x").unwrap();
    symlink("nowhere", root.join("packs/00/Dangling")).unwrap();
    assert_eq!(names(&backend), ["packs/00/a"]);
}

#[test]
fn a_folder_on_a_disk_that_is_not_there_is_an_error_not_a_short_list() {
    let folder = TempDir::new().unwrap();
    let backend = LocalBackend::create(folder.path()).unwrap();
    put(&backend, "index/a", b"1");
    symlink("/nonexistent/disk", folder.path().join("packs")).unwrap();
    for listed in ["", "packs"] {
        let error = backend.list(listed).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Other);
        assert!(error.source.to_string().contains("leads nowhere"), "{error:?}");
    }
    assert_eq!(backend.list("index").unwrap().len(), 1);
    assert_eq!(backend.list("packs/00").unwrap_err().kind, ErrorKind::Other);
}

#[test]
fn a_folder_may_be_a_link_to_another_disk() {
    let folder = TempDir::new().unwrap();
    let elsewhere = TempDir::new().unwrap();
    let backend = LocalBackend::create(folder.path()).unwrap();
    symlink(elsewhere.path(), folder.path().join("packs")).unwrap();
    put(&backend, "packs/00/a", b"1");
    backend.barrier().unwrap();
    assert_eq!(names(&backend), ["packs/00/a"]);
    assert_eq!(files(elsewhere.path()), ["00", "a"]);
}

#[test]
fn a_fifo_is_no_object_and_stops_nobody() {
    let folder = TempDir::new().unwrap();
    let backend = LocalBackend::create(folder.path()).unwrap();
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::mknodat(&*backend.root.file(), "a", FileType::Fifo, mode, 0).unwrap();
    assert_eq!(backend.get(&name("a"), None).unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(backend.length(&name("a")).unwrap_err().kind, ErrorKind::NotFound);
    assert!(names(&backend).is_empty());
    // Nobody could read what was "already there".
    assert!(backend.put_if_absent(&name("a"), &[]).is_err());
}

#[test]
fn a_folder_removed_behind_our_back_is_made_again() {
    let folder = TempDir::new().unwrap();
    let backend = LocalBackend::create(folder.path()).unwrap();
    put(&backend, "packs/00/a", b"1");
    backend.barrier().unwrap();
    fs::remove_dir_all(folder.path().join("packs")).unwrap();
    put(&backend, "packs/00/b", b"2");
    backend.barrier().unwrap();
    assert_eq!(names(&backend), ["packs/00/b"]);
}

#[test]
fn a_sweep_removes_what_dead_writers_left_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    let backend = LocalBackend::create(root).unwrap();
    put(&backend, "packs/00/a", b"1");
    for path in [".tmp-00112233445566778899aabbccddeeff", "packs/00/.tmp-ffeeddccbbaa99887766554433221100"] {
        fs::write(root.join(path), "half of it").unwrap();
    }
    fs::write(root.join("packs/.tmp-not-ours"), "x").unwrap();
    let opened = backend.root.file();
    let live = Temporary::create(opened.as_fd(), "packs").unwrap().unwrap();
    // Whatever the tests' folder is on.
    let sweeping = LocalBackend { file_system: FileSystem::Disk, ..LocalBackend::open(root).unwrap() };
    let swept = sweeping.sweep_temporaries().unwrap();
    assert_eq!(swept, Swept { removed_files: 2, kept_files: 1 });
    live.fill(&System, &[b"all of it"]).unwrap();
    publish::publish(&System, &live, "packs/b").unwrap();
    drop(live);
    assert_eq!(backend.get(&name("packs/b"), None).unwrap(), b"all of it");
    assert_eq!(files(root), [".tmp-not-ours", "00", "a", "b", "packs"]);
    assert_eq!(backend.sweep_temporaries().unwrap(), Swept::default());
}

#[test]
fn writers_finish_while_sweeps_run() {
    let folder = TempDir::new().unwrap();
    let backend = LocalBackend::create(folder.path()).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let backend = &backend;
            scope.spawn(move || (0..40).for_each(|i| put(backend, &format!("packs/{writer}/{i}"), b"x")));
        }
        scope.spawn(|| (0..50).for_each(|_| assert_eq!(backend.sweep_temporaries().err().map(|e| e.kind), None)));
    });
    assert_eq!(names(&backend).len(), 120);
    assert_eq!(files(folder.path()).len(), 124);
}

#[test]
fn a_file_shortened_while_it_is_read_is_an_error() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a"), [1; 10]).unwrap();
    let file = File::open(folder.path().join("a")).unwrap();
    assert_eq!(read::read_range(&System, &file, 2..10).unwrap(), [1; 8]);
    assert_eq!(read::read_range(&System, &file, 2..11).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_folder_that_can_not_be_read_is_an_error() {
    if !permissions_bind() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let backend = LocalBackend::create(folder.path()).unwrap();
    put(&backend, "packs/00/a", b"1");
    let set = |mode| fs::set_permissions(folder.path().join("packs/00"), fs::Permissions::from_mode(mode)).unwrap();
    set(0o000);
    assert_eq!(backend.list("packs").unwrap_err().kind, ErrorKind::Denied);
    assert_eq!(backend.get(&name("packs/00/a"), None).unwrap_err().kind, ErrorKind::Denied);
    set(0o700);
}

#[test]
fn a_folder_that_can_not_be_written_denies_puts_and_refuses_deletes() {
    if !permissions_bind() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let backend = LocalBackend::create(folder.path()).unwrap();
    put(&backend, "packs/00/a", b"1");
    let set = |mode| fs::set_permissions(folder.path().join("packs/00"), fs::Permissions::from_mode(mode)).unwrap();
    set(0o500);
    assert_eq!(backend.put_if_absent(&name("packs/00/b"), &[]).unwrap_err().kind, ErrorKind::Denied);
    assert_eq!(backend.delete(&name("packs/00/a")).unwrap(), Delete::Refused);
    set(0o700);
}

/// A small file system of its own; `None`, with a printed reason, where that is not allowed.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(options: &str) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => return Some(Self(folder)),
            Ok(output) => println!("skipped: no tmpfs: {}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => println!("skipped: no mount command: {error}"),
        }
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_says_so_and_keeps_nothing_of_the_object() {
    let Some(disk) = SmallDisk::mount("size=1m") else { return };
    let backend = LocalBackend::open(disk.0.path()).unwrap();
    put(&backend, "packs/00/a", &[1; 300_000]);
    let error = backend.put_if_absent(&name("packs/00/b"), &[&[2; 2_000_000]]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Full, "{error:?}");
    assert_eq!(files(disk.0.path()), ["00", "a", "packs"]);
    put(&backend, "packs/00/b", &[3; 300_000]);
    backend.barrier().unwrap();
}

#[test]
fn a_read_only_disk_denies_puts_and_refuses_deletes() {
    let Some(disk) = SmallDisk::mount("size=1m") else { return };
    let backend = LocalBackend::open(disk.0.path()).unwrap();
    put(&backend, "packs/00/a", b"1");
    let remount = Command::new("mount").args(["-o", "remount,ro"]).arg(disk.0.path()).status().unwrap();
    assert!(remount.success());
    assert_eq!(backend.put_if_absent(&name("packs/00/b"), &[]).unwrap_err().kind, ErrorKind::Denied);
    assert_eq!(backend.delete(&name("packs/00/a")).unwrap(), Delete::Refused);
    assert_eq!(backend.get(&name("packs/00/a"), None).unwrap(), b"1");
}
