// SPDX-License-Identifier: MIT OR Apache-2.0
//! Puppet Enterprise: "Configure disaster recovery" on stand-ins, every command and variant of it, and restores of the primary.

use std::fs;
use std::path::Path;

use keepfast_engine::profile::{Asked, Library, Need};
use keepfast_engine::runbook::{RunbookError, Why};

use super::documents::{held_against, needs, needs_in_snapshot, stops_where_a_person_says_no, survives_everything};
use super::reach::{shut, turn, within_reach};
use crate::support::standin::{Fault, Folder, Recorder, Rehearsal, Stage, World, is_child};

const HEADINGS: [&str; 7] = [
    "Configure disaster recovery",
    "Provision and enable a replica",
    "Managing agent communication in geo-diverse installations",
    "Promote a replica",
    "Enable a new replica using a failed master",
    "Forget a replica",
    "Reinitialize a replica",
];

const KEYS: &str = "etc/puppetlabs/orchestration-services/conf.d/secrets/keys.json";
const DATABASES: [&str; 4] = ["pe-activity", "pe-classifier", "pe-orchestrator", "pe-rbac"];
const SERVICES: [&str; 7] = [
    "puppet",
    "pxp-agent",
    "pe-nginx",
    "pe-console-services",
    "pe-orchestration-services",
    "pe-puppetserver",
    "pe-puppetdb",
];

/// Puppet, as far as the document uses it. Two active primaries, a second replica and an unanswered prompt are refused.
const PUPPET: &str = r#"
conf=$root/etc/puppetlabs/puppet/puppet.conf
case "$1 $2" in
    "config print") look "$@"; sed -n "s/^$3 = //p" "$conf" ;;
    "config set") act "$@"; sed -i "s/^$3 = .*/$3 = $4/" "$conf" ;;
    "agent -t")
        case "$*" in
            *--noop*)
                look "$@"
                if [ -e "$state/would-change" ]; then echo "Notice: /Stage[main]/File[x]: current_value 'a', should be 'b' (noop)"; fi ;;
            *)
                act "$@"
                if [ -e "$state/changes" ]; then exit 2; fi ;;
        esac ;;
    "job run") act "$@" ;;
    "infrastructure status")
        look "$@"
        echo "Primary: pe-console"
        if [ -e "$state/replica" ]; then echo "Replica: $(cat "$state/replica")"; fi
        if [ -e "$state/unwell" ]; then echo "    PuppetDB: Unreachable"; fi
        echo "    Puppet Server: Running, checked via https://localhost:8140/status" ;;
    "infrastructure provision")
        act "$@"
        if [ "$(cat "$state/replica" 2>/dev/null || echo "$4")" != "$4" ]; then refuse "there is a replica already"; fi
        echo "$4" > "$state/replica"
        case "$*" in *--skip-agent-config*) ;; *) echo told > "$state/agents" ;; esac ;;
    "infrastructure enable") act "$@"; echo "$4" > "$state/enabled" ;;
    "infrastructure forget") act "$@"; rm -f "$state/replica" "$state/agents" ;;
    "infrastructure promote")
        act "$@"
        if [ "$(cat "$world/hosts/primary/state/services/pe-puppetserver")" = running ]; then refuse "there would be two active primaries"; fi
        echo primary > "$state/role" ;;
    "infrastructure run") act "$@"; echo "$*" > "$state/replica" ;;
    "infrastructure reinitialize")
        act "$@"
        read -r answer
        if [ "$answer" != y ]; then refuse "not confirmed"; fi
        for name in pe-activity pe-classifier pe-orchestrator pe-rbac; do
            if [ "${5:-$name}" = "$name" ]; then echo "anew" > "$state/db/$name"; fi
        done ;;
    *) refuse "$* is not a command of Puppet" ;;
esac
"#;

/// Runs the rest on another stand-in, whose root is another folder.
const SSH: &str = r#"
words=$*
shift 2
target=${1#*@}
shift
other=$world/hosts/$target
script=$(printf '%s' "$*" | sed "s#$root#$other/root#g")
case $script in true | cat* | test*) look "$words" ;; *) act "$words" ;; esac
if [ -e "$state/no-ssh" ]; then refuse "Permission denied (publickey)."; fi
sh -c "$script"
"#;

