// SPDX-License-Identifier: MIT OR Apache-2.0
//! Juju from one end to the other through a repository: an archive of its state server is captured, all of them are lost, and come
//! back; shown before, and resumed after keepfast was killed.

use std::fs;
use std::net::{TcpListener, TcpStream};

use keepfast_engine::profile::Host;

use super::scene::Scene;
use crate::support::sshd::Sshd;
use crate::support::standin::juju::{JUJU, JUJU_RESTORE, silent, state_server};
use crate::support::standin::{Fault, difference};

const SERVERS: [&str; 3] = ["server0", "server1", "server2"];

const CREATE: &str = "client: juju backups create --filename juju-backup.tar.gz";
const RESTORE: &str = "client: juju backups restore juju-backup.tar.gz";
const ENSURE: &str = "client: juju ensure-availability -n 3";

/// An environment with three state servers, of which the profile names some.
struct Environment {
    scene: Scene,
    _silent: (TcpListener, Vec<TcpStream>),
}

impl Environment {
    fn new(named: &[&'static str], client: impl Fn(&Scene) -> Host) -> Self {
        let scene = Scene::new("juju");
        scene.world.add("client").command("juju", JUJU);
        for name in SERVERS {
            let server = scene.world.add(name);
            server.command("juju-restore", JUJU_RESTORE).remember("backup-version", "same");
            state_server(&server);
        }
        fs::write(scene.world.folder().join("servers"), "3\n").unwrap();
        let mut hosts = vec![("client", client(&scene))];
        hosts.extend(named.iter().map(|name| (*name, scene.world.host(name).declared(&["state-server"]))));
        // A lost host is silent, which a port of this machine has to play.
        let silent = silent();
        let port = silent.0.local_addr().unwrap().port();
        let all_gone = format!(
            "[[runbooks.restore.steps]]\nid = \"all-gone\"\n\
             require = [{{ offline = \"{{{{address}}}}\", ports = [{port}], says = \"{{{{host}}}} lives\" }}]"
        );
        scene.profile(&hosts, &all_gone);
        Self { scene, _silent: silent }
    }

    fn local(named: &[&'static str]) -> Self {
        Self::new(named, |scene| scene.world.host("client").declared(&["client"]))
    }

    /// All state servers are lost, with their disks.
    fn lose(&self) {
        fs::write(self.scene.world.folder().join("servers"), "0\n").unwrap();
        for name in SERVERS {
            fs::remove_dir_all(self.scene.world.host(name).path("var")).unwrap();
        }
        self.scene.forget_calls();
    }

    fn calls(&self) -> Vec<String> {
        self.scene.world.calls().short(&["juju", "juju-restore"])
    }

    fn servers(&self) -> String {
        fs::read_to_string(self.scene.world.folder().join("servers")).unwrap()
    }

    fn comes_back(&self) {
        let before = self.scene.state();
        let run = self.scene.back_up(&[]);
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(self.calls(), [CREATE]);
        assert_eq!(self.scene.sandbox.ls("latest"), ["/juju-backup.tar.gz"]);
        self.lose();
        self.scene.is_well();
        assert!(self.calls().is_empty(), "a drill asks nobody");
        let run = self.scene.recover(&[]);
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(self.calls(), [RESTORE, ENSURE]);
        assert_eq!(difference(&before, &self.scene.state()), [""; 0]);
        assert_eq!(self.servers(), "3\n");
    }
}

#[test]
fn lost_state_servers_come_back_from_what_was_captured_as_they_were() {
    Environment::local(&SERVERS).comes_back();
}

#[test]
fn they_do_when_the_client_is_behind_ssh() {
    let Some(sshd) = Sshd::start() else { return };
    Environment::new(&["server0"], |scene| scene.world.host("client").declared_over(&sshd, &["client"])).comes_back();
}

#[test]
fn a_controller_of_today_comes_back_from_what_was_captured() {
    let environment = Environment::local(&SERVERS);
    let scene = &environment.scene;
    let today = ["--var", "commands=create-backup"];
    let run = scene.back_up(&today);
    assert_eq!(run.code, 0, "{run:?}");
    scene.is_well();
    let run =
        scene.recover(&[&today[..], &["--runbook", "restore-controller", "--one", "state-server=server1"]].concat());
    assert_eq!(run.code, 0, "{run:?}");
    let create = "client: juju create-backup --filename juju-backup.tar.gz";
    assert_eq!(environment.calls(), [create, "server1: juju-restore juju-backup.tar.gz"]);
    assert_eq!(scene.world.host("server1").recalls("controller"), "restored");
}

#[test]
fn what_a_dry_run_prints_of_juju_does_nothing_and_pasted_makes_the_calls_of_a_run() {
    let environment = Environment::local(&SERVERS[..1]);
    let scene = &environment.scene;
    let before = scene.state();
    assert_eq!(scene.back_up(&[]).code, 0);
    environment.lose();
    let lost = scene.state();
    let dry = scene.ok(&["recover", "juju", "--dry-run"]).out;
    assert_eq!(difference(&lost, &scene.state()), [""; 0]);
    assert!(scene.world.calls().0.is_empty(), "nothing was called: {:?}", scene.world.calls());
    assert!(!scene.sandbox.path("home/.local/state/keepfast/runs").exists(), "a dry run leaves no run");
    for part in [
        "# caution: Please make sure to only run restore in the case where you no longer have any working state",
        "# must be so before: 127.0.0.1 does not answer at port",
        "(else: server0 lives)",
        "keepfast dump ",
        ":juju-backup.tar.gz | sh -c ",
    ] {
        assert!(dry.contains(part), "{part}: {dry}");
    }
    let run = scene.paste(&dry);
    assert_eq!(run.code, 0, "{run:?}\n{dry}");
    assert_eq!(environment.calls(), [RESTORE, ENSURE]);
    assert_eq!(difference(&before, &scene.state()), [""; 0]);
    // Pasted once more, where juju answers: it stops before anything is done.
    scene.forget_calls();
    let run = scene.paste(&dry);
    assert!(run.code != 0 && run.err.contains("juju answers, so a state server works"), "{run:?}");
    assert!(environment.calls().is_empty());
}

#[test]
fn a_dry_run_shows_what_each_generation_of_juju_is_told() {
    let environment = Environment::local(&SERVERS[..1]);
    let scene = &environment.scene;
    assert_eq!(scene.back_up(&[]).code, 0);
    scene.forget_calls();
    for (words, expected) in [
        (&["--var", "constraints=mem=4G", "--var", "environment=my-env"][..], "constraints='\\''mem=4G"),
        (&["--var", "commands=backup"], "case backup in"),
        (&["--var", "commands=create-backup", "--runbook", "restore-controller"], "yes y | juju-restore"),
        (&["--runbook", "ensure-availability", "--var", "state_servers=5"], "-n 5"),
    ] {
        let dry = scene.ok(&[&["recover", "juju", "--dry-run"], words].concat()).out;
        assert!(dry.contains(expected), "{expected}: {dry}");
    }
    assert!(scene.world.calls().0.is_empty(), "{:?}", scene.world.calls());
}

#[test]
fn a_restore_of_juju_is_resumed_wherever_keepfast_was_killed() {
    let whole = Environment::local(&SERVERS[..1]);
    assert_eq!(whole.scene.back_up(&[]).code, 0);
    whole.lose();
    assert_eq!(whole.scene.recover(&[]).code, 0);
    let calls = whole.scene.world.calls();
    let of_juju = calls.acts().into_iter().filter(|call| call.words.starts_with("juju "));
    let numbers: Vec<usize> = of_juju.map(|call| call.number).collect();
    // Before and behind each of the two calls.
    for (call, fault, expected) in [
        (0, Fault::Die, &[RESTORE, RESTORE, ENSURE][..]),
        (0, Fault::DieAfter, &[RESTORE, ENSURE]),
        (1, Fault::Die, &[RESTORE, ENSURE, ENSURE]),
        (1, Fault::DieAfter, &[RESTORE, ENSURE, ENSURE]),
    ] {
        let environment = Environment::local(&SERVERS[..1]);
        let scene = &environment.scene;
        let before = scene.state();
        assert_eq!(scene.back_up(&[]).code, 0);
        environment.lose();
        scene.world.fault(numbers[call], fault);
        scene.is_killed(&["recover", "juju", "--yes"]);
        // Another run does not begin, and says how this one goes on.
        let run = scene.recover(&[]);
        let number = scene.newest_run();
        assert!(run.code == 1 && run.err.contains(&format!("--resume {number}")), "{call} {fault:?}: {run:?}");
        let undo = scene.recover(&["--undo", &number]);
        assert!(undo.code == 1 && undo.err.contains("can not be undone"), "{call} {fault:?}: {undo:?}");
        let run = scene.recover(&["--resume", &number]);
        assert_eq!(run.code, 0, "{call} {fault:?}: {run:?}");
        assert_eq!(environment.calls(), expected, "{call} {fault:?}");
        assert_eq!(difference(&before, &scene.state()), [""; 0], "{call} {fault:?}");
        assert_eq!(environment.servers(), "3\n");
    }
}
