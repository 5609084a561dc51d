// SPDX-License-Identifier: MIT OR Apache-2.0
//! The SSR conductor: backed up, migrated and recovered as "Conductor Backup and Migration" says.

mod faults;

use std::fs;
use std::path::Path;

use keepfast_engine::profile::{Asked, Library};

use super::claims::{held_against, needs, needs_in_snapshot};
use super::reach::{ports, shut, turn, within_reach};
use crate::support::standin::{Folder, Recorder, Rehearsal, Stage, World};

const HEADINGS: [&str; 5] = [
    "Conductor Backup and Migration",
    "Conductor Backup",
    "Migrating to a New Conductor",
    "Recover the Configuration from a Damaged or Corrupt Conductor",
    "Verify Migration",
];

/// What the document lists, and what it says may be added.
const FILES: [(&str, &str); 8] = [
    ("var/lib/128technology/t128-running.json", "{\"router\": [\"east\", \"west\"]}\n"),
    ("var/lib/128technology/user-running.json", "{\"user\": []}\n"),
    ("etc/128technology/salt/pki/master/master.pem", "private key of the old conductor\n"),
    ("etc/128technology/salt/pki/master/master.pub", "public key of the old conductor\n"),
    ("etc/128technology/salt/pki/master/minions/east", "public key of east\n"),
    ("etc/128technology/global.init", "{\"init\": \"old\"}\n"),
    ("etc/128technology/local.init", "{\"id\": \"node1\"}\n"),
    ("svr/salt/top.sls", "base: {}\n"),
];

const INITIALIZE: &str = r#"
act "$@"
if [ "$(cat "$state/services/128T")" = running ]; then refuse "SSR is running; cannot launch Initializer"; fi
if [ "$1" != -p ]; then refuse "no terminal for the wizard"; fi
mkdir -p "$root/etc/128technology"
echo '{"init": "new"}' > "$root/etc/128technology/global.init"
echo '{"id": "new"}' > "$root/etc/128technology/local.init"
"#;

