// SPDX-License-Identifier: MIT OR Apache-2.0
//! Stand-ins for Puppet Enterprise: a primary, the node that is or becomes its replica, and an agent.

use std::fs;
use std::path::Path;

use keepfast_engine::profile::Library;

use super::reach::within_reach;
use crate::support::standin::{Folder, Rehearsal, Stage, World};

pub const KEYS: &str = "etc/puppetlabs/orchestration-services/conf.d/secrets/keys.json";
pub const DATABASES: [&str; 4] = ["pe-activity", "pe-classifier", "pe-orchestrator", "pe-rbac"];
pub const SERVICES: [&str; 7] = [
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

pub fn dump(database: &str, rows: usize) -> String {
    let rows: String = (1..=rows).map(|row| format!("{row}\titem\n")).collect();
    format!("--\n-- {database}\n--\nCOPY public.items (id, name) FROM stdin;\n{rows}\\.\n\n")
}

pub fn write(top: &Path, path: &str, text: &str) {
    let path = top.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A primary, the node that is or becomes its replica, an agent, and a backup of the primary.
pub fn build(world: &World) {
    for name in ["primary", "replica", "agent"] {
        let node = world.add(name);
        node.command("puppet", PUPPET).command("id", ID).command("curl", CURL).command("ssh", SSH).command("tar", TAR);
        node.command("su", SU)
            .command("pg_dump", PG_DUMP)
            .command("psql", PSQL)
            .command("puppet-backup", PUPPET_BACKUP);
        node.file("root/.puppetlabs/token", "0token");
        node.file("etc/puppetlabs/puppet/puppet.conf", &format!("[main]\ncertname = {name}\nserver = nobody\n"));
        for database in DATABASES {
            node.remember(&format!("db/{database}"), &dump(database, 1));
        }
    }
    // Provisioning brings the service whose key it is.
    world.host("replica").file("etc/puppetlabs/orchestration-services/conf.d/secrets/README", "");
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
pub fn failed(world: &World) {
    build(world);
    for service in SERVICES.iter().filter(|service| **service != "pe-puppetdb") {
        world.host("primary").service(service, "stopped");
    }
}

/// There is a replica already.
pub fn provisioned(world: &World) {
    build(world);
    world.host("primary").remember("replica", "replica");
}

pub fn stage(world: &World, values: &[(&str, &str)]) -> Stage {
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

pub type Staged = &'static (dyn Fn(&World) -> Stage + Sync);

pub const PROVISION: Rehearsal =
    Rehearsal { runbook: "provision", build: &build, stage: &plain, precious: &[], once: &[] };
pub const ENABLE: Rehearsal = Rehearsal { runbook: "enable", build: &provisioned, ..PROVISION };
pub const PROMOTE: Rehearsal = Rehearsal { runbook: "promote", build: &failed, ..PROVISION };
pub const FAILOVER: Rehearsal = Rehearsal { runbook: "enable-failed-master", ..PROVISION };
pub const FORGET: Rehearsal = Rehearsal { runbook: "forget", build: &provisioned, ..PROVISION };
pub const REINITIALIZE: Rehearsal = Rehearsal { runbook: "reinitialize", build: &provisioned, ..PROVISION };
pub const RESTORE: Rehearsal = Rehearsal { runbook: "restore", ..PROVISION };
pub const ARCHIVE: Rehearsal = Rehearsal { runbook: "restore-archive", ..PROVISION };

pub fn plain(world: &World) -> Stage {
    stage(world, &[])
}

pub const SKIP: Staged = &|world| stage(world, &[("skip_agent_config", "yes"), ("agent_settings", "hiera")]);
pub const AGENTS: Staged = &|world| stage(world, &[("deploy", "agents"), ("failover_test", "yes")]);
pub const DIRECT: Staged = &|world| stage(world, &[("deploy", "direct")]);
pub const ONE: Staged = &|world| stage(world, &[("database", "pe-rbac")]);
pub const UNSAVED: Staged = &|world| stage(world, &[("save_replica", "no")]);
pub const DISK: Staged = &|world| {
    let disk = world.folder().join("disk");
    write(&disk, KEYS, "{}");
    stage(world, &[("replica_disk", disk.to_str().unwrap())])
};
