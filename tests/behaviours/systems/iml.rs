// SPDX-License-Identifier: MIT OR Apache-2.0
//! Integrated Manager for Lustre: its manager server backed up and restored as Appendix B says, on stand-ins.

mod faults;

use std::fs;
use std::path::Path;

use keepfast_engine::profile::{Asked, Library, Need};

use super::claims::held_against;
use super::reach::within_reach;
use crate::support::standin::{Folder, Recorder, Rehearsal, Stage, World};

const HEADINGS: [&str; 30] = [
    "Backup Overview",
    "Example Backup Checklist",
    "Operating System",
    "Host Name Resolution",
    "Package Update management environment (RPM & YUM)",
    "Identity configuration",
    "Security configuration",
    "Integrated Manager for Lustre* software",
    "Creating a Backup Manifest for the Integrated Manager for Lustre* software Server",
    "Network Configuration Files",
    "YUM Configuration",
    "User Configuration",
    "SSH Host keys (Optional)",
    "SSH user keys (Optional)",
    "NTP Configuration",
    "Integrated Manager for Lustre* software SSL Certificates",
    "Integrated Manager for Lustre* software Database",
    "Restoring the Integrated Manager for Lustre* software Service",
    "Re-install OS and Restore System Configuration",
    "Re-install Integrated Manager for Lustre* software",
    "Restore the NTP Configuration",
    "Restore the Integrated Manager for Lustre* software SSL certificates",
    "Restore the PostgresSQL Database",
    "Restart Integrated Manager for Lustre* software",
    "Potential Issues",
    "Internal Server Error Reported by Browser on Connection to the Integrated Manager for Lustre* software GUI",
    "Graph Data Missing After Restore",
    "Appendix B - Backing up and Restoring Integrated Manager for Lustre* software Server Software",
    "In this Chapter",
    "Manager Server Requirements",
];

/// What these say is done where the manifest and the restore come to it.
const TOLD: [&str; 11] = [
    "Backup Overview",
    "Operating System",
    "Host Name Resolution",
    "Package Update management environment (RPM & YUM)",
    "Identity configuration",
    "Integrated Manager for Lustre* software",
    "Restoring the Integrated Manager for Lustre* software Service",
    "Potential Issues",
    "Appendix B - Backing up and Restoring Integrated Manager for Lustre* software Server Software",
    "In this Chapter",
    "Manager Server Requirements",
];

/// The manifest: all of its files.
const FILES: [&str; 22] = [
    "etc/sysconfig/network",
    "etc/sysconfig/network-scripts/ifcfg-eth0",
    "etc/sysconfig/network-scripts/ifcfg-eth1",
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
    "etc/ssh/ssh_host_rsa_key",
    "etc/ssh/ssh_host_rsa_key.pub",
    "root/.ssh/id_rsa",
    "root/.ssh/id_rsa.pub",
    "etc/ntp.conf",
    "var/lib/chroma/authority.crt",
    "var/lib/chroma/authority.pem",
    "var/lib/chroma/manager.crt",
    "var/lib/chroma/manager.pem",
];

const DUMP: &str = "--\n-- PostgreSQL database cluster dump\n--\n\nDROP DATABASE chroma;\nDROP ROLE chroma;\n\\connect chroma\n\n\
                    COPY public.hosts (id, name) FROM stdin;\n1\tmds\n2\toss\n\\.\n\n\
                    --\n-- PostgreSQL database cluster dump complete\n--\n\n";

/// One file is the whole cluster. Like the real one it answers only while PostgreSQL runs, and nobody else may be at a database
/// that it drops; it ends with 0 whatever becomes of its statements.
const PSQL: &str = r#"
if [ "$(cat "$state/services/postgresql")" != running ]; then
    look "$@"
    echo "psql: error: could not connect to server" >&2
    exit 2
fi
case " $* " in *" --command "*) look "$@"; echo 1; exit 0 ;; esac
cat > "$world/input.$$"
trap 'rm -f "$world/input.$$"' EXIT
case $(head -n 1 "$world/input.$$") in
    "select '"* | 'create database '*) look "$@"; exit 0 ;;
    '\connect'*)
        look "$@"
        grep -c '^[12]' "$state/database" | grep -qx "$(sed -n 's/.*<> \([0-9]*\);$/\1/p' "$world/input.$$")" || echo "public.hosts: other rows"
        exit 0 ;;
    '') if ! [ -s "$world/input.$$" ]; then look "$@"; exit 0; fi ;;
esac
case " $* " in
    # Part of a second try, or of an undo, is to bring back what was there.
    *" --quiet "*) look "$@"; cat "$world/input.$$" > "$state/database"; exit 0 ;;
esac
act "$@"
echo 'ERROR:  current user cannot be dropped' >&2
echo 'ERROR:  role "postgres" already exists' >&2
if [ "$(cat "$state/services/httpd")" = running ]; then echo 'ERROR:  database "chroma" is being accessed by other users' >&2; exit 0; fi
if [ -e "$state/breaks" ]; then cat "$state/breaks" >&2; exit 0; fi
cat "$world/input.$$" > "$state/database"
echo SET
"#;

