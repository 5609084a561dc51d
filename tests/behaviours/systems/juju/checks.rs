// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is looked at before and after each step of Juju's runbooks, found wrong once.

use std::fs;
use std::process::Command;

use keepfast_engine::profile::{Values, template};

use super::{calls, lost, stage_at};
use crate::support::standin::juju::silent;
use crate::support::standin::{Recorder, Rehearsal, Stage, World};

/// With checks that are tried once.
fn impatient(mut stage: Stage, runbook: &str) -> Stage {
    for step in &mut stage.profile.runbooks.get_mut(runbook).unwrap().steps {
        step.ensure.iter_mut().chain(&mut step.require).for_each(|check| check.within = None);
    }
    stage
}

/// The document's own `juju status -v` on three machines, with states of their agents and what they vote.
fn status(machines: [(&str, &str); 3]) -> String {
    let of = |(number, (agent, vote)): (usize, &(&str, &str))| {
        format!(
            "  \"{number}\":\n    agent-state: {agent}\n    agent-version: 1.21.1\n    dns-name: 10.5.0.6{number}\n    \
             instance-state: ACTIVE\n    state-server-member-status: {vote}\n"
        )
    };
    let machines: String = machines.iter().enumerate().map(of).collect();
    let services =
        "services:\n  mysql:\n    units:\n      mysql/0:\n        agent-state: started\n        machine: \"0\"\n";
    format!("environment: juju\nmachines:\n{machines}{services}")
}

#[test]
fn replicas_are_there_when_so_many_have_started_and_vote() {
    let build = |world: &World| {
        lost(world);
        fs::write(world.folder().join("servers"), "2\n").unwrap();
    };
    let runbook = "ensure-availability";
    let stage = |world: &World| impatient(stage_at(world, 1, &[]), runbook);
    let rehearsal = Rehearsal { runbook, build: &build, stage: &stage, precious: &[], once: &[] };
    let (up, lost, new) = (("started", "has-vote"), ("down", "has-vote"), ("pending", "adding-vote"));
    for (machines, is_enough) in [([up, up, up], true), ([up, lost, up], false), ([up, up, new], false)] {
        let world = rehearsal.ready();
        fs::write(world.folder().join("status"), status(machines)).unwrap();
        match rehearsal.run(&world, &Recorder::agrees()) {
            Ok(()) => assert!(is_enough, "{machines:?}"),
            Err(stopped) => {
                assert!(
                    !is_enough && stopped.to_string().contains("less than 3 state servers"),
                    "{machines:?}: {stopped}"
                )
            }
        }
    }
}

#[test]
fn no_controller_is_restored_while_another_one_is_not_there() {
    let build = |world: &World| {
        lost(world);
        fs::remove_dir_all(world.host("server2").path("var/lib/juju/agents")).unwrap();
    };
    let stage = |world: &World| stage_at(world, 1, &[("commands", "create-backup")]);
    let runbook = "restore-controller";
    let rehearsal = Rehearsal { runbook, build: &build, stage: &stage, precious: &[], once: &[] };
    let world = rehearsal.ready();
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err();
    assert_eq!((stopped.step.as_str(), stopped.host.as_str()), ("healthy", "server2"), "{stopped}");
    assert!(stopped.to_string().contains("Nothing has been done yet"), "{stopped}");
    assert!(calls(&world).is_empty());
}

#[test]
fn nothing_is_restored_while_juju_answers_from_a_state_server_that_the_profile_does_not_name() {
    let (listener, _waiting) = silent();
    let port = listener.local_addr().unwrap().port();
    let build = |world: &World| {
        lost(world);
        fs::write(world.folder().join("servers"), "1\n").unwrap();
    };
    let stage = |world: &World| stage_at(world, port, &[]);
    let rehearsal = Rehearsal { runbook: "restore", build: &build, stage: &stage, precious: &[], once: &[] };
    let world = rehearsal.ready();
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err();
    assert_eq!(stopped.step, "silent", "{stopped}");
    assert!(stopped.to_string().contains("`juju ensure-availability`"), "{stopped}");
    assert!(calls(&world).is_empty());
}

