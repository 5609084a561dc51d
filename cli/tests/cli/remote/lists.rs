// SPDX-License-Identifier: MIT OR Apache-2.0
//! A list that fails is no empty list, on whatever page, in whatever folder, for whatever verb; and one that lies is noticed where
//! anything else tells of what it hides.

use super::place::{Place, noise};
use crate::support::s3_server::S3Server;
use crate::support::s3_server::fault::Fault;

/// A repository with enough objects for several pages of everything.
fn started() -> (S3Server, Place) {
    let server = S3Server::start();
    let place = Place::on(&server);
    place.init();
    for night in 0..4 {
        place.write("new", &noise(night, 50_000));
        place.ok(&["backup", "."]);
    }
    server.set_page_keys(3);
    (server, place)
}

const FOLDERS: [&str; 8] = ["config", "keys", "gen", "log", "packs", "gc", "sessions", "index"];

const VERBS: [&[&str]; 7] = [
    &["snapshots"],
    &["backup", "."],
    &["check"],
    &["forget", "--keep-last", "1"],
    &["prune", "--max-unused", "0"],
    &["sessions"],
    &["undelete", "--list"],
];

#[test]
fn a_list_that_fails_fails_the_verb_and_deletes_nothing() {
    let (server, place) = started();
    let mut met = 0;
    for folder in FOLDERS {
        for verb in VERBS {
            for fault in [Fault::Error(500, "InternalError"), Fault::Error(403, "AccessDenied")] {
                let keys = server.keys();
                server.fail("GET", &format!("prefix=repo%2F{folder}"), 1, fault.clone());
                let run = place.run(&[verb, &["--retries", "0"]].concat());
                if server.forget_faults() == 0 {
                    met += 1;
                    assert!(run.code == 1 && !run.err.is_empty(), "{verb:?} {folder} {fault:?}: {run:?}");
                    assert!(!run.out.contains("0 snapshots"), "{run:?}");
                } else {
                    // This verb does not look there; what it did is undone.
                    assert_eq!(run.code, 0, "{verb:?} {folder}: {run:?}");
                }
                let gone =
                    keys.iter().filter(|key| !key.contains("/sessions/") && !server.keys().contains(key)).count();
                assert!(gone == 0 || verb[0] == "prune" && run.code == 0, "{verb:?} {folder}: {gone}");
            }
        }
    }
    assert!(met > 20, "{met}");
    place.ok(&["check", "--read-data"]);
    place.assert_latest_is_source();
}

#[test]
fn a_list_that_fails_on_a_later_page_is_no_shorter_list() {
    let (server, place) = started();
    let keys = server.keys();
    for verb in [&["snapshots"][..], &["check"], &["prune", "--max-unused", "0"]] {
        // The page behind the first one of the first list that has one, of the next, and so on.
        for before in 0..3 {
            server.pass("GET", "continuation-token", before);
            server.fail("GET", "continuation-token", 1, Fault::Error(500, "InternalError"));
            let run = place.run(&[verb, &["--retries", "0"]].concat());
            if server.forget_faults() > 0 {
                assert!(before > 0, "{verb:?} reads one page only: {run:?}");
                break;
            }
            assert!(run.code == 1 && !run.err.is_empty(), "{verb:?} page {before}: {run:?}");
            assert!(keys.iter().all(|key| server.keys().contains(key)), "{verb:?} page {before}");
        }
    }
    place.ok(&["check", "--read-data"]);
    place.assert_latest_is_source();
}

/// The end of the log is not shown: for whoever does not know it, the repository is an older one. Nothing may be lost by that.
#[test]
fn a_list_without_its_last_page_costs_nothing_that_it_hides() {
    let (server, place) = started();
    let keys = server.keys();
    server.fail("GET", "prefix=repo%2Flog", 10_000, Fault::LastPage);
    for verb in [&["snapshots"][..], &["check"], &["prune", "--max-unused", "0"]] {
        let run = place.run(verb);
        let there = |key: &&String| key.contains("/sessions/") || key.contains("/gc/") || server.keys().contains(*key);
        assert_eq!(keys.iter().filter(there).count(), keys.len(), "{verb:?} deleted something: {run:?}");
    }
    let run = place.run(&["backup", "."]);
    assert!(run.code == 0 || !run.err.is_empty(), "{run:?}");
    server.forget_faults();
    place.ok(&["check", "--read-data"]);
    place.assert_latest_is_source();
    place.ok(&["backup", "."]);

    // Packs that are not listed count as lost, and are stored anew.
    server.fail("GET", "prefix=repo%2Fpacks", 100, Fault::LastPage);
    let run = place.run(&["check"]);
    assert!(run.code != 0 && format!("{run:?}").contains("pack"), "{run:?}");
    place.ok(&["backup", "."]);
    server.forget_faults();
    place.ok(&["check", "--read-data"]);
    place.assert_latest_is_source();
}
