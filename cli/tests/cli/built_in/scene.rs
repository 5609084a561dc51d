// SPDX-License-Identifier: MIT OR Apache-2.0
//! Stand-ins for the machines of a system, and a sandbox whose profile names them: the program itself captures and recovers them.

use std::fmt::Write;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use keepfast_engine::profile::Host;
use serde_json::Value;

use crate::sandbox::{Run, Sandbox};
use crate::support::standin::{State, World};

/// The machines, and where keepfast runs.
pub struct Scene {
    /// The home, the repository and the profiles.
    pub sandbox: Sandbox,
    /// The machines.
    pub world: World,
    /// The profile, which refines the built-in one of its name.
    profile: &'static str,
}

impl Scene {
    /// With a repository.
    pub fn new(profile: &'static str) -> Self {
        Self { sandbox: Sandbox::new(), world: World::new(), profile }
    }

    /// Writes the profile: these hosts, and more.
    pub fn profile(&self, hosts: &[(&str, Host)], more: &str) {
        let mut text = format!("inherits = \"{}\"\n{more}\n", self.profile);
        for (name, host) in hosts {
            // Strings and lists are written in JSON as in TOML.
            let json = |value: Value| value.to_string();
            let table = |table: &std::collections::BTreeMap<String, String>| {
                let rows: Vec<String> =
                    table.iter().map(|(name, value)| format!("{name} = {}", json(value.clone().into()))).collect();
                format!("{{ {} }}", rows.join(", "))
            };
            let _ = writeln!(text, "[hosts.{name}]\nroles = {}", json(host.roles.clone().into()));
            if let Some(ssh) = &host.ssh {
                let options = json(host.ssh_options.clone().into());
                let port = host.port.unwrap();
                let _ = writeln!(text, "ssh = {}\nport = {port}\nssh_options = {options}", json(ssh.clone().into()));
            }
            if let Some(address) = &host.address {
                let _ = writeln!(text, "address = {}", json(address.clone().into()));
            }
            let (variables, environment) = (table(&host.variables), table(&host.environment));
            let _ = writeln!(text, "variables = {variables}\nenvironment = {environment}");
        }
        fs::create_dir_all(self.sandbox.path("profiles")).unwrap();
        fs::write(self.sandbox.path(&format!("profiles/{}.toml", self.profile)), text).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command(arguments);
        command.env("KEEPFAST_PROFILES", self.sandbox.path("profiles"));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        Run::from(self.command(arguments).output().unwrap())
    }

    /// Runs it; it must end with 0.
    pub fn ok(&self, arguments: &[&str]) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {run:?}");
        run
    }

    pub fn back_up(&self, more: &[&str]) -> Run {
        self.run(&[&["backup", "--profile", self.profile, "--yes"], more].concat())
    }

    pub fn recover(&self, more: &[&str]) -> Run {
        self.run(&[&["recover", self.profile, "--yes"], more].concat())
    }

    /// Runs it as the process that a stand-in kills where it is told to.
    pub fn is_killed(&self, arguments: &[&str]) {
        let plain = self.command(arguments);
        let mut command = Command::new("sh");
        let begin = "echo $$ > \"$0\"; exec \"$@\"";
        command.args(["-c", begin]).arg(self.world.folder().join("runner")).arg(plain.get_program());
        command.args(plain.get_args()).current_dir(plain.get_current_dir().unwrap()).env_clear();
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        // What is started holds none of the test's pipes.
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert_eq!(status.signal(), Some(9), "{arguments:?}: {status:?}");
    }

    /// The number of the newest run.
    pub fn newest_run(&self) -> String {
        let run = self.ok(&["recover", self.profile, "--runs", "--json"]);
        let runs: Vec<Value> = run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        runs[runs.len() - 2]["run"].as_str().unwrap().to_string()
    }

    /// How everything stands on all machines, but for copies that a run has saved aside.
    pub fn state(&self) -> State {
        let State(mut all) = self.world.state();
        all.retain(|path, _| !path.contains("-save-"));
        State(all)
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        fs::write(self.world.folder().join("log"), "").unwrap();
        fs::write(self.world.folder().join("count"), "0\n").unwrap();
    }

    /// A drill goes well, and monitoring is content with it and with the data.
    pub fn is_well(&self) {
        let run = self.ok(&["drill", self.profile]);
        assert!(run.out.contains("the drill went well"), "{run:?}");
        let status = self.ok(&["status", self.profile, "--older-than", "1h", "--drill-older-than", "1h"]);
        assert!(!status.out.contains("not complete") && status.out.contains("went well in"), "{status:?}");
    }

    /// Pastes a script into a shell as a whole, as into a terminal: what it reads is what is pasted behind it.
    pub fn paste(&self, script: &str) -> Run {
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_keepfast")).parent().unwrap().to_path_buf();
        let plain = self.command(&[]);
        let mut shell = Command::new("sh");
        shell.args(["-e", "-s"]).current_dir(plain.get_current_dir().unwrap()).env_clear();
        shell.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.env("PATH", format!("{}:{}", program.display(), std::env::var("PATH").unwrap()));
        let text = self.sandbox.path("pasted.sh");
        fs::write(&text, script).unwrap();
        shell.stdin(fs::File::open(text).unwrap());
        Run::from(shell.output().unwrap())
    }
}
