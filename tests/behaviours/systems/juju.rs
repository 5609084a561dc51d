// SPDX-License-Identifier: MIT OR Apache-2.0
//! Juju's state servers are lost and brought back from an archive on stand-ins, as the vendor's document says; and nothing
//! is restored while one of them lives.

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use keepfast_engine::profile::{Asked, Library, Values, review, template};
use keepfast_engine::runbook::{RunbookError, Why};

use crate::support::standin::{Fault, Folder, Recorder, Rehearsal, Stage, World, is_child};

/// `juju` of the document's days. The environment is a file in the world: how many state servers live.
const JUJU: &str = r#"
servers=$world/servers
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
        echo 1 > "$servers"
        echo "updating all machines" ;;
    "backups create"* | "create-backup"* | "backup"*)
        if [ "$(alive)" = 0 ]; then refuse "ERROR Unable to connect to environment"; fi
        case $args in backup | "backup "*) archive=juju-backup-20150210-1352.tgz ;; esac
        cp "$world/snapshot/juju-backup.tar.gz" "$archive"
        case " $args " in *" --quiet "*) ;; *) echo "backup ID: \"20140403-140800\"" ;; esac
        echo "$archive" ;;
    "ensure-availability"*)
        if [ "$(alive)" = 0 ]; then refuse "ERROR Unable to connect to environment"; fi
        echo "$archive" > "$servers" ;;
    *) refuse "ERROR unrecognized command: juju $args" ;;
esac
"#;

/// `juju-restore` on a controller machine.
const JUJU_RESTORE: &str = r#"
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
fn archive(to: &Path, make: impl Fn(&Path)) {
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

fn tar(folder: &Path, words: &[&str]) {
    assert!(Command::new("tar").arg("-C").arg(folder).args(words).status().unwrap().success());
}

fn snapshot(world: &World, make: impl Fn(&Path)) -> Folder {
    let folder = world.folder().join("snapshot");
    fs::create_dir_all(&folder).unwrap();
    archive(&folder.join("juju-backup.tar.gz"), make);
    Folder(folder)
}

/// A host that is silent at a port: its backlog is full.
fn silent() -> (TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        waiting.push(stream);
        assert!(waiting.len() < 100, "the backlog is never full");
    }
    (listener, waiting)
}

/// The document's environment: a client, and three state servers that are lost.
fn lost(world: &World) {
    world.add("client").command("juju", JUJU);
    for name in ["server0", "server1", "server2"] {
        world.add(name).command("juju-restore", JUJU_RESTORE).remember("backup-version", "same");
    }
    fs::write(world.folder().join("servers"), "0\n").unwrap();
}

/// With this port in place of those of state servers.
fn stage_at(world: &World, port: u16, values: &[(&str, &str)]) -> Stage {
    let mut profile = Library::default().find("juju").unwrap();
    for name in world.hosts() {
        let role = if name == "client" { "client" } else { "state-server" };
        profile.hosts.insert(name.clone(), world.host(&name).declared(&[role]));
    }
    for step in profile.runbooks.get_mut("restore").unwrap().steps.iter_mut().filter(|step| step.id == "all-gone") {
        step.require[0].ports = vec![port];
    }
    let mut stage = Stage::new(profile, snapshot(world, |_| {}));
    stage.values = values.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    stage
}

fn calls(world: &World) -> Vec<String> {
    world.calls().of(&["juju", "juju-restore"]).into_iter().map(|call| call.replace("/tmp/TEMPORARY/", "")).collect()
}

#[test]
fn the_profile_of_juju_has_nothing_wrong() {
    assert_eq!(review(&Library::default().find("juju").unwrap()), []);
}

