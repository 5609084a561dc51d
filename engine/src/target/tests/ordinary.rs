// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a restore by an ordinary user does. Run by root, each test runs itself again as nobody.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::Command;

use keepfast_repo_format::tree::entry::FileType;

use super::fidelity::with_xattrs;
use super::{Fixture, gid, is_root, metadata, numeric, owner, uid};
use crate::target::{Attribute, FailureKind, TargetErrorKind};

/// User and group that own nothing.
const NOBODY: u32 = 65534;

/// Runs `body` unless root; as root, the test of this name runs in a process of nobody's.
fn as_ordinary_user(name: &str, body: impl FnOnce()) {
    if !is_root() {
        return body();
    }
    let program = std::env::current_exe().unwrap();
    let child = Command::new(program)
        .args(["--exact", &format!("target::tests::ordinary::{name}"), "--nocapture"])
        .uid(NOBODY)
        .gid(NOBODY)
        .current_dir("/")
        .output();
    let output = match child {
        Ok(output) => output,
        Err(error) => return println!("skipped: can not run the tests as nobody: {error}"),
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn a_foreign_owner_is_a_failure_of_its_own_kind_and_set_id_bits_stay_off() {
    as_ordinary_user("a_foreign_owner_is_a_failure_of_its_own_kind_and_set_id_bits_stay_off", || {
        let fixture = Fixture::new();
        let mut wanted = metadata(FileType::File);
        wanted.mode = 0o6755;
        wanted.owner = owner(0, 0);
        let file = fixture.top().create_file(b"f").unwrap();
        let failures = file.apply_metadata(&wanted, &numeric());
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert_eq!((failures[0].attribute.clone(), failures[0].kind), (Attribute::Owner, FailureKind::Ownership));
        assert!(!numeric().is_privileged());
        let found = fs::metadata(fixture.path("f")).unwrap();
        assert_eq!((found.mode() & 0o7777, found.uid(), found.mtime()), (0o755, uid(), 1_234_567_890));

        // Only the user is foreign: the group's bit may stand.
        wanted.owner = owner(0, gid());
        fixture.top().create_file(b"g").unwrap().apply_metadata(&wanted, &numeric());
        assert_eq!(fs::metadata(fixture.path("g")).unwrap().mode() & 0o7777, 0o2755);
    });
}

#[test]
fn privileged_attributes_are_failures_of_their_own_kind() {
    as_ordinary_user("privileged_attributes_are_failures_of_their_own_kind", || {
        let fixture = Fixture::new();
        let xattrs: [(&str, &[u8]); 2] = [("security.capability", &[0; 20]), ("trusted.x", b"1")];
        let wanted = with_xattrs(metadata(FileType::File), &xattrs);
        let failures = fixture.top().create_file(b"f").unwrap().apply_metadata(&wanted, &numeric());
        assert_eq!(failures.len(), 2, "{failures:?}");
        assert!(failures.iter().any(|failure| failure.attribute == Attribute::Xattr(b"trusted.x".to_vec())));
        assert!(failures.iter().filter(|failure| failure.kind == FailureKind::Privilege).count() >= 1, "{failures:?}");
        assert_eq!(kind_of_device(&fixture), TargetErrorKind::Denied);
    });
}

fn kind_of_device(fixture: &Fixture) -> TargetErrorKind {
    super::kind(fixture.top().make_device(b"null", crate::target::Device::Character, 1, 3))
}

#[test]
fn own_files_and_folders_without_permission_are_opened_up() {
    as_ordinary_user("own_files_and_folders_without_permission_are_opened_up", || {
        let fixture = Fixture::new();
        let top = fixture.top();
        fs::create_dir(fixture.path("folder")).unwrap();
        fs::write(fixture.path("folder/file"), b"old").unwrap();
        for mode in [0o400, 0o200, 0o000] {
            fs::set_permissions(fixture.path("folder"), fs::Permissions::from_mode(0o700)).unwrap();
            fs::set_permissions(fixture.path("folder/file"), fs::Permissions::from_mode(mode)).unwrap();
            fs::set_permissions(fixture.path("folder"), fs::Permissions::from_mode(mode)).unwrap();
            top.make_directory(b"folder").unwrap();
            let folder = top.open_directory(b"folder").unwrap();
            let file = folder.open_file(b"file").unwrap();
            file.write_at(0, b"new").unwrap();
            let mut wanted = metadata(FileType::File);
            wanted.mode = mode;
            assert!(file.apply_metadata(&wanted, &numeric()).is_empty());
            assert!(folder.apply_metadata(b"file", &wanted, &numeric()).is_empty());
            assert_eq!(folder.existing(b"file").unwrap().unwrap().mode, mode);
            wanted.file_type = FileType::Directory;
            assert!(top.apply_metadata(b"folder", &wanted, &numeric()).is_empty());
            assert_eq!(top.existing(b"folder").unwrap().unwrap().mode, mode);
        }
    });
}

#[test]
fn files_of_others_stay_denied() {
    as_ordinary_user("files_of_others_stay_denied", || {
        let Ok(etc) = crate::target::Target::open(std::path::Path::new("/etc")) else {
            return println!("skipped: no /etc");
        };
        let top = etc.directory(b"").unwrap();
        for result in
            [top.open_file(b"passwd").err(), top.create_file(b"keepfast-test").err(), top.remove(b"passwd").err()]
        {
            assert_eq!(result.unwrap().kind, TargetErrorKind::Denied);
        }
    });
}

#[test]
fn own_folders_without_permission_are_removed_with_their_contents() {
    as_ordinary_user("own_folders_without_permission_are_removed_with_their_contents", || {
        let fixture = Fixture::new();
        fs::create_dir_all(fixture.path("a/b/c")).unwrap();
        fs::write(fixture.path("a/b/c/file"), b"x").unwrap();
        for path in ["a/b/c", "a/b", "a"] {
            fs::set_permissions(fixture.path(path), fs::Permissions::from_mode(0o000)).unwrap();
        }
        fixture.top().remove(b"a").unwrap();
        assert!(fixture.top().names().unwrap().is_empty());
    });
}
