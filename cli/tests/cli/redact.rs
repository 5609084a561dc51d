// SPDX-License-Identifier: MIT OR Apache-2.0
//! Dumps and archives for somebody else: no secret in them, parts left out, and a word about what could not be read.

use std::fs;

use serde_json::{Value, json};

use crate::sandbox::Sandbox;

fn sandbox(files: &[(&str, &[u8])]) -> Sandbox {
    let sandbox = Sandbox::new();
    for (name, content) in files {
        fs::write(sandbox.path("src").join(name), content).unwrap();
    }
    sandbox.ok(&["backup", "."]);
    sandbox
}

const STORE: &[u8] = &[0x30, 0x82, 0x01, 0x02, 2, 1, 3, 0, 0xff];

#[test]
fn a_dump_has_fingerprints_of_diff_in_the_place_of_secrets() {
    let sandbox = sandbox(&[("app.ini", b"[db]\nuser = me\npassword = hunter2\n")]);
    fs::write(sandbox.path("src/app.ini"), "[db]\nuser = me\npassword = hunter3\n").unwrap();
    sandbox.ok(&["backup", "."]);
    let path = "app.ini";
    let dumped = sandbox.ok(&["dump", &format!("latest~1:{path}"), "--redact"]).out;
    let mark = dumped.lines().last().unwrap().strip_prefix("password = ").unwrap().to_string();
    assert!(mark.starts_with("<secret ") && dumped.starts_with("[db]\nuser = me\npassword = "), "{dumped}");
    assert!(sandbox.ok(&["diff", "latest~1", "latest", "--patch"]).out.contains(&mark));
    assert!(sandbox.ok(&["dump", &format!("latest:{path}")]).out.contains("hunter3"));
}

#[test]
fn an_omitted_keyspace_leaves_what_contrail_would_have_written() {
    let whole =
        json!({ "cassandra": { "dm_keyspace": { "x": [1] }, "config_db_uuid": { "y": 2 } }, "zookeeper": [["/", {}]] });
    let sandbox = sandbox(&[("db-dump.json", whole.to_string().as_bytes())]);
    let selector = "latest:db-dump.json";
    let omitted = sandbox.ok(&["dump", selector, "--omit", "cassandra.dm_keyspace"]).out;
    let expected = json!({ "cassandra": { "config_db_uuid": { "y": 2 } }, "zookeeper": [["/", {}]] });
    assert_eq!(serde_json::from_str::<Value>(&omitted).unwrap(), expected);
    let missed = sandbox.run(&["dump", selector, "--omit", "cassandra.dm_keyspac"]);
    assert!(
        missed.code == 1 && missed.err.contains("there is no cassandra.dm_keyspac (there is dm_keyspace)"),
        "{missed:?}"
    );
}

#[test]
fn what_no_reader_knows_ends_a_dump_and_is_left_out_of_an_export() {
    let sandbox = sandbox(&[("key.p12", STORE), ("app.ini", b"[a]\npassword = hunter2\n")]);
    let (folder, archive) = ("latest", sandbox.text("out.tar"));
    let refused = sandbox.run(&["dump", "latest:key.p12", "--redact"]);
    assert!(refused.code == 1 && refused.out.is_empty() && refused.err.contains("a PKCS#12 key store"), "{refused:?}");
    assert!(refused.err.contains("--redact-keep"), "{refused:?}");
    assert_eq!(sandbox.run(&["dump", folder, "--redact"]).code, 1);
    let exported = sandbox.run(&["export", folder, &archive, "--redact"]);
    assert!(exported.code == 3 && exported.err.contains("key.p12"), "{exported:?}");
    let written = fs::read(&archive).unwrap();
    let has = |text: &[u8]| written.windows(text.len()).any(|part| part == text);
    assert!(has(b"app.ini") && has(b"<secret ") && !has(b"hunter2") && !has(b"key.p12"));
    let kept = ["export", folder, &archive, "--force", "--redact", "--redact-keep", "*.p12"];
    let summary = sandbox.json(0, &kept).pop().unwrap()["summary"].clone();
    assert_eq!((&summary["redaction"]["hidden"], &summary["problems"]), (&json!(1), &json!([])));
    assert!(fs::read(&archive).unwrap().windows(STORE.len()).any(|part| part == STORE));
}

#[test]
fn files_and_parts_of_files_are_left_out_of_an_export() {
    let sandbox = sandbox(&[("a.json", b"{\"x\": 1, \"y\": 2}"), ("b.log", b"line\n")]);
    let (folder, archive) = ("latest", sandbox.text("out.tar"));
    sandbox.ok(&["export", folder, &archive, "--omit", "*.log", "--omit", "a.json:x", "--omit", "sub"]);
    let written = fs::read(&archive).unwrap();
    let has = |text: &[u8]| written.windows(text.len()).any(|part| part == text);
    assert!(has(b"{\"y\": 2}") && !has(b"b.log") && !has(b"sub/"));
    let missed = sandbox.run(&["export", folder, &archive, "--force", "--omit", "a.jsn"]);
    assert!(missed.code == 1 && missed.err.contains("a.json"), "{missed:?}");
    assert!(fs::read(&archive).unwrap() == written, "what was there stays");
}

#[test]
fn a_broken_document_is_said_to_be_one() {
    let sandbox =
        sandbox(&[("a.json", format!("{{\"password\": \"hunter2\",\n\"a\": [{}", "1,\n".repeat(40_000)).as_bytes())]);
    let run = sandbox.run(&["dump", "latest:a.json", "--redact"]);
    assert!(run.code == 3 && !run.out.contains("hunter2"), "{}", run.err);
    assert!(run.err.contains("a.json: JSON reader gave up at byte 120030"), "{}", run.err);
}
