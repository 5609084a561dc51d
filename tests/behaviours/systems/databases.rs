// SPDX-License-Identifier: MIT OR Apache-2.0
//! The dumps of IML and Puppet Enterprise, with real PostgreSQL at both ends: out by the profile's own commands, in by its
//! runbooks, row for row equal after; and drills, with a server of their own.

mod drills;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use keepfast_engine::profile::{Library, Profile, Values, template};

use super::reach::within_reach;
use crate::support::postgres::Cluster;
use crate::support::standin::{Folder, Recorder, Rehearsal, Stage, World};

/// Rows with all that a dump has to quote.
const ROWS: &str = "create role chroma login;\ncreate database chroma owner chroma;\n\\connect chroma\n\
    create table \"Hosts\" (id int primary key, name text);\ninsert into \"Hosts\" select n, 'host ' || n from generate_series(1, 500) n;\n\
    create schema s;\ncreate table s.odd (text text);\ninsert into s.odd values (E'a\\tb\\\\n'), (null), (E'\\\\.'), ('ä');\n\
    create table nothing (id int);\n\
    insert into s.odd values ('COPY public.x (y) FROM stdin;'), ('-- PostgreSQL database cluster dump complete');\n";

/// What the installer leaves: the same roles and databases, and nothing in them.
const UNPOPULATED: &str = "create role chroma login;\ncreate database chroma owner chroma;\n\
                           create role extra;\ncreate database extra owner extra;\n";

/// Where a stream of the profile would be captured to, captured from `cluster`.
fn capture(profile: &Profile, id: &str, values: &[(&str, &str)], cluster: &Cluster, snapshot: &Path) {
    let given = values.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let stream = profile.capture.streams.iter().find(|stream| stream.id == id).unwrap();
    let script = template::script(&stream.run, &Values::new(profile, &given).unwrap()).unwrap();
    let to = snapshot.join(id);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    let world = World::new();
    let standin = world.add("old");
    standin.command("su", SU);
    let mut host = standin.declared(&[]);
    cluster.serve(&mut host);
    let mut command = Command::new("sh");
    command.args(["-c", &script]).envs(&host.environment).stdout(fs::File::create(&to).unwrap());
    let ended = command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
}

/// Stays who it is, whoever it shall be: the server trusts everybody who reaches its socket.
const SU: &str = r#"
while [ "$1" != -c ]; do shift; done
PATH=$fakes exec sh -c "$2"
"#;

const CHROMA: [&str; 5] = ["authority.crt", "authority.pem", "authority.srl", "manager.crt", "manager.pem"];

/// A manager after its installation, without what other tests try: only its database counts here.
fn build_iml(world: &World, snapshot: &Path) {
    let manager = world.add("manager");
    manager.command("su", SU).command("openssl", "echo same");
    for service in ["rabbitmq-server", "chroma-supervisor", "httpd", "ntpd"] {
        manager.service(service, "running");
    }
    manager.file("etc/ntp.conf", "");
    for name in CHROMA {
        manager.file(&format!("var/lib/chroma/{name}"), "new");
        fs::create_dir_all(snapshot.join("var/lib/chroma")).unwrap();
        fs::write(snapshot.join("var/lib/chroma").join(name), "old").unwrap();
    }
    fs::create_dir_all(snapshot.join("etc")).unwrap();
    fs::write(snapshot.join("etc/ntp.conf"), "").unwrap();
}

fn stage_iml(world: &World, snapshot: &Path, cluster: &Cluster) -> Stage {
    let mut profile = Library::default().find("iml").unwrap();
    within_reach(&mut profile, world);
    let mut host = world.host("manager").declared(&["manager"]);
    cluster.serve(&mut host);
    profile.hosts.insert("manager".to_string(), host);
    let mut stage = Stage::new(profile, Folder(snapshot.to_path_buf()));
    stage.values.insert("pg_dumpall".to_string(), "pg_dumpall".to_string());
    stage
}

