// SPDX-License-Identifier: MIT OR Apache-2.0
//! Contrail's databases are destroyed and brought back on stand-ins, in the order of the vendor's document, with a fault at
//! every call; in virtual machines and in containers, here and over ssh.

use std::collections::BTreeMap;
use std::fs;

use keepfast_engine::profile::{Asked, Library, Profile, Values};
use keepfast_engine::runbook::{RunbookError, TestKind, Why};

use crate::support::sshd::Sshd;
use crate::support::standin::{Fault, Folder, Precious, Recorder, Rehearsal, Stage, Standin, World, is_child};

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
fn a_restore_of_contrail_that_fails_at_any_call_is_resumed_to_the_same_end() {
    in_small().resumes_after_a_fault_at_every_call(Fault::Fail);
}

#[test]
fn a_restore_of_contrail_that_fails_at_any_call_is_undone_to_the_beginning() {
    in_small().undoes_after_a_fault_at_every_call(Fault::Fail);
    assert!(in_small().undoes_wholly());
}

#[test]
fn a_restore_of_contrail_that_fails_after_any_call_is_undone_to_the_beginning() {
    in_small().undoes_after_a_fault_at_every_call(Fault::FailAfter);
}

#[test]
fn a_restore_of_contrail_is_resumed_after_keepfast_was_killed_at_any_call() {
    if is_child() {
        return in_small().run_as_child();
    }
    let name = concat!(module_path!(), "::a_restore_of_contrail_is_resumed_after_keepfast_was_killed_at_any_call");
    in_small().resumes_after_a_kill_at_every_call(Fault::Die, name);
}

#[test]
fn a_service_that_nobody_can_tell_of_is_not_taken_for_stopped_and_nothing_is_wiped() {
    let build = |world: &World| {
        small(world);
        world
            .host("5b5s43")
            .command("service", "look \"$@\"\necho 'Failed to connect to bus: No such file or directory' >&2\nexit 1");
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &build, stage: &stage, precious: &PRECIOUS, once: &[] };
    let world = rehearsal.ready();
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err();
    assert_eq!((stopped.host.as_str(), stopped.step.as_str()), ("5b5s43", "stop-supervisor-config"), "{stopped}");
    rehearsal.undo(&world, &Recorder::agrees()).unwrap_err();
    assert!(world.calls().of(&["find", "cp"]).is_empty());
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
fn an_import_that_broke_off_is_asked_about_refused_by_the_tool_and_undone() {
    let rehearsal = in_small();
    let whole = rehearsal.whole();
    let start = rehearsal.ready().state();
    let import = whole.calls().acts().iter().find(|call| call.step == "import").unwrap().number;
    let world = rehearsal.ready();
    world.fault(import, Fault::FailAfter);
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(
        stopped.contains("--import-from db-dump.json on any one controller\" on 5b5s42: the command ended"),
        "{stopped}"
    );
    let person = Recorder::agrees();
    let stopped = rehearsal.resume(&world, &person).unwrap_err().to_string();
    assert_eq!(person.steps(Asked::Repeat), ["import"]);
    assert!(stopped.contains("already has entries"), "{stopped}");
    rehearsal.undo(&world, &Recorder::agrees()).unwrap();
    assert_eq!(world.state(), start);
}

#[test]
fn nothing_is_stopped_if_a_controller_can_not_be_reached() {
    let build = |world: &World| {
        controller(world, "5b5s42", "");
        controller(world, "5b5s43", "");
    };
    let stage = |world: &World| {
        let mut stage = stage(world);
        let second = stage.profile.hosts.get_mut("5b5s43").unwrap();
        // A port at which nothing listens.
        (second.ssh, second.port) = (Some("root@127.0.0.1".to_string()), Some(1));
        stage
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &build, stage: &stage, precious: &[], once: &[] };
    let world = rehearsal.ready();
    let start = world.state();
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("5b5s43 can not be reached"), "{stopped}");
    assert!(stopped.contains("nothing has been stopped yet"), "{stopped}");
    assert_eq!(world.state(), start);
}

