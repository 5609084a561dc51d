// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every verb over real servers: moto and `rclone serve s3` for buckets, OpenSSH for folders. One story for all of them, told
//! once for each; what a server does wrong stands in `faults`, `lists` and `rights`.

mod faults;
mod lists;
mod place;
mod rights;

use std::io::Write;

use self::place::{Place, files, has, noise};
use crate::sandbox::Sandbox;
use crate::support::servers::Server;
use crate::support::sshd::Sshd;

/// What the storage carries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carries {
    Everything,
    OneWriter,
}

impl Carries {
    /// How `init` and `repository probe` say it.
    fn sentence(self) -> &'static str {
        match self {
            Self::Everything => "many writers, online prune",
            Self::OneWriter => "single writer, no online prune",
        }
    }
}

/// From nothing to a repository with three snapshots, of which nothing is missing.
fn set_up_and_back_up(place: &Place, carries: Carries) {
    let run = place.ends_with(10, &["snapshots"]);
    assert!(has(&run.err, &["keepfast init"]), "{run:?}");
    let run = place.init();
    assert!(has(run.out, &[carries.sentence(), "keep a copy of it elsewhere"]));
    let again = place.run(&["init", "--key-file", &place.sandbox.text("other-key")]);
    assert!(again.code == 1 && has(&again.err, &["already"]), "{again:?}");
    assert_eq!(place.snapshots(), [""; 0]);

    place.write("big", &noise(1, 3 << 20));
    let first = place.summary(&["backup", "."]);
    assert_eq!(first["files_new"], 4, "{first}");
    let unchanged = place.summary(&["backup", "."]);
    assert_eq!((&unchanged["files_unmodified"], &unchanged["bytes_new"]), (&4.into(), &0.into()), "{unchanged}");
    place.write("a.txt", b"another alpha\n");
    let third = place.summary(&["backup", "."]);
    assert_eq!((&third["files_changed"], &third["files_unmodified"]), (&1.into(), &3.into()), "{third}");
    assert_eq!(place.snapshots().len(), 3);
}

fn look_and_restore(place: &Place) {
    let listed = place.ok(&["ls", "latest"]).out;
    assert_eq!(listed.lines().collect::<Vec<_>>(), ["/", "/a.txt", "/big", "/sub", "/sub/b.txt", "/sub/c.o"]);
    let diff = place.ok(&["diff", "latest~1", "latest"]).out;
    assert!(has(&diff, &["a.txt"]) && !has(&diff, &["big"]), "{diff}");
    assert_eq!(place.ok(&["dump", "latest:a.txt"]).out, "another alpha\n");
    assert_eq!(place.ok(&["dump", "latest~2:a.txt"]).out, "alpha\n");
    place.assert_latest_is_source();
    assert_eq!(place.restored("latest~1")["a.txt"], b"alpha\n");
    place.ok(&["check", "--read-data"]);
    assert_eq!(place.summary(&["sessions"])["open"], 0);
    let run = place.ok(&["repository", "probe"]);
    assert!(run.out.lines().last().unwrap().contains("prune"), "{run:?}");
}

fn forget_and_prune(place: &Place, carries: Carries) {
    let before = place.snapshots();
    let gone = before[1].as_str();
    place.ok(&["forget", gone]);
    assert_eq!(place.snapshots().len(), 2);
    place.ok(&["undelete", gone]);
    assert_eq!(place.snapshots(), before);
    place.ok(&["forget", &before[0], gone]);
    match carries {
        Carries::Everything => {
            let summary = place.summary(&["prune", "--max-unused", "0"]);
            assert_eq!(summary["finished"], true, "{summary}");
            assert_ne!(summary["packs_deleted"], 0, "{summary}");
            assert_eq!(place.run(&["undelete", gone]).code, 1, "its data is gone");
        }
        Carries::OneWriter => {
            let run = place.ends_with(1, &["prune"]);
            assert!(has(&run.err, &["does not allow to prune", "overwrote"]), "{run:?}");
            place.ok(&["undelete", &before[0], gone]);
        }
    }
    place.ok(&["check", "--read-data"]);
    place.assert_latest_is_source();
}

fn copy_there_and_back(place: &Place) {
    let local = Sandbox::with_snapshot();
    let copied = |place: &Place, arguments: &[&str]| place.summary(&[&["copy"], arguments].concat())["copied"].clone();
    let (home, key, there) = (local.text("repo"), local.text("key"), place.location.as_str());
    let own_key = place.sandbox.text("key");
    let to = ["-r", &home, "--key-file", &key, "--to", there, "--to-key-file", &own_key];
    assert_eq!(copied(place, &to), 1);
    assert_eq!(copied(place, &to), 0, "a second run finds it there");
    // The copy keeps the time of its original, so it need not be the newest.
    let second = place.sandbox.text("second-repo");
    let second_key = place.sandbox.text("second-key");
    place.ok(&["-r", &second, "--key-file", &second_key, "init"]);
    let all = place.snapshots().len();
    assert_eq!(copied(place, &["--to", &second, "--to-key-file", &second_key]), all);
    let target = place.sandbox.path("from-copy");
    place.ok(&["-r", &second, "--key-file", &second_key, "restore", "latest~1", "-t", target.to_str().unwrap()]);
    assert!(!files(&target).is_empty());
    place.ok(&["-r", &second, "--key-file", &second_key, "check", "--read-data"]);
    place.ok(&["check"]);
}

