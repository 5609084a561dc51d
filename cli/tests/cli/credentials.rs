// SPDX-License-Identifier: MIT OR Apache-2.0
//! Passwords and key files: every source, one at a time; what `init` makes; what is refused, with which exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::sandbox::{Run, Sandbox};

#[test]
fn init_makes_a_key_file_for_its_owner_alone_and_never_overwrites_one() {
    let sandbox = Sandbox::new();
    assert_eq!(fs::metadata(sandbox.path("key")).unwrap().permissions().mode() & 0o777, 0o600);
    let key = fs::read(sandbox.path("key")).unwrap();
    let again = sandbox.run(&["init", "-r", &sandbox.text("other")]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("exists already") && again.err.contains("hint: "), "{again:?}");
    assert_eq!(fs::read(sandbox.path("key")).unwrap(), key);
    assert!(!sandbox.path("other").exists());
}

#[test]
fn a_failed_init_leaves_no_key_file() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run(&["init", "--key-file", &sandbox.text("second")]).code, 1);
    assert!(!sandbox.path("second").exists());
}

#[test]
fn no_repository_is_10() {
    let sandbox = Sandbox::empty();
    let Run { code, err, .. } = sandbox.run(&["snapshots"]);
    assert_eq!(code, 10);
    assert!(err.starts_with("error: there is no repository in ") && err.contains("\nhint: `keepfast init`"), "{err}");
    fs::create_dir(sandbox.path("repo")).unwrap();
    assert_eq!(sandbox.run(&["snapshots"]).code, 10);
    fs::write(sandbox.path("repo/file"), "x").unwrap();
    assert_eq!(sandbox.run(&["backup", "."]).code, 10);
}

#[test]
fn a_key_of_another_repository_is_12() {
    let sandbox = Sandbox::new();
    let (key, repository) = (sandbox.text("key2"), sandbox.text("repo2"));
    sandbox.ok(&["init", "--key-file", &key, "-r", &repository]);
    assert_eq!(sandbox.run(&["snapshots", "--key-file", &key]).code, 12);
}

#[test]
fn every_source_of_a_password_works() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("pw"), "correct horse\n").unwrap();
    let file = sandbox.text("pw");
    sandbox.ok(&["key", "add", "--new-password-file", &file, "--kdf-memory", "8"]);
    let command = format!("cat '{file}'");
    sandbox.ok(&["snapshots", "--password-file", &file]);
    sandbox.ok(&["snapshots", "--password-command", &command]);
    for (name, value) in [
        ("KEEPFAST_PASSWORD", "correct horse"),
        ("KEEPFAST_PASSWORD_FILE", &file),
        ("KEEPFAST_PASSWORD_COMMAND", &command),
    ] {
        let run = sandbox.command(&["snapshots"]).env_remove("KEEPFAST_KEY_FILE").env(name, value).output().unwrap();
        assert!(run.status.success(), "{name}: {run:?}");
    }
    let wrong = sandbox.command(&["snapshots"]).env_remove("KEEPFAST_KEY_FILE").env("KEEPFAST_PASSWORD", "x").output();
    assert_eq!(wrong.unwrap().status.code(), Some(12));
    assert_eq!(sandbox.run(&["snapshots", "--password-command", "exit 1"]).code, 1);
}

#[test]
fn two_sources_at_one_place_are_refused_and_the_command_line_goes_before_the_environment() {
    let sandbox = Sandbox::new();
    let both = sandbox.run(&["snapshots", "--password-file", "x", "--key-file", "y"]);
    assert_eq!(both.code, 2);
    assert!(both.err.contains("only one of --password-file and --key-file"), "{both:?}");
    let set = sandbox.command(&["snapshots"]).env("KEEPFAST_PASSWORD", "x").output().unwrap();
    assert_eq!(set.status.code(), Some(2));
    let typed =
        sandbox.command(&["snapshots", "--key-file", &sandbox.text("key")]).env("KEEPFAST_PASSWORD", "x").output();
    assert!(typed.unwrap().status.success());
}

#[test]
fn without_a_source_and_without_a_terminal_nobody_waits() {
    let sandbox = Sandbox::new();
    let run = Run::from(sandbox.command(&["snapshots"]).env_remove("KEEPFAST_KEY_FILE").output().unwrap());
    assert_eq!(run.code, 1);
    assert!(run.err.contains("no terminal") && run.err.contains("KEEPFAST_KEY_FILE"), "{run:?}");
}

#[test]
fn a_repository_opened_by_a_password_is_made_and_used() {
    let sandbox = Sandbox::empty();
    let run = |arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        Run::from(command.env_remove("KEEPFAST_KEY_FILE").env("KEEPFAST_PASSWORD", "päss").output().unwrap())
    };
    assert_eq!(run(&["init", "--kdf-memory", "8"]).code, 0);
    assert_eq!(run(&["backup", "."]).code, 0);
    assert_eq!(sandbox.command(&["init"]).env_remove("KEEPFAST_KEY_FILE").output().unwrap().status.code(), Some(1));
}

#[test]
fn keys_are_added_listed_replaced_and_removed() {
    let sandbox = Sandbox::new();
    let second = sandbox.text("key2");
    sandbox.ok(&["key", "add", "--new-key-file", &second, "--label", "the vault"]);
    let keys = sandbox.json(0, &["key", "list"]);
    let current = keys.iter().find(|key| key["current"] == true).unwrap();
    assert!(keys.len() == 3 && keys.iter().any(|key| key["label"] == "the vault" && key["current"] == false));
    let own = current["id"].as_str().unwrap();
    assert_eq!(sandbox.run(&["key", "remove", own]).code, 1);
    sandbox.ok(&["key", "remove", &own[..8], "--key-file", &second]);
    assert_eq!(sandbox.run(&["snapshots"]).code, 12);
    let third = sandbox.text("key3");
    sandbox.ok(&["key", "passwd", "--new-key-file", &third, "--key-file", &second]);
    assert_eq!(sandbox.run(&["snapshots", "--key-file", &second]).code, 12);
    sandbox.ok(&["snapshots", "--key-file", &third]);
    assert_eq!(sandbox.run(&["key", "remove", "", "--key-file", &third]).code, 1);
}

#[test]
fn places_that_this_program_does_not_know_are_refused_by_name() {
    let sandbox = Sandbox::empty();
    let run = sandbox.run(&["init", "-r", "s3:http://host/bucket"]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("s3://"), "{run:?}");
    assert!(!sandbox.path("key").exists());
}
