// SPDX-License-Identifier: MIT OR Apache-2.0
//! Real PostgreSQL servers on unix sockets, gone with the test. They run as an ordinary user, as PostgreSQL wants it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use keepfast_engine::profile::Host;
use tempfile::TempDir;

/// A server with databases of its own.
pub struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    superuser: String,
    environment: BTreeMap<String, String>,
}

impl Cluster {
    /// Starts one whose superuser has this name; none, with a printed reason, where PostgreSQL is not installed.
    pub fn start(superuser: &str) -> Option<Self> {
        let Some(programs) = programs() else {
            println!("skipped: no initdb and pg_ctl of PostgreSQL here");
            return None;
        };
        let Some(owner) = owner() else {
            println!("skipped: PostgreSQL runs as no root, and there is no user postgres");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        if let Owner::Other(user, group) = owner {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let path = folder.path().to_str().unwrap().to_string();
        let environment = [("PGHOST", path.as_str()), ("PGUSER", superuser), ("PGPORT", "5432"), ("LC_ALL", "C")];
        let environment = environment.map(|(name, value)| (name.to_string(), value.to_string())).into();
        let cluster = Self { folder, programs, superuser: superuser.to_string(), environment };
        let data = format!("{path}/data");
        let run = |words: &[&str]| {
            let output = cluster.owned(words);
            assert!(output.status.success(), "{words:?}: {output:?}");
        };
        run(&["initdb", "-D", &data, "-U", superuser, "--auth=trust", "--encoding=UTF8", "--no-locale", "-N"]);
        let options = format!("-c listen_addresses='' -k '{path}' -c fsync=off");
        run(&["pg_ctl", "-D", &data, "-l", &format!("{path}/log"), "-w", "-o", &options, "start"]);
        Some(cluster)
    }

    /// Runs a program of PostgreSQL as the server's owner.
    fn owned(&self, words: &[&str]) -> Output {
        let mut command = match owner() {
            Some(Owner::Other(user, group)) => {
                let mut command = Command::new("setpriv");
                command.args([&format!("--reuid={user}"), &format!("--regid={group}"), "--clear-groups", "--"]);
                command.arg(self.programs.join(words[0]));
                command
            }
            _ => Command::new(self.programs.join(words[0])),
        };
        // The server holds what it inherits open.
        command.args(&words[1..]).current_dir("/").env("LC_ALL", "C").stdin(Stdio::null());
        command.stdout(Stdio::null()).output().unwrap()
    }

    /// Runs statements; what they select, a line a row.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let mut command = Command::new("psql");
        command.args(["--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1", database]);
        let mut child = command
            .envs(&self.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(statements.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Everything in it, row for row, as pg_dumpall writes it; but for a word that is another one in each dump.
    pub fn everything(&self) -> String {
        let output = Command::new("pg_dumpall").arg("--clean").envs(&self.environment).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let is_kept = |line: &&str| !line.starts_with("\\restrict ") && !line.starts_with("\\unrestrict ");
        text.lines().filter(is_kept).map(|line| format!("{line}\n")).collect()
    }

    /// Lets everything that runs on a host reach it.
    pub fn serve(&self, host: &mut Host) {
        host.environment.extend(self.environment.clone());
    }

    /// What a process needs to reach it.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// The name of its superuser.
    pub fn superuser(&self) -> &str {
        &self.superuser
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.folder.path().join("data");
        self.owned(&["pg_ctl", "-D", data.to_str().unwrap(), "-m", "immediate", "stop"]);
    }
}

/// Lets a folder of a test be entered by the user that PostgreSQL runs as.
pub fn open(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o711)).unwrap();
}

enum Owner {
    Itself,
    Other(u32, u32),
}

fn owner() -> Option<Owner> {
    if !rustix::process::geteuid().is_root() {
        return Some(Owner::Itself);
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = users.lines().find(|line| line.starts_with("postgres:"))?;
    let mut numbers = line.split(':').skip(2).map_while(|number| number.parse().ok());
    Some(Owner::Other(numbers.next()?, numbers.next()?))
}

/// The folder of the newest initdb.
fn programs() -> Option<PathBuf> {
    let has_both = |folder: &PathBuf| folder.join("initdb").exists() && folder.join("pg_ctl").exists();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).filter(has_both).collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.pop().or_else(|| std::env::split_paths(&path).find(has_both))
}
