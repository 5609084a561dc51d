// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is looked at before and after each step of Contrail's restore, found wrong once: it is said, and nothing is lost.

use std::fs;

use keepfast_engine::runbook::Stopped;

use super::{PRECIOUS, in_small, profile, small, stage};
use crate::support::standin::{Recorder, Rehearsal, Stage, World, difference};

/// With checks that are tried once.
fn impatient(world: &World) -> Stage {
    let mut stage = stage(world);
    for step in &mut stage.profile.runbooks.get_mut("restore").unwrap().steps {
        step.ensure.iter_mut().chain(&mut step.require).for_each(|check| check.within = None);
    }
    stage
}

/// A restore that stops, in a world in which something is wrong on `5b5s43`; undone, all is as it was once `repair` was done.
fn stops(wrong: &(dyn Fn(&World) + Sync), repair: &dyn Fn(&World)) -> (Stopped, World) {
    let build = |world: &World| {
        small(world);
        world.host("5b5s43").service("kafka", "running").service("contrail-hamon", "running");
        wrong(world);
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &build, stage: &impatient, precious: &PRECIOUS, once: &[] };
    let world = rehearsal.ready();
    let start = world.state();
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err();
    repair(&world);
    if world.runs().exists() {
        rehearsal.undo(&world, &Recorder::agrees()).unwrap();
    }
    assert_eq!(difference(&start, &world.state()), [""; 0], "{stopped}");
    (stopped, world)
}

/// It stops on `5b5s43` at this step, and says so.
fn at(stopped: &Stopped, step: &str, says: &str) {
    assert_eq!((stopped.step.as_str(), stopped.host.as_str()), (step, "5b5s43"), "{stopped}");
    assert!(stopped.to_string().contains(says), "{stopped}");
}

fn unhook(world: &World, hook: &str) {
    fs::remove_file(world.folder().join("hosts/5b5s43/hooks").join(hook)).unwrap();
}

#[test]
fn without_the_vendors_tool_nothing_is_stopped() {
    let tool = "usr/lib/python2.7/dist-packages/cfgm_common/db_json_exim.py";
    let (stopped, world) =
        stops(&|world: &World| fs::remove_file(world.host("5b5s42").path(tool)).unwrap(), &|_: &World| {});
    assert_eq!((stopped.step.as_str(), stopped.host.as_str()), ("exim", "5b5s42"), "{stopped}");
    assert!(stopped.to_string().contains("set the variable exim to its folder"), "{stopped}");
    assert!(world.calls().acts().is_empty());
}

#[test]
fn a_host_that_is_no_controller_or_has_no_cassandra_is_named_before_anything_is_stopped() {
    for (service, step, says) in [
        ("zookeeper", "reach-controllers", "has no ZooKeeper: nothing has been stopped yet"),
        ("cassandra", "reach-config-db", "has no Cassandra: nothing has been stopped yet"),
    ] {
        let remove = |world: &World| {
            fs::remove_file(world.folder().join("hosts/5b5s43/state/services").join(service)).unwrap();
        };
        let (stopped, world) = stops(&remove, &|_: &World| {});
        at(&stopped, step, says);
        assert!(world.calls().acts().is_empty());
    }
}

#[test]
fn a_service_that_only_says_that_it_stops_ends_the_restore() {
    for (service, step, says) in [
        ("supervisor-config", "stop-supervisor-config", "supervisor-config still runs on 5b5s43"),
        ("cassandra", "stop-cassandra", "Cassandra still runs on 5b5s43"),
        ("zookeeper", "stop-zookeeper", "ZooKeeper still runs on 5b5s43"),
        ("kafka", "stop-kafka", "Kafka still runs on 5b5s43"),
        ("contrail-hamon", "stop-hamon", "contrail-hamon still runs on 5b5s43"),
    ] {
        let hook = format!("{service}-stop");
        let lies = |world: &World| {
            world.host("5b5s43").hook(service, "stop", "exit 0\n");
        };
        let (stopped, world) = stops(&lies, &|world: &World| unhook(world, &hook));
        at(&stopped, step, says);
        assert!(world.calls().of(&["cp", "find"]).is_empty(), "{service}");
    }
}

