// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every attribute of every type of file, before and after: as root, and as an ordinary user for what one may have.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use keepfast_engine::restore::{Change, Mode, RestoreOptions};
use rustix::fs::{CWD, FileType, Mode as Bits, XattrFlags, lsetxattr, makedev, mknodat};

use crate::support::capture::{assert_same, capture};
use crate::support::child::again_as_ordinary_user;
use crate::support::forest::set_times;
use crate::support::sandbox::Sandbox;

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Backs up, restores into a new folder and over it, and compares both times.
fn comes_back(sandbox: &Sandbox) -> PathBuf {
    let expected = capture(&sandbox.source());
    let snapshot = sandbox.backup();
    let target = sandbox.restore(snapshot);
    assert_same(&expected, &capture(&target), "restored");
    let (summary, _) = sandbox.restore_with(snapshot, &sandbox.options_to(&target)).unwrap();
    assert_eq!((summary.written_bytes, summary.problems), (0, vec![]));
    assert_same(&expected, &capture(&target), "restored once more");
    target
}

/// Sets an attribute, or says that this file system or user can not.
pub(super) fn attribute(path: &Path, name: &str, value: &[u8]) {
    if let Err(error) = lsetxattr(path, name, value, XattrFlags::empty()) {
        println!("not tested here: {name} on {}: {error}", path.display());
    }
}

