// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stand-in for Juju: how many state servers live is a file of the world, and what the initial one has are files of `server0`.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::Standin;

/// `juju` of the document's days. The environment is a file in the world: how many state servers live.
pub const JUJU: &str = r#"
servers=$world/servers
initial=$world/hosts/server0/root
alive() { cat "$servers"; }
args="$*"
while [ $# -gt 0 ]; do
    case $1 in
        -e) [ "$2" = my-env ] || refuse "ERROR environment \"$2\" not found"; shift 2 ;;
        -*) break ;;
        *) words="$words $1"; shift ;;
    esac
    case $words in *restore | *create | *ensure-availability | *status) rest="$*" ;; esac
done
case $args in
    status*) look "$args" ;;
    *) act "$args" ;;
esac
if [ "$JUJU_ENV" ]; then echo "JUJU_ENV=$JUJU_ENV" >> "$state/environment"; fi
archive=${args##* }
case $args in
    status*)
        if [ "$(alive)" = 0 ]; then refuse "ERROR Unable to connect to environment"; fi
        if [ -e "$world/status" ]; then cat "$world/status"; exit 0; fi
        echo "environment: my-env"; echo "machines:"
        i=0
        while [ $i -lt "$(alive)" ]; do
            printf '  "%s":\n    agent-state: started\n    state-server-member-status: has-vote\n' $i
            i=$((i + 1))
        done
        echo "services: {}" ;;
    "backups restore"* | "restore"*)
        if [ "$(alive)" != 0 ]; then refuse "ERROR old bootstrap instance seems to still exist; will not replace"; fi
        if ! tar -tzf "$archive" | grep -q juju-backup/root.tar; then refuse "ERROR cannot extract configuration from backup file"; fi
        made=$(mktemp -d)
        tar -C "$made" -xzpf "$archive"
        mkdir -p "$initial"
        tar -C "$initial" -xpf "$made/juju-backup/root.tar"
        cp -a "$made/juju-backup/dump" "$initial/var/lib/juju/db"
        rm -rf "$made"
        echo 1 > "$servers"
        echo "updating all machines" ;;
    "backups create"* | "create-backup"* | "backup"*)
        if [ "$(alive)" = 0 ]; then refuse "ERROR Unable to connect to environment"; fi
        case $args in backup | "backup "*) archive=juju-backup-20150210-1352.tgz ;; esac
        if [ -e "$world/snapshot/juju-backup.tar.gz" ]; then
            cp "$world/snapshot/juju-backup.tar.gz" "$archive"
        else
            made=$(mktemp -d)
            mkdir "$made/juju-backup"
            tar -C "$initial" --exclude=./var/lib/juju/db -cf "$made/juju-backup/root.tar" ./var
            cp -a "$initial/var/lib/juju/db" "$made/juju-backup/dump"
            echo '{"Environment": "my-env", "Version": "1.21.1"}' > "$made/juju-backup/metadata.json"
            tar -C "$made" -czf "$archive" juju-backup
            rm -rf "$made"
        fi
        case " $args " in *" --quiet "*) ;; *) echo "backup ID: \"20140403-140800\"" ;; esac
        echo "$archive" ;;
    "ensure-availability"* | "enable-ha"*)
        if [ "$(alive)" = 0 ]; then refuse "ERROR Unable to connect to environment"; fi
        # They are based on the one that is there.
        for other in "$world"/hosts/server[1-9]; do
            if [ -e "$other/root/var" ] || ! [ -e "$initial/var" ]; then continue; fi
            cp -a "$initial/." "$other/root"
        done
        echo "$archive" > "$servers" ;;
    *) refuse "ERROR unrecognized command: juju $args" ;;
esac
"#;

/// A state server's files.
#[allow(dead_code, reason = "the tests of the command line use it")]
pub fn state_server(standin: &Standin) {
    standin.file("var/lib/juju/agents/machine-0/agent.conf", "tag: machine-0\n");
    standin.file("var/lib/juju/server.pem", "a key\n");
    standin.file("var/lib/juju/db/oplog.bson", "oplog").file("var/lib/juju/db/juju/machines.bson", "machines");
    for path in ["var/lib/juju/agents/machine-0/agent.conf", "var/lib/juju/server.pem"] {
        fs::set_permissions(standin.path(path), fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// `juju-restore` on a controller machine.
pub const JUJU_RESTORE: &str = r#"
act "$@"
for archive; do :; done
read -r answer || refuse "Do you want to proceed (y/N)?"
[ "$answer" = y ] || refuse "aborted"
if grep -q older "$state/backup-version" && ! echo " $* " | grep -q -e " --allow-downgrade "; then
    refuse "restoring backup would downgrade from juju \"3.6\" to \"2.9\" - pass --allow-downgrade if this is intended"
fi
tar -tzf "$archive" > /dev/null
echo restored > "$state/controller"
"#;

/// An archive as juju makes them, with `make` adding to it or taking from it first.
pub fn archive(to: &Path, make: impl Fn(&Path)) {
    let scratch = tempfile::tempdir().unwrap();
    let (top, root) = (scratch.path().join("juju-backup"), scratch.path().join("var/lib/juju/agents/machine-0"));
    fs::create_dir_all(top.join("dump/juju")).unwrap();
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("agent.conf"), "tag: machine-0\n").unwrap();
    fs::write(top.join("dump/oplog.bson"), "oplog").unwrap();
    fs::write(top.join("dump/juju/machines.bson"), "machines").unwrap();
    let metadata = r#"{"ID": "20140403-140800", "Environment": "my-env", "Machine": "0", "Version": "1.21.1"}"#;
    fs::write(top.join("metadata.json"), metadata).unwrap();
    tar(scratch.path(), &["-cf", top.join("root.tar").to_str().unwrap(), "var"]);
    make(&top);
    tar(scratch.path(), &["-czf", to.to_str().unwrap(), "juju-backup"]);
}

/// Runs `tar` in a folder.
pub fn tar(folder: &Path, words: &[&str]) {
    assert!(Command::new("tar").arg("-C").arg(folder).args(words).status().unwrap().success());
}

/// A host that is silent at a port: its backlog is full.
pub fn silent() -> (TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_secs(2)) {
        waiting.push(stream);
        assert!(waiting.len() < 100, "the backlog is never full");
    }
    (listener, waiting)
}