/// Of the PCLI: one conductor, or the two nodes of one.
const MIGRATE: &str = r#"
act "$@"
if [ "$1" != conductor ] || [ $# -lt 2 ] || [ $# -gt 3 ]; then refuse "usage: migrate conductor <address1> [<address2>]"; fi
shift
echo "$*" > "$state/conductor"
"#;

/// Keys of the stand-ins are texts: what belongs together ends with the same words.
const OPENSSL: &str = r#"
look "$@"
for word; do if [ -e "$word" ]; then sed 's/^.* key/Modulus=/' "$word"; fi; done
"#;

fn write(top: &Path, path: &str, text: &str) {
    let path = top.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// `conductors` new machines, two routers, and a backup of each old conductor.
fn build(world: &World, conductors: &[&str]) {
    for name in conductors {
        let conductor = world.add(name);
        conductor.command("initialize128t", INITIALIZE).command("openssl", OPENSSL).service("128T", "running");
        // The new machine has keys of its own.
        conductor.file("etc/128technology/salt/pki/master/master.pem", "private key of the new conductor\n");
        conductor.file("etc/128technology/global.init", "{\"init\": \"new\"}\n");
        conductor.file("etc/128technology/local.init", "{\"id\": \"new\"}\n");
        for (path, text) in FILES {
            write(&world.folder().join("snapshot").join(name), path, &text.replace("node1", name));
        }
    }
    for name in ["east", "west"] {
        let router = world.add(name);
        router.command("migrate", MIGRATE).remember("conductor", "10.0.0.1");
        router.file("etc/salt/pki/minion/minion_master.pub", "public key of another conductor\n");
    }
}

fn stage(world: &World, conductors: &[&str], values: &[(&str, &str)]) -> Stage {
    let mut profile = Library::default().find("ssr-conductor").unwrap();
    within_reach(&mut profile, world);
    let declared = |name: &str, role: &str| (name.to_string(), world.host(name).declared(&[role]));
    profile.hosts = conductors.iter().map(|name| declared(name, "conductor")).collect();
    profile.hosts.extend(["east", "west"].map(|name| declared(name, "router")));
    let mut stage = Stage::new(profile, Folder(world.folder().join("snapshot")));
    stage.values = [("old_address", "10.0.0.1")]
        .iter()
        .chain(values)
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    stage
}

fn standalone(world: &World) {
    build(world, &["node1"]);
}

/// The initializer has not been run yet.
fn blank(world: &World) {
    build(world, &["node1"]);
    world.host("node1").service("128T", "stopped");
}

fn two(world: &World) {
    build(world, &["node1", "node2"]);
}

fn restored(world: &World) -> Stage {
    stage(world, &["node1"], &[])
}

fn initialized(world: &World) -> Stage {
    stage(world, &["node1"], &[("initializer", "preferences"), ("preferences", "/root/preferences.json")])
}

fn restored_two(world: &World) -> Stage {
    stage(world, &["node1", "node2"], &[])
}

fn migrated(world: &World) -> Stage {
    stage(world, &["node1"], &[("address1", "10.0.1.1")])
}

fn migrated_two(world: &World) -> Stage {
    stage(world, &["node1", "node2"], &[("topology", "ha"), ("address1", "10.0.1.1"), ("address2", "10.0.1.2")])
}

const fn rehearsal(
    runbook: &'static str,
    build: &'static (dyn Fn(&World) + Sync),
    stage: &'static (dyn Fn(&World) -> Stage + Sync),
) -> Rehearsal<'static> {
    Rehearsal { runbook, build, stage, precious: &[], once: &[] }
}

const RESTORE: Rehearsal = rehearsal("restore", &standalone, &restored);
const RESTORE_BLANK: Rehearsal = rehearsal("restore", &blank, &initialized);
const RESTORE_HA: Rehearsal = rehearsal("restore", &two, &restored_two);
const MIGRATE_ONE: Rehearsal = rehearsal("migrate", &standalone, &migrated);
const MIGRATE_HA: Rehearsal = rehearsal("migrate", &two, &migrated_two);
const REAUTHENTICATE: Rehearsal = rehearsal("reauthenticate", &standalone, &restored);

/// A conductor has what its backup has.
fn has_its_backup(world: &World, name: &str) {
    for (path, text) in FILES {
        let found = fs::read_to_string(world.host(name).path(path)).unwrap();
        assert_eq!(found, text.replace("node1", name), "{name}: {path}");
    }
}

#[test]
fn the_profile_has_every_section_of_the_conductors_document() {
    let profile = held_against("ssr-conductor", &HEADINGS, &["Conductor Backup and Migration"]);
    for (runbook, step) in [("restore", "ports"), ("migrate", "ports"), ("migrate", "ports-before")] {
        assert_eq!(ports(&profile, runbook, step), [930, 4505, 4506]);
    }
    let paths: Vec<&str> = profile.capture.files.iter().flat_map(|files| &files.paths).map(String::as_str).collect();
    for path in [
        "/var/lib/128technology/t128-running.json",
        "/var/lib/128technology/user-running.json",
        "/etc/128technology/salt/pki/master/master.pem",
        "/etc/128technology/salt/pki/master/master.pub",
        "/etc/128technology/global.init",
        "/etc/128technology/local.init",
        "/svr/salt",
        "/etc/128technology/salt/pki/master/minions",
    ] {
        assert!(paths.contains(&format!("{{{{root}}}}{path}").as_str()), "{path}");
    }
}

#[test]
fn a_conductor_is_recovered_in_the_documents_order() {
    let world = RESTORE.ready();
    let person = Recorder::agrees();
    RESTORE.run(&world, &person).unwrap();
    let calls = world.calls().of(&["systemctl", "tar"]);
    let (archives, calls): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call.contains(": tar "));
    assert_eq!(calls, ["node1: systemctl stop 128T", "node1: systemctl start 128T"]);
    // What stands there is saved aside before anything is extracted.
    assert_eq!(archives.len(), 2, "{archives:?}");
    assert!(archives[0].contains("-cpf") && archives[1].contains("-xpf -"), "{archives:?}");
    assert_eq!(world.calls().steps(), ["stop", "extract", "start"]);
    assert_eq!(person.steps(Asked::Manual), ["backup", "remove-old", "create", "initialize-wizard", "connected"]);
    assert_eq!(person.steps(Asked::Caution), ["remove-old"]);
    has_its_backup(&world, "node1");
    assert_eq!(world.host("node1").recalls("services/128T"), "running");
}

