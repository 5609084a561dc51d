// SPDX-License-Identifier: MIT OR Apache-2.0
//! A primary restored, and what may go wrong with every runbook of Puppet: calls that fail, keepfast that is killed.

use std::fs;

use keepfast_engine::profile::{Asked, Library};

use super::super::claims::{needs_in_snapshot, survives_everything};
use super::super::puppet_machines::{
    AGENTS, ARCHIVE, DATABASES, DIRECT, ENABLE, FAILOVER, FORGET, KEYS, ONE, PROMOTE, PROVISION, REINITIALIZE, RESTORE,
    SERVICES, SKIP, Staged, dump, plain, stage, write,
};
use crate::support::standin::{Fault, Recorder, Rehearsal, World, difference, is_child};

#[test]
fn a_primary_is_restored_with_its_services_stopped() {
    let (world, person) = (RESTORE.ready(), Recorder::agrees());
    RESTORE.run(&world, &person).unwrap();
    let installed = &SERVICES[..6];
    let stops = installed.iter().map(|service| format!("primary: systemctl stop {service}"));
    let starts = installed.iter().rev().map(|service| format!("primary: systemctl start {service}"));
    assert_eq!(world.calls().of(&["systemctl"]), stops.chain(starts).collect::<Vec<_>>());
    let primary = world.host("primary");
    for database in DATABASES {
        assert_eq!(primary.recalls(&format!("db/{database}")), dump(database, 3).trim());
    }
    assert_eq!(fs::read_to_string(primary.path(KEYS)).unwrap(), "{\"key\": \"old\"}\n");
    assert_eq!(fs::read_to_string(primary.path("etc/puppetlabs/puppet/ssl/ca/ca_key.pem")).unwrap(), "old\n");
    assert_eq!(person.steps(Asked::Manual), ["install"]);
    needs_in_snapshot(&RESTORE, "opt/puppetlabs/server/pe_version");
}

#[test]
fn a_replica_is_forgotten_before_a_restore_and_provisioned_after_it() {
    let with = |world: &World| stage(world, &[("has_replica", "yes")]);
    for (rehearsal, steps) in [
        (&RESTORE, ["install", "replica", "provision"].as_slice()),
        (&ARCHIVE, ["install", "secret-key", "replica"].as_slice()),
    ] {
        let rehearsal = Rehearsal { stage: &with, ..*rehearsal };
        let person = Recorder::agrees();
        rehearsal.run(&rehearsal.ready(), &person).unwrap();
        assert_eq!(person.steps(Asked::Manual), steps);
    }
}

#[test]
fn a_backup_of_another_version_is_not_restored_and_a_broken_dump_leaves_its_database() {
    let world = RESTORE.ready();
    write(&world.folder().join("snapshot"), "opt/puppetlabs/server/pe_version", "2018.1.3\n");
    let stopped = RESTORE.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("the backup is of version 2018.1.3"), "{stopped}");
    assert!(world.calls().acts().is_empty());
    let world = RESTORE.ready();
    write(&world.folder().join("snapshot"), "databases/pe-rbac.sql", "broken\n");
    let stopped = RESTORE.run(&world, &Recorder::agrees()).unwrap_err();
    assert_eq!(stopped.step, "load-pe-rbac");
    assert_eq!(world.host("primary").recalls("db/pe-rbac"), dump("pe-rbac", 1).trim());
    let start = RESTORE.ready().state();
    RESTORE.undo(&world, &Recorder::agrees()).unwrap();
    assert_eq!(difference(&start, &world.state()), Vec::<String>::new());
}

#[test]
fn an_archive_of_puppet_backup_is_restored_with_the_secret_key_that_it_lacks() {
    let (world, person) = (ARCHIVE.ready(), Recorder::agrees());
    ARCHIVE.run(&world, &person).unwrap();
    let expected = ["primary: puppet-backup restore /var/puppetlabs/backups/pe_backup-keepfast-1.tgz"];
    assert_eq!(world.calls().of(&["puppet-backup"]), expected);
    assert_eq!(person.steps(Asked::Manual), ["install", "secret-key"]);
    assert!(!world.host("primary").path("var/puppetlabs/backups/pe_backup-keepfast-1.tgz").exists());
    let profile = Library::default().find("puppet-enterprise").unwrap();
    let name = regex::Regex::new(&profile.vendor[0].name).unwrap();
    assert_eq!(&name.captures("pe_backup-2019-03-29_18.45.27_UTC.tgz").unwrap()["time"], "2019-03-29_18.45.27_UTC");
}

#[test]
fn provisioning_is_resumed_and_undone_from_every_call() {
    let stages: [Staged; 4] = [&plain, SKIP, AGENTS, DIRECT];
    for stage in stages {
        survives_everything(&Rehearsal { stage, ..PROVISION });
    }
    survives_everything(&ENABLE);
}

#[test]
fn what_can_not_be_undone_is_resumed_from_every_call_and_says_why() {
    for rehearsal in [&PROMOTE, &FAILOVER, &FORGET, &REINITIALIZE, &ARCHIVE] {
        survives_everything(rehearsal);
        assert!(!rehearsal.undoes_wholly(), "{}", rehearsal.runbook);
    }
    survives_everything(&Rehearsal { stage: ONE, ..REINITIALIZE });
}

#[test]
fn a_restore_of_a_primary_is_resumed_and_undone_from_every_call() {
    survives_everything(&RESTORE);
}

#[test]
fn a_promotion_survives_being_killed() {
    if is_child() {
        return PROMOTE.run_as_child();
    }
    let name = concat!(module_path!(), "::a_promotion_survives_being_killed");
    PROMOTE.resumes_after_a_kill_at_every_call(Fault::Die, name);
    PROMOTE.resumes_after_a_kill_at_every_call(Fault::DieAfter, name);
}
