// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hostile names, planted symlinks, and symlinks put in place at the wrong moment.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use keepfast_repo_format::tree::entry::FileType;
use proptest::prelude::*;
use rustix::fs::{CWD, RenameFlags};

use super::{Fixture, kind, metadata, numeric};
use crate::target::{Device, FailureKind, Made, TargetErrorKind, resolve};

/// How long a race is tried at least, and at most for as long as one side has won it every time.
const RACE: Duration = Duration::from_secs(1);
const LONGEST_RACE: Duration = Duration::from_secs(60);

#[test]
fn relative_paths_that_are_not_plain_are_refused() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.path("a/b")).unwrap();
    let long = [b'x'; 256];
    let hostile: [&[u8]; 14] = [
        b"..",
        b".",
        b"/",
        b"/abs",
        b"a/../b",
        b"a/./b",
        b"a//b",
        b"a/",
        b"a/b/..",
        b"../outside",
        b"a\0b",
        b"\0",
        b"a/b\0/c",
        &long,
    ];
    for path in hostile {
        assert_eq!(kind(fixture.target.directory(path)), TargetErrorKind::Unsafe, "{}", path.escape_ascii());
    }
    assert!(fixture.target.directory(b"a/b").is_ok());
}

#[test]
fn names_that_are_not_plain_are_refused_by_every_operation() {
    let fixture = Fixture::new();
    let top = fixture.top();
    let long = [b'x'; 256];
    for name in [b"".as_slice(), b".", b"..", b"/", b"a/b", b"../outside/x", b"/tmp/x", b"a\0b", &long] {
        let kinds = [
            kind(top.existing(name)),
            kind(top.read_link(name)),
            kind(top.open_directory(name)),
            kind(top.make_directory(name)),
            kind(top.create_file(name)),
            kind(top.open_file(name)),
            kind(top.make_symlink(name, b"x")),
            kind(top.make_fifo(name)),
            kind(top.make_socket(name)),
            kind(top.make_device(name, Device::Character, 1, 3)),
            kind(top.hard_link(name, &top, b"x")),
            kind(top.hard_link(b"x", &top, name)),
            kind(top.remove(name)),
        ];
        assert!(kinds.iter().all(|kind| *kind == TargetErrorKind::Unsafe), "{}: {kinds:?}", name.escape_ascii());
        let failures = top.apply_metadata(name, &metadata(FileType::Directory), &numeric());
        assert_eq!(failures[0].kind, FailureKind::Unsafe);
    }
    assert!(top.names().unwrap().is_empty());
    assert_eq!(fs::read_dir(fixture.outside()).unwrap().count(), 0);
}

#[test]
fn a_planted_symlink_to_a_folder_is_never_followed() {
    let fixture = Fixture::new();
    let (top, outside) = (fixture.top(), fixture.outside());
    fs::create_dir(outside.join("sub")).unwrap();
    fs::write(outside.join("file"), b"precious").unwrap();
    symlink(&outside, fixture.path("link")).unwrap();
    let before = fs::metadata(&outside).unwrap();

    assert_eq!(kind(fixture.target.directory(b"link")), TargetErrorKind::Unsafe);
    assert_eq!(kind(fixture.target.directory(b"link/sub")), TargetErrorKind::Unsafe);
    assert_eq!(resolve::walk(top.as_fd(), b"link/sub", resolve::Mounts::Cross).err(), Some(rustix::io::Errno::LOOP));
    assert_eq!(kind(top.open_directory(b"link")), TargetErrorKind::Unsafe);
    assert_eq!(kind(top.make_directory(b"link")), TargetErrorKind::Exists);
    assert_eq!(kind(top.create_file(b"link")), TargetErrorKind::Exists);
    assert_eq!(kind(top.open_file(b"link")), TargetErrorKind::Unsafe);
    let failures = top.apply_metadata(b"link", &metadata(FileType::Directory), &numeric());
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].kind, FailureKind::Unsafe);
    assert_eq!(top.existing(b"link").unwrap().unwrap().file_type, FileType::Symlink);

    let mut own = metadata(FileType::Symlink);
    own.mode = 0o777;
    assert!(top.apply_metadata(b"link", &own, &numeric()).is_empty());
    top.remove(b"link").unwrap();

    let after = fs::metadata(&outside).unwrap();
    assert_eq!((before.mode(), before.mtime(), before.ctime_nsec()), (after.mode(), after.mtime(), after.ctime_nsec()));
    assert_eq!(fs::read(outside.join("file")).unwrap(), b"precious");
}

