// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drills with a PostgreSQL of their own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use keepfast_engine::profile::Library;

use super::{ROWS, capture, capture_puppet, puppets};
use crate::support::postgres::{Cluster, open};
use crate::support::standin::{Folder, Recorder, Rehearsal, Stage, World};

/// Files of a manager, with certificates that belong together; none where there is no openssl.
fn files_of_a_manager(snapshot: &Path) -> bool {
    for path in [
        "etc/sysconfig/network",
        "etc/sysconfig/network-scripts/ifcfg-eth0",
        "etc/hosts",
        "etc/resolv.conf",
        "etc/nsswitch.conf",
        "etc/yum.conf",
        "etc/yum.repos.d/base.repo",
        "etc/passwd",
        "etc/shadow",
        "etc/group",
        "etc/gshadow",
        "etc/sudoers",
        "etc/ntp.conf",
        "var/lib/chroma/authority.srl",
    ] {
        fs::create_dir_all(snapshot.join(path).parent().unwrap()).unwrap();
        fs::write(snapshot.join(path), "text").unwrap();
    }
    ["authority", "manager"]
        .iter()
        .all(|name| certificate(&snapshot.join("var/lib/chroma"), &format!("{name}.pem"), &format!("{name}.crt")))
}

fn certificate(folder: &Path, key: &str, certificate: &str) -> bool {
    fs::create_dir_all(folder).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]);
    match openssl.args(["-keyout", key, "-out", certificate]).current_dir(folder).output() {
        Err(error) => {
            println!("skipped: no openssl here: {error}");
            false
        }
        Ok(made) => {
            assert!(made.status.success(), "{made:?}");
            true
        }
    }
}

/// A drill below a scratch folder, on this machine.
fn drill(name: &'static str, snapshot: &Path) -> impl Fn(&World) -> Stage + Sync {
    let snapshot = snapshot.to_path_buf();
    move |world: &World| {
        let root = world.folder().join("scratch");
        fs::create_dir_all(&root).unwrap();
        open(world.folder());
        let mut stage = Stage::new(Library::default().find(name).unwrap(), Folder(snapshot.clone()));
        stage.values.insert("root".to_string(), root.to_str().unwrap().to_string());
        stage
    }
}

/// The drill's server is gone, whatever came of it.
fn is_tidy(world: &World) {
    assert!(!world.folder().join("scratch/keepfast-postgresql").exists());
}

#[test]
fn a_drill_of_a_manager_loads_every_row_and_leaves_no_server() {
    let Some(old) = Cluster::start("postgres") else { return };
    old.sql("postgres", ROWS);
    let folder = tempfile::tempdir().unwrap();
    let profile = Library::default().find("iml").unwrap();
    capture(&profile, "pgbackup.sql", &[("pg_dumpall", "pg_dumpall")], &old, folder.path());
    if !files_of_a_manager(folder.path()) {
        return;
    }
    let stage = drill("iml", folder.path());
    let rehearsal = Rehearsal { runbook: "drill", build: &|_| (), stage: &stage, precious: &[], once: &[] };
    let world = rehearsal.whole();
    is_tidy(&world);
    // In a folder that nobody but root may enter, the server's data is elsewhere, and gone just so.
    let closed = |world: &World| {
        let stage = stage(world);
        fs::set_permissions(world.folder(), fs::Permissions::from_mode(0o700)).unwrap();
        stage
    };
    is_tidy(&Rehearsal { stage: &closed, ..rehearsal }.whole());
    assert!(world.folder().join("scratch/etc/passwd").exists());
    let says = |path: &str, change: &dyn Fn(String) -> String, step: &str| {
        let path = folder.path().join(path);
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, change(whole.clone())).unwrap();
        let world = rehearsal.ready();
        let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err();
        assert_eq!(stopped.step, step, "{stopped}");
        is_tidy(&world);
        fs::write(&path, whole).unwrap();
    };
    says("pgbackup.sql", &|dump| dump.replace("CREATE SCHEMA s;", "CREATE SCHEM s;"), "load");
    says("pgbackup.sql", &|dump| dump.replacen("cluster dump complete\n--\n", "cluster\n--\n", 9), "dump");
    let other = fs::read_to_string(folder.path().join("var/lib/chroma/authority.pem")).unwrap();
    says("var/lib/chroma/manager.pem", &|_| other.clone(), "certificates");
}

#[test]
fn a_drill_of_a_primary_loads_every_database_and_leaves_no_server() {
    let Some(old) = Cluster::start("pe-postgres") else { return };
    puppets(&old, 300);
    let folder = tempfile::tempdir().unwrap();
    capture_puppet(&old, folder.path());
    if !certificate(&folder.path().join("etc/puppetlabs/puppet/ssl/ca"), "ca_key.pem", "ca_crt.pem") {
        return;
    }
    let stage = drill("puppet-enterprise", folder.path());
    let rehearsal = Rehearsal { runbook: "drill", build: &|_| (), stage: &stage, precious: &[], once: &[] };
    is_tidy(&rehearsal.whole());
    let path = folder.path().join("databases/pe-activity.sql");
    let whole = fs::read_to_string(&path).unwrap();
    // Rows that the dump has and the database would not: one less is loaded than counted, and the end is cut off.
    for (dump, step) in
        [(&whole[..whole.find("\n250\t").unwrap()], "rows-pe-activity"), ("\\foo\nselect;;;x\n", "load-pe-activity")]
    {
        fs::write(&path, dump).unwrap();
        let world = rehearsal.ready();
        let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err();
        assert!([step, "load-pe-activity"].contains(&stopped.step.as_str()), "{stopped}");
        is_tidy(&world);
    }
}
