// SPDX-License-Identifier: MIT OR Apache-2.0
//! Archives of Juju: made in every way, known by their names, and looked through before a restore and in a drill.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use keepfast_engine::profile::{Library, Values, template};

use super::{calls, lost, snapshot, stage_at};
use crate::support::standin::juju::{silent, tar};
use crate::support::standin::{Recorder, Rehearsal, Stage, World};

#[test]
fn an_archive_of_something_else_is_refused_before_anybody_is_asked() {
    let (listener, _waiting) = silent();
    let port = listener.local_addr().unwrap().port();
    let without_root = |world: &World| {
        let mut stage = stage_at(world, port, &[]);
        stage.contents = Box::new(snapshot(world, |top| fs::remove_file(top.join("root.tar")).unwrap()));
        stage
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &lost, stage: &without_root, precious: &[], once: &[] };
    let person = Recorder::agrees();
    let stopped = rehearsal.run(&rehearsal.ready(), &person).unwrap_err().to_string();
    assert!(stopped.contains("it has no juju-backup/root.tar: it is no backup of juju"), "{stopped}");
    assert!(person.asked().is_empty());
}

/// A drill of an archive, and what it said.
fn drill(make: impl Fn(&Path) + Sync) -> (Result<(), String>, String) {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().to_str().unwrap().to_string();
    let stage = |world: &World| {
        let mut stage = Stage::new(Library::default().find("juju").unwrap(), snapshot(world, &make));
        stage.values = BTreeMap::from([("root".to_string(), root.clone())]);
        stage
    };
    let build = |world: &World| drop(world.add("here"));
    let rehearsal = Rehearsal { runbook: "drill", build: &build, stage: &stage, precious: &[], once: &[] };
    let world = rehearsal.ready();
    let ended = rehearsal.run(&world, &Recorder::agrees()).map_err(|stopped| stopped.to_string());
    (ended, fs::read_to_string(world.runs().join("1/output.log")).unwrap_or_default())
}

#[test]
fn the_drill_of_juju_looks_into_every_part_of_the_archive() {
    let (ended, said) = drill(|_| {});
    ended.unwrap();
    assert!(said.contains("1 files of the state server"), "{said}");
    assert!(said.contains("2 files of the database that are not empty"), "{said}");
    assert!(said.contains("\"Version\": \"1.21.1\""), "{said}");
    // The plug-in wrote no metadata.
    drill(|top| fs::remove_file(top.join("metadata.json")).unwrap()).0.unwrap();
    let refused = |make: fn(&Path), says: &str| {
        let (ended, said) = drill(make);
        let stopped = ended.unwrap_err();
        assert!(stopped.contains(says) || said.contains(says), "{stopped}\n{said}");
    };
    refused(|top| fs::remove_file(top.join("root.tar")).unwrap(), "it is no backup of juju");
    refused(|top| fs::write(top.join("root.tar"), "no archive").unwrap(), "does not look like a tar archive");
    refused(|top| fs::write(top.join("metadata.json"), "{").unwrap(), "Expecting property name");
    refused(
        |top| {
            let other = top.join("other");
            fs::create_dir(&other).unwrap();
            fs::write(other.join("file"), "x").unwrap();
            tar(top, &["-cf", top.join("root.tar").to_str().unwrap(), "other"]);
        },
        "root.tar has no agent.conf",
    );
    refused(
        |top| {
            fs::remove_dir_all(top.join("dump")).unwrap();
            fs::create_dir(top.join("dump")).unwrap();
        },
        "no collection that is not empty",
    );
}

#[test]
fn names_that_juju_gives_its_archives_are_understood() {
    let profile = Library::default().find("juju").unwrap();
    let kind = |name: &str| {
        let fits = |vendor: &&keepfast_engine::profile::Vendor| {
            regex::Regex::new(&format!("^(?:{})$", vendor.name)).unwrap().is_match(name)
        };
        profile.vendor.iter().find(fits).map(|vendor| vendor.id.clone())
    };
    assert_eq!(kind("juju-backup-20140403-1408.tar.gz").as_deref(), Some("archive"));
    assert_eq!(kind("juju-backup-20150210-1352.tgz").as_deref(), Some("archive"));
    assert_eq!(kind("juju-backup-20230612-112233.tar.gz").as_deref(), Some("archive-with-seconds"));
    assert_eq!(kind("backup-19.tgz").as_deref(), Some("archive-named"));
    assert_eq!(kind("db-dump.json"), None);
}

