// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which verb asks a storage for what: the table of `docs/guides/nas-and-s3.md`, held against the requests of the program; and
//! what happens to who may not delete.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::place::{INIT, Place, has, noise};
use crate::support::s3_server::S3Server;
use crate::support::s3_server::fault::Fault;

/// The table begins behind this line.
const TABLE: &str = "<!-- rights -->";

/// The folders, in the order of the columns.
const FOLDERS: [&str; 10] = ["config", "keys", "packs", "index", "gen", "snapshots", "log", "sessions", "gc", "probe"];

/// For each verb: the letters of each folder (`L`ist, `R`ead, `W`rite, `D`elete).
fn documented() -> BTreeMap<String, Vec<String>> {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guides/nas-and-s3.md");
    let guide = fs::read_to_string(guide).unwrap();
    let (_, table) = guide.split_once(TABLE).expect("the guide marks its table of rights");
    let rows = table.trim_start().lines().take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_string()).collect::<Vec<_>>();
    let mut rows = rows.map(cells);
    assert_eq!(rows.next().unwrap()[1..], FOLDERS);
    let mut verbs = BTreeMap::new();
    for row in rows.skip(1) {
        for verb in row[0].split(',').map(|verb| verb.trim().trim_matches('`').to_string()) {
            verbs.insert(verb, row[1..].to_vec());
        }
    }
    verbs
}

/// What requests ask for, as letters for each folder.
fn asked(requests: &[String]) -> Vec<String> {
    let mut asked = vec![String::new(); FOLDERS.len()];
    for request in requests {
        let (method, target) = request.split_once(' ').unwrap();
        let (letter, path) = match (method, target.split_once("prefix=")) {
            ("GET", Some((_, prefix))) => ('L', prefix.split('&').next().unwrap().replace("%2F", "/")),
            ("GET" | "HEAD", None) => ('R', target.trim_start_matches("/bucket/").to_string()),
            ("PUT", _) => ('W', target.trim_start_matches("/bucket/").to_string()),
            ("DELETE", _) => ('D', target.trim_start_matches("/bucket/").to_string()),
            _ => panic!("{request}"),
        };
        let folder = path.trim_start_matches("repo").trim_start_matches('/').split('/').next().unwrap_or_default();
        if let Some(column) = FOLDERS.iter().position(|known| *known == folder)
            && !asked[column].contains(letter)
        {
            asked[column].push(letter);
        }
    }
    asked
}

#[test]
fn every_verb_asks_for_no_more_than_the_guide_says() {
    let documented = documented();
    let server = S3Server::start();
    let place = Place::on(&server);
    let local = place.sandbox.text("local");
    let local_key = place.sandbox.text("local-key");
    place.ok(&["-r", &local, "--key-file", &local_key, "init"]);
    let mut excess = Vec::new();
    let mut run = |row: &str, arguments: &[&str]| {
        let before = server.requests().len();
        let found = place.run(arguments);
        assert_eq!(found.code, 0, "{arguments:?}: {found:?}");
        let letters = asked(&server.requests()[before..]);
        let allowed = documented.get(row).unwrap_or_else(|| panic!("the guide has no row {row}"));
        for ((folder, letters), allowed) in FOLDERS.iter().zip(letters).zip(allowed) {
            let more: String = letters.chars().filter(|letter| !allowed.contains(*letter)).collect();
            if !more.is_empty() {
                excess.push(format!("{arguments:?}: {more} in {folder}/"));
            }
        }
    };
    run("init", &INIT);
    for night in 0..3 {
        place.write("new", &noise(night, 300_000));
        run("backup", &["backup", "."]);
        run("backup", &["backup", ".", "--no-cache"]);
    }
    for verb in [&["snapshots"][..], &["ls", "latest"], &["diff", "latest~2", "latest"], &["stats"], &["sessions"]] {
        run(verb[0], verb);
        run(verb[0], &[verb, &["--no-cache"]].concat());
    }
    run("restore", &["restore", "latest", "--no-cache", "-t", &place.sandbox.text("target")]);
    run("dump", &["dump", "latest:a.txt"]);
    let archive = place.sandbox.text("all.tar");
    run("export", &["export", "latest", &archive]);
    run("import", &["import", &archive]);
    run("import", &["import", &archive, "--as-tree"]);
    run("forget", &["forget", "latest", "latest~1"]);
    run("check", &["check", "--read-data"]);
    run("copy from", &["copy", "--to", &local, "--to-key-file", &local_key]);
    let own_key = place.sandbox.text("key");
    run(
        "copy to",
        &["-r", &local, "--key-file", &local_key, "copy", "--to", &place.location, "--to-key-file", &own_key],
    );
    run("tag", &["tag", "--add", "x", "latest"]);
    run("forget", &["forget", "latest~1"]);
    run("undelete", &["undelete", "--list"]);
    run("forget", &["forget", "--keep-last", "1"]);
    run("prune", &["prune", "--max-unused", "0"]);
    run("key add", &["key", "add", "--new-key-file", &place.sandbox.text("second-key")]);
    run("repository probe", &["repository", "probe"]);
    assert!(excess.is_empty(), "more than the guide says:\n{}", excess.join("\n"));
}

