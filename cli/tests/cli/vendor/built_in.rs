// SPDX-License-Identifier: MIT OR Apache-2.0
//! The archives of the five vendors, made as their documents say, through import, recover and export by the built-in profiles.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Vendor, gzip, members};

/// Content, name, profile, runbook, path that the runbook reads.
fn built_in(vendor: &Vendor) -> Vec<(Vec<u8>, &'static str, &'static str, &'static str, &'static str)> {
    let tar = |paths: &[&str]| fs::read(vendor.tar("made", paths)).unwrap();
    let dump = b"--\n-- PostgreSQL database cluster dump\n--\nDROP ROLE a;\n";
    vec![
        (b"{\"cassandra\": {}, \"zookeeper\": []}".to_vec(), "db-dump.json", "contrail", "restore", "db-dump.json"),
        (gzip(b"{\"cassandra\": {}, \"zookeeper\": []}"), "db-dump.json.gz", "contrail", "restore", "db-dump.json.gz"),
        (gzip(dump), "pgbackup-2026-11-01-03:00:07.sql.gz", "iml", "", "pgbackup.sql.gz"),
        (
            tar(&["etc/app"]),
            "pe_backup-2026-11-01_030007_UTC.tgz",
            "puppet-enterprise",
            "restore-archive",
            "var/puppetlabs/backups/pe_backup.tgz",
        ),
    ]
}

#[test]
fn files_of_the_vendors_come_back_byte_for_byte() {
    let vendor = Vendor::new();
    for (bytes, name, profile, runbook, path) in built_in(&vendor) {
        let file = vendor.dated(name, &bytes);
        assert_eq!(vendor.json(&["import", &file])["suggested_profile"], profile, "{name}");
        let summary = vendor.json(&["import", &file, "--profile", profile]);
        assert_eq!(summary["vendor"]["made"], "2026-11-01T03:00:07Z", "{name}");
        let id = summary["snapshot"].as_str().unwrap();
        assert!(vendor.0.ls(id).contains(&format!("/{path}")), "{name}");
        if !runbook.is_empty() {
            let plan = vendor.ok(&["recover", profile, "--runbook", runbook, "--dry-run"]);
            assert!(plan.out.contains(&format!("keepfast dump {id}:{path}")), "{plan:?}");
        }
        vendor.ok(&["export", "latest", "--profile", profile, &vendor.0.text("out")]);
        assert_eq!(vendor.out(name), bytes, "{name}");
    }
}

#[test]
fn an_export_of_a_system_that_was_never_captured_says_how_it_is() {
    let vendor = Vendor::new();
    vendor.0.ok(&["backup", "."]);
    let said = vendor.refused(&["export", "latest", "--profile", "iml", &vendor.0.text("out")]);
    assert!(said.contains("there is no snapshot with the tag profile:iml"), "{said}");
}

#[test]
fn jujus_archive_is_known_by_its_default_name_and_by_any_other_one() {
    let vendor = Vendor::new();
    fs::rename(vendor.0.path("system/app-backup"), vendor.0.path("system/juju-backup")).unwrap();
    for (name, id, made) in [
        ("juju-backup-20140403-1408.tar.gz", "archive", Some("2014-04-03T14:08:00Z")),
        ("juju-backup-20150210-1352.tgz", "archive", Some("2015-02-10T13:52:00Z")),
        ("backup-19.tgz", "archive-named", None),
    ] {
        let file = vendor.tar(name, &["juju-backup"]);
        let suggested = vendor.json(&["import", &file])["suggested_profile"].clone();
        assert_eq!(suggested, made.map_or(Value::Null, |_| "juju".into()), "{name}");
        let summary = vendor.json(&["import", &file, "--profile", "juju"]);
        assert_eq!(
            (&summary["vendor"]["id"], &summary["vendor"]["metadata"]["Version"]),
            (&json!(id), &json!("1.25.6"))
        );
        assert!(made.is_none_or(|made| summary["vendor"]["made"] == made), "{summary}");
        let snapshot = summary["snapshot"].as_str().unwrap();
        let out = vendor.0.text(&format!("again-{name}"));
        vendor.ok(&["export", snapshot, "--profile", "juju", &out]);
        assert_eq!(fs::read(out).unwrap(), fs::read(file).unwrap(), "{name}");
    }
    let other = vendor.tar("juju-backup-20140403-1409.tgz", &["etc/app"]);
    assert!(vendor.refused(&["import", &other, "--profile", "juju"]).contains("it has no juju-backup/root.tar"));
}

