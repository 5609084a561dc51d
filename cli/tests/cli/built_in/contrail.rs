// SPDX-License-Identifier: MIT OR Apache-2.0
//! Contrail from one end to the other through a repository: captured on its controllers, destroyed, recovered, drilled.

use super::scene::Scene;
use crate::support::sshd::Sshd;
use crate::support::standin::contrail::{
    CONTROLLERS, SERVICES, calls_of_the_document, controller, damage, dump, heal, services,
};
use crate::support::standin::{Standin, difference};

/// What becomes of a controller on a bad day.
fn destroy(scene: &Scene) {
    for name in CONTROLLERS {
        damage(&scene.world.host(name));
    }
    scene.forget_calls();
}

/// Where the run has put what stood in the way, it is as it was.
fn is_saved_aside(scene: &Scene, run: &str) {
    for name in CONTROLLERS {
        let read = |path: &str| std::fs::read_to_string(scene.world.host(name).path(path)).unwrap();
        assert_eq!(read(&format!("var/lib/zookeeper/version-2-save-{run}/log.1")), "old", "{name}");
        assert_eq!(read(&format!("var/lib/cassandra-save-{run}/data/rows")), "damaged", "{name}");
    }
}

/// The document's example, with databases that are well; hamon does not run everywhere. `None`, with a printed reason, without sshd.
fn document() -> Option<(Scene, Sshd)> {
    let sshd = Sshd::start()?;
    let scene = Scene::new("contrail");
    for name in CONTROLLERS {
        heal(&controller(&scene.world, name, ""));
    }
    scene.world.host("5b5s43").service("contrail-hamon", "stopped");
    scene.world.add("a6s1").service("kafka", "running");
    let declare = |name: &'static str, roles: &[&str]| (name, scene.world.host(name).declared_over(&sshd, roles));
    let mut hosts = CONTROLLERS.map(|name| declare(name, &["controller", "config-db"])).to_vec();
    hosts.push(declare("a6s1", &["analytics"]));
    scene.profile(&hosts, "");
    Some((scene, sshd))
}

fn expected_calls() -> Vec<String> {
    let mut calls = calls_of_the_document(&CONTROLLERS, "", "a6s1");
    calls.retain(|call| !call.starts_with("5b5s43: service contrail-hamon"));
    calls
}

