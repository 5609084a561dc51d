// SPDX-License-Identifier: MIT OR Apache-2.0
//! A manager of Integrated Manager for Lustre is captured, lost and restored through a repository, with real PostgreSQL at both
//! ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::system::{System, lost};
use super::{ROWS, SU};
use crate::support::postgres::Cluster;
use crate::support::standin::State;

const CHROMA: [&str; 5] = ["authority.crt", "authority.pem", "authority.srl", "manager.crt", "manager.pem"];

/// The manifest beside NTP and certificates.
const SYSTEM: [&str; 15] = [
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
    "etc/pam.d/sshd",
    "etc/ssh/ssh_host_rsa_key",
    "root/.ssh/id_rsa",
];

/// Certificates and keys are texts: what belongs together ends with the same words.
const OPENSSL: &str = "look \"$@\"\nfor word; do if [ -e \"$word\" ]; then sed 's/^[a-z]* of //' \"$word\"; fi; done\n";

const DIFFERS: &str = "[variables]\npg_dumpall.value = \"pg_dumpall\"\nsystem.value = \"backup\"\nssh_host_keys.value = \"yes\"\n\
                       ssh_user_keys.value = \"yes\"\n";

/// A manager whose files say `word`, and whose database is `cluster`.
fn install(system: &System, word: &str, cluster: &Cluster) {
    let manager = system.world.add("manager");
    manager.command("su", SU).command("openssl", OPENSSL);
    for service in ["rabbitmq-server", "chroma-supervisor", "httpd", "ntpd"] {
        manager.service(service, "running");
    }
    manager.hook("ntpd", "start", "cp \"$root/etc/ntp.conf\" \"$state/ntp\"\n");
    manager.file("etc/ntp.conf", &format!("server {word}\n")).remember("ntp", &format!("server {word}"));
    for path in SYSTEM {
        manager.file(path, &format!("{word} {path}\n"));
    }
    for name in CHROMA {
        manager.file(&format!("var/lib/chroma/{name}"), &format!("certificate of {word}\n"));
    }
    for (path, mode) in [("etc/shadow", 0o000), ("etc/sudoers", 0o440), ("root/.ssh/id_rsa", 0o600)] {
        fs::set_permissions(manager.path(path), fs::Permissions::from_mode(mode | 0o400)).unwrap();
    }
    let mut host = manager.declared(&["manager"]);
    cluster.serve(&mut host);
    system.declare(&[("manager", host)], DIFFERS);
    system.forget_calls();
}

#[test]
fn a_lost_manager_is_restored_row_for_row_and_an_undo_leaves_the_new_one() {
    let (Some(old), Some(new)) = (Cluster::start("postgres"), Cluster::start("postgres")) else { return };
    old.sql("postgres", ROWS);
    new.sql("postgres", "create role chroma login;\ncreate database chroma owner chroma;\n");
    let system = System::new("iml");
    install(&system, "old", &old);
    system.back_up();
    assert_eq!(system.world.calls().acts().len(), 0, "a backup stops nothing");
    let was = State::of(&system.world.host("manager").root());
    let wanted = old.everything();
    system.lose("manager");
    drop(old);
    install(&system, "new", &new);
    let (before, database) = (system.world.state(), new.everything());
    let run = system.recover(&[]);
    assert_eq!(run.code, 0, "{run:?}");
    let paths: Vec<String> = CHROMA.iter().map(|name| format!("var/lib/chroma/{name}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).chain(SYSTEM).chain(["etc/ntp.conf"]).collect();
    let manager = system.world.host("manager");
    assert_eq!(lost(&was, &State::of(&manager.root()), &paths), Vec::<String>::new());
    assert_eq!(new.everything(), wanted);
    assert_eq!(manager.recalls("ntp"), "server old", "NTP has read what was put back");
    let calls = [
        "manager: service rabbitmq-server stop",
        "manager: service chroma-supervisor stop",
        "manager: service httpd stop",
        "manager: service ntpd restart",
        "manager: service rabbitmq-server start",
        "manager: service httpd start",
        "manager: service chroma-supervisor start",
    ];
    assert_eq!(system.world.calls().of(&["service"]), calls);
    system.undo(&before);
    assert_eq!(new.everything(), database);
}

#[test]
fn a_database_that_can_not_be_dumped_is_no_backup_to_restore_a_manager_from() {
    let Some(cluster) = Cluster::start("postgres") else { return };
    let system = System::new("iml");
    install(&system, "old", &cluster);
    let manager = system.world.host("manager");
    for (dump, why) in [("echo 'DROP ROLE a;'; exit 1", "failed"), ("exit 0", "it wrote nothing")] {
        manager.command("pg_dumpall", dump);
        let run = system.run(&["backup", "--profile", "iml"]);
        assert!(run.code == 3 && run.err.contains("pgbackup.sql") && run.err.contains(why), "{run:?}");
        let run = system.recover(&[]);
        assert!(run.code == 1 && run.err.contains("is incomplete"), "{run:?}");
        assert!(system.world.calls().of(&["service"]).is_empty());
    }
    // Whoever takes it all the same is told before anything is stopped.
    let run = system.recover(&["latest"]);
    assert!(run.code == 1 && run.err.contains("pgbackup.sql could not be read when it was backed up"), "{run:?}");
    assert!(system.world.calls().of(&["service"]).is_empty());
}
