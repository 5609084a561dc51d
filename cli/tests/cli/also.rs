// SPDX-License-Identifier: MIT OR Apache-2.0
//! `backup --also`: several repositories, and what is said of each.

use std::fs;

use crate::sandbox::Sandbox;

/// A sandbox with a second repository, and the options that name it.
fn two() -> (Sandbox, Vec<String>) {
    let sandbox = Sandbox::new();
    let (place, key) = (sandbox.text("second"), sandbox.text("second.key"));
    sandbox.ok(&["-r", &place, "--key-file", &key, "init"]);
    let options = ["backup", ".", "--also", &place, "--also-key-file", &key].map(str::to_string);
    (sandbox, options.to_vec())
}

fn words(options: &[String]) -> Vec<&str> {
    options.iter().map(String::as_str).collect()
}

#[test]
fn both_repositories_get_a_snapshot_and_a_line() {
    let (sandbox, options) = two();
    let run = sandbox.ok(&words(&options));
    assert_eq!(run.out.matches(" saved").count(), 2, "{run:?}");
    assert!(run.out.contains(&sandbox.text("second")), "{run:?}");
    let (place, key) = (sandbox.text("second"), sandbox.text("second.key"));
    for whose in [&["snapshots"][..], &["-r", &place, "--key-file", &key, "snapshots"]] {
        assert!(sandbox.ok(whose).out.contains("1 snapshot"));
    }
    let summary = &sandbox.json(0, &words(&options))[0]["summary"];
    assert_eq!(summary["repositories"].as_array().unwrap().len(), 2);
    assert_eq!(summary["repositories"][1]["location"], place.as_str());
}

#[test]
fn one_that_fails_is_named_and_the_other_has_its_snapshot() {
    let (sandbox, options) = two();
    fs::remove_dir_all(sandbox.path("second")).unwrap();
    let run = sandbox.run(&words(&options));
    assert_eq!(run.code, 3, "{run:?}");
    assert_eq!(run.out.matches(" saved").count(), 1, "{run:?}");
    assert!(run.err.contains("no snapshot in") && run.err.contains("second"), "{run:?}");
    // The other way round: the first is gone.
    let (sandbox, options) = two();
    fs::remove_dir_all(sandbox.path("repo")).unwrap();
    let summary = &sandbox.json(3, &words(&options))[0]["summary"];
    assert_eq!(summary["repositories"][0]["exit_code"], 10);
    assert!(summary["repositories"][1]["snapshot"].is_string());
}

#[test]
fn if_all_fail_the_first_decides_the_exit_code() {
    let (sandbox, options) = two();
    fs::remove_dir_all(sandbox.path("second")).unwrap();
    fs::remove_dir_all(sandbox.path("repo")).unwrap();
    assert_eq!(sandbox.run(&words(&options)).code, 10);
}

#[test]
fn each_repository_needs_its_own_key() {
    let (sandbox, _) = two();
    let place = sandbox.text("second");
    let key = sandbox.text("second.key");
    let run = sandbox.run(&["backup", ".", "--also", &place, "--also", &place, "--also-key-file", &key]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.err.contains("given 1 time"), "{run:?}");
    // The first one's key is not tried on others.
    let run = sandbox.run(&["backup", ".", "--also", &place]);
    assert_eq!(run.code, 3, "{run:?}");
}
