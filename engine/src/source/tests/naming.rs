// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which path of the source becomes which path of the snapshot.

use std::os::unix::fs::symlink;

use keepfast_repo_format::manifest::ProblemCode;
use keepfast_repo_format::tree::entry::FileType;

use super::{make, options, see, within};
use crate::source::{SourceError, walk};

#[test]
fn named_paths_are_stored_where_the_rule_says() {
    let table: &[(&[&str], &[&str], &str)] = &[
        (&["x/y"], &["x", "x/y", "x/y/1"], "a relative path keeps its parents"),
        (&["x/y/1"], &["x", "x/y", "x/y/1"], "a file may be named"),
        (&["."], &["(top)", "x", "z", "x/2", "x/y", "x/y/1", "z/3"], "`.` puts everything at the top"),
        (&["x/./../x//y"], &["x", "x/y", "x/y/1"], "inner dots are resolved"),
        (&["../here/z"], &["here", "here/z", "here/z/3"], "a leading `..` is dropped"),
        (&["z", "x/y", "x"], &["x", "z", "x/2", "x/y", "x/y/1", "z/3"], "nested paths are met once"),
        (&["x/y", "x/2"], &["x", "x/2", "x/y", "x/y/1"], "parents of several paths are stored once"),
    ];
    let temporary = tempfile::tempdir().unwrap();
    let here = temporary.path().join("here");
    make(&here, &["x/y/1", "x/2", "z/3"]);
    for (paths, expected, reason) in table {
        let seen = see(&options(paths), &here);
        assert_eq!(seen.paths(), *expected, "{reason}");
        assert!(seen.problems.is_empty(), "{reason}");
    }
}

#[test]
fn an_absolute_path_loses_only_its_slash() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().canonicalize().unwrap();
    make(&folder, &["a/b"]);
    let absolute = folder.join("a").to_str().unwrap().to_owned();
    let seen = see(&options(&[&absolute]), &folder);
    let mut expected: Vec<String> = Vec::new();
    for (place, _) in absolute.match_indices('/').skip(1) {
        expected.push(absolute[1..place].to_owned());
    }
    expected.extend([absolute[1..].to_owned(), format!("{}/b", &absolute[1..])]);
    assert_eq!(seen.paths(), expected);
    assert!(expected.len() >= 3);
}

#[test]
fn absolute_and_relative_paths_stand_in_one_walk() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().canonicalize().unwrap();
    make(&folder, &["here/a/1", "there/b/2"]);
    let there = folder.join("there/b").to_str().unwrap().to_owned();
    let seen = see(&options(&[".", &there]), &folder.join("here"));
    assert!(seen.problems.is_empty());
    for path in ["a/1".to_owned(), format!("{}/2", &there[1..])] {
        let found = seen.get(&path);
        assert_eq!(crate::source::open(found).unwrap().opened().inode, found.stat.inode, "{path}");
    }
}

#[test]
fn two_sources_of_one_stored_path_are_refused() {
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), &["etc/x"]);
    let error = walk(&within(&options(&["etc", "/etc"]), temporary.path())).err().unwrap();
    assert!(matches!(error, SourceError::Collision { .. }), "{error}");
}

#[test]
fn what_lies_under_the_place_of_another_named_path_is_a_problem() {
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), &["etc/only here"]);
    let seen = see(&options(&[".", "/etc/passwd"]), temporary.path());
    assert_eq!(seen.problems.len(), 1);
    assert_eq!(seen.problems[0].path, b"etc");
    assert!(seen.paths().contains(&"etc/passwd".to_owned()));
}

#[test]
fn a_named_link_is_stored_as_a_link_and_followed_with_a_slash() {
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), &["real/1"]);
    symlink("real", temporary.path().join("link")).unwrap();
    let kept = see(&options(&["link"]), temporary.path());
    assert_eq!((kept.paths(), kept.found[0].stat.file_type), (vec!["link".to_owned()], FileType::Symlink));
    let followed = see(&options(&["link/"]), temporary.path());
    assert_eq!(followed.paths(), ["link", "link/1"]);
    assert_eq!(followed.found[0].stat.file_type, FileType::Directory);
    let through = see(&options(&["link/1"]), temporary.path());
    assert_eq!(through.paths(), ["link", "link/1"]);
    assert_eq!(crate::source::open(through.get("link/1")).unwrap().opened().size, 6);
}

#[test]
fn a_missing_path_is_an_error_alone_and_a_problem_in_company() {
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), &["x/1"]);
    let error = walk(&within(&options(&["gone/deeper"]), temporary.path())).err().unwrap();
    assert!(error.is_vanished() && error.to_string().contains("gone/deeper"), "{error}");
    let seen = see(&options(&["gone/deeper", "x", "x/1/below a file"]), temporary.path());
    assert_eq!(seen.paths(), ["x", "x/1"]);
    let mut problems: Vec<_> = seen.problems.iter().map(|problem| (problem.path.as_slice(), problem.code)).collect();
    problems.sort_by_key(|(path, _)| *path);
    let unreadable = ProblemCode::Unreadable;
    assert_eq!(problems, [(b"gone/deeper".as_slice(), unreadable), (b"x/1/below a file".as_slice(), unreadable)]);
    assert!(matches!(walk(&within(&options(&[]), temporary.path())).err(), Some(SourceError::NothingNamed)));
}

#[test]
fn a_link_that_is_saved_and_led_through_is_told_of() {
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), &["var/1", "run/2", "run/3"]);
    symlink("../run", temporary.path().join("var/run")).unwrap();
    symlink("nowhere", temporary.path().join("var/broken")).unwrap();
    let seen = see(&options(&["var", "var/run/2", "var/broken/4"]), temporary.path());
    assert_eq!(seen.paths(), ["var", "var/1", "var/broken", "var/run", "var/run/2"]);
    assert_eq!(seen.get("var/broken").stat.file_type, FileType::Symlink);
    let problems: Vec<_> = seen.problems.iter().map(|problem| (problem.path.as_slice(), problem.code)).collect();
    assert_eq!(problems.len(), 2);
    assert!(problems.contains(&(b"var/run".as_slice(), ProblemCode::Metadata)));
    assert!(problems.contains(&(b"var/broken/4".as_slice(), ProblemCode::Unreadable)));
}

#[test]
fn a_slash_behind_a_file_is_refused_as_the_kernel_does() {
    let temporary = tempfile::tempdir().unwrap();
    make(temporary.path(), &["file", "other"]);
    assert!(walk(&within(&options(&["file/"]), temporary.path())).is_err());
    let seen = see(&options(&["file/", "other"]), temporary.path());
    assert_eq!((seen.paths(), seen.problems.len()), (vec!["other".to_owned()], 1));
}