#[test]
fn every_row_of_a_manager_comes_back_and_an_undo_brings_back_those_before() {
    let (Some(old), Some(new)) = (Cluster::start("postgres"), Cluster::start("postgres")) else { return };
    old.sql("postgres", ROWS);
    new.sql("postgres", UNPOPULATED);
    let folder = tempfile::tempdir().unwrap();
    let profile = Library::default().find("iml").unwrap();
    capture(&profile, "pgbackup.sql", &[("pg_dumpall", "pg_dumpall")], &old, folder.path());
    let (build, stage) =
        (|world: &World| build_iml(world, folder.path()), |world: &World| stage_iml(world, folder.path(), &new));
    let rehearsal = Rehearsal { runbook: "restore", build: &build, stage: &stage, precious: &[], once: &[] };
    let (before, wanted) = (new.everything(), old.everything());
    assert_ne!(before, wanted);
    let world = rehearsal.whole();
    // What the installer has made beside it is none of the dump's.
    new.sql("postgres", "drop database extra;\ndrop role extra;\n");
    assert_eq!(new.everything(), wanted);
    assert_eq!(new.sql("chroma", "select count(*) from \"Hosts\""), "500\n");
    rehearsal.undo(&world, &Recorder::agrees()).unwrap();
    assert_eq!(new.everything(), before);
    // An imported dump is compressed, as the document's command has made it.
    let gzip = Command::new("gzip").arg(folder.path().join("pgbackup.sql")).status().unwrap();
    assert!(gzip.success());
    rehearsal.whole();
    new.sql("postgres", "drop database extra;\ndrop role extra;\n");
    assert_eq!(new.everything(), wanted);
    // Cut off, it is seen before anything is stopped.
    let archive = folder.path().join("pgbackup.sql.gz");
    let whole = fs::read(&archive).unwrap();
    fs::write(&archive, &whole[..whole.len() / 2]).unwrap();
    let world = rehearsal.ready();
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("the dump is cut off"), "{stopped}");
    assert!(world.calls().acts().is_empty());
}

#[test]
fn a_database_that_is_held_open_is_a_fatal_error_of_a_restore() {
    let (Some(old), Some(new)) = (Cluster::start("postgres"), Cluster::start("postgres")) else { return };
    old.sql("postgres", ROWS);
    new.sql("postgres", UNPOPULATED);
    let folder = tempfile::tempdir().unwrap();
    let profile = Library::default().find("iml").unwrap();
    capture(&profile, "pgbackup.sql", &[("pg_dumpall", "pg_dumpall")], &old, folder.path());
    let (build, stage) =
        (|world: &World| build_iml(world, folder.path()), |world: &World| stage_iml(world, folder.path(), &new));
    let rehearsal = Rehearsal { runbook: "restore", build: &build, stage: &stage, precious: &[], once: &[] };
    let mut holds = Command::new("psql");
    holds.args(["chroma", "-c", "select pg_sleep(600)"]).envs(new.environment());
    let mut holds = holds.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while new.sql("postgres", "select count(*) from pg_stat_activity where datname = 'chroma'") != "1\n" {
        assert!(began.elapsed() < Duration::from_secs(60), "psql does not connect");
        std::thread::sleep(Duration::from_millis(50));
    }
    let world = rehearsal.ready();
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err();
    holds.kill().unwrap();
    holds.wait().unwrap();
    assert_eq!(stopped.step, "database", "{stopped}");
    assert!(stopped.to_string().contains("is being accessed by other users"), "{stopped}");
    new.sql("postgres", "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'chroma'");
    rehearsal.resume(&world, &Recorder::agrees()).unwrap();
    assert_eq!(new.sql("chroma", "select count(*) from s.odd"), "6\n");
}

const DATABASES: [&str; 4] = ["pe-activity", "pe-classifier", "pe-orchestrator", "pe-rbac"];