/// What an ordinary user can make, too.
pub(super) fn ordinary(source: &Path) {
    for (number, mode) in [0o644, 0o600, 0o400, 0o755, 0o4755, 0o2755, 0o1644, 0o777].into_iter().enumerate() {
        let path = source.join(format!("mode {number}"));
        fs::write(&path, format!("{mode:o}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    for (name, mode) in [("sticky", 0o1777), ("set group", 0o2755), ("private", 0o700), ("read only", 0o555)] {
        fs::create_dir(source.join(name)).unwrap();
        fs::write(source.join(name).join("in it"), b"1").unwrap();
        fs::set_permissions(source.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    symlink("no such target", source.join("symlink")).unwrap();
    symlink("x".repeat(4000), source.join("long symlink")).unwrap();
    mknodat(CWD, source.join("fifo"), FileType::Fifo, Bits::from_raw_mode(0o604), 0).unwrap();
    drop(std::os::unix::net::UnixListener::bind(source.join("socket")).unwrap());
    fs::hard_link(source.join("symlink"), source.join("second name of a symlink")).unwrap();
    fs::hard_link(source.join("fifo"), source.join("second name of a fifo")).unwrap();
    fs::hard_link(source.join("mode 0"), source.join("sticky/second name")).unwrap();
    let sparse = File::create(source.join("sparse")).unwrap();
    sparse.set_len(1 << 20).unwrap();
    sparse.write_all_at(&[1; 4096], 512 << 10).unwrap();
    attribute(&source.join("mode 0"), "user.text", b"value");
    attribute(&source.join("mode 0"), "user.empty", b"");
    attribute(&source.join("mode 0"), "user.binary", &[0, 255, 10, 0]);
    attribute(&source.join("sticky"), "user.of a folder", &[7; 1000]);
    acl(&source.join("mode 3"), "system.posix_acl_access", 5);
    acl(&source.join("private"), "system.posix_acl_default", 5);
}

/// An ACL as the kernel stores it: owner rwx, user 1000 r, group as told, mask r-x, other nothing.
pub(super) fn acl(path: &Path, name: &str, group: u16) {
    let none = u32::MAX;
    let rows: [(u16, u16, u32); 5] = [(1, 7, none), (2, 4, 1000), (4, group, none), (16, 5, none), (32, 0, none)];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, rights, id) in rows {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(rights.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    attribute(path, name, &bytes);
}

pub(super) fn times(source: &Path) {
    let moments = [(0, 0), (0, 1), (-1, 999_999_999), (-2_000_000_000, 5), (1 << 33, 123_456_789), (1_700_000_000, 0)];
    for (number, (seconds, nanoseconds)) in moments.into_iter().enumerate() {
        let path = source.join(format!("time {number}"));
        fs::write(&path, b"").unwrap();
        set_times(&path, seconds, nanoseconds);
        symlink("x", source.join(format!("time of a symlink {number}"))).unwrap();
        set_times(&source.join(format!("time of a symlink {number}")), seconds, nanoseconds);
    }
    for (number, name) in ["sticky", "read only", "fifo", "socket", ""].into_iter().enumerate() {
        set_times(&source.join(name), 1_000_000_000 + number as i64, 987_654_321);
    }
}

/// What only root can make.
pub(super) fn privileged(source: &Path) {
    for (number, (uid, gid)) in [(0, 0), (1, 1), (54_321, 12_345), (u32::MAX - 2, 7)].into_iter().enumerate() {
        let path = source.join(format!("owner {number}"));
        fs::write(&path, b"").unwrap();
        chown(&path, Some(uid), Some(gid)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o6755)).unwrap();
        symlink("x", source.join(format!("owner of a symlink {number}"))).unwrap();
        lchown(source.join(format!("owner of a symlink {number}")), Some(uid), Some(gid)).unwrap();
    }
    for (name, kind) in [("character", FileType::CharacterDevice), ("block", FileType::BlockDevice)] {
        if let Err(error) = mknodat(CWD, source.join(name), kind, Bits::from_raw_mode(0o620), makedev(7, 300)) {
            println!("not tested here: {name} device: {error}");
        }
    }
    // cap_net_raw, permitted and effective, as the kernel stores it (revision 2).
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    attribute(&source.join("mode 3"), "security.capability", &capability);
    attribute(&source.join("mode 1"), "trusted.keepfast", b"only root sees it");
}

#[test]
fn everything_that_root_may_have_comes_back() {
    if !is_root() {
        return println!("not tested here: this is not root");
    }
    let sandbox = Sandbox::new();
    ordinary(&sandbox.source());
    privileged(&sandbox.source());
    times(&sandbox.source());
    comes_back(&sandbox);
}

#[test]
fn everything_that_an_ordinary_user_may_have_comes_back() {
    if is_root() {
        return again_as_ordinary_user(concat!(
            module_path!(),
            "::everything_that_an_ordinary_user_may_have_comes_back"
        ));
    }
    let sandbox = Sandbox::new();
    ordinary(&sandbox.source());
    times(&sandbox.source());
    comes_back(&sandbox);
}

#[test]
fn a_dry_run_leaves_even_the_modes_of_closed_files() {
    if is_root() {
        return again_as_ordinary_user(concat!(module_path!(), "::a_dry_run_leaves_even_the_modes_of_closed_files"));
    }
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("read only"), b"content").unwrap();
    fs::set_permissions(sandbox.source().join("read only"), fs::Permissions::from_mode(0o444)).unwrap();
    let snapshot = sandbox.backup();
    let target = sandbox.restore(snapshot);
    let before = capture(&target);
    let dry = RestoreOptions { mode: Mode::DryRun, ..sandbox.options_to(&target) };
    let (_, changes) = sandbox.restore_with(snapshot, &dry).unwrap();
    assert_eq!(changes.get("read only"), Some(&Change::Unchanged));
    assert_same(&before, &capture(&target), "a dry run");
}

#[test]
fn inode_flags_come_back() {
    let sandbox = Sandbox::new();
    let path = sandbox.source().join("no dump");
    fs::write(&path, b"content").unwrap();
    let set = Command::new("chattr").arg("+dA").arg(&path).status();
    if !set.is_ok_and(|status| status.success()) {
        return println!("not tested here: inode flags can not be set");
    }
    let flags = |path: &Path| {
        let output = Command::new("lsattr").arg(path).output().unwrap();
        String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_string()
    };
    let target = comes_back(&sandbox);
    assert_eq!(flags(&target.join("no dump")), flags(&path));
}
