// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel asks of a mount and what it keeps, and how a mount ends. Each test says so where this machine or user can not mount.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use keepfast_engine::mount::Unmounted;
use rustix::fs::listxattr;

use super::fidelity::attribute;
use crate::support::capture::{assert_same, capture};
use crate::support::mounts::{is_mounted, names, options, try_mount};
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, let_time_pass};

#[test]
fn a_kernel_that_was_told_of_no_attributes_is_told_anew_when_a_later_snapshot_has_some() {
    let sandbox = Sandbox::new();
    for file in 0..100 {
        fs::write(sandbox.source().join(format!("file {file}")), b"content").unwrap();
    }
    let first = sandbox.backup();
    let Some(mut mount) = try_mount(&sandbox, &options(&sandbox)) else { return };
    let file = mount.latest(&sandbox).join("file 0");
    let is_told = || listxattr(&file, &mut [0_u8; 100]) == Err(rustix::io::Errno::OPNOTSUPP);
    // It is found out when somebody has asked often.
    let end = Instant::now() + Duration::from_secs(120);
    while !is_told() {
        assert!(Instant::now() < end, "nothing has any, and the kernel asks still");
    }
    let_time_pass();
    let second = sandbox.backup();
    attribute(&sandbox.source().join("file 1"), "user.text", b"value");
    let third = sandbox.backup();
    thread::sleep(Duration::from_millis(1100));
    let short = |id: &dyn ToString| id.to_string()[..8].to_string();
    let shown = names(&mount.point.join("ids"));
    assert!(shown.contains(&short(&first)) && shown.contains(&short(&second)), "{shown:?}");
    assert!(!shown.contains(&short(&third)), "{shown:?}");
    // Who is in it stays in it.
    let held = File::open(mount.latest(&sandbox)).unwrap();
    let mut mounted = mount.mounted.take().unwrap();
    assert!(!mounted.wait(Duration::ZERO).unwrap());
    assert!(names(&mount.point.join("ids")).contains(&short(&third)));
    assert_same(&capture(&sandbox.source()), &capture(&mount.latest(&sandbox)), "mounted anew");
    let earlier = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()));
    assert_eq!(fs::read(earlier.join("file 0")).unwrap(), b"content");
    assert_eq!(mount.problems(), []);
    assert_eq!(mounted.unmount().unwrap(), Unmounted::InUse);
    drop(held);
    assert!(!is_mounted(&mount.point));
}

#[test]
fn files_of_a_folder_that_many_copy_at_once_are_whole() {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(8));
    for folder in 0..12 {
        fs::create_dir(sandbox.source().join(format!("{folder:02}"))).unwrap();
        for file in 0..120 {
            let length = if file % 40 == 7 { 700_000 } else { random.below(9000) };
            fs::write(sandbox.source().join(format!("{folder:02}/{file:03}")), random.bytes(length)).unwrap();
        }
    }
    let expected = capture(&sandbox.source());
    sandbox.backup();
    let Some(mount) = try_mount(&sandbox, &options(&sandbox)) else { return };
    let latest = mount.latest(&sandbox);
    // All of them are offered the same files, and wait for the same pages.
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert_same(&expected, &capture(&latest), "mounted"));
        }
    });
    assert_eq!(mount.problems(), []);
}

#[test]
fn it_ends_when_it_is_told_to_though_somebody_uses_it() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), b"one").unwrap();
    sandbox.backup();
    let options = options(&sandbox);
    let Some(mut mount) = try_mount(&sandbox, &options) else { return };
    let mut mounted = mount.mounted.take().unwrap();
    assert!(!mounted.wait(Duration::from_millis(10)).unwrap());
    assert_eq!(mounted.unmount().unwrap(), Unmounted::Idle);
    assert_eq!(names(&mount.point), Vec::<String>::new());
    let mut mount = try_mount(&sandbox, &options).unwrap();
    let held = File::open(mount.latest(&sandbox).join("file")).unwrap();
    assert_eq!(mount.mounted.take().unwrap().unmount().unwrap(), Unmounted::InUse);
    assert_eq!(names(&mount.point), Vec::<String>::new());
    drop(held);
}

#[test]
fn it_ends_with_whoever_holds_it_though_that_panics() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), b"one").unwrap();
    sandbox.backup();
    let Some(mount) = try_mount(&sandbox, &options(&sandbox)) else { return };
    let point = mount.point.clone();
    assert!(is_mounted(&point));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        // Dropped last: the mount is in use when it has to end.
        let _held = File::open(mount.latest(&sandbox).join("file")).unwrap();
        let _mount = mount;
        panic!("as a test does that fails");
    }));
    assert!(panicked.is_err());
    assert!(!is_mounted(&point));
}