#[test]
fn lost_state_servers_are_restored_and_made_available_again_as_the_document_says() {
    let (listener, _waiting) = silent();
    let port = listener.local_addr().unwrap().port();
    for (values, expected) in [
        (&[][..], ["juju backups restore juju-backup.tar.gz", "juju ensure-availability -n 3"]),
        (
            &[("environment", "my-env"), ("constraints", "mem=4G cpu-cores=2"), ("state_servers", "5")][..],
            [
                "juju backups restore --constraints mem=4G cpu-cores=2 -e my-env juju-backup.tar.gz",
                "juju ensure-availability -e my-env -n 5",
            ],
        ),
        (
            &[("commands", "backup"), ("environment", "my-env")][..],
            ["juju restore -e my-env juju-backup.tar.gz", "juju ensure-availability -e my-env -n 3"],
        ),
        (
            &[("environment", "my-env"), ("named_by", "variable")][..],
            ["juju backups restore juju-backup.tar.gz", "juju ensure-availability -n 3"],
        ),
    ] {
        let stage = |world: &World| stage_at(world, port, values);
        let rehearsal = Rehearsal { runbook: "restore", build: &lost, stage: &stage, precious: &[], once: &[] };
        let world = rehearsal.ready();
        let person = Recorder::agrees();
        rehearsal.run(&world, &person).unwrap();
        assert_eq!(calls(&world), expected.map(|call| format!("client: {call}")), "{values:?}");
        assert_eq!(person.steps(Asked::Caution), ["caution"]);
        let asked = person.asked().remove(0).2;
        assert!(
            asked.contains("only run restore in the case where you no longer have any working state servers"),
            "{asked}"
        );
        let variable = world.host("client").recalls("environment");
        assert_eq!(variable.contains("JUJU_ENV=my-env"), values.contains(&("named_by", "variable")), "{variable}");
        let said = fs::read_to_string(world.runs().join("1/output.log")).unwrap();
        assert!(said.contains("\"Environment\": \"my-env\""), "the metadata is shown: {said}");
    }
}

#[test]
fn one_state_server_is_enough_where_there_shall_be_one() {
    let (listener, _waiting) = silent();
    let port = listener.local_addr().unwrap().port();
    let stage = |world: &World| stage_at(world, port, &[("state_servers", "1")]);
    let world = Rehearsal { runbook: "restore", build: &lost, stage: &stage, precious: &[], once: &[] }.whole();
    assert_eq!(calls(&world), ["client: juju backups restore juju-backup.tar.gz"]);
}

#[test]
fn nothing_is_restored_while_any_state_server_lives_or_may() {
    let living = TcpListener::bind("127.0.0.1:0").unwrap();
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (port, found) in [(living.local_addr().unwrap().port(), "answers at port"), (refusing, "is up: it refuses")] {
        let stage = |world: &World| stage_at(world, port, &[]);
        let rehearsal = Rehearsal { runbook: "restore", build: &lost, stage: &stage, precious: &[], once: &[] };
        let world = rehearsal.ready();
        let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err();
        assert_eq!((stopped.step.as_str(), stopped.host.as_str()), ("all-gone", "server0"));
        let text = stopped.to_string();
        assert!(text.contains("the state server server0 lives") && text.contains(found), "{text}");
        assert!(calls(&world).is_empty());
    }
    // A profile without hosts has this machine as its state server, which lives.
    let stage = |world: &World| {
        let mut stage = stage_at(world, refusing, &[]);
        stage.profile.hosts.clear();
        stage
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &lost, stage: &stage, precious: &[], once: &[] };
    let stopped = rehearsal.run(&rehearsal.ready(), &Recorder::agrees()).unwrap_err();
    assert_eq!(stopped.step, "all-gone", "{stopped}");
}

#[test]
fn a_restore_of_juju_that_fails_at_any_call_is_resumed_and_never_undone_behind_it() {
    let (listener, _waiting) = silent();
    let port = listener.local_addr().unwrap().port();
    let stage = |world: &World| stage_at(world, port, &[]);
    let rehearsal = Rehearsal { runbook: "restore", build: &lost, stage: &stage, precious: &[], once: &["restore"] };
    rehearsal.resumes_after_a_fault_at_every_call(Fault::Fail);
    rehearsal.undoes_after_a_fault_at_every_call(Fault::Fail);
    assert!(!rehearsal.undoes_wholly(), "a new state server can not be taken back");
}