const PG_DUMPALL: &str = r#"
act "$@"
if [ "$*" != --clean ]; then refuse "this test wants --clean"; fi
if [ "$(cat "$state/services/postgresql")" != running ]; then refuse "could not connect to server"; fi
cat "$state/database"
"#;

const OPENSSL: &str = r#"
look "$@"
for word; do if [ -e "$word" ]; then sed 's/^[a-z]* of //' "$word"; fi; done
"#;

fn write(top: &Path, path: &str, text: &str) {
    let path = top.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A new manager on which the installer has just run, two servers, and a backup of the old manager.
fn build(world: &World) {
    let manager = world.add("manager");
    manager.command("psql", PSQL).command("pg_dumpall", PG_DUMPALL).command("openssl", OPENSSL);
    for service in ["rabbitmq-server", "chroma-supervisor", "httpd", "postgresql", "ntpd"] {
        manager.service(service, "running");
    }
    // NTP remembers what it has read.
    manager.hook("ntpd", "start", "cp \"$root/etc/ntp.conf\" \"$state/ntp\"\n");
    manager
        .remember("ntp", "new etc/ntp.conf")
        .remember("database", &DUMP.replace("mds", "empty").replace("2\toss\n", ""));
    for path in FILES.iter().filter(|path| !path.contains("id_rsa")) {
        manager.file(path, &format!("new {path}\n"));
    }
    manager.file("var/lib/chroma/authority.srl", "01\n");
    manager.file("var/log/chroma/client_errors.log", "a line\n");
    let snapshot = world.folder().join("snapshot");
    for path in FILES {
        write(&snapshot, path, &format!("old {path}\n"));
    }
    for name in ["authority", "manager"] {
        write(&snapshot, &format!("var/lib/chroma/{name}.crt"), &format!("certificate of {name}\n"));
        write(&snapshot, &format!("var/lib/chroma/{name}.pem"), &format!("key of {name}\n"));
    }
    write(&snapshot, "var/lib/chroma/authority.srl", "17\n");
    write(&snapshot, "pgbackup.sql", DUMP);
    for name in ["mds", "oss"] {
        world.add(name).service("chroma-agent", "running");
    }
}

fn stage_with(world: &World, values: &[(&str, &str)]) -> Stage {
    let mut profile = Library::default().find("iml").unwrap();
    within_reach(&mut profile, world);
    profile.hosts = [("manager", "manager"), ("mds", "server"), ("oss", "server")]
        .map(|(name, role)| (name.to_string(), world.host(name).declared(&[role])))
        .into();
    let mut stage = Stage::new(profile, Folder(world.folder().join("snapshot")));
    let always = [("pg_dumpall", "pg_dumpall")];
    stage.values = always.iter().chain(values).map(|(name, value)| (name.to_string(), value.to_string())).collect();
    stage
}

fn plain(world: &World) -> Stage {
    stage_with(world, &[])
}

fn everything(world: &World) -> Stage {
    stage_with(world, &[("system", "backup"), ("ssh_host_keys", "yes"), ("ssh_user_keys", "yes")])
}

fn by_reboot(world: &World) -> Stage {
    stage_with(world, &[("start_by", "reboot")])
}

const RESTORE: Rehearsal = Rehearsal { runbook: "restore", build: &build, stage: &plain, precious: &[], once: &[] };
const EVERYTHING: Rehearsal = Rehearsal { stage: &everything, ..RESTORE };
const GUI: Rehearsal = Rehearsal { runbook: "gui-error", ..RESTORE };
const AGENTS: Rehearsal = Rehearsal { runbook: "restart-agents", ..RESTORE };

fn reads(world: &World, path: &str) -> String {
    fs::read_to_string(world.host("manager").path(path)).unwrap()
}

#[test]
fn the_profile_has_every_section_of_appendix_b() {
    let profile = held_against("iml", &HEADINGS, &TOLD);
    let files = &profile.capture.files;
    let paths: Vec<&str> = files.iter().flat_map(|files| &files.paths).map(String::as_str).collect();
    for path in [
        "/etc/sysconfig/network",
        "/etc/sysconfig/network-scripts/ifcfg-*",
        "/etc/hosts",
        "/etc/resolv.conf",
        "/etc/nsswitch.conf",
        "/etc/yum.conf",
        "/etc/yum.repos.d/*",
        "/etc/passwd",
        "/etc/shadow",
        "/etc/group",
        "/etc/gshadow",
        "/etc/sudoers",
        "/etc/ssh/ssh_host*key*",
        "/root/.ssh/id_rsa*",
        "/root/.ssh/id_dsa*",
        "/etc/ntp.conf",
        "/var/lib/chroma/authority.crt",
        "/var/lib/chroma/authority.pem",
        "/var/lib/chroma/authority.srl",
        "/var/lib/chroma/manager.crt",
        "/var/lib/chroma/manager.pem",
    ] {
        assert!(paths.contains(&format!("{{{{root}}}}{path}").as_str()), "{path}");
    }
    // What the document does not call optional must be there.
    for id in ["network", "yum", "users", "ntp", "certificates"] {
        assert_eq!(files.iter().find(|files| files.id == id).unwrap().need, Need::All, "{id}");
    }
    let stream = &profile.capture.streams[0];
    assert_eq!(stream.run, "su - {{postgres_user}} -c \"{{pg_dumpall}} --clean\"");
    assert_eq!(profile.variables["postgres_user"].value.as_deref(), Some("postgres"));
    assert_eq!(profile.variables["pg_dumpall"].value.as_deref(), Some("/usr/bin/pg_dumpall"));
}

#[test]
fn a_manager_is_restored_in_the_documents_order() {
    let (world, person) = (RESTORE.ready(), Recorder::agrees());
    RESTORE.run(&world, &person).unwrap();
    let calls = world.calls();
    let expected = [
        "manager: service rabbitmq-server stop",
        "manager: service chroma-supervisor stop",
        "manager: service httpd stop",
        "manager: service ntpd restart",
        "manager as postgres: pg_dumpall --clean",
        "manager as postgres: psql postgres",
        "manager: service rabbitmq-server start",
        "manager: service httpd start",
        "manager: service chroma-supervisor start",
    ];
    assert_eq!(calls.of(&["service", "psql", "pg_dumpall"]), expected);
    let steps = [
        "stop-rabbitmq",
        "stop-supervisor",
        "stop-httpd",
        "ntp",
        "restart-ntp",
        "certificates",
        "save-database",
        "database",
        "start-rabbitmq",
        "start-httpd",
        "start-supervisor",
    ];
    assert_eq!(calls.steps(), steps);
    assert_eq!(person.steps(Asked::Manual), ["system", "install", "verified"]);
    assert_eq!(person.steps(Asked::Caution), ["stop-rabbitmq", "database"]);
    assert_eq!(world.host("manager").recalls("database"), DUMP.trim());
    assert_eq!(world.host("manager").recalls("services/postgresql"), "running");
    assert_eq!(world.host("manager").recalls("ntp"), "old etc/ntp.conf");
    assert_eq!(reads(&world, "etc/ntp.conf"), "old etc/ntp.conf\n");
    assert_eq!(reads(&world, "var/lib/chroma/manager.pem"), "key of manager\n");
    assert_eq!(reads(&world, "var/lib/chroma/authority.srl"), "17\n");
    // Provisioning has made the rest.
    assert_eq!(reads(&world, "etc/passwd"), "new etc/passwd\n");
}

#[test]
fn the_system_configuration_and_keys_come_back_where_it_is_wanted() {
    let (world, person) = (EVERYTHING.ready(), Recorder::agrees());
    EVERYTHING.run(&world, &person).unwrap();
    for path in FILES.iter().filter(|path| !path.contains("chroma")) {
        assert_eq!(reads(&world, path), format!("old {path}\n"));
    }
    assert_eq!(person.steps(Asked::Caution), ["restore-system", "stop-rabbitmq", "database"]);
}

#[test]
fn services_start_by_themselves_where_the_server_is_rebooted() {
    let rehearsal = Rehearsal { stage: &by_reboot, ..RESTORE };
    let world = rehearsal.ready();
    // Nobody reboots a stand-in: it is not up, and the runbook says so.
    let person = Recorder::agrees();
    let stopped = rehearsal.run(&world, &person).unwrap_err().to_string();
    assert!(stopped.contains("rabbitmq-server does not run on manager"), "{stopped}");
    assert!(person.steps(Asked::Manual).contains(&"reboot".to_string()));
    for service in ["rabbitmq-server", "chroma-supervisor", "httpd"] {
        world.host("manager").service(service, "running");
    }
    rehearsal.resume(&world, &Recorder::agrees()).unwrap();
    assert!(!world.calls().of(&["service"]).iter().any(|call| call.ends_with("start") && !call.contains("ntpd")));
}

#[test]
fn known_problems_have_their_remedies() {
    let world = GUI.whole();
    assert!(!world.host("manager").path("var/log/chroma/client_errors.log").exists());
    let world = AGENTS.whole();
    assert_eq!(
        world.calls().of(&["service"]),
        ["mds: service chroma-agent restart", "oss: service chroma-agent restart"]
    );
    let profile = Library::default().find("iml").unwrap();
    for (runbook, symptom) in [("gui-error", "Internal Server Error"), ("restart-agents", "OST capacity")] {
        let remedy = &profile.runbooks[runbook];
        assert_eq!(remedy.remedy_of.as_deref(), Some("restore"));
        assert!(remedy.symptom.as_deref().unwrap().contains(symptom));
    }
}

#[test]
fn names_of_dumps_are_known_with_their_time() {
    let profile = Library::default().find("iml").unwrap();
    let vendor = &profile.vendor[0];
    let name = regex::Regex::new(&vendor.name).unwrap();
    let found = name.captures("pgbackup-2026-11-29-03:00:01.sql.gz").unwrap();
    assert_eq!(&found["time"], "2026-11-29-03:00:01");
    assert!(jiff::civil::DateTime::strptime(&vendor.time, &found["time"]).is_ok());
    assert!(!name.is_match("pgbackup-latest.sql.gz"));
}