#[test]
fn a_controller_lost_in_the_middle_is_named_and_the_run_goes_on_when_it_is_back() {
    let Some(sshd) = Sshd::start() else { return };
    let stage = |world: &World| {
        let declare = |standin: &Standin, roles: &[&str]| match standin.name.as_str() {
            "5b5s43" => standin.declared_over(&sshd, roles),
            _ => standin.declared(roles),
        };
        Stage::new(profile(world, &declare), snapshot(world))
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &small, stage: &stage, precious: &PRECIOUS, once: &[] };
    let (world, expected) = (rehearsal.ready(), in_small().whole());
    // Once its databases have been replaced, nobody gets in there any more.
    let (_, _, words) = sshd.reached();
    let key = format!("{}.pub", words[words.iter().position(|word| word == "-i").unwrap() + 1]);
    world.host("5b5s43").hook("supervisor-config", "start", &format!("mv {key} {key}.away || :\n"));
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err();
    assert!(stopped.to_string().contains("can not reach 5b5s43"), "{stopped}");
    assert_eq!((stopped.host.as_str(), stopped.step.as_str()), ("5b5s43", "start-kafka"), "{stopped}");
    fs::rename(format!("{key}.away"), &key).unwrap();
    rehearsal.resume(&world, &Recorder::agrees()).unwrap();
    assert_eq!(world.state(), expected.state());
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
fn a_dump_of_something_else_is_refused_before_anything_is_stopped() {
    for dump in ["", "no json", "{}", r#"{"cassandra": {}, "zookeeper": "[]"}"#] {
        let stage = |world: &World| {
            let stage = stage(world);
            fs::write(world.folder().join("snapshot/db-dump.json"), dump).unwrap();
            stage
        };
        let rehearsal = Rehearsal { runbook: "restore", build: &small, stage: &stage, precious: &[], once: &[] };
        let world = rehearsal.ready();
        let start = world.state();
        let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err();
        assert_eq!(stopped.step, "dump", "{dump:?}: {stopped}");
        assert_eq!(world.state(), start);
    }
}

#[test]
fn a_compressed_dump_is_restored_as_well() {
    let stage = |world: &World| {
        let stage = stage(world);
        let plain = world.folder().join("snapshot/db-dump.json");
        assert!(std::process::Command::new("gzip").arg("-nf").arg(plain).status().unwrap().success());
        stage
    };
    let world =
        Rehearsal { runbook: "restore", build: &small, stage: &stage, precious: &PRECIOUS, once: &["import"] }.whole();
    is_restored(&world, "5b5s42");
}

#[test]
fn a_snapshot_without_a_dump_and_a_profile_without_controllers_make_no_plan() {
    let stage_without = |world: &World| {
        let stage = stage(world);
        fs::remove_file(world.folder().join("snapshot/db-dump.json")).unwrap();
        stage
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &small, stage: &stage_without, precious: &[], once: &[] };
    let refused = rehearsal.plan(&rehearsal.ready()).unwrap_err();
    assert!(matches!(refused, RunbookError::NotInSnapshot { .. }), "{refused}");
    let without_role = |world: &World| {
        let mut stage = stage(world);
        stage.profile.hosts.values_mut().for_each(|host| host.roles.retain(|role| role != "config-db"));
        stage
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &small, stage: &without_role, precious: &[], once: &[] };
    let refused = rehearsal.plan(&rehearsal.ready()).unwrap_err().to_string();
    assert_eq!(refused, "the profile contrail needs at least 1 with the role config-db, and has 0");
}

#[test]
fn a_person_who_does_not_know_that_apis_are_blocked_stops_the_restore_before_it_begins() {
    let rehearsal = in_small();
    let world = rehearsal.ready();
    let start = world.state();
    let stopped = rehearsal.run(&world, &Recorder::refuses()).unwrap_err();
    assert!(matches!(stopped.why, Why::Refused), "{stopped}");
    assert_eq!(world.state(), start);
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
fn the_drill_of_contrail_counts_tables_and_refuses_an_empty_dump() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().to_str().unwrap().to_string();
    let stage_of = |dump: &'static str| {
        let root = root.clone();
        move |world: &World| {
            let folder = snapshot(world);
            fs::write(folder.0.join("db-dump.json"), dump).unwrap();
            let mut stage = Stage::new(Library::default().find("contrail").unwrap(), folder);
            stage.values = BTreeMap::from([("root".to_string(), root.clone())]);
            stage
        }
    };
    let build = |world: &World| drop(world.add("here"));
    let whole = stage_of(DUMP);
    let rehearsal = Rehearsal { runbook: "drill", build: &build, stage: &whole, precious: &[], once: &[] };
    let world = rehearsal.whole();
    let said = fs::read_to_string(world.runs().join("1/output.log")).unwrap();
    assert!(said.contains("config_db_uuid: 1 tables, 1 rows") && said.contains("ZooKeeper: 1 nodes"), "{said}");
    let empty = stage_of(r#"{"cassandra": {"config_db_uuid": {"obj_fq_name_table": {}}}, "zookeeper": "[]"}"#);
    let rehearsal = Rehearsal { runbook: "drill", build: &build, stage: &empty, precious: &[], once: &[] };
    let stopped = rehearsal.run(&rehearsal.ready(), &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("no table of the dump has a row"), "{stopped}");
    let nowhere = |world: &World| Stage::new(Library::default().find("contrail").unwrap(), snapshot(world));
    let rehearsal = Rehearsal { runbook: "drill", build: &build, stage: &nowhere, precious: &[], once: &[] };
    let stopped = rehearsal.run(&rehearsal.ready(), &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("a drill runs below a scratch root only"), "{stopped}");
}

#[test]
fn the_profile_of_contrail_has_nothing_wrong_and_values_for_everything() {
    let profile = Library::default().find("contrail").unwrap();
    assert_eq!(keepfast_engine::profile::review(&profile), []);
    assert!(Values::new(&profile, &BTreeMap::new()).is_ok());
}

/// Runs a stream of the profile as a capture would, and gives what it wrote.
fn stream(world: &World, profile: &Profile, id: &str, values: &[(&str, &str)]) -> Result<String, String> {
    let given = values.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let values = Values::new(profile, &given).unwrap();
    let host = &profile.hosts["5b5s42"];
    let values = values.on(profile, "5b5s42", host).unwrap();
    let stream = profile.capture.streams.iter().find(|stream| stream.id == id).unwrap();
    let script = keepfast_engine::profile::template::script(&stream.run, &values).unwrap();
    let mut command = std::process::Command::new("sh");
    let output = command.args(["-ec", &script]).envs(&host.environment).current_dir(world.folder()).output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(String::from_utf8_lossy(&output.stderr).to_string()),
    }
}

