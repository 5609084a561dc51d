// SPDX-License-Identifier: MIT OR Apache-2.0
//! The walk goes on whatever it meets.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use keepfast_repo_format::manifest::ProblemCode;
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};

use super::{is_root, make, options, see, skip};
use crate::source::{Completer, open};

#[test]
fn paths_longer_than_the_kernel_takes_are_walked_and_opened() {
    let temporary = tempfile::tempdir().unwrap();
    let name = "d".repeat(200);
    let hold = OFlags::PATH | OFlags::DIRECTORY;
    let mut at = openat(CWD, temporary.path(), hold, Mode::empty()).unwrap();
    const DEPTH: usize = 45;
    for _ in 0..DEPTH {
        mkdirat(&at, name.as_str(), Mode::RWXU).unwrap();
        at = openat(&at, name.as_str(), hold, Mode::empty()).unwrap();
    }
    let file = openat(&at, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR | Mode::WUSR).unwrap();
    rustix::io::write(&file, b"deep").unwrap();
    let seen = see(&options(&["."]), temporary.path());
    assert!(seen.problems.is_empty(), "{:?}", seen.problems);
    assert_eq!(seen.found.len(), DEPTH + 2);
    let deepest = seen.found.last().unwrap();
    assert!(deepest.path().len() > 2 * 4096);
    assert_eq!(open(deepest).unwrap().append_at(0, 10, &mut Vec::new()).unwrap(), 4);
    assert_eq!(Completer::new().metadata(deepest, None).1, []);
    let named = std::str::from_utf8(&deepest.path()).unwrap().to_owned();
    let by_name = see(&options(&[&named, "missing"]), temporary.path());
    assert_eq!((by_name.found.len(), by_name.problems.len()), (DEPTH + 1, 1));
}

#[test]
fn an_unreadable_folder_is_a_problem_and_its_neighbours_are_saved() {
    if is_root() {
        return skip("root reads every folder");
    }
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), &["a/1", "closed/2", "z/3"]);
    let closed = temporary.path().join("closed");
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o000)).unwrap();
    let seen = see(&options(&["."]), temporary.path());
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).unwrap();
    assert_eq!(seen.paths(), ["(top)", "a", "closed", "z", "a/1", "z/3"]);
    assert_eq!(seen.problems.len(), 1);
    assert_eq!(
        (seen.problems[0].path.as_slice(), seen.problems[0].code),
        (b"closed".as_slice(), ProblemCode::Unreadable)
    );
}

#[test]
fn a_file_in_a_folder_that_may_only_be_passed_can_be_named() {
    if is_root() {
        return skip("root reads every folder");
    }
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), &["passage/1"]);
    let passage = temporary.path().join("passage");
    std::fs::set_permissions(&passage, PermissionsExt::from_mode(0o100)).unwrap();
    let seen = see(&options(&["passage/1"]), temporary.path());
    let opened = open(seen.get("passage/1")).is_ok();
    std::fs::set_permissions(&passage, PermissionsExt::from_mode(0o700)).unwrap();
    assert!(opened && seen.problems.is_empty());
}

#[test]
fn a_tree_that_changes_under_the_walk_gives_an_ascending_walk_and_only_vanished_entries() {
    let temporary = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..40).map(|number| format!("d{number}/e/f{number}")).collect();
    let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
    make(temporary.path(), &borrowed);
    make(temporary.path(), &["zz/stays"]);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                for number in 0..40 {
                    let folder = temporary.path().join(format!("d{number}"));
                    std::fs::remove_dir_all(&folder).unwrap();
                    std::fs::create_dir_all(folder.join("e")).unwrap();
                    std::fs::write(folder.join("e").join(format!("f{number}")), b"x").unwrap();
                }
            }
        });
        for _ in 0..50 {
            let seen = see(&options(&["."]), temporary.path());
            let paths = seen.paths();
            assert!(paths.contains(&"zz/stays".to_owned()));
            let strange: Vec<_> =
                seen.problems.iter().filter(|problem| problem.code != ProblemCode::Vanished).collect();
            assert!(strange.is_empty(), "{strange:?}");
            for found in seen.found {
                let (_, problems) = Completer::new().metadata(&found, None);
                assert!(problems.iter().all(|problem| problem.code == ProblemCode::Vanished), "{problems:?}");
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
