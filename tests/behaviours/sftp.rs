// SPDX-License-Identifier: MIT OR Apache-2.0
//! A repository on an SFTP server: what holds over a real `sshd`, and when that server crashes, hangs or lacks something.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use keepfast_storage::local::{FolderSync, LocalBackend};
use keepfast_storage::sftp::{SftpBackend, SftpError, SftpOptions, WithoutFsync};
use keepfast_storage::testing::conformance;
use keepfast_storage::{Backend, Delete, ErrorKind, Name, Put, StorageError};

use crate::support::sshd::Sshd;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn put(backend: &dyn Backend, text: &str, bytes: &[u8]) {
    assert_eq!(backend.put_if_absent(&name(text), &[bytes]).unwrap(), Put::Created, "{text}");
}

/// Every file and folder below `path`, by its last name.
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

fn cause(error: &StorageError) -> &SftpError {
    error.source.get_ref().and_then(|source| source.downcast_ref()).expect("an error of this backend")
}

#[test]
fn a_folder_of_an_sftp_server_keeps_the_contract() {
    let Some(server) = Sshd::start() else { return };
    let folders = RefCell::new(Vec::new());
    conformance::check(&|| {
        let folder = tempfile::tempdir().unwrap();
        let location = server.location(&folder.path().join("new/repository"));
        folders.borrow_mut().push(folder);
        Box::new(SftpBackend::create(&location, &server.options()).unwrap())
    });
    for folder in folders.borrow().iter() {
        assert!(!files(folder.path()).iter().any(|file| file.starts_with('.')), "a temporary file remained");
    }
}

#[test]
fn a_server_may_change_bytes_only_for_a_new_name() {
    // What another machine put through the folder itself and what came over SFTP are the same repository.
    let Some(server) = Sshd::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let local = LocalBackend::open(folder.path()).unwrap();
    let sftp = SftpBackend::open(&server.location(folder.path()), &server.options()).unwrap();
    put(&local, "log/aa/1", b"local");
    put(&sftp, "log/aa/2", b"sftp");
    assert_eq!(sftp.put_if_absent(&name("log/aa/1"), &[b"sftp"]).unwrap(), Put::Exists);
    assert_eq!(local.put_if_absent(&name("log/aa/2"), &[b"local"]).unwrap(), Put::Exists);
    assert_eq!(sftp.get(&name("log/aa/1"), None).unwrap(), b"local");
    assert_eq!(local.get(&name("log/aa/2"), None).unwrap(), b"sftp");
    assert_eq!(local.list("").unwrap(), sftp.list("").unwrap());
    assert_eq!(sftp.folder_sync(), FolderSync::Synced, "OpenSSH on Linux can flush folders");
}

#[test]
fn a_folder_that_does_not_exist_is_not_found_and_not_made() {
    let Some(server) = Sshd::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for path in ["absent", "file", "file/below"] {
        let opened = SftpBackend::open(&server.location(&folder.path().join(path)), &server.options());
        assert_eq!(opened.err().unwrap().kind, ErrorKind::NotFound, "{path}");
    }
    assert_eq!(files(folder.path()), ["file"]);
}

