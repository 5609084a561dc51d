// SPDX-License-Identifier: MIT OR Apache-2.0
//! `repository probe`, and what a location may look like.

use std::fs;

use crate::sandbox::Sandbox;

#[test]
fn a_probe_tells_each_guarantee_and_the_consequence_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let before = sandbox.objects();
    let run = sandbox.ok(&["repository", "probe"]);
    assert_eq!(run.out.matches("yes").count(), 5, "{run:?}");
    assert!(run.out.lines().last().unwrap().starts_with("many writers, online prune"), "{run:?}");
    assert_eq!(sandbox.objects(), before);
    sandbox.ok(&["backup", "."]);
}

#[test]
fn the_result_is_kept_for_the_repository_that_is_there() {
    let sandbox = Sandbox::new();
    let summary = &sandbox.json(0, &["repository", "probe"])[0]["summary"];
    assert_eq!(summary["guarantees"]["create_once"], true);
    assert_eq!(summary["allows"], "many_writers_and_prune");
    let id = summary["repository"].as_str().unwrap();
    let state = sandbox.path("home/.local/state/keepfast").join(id);
    let kept = fs::read_dir(state).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    assert!(kept.into_iter().any(|text| text.contains("create_once holds") && text.contains("probed ")));
}

#[test]
fn a_place_can_be_probed_before_there_is_a_repository() {
    let sandbox = Sandbox::empty();
    assert_eq!(sandbox.run(&["repository", "probe"]).code, 10, "there is no such folder");
    fs::create_dir(sandbox.path("repo")).unwrap();
    let summary = &sandbox.json(0, &["repository", "probe"])[0]["summary"];
    assert!(summary["repository"].is_null());
    sandbox.ok(&["init"]);
    sandbox.ok(&["backup", "."]);
}

#[test]
fn a_location_may_be_a_url_of_a_file_and_a_typo_is_named() {
    let sandbox = Sandbox::new();
    let url = format!("file://{}", sandbox.text("repo"));
    sandbox.ok(&["-r", &url, "backup", "."]);
    sandbox.ok(&["-r", &url, "--limit-upload", "100000", "--limit-download", "100000", "ls", "latest"]);
    for (location, part) in
        [("s4://bucket", "s4"), ("s3:bucket", "s3://"), ("file://nas/x", "nas"), ("D:/x", "Windows")]
    {
        let run = sandbox.run(&["-r", location, "snapshots"]);
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.err.contains(part), "{run:?}");
    }
    let run = sandbox.run(&["-r", "sftp://me:hunter2@host/x", "snapshots"]);
    assert!(run.code == 1 && !run.err.contains("hunter2"), "{run:?}");
}