#[test]
fn a_planted_symlink_to_a_file_is_never_followed() {
    let fixture = Fixture::new();
    let (top, victim) = (fixture.top(), fixture.outside().join("file"));
    fs::write(&victim, b"precious").unwrap();
    symlink(&victim, fixture.path("link")).unwrap();
    symlink(fixture.outside().join("missing"), fixture.path("dangling")).unwrap();
    let before = fs::metadata(&victim).unwrap();

    assert_eq!(kind(top.open_file(b"link")), TargetErrorKind::Unsafe);
    assert_eq!(kind(top.create_file(b"link")), TargetErrorKind::Exists);
    assert_eq!(kind(top.create_file(b"dangling")), TargetErrorKind::Exists);
    assert_eq!(kind(top.make_fifo(b"dangling")), TargetErrorKind::Exists);
    assert_eq!(kind(top.make_symlink(b"dangling", b"x")), TargetErrorKind::Exists);
    assert_eq!(kind(top.hard_link(b"dangling", &top, b"link")), TargetErrorKind::Exists);
    assert_eq!(top.apply_metadata(b"link", &metadata(FileType::File), &numeric())[0].kind, FailureKind::Unsafe);
    top.hard_link(b"second", &top, b"link").unwrap();
    assert_eq!(top.existing(b"second").unwrap().unwrap().file_type, FileType::Symlink);

    let after = fs::metadata(&victim).unwrap();
    assert_eq!((before.mode(), before.ctime(), before.ctime_nsec()), (after.mode(), after.ctime(), after.ctime_nsec()));
    assert_eq!(fs::read_dir(fixture.outside()).unwrap().count(), 1);
}

#[test]
fn only_regular_files_are_opened_for_writing() {
    let fixture = Fixture::new();
    let top = fixture.top();
    top.make_fifo(b"fifo").unwrap();
    top.make_directory(b"folder").unwrap();
    assert_eq!(kind(top.open_file(b"fifo")), TargetErrorKind::Exists);
    assert_eq!(kind(top.open_file(b"folder")), TargetErrorKind::Exists);
    assert_eq!(kind(top.open_file(b"missing")), TargetErrorKind::NotFound);
    assert_eq!(kind(fixture.target.directory(b"fifo")), TargetErrorKind::Exists);
    assert_eq!(kind(top.make_directory(b"fifo")), TargetErrorKind::Exists);
    assert_eq!(top.make_directory(b"folder").unwrap(), Made::Existing);
}

#[test]
fn the_users_own_path_may_contain_symlinks() {
    let fixture = Fixture::new();
    symlink(fixture.outside(), fixture.temporary.path().join("alias")).unwrap();
    let through = crate::target::Target::open_or_create(&fixture.temporary.path().join("alias/new/deep")).unwrap();
    through.directory(b"").unwrap().create_file(b"file").unwrap();
    assert!(fixture.outside().join("new/deep/file").exists());
    assert_eq!(fs::metadata(fixture.outside().join("new/deep")).unwrap().mode() & 0o7777, 0o700);
    through.sync().unwrap();
}

#[test]
fn a_target_must_exist_to_be_opened_and_must_be_a_folder() {
    let fixture = Fixture::new();
    let open = crate::target::Target::open(&fixture.path("missing"));
    assert_eq!(kind(open), TargetErrorKind::NotFound);
    fs::write(fixture.path("file"), b"").unwrap();
    assert_eq!(kind(crate::target::Target::open_or_create(&fixture.path("file"))), TargetErrorKind::Exists);
}