#[test]
fn a_removed_folder_is_an_error_not_an_empty_list() {
    let Some(server) = Sshd::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("repository");
    let backend = SftpBackend::create(&server.location(&root), &server.options()).unwrap();
    put(&backend, "packs/00/a", b"1");
    fs::remove_dir_all(&root).unwrap();
    assert_eq!(backend.list("packs").unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(backend.list("").unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(backend.put_if_absent(&name("packs/00/b"), &[]).unwrap_err().kind, ErrorKind::NotFound);
    assert!(backend.barrier().is_err());
    assert!(!root.exists());
}

#[test]
fn a_folder_that_can_not_be_read_is_an_error_not_a_short_list() {
    let Some(server) = Sshd::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let backend = SftpBackend::open(&server.location(folder.path()), &server.options()).unwrap();
    put(&backend, "packs/00/a", b"1");
    std::os::unix::fs::symlink("/nonexistent/disk", folder.path().join("packs/01")).unwrap();
    assert_eq!(backend.list("packs").unwrap_err().kind, ErrorKind::Other);
    assert_eq!(backend.list("packs/01").unwrap_err().operation, "list");
    fs::remove_file(folder.path().join("packs/01")).unwrap();
    if rustix::process::geteuid().is_root() {
        println!("half skipped: root is not stopped by permissions");
        return;
    }
    let set = |mode| fs::set_permissions(folder.path().join("packs/00"), mode_of(mode)).unwrap();
    set(0o000);
    assert_eq!(backend.list("packs").unwrap_err().kind, ErrorKind::Denied);
    set(0o500);
    assert_eq!(backend.put_if_absent(&name("packs/00/b"), &[]).unwrap_err().kind, ErrorKind::Denied);
    assert_eq!(backend.delete(&name("packs/00/a")).unwrap(), Delete::Refused);
    set(0o700);
}

fn mode_of(mode: u32) -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(mode)
}

#[test]
fn a_fifo_of_an_objects_name_is_no_object() {
    let Some(server) = Sshd::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let backend = SftpBackend::open(&server.location(folder.path()), &server.options()).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let at = fs::File::open(folder.path()).unwrap();
    rustix::fs::mknodat(&at, "a", rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert_eq!(backend.length(&name("a")).unwrap_err().kind, ErrorKind::NotFound);
    assert!(backend.list("").unwrap().is_empty());
    assert!(backend.put_if_absent(&name("a"), &[]).is_err(), "nobody could read what is \"already there\"");
    assert_eq!(backend.get(&name("a"), None).unwrap_err().kind, ErrorKind::NotFound);
}

/// Puts until something fails; what that was, and how long it took from the call of `happen`.
fn fails_after(backend: &SftpBackend, happen: impl FnOnce() + Send) -> (StorageError, Duration) {
    let bytes = vec![7; 4 << 20];
    std::thread::scope(|scope| {
        let happened = scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            happen();
            Instant::now()
        });
        let error = (0..10_000).find_map(|i| backend.put_if_absent(&name(&format!("packs/00/{i}")), &[&bytes]).err());
        let error = error.expect("the server is gone");
        (error, happened.join().unwrap().elapsed())
    })
}

#[test]
fn a_server_that_crashes_in_a_put_is_an_error_at_once_and_for_ever() {
    let Some(server) = Sshd::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let backend = SftpBackend::open(&server.location(folder.path()), &server.options()).unwrap();
    put(&backend, "gen/1", b"before");
    let (error, time) = fails_after(&backend, || server.kill());
    assert_eq!(error.kind, ErrorKind::Lost, "{error:?}");
    assert!(matches!(cause(&error), SftpError::Closed { .. }), "{error:?}");
    assert!(time < Duration::from_secs(10), "{time:?}");
    // What was not behind a barrier may be gone with the server, so no later barrier may succeed.
    assert_eq!(backend.barrier().unwrap_err().kind, ErrorKind::Lost);
    assert_eq!(backend.get(&name("gen/1"), None).unwrap_err().kind, ErrorKind::Lost);
    // Whole objects or none: what is listed has all its bytes.
    let local = LocalBackend::open(folder.path()).unwrap();
    for listed in local.list("packs").unwrap() {
        assert_eq!(listed.length, 4 << 20, "{}", listed.name);
    }
    local.sweep_temporaries().unwrap();
    assert!(!files(folder.path()).iter().any(|file| file.starts_with('.')));
}

