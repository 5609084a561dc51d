// SPDX-License-Identifier: MIT OR Apache-2.0
//! A repository behind a network and the machines that use it: each has a home of its own, all have the same source and key.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::sandbox::{Run, Sandbox};
use crate::support::s3_server::S3Server;
use crate::support::servers::Server;
use crate::support::sshd::Sshd;

/// Small packs, so that little data goes through every step.
pub const INIT: [&str; 9] =
    ["init", "--pack-size", "1M", "--data-segment", "64K", "--tree-segment", "64K", "--chunk-max", "64K"];

/// How long a program may take to get somewhere: a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A location, and what the program needs to be told besides.
pub struct Place {
    pub sandbox: Sandbox,
    pub location: String,
    pub variables: Vec<(&'static str, String)>,
}

impl Place {
    /// Behind a server of S3.
    pub fn in_bucket(location: String) -> Self {
        let (user, secret) = Server::credentials();
        let variables = [("AWS_ACCESS_KEY_ID", user), ("AWS_SECRET_ACCESS_KEY", secret)];
        let variables = variables.map(|(name, value)| (name, value.to_string())).to_vec();
        Self { sandbox: Sandbox::empty(), location, variables }
    }

    /// In the server of this process, which can go wrong.
    pub fn on(server: &S3Server) -> Self {
        Self::in_bucket(server.location("repo"))
    }

    /// In a folder behind a server of SFTP.
    pub fn behind(server: &Sshd, folder: &Path) -> Self {
        let mut place = Self { sandbox: Sandbox::empty(), location: String::new(), variables: Vec::new() };
        place.move_behind(server, folder);
        place
    }

    /// The same folder behind another server.
    pub fn move_behind(&mut self, server: &Sshd, folder: &Path) {
        self.location = server.location(folder).to_string();
        let command = server.options().command;
        let words: Vec<&str> = command.iter().map(|word| word.to_str().unwrap()).collect();
        self.variables = vec![("KEEPFAST_SSH_COMMAND", words.join(" "))];
    }

    /// The program on a machine of this name.
    pub fn command_on(&self, machine: &str, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command(arguments);
        let home = self.sandbox.path(&format!("home-{machine}"));
        fs::create_dir_all(&home).unwrap();
        command.env("HOME", home).env("KEEPFAST_REPOSITORY", &self.location).env("KEEPFAST_HOST", machine);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs it to its end.
    pub fn run_on(&self, machine: &str, arguments: &[&str]) -> Run {
        Run::from(self.command_on(machine, arguments).output().unwrap())
    }

    /// Runs it on the first machine.
    pub fn run(&self, arguments: &[&str]) -> Run {
        self.run_on("first", arguments)
    }

    /// Runs it there; it must end with 0.
    pub fn ok(&self, arguments: &[&str]) -> Run {
        self.ends_with(0, arguments)
    }

    /// Runs it there; it must end with this code, and say why if it is not 0.
    pub fn ends_with(&self, code: i32, arguments: &[&str]) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, code, "{arguments:?}: {run:?}");
        assert!(code == 0 || !run.err.trim().is_empty(), "{arguments:?} failed without a word: {run:?}");
        run
    }

    /// Makes the repository.
    pub fn init(&self) -> Run {
        self.ok(&INIT)
    }

    /// The objects of a run with `--json` that ends with 0.
    pub fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let run = self.ok(&[arguments, &["--json"]].concat());
        run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The summary of such a run.
    pub fn summary(&self, arguments: &[&str]) -> Value {
        self.json(arguments).last().unwrap()["summary"].clone()
    }

    /// Short ids of the visible snapshots, the oldest first.
    pub fn snapshots(&self) -> Vec<String> {
        let objects = self.json(&["snapshots"]);
        objects.iter().filter_map(|object| Some(object["short_id"].as_str()?.to_string())).collect()
    }

    /// Writes a file of the source; the next backup sees that it has changed.
    pub fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.sandbox.path("src").join(name), content).unwrap();
        // Younger than a tick of the file system's clock, it would be read again the next time.
        std::thread::sleep(Duration::from_millis(20));
    }

    /// What a snapshot restores to, read on a machine that has never seen the repository.
    pub fn restored(&self, snapshot: &str) -> BTreeMap<String, Vec<u8>> {
        let target = tempfile::tempdir_in(self.sandbox.path("")).unwrap();
        let machine = target.path().file_name().unwrap().to_str().unwrap();
        let run = self.run_on(machine, &["restore", snapshot, "--target", target.path().to_str().unwrap()]);
        assert_eq!(run.code, 0, "{run:?}");
        files(target.path())
    }

    /// The newest snapshot holds the source as it is now.
    pub fn assert_latest_is_source(&self) {
        assert!(self.restored("latest") == files(&self.sandbox.path("src")), "the newest snapshot is not the source");
    }

    /// A backup of standard input that has a session and waits.
    pub fn waiting_backup_on(&self, machine: &str) -> Child {
        let mut command = self.command_on(machine, &["backup", "--stdin", "--retries", "1"]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let start = Instant::now();
        while self.summary(&["sessions"])["open"] != 1 {
            assert!(start.elapsed() < PATIENCE, "the backup opens no session");
        }
        child
    }
}

/// Every file below a folder, with its content.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let name = entry.strip_prefix(folder).unwrap().to_str().unwrap().to_string();
                found.insert(name, fs::read(&entry).unwrap());
            }
        }
    }
    found
}

/// Bytes that do not compress, the same ones for a seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| byte()).collect()
}

/// Whether a text has all of these words.
pub fn has(text: impl AsRef<OsStr>, words: &[&str]) -> bool {
    let text = text.as_ref().to_string_lossy();
    words.iter().all(|word| text.contains(word))
}
