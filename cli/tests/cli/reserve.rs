// SPDX-License-Identifier: MIT OR Apache-2.0
//! `repository reserve`, and what it is for: forget and prune on a disk that is full.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sandbox::Sandbox;

#[test]
fn space_is_set_aside_and_given_back_and_nobody_minds_it() {
    let sandbox = Sandbox::with_snapshot();
    let reserve = |size: &[&str]| sandbox.ok(&[&["repository", "reserve"], size].concat()).out;
    assert_eq!(reserve(&[]), "nothing is set aside\n");
    assert_eq!(reserve(&["2.5M"]), "3.00 MiB are set aside for forget and prune\n");
    assert_eq!(sandbox.json(0, &["repository", "reserve"])[0]["summary"]["reserve_bytes"], 3 << 20);
    sandbox.ok(&["backup", "."]);
    sandbox.ok(&["check", "--read-data"]);
    sandbox.ok(&["prune"]);
    assert_eq!(reserve(&[]), "3.00 MiB are set aside for forget and prune\n");
    assert_eq!(reserve(&["0"]), "nothing is set aside\n");
}

#[test]
fn what_can_not_be_a_reserve_is_refused() {
    let sandbox = Sandbox::new();
    for (size, why) in [("much", "is not a size"), ("1T", "a reserve has at most 9.77 GiB")] {
        let run = sandbox.run(&["repository", "reserve", size]);
        assert!(run.code == 2 && run.err.contains(why), "{run:?}");
    }
    let run = sandbox.run(&["-r", "s3://bucket/prefix", "repository", "reserve", "1M"]);
    assert!(run.code == 2 && run.err.contains("an object store needs no reserve"), "{run:?}");
    assert_eq!(sandbox.run(&["-r", "nowhere", "repository", "reserve"]).code, 10);
}

#[test]
fn a_full_disk_is_freed_by_forget_and_prune_and_the_reserve_is_there_again() {
    let sandbox = Sandbox::empty();
    let Some(disk) = SmallDisk::mount(sandbox.path("disk"), "6m") else { return };
    let repository = disk.0.join("repo");
    let run = |arguments: &[&str]| sandbox.run(&[&["-r", repository.to_str().unwrap()], arguments].concat());
    assert_eq!(run(&["init"]).code, 0);
    assert_eq!(run(&["repository", "reserve", "1M"]).code, 0);
    fs::write(sandbox.path("src/large"), noise(3 << 20)).unwrap();
    assert_eq!(run(&["backup", "."]).code, 0);
    fs::remove_file(sandbox.path("src/large")).unwrap();
    assert_eq!(run(&["backup", "."]).code, 0);
    // To the last byte.
    let _ = fs::write(disk.0.join("other"), vec![1; 6 << 20]);
    let full = run(&["backup", ".", "--tag", "third"]);
    assert!(full.code == 1 && full.err.contains("free some space"), "a backup takes nothing of the reserve: {full:?}");
    let freed = run(&["forget", "--keep-last", "1", "--prune"]);
    assert!(
        freed.code == 0 && freed.out.contains("1.00 MiB of its reserve were used, and are set aside again"),
        "{freed:?}"
    );
    assert_eq!(run(&["repository", "reserve"]).out, "1.00 MiB are set aside for forget and prune\n");
    assert_eq!(run(&["backup", "."]).code, 0);
    assert_eq!(run(&["check", "--read-data"]).code, 0);
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// A small file system in memory, which only root can mount.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"]).arg(&at).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        println!("skipped: mounting a small file system needs root");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let at: &Path = &self.0;
        let _ = Command::new("umount").arg(at).status();
    }
}