/// What is only read into a pipe is no call of its own: the one at the other end is.
const TAR: &str = r#"
case " $* " in *" -cpf - "*) look "$@" ;; *) act "$@" ;; esac
tar "$@"
"#;

const SU: &str = r#"
if [ "$1 $3 $4 $5" != "- -s /bin/sh -c" ]; then refuse "usage: su - USER -s /bin/sh -c SCRIPT"; fi
STANDIN_WHERE="$where as $2" PATH=$fakes exec sh -c "$6"
"#;

const PG_DUMP: &str = r#"
act "$@"
for database; do :; done
cat "$state/db/$database"
"#;

/// All or nothing, as with --single-transaction. Counts what it is asked to.
const PSQL: &str = r#"
for database; do :; done
cat > "$world/input.$$"
trap 'rm -f "$world/input.$$"' EXIT
case " $* " in
    *" --single-transaction "*)
        act "$@"
        if grep -q '^broken' "$world/input.$$"; then echo 'psql:<stdin>:1: ERROR:  syntax error at or near "broken"' >&2; exit 3; fi
        cat "$world/input.$$" > "$state/db/$database" ;;
    *)
        look "$@"
        sed -n 's/.*<> \([0-9]*\);$/\1/p' "$world/input.$$" | while read -r rows; do
            if [ "$(grep -c '^[0-9]' "$state/db/$database")" != "$rows" ]; then echo "public.items: other rows"; fi
        done ;;
esac
"#;

const ID: &str = "look \"$@\"\nif [ -e \"$state/uid\" ]; then cat \"$state/uid\"; else echo 0; fi";
const CURL: &str = "look \"$@\"\nif [ -e \"$world/closed-8140\" ]; then exit 7; fi\necho running";
const PUPPET_BACKUP: &str = "act \"$@\"\nif [ \"$1\" != restore ] || ! [ -s \"$2\" ]; then refuse 'no archive'; fi\necho archive > \"$state/restored\"";

fn dump(database: &str, rows: usize) -> String {
    let rows: String = (1..=rows).map(|row| format!("{row}\titem\n")).collect();
    format!("--\n-- {database}\n--\nCOPY public.items (id, name) FROM stdin;\n{rows}\\.\n\n")
}