/// Databases as Puppet Enterprise has them: each with an owner of its own name.
fn puppets(cluster: &Cluster, rows: usize) {
    for name in DATABASES {
        cluster.sql(
            "postgres",
            &format!(
                "create role \"{name}\" login password 'x';\ncreate database \"{name}\" owner \"{name}\";\n\\connect \"{name}\"\n\
                 create table items (id int primary key, name text);\nalter table items owner to \"{name}\";\n\
                 create table odd (text text);\ninsert into odd values (E'\\\\.'), (null);\n\
                 insert into items select n, 'item ' || n from generate_series(1, {rows}) n;\n"
            ),
        );
    }
}

fn capture_puppet(cluster: &Cluster, snapshot: &Path) {
    let profile = Library::default().find("puppet-enterprise").unwrap();
    let values = [("pg_dump", "pg_dump"), ("pg_dumpall", "pg_dumpall")];
    for id in profile.capture.streams.iter().filter(|stream| stream.when.is_none()).map(|stream| &stream.id) {
        capture(&profile, id, &values, cluster, snapshot);
    }
    let keys = snapshot.join("etc/puppetlabs/orchestration-services/conf.d/secrets");
    fs::create_dir_all(&keys).unwrap();
    fs::write(keys.join("keys.json"), "{\"key\": 1}\n").unwrap();
    fs::create_dir_all(snapshot.join("opt/puppetlabs/server")).unwrap();
    fs::write(snapshot.join("opt/puppetlabs/server/pe_version"), "2019.8.1\n").unwrap();
}

#[test]
fn every_row_of_a_primary_comes_back_and_an_undo_brings_back_those_before() {
    let (Some(old), Some(new)) = (Cluster::start("pe-postgres"), Cluster::start("pe-postgres")) else { return };
    puppets(&old, 300);
    puppets(&new, 1);
    let folder = tempfile::tempdir().unwrap();
    capture_puppet(&old, folder.path());
    fs::create_dir_all(folder.path().join("etc/puppetlabs/puppet/ssl/ca")).unwrap();
    fs::write(folder.path().join("etc/puppetlabs/puppet/ssl/ca/ca_key.pem"), "key").unwrap();
    let build = |world: &World| {
        let primary = world.add("primary");
        primary.command("su", SU).command("puppet", "echo Running").service("pe-puppetserver", "running");
        primary.file("opt/puppetlabs/server/pe_version", "2019.8.1\n").file("etc/puppetlabs/puppet/puppet.conf", "new");
    };
    let stage = |world: &World| {
        let mut profile = Library::default().find("puppet-enterprise").unwrap();
        within_reach(&mut profile, world);
        let mut host = world.host("primary").declared(&["primary"]);
        new.serve(&mut host);
        profile.hosts.insert("primary".to_string(), host);
        let mut stage = Stage::new(profile, Folder(folder.path().to_path_buf()));
        for name in ["pg_dump", "psql"] {
            stage.values.insert(name.to_string(), name.to_string());
        }
        stage
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &build, stage: &stage, precious: &[], once: &[] };
    let (before, wanted) = (new.everything(), old.everything());
    let without_passwords =
        |text: &str| text.lines().filter(|line| !line.contains(" PASSWORD ")).map(String::from).collect::<Vec<_>>();
    assert_ne!(without_passwords(&before), without_passwords(&wanted));
    let world = rehearsal.whole();
    assert_eq!(without_passwords(&new.everything()), without_passwords(&wanted));
    rehearsal.undo(&world, &Recorder::agrees()).unwrap();
    assert_eq!(new.everything(), before);
    // A dump with an error in its middle leaves its database as it was.
    let path = folder.path().join("databases/pe-rbac.sql");
    let broken = fs::read_to_string(&path).unwrap().replace("\n200\titem 200\n", "\nno number\titem 200\n");
    fs::write(&path, broken).unwrap();
    let stopped = rehearsal.run(&rehearsal.ready(), &Recorder::agrees()).unwrap_err();
    assert_eq!(stopped.step, "load-pe-rbac");
    assert!(stopped.to_string().contains("no number"), "{stopped}");
    assert_eq!(new.sql("pe-rbac", "select count(*) from items"), "1\n");
}