#[test]
fn a_restore_of_juju_is_resumed_after_keepfast_was_killed_before_any_call() {
    let (listener, _waiting) = silent();
    let port = listener.local_addr().unwrap().port();
    // The process that is killed meets the port of the one that goes on.
    let build = |world: &World| {
        lost(world);
        fs::write(world.folder().join("port"), port.to_string()).unwrap();
    };
    let stage = |world: &World| {
        let port = fs::read_to_string(world.folder().join("port")).unwrap().parse().unwrap();
        stage_at(world, port, &[])
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &build, stage: &stage, precious: &[], once: &["restore"] };
    if is_child() {
        return rehearsal.run_as_child();
    }
    let name = concat!(module_path!(), "::a_restore_of_juju_is_resumed_after_keepfast_was_killed_before_any_call");
    rehearsal.resumes_after_a_kill_at_every_call(Fault::Die, name);
}

#[test]
fn a_restore_that_may_have_been_done_is_asked_about_before_it_is_done_again() {
    let (listener, _waiting) = silent();
    let port = listener.local_addr().unwrap().port();
    let stage = |world: &World| stage_at(world, port, &[]);
    let rehearsal = Rehearsal { runbook: "restore", build: &lost, stage: &stage, precious: &[], once: &[] };
    let whole = rehearsal.whole();
    let call = whole.calls().acts().iter().find(|call| call.words.starts_with("juju ")).unwrap().number;
    let world = rehearsal.ready();
    world.fault(call, Fault::FailAfter);
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err();
    assert_eq!(stopped.step, "restore", "{stopped}");
    let person = Recorder::refuses_at("restore");
    let stopped = rehearsal.resume(&world, &person).unwrap_err();
    assert!(matches!(stopped.why, Why::Refused), "{stopped}");
    assert_eq!(person.steps(Asked::Repeat), ["restore"]);
    let stopped = rehearsal.undo(&world, &Recorder::agrees()).unwrap_err();
    assert!(matches!(stopped.why, Why::Journal(RunbookError::Final { .. })), "{stopped}");
    assert!(stopped.to_string().contains("juju has created a new state server"), "{stopped}");
}

#[test]
fn an_archive_of_something_else_is_refused_before_anybody_is_asked() {
    let (listener, _waiting) = silent();
    let port = listener.local_addr().unwrap().port();
    let without_root = |world: &World| {
        let mut stage = stage_at(world, port, &[]);
        stage.contents = Box::new(snapshot(world, |top| fs::remove_file(top.join("root.tar")).unwrap()));
        stage
    };
    let rehearsal = Rehearsal { runbook: "restore", build: &lost, stage: &without_root, precious: &[], once: &[] };
    let person = Recorder::agrees();
    let stopped = rehearsal.run(&rehearsal.ready(), &person).unwrap_err().to_string();
    assert!(stopped.contains("it has no juju-backup/root.tar: it is no backup of juju"), "{stopped}");
    assert!(person.asked().is_empty());
}

#[test]
fn replicas_are_made_anew_while_a_state_server_works_and_not_otherwise() {
    let build = |world: &World| {
        lost(world);
        fs::write(world.folder().join("servers"), "2\n").unwrap();
    };
    let stage = |world: &World| stage_at(world, 1, &[("environment", "my-env")]);
    let runbook = "ensure-availability";
    let rehearsal = Rehearsal { runbook, build: &build, stage: &stage, precious: &[], once: &[] };
    assert_eq!(calls(&rehearsal.whole()), ["client: juju ensure-availability -e my-env -n 3"]);
    rehearsal.resumes_after_a_fault_at_every_call(Fault::Fail);
    let mut stage_of_lost = stage_at(&rehearsal.ready(), 1, &[]);
    stage_of_lost.profile.runbooks.get_mut(runbook).unwrap().steps[0].require[0].within = None;
    let profile = stage_of_lost.profile;
    let stage = |world: &World| {
        let mut stage = stage_at(world, 1, &[]);
        let hosts = std::mem::take(&mut stage.profile.hosts);
        stage.profile = profile.clone();
        stage.profile.hosts = hosts;
        stage
    };
    let rehearsal = Rehearsal { runbook, build: &lost, stage: &stage, precious: &[], once: &[] };
    let stopped = rehearsal.run(&rehearsal.ready(), &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("no state server answers: if all are lost, restore"), "{stopped}");
}

