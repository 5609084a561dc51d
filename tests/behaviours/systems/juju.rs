// SPDX-License-Identifier: MIT OR Apache-2.0
//! Juju's state servers are lost and brought back from an archive on stand-ins, as the vendor's document says; and nothing
//! is restored while one of them lives.

mod archives;
mod checks;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

use keepfast_engine::profile::{Asked, Library, review};
use keepfast_engine::runbook::{RunbookError, Why};
use keepfast_storage::testing::Port;

use crate::support::standin::juju::{JUJU, JUJU_RESTORE, archive, silent};
use crate::support::standin::{Fault, Folder, Recorder, Rehearsal, Stage, World, is_child};

fn snapshot(world: &World, make: impl Fn(&Path)) -> Folder {
    let folder = world.folder().join("snapshot");
    fs::create_dir_all(&folder).unwrap();
    archive(&folder.join("juju-backup.tar.gz"), make);
    Folder(folder)
}

/// The document's environment: a client, and three state servers that are lost.
fn lost(world: &World) {
    world.add("client").command("juju", JUJU);
    for name in ["server0", "server1", "server2"] {
        let server = world.add(name);
        server.command("juju-restore", JUJU_RESTORE).remember("backup-version", "same");
        server.file("var/lib/juju/agents/machine/agent.conf", "tag: machine\n");
    }
    fs::write(world.folder().join("servers"), "0\n").unwrap();
}

/// With this port in place of those of state servers.
fn stage_at(world: &World, port: u16, values: &[(&str, &str)]) -> Stage {
    let mut profile = Library::default().find("juju").unwrap();
    for name in world.hosts() {
        let role = if name == "client" { "client" } else { "state-server" };
        profile.hosts.insert(name.clone(), world.host(&name).declared(&[role]));
    }
    for step in profile.runbooks.get_mut("restore").unwrap().steps.iter_mut().filter(|step| step.id == "all-gone") {
        step.require[0].ports = vec![port];
    }
    let mut stage = Stage::new(profile, snapshot(world, |_| {}));
    stage.values = values.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    stage
}

fn calls(world: &World) -> Vec<String> {
    world.calls().short(&["juju", "juju-restore"])
}

#[test]
fn the_profile_of_juju_has_nothing_wrong() {
    assert_eq!(review(&Library::default().find("juju").unwrap()), []);
}

#[test]
fn lost_state_servers_are_restored_and_made_available_again_as_the_document_says() {
    let (listener, _waiting) = silent();
    let port = listener.local_addr().unwrap().port();
    for (values, expected) in [
        (&[][..], ["juju backups restore juju-backup.tar.gz", "juju ensure-availability -n 3"]),
        (
            &[("environment", "my-env"), ("constraints", "mem=4G cpu-cores=2"), ("state_servers", "5")][..],
            [
                "juju backups restore --constraints mem=4G cpu-cores=2 -e my-env juju-backup.tar.gz",
                "juju ensure-availability -e my-env -n 5",
            ],
        ),
        (
            &[("commands", "backup"), ("environment", "my-env")][..],
            ["juju restore -e my-env juju-backup.tar.gz", "juju ensure-availability -e my-env -n 3"],
        ),
        (
            &[("environment", "my-env"), ("named_by", "variable")][..],
            ["juju backups restore juju-backup.tar.gz", "juju ensure-availability -n 3"],
        ),
    ] {
        let stage = |world: &World| stage_at(world, port, values);
        let rehearsal = Rehearsal { runbook: "restore", build: &lost, stage: &stage, precious: &[], once: &[] };
        let world = rehearsal.ready();
        let person = Recorder::agrees();
        rehearsal.run(&world, &person).unwrap();
        assert_eq!(calls(&world), expected.map(|call| format!("client: {call}")), "{values:?}");
        assert_eq!(person.steps(Asked::Caution), ["caution"]);
        let asked = person.asked().remove(0).2;
        assert!(
            asked.contains("only run restore in the case where you no longer have any working state servers"),
            "{asked}"
        );
        let variable = world.host("client").recalls("environment");
        assert_eq!(variable.contains("JUJU_ENV=my-env"), values.contains(&("named_by", "variable")), "{variable}");
        let said = fs::read_to_string(world.runs().join("1/output.log")).unwrap();
        assert!(said.contains("\"Environment\": \"my-env\""), "the metadata is shown: {said}");
    }
}

