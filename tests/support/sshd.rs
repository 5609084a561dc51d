// SPDX-License-Identifier: MIT OR Apache-2.0
//! A real `sshd` on loopback, for one test: own host key, own configuration, a free port, one client key. It touches nothing
//! of the machine's own ssh and runs as whoever runs the tests. Needs OpenSSH's server; without it a test says so and ends.

use std::ffi::OsString;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use keepfast_storage::sftp::{SftpLocation, SftpOptions};
use keepfast_storage::testing::Port;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long the server has to listen.
const START: Duration = Duration::from_secs(60);

/// A running server. It and all its sessions end when this is dropped.
pub struct Sshd {
    child: Child,
    port: u16,
    user: String,
    folder: TempDir,
}

impl Sshd {
    /// Starts a server; `None`, with a printed reason, where that can not be done.
    pub fn start() -> Option<Self> {
        Self::with_subsystem("internal-sftp")
    }

    /// The same with another command behind the subsystem `sftp`, such as `internal-sftp -P fsync`, which takes an
    /// extension away.
    pub fn with_subsystem(subsystem: &str) -> Option<Self> {
        let program = program()?;
        let Some(user) = user() else {
            println!("skipped: this user has no name, which ssh wants");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        for key in ["host-key", "client-key"] {
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.path().join(key));
            let made = command.stdin(Stdio::null()).output();
            if !made.as_ref().is_ok_and(|output| output.status.success()) {
                println!("skipped: ssh-keygen does not work: {made:?}");
                return None;
            }
        }
        let listening = Self::listen(&program, subsystem, &user, &folder);
        let server = listening.map(|(child, port)| {
            let key = fs::read_to_string(folder.path().join("host-key.pub")).unwrap();
            fs::write(folder.path().join("known-hosts"), format!("[127.0.0.1]:{port} {key}")).unwrap();
            Self { child, port, user, folder }
        });
        server.filter(Self::admits)
    }

    /// Whether the server lets this user in: it keeps locked accounts out, whatever key they have.
    fn admits(&self) -> bool {
        let command = self.options().command;
        let mut ssh = Command::new(&command[0]);
        ssh.args(&command[1..]).args(["-p", &self.port.to_string(), "-l", &self.user, "-s", "--", "127.0.0.1", "sftp"]);
        let asked = ssh.stdin(Stdio::null()).output();
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let reason = log.lines().find(|line| line.contains("not allowed because"));
        match (&asked, reason) {
            (Err(error), _) => println!("skipped: there is no ssh: {error}"),
            (Ok(_), Some(reason)) => println!("skipped: sshd says: {reason}"),
            // Anything else is for the test to meet.
            (Ok(_), None) => return true,
        }
        false
    }

    fn listen(program: &Path, subsystem: &str, user: &str, folder: &TempDir) -> Option<(Child, u16)> {
        let port = Port::reserve().keep();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             UsePAM no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             AllowUsers {user}\nMaxStartups 100\nUseDNS no\nSubsystem sftp {subsystem}\n",
            at("host-key"),
            at("client-key.pub"),
        );
        fs::write(folder.path().join("config"), config).unwrap();
        if rustix::process::geteuid().is_root() {
            // A root server wants this empty folder, which a service manager makes as a rule.
            let _ = fs::create_dir("/run/sshd");
        }
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(program);
        command.args(["-D", "-e", "-f"]).arg(folder.path().join("config"));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let until = Instant::now() + START;
        while Instant::now() < until && child.try_wait().unwrap().is_none() {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some((child, port));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
        println!("sshd did not start: {}", fs::read_to_string(folder.path().join("log")).unwrap_or_default());
        None
    }

    /// A folder of the server's machine, as a location.
    pub fn location(&self, path: &Path) -> SftpLocation {
        let text = format!("sftp://{}@127.0.0.1:{}/{}", self.user, self.port, path.display());
        SftpLocation::parse(&text).unwrap()
    }

    /// Whom a command asks for at which port.
    pub fn target(&self) -> (String, u16) {
        (format!("{}@127.0.0.1", self.user), self.port)
    }

    /// Options that lead ssh to this server and to nothing of the machine's own configuration.
    pub fn options(&self) -> SftpOptions {
        let mut command: Vec<OsString> = ["ssh", "-F", "none", "-i"].map(OsString::from).to_vec();
        command.push(self.folder.path().join("client-key").into());
        let known = self.folder.path().join("known-hosts");
        for setting in [
            "IdentitiesOnly=yes".to_owned(),
            "IdentityAgent=none".to_owned(),
            "StrictHostKeyChecking=yes".to_owned(),
            "GlobalKnownHostsFile=none".to_owned(),
            format!("UserKnownHostsFile={}", known.display()),
        ] {
            command.extend(["-o".into(), setting.into()]);
        }
        SftpOptions { command, ..SftpOptions::default() }
    }

    /// `USER@ADDRESS`, port and further words with which a plain `ssh` comes to this server.
    pub fn reached(&self) -> (String, u16, Vec<String>) {
        let command = self.options().command;
        let words = command[1..].iter().map(|word| word.to_str().unwrap().to_owned()).collect();
        (format!("{}@127.0.0.1", self.user), self.port, words)
    }

    /// Stops the server and its sessions where they are: a machine that hangs.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets them go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends the server and its sessions at once: a machine that crashed.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        // Sessions first, so that none is made meanwhile.
        let mut processes = descendants(self.child.id());
        processes.push(self.child.id());
        for process in processes {
            let process = Pid::from_raw(process.try_into().unwrap()).unwrap();
            let _ = kill_process(process, signal);
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child.wait();
    }
}

/// Every process that `process` started, and those that they did.
fn descendants(process: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // `id (name) state parent ...`, where the name may hold anything.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        parents.extend(parent.map(|parent| (id, parent)));
    }
    let mut found = vec![process];
    let mut looked_at = 0;
    while let Some(parent) = found.get(looked_at).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(id, _)| *id));
        looked_at += 1;
    }
    found.split_off(1)
}

fn program() -> Option<PathBuf> {
    let places = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"].map(PathBuf::from);
    let found = places.into_iter().find(|place| place.exists());
    if found.is_none() {
        println!("skipped: there is no sshd; it is in the package openssh-server");
    }
    found
}

fn user() -> Option<String> {
    let output = Command::new("id").arg("-un").output().ok()?;
    let name = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !name.is_empty()).then_some(name)
}