#[test]
fn every_way_to_make_an_archive_of_juju_gives_the_archive() {
    for (values, expected) in [
        (&[][..], "juju backups create --filename juju-backup.tar.gz"),
        (&[("environment", "my-env")][..], "juju backups create -e my-env --filename juju-backup.tar.gz"),
        (
            &[("environment", "my-env"), ("named_by", "variable")][..],
            "juju backups create --filename juju-backup.tar.gz",
        ),
        (&[("quiet", "yes")][..], "juju backups create --quiet --filename juju-backup.tar.gz"),
        (&[("commands", "backup")][..], "juju backup"),
        (
            &[("commands", "create-backup"), ("environment", "prod")][..],
            "juju create-backup -m prod:controller --filename juju-backup.tar.gz",
        ),
        (
            &[("commands", "create-backup"), ("environment", "prod"), ("named_by", "variable")][..],
            "juju create-backup -m prod:controller --filename juju-backup.tar.gz",
        ),
    ] {
        let world = World::new();
        lost(&world);
        fs::write(world.folder().join("servers"), "3\n").unwrap();
        let stage = stage_at(&world, 1, values);
        let host = &stage.profile.hosts["client"];
        let values_of = Values::new(&stage.profile, &stage.values).unwrap().on(&stage.profile, "client", host).unwrap();
        let script = |text: &str| template::script(text, &values_of).unwrap();
        let shell = |text: &str| Command::new("sh").args(["-ec", text]).envs(&host.environment).output().unwrap();
        let capture = &stage.profile.capture;
        let output = shell(&script(&capture.streams[0].run));
        assert!(output.status.success(), "{values:?}: {output:?}");
        assert_eq!(output.stdout, fs::read(world.folder().join("snapshot/juju-backup.tar.gz")).unwrap());
        assert_eq!(calls(&world), [format!("client: {expected}")]);
        let shows_metadata = String::from_utf8_lossy(&output.stderr).contains("backup ID");
        assert_eq!(shows_metadata, !values.contains(&("quiet", "yes")));
        let variable = world.host("client").recalls("environment");
        let is_by_variable = values.contains(&("named_by", "variable")) && !values.contains(&("environment", "prod"));
        assert_eq!(variable.contains("JUJU_ENV=my-env"), is_by_variable, "{variable}");
        // The initial state server has started; without any there is nothing to take from.
        let look = script(capture.before[0].require[0].run.as_ref().unwrap());
        if !values.contains(&("environment", "prod")) {
            assert!(shell(&look).status.success(), "{values:?}");
        }
        fs::write(world.folder().join("servers"), "0\n").unwrap();
        assert!(!shell(&look).status.success() && !shell(&script(&capture.streams[0].run)).status.success());
    }
}

#[test]
fn what_juju_downloads_is_no_backup_without_each_of_its_parts() {
    for (part, says) in [("root.tar", "has no juju-backup/root.tar"), ("dump", "has nothing in juju-backup/dump")] {
        let world = World::new();
        lost(&world);
        fs::write(world.folder().join("servers"), "3\n").unwrap();
        let stage = stage_at(&world, 1, &[]);
        snapshot(&world, |top| {
            let part = top.join(part);
            if part.is_dir() { fs::remove_dir_all(part).unwrap() } else { fs::remove_file(part).unwrap() }
        });
        let host = &stage.profile.hosts["client"];
        let values = Values::new(&stage.profile, &stage.values).unwrap().on(&stage.profile, "client", host).unwrap();
        let script = template::script(&stage.profile.capture.streams[0].run, &values).unwrap();
        let output = Command::new("sh").args(["-ec", &script]).envs(&host.environment).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).to_string();
        assert!(!output.status.success() && output.stdout.is_empty() && said.contains(says), "{part}: {said}");
    }
}
