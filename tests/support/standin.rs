// SPDX-License-Identifier: MIT OR Apache-2.0
//! Stand-ins for the machines of a system: each is a folder that serves as the root of its files, with commands that a test writes
//! as shell scripts (`service`, `docker`, `puppet`, ...). They keep their state in files, refuse what the real ones refuse, write
//! every call into one log of all machines, and can be told to fail, to hang, or to end keepfast at the k-th call that acts.
//!
//! ```text
//! WORLD/log, count, faults, runner, begin, command
//! WORLD/hosts/NAME/root/          the machine's files: {{root}}
//! WORLD/hosts/NAME/bin/           its commands, first in its PATH: each is WORLD/command
//! WORLD/hosts/NAME/scripts/       what they do
//! WORLD/hosts/NAME/state/         what the commands remember, such as services/zookeeper: running
//! ```
//!
//! A command's script begins behind the prologue in [`BEGIN`]: it says `act "$@"` for a call that changes something and
//! `look "$@"` for one that does not. Only calls that act are counted, and only they meet faults.

mod commands;
mod contents;
pub mod contrail;
pub mod juju;
mod log;
mod people;
mod rehearsal;
mod state;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use keepfast_engine::profile::Host;
use tempfile::TempDir;

use super::sshd::Sshd;
pub use contents::{Folder, Nothing};
pub use log::Calls;
pub use people::{Marks, Recorder};
pub use rehearsal::{Precious, Rehearsal, Stage, is_child};
pub use state::{State, difference};