fn write(top: &Path, path: &str, text: &str) {
    let path = top.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A primary, the node that is or becomes its replica, an agent, and a backup of the primary.
fn build(world: &World) {
    for name in ["primary", "replica", "agent"] {
        let node = world.add(name);
        node.command("puppet", PUPPET).command("id", ID).command("curl", CURL).command("ssh", SSH).command("tar", TAR);
        node.command("su", SU).command("pg_dump", PG_DUMP).command("psql", PSQL).command("puppet-backup", PUPPET_BACKUP);
        node.file("root/.puppetlabs/token", "0token");
        node.file("etc/puppetlabs/puppet/puppet.conf", &format!("[main]\ncertname = {name}\nserver = nobody\n"));
        for database in DATABASES {
            node.remember(&format!("db/{database}"), &dump(database, 1));
        }
    }
    let primary = world.host("primary");
    for service in SERVICES {
        // The last one is not part of this installation.
        if service != "pe-puppetdb" {
            primary.service(service, "running");
        }
    }
    primary.file(KEYS, "{\"key\": \"new\"}\n").file("opt/puppetlabs/server/pe_version", "2019.8.1\n");
    primary.file("etc/puppetlabs/puppet/ssl/ca/ca_key.pem", "new\n");
    let snapshot = world.folder().join("snapshot");
    write(&snapshot, KEYS, "{\"key\": \"old\"}\n");
    write(&snapshot, "etc/puppetlabs/puppet/puppet.conf", "[main]\ncertname = primary\nserver = primary\n");
    write(&snapshot, "etc/puppetlabs/puppet/ssl/ca/ca_key.pem", "old\n");
    write(&snapshot, "opt/puppetlabs/server/pe_version", "2019.8.1\n");
    write(&snapshot, "var/puppetlabs/backups/pe_backup.tgz", "");
    let empty = std::process::Command::new("gzip").arg("-nc").stdin(std::process::Stdio::null()).output().unwrap();
    fs::write(snapshot.join("var/puppetlabs/backups/pe_backup.tgz"), empty.stdout).unwrap();
    for database in DATABASES {
        write(&snapshot, &format!("databases/{database}.sql"), &dump(database, 3));
    }
}

/// The primary of before has failed, and is off.
fn failed(world: &World) {
    build(world);
    for service in SERVICES.iter().filter(|service| **service != "pe-puppetdb") {
        world.host("primary").service(service, "stopped");
    }
}

/// There is a replica already.
fn provisioned(world: &World) {
    build(world);
    world.host("primary").remember("replica", "replica");
}

fn stage(world: &World, values: &[(&str, &str)]) -> Stage {
    let mut profile = Library::default().find("puppet-enterprise").unwrap();
    within_reach(&mut profile, world);
    for (name, role) in [("primary", "primary"), ("replica", "replica"), ("agent", "node")] {
        let standin = world.host(name);
        let mut host = standin.declared(&[role]);
        host.environment.insert("HOME".to_string(), standin.path("root").to_str().unwrap().to_string());
        host.environment.insert("SUDO_USER".to_string(), String::new());
        profile.hosts.insert(name.to_string(), host);
    }
    let mut stage = Stage::new(profile, Folder(world.folder().join("snapshot")));
    let always = [
        ("primary", "primary"),
        ("replica", "replica"),
        ("old_primary", "10.0.0.1"),
        ("replica_address", "10.0.0.2"),
        ("failed_master", "old.example"),
        ("pg_dump", "pg_dump"),
        ("psql", "psql"),
    ];
    stage.values = always.iter().chain(values).map(|(name, value)| (name.to_string(), value.to_string())).collect();
    stage
}

type Staged = &'static (dyn Fn(&World) -> Stage + Sync);

const PROVISION: Rehearsal = Rehearsal { runbook: "provision", build: &build, stage: &plain, precious: &[] };
const ENABLE: Rehearsal = Rehearsal { runbook: "enable", build: &provisioned, ..PROVISION };
const PROMOTE: Rehearsal = Rehearsal { runbook: "promote", build: &failed, ..PROVISION };
const FAILOVER: Rehearsal = Rehearsal { runbook: "enable-failed-master", ..PROVISION };
const FORGET: Rehearsal = Rehearsal { runbook: "forget", build: &provisioned, ..PROVISION };
const REINITIALIZE: Rehearsal = Rehearsal { runbook: "reinitialize", build: &provisioned, ..PROVISION };
const RESTORE: Rehearsal = Rehearsal { runbook: "restore", ..PROVISION };
const ARCHIVE: Rehearsal = Rehearsal { runbook: "restore-archive", ..PROVISION };

fn plain(world: &World) -> Stage {
    stage(world, &[])
}

const SKIP: Staged = &|world| stage(world, &[("skip_agent_config", "yes"), ("agent_settings", "hiera")]);
const AGENTS: Staged = &|world| stage(world, &[("deploy", "agents"), ("failover_test", "yes")]);
const DIRECT: Staged = &|world| stage(world, &[("deploy", "direct")]);
const ONE: Staged = &|world| stage(world, &[("database", "pe-rbac")]);
const UNSAVED: Staged = &|world| stage(world, &[("save_replica", "no")]);
const DISK: Staged = &|world| {
    let disk = world.folder().join("disk");
    write(&disk, KEYS, "{}");
    stage(world, &[("replica_disk", disk.to_str().unwrap())])
};

const COMMANDS: [&str; 2] = ["puppet", "ssh"];
const JOB: &str = "puppet job run --no-enforce-environment --query nodes {deactivated is null and expired is null}";

#[test]
fn the_profile_has_every_section_of_puppets_document() {
    let profile = held_against("puppet-enterprise", &HEADINGS, &[]);
    let streams: Vec<&str> = profile.capture.streams.iter().map(|stream| stream.id.as_str()).collect();
    for database in DATABASES {
        let id = format!("databases/{database}.sql");
        let stream = profile.capture.streams.iter().find(|stream| stream.id == id).unwrap();
        let expected = format!("su - {{{{postgres_user}}}} -s /bin/sh -c \"{{{{pg_dump}}}} --clean --if-exists {database}\"");
        assert_eq!(stream.run, expected);
        assert!(stream.when.is_none() && streams.contains(&id.as_str()));
    }
    let keys = profile.capture.files.iter().find(|files| files.id == "secret-key").unwrap();
    assert_eq!((keys.paths.as_slice(), keys.need), ([format!("{{{{root}}}}/{KEYS}")].as_slice(), Need::All));
}

#[test]
fn a_replica_is_provisioned_and_enabled_in_the_documents_order() {
    let (world, person) = (PROVISION.ready(), Recorder::agrees());
    PROVISION.run(&world, &person).unwrap();
    let calls = world.calls();
    let expected = ["replica: puppet config set server primary --section main", "primary: puppet infrastructure provision replica replica --enable"];
    assert_eq!(calls.of(&["puppet"]), expected);
    assert_eq!(calls.steps(), ["classifier", "server", "provision", "secret-key"]);
    let looked: Vec<String> = calls.0.iter().filter(|call| call.number == 0).map(|call| call.words.clone()).collect();
    let status = looked.iter().position(|words| words == "puppet infrastructure status --verbose").unwrap();
    let noop = looked.iter().position(|words| words == "puppet agent -t --noop --server_list=replica").unwrap();
    assert!(status < noop);
    assert_eq!(person.steps(Asked::Manual), ["tuning", "deploy-wait"]);
    assert_eq!(person.steps(Asked::Caution), ["provision"]);
    let copied = fs::read_to_string(world.host("replica").path(KEYS)).unwrap();
    assert_eq!(copied, "{\"key\": \"new\"}\n");
    let saved = world.host("primary").path("var/lib/keepfast/aside/1/pe-classifier.sql");
    assert_eq!(fs::read_to_string(saved).unwrap().trim(), dump("pe-classifier", 1).trim());
}

#[test]
fn agents_are_left_as_they_are_where_that_is_wanted() {
    for (settings, step) in [("csr", "agents-csr"), ("hiera", "agents-hiera"), ("custom", "agents-custom")] {
        let stage = |world: &World| stage(world, &[("skip_agent_config", "yes"), ("agent_settings", settings)]);
        let rehearsal = Rehearsal { stage: &stage, ..PROVISION };
        let (world, person) = (rehearsal.ready(), Recorder::agrees());
        rehearsal.run(&world, &person).unwrap();
        let expected = "primary: puppet infrastructure provision replica replica --enable --skip-agent-config";
        assert_eq!(world.calls().of(&["puppet"])[1], expected);
        assert_eq!(person.steps(Asked::Manual), ["tuning", step]);
    }
}

#[test]
fn a_configuration_reaches_the_agents_in_each_of_three_ways_and_a_failover_is_tried() {
    let rehearsal = Rehearsal { stage: AGENTS, ..PROVISION };
    let (world, person) = (rehearsal.ready(), Recorder::agrees());
    rehearsal.run(&world, &person).unwrap();
    assert_eq!(world.calls().of(&["puppet"])[2..], ["agent: puppet agent -t", "agent: puppet agent -t"]);
    assert_eq!(person.steps(Asked::Manual), ["tuning", "isolate", "reconnect"]);
    let world = Rehearsal { stage: DIRECT, ..PROVISION }.whole();
    assert_eq!(world.calls().of(&["puppet"])[2..], [format!("primary: {JOB}")]);
    // A change while the primary is away means that the replica is not what it shall be; it is reconnected all the same.
    let world = rehearsal.ready();
    world.host("agent").remember("changes", "");
    let person = Recorder::agrees();
    let stopped = rehearsal.run(&world, &person).unwrap_err();
    assert_eq!(stopped.step, "failover");
    assert!(person.steps(Asked::Manual).contains(&"reconnect".to_string()));
}

#[test]
fn a_replica_with_something_to_change_or_out_of_order_is_not_taken_for_a_good_one() {
    let world = PROVISION.ready();
    world.host("agent").remember("would-change", "");
    let stopped = PROVISION.run(&world, &Recorder::agrees()).unwrap_err();
    assert_eq!(stopped.step, "noop");
    assert!(stopped.to_string().contains("(noop)"), "{stopped}");
    let world = PROVISION.ready();
    world.host("primary").remember("unwell", "");
    let stopped = PROVISION.run(&world, &Recorder::agrees()).unwrap_err();
    assert_eq!(stopped.step, "status");
    assert!(stopped.to_string().contains("Unreachable"), "{stopped}");
}

#[test]
fn a_node_with_a_secret_key_of_its_own_gets_no_other() {
    let world = PROVISION.ready();
    world.host("replica").file(KEYS, "{\"key\": \"another\"}\n");
    let stopped = PROVISION.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("replica has another secret key already"), "{stopped}");
    assert!(fs::read_to_string(world.host("replica").path(KEYS)).unwrap().contains("another"));
    let world = PROVISION.ready();
    world.host("primary").remember("no-ssh", "");
    let stopped = PROVISION.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("root on primary can not log in to replica by ssh"), "{stopped}");
}

