// SPDX-License-Identifier: MIT OR Apache-2.0
//! Puppet Enterprise: "Configure disaster recovery" on stand-ins, every command and variant of it, and restores of the primary.

mod restores;

use std::fs;

use keepfast_engine::profile::{Asked, Library, Need};
use keepfast_engine::runbook::{RunbookError, Why};

use super::claims::{held_against, needs, stops_where_a_person_says_no};
use super::puppet_machines::{
    AGENTS, DATABASES, DIRECT, DISK, ENABLE, FAILOVER, FORGET, KEYS, PROMOTE, PROVISION, REINITIALIZE, SKIP, UNSAVED,
    dump, plain, stage,
};
use super::reach::{shut, turn};
use crate::support::standin::{Recorder, Rehearsal, World};

/// The last one is another document that it refers to.
const HEADINGS: [&str; 8] = [
    "Configure disaster recovery",
    "Provision and enable a replica",
    "Managing agent communication in geo-diverse installations",
    "Promote a replica",
    "Enable a new replica using a failed master",
    "Forget a replica",
    "Reinitialize a replica",
    "Back up your infrastructure",
];

const JOB: &str = "puppet job run --no-enforce-environment --query nodes {deactivated is null and expired is null}";

#[test]
fn the_profile_has_every_section_of_puppets_document() {
    let profile = held_against("puppet-enterprise", &HEADINGS, &[]);
    let streams: Vec<&str> = profile.capture.streams.iter().map(|stream| stream.id.as_str()).collect();
    for database in DATABASES {
        let id = format!("databases/{database}.sql");
        let stream = profile.capture.streams.iter().find(|stream| stream.id == id).unwrap();
        let expected =
            format!("su - {{{{postgres_user}}}} -s /bin/sh -c \"{{{{pg_dump}}}} --clean --if-exists {database}\"");
        assert_eq!(stream.run, expected);
        assert!(stream.when.is_none() && streams.contains(&id.as_str()));
    }
    let keys = profile.capture.files.iter().find(|files| files.id == "secret-key").unwrap();
    assert_eq!((keys.paths.as_slice(), keys.need), ([format!("{{{{root}}}}/{KEYS}")].as_slice(), Need::All));
}

#[test]
fn a_replica_is_provisioned_and_enabled_in_the_documents_order() {
    let (world, person) = (PROVISION.ready(), Recorder::agrees());
    PROVISION.run(&world, &person).unwrap();
    let calls = world.calls();
    let expected = [
        "replica: puppet config set server primary --section main",
        "primary: puppet infrastructure provision replica replica --enable",
    ];
    assert_eq!(calls.of(&["puppet"]), expected);
    assert_eq!(calls.steps(), ["classifier", "server", "provision", "secret-key"]);
    let looked: Vec<String> = calls.0.iter().filter(|call| call.number == 0).map(|call| call.words.clone()).collect();
    let status = looked.iter().position(|words| words == "puppet infrastructure status --verbose").unwrap();
    let noop = looked.iter().position(|words| words == "puppet agent -t --noop --server_list=replica").unwrap();
    assert!(status < noop);
    assert_eq!(person.steps(Asked::Manual), ["tuning", "deploy-wait"]);
    assert_eq!(person.steps(Asked::Caution), ["provision"]);
    let copied = fs::read_to_string(world.host("replica").path(KEYS)).unwrap();
    assert_eq!(copied, "{\"key\": \"new\"}\n");
    let saved = world.host("primary").path("var/lib/keepfast/aside/1/pe-classifier.sql");
    assert_eq!(fs::read_to_string(saved).unwrap().trim(), dump("pe-classifier", 1).trim());
}

#[test]
fn agents_are_left_as_they_are_where_that_is_wanted() {
    for (settings, step) in [("csr", "agents-csr"), ("hiera", "agents-hiera"), ("custom", "agents-custom")] {
        let stage = |world: &World| stage(world, &[("skip_agent_config", "yes"), ("agent_settings", settings)]);
        let rehearsal = Rehearsal { stage: &stage, ..PROVISION };
        let (world, person) = (rehearsal.ready(), Recorder::agrees());
        rehearsal.run(&world, &person).unwrap();
        let expected = "primary: puppet infrastructure provision replica replica --enable --skip-agent-config";
        assert_eq!(world.calls().of(&["puppet"])[1], expected);
        assert_eq!(person.steps(Asked::Manual), ["tuning", step]);
    }
}

#[test]
fn a_configuration_reaches_the_agents_in_each_of_three_ways_and_a_failover_is_tried() {
    let rehearsal = Rehearsal { stage: AGENTS, ..PROVISION };
    let (world, person) = (rehearsal.ready(), Recorder::agrees());
    rehearsal.run(&world, &person).unwrap();
    assert_eq!(world.calls().of(&["puppet"])[2..], ["agent: puppet agent -t", "agent: puppet agent -t"]);
    assert_eq!(person.steps(Asked::Manual), ["tuning", "isolate", "reconnect"]);
    let world = Rehearsal { stage: DIRECT, ..PROVISION }.whole();
    assert_eq!(world.calls().of(&["puppet"])[2..], [format!("primary: {JOB}")]);
    // A change while the primary is away means that the replica is not what it shall be; it is reconnected all the same.
    let world = rehearsal.ready();
    world.host("agent").remember("changes", "");
    let person = Recorder::agrees();
    let stopped = rehearsal.run(&world, &person).unwrap_err();
    assert_eq!(stopped.step, "failover");
    assert!(person.steps(Asked::Manual).contains(&"reconnect".to_string()));
}

