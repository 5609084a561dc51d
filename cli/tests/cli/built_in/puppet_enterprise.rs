// SPDX-License-Identifier: MIT OR Apache-2.0
//! A primary of Puppet Enterprise is captured, lost and restored through a repository, with real PostgreSQL at both ends.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::SU;
use super::system::{System, lost};
use crate::support::postgres::Cluster;
use crate::support::standin::State;

const DATABASES: [&str; 4] = ["pe-activity", "pe-classifier", "pe-orchestrator", "pe-rbac"];

const KEYS: &str = "etc/puppetlabs/orchestration-services/conf.d/secrets/keys.json";

const DIFFERS: &str =
    "[variables]\npg_dump.value = \"pg_dump\"\npg_dumpall.value = \"pg_dumpall\"\npsql.value = \"psql\"\n";

/// Databases as Puppet Enterprise has them: each with an owner of its own name.
fn fill(cluster: &Cluster, rows: usize) {
    for name in DATABASES {
        cluster.sql(
            "postgres",
            &format!(
                "create role \"{name}\" login;\ncreate database \"{name}\" owner \"{name}\";\n\\connect \"{name}\"\n\
                 create table items (id int primary key, name text);\nalter table items owner to \"{name}\";\n\
                 insert into items select n, E'item\\t' || n from generate_series(1, {rows}) n;\n"
            ),
        );
    }
}

/// A primary whose files say `word`, and whose databases are `cluster`.
fn install(system: &System, word: &str, cluster: &Cluster) {
    let primary = system.world.add("primary");
    primary.command("su", SU).command("puppet", "look \"$@\"; echo Running");
    for (service, state) in [("pe-puppetserver", "running"), ("pe-nginx", "running"), ("puppet", "stopped")] {
        primary.service(service, state);
    }
    for service in ["pxp-agent", "pe-console-services", "pe-orchestration-services", "pe-puppetdb"] {
        primary.service(service, "running");
    }
    primary.file("opt/puppetlabs/server/pe_version", "2019.8.1\n");
    for path in [KEYS, "etc/puppetlabs/puppet/puppet.conf", "etc/puppetlabs/puppet/ssl/ca/ca_key.pem"] {
        primary.file(path, &format!("{word} {path}\n"));
        fs::set_permissions(primary.path(path), fs::Permissions::from_mode(0o640)).unwrap();
    }
    let system_of = primary.declared(&["primary"]);
    let mut host = system_of;
    cluster.serve(&mut host);
    system.declare(&[("primary", host)], DIFFERS);
    system.forget_calls();
}

#[test]
fn a_lost_primary_is_restored_row_for_row_and_an_undo_leaves_the_new_one() {
    let (Some(old), Some(new)) = (Cluster::start("pe-postgres"), Cluster::start("pe-postgres")) else { return };
    fill(&old, 300);
    fill(&new, 1);
    let system = System::new("puppet-enterprise");
    install(&system, "old", &old);
    let primary = system.world.host("primary");
    primary.file("etc/puppetlabs/code/site.pp", "node default {}\n");
    symlink("site.pp", primary.path("etc/puppetlabs/code/link.pp")).unwrap();
    fs::set_permissions(primary.path("etc/puppetlabs/puppet/ssl"), fs::Permissions::from_mode(0o771)).unwrap();
    system.back_up();
    assert_eq!(system.world.calls().acts().len(), 0, "a backup stops nothing");
    let was = State::of(&primary.root());
    let wanted = old.everything();
    system.lose("primary");
    drop(old);
    install(&system, "new", &new);
    let (before, databases) = (system.world.state(), new.everything());
    let run = system.recover(&[]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(lost(&was, &State::of(&primary.root()), &["etc/puppetlabs"]), Vec::<String>::new());
    assert_eq!(new.everything(), wanted);
    let services =
        ["pxp-agent", "pe-nginx", "pe-console-services", "pe-orchestration-services", "pe-puppetserver", "pe-puppetdb"];
    let stops = services.iter().map(|service| format!("primary: systemctl stop {service}"));
    let starts = services.iter().rev().map(|service| format!("primary: systemctl start {service}"));
    assert_eq!(system.world.calls().of(&["systemctl"]), stops.chain(starts).collect::<Vec<_>>());
    assert_eq!(primary.recalls("services/puppet"), "stopped", "what did not run is not started");
    system.undo(&before);
    assert_eq!(new.everything(), databases);
}

#[test]
fn a_primary_of_another_version_is_not_touched() {
    let Some(cluster) = Cluster::start("pe-postgres") else { return };
    fill(&cluster, 3);
    let system = System::new("puppet-enterprise");
    install(&system, "old", &cluster);
    system.back_up();
    system.lose("primary");
    install(&system, "new", &cluster);
    system.world.host("primary").file("opt/puppetlabs/server/pe_version", "2021.1.0\n");
    let before = system.world.state();
    let run = system.recover(&[]);
    assert!(run.code == 1 && run.err.contains("the backup is of version 2019.8.1"), "{run:?}");
    assert_eq!(system.world.state(), before);
    assert!(system.world.calls().acts().is_empty());
}

#[test]
fn a_primary_without_its_secret_key_is_no_whole_backup() {
    let Some(cluster) = Cluster::start("pe-postgres") else { return };
    fill(&cluster, 3);
    let system = System::new("puppet-enterprise");
    install(&system, "old", &cluster);
    fs::remove_file(system.world.host("primary").path(KEYS)).unwrap();
    let run = system.run(&["backup", "--profile", "puppet-enterprise"]);
    assert!(run.code == 3 && run.err.contains("keys.json"), "{run:?}");
    let run = system.recover(&[]);
    assert!(run.code == 1 && run.err.contains("incomplete"), "{run:?}");
}
