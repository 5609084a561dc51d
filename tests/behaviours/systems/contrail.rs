// SPDX-License-Identifier: MIT OR Apache-2.0
//! Contrail's databases are destroyed and brought back on stand-ins, in the order of the vendor's document, with a fault at
//! every call; in virtual machines and in containers, here and over ssh.

mod checks;
mod dumps;
mod faults;

use std::collections::BTreeMap;
use std::fs;

use keepfast_engine::profile::{Asked, Library, Profile, Values};
use keepfast_engine::runbook::TestKind;

use crate::support::sshd::Sshd;
use crate::support::standin::contrail::{
    CASSANDRA, CONTROLLERS, SERVICES, ZOOKEEPER, calls_of_the_document, controller, dump, services,
};
use crate::support::standin::{Folder, Precious, Recorder, Rehearsal, Stage, Standin, World};

fn profile(world: &World, declare: &dyn Fn(&Standin, &[&str]) -> keepfast_engine::profile::Host) -> Profile {
    let mut profile = Library::default().find("contrail").unwrap();
    for name in world.hosts() {
        let roles: &[&str] = if name.starts_with('a') { &["analytics"] } else { &["controller", "config-db"] };
        profile.hosts.insert(name.clone(), declare(&world.host(&name), roles));
    }
    profile
}

fn snapshot(world: &World) -> Folder {
    let folder = world.folder().join("snapshot");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("db-dump.json"), dump()).unwrap();
    Folder(folder)
}

fn stage(world: &World) -> Stage {
    Stage::new(profile(world, &Standin::declared), snapshot(world))
}

/// The document's example: three controllers with config-db, and an analytics node.
fn document(world: &World) {
    for name in CONTROLLERS {
        controller(world, name, "");
    }
    world.add("a6s1").service("kafka", "running");
}

/// Less of the same, for what is tried with a fault at every call.
fn small(world: &World) {
    controller(world, "5b5s42", "");
    controller(world, "5b5s43", "");
    // One on which hamon does not run, and Kafka is not at all.
    world.host("5b5s43").service("contrail-hamon", "stopped");
    fs::remove_file(world.folder().join("hosts/5b5s43/state/services/kafka")).unwrap();
    world.add("a6s1").service("kafka", "running");
}

const PRECIOUS: [Precious; 4] = [
    Precious { host: "5b5s42", path: "var/lib/zookeeper/version-2", copy: "var/lib/zookeeper/version-2-save" },
    Precious { host: "5b5s43", path: "var/lib/zookeeper/version-2", copy: "var/lib/zookeeper/version-2-save" },
    Precious { host: "5b5s42", path: "var/lib/cassandra", copy: "var/lib/cassandra-save" },
    Precious { host: "5b5s43", path: "var/lib/cassandra", copy: "var/lib/cassandra-save" },
];

fn in_small() -> Rehearsal<'static> {
    Rehearsal { runbook: "restore", build: &small, stage: &stage, precious: &PRECIOUS, once: &["import"] }
}

fn is_restored(world: &World, host: &str) {
    let standin = world.host(host);
    let read = |path: &str| fs::read_to_string(standin.path(path)).unwrap();
    assert_eq!(read("var/lib/cassandra/data/rows"), CASSANDRA, "{host}");
    assert_eq!(read("var/lib/zookeeper/version-2/nodes"), ZOOKEEPER, "{host}");
    assert!(!standin.path("var/lib/zookeeper/version-2/log.1").exists(), "{host}");
    assert_eq!(read("var/lib/zookeeper/version-2-save-1/nodes"), "damaged", "{host}");
    assert_eq!(read("var/lib/cassandra-save-1/commitlog/1"), "old", "{host}");
}

#[test]
fn contrail_is_restored_in_the_order_of_the_document() {
    let rehearsal = Rehearsal { runbook: "restore", build: &document, stage: &stage, precious: &[], once: &[] };
    let world = rehearsal.ready();
    let person = Recorder::agrees();
    rehearsal.run(&world, &person).unwrap();
    assert_eq!(services(&world), calls_of_the_document(&CONTROLLERS, "", "a6s1"));
    let order = [
        "stop-supervisor-config",
        "stop-cassandra",
        "stop-zookeeper",
        "stop-kafka",
        "stop-kafka-analytics",
        "stop-hamon",
        "save-zookeeper",
        "save-cassandra",
        "wipe-zookeeper",
        "wipe-cassandra",
        "start-zookeeper",
        "start-cassandra",
        "import",
        "start-supervisor-config",
        "start-kafka",
        "start-kafka-analytics",
        "start-hamon",
    ];
    assert_eq!(world.calls().steps(), order);
    for host in CONTROLLERS {
        is_restored(&world, host);
        assert_eq!(fs::read_to_string(world.host(host).path("var/lib/zookeeper/myid")).unwrap(), host);
        for service in SERVICES {
            assert_eq!(world.host(host).recalls(&format!("services/{service}")), "running", "{host}: {service}");
        }
    }
    assert_eq!(person.steps(Asked::Caution), ["consistent"]);
    assert_eq!(person.steps(Asked::Manual), ["unblock"]);
    assert!(person.asked()[0].2.contains("northbound APIs must be blocked on all systems"), "{:?}", person.asked());
}