/// Deletes that are refused for ever: a client by its policy, or a bucket that is write-once.
#[test]
fn who_may_not_delete_backs_up_and_prunes_nothing() {
    let server = S3Server::start();
    let place = Place::on(&server);
    server.fail("DELETE", "", 100_000, Fault::Error(403, "AccessDenied"));
    let run = place.init();
    assert!(has(&run.out, &["many writers, no online prune"]), "{run:?}");
    for night in 0..3 {
        place.write("new", &noise(night, 50_000));
        place.ok(&["backup", "."]);
        place.ok(&["backup", ".", "--no-cache"]);
    }
    assert_eq!(place.summary(&["sessions"])["open"], 0, "records that stay are those of sessions that ended");
    place.ok(&["forget", "--keep-last", "1"]);
    let keys = server.keys();
    let run = place.ends_with(1, &["prune"]);
    assert!(has(&run.err, &["does not allow to prune", "refuses to delete"]), "{run:?}");
    assert_eq!(server.keys(), keys);
    // The machine that prunes has other rights.
    server.forget_faults();
    let run = place.run_on("maintainer", &["prune", "--max-unused", "0"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(server.keys().len() < keys.len());
    place.ok(&["check", "--read-data"]);
    place.assert_latest_is_source();
}

/// Object Lock on packs: a delete is refused until the time is over, also after the probe was content.
#[test]
fn a_pack_that_is_locked_for_now_is_deleted_by_a_later_prune() {
    let server = S3Server::start();
    let place = Place::on(&server);
    place.init();
    for night in 0..3 {
        place.write("new", &noise(night, 300_000));
        place.ok(&["backup", "."]);
    }
    place.ok(&["forget", "--keep-last", "1"]);
    server.fail("DELETE", "/packs/", 100_000, Fault::Error(403, "AccessDenied"));
    let summary = place.summary(&["prune", "--max-unused", "0"]);
    assert_ne!(summary["refused"], 0, "{summary}");
    place.ok(&["check", "--read-data"]);
    place.ok(&["backup", "."]);
    server.forget_faults();
    let summary = place.summary(&["prune", "--max-unused", "0"]);
    assert_eq!((&summary["refused"], &summary["finished"]), (&0.into(), &true.into()), "{summary}");
    assert_ne!(summary["packs_deleted"], 0, "{summary}");
    place.ok(&["check", "--read-data"]);
    place.assert_latest_is_source();
}

/// The least that a policy can give to who backs up: no objects of a probe.
#[test]
fn a_client_that_may_not_probe_backs_up() {
    let server = S3Server::start();
    let place = Place::on(&server);
    place.init();
    server.fail("PUT", "/probe/", 100_000, Fault::Error(403, "AccessDenied"));
    let run = place.run_on("client", &["backup", "."]);
    assert_eq!(run.code, 0, "{run:?}");
    place.assert_latest_is_source();
}