#[test]
fn one_state_server_is_enough_where_there_shall_be_one() {
    let (listener, _waiting) = silent();
    let port = listener.local_addr().unwrap().port();
    let stage = |world: &World| stage_at(world, port, &[("state_servers", "1")]);
    let world = Rehearsal { runbook: "restore", build: &lost, stage: &stage, precious: &[], once: &[] }.whole();
    assert_eq!(calls(&world), ["client: juju backups restore juju-backup.tar.gz"]);
}

#[test]
fn nothing_is_restored_while_any_state_server_lives_or_may() {
    let living = TcpListener::bind("127.0.0.1:0").unwrap();
    let refusing = Port::reserve().keep();
    for (port, found) in [(living.local_addr().unwrap().port(), "answers at port"), (refusing, "is up: it refuses")] {
        let stage = |world: &World| stage_at(world, port, &[]);
        let rehearsal = Rehearsal { runbook: "restore", build: &lost, stage: &stage, precious: &[], once: &[] };
        let world = rehearsal.ready();
        let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err();
        assert_eq!((stopped.step.as_str(), stopped.host.as_str()), ("all-gone", "server0"));
        let text = stopped.to_string();
        assert!(text.contains("the state server server0 lives") && text.contains(found), "{text}");
        assert!(calls(&world).is_empty());
    }
    // A profile without hosts has this machine as its state server, which lives.
    let stage = |world: &World| {
        let mut stage = stage_at(world, refusing, &[]);
        stage.profile.hosts.clear();
        stage
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &lost, stage: &stage, precious: &[], once: &[] };
    let stopped = rehearsal.run(&rehearsal.ready(), &Recorder::agrees()).unwrap_err();
    assert_eq!(stopped.step, "all-gone", "{stopped}");
}

#[test]
fn a_restore_of_juju_that_fails_at_any_call_is_resumed_and_never_undone_behind_it() {
    let (listener, _waiting) = silent();
    let port = listener.local_addr().unwrap().port();
    let stage = |world: &World| stage_at(world, port, &[]);
    let rehearsal = Rehearsal { runbook: "restore", build: &lost, stage: &stage, precious: &[], once: &["restore"] };
    rehearsal.resumes_after_a_fault_at_every_call(Fault::Fail);
    rehearsal.undoes_after_a_fault_at_every_call(Fault::Fail);
    assert!(!rehearsal.undoes_wholly(), "a new state server can not be taken back");
}

#[test]
fn a_restore_of_juju_is_resumed_after_keepfast_was_killed_before_any_call() {
    // The process that is killed meets the port of the one that goes on.
    let silent = (!is_child()).then(silent);
    let port = silent.as_ref().map_or(0, |(listener, _)| listener.local_addr().unwrap().port());
    let build = |world: &World| {
        lost(world);
        fs::write(world.folder().join("port"), port.to_string()).unwrap();
    };
    let stage = |world: &World| {
        let port = fs::read_to_string(world.folder().join("port")).unwrap().parse().unwrap();
        stage_at(world, port, &[])
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &build, stage: &stage, precious: &[], once: &["restore"] };
    if is_child() {
        return rehearsal.run_as_child();
    }
    let name = concat!(module_path!(), "::a_restore_of_juju_is_resumed_after_keepfast_was_killed_before_any_call");
    rehearsal.resumes_after_a_kill_at_every_call(Fault::Die, name);
}

#[test]
fn a_restore_that_broke_off_is_asked_about_and_one_that_was_done_is_not_done_again() {
    let (listener, _waiting) = silent();
    let port = listener.local_addr().unwrap().port();
    let stage = |world: &World| stage_at(world, port, &[]);
    let rehearsal = Rehearsal { runbook: "restore", build: &lost, stage: &stage, precious: &[], once: &[] };
    let whole = rehearsal.whole();
    let call = whole.calls().acts().iter().find(|call| call.words.starts_with("juju ")).unwrap().number;
    let world = rehearsal.ready();
    world.fault(call, Fault::Fail);
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err();
    assert_eq!(stopped.step, "restore", "{stopped}");
    let person = Recorder::refuses_at("restore");
    let stopped = rehearsal.resume(&world, &person).unwrap_err();
    assert!(matches!(stopped.why, Why::Refused), "{stopped}");
    assert_eq!(person.steps(Asked::Repeat), ["restore"]);
    let stopped = rehearsal.undo(&world, &Recorder::agrees()).unwrap_err();
    assert!(matches!(stopped.why, Why::Journal(RunbookError::Final { .. })), "{stopped}");
    assert!(stopped.to_string().contains("juju has created a new state server"), "{stopped}");
    // What the new state server says counts, not the exit code.
    let world = rehearsal.ready();
    world.fault(call, Fault::FailAfter);
    rehearsal.run(&world, &Recorder::agrees()).unwrap_err();
    let person = Recorder::agrees();
    rehearsal.resume(&world, &person).unwrap();
    assert_eq!(person.steps(Asked::Repeat), [""; 0]);
    assert_eq!((calls(&world), world.state()), (calls(&whole), whole.state()));
}

