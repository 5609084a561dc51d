// SPDX-License-Identifier: MIT OR Apache-2.0
//! The local backend on file systems of other machines: handles that go stale, transfers that fail once, locks that are not
//! seen; and what users are told of such folders.

use std::time::{Duration, SystemTime};

use super::faults::{Answer, Planned, backend, local_error};
use super::*;
use crate::local::file_system::{Concern, FileSystem, StateFolder};

#[test]
fn a_read_is_done_once_more_when_the_server_lost_the_file_or_a_transfer_failed() {
    for errno in [Errno::STALE, Errno::IO] {
        for call in ["read", "open_folder"] {
            let planned = Planned::default();
            let (_folder, backend) = backend(&planned);
            put(&backend, "packs/00/a", b"all of it");
            planned.once_more(call, Answer::Fails(errno));
            assert_eq!(backend.get(&name("packs/00/a"), None).unwrap(), b"all of it", "{call} {errno}");
            assert_eq!(names(&backend), ["packs/00/a"], "{call} {errno}");
        }
    }
}

#[test]
fn an_error_that_comes_again_is_an_error() {
    for errno in [Errno::STALE, Errno::IO] {
        let planned = Planned::default();
        let (_folder, backend) = backend(&planned);
        put(&backend, "packs/00/a", b"all of it");
        for call in ["read", "open_folder"] {
            planned.plan(call, Answer::Fails(errno));
        }
        let before = (planned.count("read"), planned.count("open_folder"));
        assert_eq!(backend.get(&name("packs/00/a"), None).unwrap_err().kind, ErrorKind::Other);
        assert_eq!(backend.list("packs").unwrap_err().kind, ErrorKind::Other);
        assert_eq!((planned.count("read"), planned.count("open_folder")), (before.0 + 2, before.1 + 2));
    }
}

#[test]
fn another_error_of_a_read_is_not_tried_again() {
    let planned = Planned::default();
    let (_folder, backend) = backend(&planned);
    put(&backend, "a", b"all of it");
    planned.plan("read", Answer::Fails(Errno::PERM));
    assert!(backend.get(&name("a"), None).is_err());
    assert_eq!(planned.count("read"), 1);
}

#[test]
fn an_interrupted_read_goes_on() {
    let planned = Planned::default();
    let (_folder, backend) = backend(&planned);
    put(&backend, "a", b"all of it");
    planned.once_more("read", Answer::Fails(Errno::INTR));
    assert_eq!(backend.get(&name("a"), Some(4..6)).unwrap(), b"of");
}

#[test]
fn a_root_that_went_stale_is_opened_again_only_if_it_is_the_same() {
    let planned = Planned::default();
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("repository");
    let calls = Box::new(planned.clone());
    let backend = LocalBackend { calls, ..LocalBackend::create(&root).unwrap() };
    put(&backend, "packs/00/a", b"ours");
    fs::rename(&root, folder.path().join("elsewhere")).unwrap();
    fs::create_dir_all(root.join("packs/00")).unwrap();
    planned.once_more("open_folder", Answer::Fails(Errno::STALE));
    let error = backend.list("").unwrap_err();
    assert_eq!(local_error(&error), Some(LocalError::RootReplaced));
    fs::remove_dir_all(&root).unwrap();
    fs::rename(folder.path().join("elsewhere"), &root).unwrap();
    planned.once_more("open_folder", Answer::Fails(Errno::STALE));
    assert_eq!(names(&backend), ["packs/00/a"]);
}

#[test]
fn a_failed_write_is_not_tried_again_on_a_network_either() {
    // What was written before the error may be lost, and a second flush would not say so.
    for errno in [Errno::STALE, Errno::IO] {
        for call in ["write", "sync_file"] {
            let planned = Planned::default().once(call, Answer::Fails(errno));
            let (_folder, backend) = backend(&planned);
            assert_eq!(backend.put_if_absent(&name("a"), &[b"x"]).unwrap_err().kind, ErrorKind::Other);
            assert_eq!(planned.count(call), 1);
        }
    }
}

