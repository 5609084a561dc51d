// SPDX-License-Identifier: MIT OR Apache-2.0
//! Metadata comes back as it was recorded.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use keepfast_repo_format::tree::entry::{FileType, Metadata, Owner, Timestamp};

use super::{Fixture, is_root, metadata, numeric, owner, uid, xattr};
use crate::target::{Attribute, FailureKind, MetadataFailure, Ownership, OwnershipMode};

pub(super) const ACL_ACCESS: &str = "system.posix_acl_access";
pub(super) const ACL_DEFAULT: &str = "system.posix_acl_default";

/// An ACL as the kernel gives it: user 65534 may read, and the mask is `mask`.
pub(super) fn acl(mask: u16) -> Vec<u8> {
    let mut bytes = 2u32.to_le_bytes().to_vec();
    let entries =
        [(1u16, 6u16, u32::MAX), (2, 4, 65534), (4, 4, u32::MAX), (0x10, mask, u32::MAX), (0x20, 0, u32::MAX)];
    for (tag, permissions, id) in entries {
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(&permissions.to_le_bytes());
        bytes.extend_from_slice(&id.to_le_bytes());
    }
    bytes
}

pub(super) fn with_xattrs(mut metadata: Metadata, xattrs: &[(&str, &[u8])]) -> Metadata {
    let mut pairs: Vec<_> = xattrs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect();
    pairs.sort();
    metadata.xattrs = Arc::new(pairs);
    metadata
}

pub(super) fn unsupported(failures: &[MetadataFailure], what: &str) -> bool {
    let unsupported = failures.iter().any(|failure| failure.kind == FailureKind::Unsupported);
    if unsupported {
        println!("skipped: {what} not supported by the file system of the temporary folder");
    }
    unsupported
}

fn times(path: &Path) -> [(i64, i64); 2] {
    let found = fs::symlink_metadata(path).unwrap();
    [(found.mtime(), found.mtime_nsec()), (found.atime(), found.atime_nsec())]
}

#[test]
fn every_mode_comes_back() {
    let fixture = Fixture::new();
    let top = fixture.top();
    for mode in [0o000, 0o400, 0o644, 0o777, 0o1755, 0o2755, 0o4755, 0o6711, 0o7777] {
        let name = format!("{mode:o}");
        let mut wanted = metadata(FileType::File);
        wanted.mode = mode;
        let file = top.create_file(name.as_bytes()).unwrap();
        file.write_at(0, b"content").unwrap();
        assert!(file.apply_metadata(&wanted, &numeric()).is_empty());
        assert_eq!(fs::metadata(fixture.path(&name)).unwrap().mode() & 0o7777, mode);
        top.remove(name.as_bytes()).unwrap();

        wanted.file_type = FileType::Directory;
        top.make_directory(name.as_bytes()).unwrap();
        assert!(top.apply_metadata(name.as_bytes(), &wanted, &numeric()).is_empty());
        assert_eq!(fs::metadata(fixture.path(&name)).unwrap().mode() & 0o7777, mode);
    }
}

#[test]
fn times_come_back_to_the_nanosecond_also_before_1970() {
    let fixture = Fixture::new();
    let top = fixture.top();
    for (seconds, nanos) in [(0, 0), (0, 1), (1_700_000_000, 999_999_999), (-1, 999_999_999), (-86_400 * 365, 1)] {
        let name = format!("{seconds}.{nanos}");
        let mut wanted = metadata(FileType::File);
        wanted.modified = Timestamp { seconds, nanos };
        let file = top.create_file(name.as_bytes()).unwrap();
        file.write_at(0, b"x").unwrap();
        assert!(file.apply_metadata(&wanted, &numeric()).is_empty());
        assert_eq!(times(&fixture.path(&name)), [(seconds, i64::from(nanos)); 2]);
    }
}

#[test]
fn nanoseconds_with_a_special_meaning_are_refused() {
    let fixture = Fixture::new();
    let mut wanted = metadata(FileType::File);
    // "Now" to the system.
    wanted.modified.nanos = (1 << 30) - 1;
    let failures = fixture.top().create_file(b"f").unwrap().apply_metadata(&wanted, &numeric());
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].attribute, Attribute::Times);
}

