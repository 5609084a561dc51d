// SPDX-License-Identifier: MIT OR Apache-2.0
//! `backup --profile`: a small system of scripts, on this machine and on hosts behind a command that plays ssh.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::{Run, Sandbox, executable};

/// One host, this machine: two files that must be there, one that may, one of two; a dump; a service that is stopped meanwhile.
const HERE: &str = r#"
title = "A small system"

[roles.node]

[[capture.files]]
id = "configuration"
paths = ["{{root}}/etc/app/*.conf", "{{root}}/etc/app/keys"]
exclude = ["*.lock"]

[[capture.files]]
id = "custom"
need = "none"
paths = ["{{root}}/srv/custom"]

[[capture.files]]
id = "either"
need = "one"
paths = ["{{root}}/etc/old.ini", "{{root}}/etc/new.ini"]

[[capture.streams]]
id = "dump.sql"
on = "each node"
run = "test \"$(cat {{root}}/state)\" = stopped\nsh {{root}}/dump"

[[capture.before]]
id = "blocked"
title = "Northbound changes are blocked"
on = "each node"
require = [{ run = "! test -e {{root}}/open", says = "changes are not blocked: block them first" }]

[[capture.quiesce]]
id = "service"
title = "the service"
on = "each node"
run = "echo stopped > {{root}}/state"
resume = "echo running > {{root}}/state"

[[capture.after]]
id = "still-blocked"
title = "Northbound changes are still blocked"
on = "each node"
require = [{ run = "! test -e {{root}}/opened", says = "changes were made meanwhile" }]
"#;

/// Plays ssh: takes the words before `--` and the target for itself, and lets a shell do what it was given.
const SSH: &str = "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nshift\nif [ \"$1\" = root@lost ]; then echo 'ssh: connect to host lost port 22: No route to host' >&2; exit 255; fi\n\
                   shift\nexec sh -c \"$1\"\n";

struct System(Sandbox);

impl System {
    fn new() -> Self {
        let system = Self(Sandbox::new());
        system.host("root");
        fs::create_dir_all(system.0.path("profiles")).unwrap();
        system.profile("small", HERE);
        fs::create_dir_all(system.0.path("bin")).unwrap();
        executable(&system.0.path("bin/ssh"), SSH);
        system
    }

    /// The files of a host.
    fn host(&self, root: &str) {
        let path = |name: &str| self.0.path(root).join(name);
        for folder in ["etc/app/keys", "srv"] {
            fs::create_dir_all(path(folder)).unwrap();
        }
        for (name, text) in [
            ("etc/app/a.conf", "a"),
            ("etc/app/keys/private", "key"),
            ("etc/app/keys/x.lock", "no"),
            ("etc/new.ini", "new"),
            ("srv/database", "the dump\n"),
            ("state", "running\n"),
            ("dump", "cat \"$(dirname \"$0\")/srv/database\"\n"),
        ] {
            fs::write(path(name), text).unwrap();
        }
        fs::set_permissions(path("etc/app/keys/private"), PermissionsExt::from_mode(0o600)).unwrap();
        symlink("a.conf", path("etc/app/b.conf")).unwrap();
    }

    fn profile(&self, name: &str, text: &str) {
        fs::write(self.0.path(&format!("profiles/{name}.toml")), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.0.command(&[&["backup", "--host", "node1"], arguments].concat());
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.0.text("bin")));
        command.env("KEEPFAST_PROFILES", self.0.path("profiles"));
        command
    }

    fn back_up(&self, arguments: &[&str]) -> Run {
        let root = format!("root={}", self.0.text("root"));
        Run::from(self.command(&[&["--profile", "small", "--var", &root], arguments].concat()).output().unwrap())
    }

    /// What the dump command does.
    fn dumps_by(&self, script: &str) {
        fs::write(self.0.path("root/dump"), script).unwrap();
    }

    fn state(&self) -> String {
        fs::read_to_string(self.0.path("root/state")).unwrap()
    }
}

#[test]
fn a_system_is_one_snapshot_with_its_files_and_its_dump() {
    let system = System::new();
    let run = system.back_up(&[]);
    assert_eq!(run.code, 0, "{run:?}");
    let all = [
        "/dump.sql",
        "/etc",
        "/etc/app",
        "/etc/new.ini",
        "/etc/app/a.conf",
        "/etc/app/b.conf",
        "/etc/app/keys",
        "/etc/app/keys/private",
    ];
    assert_eq!(system.0.ls("latest"), all);
    assert_eq!(system.0.ok(&["dump", "latest:dump.sql"]).out, "the dump\n");
    let snapshots = system.0.json(0, &["snapshots"]);
    let snapshot = &snapshots[0];
    assert!(snapshot["host"] == "node1" && snapshot.to_string().contains("profile:small"), "{snapshot}");
    assert_eq!(system.state(), "running\n");
    // A dump that is the same again costs nothing, and the parent is found.
    let again = system.back_up(&["--verbose"]);
    assert!(again.code == 0 && again.out.contains("parent"), "{again:?}");
}

