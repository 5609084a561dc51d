// SPDX-License-Identifier: MIT OR Apache-2.0
//! What may go wrong with the runbooks of a conductor: keys, calls that fail, keepfast that is killed; and drills.

use std::fs;
use std::path::Path;
use std::process::Command;

use keepfast_engine::profile::Library;

use super::super::claims::{stops_where_a_person_says_no, survives_everything};
use super::{FILES, MIGRATE_HA, MIGRATE_ONE, REAUTHENTICATE, RESTORE, RESTORE_BLANK, RESTORE_HA, standalone, write};
use crate::support::standin::{Fault, Folder, Recorder, Rehearsal, Stage, World, is_child};

#[test]
fn keys_that_do_not_belong_together_end_a_recovery_before_128t_starts() {
    let build = |world: &World| {
        standalone(world);
        let wrong = "public key of a third conductor\n";
        write(&world.folder().join("snapshot/node1"), "etc/128technology/salt/pki/master/master.pub", wrong);
    };
    let rehearsal = Rehearsal { build: &build, ..RESTORE };
    let world = rehearsal.ready();
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("master.pub is not the public key of master.pem"), "{stopped}");
    assert_eq!(world.host("node1").recalls("services/128T"), "stopped");
}

#[test]
fn every_runbook_of_the_conductor_is_resumed_and_undone_from_every_call() {
    for rehearsal in [&RESTORE, &RESTORE_BLANK, &RESTORE_HA, &MIGRATE_ONE, &MIGRATE_HA, &REAUTHENTICATE] {
        survives_everything(rehearsal);
        assert!(rehearsal.undoes_wholly(), "{}", rehearsal.runbook);
    }
    stops_where_a_person_says_no(&RESTORE, "remove-old", &[]);
    stops_where_a_person_says_no(&MIGRATE_ONE, "create", &[]);
}

#[test]
fn a_recovery_of_a_conductor_survives_being_killed() {
    if is_child() {
        return RESTORE.run_as_child();
    }
    let name = concat!(module_path!(), "::a_recovery_of_a_conductor_survives_being_killed");
    RESTORE.resumes_after_a_kill_at_every_call(Fault::Die, name);
    RESTORE.resumes_after_a_kill_at_every_call(Fault::DieAfter, name);
}

/// Keys made by openssl, for what compares real ones.
fn real_keys(top: &Path) -> bool {
    let folder = top.join("etc/128technology/salt/pki/master");
    let run = |words: &[&str]| Command::new("openssl").args(words).current_dir(&folder).output();
    match run(&["genrsa", "-out", "master.pem", "2048"]) {
        Err(error) => {
            println!("skipped: no openssl here: {error}");
            false
        }
        Ok(made) => {
            assert!(made.status.success(), "{made:?}");
            assert!(run(&["rsa", "-in", "master.pem", "-pubout", "-out", "master.pub"]).unwrap().status.success());
            true
        }
    }
}

#[test]
fn a_tarball_of_the_documents_own_command_passes_a_drill() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old");
    for (path, text) in FILES {
        write(&old, path, text);
    }
    if !real_keys(&old) {
        return;
    }
    // The document's line, with `-C` for the root, and its slips of the pen taken out: a blank behind each backslash.
    let line = r#"tar -C "$1" -czf "$2/conductor-backup-$(hostname)-$(date '+%Y-%d-%d').tar.gz" \
        var/lib/128technology/t128-running.json \
        var/lib/128technology/user-running.json \
        etc/128technology/salt/pki/master/master.pem \
        etc/128technology/salt/pki/master/master.pub \
        etc/128technology/salt/pki/master/minions/ \
        etc/128technology/global.init \
        etc/128technology/local.init \
        svr/salt"#;
    let made = Command::new("sh").args(["-c", line, "sh"]).arg(&old).arg(folder.path()).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let profile = Library::default().find("ssr-conductor").unwrap();
    let vendor = &profile.vendor[0];
    let found = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let name = found.into_iter().find(|name| name.ends_with(".tar.gz")).unwrap();
    assert!(regex::Regex::new(&vendor.name).unwrap().is_match(&name), "{name}");
    for path in &vendor.has {
        assert!(old.join(path).exists(), "{path}");
    }
    let archive = folder.path().join(&name);
    let build = |world: &World| {
        let snapshot = world.folder().join("snapshot");
        fs::create_dir_all(&snapshot).unwrap();
        Folder::of_tar(&archive, &snapshot);
    };
    let scratch = |world: &World| {
        let profile = Library::default().find("ssr-conductor").unwrap();
        let mut stage = Stage::new(profile, Folder(world.folder().join("snapshot")));
        let root = world.folder().join("scratch");
        fs::create_dir_all(&root).unwrap();
        stage.values.insert("root".to_string(), root.to_str().unwrap().to_string());
        stage
    };
    let drill = Rehearsal { runbook: "drill", build: &build, stage: &scratch, precious: &[], once: &[] };
    let world = drill.whole();
    for (path, text) in FILES.iter().filter(|(path, _)| !path.contains("/master.p")) {
        assert_eq!(fs::read_to_string(world.folder().join("scratch").join(path)).unwrap(), *text);
    }
    let fails = |path: &str, text: &str, says: &str| {
        let world = drill.ready();
        fs::write(world.folder().join("snapshot").join(path), text).unwrap();
        let stopped = drill.run(&world, &Recorder::agrees()).unwrap_err().to_string();
        assert!(stopped.contains(says), "{stopped}");
    };
    fails("var/lib/128technology/t128-running.json", "{\"router\": [", "cut off or no JSON");
    fails("etc/128technology/local.init", "", "cut off or no JSON");
    fails("etc/128technology/salt/pki/master/master.pub", "no key", "not the public key");
}
