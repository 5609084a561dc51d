// SPDX-License-Identifier: MIT OR Apache-2.0
//! Stand-ins for a Contrail: controllers whose databases are files, and the vendor's tool that dumps them and fills empty ones.

use std::fs;

use super::{Standin, World};

/// `db_json_exim.py` and other uses of Python. The databases are files: what Cassandra has, and what ZooKeeper has.
pub const PYTHON: &str = r#"
case $1 in
    db_json_exim.py) act "$@" ;;
    *)
        look "$@"
        case "$2" in
            # Ports answer while their service runs.
            *create_connection*)
                case $4 in 9160) service=cassandra ;; 2181) service=zookeeper ;; *) refuse "no port $4" ;; esac
                grep -qx running "$state/services/${STANDIN_CONTAINER:+$STANDIN_CONTAINER.}$service" || refuse "Connection refused"
                exit 0 ;;
        esac
        exec python3 "$@" ;;
esac
if ! [ -e db_json_exim.py ]; then refuse "can't open file 'db_json_exim.py': [Errno 2] No such file or directory"; fi
for service in cassandra zookeeper; do
    # One that runs anywhere is reached: the databases are a cluster.
    running=no
    for file in "$world"/hosts/*/state/services/*; do
        case $file in *"/${STANDIN_CONTAINER:+$STANDIN_CONTAINER.}$service") if grep -qx running "$file"; then running=yes; fi ;; esac
    done
    if [ $running = no ]; then refuse "NoHostAvailable: $service does not answer"; fi
done
case $2 in
    --export-to)
        {
            printf '{"cassandra": '; cat "$root/var/lib/cassandra/data/rows"
            printf ', "zookeeper": '; cat "$root/var/lib/zookeeper/version-2/nodes"; printf '}'
        } > "$3"
        if [ "$4" = --omit-keyspace ]; then
            python3 - "$3" "$5" <<'END' || refuse "KeyError: '$5'"
import json, sys
dump = json.load(open(sys.argv[1]))
del dump["cassandra"][sys.argv[2]]
json.dump(dump, open(sys.argv[1], "w"))
END
        fi
        echo "INFO: DB dump wrote to file $3" ;;
    --import-from)
        if ! grep -q '"cassandra"' "$3"; then refuse "KeyError: 'cassandra'"; fi
        for host in "$world"/hosts/*; do
            if [ -e "$host/root/var/lib/cassandra/data/rows" ]; then
                echo "ERROR: Keyspace config_db_uuid CF obj_fq_name_table already has entries."; exit 1
            fi
            if [ -e "$host/root/var/lib/zookeeper/version-2/nodes" ]; then
                echo "ERROR: Zookeeper has entries at /fq-name-to-uuid."; exit 1
            fi
        done
        # The databases write their files themselves.
        umask 022
        part() { python3 -c 'import json, sys; print(json.dumps(json.load(open(sys.argv[1]))[sys.argv[2]]), end="")' "$dump" "$1"; }
        dump=$3
        for host in "$world"/hosts/*; do
            if [ -d "$host/root/var/lib/cassandra" ]; then mkdir -p "$host/root/var/lib/cassandra/data"; part cassandra > "$host/root/var/lib/cassandra/data/rows"; fi
            if [ -d "$host/root/var/lib/zookeeper" ]; then part zookeeper > "$host/root/var/lib/zookeeper/version-2/nodes"; fi
        done
        echo "INFO: Zookeeper DB restored" ;;
    *) refuse "what to do with $2?" ;;
esac
"#;

/// What Cassandra has, as the vendor's tool writes it.
pub const CASSANDRA: &str = r#"{"config_db_uuid": {"obj_fq_name_table": {"access_control_list": {"default:a": ["null", 1]}}}, "dm_keyspace": {"dm_pr_ip_table": {"a": {"ip": ["null", 1]}}}}"#;

/// What ZooKeeper has.
pub const ZOOKEEPER: &str = r#""[[\"/fq-name-to-uuid/a\", [\"1\", []]]]""#;

/// A dump of both.
pub fn dump() -> String {
    format!(r#"{{"cassandra": {CASSANDRA}, "zookeeper": {ZOOKEEPER}}}"#)
}

/// The controllers of the document's example.
pub const CONTROLLERS: [&str; 3] = ["5b5s42", "5b5s43", "5b5s44"];

/// Services of a controller.
pub const SERVICES: [&str; 5] = ["supervisor-config", "cassandra", "zookeeper", "kafka", "contrail-hamon"];

/// A controller with all services of the document, whose databases are damaged.
pub fn controller(world: &World, name: &str, container: &str) -> Standin {
    let standin = world.add(name);
    standin.command("python", PYTHON);
    if !container.is_empty() {
        standin.container(container);
    }
    let of = |service: &str| if container.is_empty() { service.to_string() } else { format!("{container}.{service}") };
    for service in SERVICES {
        standin.service(&of(service), "running");
    }
    standin.file("usr/lib/python2.7/dist-packages/cfgm_common/db_json_exim.py", "");
    standin.file("var/lib/zookeeper/myid", name);
    damage(&standin);
    standin
}

/// The databases of a controller are well: both are those of [`dump`], and nothing else is there.
pub fn heal(standin: &Standin) {
    for file in ["zookeeper/version-2/log.1", "cassandra/commitlog/1"] {
        fs::remove_file(standin.path("var/lib").join(file)).unwrap();
    }
    fs::remove_dir(standin.path("var/lib/cassandra/commitlog")).unwrap();
    standin.file("var/lib/zookeeper/version-2/nodes", ZOOKEEPER).file("var/lib/cassandra/data/rows", CASSANDRA);
}

/// They are damaged.
pub fn damage(standin: &Standin) {
    standin.file("var/lib/zookeeper/version-2/nodes", "damaged").file("var/lib/zookeeper/version-2/log.1", "old");
    standin.file("var/lib/cassandra/data/rows", "damaged").file("var/lib/cassandra/commitlog/1", "old");
}

/// The calls of the document's example on these controllers; `kafka` is where Kafka is beside them.
pub fn calls_of_the_document(controllers: &[&str], inside: &str, kafka: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut on = |words: &str| all.extend(controllers.iter().map(|host| format!("{host}{inside}: {words}")));
    on("service supervisor-config stop");
    on("service cassandra stop");
    on("service zookeeper stop");
    on("service kafka stop");
    on("= kafka stop");
    on("service contrail-hamon stop");
    on("service zookeeper start");
    on("service cassandra start");
    on("= import");
    on("service supervisor-config start");
    on("service kafka start");
    on("= kafka start");
    on("service contrail-hamon start");
    let once = |mark: &str, call: String, all: &mut Vec<String>| {
        let at = all.iter().position(|line| line.ends_with(mark)).unwrap();
        all.retain(|line| !line.ends_with(mark));
        all.insert(at, call);
    };
    once("= kafka stop", format!("{kafka}: service kafka stop"), &mut all);
    once(
        "= import",
        format!("{}{inside}: python db_json_exim.py --import-from db-dump.json", controllers[0]),
        &mut all,
    );
    once("= kafka start", format!("{kafka}: service kafka start"), &mut all);
    all
}

/// Calls of services and of the tool; where the dump lies meanwhile is nobody's concern.
pub fn services(world: &World) -> Vec<String> {
    world.calls().short(&["service", "python"])
}