#[test]
fn what_is_missing_is_named_and_everything_else_is_saved() {
    let system = System::new();
    fs::remove_dir_all(system.0.path("root/etc/app/keys")).unwrap();
    fs::remove_file(system.0.path("root/etc/new.ini")).unwrap();
    let run = system.back_up(&[]);
    assert_eq!(run.code, 3, "{run:?}");
    let said = format!("{}{}", run.out, run.err);
    assert!(said.contains("etc/app/keys") && said.contains("etc/old.ini or /etc/new.ini"), "{said}");
    assert!(!said.contains("srv/custom"), "it may be missing: {said}");
    assert_eq!(system.0.ok(&["dump", "latest:dump.sql"]).out, "the dump\n");
    assert_eq!(system.state(), "running\n");
}

#[test]
fn a_dump_that_fails_or_writes_nothing_makes_the_snapshot_partial_and_the_service_runs_again() {
    let system = System::new();
    for (dump, why) in [("exit 7", "failed"), ("true", "it wrote nothing")] {
        system.dumps_by(dump);
        let run = system.back_up(&[]);
        let said = format!("{}{}", run.out, run.err);
        assert!(run.code == 3 && said.contains("dump.sql") && said.contains(why), "{said}");
        assert!(said.contains("pass it over for an older one that is complete; back up again"), "{said}");
        assert_eq!(system.state(), "running\n");
        assert_eq!(system.0.ok(&["dump", "latest:etc/new.ini"]).out, "new");
    }
}

#[test]
fn a_check_before_that_fails_stops_nothing_and_saves_nothing() {
    let system = System::new();
    fs::write(system.0.path("root/open"), "").unwrap();
    fs::write(system.0.path("root/state"), "as it was\n").unwrap();
    let run = system.back_up(&[]);
    assert!(run.code == 1 && run.err.contains("changes are not blocked: block them first"), "{run:?}");
    assert_eq!(system.state(), "as it was\n");
    assert!(system.0.json(0, &["snapshots"]).iter().all(|object| object.get("id").is_none()));
}

#[test]
fn a_check_afterwards_that_fails_marks_the_snapshots() {
    let system = System::new();
    system.dumps_by(&format!("touch '{}'; echo x", system.0.text("root/opened")));
    let run = system.back_up(&[]);
    assert!(run.code == 3 && run.err.contains("changes were made meanwhile"), "{run:?}");
    assert!(system.0.ok(&["snapshots"]).out.contains("failed-check"));
    // Nothing to recover from by itself.
    let mut status = system.0.command(&["status", "small", "--older-than", "26h"]);
    let run = Run::from(status.env("KEEPFAST_PROFILES", system.0.path("profiles")).output().unwrap());
    assert!(run.code == 1 && run.out.contains("a check failed"), "{run:?}");
}

#[test]
fn a_service_that_does_not_run_again_is_the_error_and_everything_else_is_told_and_checked_all_the_same() {
    let system = System::new();
    let stays = HERE.replace("echo running > {{root}}/state", "echo \\\"it will not\\\" >&2; exit 1");
    system.profile("small", &stays);
    system.dumps_by(&format!("touch '{}'; echo x", system.0.text("root/opened")));
    let run = system.back_up(&[]);
    assert!(run.code == 1 && run.err.contains("NOT RUNNING AGAIN: the service on node1"), "{run:?}");
    assert!(run.err.contains("it will not") && run.err.contains("start it by hand now"), "{run:?}");
    assert!(run.err.contains("changes were made meanwhile") && run.out.contains("snapshot"), "{run:?}");
    assert!(system.0.ok(&["snapshots"]).out.contains("failed-check"));
}

#[test]
fn a_dry_run_stops_nothing_and_says_what_would_be_taken() {
    let system = System::new();
    let run = system.back_up(&["-n"]);
    assert_eq!(run.code, 0, "{run:?}");
    for part in ["[node1] /etc/app/a.conf", "[node1] dump.sql <- ", "dry run: nothing was stopped"] {
        assert!(run.out.contains(part) || run.err.contains(part), "{part}: {run:?}");
    }
    assert_eq!(system.state(), "running\n");
    assert!(!system.0.ok(&["snapshots"]).out.contains("node1"));
}