#[test]
fn both_nodes_of_a_conductor_are_recovered_each_from_its_own_backup() {
    let world = RESTORE_HA.whole();
    has_its_backup(&world, "node1");
    has_its_backup(&world, "node2");
    let services = world.calls().of(&["systemctl"]);
    let expected =
        ["node1: systemctl stop", "node2: systemctl stop", "node1: systemctl start", "node2: systemctl start"];
    assert_eq!(services, expected.map(|call| format!("{call} 128T")));
}

#[test]
fn the_initializer_is_run_where_it_has_preferences() {
    let (world, person) = (RESTORE_BLANK.ready(), Recorder::agrees());
    RESTORE_BLANK.run(&world, &person).unwrap();
    let expected = ["node1: initialize128t -p /root/preferences.json", "node1: systemctl start 128T"];
    assert_eq!(world.calls().of(&["initialize128t", "systemctl"]), expected);
    assert_eq!(person.steps(Asked::Manual), ["backup", "remove-old", "create", "connected"]);
    has_its_backup(&world, "node1");
    // A person's yes is not enough: the wizard leaves its files.
    let world = RESTORE.ready();
    fs::remove_file(world.host("node1").path("etc/128technology/local.init")).unwrap();
    let stopped = RESTORE.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("node1 is not initialized"), "{stopped}");
}

#[test]
fn a_conductor_is_recovered_only_when_the_old_one_is_off() {
    let world = RESTORE.ready();
    turn(&world, "10.0.0.1", true);
    let stopped = RESTORE.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("something still answers at 10.0.0.1"), "{stopped}");
    assert!(world.calls().acts().is_empty());
    turn(&world, "10.0.0.1", false);
    RESTORE.resume(&world, &Recorder::agrees()).unwrap();
    has_its_backup(&world, "node1");
}

/// Without the help of a stand-in: this machine is on, so it can not be the old conductor.
#[test]
fn an_address_that_refuses_connections_is_an_old_conductor_that_is_on() {
    let stage = |world: &World| {
        let mut stage = restored(world);
        let hosts = stage.profile.hosts;
        stage.profile = Library::default().find("ssr-conductor").unwrap();
        stage.profile.hosts = hosts;
        stage.values.insert("old_address".to_string(), "127.0.0.1".to_string());
        stage
    };
    let rehearsal = Rehearsal { stage: &stage, ..RESTORE };
    let world = rehearsal.ready();
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("something still answers at 127.0.0.1"), "{stopped}");
    assert!(world.calls().acts().is_empty());
}

#[test]
fn routers_are_sent_only_to_a_conductor_whose_ports_are_open() {
    for port in [930, 4505, 4506] {
        let world = MIGRATE_ONE.ready();
        shut(&world, port, true);
        let stopped = MIGRATE_ONE.run(&world, &Recorder::agrees()).unwrap_err().to_string();
        assert!(stopped.contains(&format!("TCP port {port} must be enabled")), "{stopped}");
        assert!(world.calls().of(&["migrate"]).is_empty());
        shut(&world, port, false);
        MIGRATE_ONE.resume(&world, &Recorder::agrees()).unwrap();
        let world = RESTORE.ready();
        shut(&world, port, true);
        let stopped = RESTORE.run(&world, &Recorder::agrees()).unwrap_err().to_string();
        assert!(stopped.contains(&format!("TCP port {port} must be enabled")), "{stopped}");
    }
}

