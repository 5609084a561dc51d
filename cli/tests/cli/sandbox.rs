// SPDX-License-Identifier: MIT OR Apache-2.0
//! A home, a repository with a key file and a source tree of its own for each test; nothing of the machine's own is seen.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// A place to run the program in.
pub struct Sandbox {
    folder: TempDir,
}

/// What a run of the program gave.
#[derive(Debug)]
pub struct Run {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Sandbox {
    /// Without a repository.
    pub fn empty() -> Self {
        let sandbox = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(sandbox.path("src/sub")).unwrap();
        fs::create_dir_all(sandbox.path("home")).unwrap();
        fs::write(sandbox.path("src/a.txt"), "alpha\n").unwrap();
        fs::write(sandbox.path("src/sub/b.txt"), "beta\n").unwrap();
        fs::write(sandbox.path("src/sub/c.o"), vec![9; 200_000]).unwrap();
        sandbox
    }

    /// With a repository.
    pub fn new() -> Self {
        let sandbox = Self::empty();
        sandbox.ok(&["init"]);
        sandbox
    }

    /// With a repository and one snapshot of the source.
    pub fn with_snapshot() -> Self {
        let sandbox = Self::new();
        // A file that is younger than a tick of the file system's clock when it is backed up is read again the next time.
        std::thread::sleep(Duration::from_millis(50));
        sandbox.ok(&["backup", "."]);
        sandbox
    }

    /// A path in the sandbox.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_string()
    }

    /// The program, ready to run in the source tree.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keepfast"));
        command.args(arguments).current_dir(self.path("src")).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("TZ", "UTC");
        command.env("HOME", self.path("home")).env("KEEPFAST_REPOSITORY", self.path("repo"));
        command.env("KEEPFAST_KEY_FILE", self.path("key")).env("TMPDIR", self.folder.path());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Run {
        Run::from(self.command(arguments).output().unwrap())
    }

    /// Runs it; it must end with 0.
    pub fn ok(&self, arguments: &[&str]) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {run:?}");
        run
    }

    /// Runs it with `--json`; it must end with this code. All objects of standard output.
    pub fn json(&self, code: i32, arguments: &[&str]) -> Vec<Value> {
        let run = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(run.code, code, "{arguments:?}: {run:?}");
        run.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    /// Paths of a snapshot, as `ls` prints them.
    pub fn ls(&self, selector: &str) -> Vec<String> {
        self.ok(&["ls", selector]).out.lines().map(str::to_string).collect()
    }

    /// How many objects are in the repository.
    pub fn objects(&self) -> usize {
        fn count(folder: &Path) -> usize {
            let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
        }
        count(&self.path("repo"))
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Makes a script that can be run. A shell writes it: a child that another thread makes at this moment would hold it open for writing,
/// and nobody could run it.
pub fn executable(path: &Path, script: &str) {
    let mut shell = Command::new("sh").args(["-c", "cat > \"$0\""]).arg(path).stdin(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success(), "{}", path.display());
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