#[test]
fn a_backup_is_taken_only_of_an_initial_state_server_that_has_started() {
    let world = World::new();
    lost(&world);
    fs::write(world.folder().join("servers"), "3\n").unwrap();
    let stage = stage_at(&world, 1, &[]);
    let host = &stage.profile.hosts["client"];
    let values = Values::new(&stage.profile, &stage.values).unwrap().on(&stage.profile, "client", host).unwrap();
    let look = stage.profile.capture.before[0].require[0].run.as_ref().unwrap();
    let look = template::script(look, &values).unwrap();
    let (up, down) = (("started", "has-vote"), ("down", "has-vote"));
    // A unit on a machine may have started when the machine itself has not.
    for (machines, is_up) in [([up, down, down], true), ([down, up, up], false), ([down, down, down], false)] {
        fs::write(world.folder().join("status"), status(machines)).unwrap();
        let output = Command::new("sh").args(["-ec", &look]).envs(&host.environment).output().unwrap();
        assert_eq!(output.status.success(), is_up, "{machines:?}: {output:?}");
    }
    // A single machine is followed by what runs on it.
    let text = status([down, down, down]);
    let (first, rest) = text.split_once("  \"1\":").unwrap();
    let (_, services) = rest.split_once("services:").unwrap();
    fs::write(world.folder().join("status"), format!("{first}services:{services}")).unwrap();
    let output = Command::new("sh").args(["-ec", &look]).envs(&host.environment).output().unwrap();
    assert!(!output.status.success(), "{output:?}");
}

#[test]
fn a_new_state_server_that_does_not_start_ends_the_restore() {
    let (listener, _waiting) = silent();
    let port = listener.local_addr().unwrap().port();
    let stage = |world: &World| impatient(stage_at(world, port, &[]), "restore");
    let rehearsal = Rehearsal { runbook: "restore", build: &lost, stage: &stage, precious: &[], once: &[] };
    let world = rehearsal.ready();
    // Until it has been made nobody answers; then it says what stands here.
    fs::write(world.folder().join("status"), status([("pending", "has-vote"); 3])).unwrap();
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err();
    assert_eq!(stopped.step, "restore", "{stopped}");
    assert!(stopped.to_string().contains("the new state server has not started"), "{stopped}");
    fs::remove_file(world.folder().join("status")).unwrap();
    rehearsal.resume(&world, &Recorder::agrees()).unwrap();
    let expected = ["client: juju backups restore juju-backup.tar.gz", "client: juju ensure-availability -n 3"];
    assert_eq!(calls(&world), expected);
}

#[test]
fn juju_restore_has_to_be_on_the_machine_and_juju_to_answer_afterwards() {
    let runbook = "restore-controller";
    let stage = |world: &World| impatient(stage_at(world, 1, &[("commands", "create-backup")]), runbook);
    let without = |world: &World| {
        lost(world);
        fs::remove_file(world.folder().join("hosts/server0/bin/juju-restore")).unwrap();
    };
    let rehearsal = Rehearsal { runbook, build: &without, stage: &stage, precious: &[], once: &[] };
    let stopped = rehearsal.run(&rehearsal.ready(), &Recorder::agrees()).unwrap_err();
    assert_eq!(stopped.step, "tool", "{stopped}");
    assert!(stopped.to_string().contains("there is no juju-restore on server0"), "{stopped}");
    // Its agents are down.
    let rehearsal = Rehearsal { runbook, build: &lost, stage: &stage, precious: &[], once: &[] };
    let world = rehearsal.ready();
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err();
    assert_eq!(stopped.step, "answers", "{stopped}");
    assert!(stopped.to_string().contains("juju does not reach the controller"), "{stopped}");
    assert_eq!(calls(&world), ["server0: juju-restore juju-backup.tar.gz"]);
}

#[test]
fn controllers_of_today_are_made_anew_by_enable_ha() {
    let build = |world: &World| {
        lost(world);
        fs::write(world.folder().join("servers"), "2\n").unwrap();
    };
    let stage = |world: &World| stage_at(world, 1, &[("commands", "create-backup"), ("environment", "prod")]);
    let runbook = "ensure-availability";
    let world = Rehearsal { runbook, build: &build, stage: &stage, precious: &[], once: &[] }.whole();
    assert_eq!(calls(&world), ["client: juju enable-ha -c prod -n 3"]);
    assert_eq!(fs::read_to_string(world.folder().join("servers")).unwrap(), "3\n");
}
