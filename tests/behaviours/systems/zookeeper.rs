// SPDX-License-Identifier: MIT OR Apache-2.0
//! The part of Contrail's restore that concerns ZooKeeper, with the real one: stopped, its data saved aside and wiped, started
//! empty, filled by the import; and undone.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use keepfast_engine::profile::Library;
use keepfast_storage::testing::Port;

use crate::support::standin::{Folder, Recorder, Rehearsal, Stage, World};

const JAR: &str = "/usr/share/java/zookeeper.jar";

/// Starts the real server. Its process holds nothing of the command that starts it.
const START: &str = r#"
setsid java -Xmx128m -cp /usr/share/java/zookeeper.jar -Dzookeeper.admin.enableServer=false \
    org.apache.zookeeper.server.ZooKeeperServerMain "$root/etc/zoo.cfg" > "$STANDIN/zookeeper.log" 2>&1 < /dev/null 9>&- &
echo $! > "$STANDIN/zookeeper.pid"
"#;

const STOP: &str = r#"
if [ -e "$STANDIN/zookeeper.pid" ]; then
    read -r pid < "$STANDIN/zookeeper.pid"
    kill "$pid" 2> /dev/null || :
    while kill -0 "$pid" 2> /dev/null; do sleep 0.1; done
    rm -f "$STANDIN/zookeeper.pid"
fi
"#;

/// The import makes a node, as the vendor's tool does; other uses of Python are real.
const PYTHON: &str = r#"
case $1 in
    db_json_exim.py) act "$@" ;;
    *) look "$@"; exec python3 "$@" ;;
esac
read -r port < "$STANDIN/port"
java -cp /usr/share/java/zookeeper.jar org.apache.zookeeper.ZooKeeperMain -server "127.0.0.1:$port" create /imported new > /dev/null 2>&1
"#;

/// A server that ends with the test.
struct Server<'a>(&'a World);

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let file = self.0.folder().join("hosts/5b5s42/zookeeper.pid");
        if let Ok(pid) = fs::read_to_string(file) {
            let _ = Command::new("kill").args(["-9", pid.trim()]).status();
        }
    }
}

fn client(world: &World, words: &[&str]) -> String {
    let port = fs::read_to_string(world.folder().join("hosts/5b5s42/port")).unwrap();
    let mut client = Command::new("java");
    client.args(["-cp", JAR, "org.apache.zookeeper.ZooKeeperMain", "-server", &format!("127.0.0.1:{}", port.trim())]);
    let output = client.args(words).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn build(world: &World) {
    let port = Port::reserve().keep();
    let standin = world.add("5b5s42");
    for service in ["supervisor-config", "cassandra", "zookeeper"] {
        standin.service(service, "stopped");
    }
    standin.command("python", PYTHON).hook("zookeeper", "start", START).hook("zookeeper", "stop", STOP);
    standin.file("usr/lib/python2.7/dist-packages/cfgm_common/db_json_exim.py", "");
    standin.file("var/lib/cassandra/data/rows", "rows").file("var/lib/zookeeper/version-2/.keep", "");
    let data = standin.path("var/lib/zookeeper");
    let settings =
        format!("tickTime=500\ndataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\n", data.display());
    standin.file("etc/zoo.cfg", &settings);
    fs::write(world.folder().join("hosts/5b5s42/port"), format!("{port}\n")).unwrap();
    fs::create_dir(world.folder().join("snapshot")).unwrap();
    let dump = r#"{"cassandra": {"config_db_uuid": {}}, "zookeeper": "[[\"/imported\", [\"new\", []]]]"}"#;
    fs::write(world.folder().join("snapshot/db-dump.json"), dump).unwrap();
}

#[test]
fn a_real_zookeeper_is_wiped_filled_by_the_import_and_has_its_nodes_again_after_an_undo() {
    if !Path::new(JAR).exists() || Command::new("java").arg("-version").output().is_err() {
        println!("skipped: there is no ZooKeeper; it is in the package zookeeper");
        return;
    }
    // Cassandra, for the check of its port.
    let cassandra = TcpListener::bind("127.0.0.1:0").unwrap();
    let stage = |world: &World| {
        let mut profile = Library::default().find("contrail").unwrap();
        let mut host = world.host("5b5s42").declared(&["controller", "config-db"]);
        let port = fs::read_to_string(world.folder().join("hosts/5b5s42/port")).unwrap();
        host.variables.insert("zookeeper_port".to_string(), port.trim().to_string());
        let port = cassandra.local_addr().unwrap().port().to_string();
        host.variables.insert("cassandra_port".to_string(), port);
        profile.hosts.insert("5b5s42".to_string(), host);
        Stage::new(profile, Folder(world.folder().join("snapshot")))
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &build, stage: &stage, precious: &[], once: &[] };
    let world = rehearsal.ready();
    let _server = Server(&world);
    let service = |action: &str| {
        let host = world.host("5b5s42").declared(&[]);
        let mut command = Command::new(world.folder().join("hosts/5b5s42/bin/service"));
        assert!(command.args(["zookeeper", action]).envs(&host.environment).status().unwrap().success());
    };
    service("start");
    let made =
        (0..20).map(|_| client(&world, &["create", "/before", "old"])).find(|said| said.contains("Created /before"));
    assert!(made.is_some(), "{}", fs::read_to_string(world.folder().join("hosts/5b5s42/zookeeper.log")).unwrap());
    rehearsal.run(&world, &Recorder::agrees()).unwrap();
    assert!(client(&world, &["get", "/imported"]).contains("new"));
    assert!(client(&world, &["get", "/before"]).contains("Node does not exist"), "what was there before is gone");
    rehearsal.undo(&world, &Recorder::agrees()).unwrap();
    // The server listens a little after its start.
    let back = (0..20).map(|_| client(&world, &["get", "/before"])).find(|said| said.contains("old"));
    assert!(back.is_some(), "{}", fs::read_to_string(world.folder().join("hosts/5b5s42/zookeeper.log")).unwrap());
    assert!(client(&world, &["get", "/imported"]).contains("Node does not exist"));
    service("stop");
}