#[test]
fn of_kinds_that_are_made_of_the_same_the_first_is_written() {
    let vendor = Vendor::new();
    fs::rename(vendor.0.path("system/app-backup"), vendor.0.path("system/juju-backup")).unwrap();
    fs::copy(vendor.tar("made.tgz", &["juju-backup"]), vendor.0.path("src/juju-backup.tar.gz")).unwrap();
    vendor.0.ok(&["backup", ".", "--tag", "profile:juju,made:2026-11-01T03:00:00Z"]);
    vendor.ok(&["export", "latest", "--profile", "juju", &vendor.0.text("out")]);
    assert_eq!(vendor.out("juju-backup-20261101-0300.tar.gz"), fs::read(vendor.0.path("made.tgz")).unwrap());
}

#[test]
fn a_dump_and_the_files_that_belong_to_it_are_one_set() {
    let vendor = Vendor::new();
    let dump = gzip(b"--\n-- PostgreSQL database cluster dump\n--\nDROP ROLE a;\n");
    let file = vendor.dated("pgbackup-2026-11-01-03:00:07.sql.gz", &dump);
    vendor.ok(&["import", &file, "--profile", "iml", "--host", "manager"]);
    assert!(vendor.run(&["recover", "iml", "--dry-run"]).err.contains("needs etc/ntp.conf"));
    let names = ["authority.crt", "authority.pem", "authority.srl", "manager.crt", "manager.pem"];
    for path in names.map(|name| format!("var/lib/chroma/{name}")).iter().map(String::as_str).chain(["etc/ntp.conf"]) {
        let path = vendor.0.path("system").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    let files = vendor.tar("files.tar.gz", &["etc/ntp.conf", "var/lib/chroma"]);
    vendor.ok(&["import", &files, "--as-tree", "--host", "manager", "--tag", "profile:iml,set:20261101-030007"]);
    let plan = vendor.ok(&["recover", "iml", "--dry-run"]);
    assert!(plan.out.contains(":pgbackup.sql.gz") && plan.out.contains("etc/ntp.conf"), "{plan:?}");
}

#[test]
fn the_conductors_tarball_is_restored_from_and_made_again() {
    let vendor = Vendor::new();
    let master = "etc/128technology/salt/pki/master";
    let keys = [format!("{master}/master.pem"), format!("{master}/master.pub"), format!("{master}/minions/r1")];
    let paths = [
        "var/lib/128technology/t128-running.json",
        "var/lib/128technology/user-running.json",
        &keys[0],
        &keys[1],
        &keys[2],
        "etc/128technology/global.init",
        "etc/128technology/local.init",
        "svr/salt/top.sls",
    ];
    for path in paths {
        let path = vendor.0.path("system").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "{}").unwrap();
    }
    // The document's line: folders with a slash, the day twice and no month.
    let minions = format!("{master}/minions/");
    let listed = [paths[0], paths[1], paths[2], paths[3], &minions, paths[5], paths[6], "svr/salt"];
    let archive = vendor.tar("conductor-backup-c1.example-2026-29-29.tar.gz", &listed);
    let run = vendor.ok(&["import", &archive, "--profile", "ssr-conductor"]);
    assert!(run.out.contains("on c1.example (time of the file: its name has no whole date)"), "{run:?}");
    let plan = vendor.ok(&["recover", "ssr-conductor", "--dry-run", "--var", "old_address=192.0.2.1"]);
    assert!(paths.iter().take(4).all(|path| plan.out.contains(path)), "{plan:?}");
    vendor.ok(&["export", "latest", "--profile", "ssr-conductor", &vendor.0.text("out")]);
    assert_eq!(
        members(&vendor.0.path("out/conductor-backup-c1.example-2026-29-29.tar.gz")),
        members(Path::new(&archive))
    );
}