#[test]
fn a_controller_of_today_is_restored_on_its_primary_machine() {
    let build = |world: &World| {
        lost(world);
        fs::write(world.folder().join("servers"), "3\n").unwrap();
    };
    let of = |values: &'static [(&str, &str)]| {
        move |world: &World| {
            let mut stage = stage_at(world, 1, values);
            stage.values.insert("commands".to_string(), "create-backup".to_string());
            stage.one = BTreeMap::from([("state-server".to_string(), "server1".to_string())]);
            stage
        }
    };
    let same = of(&[]);
    let runbook = "restore-controller";
    let rehearsal = Rehearsal { runbook, build: &build, stage: &same, precious: &[], once: &[] };
    let world = rehearsal.ready();
    let person = Recorder::agrees();
    rehearsal.run(&world, &person).unwrap();
    assert_eq!(calls(&world), ["server1: juju-restore juju-backup.tar.gz"]);
    assert_eq!(world.host("server1").recalls("controller"), "restored");
    assert_eq!(person.steps(Asked::Caution), ["caution"]);
    let older = |world: &World| {
        build(world);
        world.host("server1").remember("backup-version", "older");
    };
    let rehearsal = Rehearsal { runbook, build: &older, stage: &same, precious: &[], once: &[] };
    let stopped = rehearsal.run(&rehearsal.ready(), &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains("--allow-downgrade"), "{stopped}");
    let allowed = of(&[("allow_downgrade", "yes")]);
    let world = Rehearsal { runbook, build: &older, stage: &allowed, precious: &[], once: &[] }.whole();
    assert_eq!(calls(&world), ["server1: juju-restore --allow-downgrade juju-backup.tar.gz"]);
}

#[test]
fn each_generation_of_juju_has_its_own_restore() {
    for (runbook, commands, says) in [
        ("restore", "create-backup", "use the runbook restore-controller"),
        ("restore-controller", "backups", "use the runbook restore"),
    ] {
        let stage = |world: &World| stage_at(world, 1, &[("commands", commands)]);
        let rehearsal = Rehearsal { runbook, build: &lost, stage: &stage, precious: &[], once: &[] };
        let world = rehearsal.ready();
        let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err().to_string();
        assert!(stopped.contains(says), "{stopped}");
        assert!(calls(&world).is_empty());
    }
}

/// A drill of an archive, and what it said.
fn drill(make: impl Fn(&Path) + Sync) -> (Result<(), String>, String) {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().to_str().unwrap().to_string();
    let stage = |world: &World| {
        let mut stage = Stage::new(Library::default().find("juju").unwrap(), snapshot(world, &make));
        stage.values = BTreeMap::from([("root".to_string(), root.clone())]);
        stage
    };
    let build = |world: &World| drop(world.add("here"));
    let rehearsal = Rehearsal { runbook: "drill", build: &build, stage: &stage, precious: &[], once: &[] };
    let world = rehearsal.ready();
    let ended = rehearsal.run(&world, &Recorder::agrees()).map_err(|stopped| stopped.to_string());
    (ended, fs::read_to_string(world.runs().join("1/output.log")).unwrap_or_default())
}

