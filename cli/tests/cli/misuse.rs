// SPDX-License-Identifier: MIT OR Apache-2.0
//! What people type by mistake, and what they try first on a repository that is new: each is answered with what is wrong.

use std::fs;

use crate::sandbox::Sandbox;

#[test]
fn the_beginning_of_an_id_that_is_too_short_is_called_so() {
    let sandbox = Sandbox::with_snapshot();
    let id = sandbox.json(0, &["snapshots"])[0]["id"].as_str().unwrap().to_string();
    sandbox.ok(&["ls", &id[..4]]);
    for selector in [&id[..1], &id[..3]] {
        let run = sandbox.run(&["ls", selector]);
        assert!(run.code == 1 && run.err.contains(&format!("{selector:?} is too short")), "{run:?}");
        assert!(run.err.contains("4 digits") && run.err.contains("hint: `keepfast snapshots`"), "{run:?}");
    }
    let run = sandbox.run(&["ls", "xyz"]);
    assert!(run.code == 1 && run.err.contains("no snapshot fits \"xyz\""), "{run:?}");
}

#[test]
fn a_repository_without_snapshots_says_so_whatever_is_asked_of_it() {
    let sandbox = Sandbox::new();
    for line in
        ["ls latest", "dump latest:/x", "show latest:/x", "diff latest~1 latest", "forget latest", "tag --add x abcd"]
    {
        let arguments: Vec<&str> = line.split(' ').collect();
        let run = sandbox.run(&arguments);
        assert!(run.code == 1 && run.err.contains("there are no snapshots"), "{line}: {run:?}");
        assert!(run.err.contains("hint: `keepfast backup PATH`"), "{line}: {run:?}");
        assert_eq!(run.out, "", "{line}");
    }
    for verb in ["history", "blame"] {
        let run = sandbox.run(&[verb, "/etc/hosts"]);
        assert!(run.code == 1 && run.err.contains("/etc/hosts is in no snapshot: there are none"), "{run:?}");
        assert!(!run.err.contains("keepfast find"), "{run:?}");
    }
    let run = sandbox.run(&["undelete", "abcd"]);
    assert!(run.code == 1 && run.err.contains("no forgotten snapshot fits \"abcd\""), "{run:?}");
}

#[test]
fn a_forget_that_fails_names_no_snapshot_as_forgotten() {
    let sandbox = Sandbox::with_snapshot();
    let run = sandbox.run(&["forget", "latest", "nope"]);
    assert!(run.code == 1 && run.err.contains("no snapshot fits \"nope\""), "{run:?}");
    assert_eq!(run.out, "");
    let objects = sandbox.json(1, &["forget", "latest", "nope"]);
    assert!(objects.len() == 1 && objects[0]["error"]["code"] == 1, "{objects:?}");
    assert_eq!(sandbox.json(0, &["snapshots"]).len(), 2);
    let run = sandbox.ok(&["forget", "latest"]);
    assert!(run.out.contains("1 snapshot forgotten\n`keepfast undelete` brings it back"), "{run:?}");
}

#[test]
fn init_in_a_folder_of_other_things_says_what_is_in_the_way() {
    let sandbox = Sandbox::empty();
    fs::create_dir(sandbox.path("repo")).unwrap();
    fs::write(sandbox.path("repo/letter.txt"), "x").unwrap();
    let run = sandbox.run(&["init"]);
    assert!(run.code == 10 && run.err.contains("it holds \"letter.txt\""), "{run:?}");
    assert!(run.err.contains("no repository can be made in ") && run.err.contains("new or empty folder"), "{run:?}");
    assert!(!sandbox.path("key").exists());
}

#[test]
fn a_password_that_is_empty_is_not_called_a_wrong_one() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("pw"), "").unwrap();
    fs::write(sandbox.path("line"), "\nsecond\n").unwrap();
    for name in ["pw", "line"] {
        let file = sandbox.text(name);
        let run = sandbox.run(&["snapshots", "--password-file", &file]);
        assert!(run.code == 1 && run.err.contains("the password is empty") && run.err.contains(&file), "{run:?}");
    }
    let run = sandbox.run(&["snapshots", "--password-command", "true"]);
    assert!(run.code == 1 && run.err.contains("the password command printed none"), "{run:?}");
}

#[test]
fn a_file_that_is_no_key_file_is_called_so_once() {
    let sandbox = Sandbox::new();
    let file = sandbox.text("src");
    fs::write(sandbox.path("other"), "x").unwrap();
    let run = sandbox.run(&["snapshots", "--key-file", &sandbox.text("other")]);
    assert!(run.code == 1 && run.err.contains("other is not a key file: its first line is another"), "{run:?}");
    let run = sandbox.run(&["snapshots", "--key-file", &format!("{file}/no.key")]);
    assert!(run.code == 1 && run.err.contains("no.key: No such file") && run.err.contains("hint: "), "{run:?}");
}

#[test]
fn a_restore_of_what_fits_no_include_is_a_failure() {
    let sandbox = Sandbox::with_snapshot();
    let target = sandbox.text("back");
    let run = sandbox.run(&["restore", "latest", "--target", &target, "--include", "*.none"]);
    assert!(run.code == 1 && run.err.contains("fits the pattern of --include: nothing was restored"), "{run:?}");
    assert_eq!(run.out, "");
    assert!(run.err.contains("hint: `keepfast find '*.none'`"), "{run:?}");
    // Nothing to do is no failure: it is there already.
    let arguments = ["restore", "latest", "--target", &target, "--include", "*"];
    sandbox.ok(&arguments);
    sandbox.ok(&arguments);
}