#[test]
fn puppet_infrastructure_wants_a_root_session_and_a_token() {
    for (rehearsal, host) in [(&PROVISION, "primary"), (&PROMOTE, "replica"), (&FORGET, "primary"), (&REINITIALIZE, "replica")] {
        let world = rehearsal.ready();
        world.host(host).remember("uid", "1000");
        let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err().to_string();
        assert!(stopped.contains(&format!("must be run as root on {host}")), "{stopped}");
        let world = rehearsal.ready();
        fs::remove_file(world.host(host).path("root/.puppetlabs/token")).unwrap();
        let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err().to_string();
        assert!(stopped.contains(&format!("root has no RBAC token on {host}")), "{stopped}");
        assert!(world.calls().acts().is_empty());
        let by_sudo = |world: &World| {
            let mut stage = plain(world);
            let host = stage.profile.hosts.get_mut(host).unwrap();
            host.environment.insert("SUDO_USER".to_string(), "somebody".to_string());
            stage
        };
        let sudo = Rehearsal { stage: &by_sudo, ..*rehearsal };
        let stopped = sudo.run(&sudo.ready(), &Recorder::agrees()).unwrap_err().to_string();
        assert!(stopped.contains("sudo is not sufficient"), "{stopped}");
    }
}

#[test]
fn a_replica_that_was_provisioned_is_enabled_alone() {
    let calls = ENABLE.whole().calls();
    assert_eq!(calls.of(&["puppet"]), ["primary: puppet infrastructure enable replica replica"]);
    let calls = Rehearsal { stage: SKIP, ..ENABLE }.whole().calls();
    assert_eq!(calls.of(&["puppet"]), ["primary: puppet infrastructure enable replica replica --skip-agent-config"]);
}

