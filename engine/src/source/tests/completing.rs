// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every attribute that is set on a file is read back.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use keepfast_repo_format::tree::entry::{FileType, Metadata};
use rustix::fs::{CWD, IFlags, Mode, XattrFlags, ioctl_getflags, ioctl_setflags, lsetxattr, makedev, mknodat};

use super::{is_root, make, options, see, skip};
use crate::source::{Completer, open};

/// Metadata by name; for a file also checks that the way through the open file gives the same.
fn metadata(folder: &Path, name: &str, completer: &Completer) -> Metadata {
    let seen = see(&options(&["."]), folder);
    let found = seen.get(name);
    let (metadata, problems) = completer.metadata(found, Some(7));
    assert_eq!(problems, [], "{name}");
    if metadata.file_type == FileType::File {
        let file = open(found).unwrap();
        assert_eq!(file.metadata(completer, file.opened(), Some(7)), (metadata.clone(), Vec::new()), "{name}");
    }
    metadata
}

fn set_xattr(path: &Path, name: &str, value: &[u8]) -> bool {
    match lsetxattr(path, name, value, XattrFlags::empty()) {
        Ok(()) => true,
        Err(errno) => {
            skip(&format!("{name}: {errno}"));
            false
        }
    }
}

#[test]
fn numbers_times_and_names_are_those_of_the_file() {
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), &["f"]);
    let path = temporary.path().join("f");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o6751)).unwrap();
    let before_1970 = SystemTime::UNIX_EPOCH - Duration::new(5, 250_000_000);
    File::options().write(true).open(&path).unwrap().set_modified(before_1970).unwrap();
    let read = metadata(temporary.path(), "f", &Completer::new());
    let expected = std::fs::metadata(&path).unwrap();
    assert_eq!(read.mode, expected.mode() & 0o7777);
    assert_eq!((read.modified.seconds, read.modified.nanos), (-6, 750_000_000));
    assert_eq!((read.changed.seconds, i64::from(read.changed.nanos)), (expected.ctime(), expected.ctime_nsec()));
    assert_eq!((read.inode, read.size, read.link_group), (expected.ino(), 1, Some(7)));
    assert_eq!((read.owner.uid, read.owner.gid), (expected.uid(), expected.gid()));
    assert_eq!(expected.created().is_ok(), read.born.is_some());
    let user = uzers::get_user_by_uid(expected.uid());
    assert_eq!(user.map(|user| user.name().as_encoded_bytes().to_vec()).unwrap_or_default(), read.owner.user);
    if is_root() {
        assert_eq!(read.owner.user, b"root");
    }
}

#[test]
fn owners_and_attribute_sets_are_shared_between_entries() {
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), &["a", "b"]);
    let completer = Completer::new();
    let same = |completer: &Completer| {
        let (a, b) = (metadata(temporary.path(), "a", completer), metadata(temporary.path(), "b", completer));
        assert!(Arc::ptr_eq(&a.owner, &b.owner) && Arc::ptr_eq(&a.xattrs, &b.xattrs));
    };
    same(&completer);
    if ["a", "b"].iter().all(|name| set_xattr(&temporary.path().join(name), "user.x", b"1")) {
        same(&completer);
    }
}

#[test]
fn unknown_owners_have_numbers_and_no_names() {
    if !is_root() {
        return skip("only root gives files away");
    }
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), &["f"]);
    std::os::unix::fs::chown(temporary.path().join("f"), Some(3_999_999_123), Some(3_999_999_124)).unwrap();
    let owner = metadata(temporary.path(), "f", &Completer::new()).owner;
    assert_eq!((owner.uid, owner.gid), (3_999_999_123, 3_999_999_124));
    assert!(owner.user.is_empty() && owner.group.is_empty());
}

#[test]
fn attributes_of_any_size_are_read_sorted_by_name() {
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), &["f", "d/"]);
    for name in ["f", "d"] {
        let path = temporary.path().join(name);
        let large = vec![0xab; 3000];
        let mut expected = Vec::new();
        for (name, value) in [("user.large", large.as_slice()), ("user.empty", b""), ("user.bytes", b"\0\xff\0")] {
            if set_xattr(&path, name, value) {
                expected.push((name.as_bytes().to_vec(), value.to_vec()));
            }
        }
        expected.sort();
        assert_eq!(user_xattrs(&metadata(temporary.path(), name, &Completer::new())), expected);
    }
}