/// What stands before every command's own script.
const BEGIN: &str = r#"
name=${0##*/}
host=${STANDIN##*/}
world=${STANDIN%/*/*}
state=$STANDIN/state
root=$STANDIN/root
where=${STANDIN_WHERE:-$host}
newline='
'
# Fakes use real tools; those that run a script of somebody else put $fakes back into PATH.
fakes=$PATH
PATH=${PATH#*:}

# The k-th call of all machines that acts.
act() {
    exec 9>"$world/lock"
    flock 9
    read -r k < "$world/count"
    k=$((k + 1))
    echo "$k" > "$world/count"
    printf '%s\n' "$k $where: $name ${*%%"$newline"*}" >> "$world/log"
    fault=
    while read -r at what; do
        if [ "$at" = "$k" ]; then fault=$what; fi
    done < "$world/faults"
    exec 9>&-
    case $fault in
        fail) echo "$name: told to fail" >&2; exit 1 ;;
        fail-after) trap 'echo "$name: told to fail afterwards" >&2; exit 1' EXIT ;;
        hang) exec sleep 1000 ;;
        die) die ;;
        die-after) trap die EXIT ;;
    esac
}

# A call that changes nothing.
look() { printf '%s\n' "- $where: $name ${*%%"$newline"*}" >> "$world/log"; }

# The machine of keepfast loses its power: keepfast is gone, and so is this command with all around it.
die() {
    read -r runner < "$world/runner"
    kill -9 "$runner"
    kill -9 0
}

refuse() { echo "$name: $*" >&2; exit 1; }
"#;

/// What every command is. The tests' own process only writes what this reads: a program that it wrote itself could not be run while
/// a child that another thread is making holds the file open for writing.
const COMMAND: &str = r#"#!/bin/sh
. "${STANDIN%/*/*}/begin"
. "$STANDIN/scripts/$name"
"#;

/// All machines of a test.
pub struct World {
    folder: PathBuf,
    _owned: Option<TempDir>,
}

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing, and says that it failed.
    Fail,
    /// It does its work, and says that it failed.
    FailAfter,
    /// It does nothing and never ends.
    Hang,
    /// It does nothing, and keepfast is killed.
    Die,
    /// It does its work, and keepfast is killed before it knows.
    DieAfter,
}

impl World {
    /// A world without machines.
    pub fn new() -> Self {
        let owned = tempfile::tempdir().unwrap();
        // The prologue takes the name apart at `/`: no link must stand in between.
        let folder = owned.path().canonicalize().unwrap();
        fs::create_dir(folder.join("hosts")).unwrap();
        for (name, text) in [("log", ""), ("count", "0\n"), ("faults", ""), ("runner", "0\n"), ("begin", BEGIN)] {
            fs::write(folder.join(name), text).unwrap();
        }
        let mut shell = Command::new("sh");
        shell.args(["-c", "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\""]).arg(folder.join("command")).arg(COMMAND);
        assert!(shell.status().unwrap().success());
        Self { folder, _owned: Some(owned) }
    }

    /// One that another process has made.
    pub fn open(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), _owned: None }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds a machine, with the commands that every machine has.
    pub fn add(&self, name: &str) -> Standin {
        let standin = self.host(name);
        for folder in ["root", "bin", "scripts", "state/services", "state/containers", "hooks"] {
            fs::create_dir_all(standin.folder.join(folder)).unwrap();
        }
        for (command, script) in commands::ALL {
            standin.command(command, script);
        }
        standin
    }

    /// A machine that was added.
    pub fn host(&self, name: &str) -> Standin {
        Standin { name: name.to_string(), folder: self.folder.join("hosts").join(name) }
    }

    /// Names of all machines.
    pub fn hosts(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join("hosts")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Lets the k-th call that acts, from 1 over all machines, end so. It holds for one call.
    pub fn fault(&self, k: usize, fault: Fault) {
        let word = match fault {
            Fault::Fail => "fail",
            Fault::FailAfter => "fail-after",
            Fault::Hang => "hang",
            Fault::Die => "die",
            Fault::DieAfter => "die-after",
        };
        let mut faults = fs::read_to_string(self.folder.join("faults")).unwrap();
        let _ = writeln!(faults, "{k} {word}");
        fs::write(self.folder.join("faults"), faults).unwrap();
    }

    /// Every call so far, in order.
    pub fn calls(&self) -> Calls {
        Calls::read(self)
    }

    /// How everything stands on all machines.
    pub fn state(&self) -> State {
        State::read(self)
    }

    /// Where runs keep their journals.
    pub fn runs(&self) -> PathBuf {
        self.folder.join("runs")
    }
}

/// A stand-in for one machine.
pub struct Standin {
    /// Its name.
    pub name: String,
    folder: PathBuf,
}

impl Standin {
    /// Gives it a command. The script stands behind the prologue.
    pub fn command(&self, name: &str, script: &str) -> &Self {
        fs::write(self.folder.join("scripts").join(name), script).unwrap();
        match symlink("../../../command", self.folder.join("bin").join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => panic!("{name}: {error}"),
            _ => self,
        }
    }

    /// A script that is run by `service NAME ACTION`, before the service's state changes: if it fails, the state does not.
    pub fn hook(&self, service: &str, action: &str, script: &str) -> &Self {
        let path = self.folder.join("hooks").join(format!("{service}-{action}"));
        fs::write(path, script).unwrap();
        self
    }

    /// Lets it have a service, `running` or `stopped`.
    pub fn service(&self, name: &str, state: &str) -> &Self {
        self.remember(&format!("services/{name}"), state)
    }

    /// Lets it have a container that runs. Its services are called `CONTAINER.SERVICE`.
    pub fn container(&self, name: &str) -> &Self {
        self.remember(&format!("containers/{name}"), "running")
    }

    /// Writes a file of the commands' memory.
    pub fn remember(&self, path: &str, text: &str) -> &Self {
        // A line, as the commands themselves write it.
        write(&self.folder.join("state").join(path), &format!("{text}\n"));
        self
    }

    /// Reads a file of the commands' memory; none is an empty one.
    pub fn recalls(&self, path: &str) -> String {
        fs::read_to_string(self.folder.join("state").join(path)).unwrap_or_default().trim().to_string()
    }

    /// Writes a file of the machine, with its path from the root.
    pub fn file(&self, path: &str, text: &str) -> &Self {
        write(&self.path(path), text);
        self
    }

    /// Where a file of the machine lies.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    /// The root of its files.
    pub fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// It as a host of a profile, reached as this machine.
    pub fn declared(&self, roles: &[&str]) -> Host {
        let text = |path: &Path| path.to_str().unwrap().to_string();
        // The machine's own `service` and its like must never be reached.
        let real = std::env::var("PATH").unwrap();
        let real: Vec<&str> = real.split(':').filter(|folder| !folder.ends_with("sbin")).collect();
        let path = format!("{}:{}", text(&self.folder.join("bin")), real.join(":"));
        Host {
            roles: roles.iter().map(ToString::to_string).collect(),
            variables: BTreeMap::from([("root".to_string(), text(&self.root()))]),
            environment: BTreeMap::from([
                ("PATH".to_string(), path),
                ("STANDIN".to_string(), text(&self.folder)),
                ("LC_ALL".to_string(), "C".to_string()),
            ]),
            ..Host::default()
        }
    }

    /// The same, reached by ssh.
    pub fn declared_over(&self, sshd: &Sshd, roles: &[&str]) -> Host {
        let (target, port, options) = sshd.reached();
        Host { ssh: Some(target), port: Some(port), ssh_options: options, ..self.declared(roles) }
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}