#[test]
fn a_replica_is_promoted_only_when_the_primary_is_off() {
    let world = PROMOTE.ready();
    turn(&world, "10.0.0.1", true);
    let stopped = PROMOTE.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("the primary 10.0.0.1 is on"), "{stopped}");
    assert!(world.calls().acts().is_empty());
    turn(&world, "10.0.0.1", false);
    PROMOTE.resume(&world, &Recorder::agrees()).unwrap();
    // It comes back between two steps.
    let world = PROMOTE.ready();
    PROMOTE.run(&world, &Recorder::refuses_at("promote")).unwrap_err();
    turn(&world, "10.0.0.1", true);
    assert!(PROMOTE.resume(&world, &Recorder::agrees()).unwrap_err().to_string().contains("is on"));
    assert!(world.calls().acts().is_empty());
    needs(&PROMOTE, "old_primary");
}

/// Without the help of a stand-in: this machine is on.
#[test]
fn a_primary_that_refuses_connections_is_on() {
    let stage = |world: &World| {
        let mut stage = plain(world);
        let hosts = std::mem::take(&mut stage.profile.hosts);
        stage.profile = Library::default().find("puppet-enterprise").unwrap();
        stage.profile.hosts = hosts;
        stage.values.insert("old_primary".to_string(), "127.0.0.1".to_string());
        stage.values.insert("replica_address".to_string(), "127.0.0.1".to_string());
        stage
    };
    for (rehearsal, says) in [(&PROMOTE, "the primary 127.0.0.1 is on"), (&FORGET, "the replica 127.0.0.1 is on")] {
        let rehearsal = Rehearsal { stage: &stage, ..*rehearsal };
        let world = rehearsal.ready();
        let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err().to_string();
        assert!(stopped.contains(says), "{stopped}");
        assert!(world.calls().acts().is_empty());
    }
}

#[test]
fn a_replica_is_promoted_in_the_documents_order_and_for_good() {
    let rehearsal = Rehearsal { stage: DIRECT, ..PROMOTE };
    let (world, person) = (rehearsal.ready(), Recorder::agrees());
    rehearsal.run(&world, &person).unwrap();
    assert_eq!(world.calls().of(&["puppet"]), ["replica: puppet infrastructure promote replica".to_string(), format!("replica: {JOB}")]);
    assert_eq!(person.steps(Asked::Caution), ["offline", "promote", "next"]);
    assert_eq!(person.steps(Asked::Manual), ["refer", "next"]);
    let refused = rehearsal.undo(&world, &Recorder::agrees()).unwrap_err();
    assert!(matches!(&refused.why, Why::Journal(RunbookError::Final { .. })), "{refused}");
    assert!(refused.to_string().contains("the runbook enable-failed-master"), "{refused}");
    stops_where_a_person_says_no(&PROMOTE, "promote", &[]);
}