#[test]
fn what_was_stopped_runs_again_even_if_the_backup_is_killed() {
    let system = System::new();
    let root = format!("root={}", system.0.text("root"));
    system.dumps_by("sleep 600");
    let mut command = system.command(&["--profile", "small", "--var", &root]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let until = |wanted: &str| {
        let begun = Instant::now();
        while system.state() != wanted {
            assert!(begun.elapsed() < Duration::from_secs(60), "it is not {wanted}");
            sleep(Duration::from_millis(20));
        }
    };
    until("stopped\n");
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::KILL).unwrap();
    child.wait().unwrap();
    until("running\n");
}

#[test]
fn hosts_behind_ssh_send_their_files_and_make_a_set() {
    let system = System::new();
    for host in ["one", "two"] {
        system.host(host);
    }
    let host = |name: &str| {
        format!(
            "[hosts.{name}]\nroles = [\"node\"]\nssh = \"root@{name}\"\nvariables.root = \"{}\"\n",
            system.0.text(name)
        )
    };
    system.profile("both", &format!("inherits = \"small\"\n{}{}", host("one"), host("two")));
    // One file with two names.
    fs::hard_link(system.0.path("two/etc/app/keys/private"), system.0.path("two/etc/app/0.conf")).unwrap();
    let run = Run::from(system.command(&["--profile", "both"]).output().unwrap());
    assert_eq!(run.code, 0, "{run:?}");
    let snapshots = system.0.json(0, &["snapshots"]);
    let hosts: Vec<&str> = snapshots.iter().filter_map(|snapshot| snapshot["host"].as_str()).collect();
    assert_eq!(hosts, ["one", "two"]);
    let set = |at: usize| {
        let tags: Vec<String> = serde_json::from_value(snapshots[at]["tags"].clone()).unwrap();
        tags.into_iter().find(|tag| tag.starts_with("set:")).unwrap()
    };
    assert_eq!(set(0), set(1));
    system.0.ok(&["restore", "latest", "--target", &system.0.text("back")]);
    let of = |path: &str| fs::symlink_metadata(system.0.path(path)).unwrap();
    assert_eq!(of("back/etc/app/keys/private").permissions().mode() & 0o777, 0o600);
    assert!(of("back/etc/app/b.conf").is_symlink());
    assert_eq!(of("back/etc/app/a.conf").modified().unwrap(), of("two/etc/app/a.conf").modified().unwrap());
    assert_eq!(fs::read_to_string(system.0.path("back/dump.sql")).unwrap(), "the dump\n");
    assert!(!system.0.path("back/etc/app/keys/x.lock").exists());
    let inode = |path: &str| std::os::unix::fs::MetadataExt::ino(&of(path));
    assert_eq!(inode("back/etc/app/0.conf"), inode("back/etc/app/keys/private"));
    assert_ne!(inode("back/etc/app/0.conf"), inode("back/etc/app/a.conf"));
}

#[test]
fn a_host_that_can_not_be_reached_is_named_before_anything_is_stopped() {
    let system = System::new();
    system.host("one");
    let one = system.0.text("one");
    let hosts = format!(
        "[hosts.one]\nroles = [\"node\"]\nssh = \"root@one\"\nvariables.root = \"{one}\"\n[hosts.two]\nroles = [\"node\"]\nssh = \"root@lost\"\n"
    );
    system.profile("both", &format!("inherits = \"small\"\n{hosts}"));
    let run = Run::from(system.command(&["--profile", "both"]).output().unwrap());
    assert!(run.code == 1 && run.err.contains("can not reach two") && run.err.contains("No route to host"), "{run:?}");
    assert_eq!(fs::read_to_string(system.0.path("one/state")).unwrap(), "running\n");
}

#[test]
fn a_profile_that_is_not_there_or_wrong_is_said_to_be() {
    let system = System::new();
    let run = Run::from(system.command(&["--profile", "smal"]).output().unwrap());
    assert!(run.code == 1 && run.err.contains("there is no profile \"smal\"") && run.err.contains("small"), "{run:?}");
    system.profile("wrong", "title = \"x\"\n[[capture.files]]\nid = \"a\"\npath = \"/etc\"\n");
    let run = Run::from(system.command(&["--profile", "wrong"]).output().unwrap());
    assert!(run.code == 1 && run.err.contains("wrong is not valid") && run.err.contains("line 4"), "{run:?}");
    system.profile("typo", "inherits = \"small\"\n[hosts.one]\nroles = [\"node\", \"nod\"]\n");
    let run = Run::from(system.command(&["--profile", "typo"]).output().unwrap());
    assert!(run.code == 1 && run.err.contains("the host one has the role \"nod\", which"), "{run:?}");
    let run = Run::from(system.command(&["--profile", "small", "--var", "nothing=1"]).output().unwrap());
    assert!(run.code == 1 && run.err.contains("there is no variable \"nothing\""), "{run:?}");
}