/// Exchanges two names as fast as it can while `work` runs, which says whether both sides have won by now.
fn while_exchanging(a: &Path, b: &Path, mut work: impl FnMut(u64) -> bool) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _one_may_be_missing = rustix::fs::renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE);
            }
        });
        let begun = Instant::now();
        let (mut round, mut both) = (0, false);
        while begun.elapsed() < if both { RACE } else { LONGEST_RACE } {
            both = work(round);
            round += 1;
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn nothing_appears_outside_while_a_folder_is_exchanged_with_a_symlink() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.path("d/sub")).unwrap();
    fs::create_dir(fixture.outside().join("sub")).unwrap();
    symlink(fixture.outside(), fixture.path("e")).unwrap();
    let (top, mut made, mut refused) = (fixture.top(), 0, 0);
    while_exchanging(&fixture.path("d"), &fixture.path("e"), |round| {
        let name = round.to_string().into_bytes();
        let directory = if round % 2 == 0 {
            fixture.target.directory(b"d/sub")
        } else {
            top.open_directory(b"d").and_then(|folder| folder.open_directory(b"sub"))
        };
        let walked = resolve::walk(top.as_fd(), b"d/sub", resolve::Mounts::Cross);
        if let Ok(fd) = walked {
            let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
            rustix::fs::openat(fd, "walked", flags, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        }
        match directory {
            Ok(directory) => {
                made += 1;
                directory.create_file(&name).unwrap();
                directory.make_directory(&[&name[..], b"d"].concat()).unwrap();
            }
            Err(error) => {
                refused += 1;
                assert!(matches!(error.kind, TargetErrorKind::Unsafe | TargetErrorKind::Exists), "{error:?}");
            }
        }
        let _either = top.apply_metadata(b"d", &metadata(FileType::Directory), &numeric());
        let _restored = fs::set_permissions(fixture.path("d"), std::os::unix::fs::PermissionsExt::from_mode(0o755));
        made > 0 && refused > 0
    });
    println!("made {made}, refused {refused}");
    assert!(made > 0 && refused > 0, "made {made}, refused {refused}");
    let outside: Vec<_> = fs::read_dir(fixture.outside()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(outside, ["sub"]);
    assert_eq!(fs::read_dir(fixture.outside().join("sub")).unwrap().count(), 0);
    assert_ne!(fs::metadata(fixture.outside()).unwrap().mtime(), metadata(FileType::Directory).modified.seconds);
}

#[test]
fn removing_deletes_nothing_outside_while_a_folder_is_exchanged_with_a_symlink() {
    let fixture = Fixture::new();
    let precious = fixture.outside().join("a/b");
    fs::create_dir_all(&precious).unwrap();
    fs::write(precious.join("precious"), b"x").unwrap();
    symlink(fixture.outside().join("a"), fixture.path("spare")).unwrap();
    let top = fixture.top();
    while_exchanging(&fixture.path("top/a"), &fixture.path("spare"), |_| {
        let _made = fs::create_dir_all(fixture.path("top"));
        for part in ["top/a/b/c", "spare/b/c"] {
            // Never through the symlink: the test itself must not write outside.
            if let Ok(folder) = top.open_directory(part.split('/').next().unwrap().as_bytes()) {
                let _made = folder.make_directory(b"a").and_then(|_| folder.open_directory(b"a")?.make_directory(b"b"));
            }
        }
        let _either = top.remove(b"top");
        true
    });
    assert_eq!(fs::read(precious.join("precious")).unwrap(), b"x");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_path_is_accepted_only_if_every_component_is_plain(path in "[a./\\x00]{0,8}") {
        let bytes = path.as_bytes();
        let plain = path.is_empty()
            || path.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains('\0'));
        prop_assert_eq!(crate::target::name::check_relative(bytes, "test").is_ok(), plain);
    }
}