#[test]
fn replicas_are_made_anew_while_a_state_server_works_and_not_otherwise() {
    let build = |world: &World| {
        lost(world);
        fs::write(world.folder().join("servers"), "2\n").unwrap();
    };
    let stage = |world: &World| stage_at(world, 1, &[("environment", "my-env")]);
    let runbook = "ensure-availability";
    let rehearsal = Rehearsal { runbook, build: &build, stage: &stage, precious: &[], once: &[] };
    assert_eq!(calls(&rehearsal.whole()), ["client: juju ensure-availability -e my-env -n 3"]);
    rehearsal.resumes_after_a_fault_at_every_call(Fault::Fail);
    let mut stage_of_lost = stage_at(&rehearsal.ready(), 1, &[]);
    stage_of_lost.profile.runbooks.get_mut(runbook).unwrap().steps[0].require[0].within = None;
    let profile = stage_of_lost.profile;
    let stage = |world: &World| {
        let mut stage = stage_at(world, 1, &[]);
        let hosts = std::mem::take(&mut stage.profile.hosts);
        stage.profile = profile.clone();
        stage.profile.hosts = hosts;
        stage
    };
    let rehearsal = Rehearsal { runbook, build: &lost, stage: &stage, precious: &[], once: &[] };
    let stopped = rehearsal.run(&rehearsal.ready(), &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("no state server answers: if all are lost, restore"), "{stopped}");
}

#[test]
fn a_controller_of_today_is_restored_on_its_primary_machine() {
    let build = |world: &World| {
        lost(world);
        fs::write(world.folder().join("servers"), "3\n").unwrap();
    };
    let of = |values: &'static [(&str, &str)]| {
        move |world: &World| {
            let mut stage = stage_at(world, 1, values);
            stage.values.insert("commands".to_string(), "create-backup".to_string());
            stage.one = BTreeMap::from([("state-server".to_string(), "server1".to_string())]);
            stage
        }
    };
    let same = of(&[]);
    let runbook = "restore-controller";
    let rehearsal = Rehearsal { runbook, build: &build, stage: &same, precious: &[], once: &[] };
    let world = rehearsal.ready();
    let person = Recorder::agrees();
    rehearsal.run(&world, &person).unwrap();
    assert_eq!(calls(&world), ["server1: juju-restore juju-backup.tar.gz"]);
    assert_eq!(world.host("server1").recalls("controller"), "restored");
    assert_eq!(person.steps(Asked::Caution), ["caution"]);
    let older = |world: &World| {
        build(world);
        world.host("server1").remember("backup-version", "older");
    };
    let rehearsal = Rehearsal { runbook, build: &older, stage: &same, precious: &[], once: &[] };
    let stopped = rehearsal.run(&rehearsal.ready(), &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("--allow-downgrade"), "{stopped}");
    let allowed = of(&[("allow_downgrade", "yes")]);
    let world = Rehearsal { runbook, build: &older, stage: &allowed, precious: &[], once: &[] }.whole();
    assert_eq!(calls(&world), ["server1: juju-restore --allow-downgrade juju-backup.tar.gz"]);
}

#[test]
fn each_generation_of_juju_has_its_own_restore() {
    for (runbook, commands, says) in [
        ("restore", "create-backup", "use the runbook restore-controller"),
        ("restore-controller", "backups", "use the runbook restore"),
    ] {
        let stage = |world: &World| stage_at(world, 1, &[("commands", commands)]);
        let rehearsal = Rehearsal { runbook, build: &lost, stage: &stage, precious: &[], once: &[] };
        let world = rehearsal.ready();
        let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err().to_string();
        assert!(stopped.contains(says), "{stopped}");
        assert!(calls(&world).is_empty());
    }
}
