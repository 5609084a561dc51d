// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--json`: every verb prints objects of the schema on standard output and nothing else, also when it fails.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

#[test]
fn every_verb_ends_with_a_summary_of_its_own() {
    let sandbox = Sandbox::empty();
    let target = sandbox.text("out");
    let output = sandbox.text("dumped");
    let (archive, exported) = (sandbox.text("in.tar"), sandbox.text("out.tar.zst"));
    fs::write(&archive, [0; 1024]).unwrap();
    let verbs: [&[&str]; 38] = [
        &["init"],
        &["backup", "."],
        &["backup", ".", "--force", "--tag", "x"],
        &["snapshots"],
        &["ls", "latest"],
        &["ls", "latest:sub", "-l"],
        &["restore", "latest", "--target", &target, "--dry-run"],
        &["restore", "latest", "--target", &target, "-v"],
        &["dump", "latest", "a.txt", "-o", &output],
        &["diff", "latest~1", "latest", "--metadata"],
        &["diff", "latest", "--live"],
        &["watch-diff"],
        &["history", "a.txt", "--all"],
        &["history", "a.txt", "--patch"],
        &["blame", "a.txt"],
        &["find", "*.txt"],
        &["find", "nothing.*", "--all"],
        &["show", "latest:a.txt"],
        &["export", "latest", &exported],
        &["check"],
        &["check", "--read-data"],
        &["prune", "--dry-run"],
        &["prune", "--max-unused", "0", "--wait", "0"],
        &["stats"],
        &["stats", "--savings"],
        &["stats", "--savings", "--by-path=1", "--top", "1"],
        &["tag", "--add", "y", "latest"],
        &["forget", "--keep-last", "2"],
        &["undelete", "--list"],
        &["sessions"],
        &["key", "list"],
        &["cat", "config"],
        &["cat", "snapshot", "latest"],
        &["cat", "index"],
        &["cat", "log"],
        &["cat", "tree", "latest:a.txt"],
        &["import", &archive],
        &["version"],
    ];
    for verb in verbs {
        let objects = sandbox.json(0, verb);
        assert!(objects.iter().all(|object| object["schema"] == 1), "{verb:?}: {objects:?}");
        let (last, stream) = objects.split_last().unwrap();
        assert_eq!(last["command"], verb[0], "{verb:?}");
        assert!(!last["summary"].is_null(), "{verb:?}: {last}");
        assert!(stream.iter().all(|object| object.get("summary").is_none()), "{verb:?}");
    }
}

#[test]
fn failures_are_objects_too() {
    let sandbox = Sandbox::empty();
    let error = |code: i32, arguments: &[&str]| {
        let objects = sandbox.json(code, arguments);
        let last = objects.last().unwrap().clone();
        assert_eq!((&last["schema"], &last["error"]["code"]), (&json!(1), &json!(code)), "{arguments:?}: {last}");
        last["error"]["hint"].as_str().map(str::to_string)
    };
    assert!(error(10, &["snapshots"]).unwrap().contains("init"));
    error(2, &["restore", "latest"]);
    sandbox.ok(&["init"]);
    error(1, &["ls", "latest"]);
    error(2, &["dump", "latest:a"]);
}

#[test]
fn problems_are_in_the_summary() {
    let sandbox = Sandbox::new();
    let objects = sandbox.json(3, &["backup", ".", "--command", "db=exit 1"]);
    let problem = &objects[0]["summary"]["problems"][0];
    assert_eq!((&problem["path"], &problem["code"]), (&json!("db"), &json!("stream")));
}

#[test]
fn a_name_that_is_not_utf8_keeps_its_bytes() {
    let sandbox = Sandbox::new();
    let name = OsStr::from_bytes(b"odd\xff\x1b[2J");
    if fs::write(sandbox.path("src").join(name), "x").is_err() {
        println!("skipped: this file system takes UTF-8 names only");
        return;
    }
    sandbox.ok(&["backup", "."]);
    let listed = sandbox.json(0, &["ls", "latest"]);
    let odd: Vec<&Value> = listed.iter().filter(|entry| entry.get("path_bytes").is_some()).collect();
    assert_eq!(odd.len(), 1);
    assert_eq!(odd[0]["path_bytes"], "2f6f6464ff1b5b324a");
    let text = sandbox.ok(&["ls", "latest"]).out;
    assert!(text.contains("/odd\\xff\\u{1b}[2J") && !text.contains('\x1b'), "{text}");
}