#[test]
fn a_replica_with_something_to_change_or_out_of_order_is_not_taken_for_a_good_one() {
    let world = PROVISION.ready();
    world.host("agent").remember("would-change", "");
    let stopped = PROVISION.run(&world, &Recorder::agrees()).unwrap_err();
    assert_eq!(stopped.step, "noop");
    assert!(stopped.to_string().contains("(noop)"), "{stopped}");
    let world = PROVISION.ready();
    world.host("primary").remember("unwell", "");
    let stopped = PROVISION.run(&world, &Recorder::agrees()).unwrap_err();
    assert_eq!(stopped.step, "status");
    assert!(stopped.to_string().contains("Unreachable"), "{stopped}");
}

#[test]
fn a_node_with_a_secret_key_of_its_own_gets_no_other() {
    let world = PROVISION.ready();
    world.host("replica").file(KEYS, "{\"key\": \"another\"}\n");
    let stopped = PROVISION.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("replica has another secret key already"), "{stopped}");
    assert!(fs::read_to_string(world.host("replica").path(KEYS)).unwrap().contains("another"));
    let world = PROVISION.ready();
    world.host("primary").remember("no-ssh", "");
    let stopped = PROVISION.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("root on primary can not log in to replica by ssh"), "{stopped}");
}

#[test]
fn puppet_infrastructure_wants_a_root_session_and_a_token() {
    for (rehearsal, host) in
        [(&PROVISION, "primary"), (&PROMOTE, "replica"), (&FORGET, "primary"), (&REINITIALIZE, "replica")]
    {
        let world = rehearsal.ready();
        world.host(host).remember("uid", "1000");
        let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err().to_string();
        assert!(stopped.contains(&format!("must be run as root on {host}")), "{stopped}");
        let world = rehearsal.ready();
        fs::remove_file(world.host(host).path("root/.puppetlabs/token")).unwrap();
        let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err().to_string();
        assert!(stopped.contains(&format!("root has no RBAC token on {host}")), "{stopped}");
        assert!(world.calls().acts().is_empty());
        let by_sudo = |world: &World| {
            let mut stage = plain(world);
            let host = stage.profile.hosts.get_mut(host).unwrap();
            host.environment.insert("SUDO_USER".to_string(), "somebody".to_string());
            stage
        };
        let sudo = Rehearsal { stage: &by_sudo, ..*rehearsal };
        let stopped = sudo.run(&sudo.ready(), &Recorder::agrees()).unwrap_err().to_string();
        assert!(stopped.contains("sudo is not sufficient"), "{stopped}");
    }
}

#[test]
fn a_replica_that_was_provisioned_is_enabled_alone() {
    let calls = ENABLE.whole().calls();
    assert_eq!(calls.of(&["puppet"]), ["primary: puppet infrastructure enable replica replica"]);
    let calls = Rehearsal { stage: SKIP, ..ENABLE }.whole().calls();
    assert_eq!(calls.of(&["puppet"]), ["primary: puppet infrastructure enable replica replica --skip-agent-config"]);
}

#[test]
fn a_replica_is_promoted_only_when_the_primary_is_off() {
    let world = PROMOTE.ready();
    turn(&world, "10.0.0.1", true);
    let stopped = PROMOTE.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("the primary 10.0.0.1 is on"), "{stopped}");
    assert!(world.calls().acts().is_empty());
    turn(&world, "10.0.0.1", false);
    PROMOTE.resume(&world, &Recorder::agrees()).unwrap();
    // It comes back between two steps.
    let world = PROMOTE.ready();
    PROMOTE.run(&world, &Recorder::refuses_at("promote")).unwrap_err();
    turn(&world, "10.0.0.1", true);
    assert!(PROMOTE.resume(&world, &Recorder::agrees()).unwrap_err().to_string().contains("is on"));
    assert!(world.calls().acts().is_empty());
    needs(&PROMOTE, "old_primary");
}

/// Without the help of a stand-in: this machine is on.
#[test]
fn a_primary_that_refuses_connections_is_on() {
    let stage = |world: &World| {
        let mut stage = plain(world);
        let hosts = std::mem::take(&mut stage.profile.hosts);
        stage.profile = Library::default().find("puppet-enterprise").unwrap();
        stage.profile.hosts = hosts;
        stage.values.insert("old_primary".to_string(), "127.0.0.1".to_string());
        stage.values.insert("replica_address".to_string(), "127.0.0.1".to_string());
        stage
    };
    for (rehearsal, says) in [(&PROMOTE, "the primary 127.0.0.1 is on"), (&FORGET, "the replica 127.0.0.1 is on")] {
        let rehearsal = Rehearsal { stage: &stage, ..*rehearsal };
        let world = rehearsal.ready();
        let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err().to_string();
        assert!(stopped.contains(says), "{stopped}");
        assert!(world.calls().acts().is_empty());
    }
}

