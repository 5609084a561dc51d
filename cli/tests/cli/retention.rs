// SPDX-License-Identifier: MIT OR Apache-2.0
//! Forgetting and bringing back, sessions that others left behind, copies in another repository: as users meet them.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::sandbox::Sandbox;

/// A repository with three snapshots of one host; their ids and times as they are printed.
fn three() -> (Sandbox, Vec<(String, String)>) {
    let sandbox = Sandbox::new();
    for (number, tag) in ["first", "second", "third"].iter().enumerate() {
        fs::write(sandbox.path("src/a.txt"), format!("{number}\n")).unwrap();
        sandbox.ok(&["backup", ".", "--host", "web1", "--tag", tag]);
    }
    let found = sandbox.json(0, &["snapshots"]);
    let text = |object: &Value, key: &str| object[key].as_str().unwrap().to_string();
    let shown = |object: &Value| (text(object, "short_id"), text(object, "started")[..16].replace('T', " "));
    let snapshots = found[..3].iter().map(shown).collect();
    (sandbox, snapshots)
}

/// With ids, times and the place of the sandbox replaced by what is the same in every run.
fn masked(out: &str, sandbox: &Sandbox, snapshots: &[(String, String)]) -> Vec<String> {
    let mut out = out.replace(&sandbox.text("src"), "/src");
    for (number, (id, time)) in snapshots.iter().enumerate() {
        out = out.replace(id, &format!("{number}{number}{number}{number}{number}{number}{number}{number}"));
        out = out.replace(time, "2026-11-01 03:00");
    }
    out.lines().map(str::to_string).collect()
}

fn ids(sandbox: &Sandbox) -> Vec<String> {
    let objects = sandbox.json(0, &["snapshots"]);
    objects.iter().filter_map(|object| Some(object["short_id"].as_str()?.to_string())).collect()
}

#[test]
fn forget_shows_what_goes_and_why_the_rest_stays() {
    let (sandbox, snapshots) = three();
    let policy = ["forget", "--keep-last", "1", "--keep-tag", "first", "--keep-yearly", "7"];
    let expected = [
        "keep last 1, yearly 7, tag first",
        "",
        "web1 /src: keep 2, remove 1",
        "id        time              tags    what    because",
        "-----------------------------------------------------------------",
        "00000000  2026-11-01 03:00  first   keep    oldest yearly, tag first",
        "11111111  2026-11-01 03:00  second  remove",
        "22222222  2026-11-01 03:00  third   keep    last 1, yearly 1",
        "",
    ];
    let shown = |arguments: &[&str]| masked(&sandbox.ok(arguments).out, &sandbox, &snapshots);
    let same = |found: &[String], last: &[&str]| {
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found[..4], expected[..4]);
        assert_eq!(found[5..9], expected[5..9]);
        assert_eq!(found[9..], *last);
    };
    same(&shown(&[&policy[..], &["-n"]].concat()), &["1 snapshot would be forgotten, 2 kept"]);
    assert_eq!(ids(&sandbox).len(), 3);
    let compact = shown(&[&policy[..], &["-n", "--compact"]].concat());
    assert_eq!(compact[1..], ["web1 /src: keep 2, remove 1", "1 snapshot would be forgotten, 2 kept"]);
    let hint = "`keepfast undelete` brings it back until `keepfast prune` frees the space";
    same(&shown(&policy), &["1 snapshot forgotten, 2 kept", hint]);
    assert_eq!(ids(&sandbox), [snapshots[0].0.clone(), snapshots[2].0.clone()]);
    assert_eq!(sandbox.ok(&[&policy[..], &["-q"]].concat()).out, "");
}