#[test]
fn a_failed_primary_becomes_the_new_replica_in_every_variant() {
    let command = "primary: puppet infrastructure run enable_ha_failover host=old.example";
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[], " topology=mono"),
        (&[("topology", "mono-with-compile")], " topology=mono-with-compile"),
        (&[("replication_timeout_secs", "900")], " topology=mono replication_timeout_secs=900"),
        (&[("tmpdir", "/var/tmp")], " topology=mono tmpdir=/var/tmp"),
        (
            &[("replication_timeout_secs", "900"), ("tmpdir", "/var/tmp")],
            " topology=mono replication_timeout_secs=900 tmpdir=/var/tmp",
        ),
    ];
    for (values, rest) in cases {
        let stage = |world: &World| stage(world, values);
        let world = Rehearsal { stage: &stage, ..FAILOVER }.whole();
        assert_eq!(world.calls().of(&["puppet"]), [format!("{command}{rest}")]);
    }
    let world = FAILOVER.ready();
    world.host("primary").remember("no-ssh", "");
    let stopped = FAILOVER.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("primary can not log in to old.example by ssh"), "{stopped}");
    assert!(world.calls().acts().is_empty());
    needs(&FAILOVER, "failed_master");
}

#[test]
fn a_replica_is_forgotten_with_its_secret_key() {
    let (world, person) = (FORGET.ready(), Recorder::agrees());
    FORGET.run(&world, &person).unwrap();
    assert_eq!(world.calls().of(&["puppet"]), ["primary: puppet infrastructure forget replica"]);
    assert_eq!(person.steps(Asked::Manual), ["secret-key-manual"]);
    let rehearsal = Rehearsal { stage: DISK, ..FORGET };
    let world = rehearsal.whole();
    assert!(world.calls().of(&["rm"])[0].ends_with(&format!("/disk/{KEYS}")));
    let world = FORGET.ready();
    turn(&world, "10.0.0.2", true);
    let stopped = FORGET.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("the replica 10.0.0.2 is on"), "{stopped}");
    needs(&FORGET, "replica_address");
}

#[test]
fn a_replica_is_reinitialized_wholly_or_in_one_database() {
    let world = REINITIALIZE.whole();
    assert_eq!(world.calls().of(&["puppet"]), ["replica: puppet infrastructure reinitialize replica"]);
    assert_eq!(world.host("replica").recalls("db/pe-activity"), "anew");
    for database in DATABASES {
        let stage = |world: &World| stage(world, &[("database", database)]);
        let world = Rehearsal { stage: &stage, ..REINITIALIZE }.whole();
        let expected = format!("replica: puppet infrastructure reinitialize replica --db {database}");
        assert_eq!(world.calls().of(&["puppet"]), [expected]);
        let anew = DATABASES.iter().filter(|name| world.host("replica").recalls(&format!("db/{name}")) == "anew");
        assert_eq!(anew.collect::<Vec<_>>(), [&database]);
        let saved = world.host("replica").path(&format!("var/lib/keepfast/aside/1/{database}.sql"));
        assert_eq!(fs::read_to_string(saved).unwrap().trim(), dump(database, 1).trim());
    }
    assert!(Rehearsal { stage: UNSAVED, ..REINITIALIZE }.whole().calls().of(&["pg_dump"]).is_empty());
    let world = REINITIALIZE.ready();
    shut(&world, 8140, true);
    let stopped = REINITIALIZE.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("replica does not reach the primary primary at port 8140"), "{stopped}");
    let world = REINITIALIZE.ready();
    world.host("primary").remember("unwell", "");
    assert_eq!(REINITIALIZE.run(&world, &Recorder::agrees()).unwrap_err().step, "primary");
    let profile = Library::default().find("puppet-enterprise").unwrap();
    assert!(profile.runbooks["reinitialize"].symptom.is_some());
}

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
    assert_eq!(crate::support::standin::difference(&start, &world.state()), Vec::<String>::new());
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