#[test]
fn where_locks_of_others_are_not_seen_a_sweep_goes_by_age_as_well() {
    for file_system in [FileSystem::Nfs, FileSystem::Smb, FileSystem::Fuse, FileSystem::Shared("Ceph")] {
        let folder = TempDir::new().unwrap();
        let backend = LocalBackend { file_system, ..LocalBackend::create(folder.path()).unwrap() };
        let (old, young) = (".tmp-00112233445566778899aabbccddeeff", ".tmp-ffeeddccbbaa99887766554433221100");
        for path in [old, young] {
            fs::write(folder.path().join(path), "half of it").unwrap();
        }
        let opened = File::options().write(true).open(folder.path().join(old)).unwrap();
        opened.set_modified(SystemTime::now() - Duration::from_secs(25 * 60 * 60)).unwrap();
        let held = Temporary::create(backend.root.file().as_fd(), "").unwrap().map(|live| {
            live.file().set_modified(SystemTime::now() - Duration::from_secs(25 * 60 * 60)).unwrap();
            let swept = backend.sweep_temporaries().unwrap();
            assert_eq!(swept, Swept { removed_files: 1, kept_files: 2 }, "{file_system:?}");
        });
        assert!(held.is_some());
        assert_eq!(files(folder.path()), [young]);
    }
}

#[test]
fn users_are_told_where_what_is_saved_may_not_last() {
    let concerns = |file_system| {
        let folder = TempDir::new().unwrap();
        LocalBackend { file_system, ..LocalBackend::create(folder.path()).unwrap() }.concerns()
    };
    assert_eq!(concerns(FileSystem::Disk), []);
    assert_eq!(concerns(FileSystem::Nfs), [Concern::NfsMayBeAsync]);
    assert_eq!(concerns(FileSystem::Memory), [Concern::Volatile]);
    for unknown in [FileSystem::Smb, FileSystem::Fuse, FileSystem::Shared("Ceph"), FileSystem::Unknown] {
        assert_eq!(concerns(unknown), [Concern::DurabilityUnknown(unknown)]);
        assert!(Concern::DurabilityUnknown(unknown).to_string().contains(unknown.word()));
    }
    let (_folder, backend) = backend(&Planned::default().always("sync_folder", Answer::Fails(Errno::INVAL)));
    put(&backend, "a", b"");
    assert!(!backend.concerns().contains(&Concern::NamesLeftToServer));
    backend.barrier().unwrap();
    assert!(backend.concerns().contains(&Concern::NamesLeftToServer));
}

#[test]
fn state_folders_on_a_network_are_told_from_suitable_ones() {
    let expected = [
        (FileSystem::Disk, StateFolder::Suitable),
        (FileSystem::Unknown, StateFolder::Suitable),
        (FileSystem::Nfs, StateFolder::Network(FileSystem::Nfs)),
        (FileSystem::Smb, StateFolder::Network(FileSystem::Smb)),
        (FileSystem::Shared("9P"), StateFolder::Network(FileSystem::Shared("9P"))),
        (FileSystem::Fuse, StateFolder::Doubtful(FileSystem::Fuse)),
        (FileSystem::Memory, StateFolder::Volatile),
    ];
    for (file_system, state) in expected {
        assert_eq!(file_system.as_state_folder(), state);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_kind_of_a_file_system_is_that_of_the_nearest_folder_that_exists() {
    let magics = [(0xef53, FileSystem::Disk), (0x6969, FileSystem::Nfs), (0xfe53_4d42, FileSystem::Smb)];
    for (magic, expected) in magics {
        assert_eq!(FileSystem::of_magic(magic), expected);
    }
    let folder = TempDir::new().unwrap();
    let own = FileSystem::of(folder.path()).unwrap();
    assert_eq!(FileSystem::of(&folder.path().join("not/yet/made")).unwrap(), own);
    fs::write(folder.path().join("file"), "").unwrap();
    assert_eq!(FileSystem::of(&folder.path().join("file")).unwrap(), own);
    assert_eq!(FileSystem::of(Path::new("/dev/shm/not/made")).unwrap(), FileSystem::Memory);
    let Some(disk) = SmallDisk::mount("size=1m") else { return };
    assert_eq!(FileSystem::of(&disk.0.path().join("x")).unwrap(), FileSystem::Memory);
    assert_eq!(LocalBackend::open(disk.0.path()).unwrap().concerns(), [Concern::Volatile]);
}