#[test]
fn the_drill_of_juju_looks_into_every_part_of_the_archive() {
    let (ended, said) = drill(|_| {});
    ended.unwrap();
    assert!(said.contains("1 files of the state server"), "{said}");
    assert!(said.contains("2 files of the database that are not empty"), "{said}");
    assert!(said.contains("\"Version\": \"1.21.1\""), "{said}");
    // The plug-in wrote no metadata.
    drill(|top| fs::remove_file(top.join("metadata.json")).unwrap()).0.unwrap();
    let refused = |make: fn(&Path), says: &str| {
        let (ended, said) = drill(make);
        let stopped = ended.unwrap_err();
        assert!(stopped.contains(says) || said.contains(says), "{stopped}\n{said}");
    };
    refused(|top| fs::remove_file(top.join("root.tar")).unwrap(), "it is no backup of juju");
    refused(|top| fs::write(top.join("root.tar"), "no archive").unwrap(), "does not look like a tar archive");
    refused(|top| fs::write(top.join("metadata.json"), "{").unwrap(), "Expecting property name");
    refused(
        |top| {
            fs::remove_dir_all(top.join("dump")).unwrap();
            fs::create_dir(top.join("dump")).unwrap();
        },
        "no collection that is not empty",
    );
}

#[test]
fn names_that_juju_gives_its_archives_are_understood() {
    let profile = Library::default().find("juju").unwrap();
    let kind = |name: &str| {
        let fits = |vendor: &&keepfast_engine::profile::Vendor| {
            regex::Regex::new(&format!("^(?:{})$", vendor.name)).unwrap().is_match(name)
        };
        profile.vendor.iter().find(fits).map(|vendor| vendor.id.clone())
    };
    assert_eq!(kind("juju-backup-20140403-1408.tar.gz").as_deref(), Some("archive"));
    assert_eq!(kind("juju-backup-20150210-1352.tgz").as_deref(), Some("archive"));
    assert_eq!(kind("juju-backup-20230612-112233.tar.gz").as_deref(), Some("archive-with-seconds"));
    assert_eq!(kind("backup-19.tgz").as_deref(), Some("archive-named"));
    assert_eq!(kind("db-dump.json"), None);
}

#[test]
fn every_way_to_make_an_archive_of_juju_gives_the_archive() {
    for (values, expected) in [
        (&[][..], "juju backups create --filename juju-backup.tar.gz"),
        (&[("environment", "my-env")][..], "juju backups create -e my-env --filename juju-backup.tar.gz"),
        (
            &[("environment", "my-env"), ("named_by", "variable")][..],
            "juju backups create --filename juju-backup.tar.gz",
        ),
        (&[("quiet", "yes")][..], "juju backups create --quiet --filename juju-backup.tar.gz"),
        (&[("commands", "backup")][..], "juju backup"),
        (
            &[("commands", "create-backup"), ("environment", "prod")][..],
            "juju create-backup -m prod:controller --filename juju-backup.tar.gz",
        ),
    ] {
        let world = World::new();
        lost(&world);
        fs::write(world.folder().join("servers"), "3\n").unwrap();
        let stage = stage_at(&world, 1, values);
        let host = &stage.profile.hosts["client"];
        let values_of = Values::new(&stage.profile, &stage.values).unwrap().on(&stage.profile, "client", host).unwrap();
        let script = |text: &str| template::script(text, &values_of).unwrap();
        let shell = |text: &str| Command::new("sh").args(["-ec", text]).envs(&host.environment).output().unwrap();
        let capture = &stage.profile.capture;
        let output = shell(&script(&capture.streams[0].run));
        assert!(output.status.success(), "{values:?}: {output:?}");
        assert_eq!(output.stdout, fs::read(world.folder().join("snapshot/juju-backup.tar.gz")).unwrap());
        assert_eq!(calls(&world), [format!("client: {expected}")]);
        let shows_metadata = String::from_utf8_lossy(&output.stderr).contains("backup ID");
        assert_eq!(shows_metadata, !values.contains(&("quiet", "yes")));
        let variable = world.host("client").recalls("environment");
        assert_eq!(variable.contains("JUJU_ENV=my-env"), values.contains(&("named_by", "variable")), "{variable}");
        // The initial state server has started; without any there is nothing to take from.
        let look = script(capture.before[0].require[0].run.as_ref().unwrap());
        if !values.contains(&("environment", "prod")) {
            assert!(shell(&look).status.success(), "{values:?}");
        }
        fs::write(world.folder().join("servers"), "0\n").unwrap();
        assert!(!shell(&look).status.success() && !shell(&script(&capture.streams[0].run)).status.success());
    }
}