#[test]
fn paths_of_snapshots_begin_with_a_slash_in_errors_too() {
    let sandbox = Sandbox::with_snapshot();
    for line in ["ls latest:no/such", "dump latest:/no/such", "show latest:no/such"] {
        let run = sandbox.run(&line.split(' ').collect::<Vec<_>>());
        assert!(run.code == 1 && run.err.contains("error: /no/such is not in snapshot "), "{line}: {run:?}");
    }
}

#[test]
fn a_usage_error_in_json_says_what_is_wrong_without_saying_error_twice() {
    let sandbox = Sandbox::new();
    let error = sandbox.json(2, &["ls"])[0]["error"].clone();
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("the following required arguments were not provided"), "{message}");
}

#[test]
fn found_paths_name_their_host_where_there_are_several() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("src/one.conf"), "x").unwrap();
    sandbox.ok(&["backup", ".", "--host", "日本"]);
    let alone = sandbox.ok(&["find", "one.conf"]).out;
    assert!(!alone.contains("日本"), "{alone}");
    sandbox.ok(&["backup", ".", "--host", "second"]);
    let both = sandbox.ok(&["find", "one.conf"]).out;
    assert!(both.contains("  日本    /") && both.contains("  second  /"), "{both}");
    assert_eq!(both.lines().last(), Some("2 paths in 2 snapshots"), "{both}");
}

#[test]
fn a_backup_says_what_was_added_and_never_more_new_than_there_is() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("src/small"), "x").unwrap();
    let run = sandbox.ok(&["backup", "."]);
    assert!(run.out.contains("\nadded    ") && !run.out.contains("of which"), "{run:?}");
    assert!(run.out.lines().all(|line| line.chars().count() <= 80), "{run:?}");
    let dry = sandbox.ok(&["backup", ".", "--force", "--dry-run"]);
    assert!(dry.out.contains("\nnew      ") && !dry.out.contains("added"), "{dry:?}");
}

#[test]
fn a_path_that_is_nowhere_is_refused_by_diff_also_when_nothing_changed() {
    let sandbox = Sandbox::with_snapshot();
    sandbox.ok(&["backup", "."]);
    for line in ["diff latest latest /nope", "diff latest~1 latest /nope", "diff latest latest /nope --patch"] {
        let run = sandbox.run(&line.split(' ').collect::<Vec<_>>());
        assert!(run.code == 1 && run.err.contains("/nope is not in snapshot "), "{line}: {run:?}");
    }
}

#[test]
fn a_status_of_a_profile_that_nobody_knows_is_a_failure() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&["status", "jujuu"]);
    assert!(run.code == 1 && run.err.contains("there is no profile \"jujuu\""), "{run:?}");
    assert!(sandbox.ok(&["status", "juju"]).out.contains("none in this repository"));
}

#[test]
fn a_new_key_without_a_terminal_asks_for_the_options_of_the_new_one() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&["key", "add"]);
    assert!(run.code == 1 && run.err.contains("no new password or key file was named"), "{run:?}");
    assert!(run.err.contains("--new-key-file FILE"), "{run:?}");
}

#[test]
fn a_pattern_that_is_none_is_wrong_usage() {
    let sandbox = Sandbox::with_snapshot();
    let target = sandbox.text("back");
    for arguments in [&["find", "{a"][..], &["restore", "latest", "-t", &target, "--include", "{a"]] {
        let run = sandbox.run(arguments);
        assert!(run.code == 2 && run.err.contains("\"{a\" is not a valid pattern"), "{run:?}");
    }
    let run = sandbox.run(&["restore", "latest", "-t", &target, "--exclude", "[[:alpha:]]"]);
    assert!(run.code == 2 && run.err.contains("[:alpha:], are not known here"), "{run:?}");
    assert!(!sandbox.path("back").exists());
}

#[test]
fn an_init_that_made_nothing_leaves_no_key_file() {
    let sandbox = Sandbox::new();
    let key = sandbox.text("other key");
    for place in [sandbox.text("repo"), sandbox.text("src")] {
        fs::write(sandbox.path("src/file"), b"x").unwrap();
        let run = sandbox.run(&["init", "-r", &place, "--key-file", &key]);
        assert!(run.code != 0 && run.err.contains(&place), "{run:?}");
        assert!(!sandbox.path("other key").exists(), "{place}");
    }
}

#[test]
fn an_empty_tag_is_refused_and_an_empty_host_is_none() {
    let sandbox = Sandbox::with_snapshot();
    let host = sandbox.json(0, &["snapshots"])[0]["host"].clone();
    for arguments in [
        &["backup", ".", "--tag", ""][..],
        &["backup", ".", "--tag", "a,"],
        &["import", "a.txt", "--tag", ""],
        &["tag", "--add", "", "latest"],
        &["tag", "--remove", "", "latest"],
        &["snapshots", "--tag", ""],
        &["snapshots", "--host", ""],
        &["forget", "--keep-last", "1", "--tag", ""],
    ] {
        let run = sandbox.run(arguments);
        assert!(run.code == 2 && run.err.contains("a value is required"), "{arguments:?}: {run:?}");
    }
    sandbox.ok(&["backup", ".", "--host", ""]);
    let run = sandbox.command(&["backup", "."]).env("KEEPFAST_HOST", "").output().unwrap();
    assert!(run.status.success());
    let snapshots = sandbox.json(0, &["snapshots"]);
    let hosts: Vec<_> = snapshots.iter().filter_map(|snapshot| snapshot.get("host")).collect();
    assert_eq!(hosts, [&host; 3]);
}