#[test]
fn a_server_that_hangs_is_an_error_in_time() {
    let Some(server) = Sshd::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let options = SftpOptions { stall_timeout: Duration::from_secs(10), ..server.options() };
    let backend = SftpBackend::open(&server.location(folder.path()), &options).unwrap();
    put(&backend, "gen/1", b"before");
    let (error, time) = fails_after(&backend, || server.freeze());
    assert_eq!(error.kind, ErrorKind::Lost, "{error:?}");
    assert!(matches!(cause(&error), SftpError::Stalled { .. }), "{error:?}");
    assert!(time < Duration::from_secs(60), "{time:?}");
    let asked = Instant::now();
    assert_eq!(backend.list("").unwrap_err().kind, ErrorKind::Lost);
    assert!(asked.elapsed() < Duration::from_secs(5), "a connection that was given up is not waited for again");
    server.thaw();
}

#[test]
fn a_server_that_hangs_before_its_greeting_is_an_error_in_time() {
    let Some(server) = Sshd::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    server.freeze();
    let options = SftpOptions { connect_timeout: Duration::from_secs(2), ..server.options() };
    let asked = Instant::now();
    let error = SftpBackend::open(&server.location(folder.path()), &options).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Transient, "{error:?}");
    assert!(asked.elapsed() < Duration::from_secs(10));
    server.thaw();
}

#[test]
fn a_server_without_a_needed_extension_is_refused_by_name() {
    let Some(server) = Sshd::with_subsystem("internal-sftp -P hardlink") else { return };
    let folder = tempfile::tempdir().unwrap();
    let lenient = SftpOptions { without_fsync: WithoutFsync::Accept, ..server.options() };
    let error = SftpBackend::open(&server.location(folder.path()), &lenient).err().unwrap();
    assert!(error.source.to_string().contains("hardlink@openssh.com"), "{error:?}");

    let Some(server) = Sshd::with_subsystem("internal-sftp -P fsync") else { return };
    let error = SftpBackend::open(&server.location(folder.path()), &server.options()).err().unwrap();
    assert!(error.source.to_string().contains("fsync@openssh.com"), "{error:?}");
    let options = SftpOptions { without_fsync: WithoutFsync::Accept, ..server.options() };
    let backend = SftpBackend::open(&server.location(folder.path()), &options).unwrap();
    put(&backend, "gen/1", b"unflushed");
    backend.barrier().unwrap();
    assert_eq!(backend.folder_sync(), FolderSync::LeftToServer);
}

#[test]
fn a_read_only_server_denies_puts_and_refuses_deletes() {
    let Some(server) = Sshd::with_subsystem("internal-sftp -R") else { return };
    let folder = tempfile::tempdir().unwrap();
    put(&LocalBackend::open(folder.path()).unwrap(), "gen/1", b"one");
    let options = SftpOptions { without_fsync: WithoutFsync::Accept, ..server.options() };
    match SftpBackend::open(&server.location(folder.path()), &options) {
        // OpenSSH does not offer links then.
        Err(error) => assert!(matches!(cause(&error), SftpError::Missing { .. }), "{error:?}"),
        Ok(backend) => {
            assert_eq!(backend.put_if_absent(&name("gen/2"), &[]).unwrap_err().kind, ErrorKind::Denied);
            assert_eq!(backend.delete(&name("gen/1")).unwrap(), Delete::Refused);
            assert_eq!(backend.get(&name("gen/1"), None).unwrap(), b"one");
        }
    }
}

#[test]
fn what_ssh_says_is_part_of_the_error() {
    let Some(server) = Sshd::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let location = server.location(folder.path());
    let mut options = server.options();
    options.command = ["ssh", "-F", "none", "-o", "UserKnownHostsFile=none"].map(Into::into).to_vec();
    let error = SftpBackend::open(&location, &options).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Denied, "{error:?}");
    assert!(error.source.to_string().contains("Host key verification failed"), "{error:?}");
    let missing = SftpOptions { command: vec!["/nonexistent/ssh".into()], ..server.options() };
    let error = SftpBackend::open(&location, &missing).err().unwrap();
    assert!(matches!(cause(&error), SftpError::Start { program, .. } if program == "/nonexistent/ssh"), "{error:?}");
}

