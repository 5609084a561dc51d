// SPDX-License-Identifier: MIT OR Apache-2.0
//! The stand-ins do what the tests of systems rely on: they remember, refuse, count, and fail where they are told to.

use std::collections::BTreeMap;

use keepfast_engine::profile::{Asked, Library, Profile};
use keepfast_engine::runbook::Why;
use keepfast_storage::testing::Port;

use crate::support::standin::{Fault, Folder, Nothing, Precious, Recorder, Rehearsal, Stage, World, is_child};

const PROFILE: &str = r#"
title = "Two machines with a service and its data"
[roles.server]
[[capture.files]]
id = "settings"
paths = ["{{root}}/etc/*.conf"]
[runbooks.empty]
title = "Empty the data"
needs_snapshot = true
[[runbooks.empty.steps]]
id = "stop"
title = "Stop the service"
on = "each server"
caution = "nobody can work"
run = "service store stop"
undo = "service store start"
unless = "! service store status"
[[runbooks.empty.steps]]
id = "save"
title = "Save aside"
on = "all server"
save_aside = { path = "{{root}}/var/lib/store", to = "{{root}}/var/lib/store-save" }
[[runbooks.empty.steps]]
id = "wipe"
title = "Wipe"
on = "all server"
wipe = { inside = "{{root}}/var/lib/store", saved_by = "save" }
[[runbooks.empty.steps]]
id = "settings"
title = "Put settings back"
on = "each server"
restore = ["settings"]
[[runbooks.empty.steps]]
id = "start"
title = "Start the service"
on = "each server"
run = "service store start"
undo = "service store stop"
"#;

fn build(world: &World) {
    for name in ["a", "b"] {
        let standin = world.add(name);
        standin.service("store", "running").file("var/lib/store/data/1", "one").file("var/lib/store/log", "two");
        standin.file("etc/store.conf", "new = true\n");
    }
    std::fs::create_dir_all(world.folder().join("snapshot/etc")).unwrap();
    std::fs::write(world.folder().join("snapshot/etc/store.conf"), "new = false\n").unwrap();
}

fn profile(world: &World) -> Profile {
    let mut profile = Library::default().parse("store", PROFILE).unwrap();
    profile.hosts = ["a", "b"].map(|name| (name.to_string(), world.host(name).declared(&["server"]))).into();
    profile
}

fn stage(world: &World) -> Stage {
    Stage::new(profile(world), Folder(world.folder().join("snapshot")))
}

const PRECIOUS: [Precious; 2] = [
    Precious { host: "a", path: "var/lib/store", copy: "var/lib/store-save" },
    Precious { host: "b", path: "var/lib/store", copy: "var/lib/store-save" },
];

fn rehearsal() -> Rehearsal<'static> {
    Rehearsal { runbook: "empty", build: &build, stage: &stage, precious: &PRECIOUS, once: &[] }
}

#[test]
fn a_stand_in_remembers_and_logs_in_one_order() {
    let world = rehearsal().whole();
    let calls = world.calls();
    let services =
        ["a: service store stop", "b: service store stop", "a: service store start", "b: service store start"];
    assert_eq!(calls.of(&["service"]), services);
    assert_eq!(calls.steps(), ["stop", "save", "wipe", "settings", "start"]);
    assert_eq!(world.host("a").recalls("services/store"), "running");
    assert!(world.host("b").path("var/lib/store-save-1/data/1").exists());
    assert!(!world.host("b").path("var/lib/store/data").exists());
}

#[test]
fn a_stand_in_fails_at_every_call_it_is_told_to() {
    rehearsal().resumes_after_a_fault_at_every_call(Fault::Fail);
    rehearsal().resumes_after_a_fault_at_every_call(Fault::FailAfter);
    rehearsal().undoes_after_a_fault_at_every_call(Fault::Fail);
    rehearsal().undoes_after_a_fault_at_every_call(Fault::FailAfter);
    assert!(rehearsal().undoes_wholly());
}

#[test]
fn a_stand_in_kills_keepfast_where_it_is_told_to() {
    if is_child() {
        return rehearsal().run_as_child();
    }
    let name = concat!(module_path!(), "::a_stand_in_kills_keepfast_where_it_is_told_to");
    rehearsal().resumes_after_a_kill_at_every_call(Fault::Die, name);
    rehearsal().resumes_after_a_kill_at_every_call(Fault::DieAfter, name);
}

#[test]
fn a_command_that_hangs_is_ended() {
    let world = rehearsal().ready();
    world.fault(1, Fault::Hang);
    let stopped = rehearsal().run_in_seconds(&world, 10).unwrap_err();
    assert!(stopped.to_string().contains("had not ended after 10 s"), "{stopped}");
    rehearsal().resume(&world, &Recorder::agrees()).unwrap();
}

#[test]
fn a_person_who_refuses_is_asked_once_and_nothing_happens() {
    let world = rehearsal().ready();
    let start = world.state();
    let person = Recorder::refuses();
    let stopped = rehearsal().run(&world, &person).unwrap_err();
    assert!(matches!(stopped.why, Why::Refused), "{stopped}");
    assert_eq!(person.asked(), [(Asked::Caution, "stop".to_string(), "nobody can work".to_string())]);
    assert_eq!(world.state(), start);
    assert!(world.calls().acts().is_empty());
    let person = Recorder::refuses_at("another step");
    rehearsal().resume(&world, &person).unwrap();
    assert_eq!(person.steps(Asked::Caution), ["stop"]);
}