#[test]
fn contrail_in_containers_is_restored_inside_of_them() {
    let build = |world: &World| {
        for name in CONTROLLERS {
            controller(world, name, "controller").container("analytics").service("analytics.kafka", "running");
        }
    };
    let stage = |world: &World| {
        let declare = |standin: &Standin, _: &[&str]| standin.declared(&["controller", "config-db", "analytics"]);
        let mut stage = Stage::new(profile(world, &declare), snapshot(world));
        for (name, value) in [("controller_container", "controller"), ("analytics_container", "analytics")] {
            stage.values.insert(name.to_string(), value.to_string());
        }
        stage
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &build, stage: &stage, precious: &[], once: &[] };
    let world = rehearsal.whole();
    let found = services(&world);
    let is_analytics = |call: &&String| call.contains("/analytics: ");
    let analytics: Vec<&String> = found.iter().filter(is_analytics).collect();
    assert_eq!(analytics.len(), 6, "{analytics:?}");
    assert!(analytics.iter().all(|call| call.contains("service kafka")), "{analytics:?}");
    let mut expected = calls_of_the_document(&CONTROLLERS, "/controller", "");
    expected.retain(|call| !call.starts_with(": "));
    let inside: Vec<String> = found.into_iter().filter(|call| !call.contains("/analytics: ")).collect();
    assert_eq!(inside, expected);
    assert!(world.calls().acts().iter().all(|call| call.place.contains('/')), "nothing ran outside of a container");
    CONTROLLERS.iter().for_each(|host| is_restored(&world, host));
    assert!(rehearsal.undoes_wholly());
}

#[test]
fn only_what_ran_is_stopped_and_only_what_was_stopped_of_hamon_is_started() {
    let world = in_small().whole();
    let found = services(&world);
    assert!(found.iter().any(|call| call == "5b5s42: service contrail-hamon start"), "{found:?}");
    assert!(!found.iter().any(|call| call.starts_with("5b5s43: service contrail-hamon")), "{found:?}");
    assert!(!found.iter().any(|call| call.starts_with("5b5s43: service kafka")), "{found:?}");
    assert_eq!(world.host("5b5s43").recalls("services/contrail-hamon"), "stopped");
}

#[test]
fn a_restore_of_contrail_over_ssh_makes_the_same_calls_and_comes_to_the_same_end() {
    let Some(sshd) = Sshd::start() else { return };
    let stage = |world: &World| {
        let declare = |standin: &Standin, roles: &[&str]| standin.declared_over(&sshd, roles);
        Stage::new(profile(world, &declare), snapshot(world))
    };
    let over_ssh = Rehearsal { runbook: "restore", build: &small, stage: &stage, precious: &[], once: &[] };
    let (world, expected) = (over_ssh.whole(), in_small().whole());
    assert_eq!(services(&world), services(&expected));
    assert_eq!(world.state(), expected.state());
}

#[test]
fn a_load_balancer_that_still_answers_is_found_by_its_ports() {
    let stage = |world: &World| {
        let mut stage = stage(world);
        stage.values.insert("northbound_vip".to_string(), "127.0.0.9".to_string());
        stage
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &small, stage: &stage, precious: &[], once: &[] };
    let plan = rehearsal.plan(&rehearsal.ready()).unwrap();
    let step = plan.steps.iter().find(|step| step.id == "northbound-closed").unwrap();
    assert_eq!(step.tasks[0].require[0].kind, TestKind::Closed { address: "127.0.0.9".to_string(), port: 8082 });
}

#[test]
fn the_profile_of_contrail_has_nothing_wrong_and_values_for_everything() {
    let profile = Library::default().find("contrail").unwrap();
    assert_eq!(keepfast_engine::profile::review(&profile), []);
    assert!(Values::new(&profile, &BTreeMap::new()).is_ok());
}
