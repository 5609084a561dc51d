// SPDX-License-Identifier: MIT OR Apache-2.0
//! A service that goes wrong while the program writes or reads: what passes is tried again, what does not is told, and in no
//! case does the program end with 0 and something missing.

use super::place::{Place, files, has, noise};
use crate::support::s3_server::S3Server;
use crate::support::s3_server::fault::Fault;
use crate::support::servers::Server;
use std::io::Write;
use std::time::{Duration, Instant};

/// What a backup puts, in its order.
const BACKUP_PHASES: [&str; 5] = ["/sessions/", "/packs/", "/index/", "/snapshots/", "/log/"];

/// What a prune that copies puts, in its order.
const PRUNE_PHASES: [&str; 6] = ["/sessions/", "/gc/", "/packs/", "/index/", "/log/", "/gen/"];

/// A full disk, as services say it.
const FULL: Fault = Fault::Error(507, "InsufficientStorage");

/// A repository with one snapshot.
fn started() -> (S3Server, Place) {
    let server = S3Server::start();
    let place = Place::on(&server);
    place.init();
    place.write("big", &noise(1, 3 << 20));
    place.ok(&["backup", "."]);
    (server, place)
}

#[test]
fn a_put_that_goes_wrong_once_in_every_phase_leaves_nothing_missing() {
    let (server, place) = started();
    let faults = [
        Fault::ErrorAfterEffect(500, "InternalError"),
        // The effect, and no whole answer: what a time-out after the effect looks like.
        Fault::Truncated,
        Fault::Error(503, "SlowDown"),
        Fault::Error(409, "ConditionalRequestConflict"),
        Fault::Error(412, "PreconditionFailed"),
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        place.write("new", &noise(10 + number as u64, 100_000));
        BACKUP_PHASES.iter().for_each(|phase| server.fail("PUT", phase, 1, fault.clone()));
        server.fail("DELETE", "/sessions/", 1, Fault::ErrorAfterEffect(500, "InternalError"));
        place.ok(&["backup", "."]);
        server.verify_all_faults_reached();
        place.assert_latest_is_source();
        assert_eq!(place.snapshots().len(), number + 2);
    }
    assert_eq!(place.summary(&["sessions"])["open"], 0);
    place.ok(&["check", "--read-data"]);
}

#[test]
fn a_backup_that_ends_with_0_is_whole_whatever_went_wrong_and_one_that_does_not_says_why() {
    let (server, place) = started();
    let faults =
        [FULL, Fault::Truncated, Fault::Error(403, "AccessDenied"), Fault::ErrorAfterEffect(500, "InternalError")];
    let mut seed = 100;
    for phase in BACKUP_PHASES {
        for fault in &faults {
            seed += 1;
            place.write("new", &noise(seed, 50_000));
            let before = place.snapshots().len();
            server.fail("PUT", phase, 1, fault.clone());
            let run = place.run(&["backup", ".", "--retries", "0"]);
            server.verify_all_faults_reached();
            match run.code {
                0 => place.assert_latest_is_source(),
                1 => assert!(run.err.contains("error"), "{phase} {fault:?}: {run:?}"),
                _ => panic!("{phase} {fault:?}: {run:?}"),
            }
            let after = place.snapshots().len();
            // An answer that is lost may be that to the slot.
            assert!(
                after == before || run.code == 0 || phase == "/log/",
                "{phase} {fault:?}: {before} {after} {run:?}"
            );
        }
        place.ok(&["backup", "."]);
        place.assert_latest_is_source();
    }
    assert_eq!(place.summary(&["sessions"])["open"], 0);
    place.ok(&["check", "--read-data"]);
}

#[test]
fn a_service_that_says_nothing_is_asked_again_after_the_idle_timeout() {
    let (server, place) = started();
    place.write("new", &noise(300, 100_000));
    server.fail("PUT", "/packs/", 1, Fault::SilenceAfterEffect);
    let begin = Instant::now();
    place.ok(&["backup", ".", "--idle-timeout", "2"]);
    let took = begin.elapsed();
    server.verify_all_faults_reached();
    // Without the option it would have been a minute.
    assert!((Duration::from_secs(2)..Duration::from_secs(50)).contains(&took), "{took:?}");
    place.assert_latest_is_source();
}

