// SPDX-License-Identifier: MIT OR Apache-2.0
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{Comparison, Outcome};

fn tree(top: &Path) {
    fs::create_dir_all(top.join("a/b")).unwrap();
    fs::write(top.join("a/file"), vec![7; 300 << 10]).unwrap();
    fs::write(top.join("a/b/empty"), "").unwrap();
    symlink("a/file", top.join("link")).unwrap();
    set_times(top);
}

fn set_times(top: &Path) {
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    for path in ["a/file", "a/b/empty", "a/b", "a", ""] {
        File::open(top.join(path)).unwrap().set_modified(time).unwrap();
    }
    let times = rustix::fs::Timestamps { last_access: spec(), last_modification: spec() };
    rustix::fs::utimensat(rustix::fs::CWD, top.join("link"), &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn spec() -> rustix::fs::Timespec {
    rustix::fs::Timespec { tv_sec: 1_000_000_000, tv_nsec: 1 }
}

fn compare(source: &Path, restored: &Path) -> Outcome {
    let mut comparison = Comparison::new(&[], &|| false);
    comparison.compare(source, restored);
    comparison.finish().unwrap()
}

#[test]
fn equal_trees_are_equal() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    tree(one.path());
    tree(two.path());
    let outcome = compare(one.path(), two.path());
    assert_eq!((outcome.compared, outcome.differences), (6, vec![]));
}

#[test]
fn every_change_is_found_and_named() {
    type Damage = fn(&Path);
    let table: [(Damage, &str, &str); 7] = [
        (|top| flip_byte(&top.join("a/file")), "a/file", "differs from byte 299999"),
        (|top| fs::write(top.join("a/b/empty"), "x").unwrap(), "a/b/empty", "has 0 bytes, 1 were restored"),
        (|top| fs::set_permissions(top.join("a"), Permissions::from_mode(0o711)).unwrap(), "a", "has mode 755, 711"),
        (|top| fs::remove_file(top.join("a/b/empty")).unwrap(), "a/b/empty", "was not restored"),
        (|top| fs::write(top.join("a/more"), "").unwrap(), "a/more", "gone from the source"),
        (|top| replace(&top.join("link"), "a"), "link", "points to something else"),
        (
            |top| fs::remove_file(top.join("link")).and_then(|()| fs::create_dir(top.join("link"))).unwrap(),
            "link",
            "symbolic link",
        ),
    ];
    for (damage, path, what) in table {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for top in [one.path(), two.path()] {
            tree(top);
            fs::set_permissions(top.join("a"), Permissions::from_mode(0o755)).unwrap();
        }
        damage(two.path());
        let found = compare(one.path(), two.path()).differences;
        let named = found.iter().find(|difference| difference.path == one.path().join(path));
        assert!(named.is_some_and(|difference| difference.what.contains(what)), "{path} {what}: {found:?}");
    }
}

fn flip_byte(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes[299_999] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn replace(link: &Path, target: &str) {
    fs::remove_file(link).unwrap();
    symlink(target, link).unwrap();
}

#[test]
fn what_was_left_out_is_not_missed() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    tree(one.path());
    tree(two.path());
    fs::create_dir(one.path().join("a/own")).unwrap();
    fs::remove_dir_all(two.path().join("a/own")).unwrap_or_default();
    set_times(one.path());
    let own = [one.path().join("a/own")];
    let mut comparison = Comparison::new(&own, &|| false);
    comparison.compare(one.path(), two.path());
    assert_eq!(comparison.finish().unwrap().differences, vec![]);
}