#[test]
fn routers_are_migrated_one_after_the_other_to_a_standalone_conductor() {
    let (world, person) = (MIGRATE_ONE.ready(), Recorder::agrees());
    MIGRATE_ONE.run(&world, &person).unwrap();
    let expected = ["east: migrate conductor 10.0.1.1", "west: migrate conductor 10.0.1.1"];
    assert_eq!(world.calls().of(&["migrate", "systemctl"]), expected);
    assert_eq!(world.calls().steps(), ["extract", "migrate"]);
    assert_eq!(person.steps(Asked::Manual), ["create", "commit", "connected"]);
    has_its_backup(&world, "node1");
    assert_eq!(world.host("west").recalls("conductor"), "10.0.1.1");
}

#[test]
fn routers_are_migrated_to_both_nodes_of_an_ha_conductor() {
    let world = MIGRATE_HA.whole();
    let expected = ["east: migrate conductor 10.0.1.1 10.0.1.2", "west: migrate conductor 10.0.1.1 10.0.1.2"];
    assert_eq!(world.calls().of(&["migrate"]), expected);
    assert_eq!(world.calls().steps(), ["extract", "migrate-ha"]);
}

#[test]
fn a_migration_to_the_old_address_is_none() {
    let same = |world: &World| stage(world, &["node1"], &[("address1", "10.0.0.1")]);
    let rehearsal = Rehearsal { stage: &same, ..MIGRATE_ONE };
    let world = rehearsal.ready();
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("the new conductor has the old one's address 10.0.0.1"), "{stopped}");
    assert!(world.calls().acts().is_empty());
    needs(&MIGRATE_ONE, "address1");
    needs(&MIGRATE_HA, "address2");
    needs(&RESTORE, "old_address");
    needs_in_snapshot(&RESTORE, "var/lib/128technology/t128-running.json");
}

#[test]
fn an_undone_migration_sends_routers_back_to_both_old_nodes() {
    let before = |world: &World| {
        let mut stage = migrated_two(world);
        stage.values.insert("old_address2".to_string(), "10.0.0.2".to_string());
        stage
    };
    let rehearsal = Rehearsal { stage: &before, ..MIGRATE_HA };
    let world = rehearsal.whole();
    rehearsal.undo(&world, &Recorder::agrees()).unwrap();
    assert_eq!(world.host("east").recalls("conductor"), "10.0.0.1 10.0.0.2");
}

#[test]
fn routers_that_can_not_authenticate_lose_the_old_key() {
    let world = REAUTHENTICATE.whole();
    for router in ["east", "west"] {
        assert!(!world.host(router).path("etc/salt/pki/minion/minion_master.pub").exists());
    }
    let removed = world.calls().of(&["rm"]);
    let expected = ["east", "west"].map(|router| format!("{router}: rm -rf /etc/salt/pki/minion/minion_master.pub"));
    assert_eq!(removed, expected);
    let profile = Library::default().find("ssr-conductor").unwrap();
    let remedy = &profile.runbooks["reauthenticate"];
    assert_eq!(remedy.remedy_of.as_deref(), Some("restore"));
    assert!(remedy.symptom.as_deref().unwrap().contains("not able to authenticate"));
}

#[test]
fn names_of_tarballs_are_known_with_and_without_the_slip_in_their_date() {
    let profile = Library::default().find("ssr-conductor").unwrap();
    let name = regex::Regex::new(&profile.vendor[0].name).unwrap();
    let slip = name.captures("conductor-backup-node1.example-2026-29-29.tar.gz").unwrap();
    assert_eq!((&slip["host"], &slip["time"]), ("node1.example", "2026-29-29"));
    let mended = name.captures("conductor-backup-a-b-2026-11-29.tar.gz").unwrap();
    assert_eq!((&mended["host"], &mended["time"]), ("a-b", "2026-11-29"));
    for other in
        ["conductor-backup-node1.tar.gz", "juju-backup-20261129.tgz", "conductor-backup-node1-2026-11-29.tar.gz.1"]
    {
        assert!(!name.is_match(other), "{other}");
    }
}