#[test]
fn a_list_of_names_beyond_the_first_buffer_is_read() {
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), &["f"]);
    let mut count = 0;
    // ext4 holds about 4 KiB of attributes for a file; this is below that, and the list is above 1 KiB.
    for number in 0..12 {
        count +=
            usize::from(set_xattr(&temporary.path().join("f"), &format!("user.{number}{}", "n".repeat(140)), b"v"));
    }
    assert_eq!(user_xattrs(&metadata(temporary.path(), "f", &Completer::new())).len(), count);
}

fn user_xattrs(metadata: &Metadata) -> Vec<(Vec<u8>, Vec<u8>)> {
    metadata.xattrs.iter().filter(|(name, _)| name.starts_with(b"user.")).cloned().collect()
}

#[test]
fn acls_capabilities_and_attributes_of_links_are_read_as_the_kernel_gives_them() {
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), &["acl", "cap", "d/"]);
    symlink("nowhere", temporary.path().join("link")).unwrap();
    // Version 2, then (tag, permissions, id): user::rw-, user:12345:r--, group::r--, mask::r--, other::---.
    let rows: [(u16, u16, u32); 5] =
        [(1, 6, u32::MAX), (2, 4, 12_345), (4, 4, u32::MAX), (16, 4, u32::MAX), (32, 0, u32::MAX)];
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in rows {
        acl.extend([&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat());
    }
    // VFS_CAP_REVISION_2, effective; cap_net_bind_service permitted.
    let capability = [0x0200_0001_u32, 1 << 10, 0, 0, 0].map(u32::to_le_bytes).concat();
    let table: &[(&str, &str, &[u8])] = &[
        ("acl", "system.posix_acl_access", &acl),
        ("d", "system.posix_acl_default", &acl),
        ("cap", "security.capability", &capability),
        ("link", "trusted.keepfast", b"on the link"),
    ];
    for (name, attribute, value) in table {
        if set_xattr(&temporary.path().join(name), attribute, value) {
            let read = metadata(temporary.path(), name, &Completer::new());
            let pair = (attribute.as_bytes().to_vec(), value.to_vec());
            assert!(read.xattrs.contains(&pair), "{name}: {:?}", read.xattrs);
        }
    }
}

#[test]
fn inode_flags_are_read() {
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), &["f", "d/"]);
    for name in ["f", "d"] {
        let open = File::open(temporary.path().join(name)).unwrap();
        let Ok(flags) = ioctl_getflags(&open) else { return skip("the file system has no inode flags") };
        if ioctl_setflags(&open, flags | IFlags::NODUMP).is_err() {
            return skip("inode flags can not be set");
        }
        let read = metadata(temporary.path(), name, &Completer::new()).inode_flags;
        assert_eq!(read, (flags | IFlags::NODUMP).bits(), "{name}");
    }
}

#[test]
fn links_pipes_sockets_and_devices_are_complete() {
    let temporary = tempfile::tempdir().unwrap();
    let target = std::ffi::OsStr::new("../\u{e9} anywhere");
    symlink(target, temporary.path().join("link")).unwrap();
    let node = |name: &str, kind, device| mknodat(CWD, temporary.path().join(name), kind, Mode::RUSR, device);
    node("pipe", rustix::fs::FileType::Fifo, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(temporary.path().join("socket")).unwrap();
    let completer = Completer::new();
    let link = metadata(temporary.path(), "link", &completer);
    assert_eq!((link.file_type, link.target.as_slice(), link.size), (FileType::Symlink, target.as_encoded_bytes(), 0));
    assert_eq!(metadata(temporary.path(), "pipe", &completer).file_type, FileType::Fifo);
    assert_eq!(metadata(temporary.path(), "socket", &completer).file_type, FileType::Socket);
    for (name, kind) in [("char", rustix::fs::FileType::CharacterDevice), ("block", rustix::fs::FileType::BlockDevice)]
    {
        // Numbers that no driver has: opening it would fail, looking at it must not.
        if let Err(errno) = node(name, kind, makedev(4000, 70_000)) {
            skip(&format!("device nodes: {errno}"));
            continue;
        }
        assert_eq!(metadata(temporary.path(), name, &completer).device, Some((4000, 70_000)), "{name}");
    }
}