/// A second machine: after the first one, and at the same time.
fn two_machines(place: &Place, carries: Carries) {
    let before = place.snapshots().len();
    let run = place.run_on("second", &["backup", "."]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(place.snapshots().len(), before + 1, "each sees what the other one did");
    let waiting = place.waiting_backup_on("second");
    let run = place.run(&["backup", "."]);
    match carries {
        Carries::Everything => assert_eq!(run.code, 0, "{run:?}"),
        Carries::OneWriter => {
            assert!(run.code == 1 && has(&run.err, &["one writer at a time", "has a session open there"]), "{run:?}");
        }
    }
    // Its standard input ends here.
    let output = waiting.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    place.ok(&["backup", "."]);
    place.ok(&["check", "--read-data"]);
}

fn whole_story(place: &Place, carries: Carries) {
    set_up_and_back_up(place, carries);
    look_and_restore(place);
    forget_and_prune(place, carries);
    copy_there_and_back(place);
    two_machines(place, carries);
}

#[test]
fn a_bucket_that_does_not_exist_is_named_as_missing() {
    let Some(server) = Server::moto() else { return };
    let place = Place::in_bucket(server.location("r").replace("bucket", "no-such-bucket"));
    for arguments in [&["snapshots"][..], &["backup", "."], &["restore", "latest", "--target", "back"], &["check"]] {
        let run = place.ends_with(10, arguments);
        assert!(has(&run.err, &["NoSuchBucket", "no-such-bucket", "a bucket is made with"]), "{run:?}");
    }
}

#[test]
fn every_verb_works_in_a_bucket_of_moto() {
    let Some(server) = Server::moto() else { return };
    let place = Place::in_bucket(server.location("nightly/web1"));
    whole_story(&place, Carries::Everything);
    let place = Place::in_bucket(server.location("nightly").replace("s3://bucket/", "s3://no-such-bucket/"));
    let run = place.run(&["init"]);
    assert!(run.code == 1 && has(&run.err, &["no-such-bucket"]), "{run:?}");
    place.sandbox.ok(&["init", "-r", &place.sandbox.text("local"), "--key-file", &place.sandbox.text("key")]);
    place.ends_with(10, &["backup", "."]);
}

#[test]
fn a_bucket_of_rclone_is_for_one_writer_and_never_pruned() {
    let Some(server) = Server::rclone() else { return };
    let mut place = Place::in_bucket(server.location("nightly"));
    whole_story(&place, Carries::OneWriter);
    place.variables = vec![("AWS_ACCESS_KEY_ID", "keepfast-tests".into()), ("AWS_SECRET_ACCESS_KEY", "wrong".into())];
    let run = place.ends_with(1, &["snapshots"]);
    assert!(has(&run.err, &["SignatureDoesNotMatch", "what the credentials for the storage allow"]), "{run:?}");
}

#[test]
fn every_verb_works_in_a_folder_of_an_sftp_server() {
    let Some(server) = Sshd::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::behind(&server, &folder.path().join("repo"));
    whole_story(&place, Carries::Everything);
    place.variables = vec![("KEEPFAST_SSH_COMMAND", "ssh -F none -o UserKnownHostsFile=none".into())];
    let run = place.ends_with(1, &["snapshots"]);
    assert!(has(&run.err, &["Host key verification failed"]), "{run:?}");
}

#[test]
fn an_sftp_server_that_stops_in_the_middle_fails_the_backup_and_not_the_next_one() {
    let Some(server) = Sshd::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().join("repo");
    let mut place = Place::behind(&server, &repository);
    place.init();
    place.ok(&["backup", "."]);
    let mut waiting = place.waiting_backup_on("first");
    let mut input = waiting.stdin.take().unwrap();
    input.write_all(&noise(2, 4 << 20)).unwrap();
    server.kill();
    // It may have gone before it reads all of it.
    let _ = input.write_all(&noise(3, 4 << 20));
    drop(input);
    let output = waiting.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the connection ended") && said.contains("run it again"), "{said}");
    assert!(!said.contains("trying again"), "no other connection is made: {said}");
    drop(server);

    let Some(server) = Sshd::start() else { return };
    place.move_behind(&server, &repository);
    assert_eq!(place.snapshots().len(), 1, "what did not end is not seen");
    place.ok(&["backup", "."]);
    place.ok(&["check", "--read-data"]);
    place.assert_latest_is_source();
    assert_eq!(place.summary(&["sessions"])["open"], 0, "the next run ended the session that was left");
    place.ok(&["prune"]);
    assert_eq!(place.summary(&["prune", "--dry-run"])["packs_orphaned"], 0);
    place.ok(&["check", "--read-data"]);
}
