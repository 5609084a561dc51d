// SPDX-License-Identifier: MIT OR Apache-2.0
//! Dumps of Contrail: taken, broken, compressed, missing, and looked through in a drill.

use std::collections::BTreeMap;
use std::fs;

use keepfast_engine::profile::{Library, Profile, Values};
use keepfast_engine::runbook::RunbookError;

use super::{PRECIOUS, in_small, is_restored, profile, small, snapshot, stage};
use crate::support::standin::contrail::{dump, heal, services};
use crate::support::standin::{Recorder, Rehearsal, Stage, Standin, World};

#[test]
fn a_dump_of_something_else_is_refused_before_anything_is_stopped() {
    for dump in ["", "no json", "{}", r#"{"cassandra": {}, "zookeeper": "[]"}"#] {
        let stage = |world: &World| {
            let stage = stage(world);
            fs::write(world.folder().join("snapshot/db-dump.json"), dump).unwrap();
            stage
        };
        let rehearsal = Rehearsal { runbook: "restore", build: &small, stage: &stage, precious: &[], once: &[] };
        let world = rehearsal.ready();
        let start = world.state();
        let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err();
        assert_eq!(stopped.step, "dump", "{dump:?}: {stopped}");
        assert_eq!(world.state(), start);
    }
}

#[test]
fn a_compressed_dump_is_restored_as_well() {
    let stage = |world: &World| {
        let stage = stage(world);
        let plain = world.folder().join("snapshot/db-dump.json");
        assert!(std::process::Command::new("gzip").arg("-nf").arg(plain).status().unwrap().success());
        stage
    };
    let world =
        Rehearsal { runbook: "restore", build: &small, stage: &stage, precious: &PRECIOUS, once: &["import"] }.whole();
    is_restored(&world, "5b5s42");
}

#[test]
fn a_snapshot_without_a_dump_and_a_profile_without_controllers_make_no_plan() {
    let stage_without = |world: &World| {
        let stage = stage(world);
        fs::remove_file(world.folder().join("snapshot/db-dump.json")).unwrap();
        stage
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &small, stage: &stage_without, precious: &[], once: &[] };
    let refused = rehearsal.plan(&rehearsal.ready()).unwrap_err();
    assert!(matches!(refused, RunbookError::NotInSnapshot { .. }), "{refused}");
    let without_role = |world: &World| {
        let mut stage = stage(world);
        stage.profile.hosts.values_mut().for_each(|host| host.roles.retain(|role| role != "config-db"));
        stage
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &small, stage: &without_role, precious: &[], once: &[] };
    let refused = rehearsal.plan(&rehearsal.ready()).unwrap_err().to_string();
    assert_eq!(refused, "the profile contrail needs at least 1 with the role config-db, and has 0");
}

#[test]
fn the_drill_of_contrail_counts_tables_and_refuses_an_empty_dump() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().to_str().unwrap().to_string();
    let stage_of = |dump: &str| {
        let (root, dump) = (root.clone(), dump.to_string());
        move |world: &World| {
            let folder = snapshot(world);
            fs::write(folder.0.join("db-dump.json"), &dump).unwrap();
            let mut stage = Stage::new(Library::default().find("contrail").unwrap(), folder);
            stage.values = BTreeMap::from([("root".to_string(), root.clone())]);
            stage
        }
    };
    let build = |world: &World| drop(world.add("here"));
    let whole = stage_of(&dump());
    let rehearsal = Rehearsal { runbook: "drill", build: &build, stage: &whole, precious: &[], once: &[] };
    let world = rehearsal.whole();
    let said = fs::read_to_string(world.runs().join("1/output.log")).unwrap();
    assert!(said.contains("config_db_uuid: 1 tables, 1 rows") && said.contains("ZooKeeper: 1 nodes"), "{said}");
    let empty = stage_of(r#"{"cassandra": {"config_db_uuid": {"obj_fq_name_table": {}}}, "zookeeper": "[]"}"#);
    let rehearsal = Rehearsal { runbook: "drill", build: &build, stage: &empty, precious: &[], once: &[] };
    let stopped = rehearsal.run(&rehearsal.ready(), &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("no table of the dump has a row"), "{stopped}");
    let nowhere = |world: &World| Stage::new(Library::default().find("contrail").unwrap(), snapshot(world));
    let rehearsal = Rehearsal { runbook: "drill", build: &build, stage: &nowhere, precious: &[], once: &[] };
    let stopped = rehearsal.run(&rehearsal.ready(), &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("a drill runs below a scratch root only"), "{stopped}");
}

/// Runs a stream of the profile as a capture would, and gives what it wrote.
fn stream(world: &World, profile: &Profile, id: &str, values: &[(&str, &str)]) -> Result<String, String> {
    let given = values.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let values = Values::new(profile, &given).unwrap();
    let host = &profile.hosts["5b5s42"];
    let values = values.on(profile, "5b5s42", host).unwrap();
    let stream = profile.capture.streams.iter().find(|stream| stream.id == id).unwrap();
    let script = keepfast_engine::profile::template::script(&stream.run, &values).unwrap();
    let mut command = std::process::Command::new("sh");
    let output = command.args(["-ec", &script]).envs(&host.environment).current_dir(world.folder()).output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(String::from_utf8_lossy(&output.stderr).to_string()),
    }
}

#[test]
fn the_dump_of_contrail_is_what_the_tool_wrote_and_a_broken_one_is_none() {
    let world = in_small().ready();
    let profile = profile(&world, &Standin::declared);
    let rows = world.host("5b5s42").path("var/lib/cassandra/data/rows");
    heal(&world.host("5b5s42"));
    assert_eq!(stream(&world, &profile, "db-dump.json", &[]).unwrap(), dump());
    let values = [("omit_keyspace", "dm_keyspace")];
    let shared = stream(&world, &profile, "db-dump-without-keyspace.json", &values).unwrap();
    assert!(shared.contains("config_db_uuid") && !shared.contains("dm_keyspace"), "{shared}");
    let of = |words: &str| format!("5b5s42: python db_json_exim.py --export-to db-dump.json{words}");
    assert_eq!(services(&world), [of(""), of(" --omit-keyspace dm_keyspace")]);
    for broken in ["", "{\"cassandra\": "] {
        fs::write(&rows, broken).unwrap();
        assert!(stream(&world, &profile, "db-dump.json", &[]).is_err(), "{broken:?}");
    }
    world.host("5b5s42").service("zookeeper", "stopped");
    world.host("5b5s43").service("zookeeper", "stopped");
    let said = stream(&world, &profile, "db-dump.json", &[]).unwrap_err();
    assert!(said.contains("zookeeper does not answer"), "{said}");
}