#[test]
fn nothing_is_copied_or_wiped_while_a_database_runs_again() {
    // Somebody starts a database again while another thing is done on its host.
    let begin = |service: &str| format!("echo running > \"$state/services/{service}\"\n");
    let stop = |service: &'static str| {
        move |world: &World| {
            world.host("5b5s43").service(service, "stopped");
        }
    };
    for service in ["zookeeper", "cassandra"] {
        let name = if service == "zookeeper" { "ZooKeeper" } else { "Cassandra" };
        let again = |world: &World| {
            world.host("5b5s43").hook("contrail-hamon", "stop", &begin(service));
        };
        let (stopped, world) = stops(&again, &stop(service));
        at(&stopped, &format!("save-{service}"), &format!("{name} runs again on 5b5s43: a copy of its files"));
        let copies = world.calls().of(&["cp"]);
        assert!(!copies.iter().any(|call| call.starts_with("5b5s43") && call.contains(service)), "{copies:?}");
        let again = |world: &World| {
            let script =
                format!("act \"$@\"\ncp \"$@\"\ncase $* in *cassandra-save*) {} ;; esac", begin(service).trim());
            world.host("5b5s43").command("cp", &script);
        };
        let (stopped, world) = stops(&again, &stop(service));
        at(&stopped, &format!("wipe-{service}"), &format!("{name} runs again on 5b5s43, so nothing is wiped"));
        let there = world.host("5b5s43").path("var/lib/zookeeper/version-2/nodes");
        assert_eq!(fs::read_to_string(there).unwrap(), "damaged");
    }
}

#[test]
fn a_database_that_does_not_answer_gets_no_import() {
    for (service, step, says) in [
        ("zookeeper", "zookeeper-answers", "ZooKeeper does not answer on 5b5s43 at port 2181"),
        ("cassandra", "cassandra-answers", "Cassandra does not answer on 5b5s43 at port 9160"),
    ] {
        let hook = format!("{service}-start");
        let lies = |world: &World| {
            world.host("5b5s43").hook(service, "start", "exit 0\n");
        };
        let (stopped, world) = stops(&lies, &|world: &World| unhook(world, &hook));
        at(&stopped, step, says);
        assert!(!world.calls().acts().iter().any(|call| call.words.contains("--import-from")), "{service}");
    }
}

#[test]
fn a_database_that_ends_after_the_import_is_told() {
    for (service, step, says) in [
        ("zookeeper", "running", "ZooKeeper has ended on 5b5s43"),
        ("cassandra", "running-cassandra", "Cassandra has ended on 5b5s43"),
    ] {
        let ends = format!("echo stopped > \"$state/services/{service}\"\n");
        let ends = |world: &World| {
            world.host("5b5s43").hook("contrail-hamon", "start", &ends);
        };
        let (stopped, _) = stops(&ends, &|world: &World| unhook(world, "contrail-hamon-start"));
        at(&stopped, step, says);
    }
}

#[test]
fn nothing_is_stopped_if_an_analytics_node_can_not_be_reached() {
    let stage = |world: &World| {
        let mut stage = Stage::new(profile(world, &crate::support::standin::Standin::declared), super::snapshot(world));
        let node = stage.profile.hosts.get_mut("a6s1").unwrap();
        // A port at which nothing listens.
        (node.ssh, node.port) = (Some("root@127.0.0.1".to_string()), Some(1));
        stage
    };
    let rehearsal = Rehearsal { stage: &stage, ..in_small() };
    let world = rehearsal.ready();
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err();
    assert_eq!((stopped.step.as_str(), stopped.host.as_str()), ("reach-analytics", "a6s1"), "{stopped}");
    assert!(stopped.to_string().contains("nothing has been stopped yet"), "{stopped}");
    assert!(world.calls().acts().is_empty());
}