#[test]
fn a_full_storage_is_told_with_what_helps_and_costs_nothing_that_was_there() {
    let (server, place) = started();
    for (number, phase) in PRUNE_PHASES.into_iter().enumerate() {
        // One pack, of which half is needed by what stays.
        let seed = 1000 + 10 * number as u64;
        place.write("goes", &noise(seed, 100_000));
        place.write(&format!("stays-{number}"), &noise(seed + 1, 100_000));
        place.ok(&["backup", "."]);
        place.write("goes", b"");
        place.ok(&["backup", "."]);
        place.ok(&["forget", "--keep-last", "1"]);
        server.fail("PUT", phase, 1, FULL);
        let run = place.ends_with(1, &["prune", "--max-unused", "0"]);
        server.verify_all_faults_reached();
        assert!(has(&run.err, &["space"]) || has(&run.err, &["InsufficientStorage"]), "{phase}: {run:?}");
        place.ok(&["check"]);
        place.assert_latest_is_source();
        let summary = place.summary(&["prune", "--max-unused", "0"]);
        assert_eq!(summary["finished"], true, "{phase}: {summary}");
        place.ok(&["check", "--read-data"]);
    }
}

#[test]
fn bytes_that_come_wrong_are_fetched_again_or_named_and_never_restored() {
    let (server, place) = started();
    let faults = [Fault::Truncated, Fault::OtherRange, Fault::ShortRange, Fault::NoRange];
    let source = files(&place.sandbox.path("src"));
    for fault in faults {
        server.fail("GET", "/packs/", 2, fault.clone());
        place.assert_latest_is_source();
        server.verify_all_faults_reached();
        let target = tempfile::tempdir().unwrap();
        server.fail("GET", "/packs/", 1, fault.clone());
        let arguments = ["restore", "latest", "--retries", "0", "--target", target.path().to_str().unwrap()];
        let run = place.run_on("without-cache", &[&arguments[..], &["--no-cache"]].concat());
        server.verify_all_faults_reached();
        assert!(run.code == 1 || run.code == 3, "{fault:?}: {run:?}");
        assert!(!run.err.is_empty());
        assert!(files(target.path()) != source);
        server.fail("GET", "/packs/", 1, fault.clone());
        let run = place.run(&["check", "--read-data", "--retries", "0"]);
        // A pack that is read whole is asked for without a range: to leave out which range came does no harm then.
        let is_harmless = matches!(fault, Fault::NoRange);
        assert!(is_harmless || (run.code != 0 && !run.err.is_empty()), "{fault:?}: {run:?}");
    }
    place.ok(&["check", "--read-data"]);
}

#[test]
fn a_part_that_comes_with_the_status_of_a_whole_is_that_part() {
    let (server, place) = started();
    server.fail("GET", "/packs/", 1000, Fault::StatusOfWhole);
    place.ok(&["restore", "latest", "--no-cache", "--retries", "0", "--target", &place.sandbox.text("target")]);
    assert!(files(&place.sandbox.path("target")) == files(&place.sandbox.path("src")));
    assert!(server.forget_faults() < 1000, "no part was asked for");
}

/// The program's own clock decides nothing, but a service refuses requests that are signed with another time than its own.
#[test]
fn a_service_that_finds_the_clock_wrong_is_quoted() {
    let (server, place) = started();
    let skewed = Fault::Error(403, "RequestTimeTooSkewed");
    for verb in [&["backup", "."][..], &["snapshots"], &["prune"], &["check"]] {
        server.fail("GET", "", 100, skewed.clone());
        let run = place.ends_with(1, verb);
        assert!(has(&run.err, &["RequestTimeTooSkewed", "set the clock of this machine"]), "{run:?}");
        assert!(!has(&run.err, &["credentials"]), "{run:?}");
        server.forget_faults();
    }
    assert_eq!(place.snapshots().len(), 1);
}

#[test]
fn a_server_of_s3_that_stops_in_the_middle_fails_the_backup_and_not_the_next_one() {
    let Some(mut server) = Server::rclone() else { return };
    let place = Place::in_bucket(server.location("repo"));
    place.init();
    place.ok(&["backup", "."]);
    let mut waiting = place.waiting_backup_on("first");
    let mut input = waiting.stdin.take().unwrap();
    input.write_all(&noise(2, 4 << 20)).unwrap();
    server.stop();
    // It may have gone before it reads all of it.
    let _ = input.write_all(&noise(3, 4 << 20));
    drop(input);
    let output = waiting.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(has(String::from_utf8(output.stderr).unwrap(), &["error", "127.0.0.1"]));
    let run = place.run(&["snapshots", "--retries", "0"]);
    assert!(run.code == 1 && run.out.is_empty(), "{run:?}");

    server.start_again();
    assert_eq!(place.snapshots().len(), 1, "what did not end is not seen");
    place.ok(&["backup", "."]);
    assert_eq!(place.summary(&["sessions"])["open"], 0, "the next run ended the session that was left");
    place.ok(&["check", "--read-data"]);
    place.assert_latest_is_source();
}