#[test]
fn the_ssh_program_is_gone_and_reaped_when_the_backend_is() {
    let Some(server) = Sshd::start() else { return };
    for server_hangs in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let id = folder.path().join("id");
        let mut options = server.options();
        let script = format!("echo $$ >'{}'; exec \"$@\"", id.display());
        options.command.splice(0..0, ["sh", "-c", script.as_str(), "sh"].map(Into::into));
        let backend = SftpBackend::open(&server.location(folder.path()), &options).unwrap();
        let process = fs::read_to_string(id).unwrap().trim().to_owned();
        let runs = || Path::new("/proc").join(&process).exists();
        assert!(runs());
        if server_hangs {
            server.freeze();
        }
        drop(backend);
        assert!(!runs(), "with a server that hangs: {server_hangs}");
    }
}

#[test]
fn ctrl_c_on_the_terminal_does_not_reach_the_ssh_program() {
    let Some(server) = Sshd::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let id = folder.path().join("id");
    let mut options = server.options();
    let script = format!("echo $$ >'{}'; exec \"$@\"", id.display());
    options.command.splice(0..0, ["sh", "-c", script.as_str(), "sh"].map(Into::into));
    let _backend = SftpBackend::open(&server.location(folder.path()), &options).unwrap();
    let process = fs::read_to_string(id).unwrap().trim().parse().unwrap();
    let group = rustix::process::getpgid(rustix::process::Pid::from_raw(process)).unwrap();
    assert_ne!(group, rustix::process::getpgrp());
}

/// A small disk of the server's machine; unmounted when dropped. `None`, with a printed reason, where that is not allowed.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => return Some(Self(folder)),
            Ok(output) => println!("skipped: no tmpfs: {}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => println!("skipped: no mount command: {error}"),
        }
        None
    }

    fn unmount(&self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.unmount();
    }
}

#[test]
fn a_full_disk_of_the_server_says_so_and_keeps_nothing_of_the_object() {
    let (Some(disk), Some(server)) = (SmallDisk::mount(), Sshd::start()) else { return };
    let backend = SftpBackend::open(&server.location(disk.0.path()), &server.options()).unwrap();
    put(&backend, "packs/00/a", &[1; 300_000]);
    let error = backend.put_if_absent(&name("packs/00/b"), &[&[2; 9_000_000]]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Full, "{error:?}");
    assert_eq!(files(disk.0.path()), ["00", "a", "packs"]);
    put(&backend, "packs/00/b", &[3; 300_000]);
    backend.barrier().unwrap();
}

#[test]
fn a_read_only_disk_of_the_server_denies_puts_and_refuses_deletes() {
    let (Some(disk), Some(server)) = (SmallDisk::mount(), Sshd::start()) else { return };
    let backend = SftpBackend::open(&server.location(disk.0.path()), &server.options()).unwrap();
    put(&backend, "packs/00/a", b"1");
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(disk.0.path()).status().unwrap();
    assert!(remounted.success());
    let error = backend.put_if_absent(&name("packs/00/b"), &[]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error:?}");
    assert_eq!(backend.delete(&name("packs/00/a")).unwrap(), Delete::Refused);
    assert_eq!(backend.get(&name("packs/00/a"), None).unwrap(), b"1");
}

#[test]
fn a_disk_of_the_server_that_goes_away_is_not_an_empty_repository() {
    let (Some(disk), Some(server)) = (SmallDisk::mount(), Sshd::start()) else { return };
    let backend = SftpBackend::open(&server.location(disk.0.path()), &server.options()).unwrap();
    put(&backend, "packs/00/a", b"1");
    backend.barrier().unwrap();
    disk.unmount();
    for folder in ["", "packs", "packs/00"] {
        let error = backend.list(folder).unwrap_err();
        assert!(error.source.to_string().contains("another disk"), "{error:?}");
    }
    assert!(backend.barrier().is_err());
    for text in ["packs/00/b", "index/a"] {
        assert!(backend.put_if_absent(&name(text), &[]).is_err());
    }
    assert!(files(disk.0.path()).is_empty(), "nothing is made in its place");
}