#[test]
fn what_was_forgotten_is_listed_and_comes_back() {
    let (sandbox, snapshots) = three();
    let second = &snapshots[1].0;
    assert!(sandbox.ok(&["forget", second]).out.contains("1 snapshot forgotten"));
    assert!(!ids(&sandbox).contains(second));
    let listed = masked(&sandbox.ok(&["undelete"]).out, &sandbox, &snapshots);
    assert_eq!(listed[2], "11111111  2026-11-01 03:00  web1  second  /src");
    assert_eq!(listed[3], "1 forgotten snapshot can come back");
    assert!(sandbox.ok(&["undelete", second, "-n"]).out.contains("1 snapshot could come back"));
    assert!(sandbox.ok(&["undelete", second]).out.contains("1 snapshot came back"));
    assert!(ids(&sandbox).contains(second));
    let visible = sandbox.run(&["undelete", second]);
    assert_eq!(visible.code, 1);
    assert!(visible.err.contains("no forgotten snapshot fits"), "{visible:?}");
    assert!(sandbox.ok(&["undelete", "--list"]).out.contains("0 forgotten snapshots"));
}

#[test]
fn a_policy_that_keeps_nothing_is_refused_by_name() {
    let (sandbox, snapshots) = three();
    let refused = |arguments: &[&str], word: &str| {
        let run = sandbox.run(arguments);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.err.contains(word), "{run:?}");
    };
    refused(&["forget"], "keeps nothing");
    refused(&["forget", "--keep-last", "0"], "--keep-last 0");
    refused(&["forget", "--keep-within", "7x"], "--keep-within 7x");
    refused(&["forget", "--keep-within-daily", "0d"], "--keep-within-daily 0d");
    refused(&["forget", "--keep-daily", "-2"], "--keep-daily -2");
    refused(&["forget", "--keep-last", "1", "--group-by", "size"], "--group-by");
    refused(&["forget", "latest", "--keep-last", "1"], "not by both");
    assert_eq!(sandbox.run(&["forget", "abcd1234"]).code, 1);
    sandbox.ok(&["forget", "--keep-yearly", "-1"]);
    assert_eq!(
        ids(&sandbox),
        [snapshots[0].0.clone(), snapshots[2].0.clone()],
        "the last of this year, and the oldest"
    );
    let objects = sandbox.json(0, &["forget", "--keep-last", "unlimited"]);
    assert_eq!((&objects[0]["action"], &objects[0]["reasons"][0]), (&"keep".into(), &"last 2".into()));
    assert_eq!(objects[0]["group"]["dated"], true);
    assert_eq!(objects.last().unwrap()["summary"]["kept"], 2);
}

#[test]
fn nothing_is_locked_and_unlock_says_where_to_look() {
    let sandbox = Sandbox::new();
    for arguments in [&["unlock"][..], &["unlock", "--remove-all"]] {
        let run = sandbox.run(arguments);
        assert_eq!(run.code, 2);
        assert!(run.err.contains("nothing to unlock") && run.err.contains("keepfast sessions"), "{run:?}");
    }
    assert!(!sandbox.ok(&["--help"]).out.contains("unlock"));
}

