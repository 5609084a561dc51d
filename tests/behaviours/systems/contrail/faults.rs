// SPDX-License-Identifier: MIT OR Apache-2.0
//! A restore of Contrail that fails, is killed, or loses a controller, at every call.

use std::fs;

use keepfast_engine::profile::Asked;
use keepfast_engine::runbook::Why;

use super::{PRECIOUS, in_small, profile, small, snapshot, stage};
use crate::support::sshd::Sshd;
use crate::support::standin::contrail::controller;
use crate::support::standin::{Fault, Recorder, Rehearsal, Stage, Standin, World, is_child};

#[test]
fn a_restore_of_contrail_that_fails_at_any_call_is_resumed_to_the_same_end() {
    in_small().resumes_after_a_fault_at_every_call(Fault::Fail);
}

#[test]
fn a_restore_of_contrail_that_fails_at_any_call_is_undone_to_the_beginning() {
    in_small().undoes_after_a_fault_at_every_call(Fault::Fail);
    assert!(in_small().undoes_wholly());
}

#[test]
fn a_restore_of_contrail_that_fails_after_any_call_is_undone_to_the_beginning() {
    in_small().undoes_after_a_fault_at_every_call(Fault::FailAfter);
}

#[test]
fn a_restore_of_contrail_is_resumed_after_keepfast_was_killed_at_any_call() {
    if is_child() {
        return in_small().run_as_child();
    }
    let name = concat!(module_path!(), "::a_restore_of_contrail_is_resumed_after_keepfast_was_killed_at_any_call");
    in_small().resumes_after_a_kill_at_every_call(Fault::Die, name);
}

#[test]
fn a_service_that_nobody_can_tell_of_is_not_taken_for_stopped_and_nothing_is_wiped() {
    let build = |world: &World| {
        small(world);
        world
            .host("5b5s43")
            .command("service", "look \"$@\"\necho 'Failed to connect to bus: No such file or directory' >&2\nexit 1");
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &build, stage: &stage, precious: &PRECIOUS, once: &[] };
    let world = rehearsal.ready();
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err();
    assert_eq!((stopped.host.as_str(), stopped.step.as_str()), ("5b5s43", "stop-supervisor-config"), "{stopped}");
    rehearsal.undo(&world, &Recorder::agrees()).unwrap_err();
    assert!(world.calls().of(&["find", "cp"]).is_empty());
}

#[test]
fn an_import_that_broke_off_is_asked_about_refused_by_the_tool_and_undone() {
    let rehearsal = in_small();
    let whole = rehearsal.whole();
    let start = rehearsal.ready().state();
    let import = whole.calls().acts().iter().find(|call| call.step == "import").unwrap().number;
    let world = rehearsal.ready();
    world.fault(import, Fault::FailAfter);
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(
        stopped.contains("--import-from db-dump.json on any one controller\" on 5b5s42: the command ended"),
        "{stopped}"
    );
    let person = Recorder::agrees();
    let stopped = rehearsal.resume(&world, &person).unwrap_err().to_string();
    assert_eq!(person.steps(Asked::Repeat), ["import"]);
    assert!(stopped.contains("already has entries"), "{stopped}");
    rehearsal.undo(&world, &Recorder::agrees()).unwrap();
    assert_eq!(world.state(), start);
}

#[test]
fn nothing_is_stopped_if_a_controller_can_not_be_reached() {
    let build = |world: &World| {
        controller(world, "5b5s42", "");
        controller(world, "5b5s43", "");
    };
    let stage = |world: &World| {
        let mut stage = stage(world);
        let second = stage.profile.hosts.get_mut("5b5s43").unwrap();
        // A port at which nothing listens.
        (second.ssh, second.port) = (Some("root@127.0.0.1".to_string()), Some(1));
        stage
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &build, stage: &stage, precious: &[], once: &[] };
    let world = rehearsal.ready();
    let start = world.state();
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("5b5s43 can not be reached"), "{stopped}");
    assert!(stopped.contains("nothing has been stopped yet"), "{stopped}");
    assert_eq!(world.state(), start);
}

#[test]
fn a_controller_lost_in_the_middle_is_named_and_the_run_goes_on_when_it_is_back() {
    let Some(sshd) = Sshd::start() else { return };
    let stage = |world: &World| {
        let declare = |standin: &Standin, roles: &[&str]| match standin.name.as_str() {
            "5b5s43" => standin.declared_over(&sshd, roles),
            _ => standin.declared(roles),
        };
        Stage::new(profile(world, &declare), snapshot(world))
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &small, stage: &stage, precious: &PRECIOUS, once: &[] };
    let (world, expected) = (rehearsal.ready(), in_small().whole());
    // Once its databases have been replaced, nobody gets in there any more.
    let (_, _, words) = sshd.reached();
    let key = format!("{}.pub", words[words.iter().position(|word| word == "-i").unwrap() + 1]);
    world.host("5b5s43").hook("supervisor-config", "start", &format!("mv {key} {key}.away || :\n"));
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err();
    assert!(stopped.to_string().contains("can not reach 5b5s43"), "{stopped}");
    assert_eq!((stopped.host.as_str(), stopped.step.as_str()), ("5b5s43", "start-kafka"), "{stopped}");
    fs::rename(format!("{key}.away"), &key).unwrap();
    rehearsal.resume(&world, &Recorder::agrees()).unwrap();
    assert_eq!(world.state(), expected.state());
}

#[test]
fn a_person_who_does_not_know_that_apis_are_blocked_stops_the_restore_before_it_begins() {
    let rehearsal = in_small();
    let world = rehearsal.ready();
    let start = world.state();
    let stopped = rehearsal.run(&world, &Recorder::refuses()).unwrap_err();
    assert!(matches!(stopped.why, Why::Refused), "{stopped}");
    assert_eq!(world.state(), start);
}