#[test]
fn a_replica_is_promoted_in_the_documents_order_and_for_good() {
    let rehearsal = Rehearsal { stage: DIRECT, ..PROMOTE };
    let (world, person) = (rehearsal.ready(), Recorder::agrees());
    rehearsal.run(&world, &person).unwrap();
    assert_eq!(
        world.calls().of(&["puppet"]),
        ["replica: puppet infrastructure promote replica".to_string(), format!("replica: {JOB}")]
    );
    assert_eq!(person.steps(Asked::Caution), ["offline", "promote", "next"]);
    assert_eq!(person.steps(Asked::Manual), ["refer", "next"]);
    let refused = rehearsal.undo(&world, &Recorder::agrees()).unwrap_err();
    assert!(matches!(&refused.why, Why::Journal(RunbookError::Final { .. })), "{refused}");
    assert!(refused.to_string().contains("the runbook enable-failed-master"), "{refused}");
    stops_where_a_person_says_no(&PROMOTE, "promote", &[]);
}

#[test]
fn a_failed_primary_becomes_the_new_replica_in_every_variant() {
    let command = "primary: puppet infrastructure run enable_ha_failover host=old.example";
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[], " topology=mono"),
        (&[("topology", "mono-with-compile")], " topology=mono-with-compile"),
        (&[("replication_timeout_secs", "900")], " topology=mono replication_timeout_secs=900"),
        (&[("tmpdir", "/var/tmp")], " topology=mono tmpdir=/var/tmp"),
        (
            &[("replication_timeout_secs", "900"), ("tmpdir", "/var/tmp")],
            " topology=mono replication_timeout_secs=900 tmpdir=/var/tmp",
        ),
    ];
    for (values, rest) in cases {
        let stage = |world: &World| stage(world, values);
        let world = Rehearsal { stage: &stage, ..FAILOVER }.whole();
        assert_eq!(world.calls().of(&["puppet"]), [format!("{command}{rest}")]);
    }
    let world = FAILOVER.ready();
    world.host("primary").remember("no-ssh", "");
    let stopped = FAILOVER.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("primary can not log in to old.example by ssh"), "{stopped}");
    assert!(world.calls().acts().is_empty());
    needs(&FAILOVER, "failed_master");
}

#[test]
fn a_replica_is_forgotten_with_its_secret_key() {
    let (world, person) = (FORGET.ready(), Recorder::agrees());
    FORGET.run(&world, &person).unwrap();
    assert_eq!(world.calls().of(&["puppet"]), ["primary: puppet infrastructure forget replica"]);
    assert_eq!(person.steps(Asked::Manual), ["secret-key-manual"]);
    let rehearsal = Rehearsal { stage: DISK, ..FORGET };
    let world = rehearsal.whole();
    assert!(world.calls().of(&["rm"])[0].ends_with(&format!("/disk/{KEYS}")));
    let world = FORGET.ready();
    turn(&world, "10.0.0.2", true);
    let stopped = FORGET.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("the replica 10.0.0.2 is on"), "{stopped}");
    needs(&FORGET, "replica_address");
}

#[test]
fn a_replica_is_reinitialized_wholly_or_in_one_database() {
    let world = REINITIALIZE.whole();
    assert_eq!(world.calls().of(&["puppet"]), ["replica: puppet infrastructure reinitialize replica"]);
    assert_eq!(world.host("replica").recalls("db/pe-activity"), "anew");
    for database in DATABASES {
        let stage = |world: &World| stage(world, &[("database", database)]);
        let world = Rehearsal { stage: &stage, ..REINITIALIZE }.whole();
        let expected = format!("replica: puppet infrastructure reinitialize replica --db {database}");
        assert_eq!(world.calls().of(&["puppet"]), [expected]);
        let anew = DATABASES.iter().filter(|name| world.host("replica").recalls(&format!("db/{name}")) == "anew");
        assert_eq!(anew.collect::<Vec<_>>(), [&database]);
        let saved = world.host("replica").path(&format!("var/lib/keepfast/aside/1/{database}.sql"));
        assert_eq!(fs::read_to_string(saved).unwrap().trim(), dump(database, 1).trim());
    }
    assert!(Rehearsal { stage: UNSAVED, ..REINITIALIZE }.whole().calls().of(&["pg_dump"]).is_empty());
    let world = REINITIALIZE.ready();
    shut(&world, 8140, true);
    let stopped = REINITIALIZE.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("replica does not reach the primary primary at port 8140"), "{stopped}");
    let world = REINITIALIZE.ready();
    world.host("primary").remember("unwell", "");
    assert_eq!(REINITIALIZE.run(&world, &Recorder::agrees()).unwrap_err().step, "primary");
    let profile = Library::default().find("puppet-enterprise").unwrap();
    assert!(profile.runbooks["reinitialize"].symptom.is_some());
}