#[test]
fn extended_attributes_come_back_and_others_go() {
    let fixture = Fixture::new();
    let top = fixture.top();
    let big = vec![7; 1000];
    let wanted = with_xattrs(metadata(FileType::File), &[("user.a", b"1"), ("user.big", &big), ("user.empty", b"")]);
    let failures = top.create_file(b"f").unwrap().apply_metadata(&wanted, &numeric());
    if unsupported(&failures, "user attributes are") {
        return;
    }
    assert!(failures.is_empty(), "{failures:?}");
    let path = fixture.path("f");
    assert_eq!(xattr(&path, "user.a").unwrap(), b"1");
    assert_eq!(xattr(&path, "user.big").unwrap(), big);
    assert_eq!(xattr(&path, "user.empty").unwrap(), b"");

    let fewer = with_xattrs(metadata(FileType::File), &[("user.a", b"2"), ("user.new", b"3")]);
    assert!(top.open_file(b"f").unwrap().apply_metadata(&fewer, &numeric()).is_empty());
    assert_eq!(xattr(&path, "user.a").unwrap(), b"2");
    assert_eq!(xattr(&path, "user.new").unwrap(), b"3");
    assert_eq!((xattr(&path, "user.big"), xattr(&path, "user.empty")), (None, None));
}

#[test]
fn hostile_attribute_names_fail_and_the_rest_is_set() {
    let fixture = Fixture::new();
    let xattrs: [(&str, &[u8]); 3] = [("no namespace", b"1"), ("user.\0x", b"1"), ("", b"1")];
    let wanted = with_xattrs(metadata(FileType::File), &xattrs);
    let failures = fixture.top().create_file(b"f").unwrap().apply_metadata(&wanted, &numeric());
    assert_eq!(failures.len(), 3, "{failures:?}");
    assert_eq!(times(&fixture.path("f"))[0], (1_234_567_890, 123_456_789));
    assert_eq!(fs::metadata(fixture.path("f")).unwrap().mode() & 0o7777, 0o640);
}

#[test]
fn acls_come_back_and_the_mode_is_the_recorded_one() {
    let fixture = Fixture::new();
    let top = fixture.top();
    for (name, mask, mode) in [("read", 4u16, 0o640), ("all", 7, 0o670), ("none", 0, 0o600)] {
        let list = acl(mask);
        let mut wanted = with_xattrs(metadata(FileType::File), &[(ACL_ACCESS, &list)]);
        wanted.mode = mode;
        let failures = top.create_file(name.as_bytes()).unwrap().apply_metadata(&wanted, &numeric());
        if unsupported(&failures, "ACLs are") {
            return;
        }
        assert!(failures.is_empty(), "{failures:?}");
        assert_eq!(xattr(&fixture.path(name), ACL_ACCESS).unwrap(), list);
        assert_eq!(fs::metadata(fixture.path(name)).unwrap().mode() & 0o7777, mode);
    }
    top.make_directory(b"folder").unwrap();
    let list = acl(5);
    let wanted = with_xattrs(metadata(FileType::Directory), &[(ACL_DEFAULT, &list)]);
    assert!(top.apply_metadata(b"folder", &wanted, &numeric()).is_empty());
    assert_eq!(xattr(&fixture.path("folder"), ACL_DEFAULT).unwrap(), list);

    // Restored over it without ACLs: they go.
    assert!(top.open_file(b"all").unwrap().apply_metadata(&metadata(FileType::File), &numeric()).is_empty());
    assert_eq!(xattr(&fixture.path("all"), ACL_ACCESS), None);
    assert_eq!(fs::metadata(fixture.path("all")).unwrap().mode() & 0o7777, 0o640);
}