#[test]
fn users_and_containers_stand_in_the_log() {
    let document = "[roles.server]\n[runbooks.look]\ntitle = \"Look\"\n[[runbooks.look.steps]]\nid = \"in\"\ntitle = \"In\"\n\
                    on = \"one server\"\nrun = \"service web stop\"\nuser = \"root\"\ncontainer = \"box\"\nundo_by = \"a test\"\n";
    let build = |world: &World| {
        world.add("a").container("box").service("box.web", "running").service("web", "running");
    };
    let stage = |world: &World| {
        let mut profile = Library::default().parse("look", document).unwrap();
        profile.hosts = BTreeMap::from([("a".to_string(), world.host("a").declared(&["server"]))]);
        Stage::new(profile, Nothing)
    };
    let world = Rehearsal { runbook: "look", build: &build, stage: &stage, precious: &[], once: &[] }.whole();
    assert_eq!(world.calls().of(&["service"]), ["a/box as root: service web stop"]);
    let standin = world.host("a");
    assert_eq!(
        (standin.recalls("services/box.web"), standin.recalls("services/web")),
        ("stopped".into(), "running".into())
    );
}

#[test]
fn a_folder_serves_as_a_snapshot_of_a_tar() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    std::fs::create_dir_all(from.join("etc/x")).unwrap();
    std::fs::create_dir(&to).unwrap();
    std::fs::write(from.join("etc/x/a.conf"), "a").unwrap();
    let archive = folder.path().join("archive.tar");
    let made = std::process::Command::new("tar").arg("-C").arg(&from).arg("-cf").arg(&archive).arg("etc").status();
    assert!(made.unwrap().success());
    let contents = Folder::of_tar(&archive, &to);
    let found = keepfast_engine::runbook::Contents::matching(&contents, "a", "etc/*/a.*").unwrap();
    assert_eq!(found, ["etc/x/a.conf"]);
}

const IN_A_BOX: &str = r#"
[variables.box]
value = "box"
[roles.server]
[runbooks.empty]
title = "Empty a folder of the container"
[[runbooks.empty.steps]]
id = "stop"
title = "Stop what runs"
on = "each server"
container = "{{box}}"
unless = "! service store status"
run = "service store stop"
undo = "service store start"
[[runbooks.empty.steps]]
id = "save"
title = "Save aside"
on = "all server"
container = "{{box}}"
save_aside = { path = "{{root}}/var/lib/store", to = "{{root}}/var/lib/store-save" }
[[runbooks.empty.steps]]
id = "wipe"
title = "Wipe"
on = "all server"
container = "{{box}}"
wipe = { inside = "{{root}}/var/lib/store", saved_by = "save" }
[[runbooks.empty.steps]]
id = "start"
title = "Start what ran"
on = "each server"
container = "{{box}}"
only_where_done = "stop"
run = "service store start"
undo = "service store stop"
"#;

#[test]
fn folders_of_a_container_are_saved_and_wiped_inside_of_it_and_only_what_ran_is_started() {
    let build = |world: &World| {
        for (name, service) in [("a", "running"), ("b", "stopped")] {
            let standin = world.add(name);
            standin.container("box").service("box.store", service).service("store", service);
            standin.file("var/lib/store/1", "one");
        }
    };
    let stage_of = |value: &'static str| {
        move |world: &World| {
            let mut profile = Library::default().parse("box", IN_A_BOX).unwrap();
            assert_eq!(keepfast_engine::profile::review(&profile), []);
            profile.hosts = ["a", "b"].map(|name| (name.to_string(), world.host(name).declared(&["server"]))).into();
            let mut stage = Stage::new(profile, Nothing);
            stage.values.insert("box".to_string(), value.to_string());
            stage
        }
    };
    for (value, place) in [("box", "a/box"), ("", "a")] {
        let stage = stage_of(value);
        let rehearsal = Rehearsal { runbook: "empty", build: &build, stage: &stage, precious: &[], once: &[] };
        let calls = rehearsal.whole().calls();
        let of = |words: &str| format!("{place}: {words}");
        assert_eq!(calls.of(&["service"]), [of("service store stop"), of("service store start")]);
        assert!(calls.of(&["cp"]).contains(&of("cp -aH /var/lib/store /var/lib/store-save-1.partial")), "{calls:?}");
        assert_eq!(calls.of(&["find"]).len(), 2);
        assert!(rehearsal.undoes_wholly());
    }
}

#[test]
fn a_port_that_must_be_closed_is_one_that_refuses() {
    // Nobody else gets it once nobody listens there.
    let reserved = Port::reserve();
    let port = reserved.number();
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let document = format!(
        "[variables.vip]\nvalue = \"127.0.0.1\"\n[roles.server]\n[runbooks.look]\ntitle = \"Look\"\n[[runbooks.look.steps]]\nid = \"vip\"\n\
         title = \"Is it closed?\"\nrequire = [{{ closed = {port}, at = \"{{{{vip}}}}\", says = \"close it\" }}]\n"
    );
    let build = |world: &World| drop(world.add("a"));
    let stage = |_: &World| Stage::new(Library::default().parse("look", &document).unwrap(), Nothing);
    let rehearsal = Rehearsal { runbook: "look", build: &build, stage: &stage, precious: &[], once: &[] };
    let world = rehearsal.ready();
    let stopped = rehearsal.run(&world, &Recorder::agrees()).unwrap_err().to_string();
    assert!(stopped.contains(&format!("close it (127.0.0.1 answers at port {port})")), "{stopped}");
    // Closing it is not enough: a process that another thread is just starting listens, too, until it is another program.
    rustix::net::shutdown(&listener, rustix::net::Shutdown::Both).unwrap();
    rehearsal.resume(&world, &Recorder::agrees()).unwrap();
}
