// SPDX-License-Identifier: MIT OR Apache-2.0
//! Contrail's databases are destroyed and brought back on stand-ins, in the order of the vendor's document, with a fault at
//! every call; in virtual machines and in containers, here and over ssh.

mod dumps;
mod faults;

use std::collections::BTreeMap;
use std::fs;

use keepfast_engine::profile::{Asked, Library, Profile, Values};
use keepfast_engine::runbook::TestKind;

use crate::support::sshd::Sshd;
use crate::support::standin::{Folder, Precious, Recorder, Rehearsal, Stage, Standin, World};

/// `db_json_exim.py` and other uses of Python. The databases are files: what Cassandra has, and what ZooKeeper has.
const PYTHON: &str = r#"
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
        cat "$root/var/lib/cassandra/data/rows" > "$3"
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
        for host in "$world"/hosts/*; do
            if [ -d "$host/root/var/lib/cassandra" ]; then mkdir -p "$host/root/var/lib/cassandra/data"; cat "$3" > "$host/root/var/lib/cassandra/data/rows"; fi
            if [ -d "$host/root/var/lib/zookeeper" ]; then echo imported > "$host/root/var/lib/zookeeper/version-2/nodes"; fi
        done
        echo "INFO: Zookeeper DB restored" ;;
    *) refuse "what to do with $2?" ;;
esac
"#;

/// A dump as the vendor's tool writes it.
const DUMP: &str = r#"{"cassandra": {"config_db_uuid": {"obj_fq_name_table": {"access_control_list": {"default:a": ["null", 1]}}}}, "zookeeper": "[[\"/fq-name-to-uuid/a\", [\"1\", []]]]"}"#;

const CONTROLLERS: [&str; 3] = ["5b5s42", "5b5s43", "5b5s44"];

/// A controller with all services of the document, whose databases are damaged.
fn controller(world: &World, name: &str, container: &str) -> Standin {
    let standin = world.add(name);
    standin.command("python", PYTHON);
    if !container.is_empty() {
        standin.container(container);
    }
    let of = |service: &str| if container.is_empty() { service.to_string() } else { format!("{container}.{service}") };
    for service in ["supervisor-config", "cassandra", "zookeeper", "kafka", "contrail-hamon"] {
        standin.service(&of(service), "running");
    }
    standin.file("usr/lib/python2.7/dist-packages/cfgm_common/db_json_exim.py", "");
    standin.file("var/lib/zookeeper/version-2/nodes", "damaged").file("var/lib/zookeeper/version-2/log.1", "old");
    standin.file("var/lib/zookeeper/myid", name).file("var/lib/cassandra/data/rows", "damaged");
    standin.file("var/lib/cassandra/commitlog/1", "old");
    standin
}

fn profile(world: &World, declare: &dyn Fn(&Standin, &[&str]) -> keepfast_engine::profile::Host) -> Profile {
    let mut profile = Library::default().find("contrail").unwrap();
    for name in world.hosts() {
        let roles: &[&str] = if name.starts_with('a') { &["analytics"] } else { &["controller", "config-db"] };
        profile.hosts.insert(name.clone(), declare(&world.host(&name), roles));
    }
    profile
}

fn snapshot(world: &World) -> Folder {
    let folder = world.folder().join("snapshot");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("db-dump.json"), DUMP).unwrap();
    Folder(folder)
}

fn stage(world: &World) -> Stage {
    Stage::new(profile(world, &Standin::declared), snapshot(world))
}

/// The document's example: three controllers with config-db, and an analytics node.
fn document(world: &World) {
    for name in CONTROLLERS {
        controller(world, name, "");
    }
    world.add("a6s1").service("kafka", "running");
}

/// Less of the same, for what is tried with a fault at every call.
fn small(world: &World) {
    controller(world, "5b5s42", "");
    controller(world, "5b5s43", "");
    // One on which hamon does not run, and Kafka is not at all.
    world.host("5b5s43").service("contrail-hamon", "stopped");
    fs::remove_file(world.folder().join("hosts/5b5s43/state/services/kafka")).unwrap();
    world.add("a6s1").service("kafka", "running");
}

const PRECIOUS: [Precious; 4] = [
    Precious { host: "5b5s42", path: "var/lib/zookeeper/version-2", copy: "var/lib/zookeeper/version-2-save" },
    Precious { host: "5b5s43", path: "var/lib/zookeeper/version-2", copy: "var/lib/zookeeper/version-2-save" },
    Precious { host: "5b5s42", path: "var/lib/cassandra", copy: "var/lib/cassandra-save" },
    Precious { host: "5b5s43", path: "var/lib/cassandra", copy: "var/lib/cassandra-save" },
];

fn in_small() -> Rehearsal<'static> {
    Rehearsal { runbook: "restore", build: &small, stage: &stage, precious: &PRECIOUS, once: &["import"] }
}

/// The calls of the document's example on these controllers; `kafka` is where Kafka is beside them.
fn calls_of_the_document(controllers: &[&str], inside: &str, kafka: &str) -> Vec<String> {
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
fn services(world: &World) -> Vec<String> {
    let calls = world.calls().of(&["service", "python"]);
    calls.into_iter().map(|call| call.replace("/tmp/TEMPORARY/", "")).collect()
}

fn is_restored(world: &World, host: &str) {
    let standin = world.host(host);
    let read = |path: &str| fs::read_to_string(standin.path(path)).unwrap();
    assert_eq!(read("var/lib/cassandra/data/rows"), DUMP, "{host}");
    assert_eq!(read("var/lib/zookeeper/version-2/nodes"), "imported\n", "{host}");
    assert!(!standin.path("var/lib/zookeeper/version-2/log.1").exists(), "{host}");
    assert_eq!(read("var/lib/zookeeper/version-2-save-1/nodes"), "damaged", "{host}");
    assert_eq!(read("var/lib/cassandra-save-1/commitlog/1"), "old", "{host}");
}

#[test]
fn contrail_is_restored_in_the_order_of_the_document() {
    let rehearsal = Rehearsal { runbook: "restore", build: &document, stage: &stage, precious: &[], once: &[] };
    let world = rehearsal.ready();
    let person = Recorder::agrees();
    rehearsal.run(&world, &person).unwrap();
    assert_eq!(services(&world), calls_of_the_document(&CONTROLLERS, "", "a6s1"));
    let order = [
        "stop-supervisor-config",
        "stop-cassandra",
        "stop-zookeeper",
        "stop-kafka",
        "stop-kafka-analytics",
        "stop-hamon",
        "save-zookeeper",
        "save-cassandra",
        "wipe-zookeeper",
        "wipe-cassandra",
        "start-zookeeper",
        "start-cassandra",
        "import",
        "start-supervisor-config",
        "start-kafka",
        "start-kafka-analytics",
        "start-hamon",
    ];
    assert_eq!(world.calls().steps(), order);
    for host in CONTROLLERS {
        is_restored(&world, host);
        assert_eq!(fs::read_to_string(world.host(host).path("var/lib/zookeeper/myid")).unwrap(), host);
        for service in ["supervisor-config", "cassandra", "zookeeper", "kafka", "contrail-hamon"] {
            assert_eq!(world.host(host).recalls(&format!("services/{service}")), "running", "{host}: {service}");
        }
    }
    assert_eq!(person.steps(Asked::Caution), ["consistent"]);
    assert_eq!(person.steps(Asked::Manual), ["unblock"]);
    assert!(person.asked()[0].2.contains("northbound APIs must be blocked on all systems"), "{:?}", person.asked());
}

#[test]
fn contrail_in_containers_is_restored_inside_of_them() {
    let build = |world: &World| {
        for name in CONTROLLERS {
            controller(world, name, "controller").container("analytics").service("analytics.kafka", "running");
        }
    };
    let stage = |world: &World| {
        let declare = |standin: &Standin, _: &[&str]| standin.declared(&["controller", "config-db", "analytics"]);
        let mut stage = Stage::new(profile(world, &declare), snapshot(world));
        for (name, value) in [("controller_container", "controller"), ("analytics_container", "analytics")] {
            stage.values.insert(name.to_string(), value.to_string());
        }
        stage
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &build, stage: &stage, precious: &[], once: &[] };
    let world = rehearsal.whole();
    let found = services(&world);
    let is_analytics = |call: &&String| call.contains("/analytics: ");
    let analytics: Vec<&String> = found.iter().filter(is_analytics).collect();
    assert_eq!(analytics.len(), 6, "{analytics:?}");
    assert!(analytics.iter().all(|call| call.contains("service kafka")), "{analytics:?}");
    let mut expected = calls_of_the_document(&CONTROLLERS, "/controller", "");
    expected.retain(|call| !call.starts_with(": "));
    let inside: Vec<String> = found.into_iter().filter(|call| !call.contains("/analytics: ")).collect();
    assert_eq!(inside, expected);
    assert!(world.calls().acts().iter().all(|call| call.place.contains('/')), "nothing ran outside of a container");
    CONTROLLERS.iter().for_each(|host| is_restored(&world, host));
    assert!(rehearsal.undoes_wholly());
}

#[test]
fn only_what_ran_is_stopped_and_only_what_was_stopped_of_hamon_is_started() {
    let world = in_small().whole();
    let found = services(&world);
    assert!(found.iter().any(|call| call == "5b5s42: service contrail-hamon start"), "{found:?}");
    assert!(!found.iter().any(|call| call.starts_with("5b5s43: service contrail-hamon")), "{found:?}");
    assert!(!found.iter().any(|call| call.starts_with("5b5s43: service kafka")), "{found:?}");
    assert_eq!(world.host("5b5s43").recalls("services/contrail-hamon"), "stopped");
}

#[test]
fn a_restore_of_contrail_over_ssh_makes_the_same_calls_and_comes_to_the_same_end() {
    let Some(sshd) = Sshd::start() else { return };
    let stage = |world: &World| {
        let declare = |standin: &Standin, roles: &[&str]| standin.declared_over(&sshd, roles);
        Stage::new(profile(world, &declare), snapshot(world))
    };
    let over_ssh = Rehearsal { runbook: "restore", build: &small, stage: &stage, precious: &[], once: &[] };
    let (world, expected) = (over_ssh.whole(), in_small().whole());
    assert_eq!(services(&world), services(&expected));
    assert_eq!(world.state(), expected.state());
}

#[test]
fn a_load_balancer_that_still_answers_is_found_by_its_ports() {
    let stage = |world: &World| {
        let mut stage = stage(world);
        stage.values.insert("northbound_vip".to_string(), "127.0.0.9".to_string());
        stage
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &small, stage: &stage, precious: &[], once: &[] };
    let plan = rehearsal.plan(&rehearsal.ready()).unwrap();
    let step = plan.steps.iter().find(|step| step.id == "northbound-closed").unwrap();
    assert_eq!(step.tasks[0].require[0].kind, TestKind::Closed { address: "127.0.0.9".to_string(), port: 8082 });
}

#[test]
fn the_profile_of_contrail_has_nothing_wrong_and_values_for_everything() {
    let profile = Library::default().find("contrail").unwrap();
    assert_eq!(keepfast_engine::profile::review(&profile), []);
    assert!(Values::new(&profile, &BTreeMap::new()).is_ok());
}