#[test]
fn acls_inherited_from_the_target_do_not_stay() {
    let fixture = Fixture::new();
    let list = acl(7);
    let default = with_xattrs(metadata(FileType::Directory), &[(ACL_DEFAULT, &list)]);
    let failures = fixture.top().apply_own_metadata(&default, &numeric());
    if unsupported(&failures, "ACLs are") {
        return;
    }
    fs::set_permissions(fixture.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let top = fixture.target.directory(b"").unwrap();
    let file = top.create_file(b"f").unwrap();
    assert!(xattr(&fixture.path("f"), ACL_ACCESS).is_some());
    assert!(file.apply_metadata(&metadata(FileType::File), &numeric()).is_empty());
    assert_eq!(xattr(&fixture.path("f"), ACL_ACCESS), None);

    top.make_directory(b"d").unwrap();
    let inner = top.open_directory(b"d").unwrap().create_file(b"f").unwrap();
    assert!(inner.apply_metadata(&metadata(FileType::File), &numeric()).is_empty());
    assert!(top.apply_metadata(b"d", &metadata(FileType::Directory), &numeric()).is_empty());
    assert_eq!(xattr(&fixture.path("d/f"), ACL_ACCESS), None);
    assert_eq!(xattr(&fixture.path("d"), ACL_DEFAULT), None);
}

#[test]
fn symlinks_pipes_and_sockets_come_back() {
    let fixture = Fixture::new();
    let top = fixture.top();
    top.make_symlink(b"link", b"no/where").unwrap();
    top.make_fifo(b"fifo").unwrap();
    top.make_socket(b"socket").unwrap();
    for (name, file_type) in [("link", FileType::Symlink), ("fifo", FileType::Fifo), ("socket", FileType::Socket)] {
        let mut wanted = metadata(file_type);
        wanted.mode = 0o666;
        let failures = top.apply_metadata(name.as_bytes(), &wanted, &numeric());
        assert!(failures.is_empty(), "{failures:?}");
        assert_eq!(times(&fixture.path(name)), [(1_234_567_890, 123_456_789); 2]);
    }
    assert_eq!(fs::read_link(fixture.path("link")).unwrap(), Path::new("no/where"));
    let found = fs::symlink_metadata(fixture.path("fifo")).unwrap();
    assert!(found.file_type().is_fifo());
    assert_eq!(found.mode() & 0o7777, 0o666);
    assert!(fs::symlink_metadata(fixture.path("socket")).unwrap().file_type().is_socket());
}

#[test]
fn something_of_another_type_is_left_alone() {
    let fixture = Fixture::new();
    let top = fixture.top();
    top.create_file(b"f").unwrap();
    let before = top.existing(b"f").unwrap();
    for file_type in [FileType::Directory, FileType::Symlink, FileType::Fifo, FileType::BlockDevice] {
        let failures = top.apply_metadata(b"f", &metadata(file_type), &numeric());
        assert_eq!(failures.len(), 1);
        assert_eq!((failures[0].attribute.clone(), failures[0].kind), (Attribute::All, FailureKind::Unsafe));
    }
    assert_eq!(top.existing(b"f").unwrap(), before);
}

#[test]
fn inode_flags_that_people_set_come_back_and_go() {
    const NODUMP: u32 = 0x40;
    const NOATIME: u32 = 0x80;
    // How ext4 stores a file; setting it elsewhere would fail.
    const EXTENTS: u32 = 0x8_0000;
    let fixture = Fixture::new();
    let top = fixture.top();
    let mut wanted = metadata(FileType::File);
    wanted.inode_flags = NODUMP | NOATIME | EXTENTS;
    let failures = top.create_file(b"f").unwrap().apply_metadata(&wanted, &numeric());
    if unsupported(&failures, "inode flags are") {
        return;
    }
    assert!(failures.is_empty(), "{failures:?}");
    let flags = || rustix::fs::ioctl_getflags(fs::File::open(fixture.path("f")).unwrap()).unwrap().bits();
    assert_eq!(flags() & (NODUMP | NOATIME), NODUMP | NOATIME);
    wanted.inode_flags = NOATIME;
    assert!(top.apply_metadata(b"f", &wanted, &numeric()).is_empty());
    assert_eq!(flags() & (NODUMP | NOATIME), NOATIME);
    assert_eq!(times(&fixture.path("f"))[0], (1_234_567_890, 123_456_789));
}

#[test]
fn a_flag_that_is_refused_does_not_cost_the_others() {
    const NODUMP: u32 = 0x40;
    const NOCOW: u32 = 0x80_0000;
    let fixture = Fixture::new();
    let mut wanted = metadata(FileType::File);
    wanted.inode_flags = NODUMP | NOCOW;
    let file = fixture.top().create_file(b"f").unwrap();
    file.prepare(&wanted);
    file.write_at(0, b"x").unwrap();
    let failures = file.apply_metadata(&wanted, &numeric());
    let flags = rustix::fs::ioctl_getflags(fs::File::open(fixture.path("f")).unwrap());
    let Ok(flags) = flags.map(|flags| flags.bits()) else {
        println!("skipped: inode flags are not supported by the file system of the temporary folder");
        return;
    };
    assert_eq!(flags & NODUMP, NODUMP);
    assert_eq!(flags & NOCOW == 0, failures.iter().any(|failure| failure.attribute == Attribute::Flags));
}

#[test]
fn owners_go_by_name_and_by_number_for_names_unknown_here() {
    let by_name = Ownership::new(OwnershipMode::ByName);
    let wanted = |user: &[u8], group: &[u8]| {
        by_name.wanted(&Owner { uid: 77, gid: 88, user: user.to_vec(), group: group.to_vec() }).unwrap()
    };
    assert_eq!(wanted(b"root", b"root"), (0, 0));
    assert_eq!(wanted(b"", b""), (77, 88));
    assert_eq!(wanted(b"no-such-user-here", b"no-such-group-here"), (77, 88));
    // The system's lookup would take these for numbers or options.
    for hostile in [b"0".as_slice(), b"+0", b"00", b"-0", b"--help", b"root:", b" root", b"root\n", b"\xff", b"ro ot"] {
        assert_eq!(wanted(hostile, hostile), (77, 88), "{}", hostile.escape_ascii());
    }
    assert_eq!(numeric().wanted(&Owner { uid: 1, gid: 2, ..Owner::default() }), Some((1, 2)));
    assert_eq!(Ownership::new(OwnershipMode::Skip).wanted(&Owner::default()), None);
    assert_eq!(by_name.is_privileged(), is_root());
}

#[test]
fn skipping_owners_leaves_set_id_bits_of_others_off() {
    let fixture = Fixture::new();
    let skip = Ownership::new(OwnershipMode::Skip);
    let mut wanted = metadata(FileType::File);
    wanted.mode = 0o6755;
    assert!(fixture.top().create_file(b"own").unwrap().apply_metadata(&wanted, &skip).is_empty());
    assert_eq!(fs::metadata(fixture.path("own")).unwrap().mode() & 0o7777, 0o6755);
    wanted.owner = owner(uid() + 1, super::gid());
    assert!(fixture.top().create_file(b"other").unwrap().apply_metadata(&wanted, &skip).is_empty());
    let found = fs::metadata(fixture.path("other")).unwrap();
    assert_eq!((found.mode() & 0o7777, found.uid()), (0o2755, uid()));
}

#[test]
fn the_targets_own_metadata_is_set() {
    let fixture = Fixture::new();
    let mut wanted = metadata(FileType::Directory);
    wanted.mode = 0o755;
    assert!(fixture.top().apply_own_metadata(&wanted, &numeric()).is_empty());
    assert_eq!(fs::metadata(fixture.path("")).unwrap().mode() & 0o7777, 0o755);
    // Reading the folder afterwards may move the access time.
    assert_eq!(times(&fixture.path(""))[0], (1_234_567_890, 123_456_789));
}

#[test]
fn a_failure_says_what_and_where() {
    let fixture = Fixture::new();
    let wanted = with_xattrs(metadata(FileType::File), &[("odd\x1bname", b"")]);
    let failures = fixture.top().create_file(b"f\n").unwrap().apply_metadata(&wanted, &numeric());
    let text = failures[0].to_string();
    assert!(text.starts_with("can not set xattr odd\\x1bname of \"f\\n\": "), "{text}");
}