#[test]
fn contrail_is_captured_destroyed_and_recovered_over_ssh_as_it_was() {
    let Some((scene, _sshd)) = document() else { return };
    let before = scene.state();
    let run = scene.back_up(&[]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(services(&scene.world), ["5b5s42: python db_json_exim.py --export-to db-dump.json"]);
    assert_eq!(scene.sandbox.ls("latest"), ["/db-dump.json"]);
    assert_eq!(scene.ok(&["dump", "latest:db-dump.json"]).out, dump());
    destroy(&scene);
    scene.is_well();
    assert!(services(&scene.world).is_empty(), "a drill asks nobody");
    let run = scene.recover(&[]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(services(&scene.world), expected_calls());
    assert_eq!(difference(&before, &scene.state()), [""; 0]);
    is_saved_aside(&scene, &scene.newest_run());
    for service in SERVICES.iter().filter(|service| **service != "contrail-hamon") {
        assert_eq!(scene.world.host("5b5s43").recalls(&format!("services/{service}")), "running");
    }
}

#[test]
fn contrail_in_containers_is_captured_on_the_controller_that_was_chosen_and_recovered_inside_of_them() {
    let scene = Scene::new("contrail");
    for name in CONTROLLERS {
        let standin = controller(&scene.world, name, "controller");
        heal(&standin);
        standin.container("analytics").service("analytics.kafka", "running");
    }
    let roles = ["controller", "config-db", "analytics"];
    let hosts = CONTROLLERS.map(|name| (name, scene.world.host(name).declared(&roles)));
    let containers =
        "variables.controller_container.value = \"controller\"\nvariables.analytics_container.value = \"analytics\"";
    scene.profile(&hosts, containers);
    let before = scene.state();
    let run = scene.back_up(&["--one", "config-db=5b5s44", "--var", "omit_keyspace=dm_keyspace"]);
    assert_eq!(run.code, 0, "{run:?}");
    let export = "5b5s44/controller: python db_json_exim.py --export-to db-dump.json";
    assert_eq!(services(&scene.world), [format!("{export} --omit-keyspace dm_keyspace"), export.to_string()]);
    assert_eq!(scene.sandbox.ls("latest"), ["/db-dump-without-keyspace.json", "/db-dump.json"]);
    let shared = scene.ok(&["dump", "latest:db-dump-without-keyspace.json"]).out;
    assert!(shared.contains("config_db_uuid") && !shared.contains("dm_keyspace"), "{shared}");
    destroy(&scene);
    scene.is_well();
    // The dump of one controller is imported on another one.
    let run = scene.recover(&["--one", "config-db=5b5s43"]);
    assert_eq!(run.code, 0, "{run:?}");
    let calls = services(&scene.world);
    let import = "5b5s43/controller: python db_json_exim.py --import-from db-dump.json".to_string();
    assert!(calls.contains(&import), "{calls:?}");
    assert!(calls.iter().all(|call| call.contains("/controller: ") || call.contains("/analytics: ")), "{calls:?}");
    assert_eq!(difference(&before, &scene.state()), [""; 0]);
    is_saved_aside(&scene, &scene.newest_run());
}

#[test]
fn what_a_dry_run_prints_of_contrail_is_pasted_as_a_whole_and_makes_the_calls_of_a_run() {
    let Some((scene, _sshd)) = document() else { return };
    let before = scene.state();
    assert_eq!(scene.back_up(&[]).code, 0);
    destroy(&scene);
    let damaged = scene.state();
    let dry = scene.ok(&["recover", "contrail", "--dry-run"]).out;
    assert_eq!(difference(&damaged, &scene.state()), [""; 0]);
    assert!(services(&scene.world).is_empty());
    for part in ["# on 5b5s43", "ssh -o 'BatchMode=yes'", "if test \"$done_stop_hamon_2\" = yes; then", "</dev/null"] {
        assert!(dry.contains(part), "{part}: {dry}");
    }
    let run = scene.paste(&dry);
    assert_eq!(run.code, 0, "{run:?}\n{dry}");
    assert_eq!(services(&scene.world), expected_calls());
    assert_eq!(difference(&before, &scene.state()), [""; 0]);
    // What must be so before is looked at, too: nothing is wiped while ZooKeeper runs.
    destroy(&scene);
    let save = dry[..dry.find("Back up the ZooKeeper data").unwrap()].rfind("# step").unwrap();
    let run = scene.paste(&dry[save..]);
    assert!(run.code != 0 && run.err.contains("ZooKeeper runs again on 5b5s42"), "{run:?}\n{}", &dry[save..]);
    assert_eq!(difference(&damaged, &scene.state()), [""; 0]);
}

#[test]
fn what_a_dry_run_of_a_backup_prints_is_what_hosts_are_given() {
    let Some((scene, _sshd)) = document() else { return };
    let run = scene.back_up(&["--dry-run"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(services(&scene.world).is_empty());
    assert!(run.out.contains("# caution: The state of the Contrail database"), "{run:?}");
    assert!(run.out.contains("there is no db_json_exim.py on 5b5s42"), "the check before: {run:?}");
    let (_, command) = run.out.split_once("[5b5s42] db-dump.json <- ").unwrap();
    let (command, _) = command.split_once("dry run: nothing").unwrap();
    assert!(command.starts_with("ssh -o 'BatchMode=yes'"), "{command}");
    let pasted = scene.paste(command);
    assert_eq!((pasted.code, pasted.out), (0, dump()), "{}", pasted.err);
    assert_eq!(services(&scene.world), ["5b5s42: python db_json_exim.py --export-to db-dump.json"]);
}

#[test]
fn a_set_is_whole_without_controllers_from_which_nothing_is_taken_and_not_without_the_dump() {
    let scene = Scene::new("contrail");
    let declare = |standin: Standin| standin.declared(&["controller", "config-db"]);
    let names = ["5b5s42", "5b5s43"];
    names.iter().for_each(|name| heal(&controller(&scene.world, name, "")));
    scene.profile(&names.map(|name| (name, declare(scene.world.host(name)))), "");
    std::fs::write(scene.world.host("5b5s42").path("var/lib/cassandra/data/rows"), "{").unwrap();
    let run = scene.back_up(&[]);
    assert_eq!(run.code, 3, "{run:?}");
    let run = scene.run(&["status", "contrail", "--older-than", "1h"]);
    assert!(run.code == 1 && run.out.contains("there is no complete snapshot"), "{run:?}");
    let run = scene.recover(&["--dry-run"]);
    assert!(run.code == 1 && run.err.contains("is incomplete"), "{run:?}");
    assert_eq!(scene.run(&["drill", "contrail"]).code, 1);
    // A snapshot of a host that has no part in it does not stand for the dump.
    scene.ok(&["backup", ".", "--host", "a6s1", "--tag", "profile:contrail,set:x"]);
    let run = scene.recover(&["--dry-run"]);
    assert!(run.code == 1 && run.err.contains("it has no snapshot of 5b5s42 or 5b5s43"), "{run:?}");
}