#[test]
fn the_dump_of_contrail_is_what_the_tool_wrote_and_a_broken_one_is_none() {
    let world = in_small().ready();
    let profile = profile(&world, &Standin::declared);
    let rows = world.host("5b5s42").path("var/lib/cassandra/data/rows");
    fs::write(&rows, DUMP).unwrap();
    assert_eq!(stream(&world, &profile, "db-dump.json", &[]).unwrap(), DUMP);
    let values = [("omit_keyspace", "dm_keyspace")];
    assert_eq!(stream(&world, &profile, "db-dump-without-keyspace.json", &values).unwrap(), DUMP);
    let of = |words: &str| format!("5b5s42: python db_json_exim.py --export-to db-dump.json{words}");
    assert_eq!(services(&world), [of(""), of(" --omit-keyspace dm_keyspace")]);
    for broken in ["", "{\"cassandra\": "] {
        fs::write(&rows, broken).unwrap();
        assert!(stream(&world, &profile, "db-dump.json", &[]).is_err(), "{broken:?}");
    }
    world.host("5b5s42").service("zookeeper", "stopped");
    world.host("5b5s43").service("zookeeper", "stopped");
    let said = stream(&world, &profile, "db-dump.json", &[]).unwrap_err();
    assert!(said.contains("zookeeper does not answer"), "{said}");
}
