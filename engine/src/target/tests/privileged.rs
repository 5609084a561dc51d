// SPDX-License-Identifier: MIT OR Apache-2.0
//! What only root can restore.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use keepfast_repo_format::tree::entry::FileType;

use super::fidelity::{unsupported, with_xattrs};
use super::{Fixture, is_root, metadata, numeric, owner, xattr};
use crate::target::{Attribute, Device, FailureKind, TargetErrorKind};

/// A capability as the kernel gives it: revision 2, effective, `cap_net_bind_service`.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn skip_unless_root() -> bool {
    if !is_root() {
        println!("skipped: needs root");
    }
    !is_root()
}

#[test]
fn owners_of_every_type_come_back_with_set_id_bits() {
    if skip_unless_root() {
        return;
    }
    let fixture = Fixture::new();
    let top = fixture.top();
    top.make_directory(b"folder").unwrap();
    top.make_symlink(b"link", b"/etc/passwd").unwrap();
    top.make_fifo(b"fifo").unwrap();
    let file = top.create_file(b"file").unwrap();
    file.write_at(0, b"x").unwrap();
    let of = |file_type| {
        let mut wanted = metadata(file_type);
        wanted.owner = owner(12345, 54321);
        wanted.mode = 0o6755;
        wanted
    };
    let before = fs::metadata("/etc/passwd").unwrap();
    assert!(file.apply_metadata(&of(FileType::File), &numeric()).is_empty());
    assert!(top.apply_metadata(b"folder", &of(FileType::Directory), &numeric()).is_empty());
    assert!(top.apply_metadata(b"link", &of(FileType::Symlink), &numeric()).is_empty());
    assert!(top.apply_metadata(b"fifo", &of(FileType::Fifo), &numeric()).is_empty());
    for name in ["file", "folder", "link", "fifo"] {
        let found = fs::symlink_metadata(fixture.path(name)).unwrap();
        assert_eq!((found.uid(), found.gid()), (12345, 54321), "{name}");
        assert!(name == "link" || found.mode() & 0o7777 == 0o6755, "{name}");
    }
    let after = fs::metadata("/etc/passwd").unwrap();
    assert_eq!((before.ctime(), before.uid()), (after.ctime(), after.uid()));
}

#[test]
fn devices_come_back() {
    if skip_unless_root() {
        return;
    }
    let fixture = Fixture::new();
    let top = fixture.top();
    match top.make_device(b"null", Device::Character, 1, 3) {
        Err(error) if error.kind == TargetErrorKind::Denied => {
            return println!("skipped: devices are not allowed here");
        }
        other => other.unwrap(),
    }
    top.make_device(b"disk", Device::Block, 259, 70_000).unwrap();
    let mut wanted = metadata(FileType::CharDevice);
    wanted.mode = 0o666;
    assert!(top.apply_metadata(b"null", &wanted, &numeric()).is_empty());
    wanted.file_type = FileType::BlockDevice;
    assert!(top.apply_metadata(b"disk", &wanted, &numeric()).is_empty());
    let found = fs::metadata(fixture.path("null")).unwrap();
    assert!(found.file_type().is_char_device());
    assert_eq!((found.mode() & 0o7777, found.mtime_nsec()), (0o666, 123_456_789));
    assert_eq!(top.existing(b"null").unwrap().unwrap().device_numbers, Some((1, 3)));
    assert_eq!(top.existing(b"disk").unwrap().unwrap().device_numbers, Some((259, 70_000)));
    assert_eq!(top.existing(b"disk").unwrap().unwrap().file_type, FileType::BlockDevice);
    // Opening a device could do things, so it is not even tried.
    assert_eq!(top.open_file(b"null").err().unwrap().kind, TargetErrorKind::Exists);
}

#[test]
fn capabilities_survive_the_change_of_owner_and_go_if_not_recorded() {
    if skip_unless_root() {
        return;
    }
    let fixture = Fixture::new();
    let top = fixture.top();
    let mut wanted = with_xattrs(metadata(FileType::File), &[("security.capability", &CAPABILITY)]);
    wanted.owner = owner(12345, 54321);
    let file = top.create_file(b"f").unwrap();
    file.write_at(0, b"program").unwrap();
    let failures = file.apply_metadata(&wanted, &numeric());
    if unsupported(&failures, "capabilities are") {
        return;
    }
    if failures.iter().any(|failure| failure.kind == FailureKind::Privilege) {
        return println!("skipped: root without the right to set capabilities");
    }
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(xattr(&fixture.path("f"), "security.capability").unwrap(), CAPABILITY);
    wanted = with_xattrs(wanted, &[]);
    assert!(top.apply_metadata(b"f", &wanted, &numeric()).is_empty());
    assert_eq!(xattr(&fixture.path("f"), "security.capability"), None);
}

#[test]
fn trusted_attributes_come_back_on_every_type_and_are_never_removed() {
    if skip_unless_root() {
        return;
    }
    let fixture = Fixture::new();
    let top = fixture.top();
    top.make_symlink(b"link", b"/etc/passwd").unwrap();
    top.make_fifo(b"fifo").unwrap();
    top.make_directory(b"folder").unwrap();
    for (name, file_type) in [("link", FileType::Symlink), ("fifo", FileType::Fifo), ("folder", FileType::Directory)] {
        let wanted = with_xattrs(metadata(file_type), &[("trusted.keepfast", name.as_bytes())]);
        let failures = top.apply_metadata(name.as_bytes(), &wanted, &numeric());
        if unsupported(&failures, "trusted attributes are") {
            return;
        }
        if failures.iter().any(|failure| failure.kind == FailureKind::Privilege) {
            return println!("skipped: root without the right to set trusted attributes");
        }
        assert!(failures.is_empty(), "{failures:?}");
        assert!(top.apply_metadata(name.as_bytes(), &metadata(file_type), &numeric()).is_empty());
        assert_eq!(xattr(&fixture.path(name), "trusted.keepfast").unwrap(), name.as_bytes());
    }
}

#[test]
fn immutable_comes_last_and_denies_what_follows() {
    const IMMUTABLE: u32 = 0x10;
    if skip_unless_root() {
        return;
    }
    let fixture = Fixture::new();
    let top = fixture.top();
    let mut wanted = metadata(FileType::File);
    wanted.inode_flags = IMMUTABLE;
    wanted.mode = 0o644;
    wanted.owner = owner(12345, 54321);
    let file = top.create_file(b"f").unwrap();
    file.write_at(0, b"x").unwrap();
    let failures = file.apply_metadata(&wanted, &numeric());
    drop(file);
    if unsupported(&failures, "inode flags are") {
        return;
    }
    if failures.iter().any(|failure| failure.attribute == Attribute::Flags) {
        return println!("skipped: root without the right to make files immutable");
    }
    assert!(failures.is_empty(), "{failures:?}");
    let found = fs::metadata(fixture.path("f")).unwrap();
    assert_eq!((found.mode() & 0o7777, found.uid(), found.mtime()), (0o644, 12345, 1_234_567_890));
    assert_eq!(top.open_file(b"f").err().unwrap().kind, TargetErrorKind::Denied);
    assert_eq!(top.remove(b"f").err().unwrap().kind, TargetErrorKind::Denied);

    let opened = fs::File::open(fixture.path("f")).unwrap();
    let flags = rustix::fs::ioctl_getflags(&opened).unwrap();
    rustix::fs::ioctl_setflags(&opened, flags - rustix::fs::IFlags::IMMUTABLE).unwrap();
    top.remove(b"f").unwrap();
}