#[test]
fn the_session_of_a_killed_backup_is_shown_and_closed() {
    let sandbox = Sandbox::new();
    let mut child = sandbox.command(&["backup", "--stdin"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while sandbox.json(0, &["sessions"]).first().is_none_or(|session| session["open"] != true) {
        assert!(begun.elapsed() < Duration::from_secs(60), "the backup opens no session");
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let objects = sandbox.json(0, &["sessions"]);
    let session = &objects[0];
    assert_eq!(
        (&session["open"], &session["process_gone"], &session["role"]),
        (&true.into(), &true.into(), &"writer".into())
    );
    assert_eq!(session["process"], child.id());
    let id = &session["id"].as_str().unwrap()[..8];
    let table = sandbox.ok(&["sessions"]).out;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("id        who"), "{table}");
    assert!(lines[2].starts_with(id) && lines[2].contains("writer") && lines[2].contains("open, no such"), "{table}");
    assert!(lines[3].contains(&format!("pid {}", child.id())) && lines[3].contains(" ago"), "{table}");
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{table}");
    assert_eq!(*lines.last().unwrap(), "1 session open");

    let asked = sandbox.run(&["sessions", "close", id]);
    assert_eq!(asked.code, 2, "nobody can be asked: {asked:?}");
    assert_eq!(sandbox.run(&["sessions", "close", "ffff0000"]).code, 1);
    assert!(sandbox.ok(&["sessions", "close", id, "--yes"]).out.contains("closed"));
    assert_eq!(sandbox.ok(&["sessions"]).out, "0 sessions open\n");
    sandbox.ok(&["backup", "."]);
}

#[test]
fn snapshots_are_copied_once_and_restore_from_the_copy() {
    let (sandbox, snapshots) = three();
    let (repo, key) = (sandbox.text("repo2"), sandbox.text("key2"));
    sandbox.ok(&["init", "-r", &repo, "--key-file", &key]);
    let copy = ["copy", "--to", &repo, "--to-key-file", &key];
    let planned = sandbox.ok(&[&copy[..], &["-n"]].concat()).out;
    let planned = masked(&planned, &sandbox, &snapshots);
    assert_eq!(planned[0], "00000000  2026-11-01 03:00  web1  /src");
    assert_eq!(planned[3], "3 snapshots would be copied");
    let copied = sandbox.ok(&[&copy[..], &["latest"]].concat()).out;
    let copied = masked(&copied, &sandbox, &snapshots);
    assert!(
        copied[0].starts_with("22222222 -> ") && copied[0].ends_with("  2026-11-01 03:00  web1  /src"),
        "{copied:?}"
    );
    assert_eq!(copied[1], "1 snapshot copied");
    let objects = sandbox.json(0, &copy);
    let fates: Vec<&str> = objects.iter().filter_map(|object| object["fate"].as_str()).collect();
    assert_eq!(fates, ["copied", "copied", "present"]);
    assert_eq!(sandbox.ok(&copy).out, "0 snapshots copied, 3 there already\n");

    let other = ["-r", &repo, "--key-file", &key];
    let there = sandbox.json(0, &[&["snapshots"][..], &other].concat());
    assert_eq!((&there[1]["tags"][0], &there[1]["host"]), (&"second".into(), &"web1".into()));
    let target = sandbox.text("out");
    sandbox.ok(&[&["restore", "tag:second", "--target", &target][..], &other].concat());
    assert_eq!(fs::read_to_string(sandbox.path("out/a.txt")).unwrap(), "1\n");
    sandbox.ok(&[&["check", "--read-data"][..], &other].concat());
}

#[test]
fn each_repository_of_a_copy_is_opened_with_its_own_key() {
    let sandbox = Sandbox::with_snapshot();
    let (repo, key) = (sandbox.text("repo2"), sandbox.text("key2"));
    sandbox.ok(&["init", "-r", &repo, "--key-file", &key]);
    let own = sandbox.text("key");
    assert_eq!(sandbox.run(&["copy", "--to", &repo, "--to-key-file", &own]).code, 12);
    assert_eq!(sandbox.run(&["copy", "--to", &sandbox.text("none"), "--to-key-file", &key]).code, 10);
    let none = sandbox.run(&["copy", "--to", &repo]);
    assert_eq!(none.code, 1, "the source's key is not taken for the target's: {none:?}");
    let both = sandbox.run(&["copy", "--to", &repo, "--to-key-file", &key, "--to-password-file", &key]);
    assert!(both.code == 2 && both.err.contains("--to-password-file and --to-key-file"), "{both:?}");
    assert_eq!(sandbox.run(&["copy"]).code, 2);
    let same = sandbox.run(&["copy", "--to", &sandbox.text("repo"), "--to-key-file", &own]);
    assert!(same.code == 1 && same.err.contains("same repository"), "{same:?}");
    let mut by_environment = sandbox.command(&["copy"]);
    by_environment.env("KEEPFAST_TO_REPOSITORY", &repo).env("KEEPFAST_TO_KEY_FILE", &key);
    assert!(by_environment.output().unwrap().status.success());
}
