// SPDX-License-Identifier: MIT OR Apache-2.0
//! A system of stand-in machines with a built-in profile: the program backs it up into a repository, the machines are lost, and the
//! program brings them back. Only ports and addresses that no test may have are other ones than the profile's.

use std::fs;

use keepfast_engine::profile::Host;

use crate::sandbox::{Run, Sandbox};
use crate::support::standin::{State, World, difference};

/// Machines, their profile, a repository.
pub struct System {
    pub sandbox: Sandbox,
    pub world: World,
    profile: &'static str,
}

impl System {
    pub fn new(profile: &'static str) -> Self {
        let system = Self { sandbox: Sandbox::new(), world: World::new(), profile };
        fs::create_dir(system.sandbox.path("profiles")).unwrap();
        system
    }

    /// Writes the user's own profile over the built-in one: hosts, and what else differs.
    pub fn declare(&self, hosts: &[(&str, Host)], differs: &str) {
        let mut text = format!("inherits = {:?}\n{differs}\n", self.profile);
        for (name, host) in hosts {
            text += &format!("[hosts.{name}]\nroles = {:?}\n", host.roles);
            for (table, values) in [("variables", &host.variables), ("environment", &host.environment)] {
                text += &format!("[hosts.{name}.{table}]\n");
                values.iter().for_each(|(name, value)| text += &format!("{name} = {value:?}\n"));
            }
        }
        fs::write(self.sandbox.path("profiles").join(format!("{}.toml", self.profile)), text).unwrap();
    }

    /// Runs the program on the profile.
    pub fn run(&self, arguments: &[&str]) -> Run {
        let mut command = self.sandbox.command(arguments);
        Run::from(command.env("KEEPFAST_PROFILES", self.sandbox.path("profiles")).output().unwrap())
    }

    pub fn back_up(&self) {
        let run = self.run(&["backup", "--profile", self.profile]);
        assert_eq!(run.code, 0, "{run:?}");
    }

    /// Everything of a machine is gone. It gets its commands and memory anew by whoever installs it.
    pub fn lose(&self, host: &str) {
        let folder = self.world.folder().join("hosts").join(host);
        fs::remove_dir_all(folder).unwrap();
        self.forget_calls();
    }

    pub fn forget_calls(&self) {
        fs::write(self.world.folder().join("log"), "").unwrap();
        fs::write(self.world.folder().join("count"), "0\n").unwrap();
        fs::write(self.world.folder().join("faults"), "").unwrap();
    }

    /// `recover` with everything agreed to.
    pub fn recover(&self, more: &[&str]) -> Run {
        self.run(&[&["recover", self.profile, "--yes"], more].concat())
    }

    /// The number of the newest run.
    pub fn newest_run(&self) -> String {
        let run = self.run(&["recover", self.profile, "--runs", "--json"]);
        let runs: Vec<serde_json::Value> = run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        runs[runs.len() - 2]["run"].as_str().unwrap().to_string()
    }

    /// Takes the newest run back; all machines must then be as they were.
    pub fn undo(&self, before: &State) {
        let run = self.recover(&["--undo", &self.newest_run()]);
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(difference(before, &self.world.state()), Vec::<String>::new());
    }
}

/// What is wrong with a machine that was brought back: each of these paths, with all below it, must be as it was, by bytes, mode
/// and owner.
pub fn lost(before: &State, now: &State, paths: &[&str]) -> Vec<String> {
    let of = |state: &State| {
        let is_meant =
            |path: &str| paths.iter().any(|of| path == format!("/{of}") || path.starts_with(&format!("/{of}/")));
        State(
            state
                .0
                .iter()
                .filter(|(path, _)| is_meant(path))
                .map(|(path, what)| (path.clone(), what.clone()))
                .collect(),
        )
    };
    let (before, now) = (of(before), of(now));
    assert!(paths.iter().all(|path| before.0.contains_key(&format!("/{path}"))), "{before:?}");
    difference(&before, &now)
}
