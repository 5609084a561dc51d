// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs that serve S3, as separate processes on a loopback port: moto (keeps `If-None-Match`) and `rclone serve s3`
//! (does not). They are not part of the workspace; where one is missing, a test says so and ends.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use keepfast_storage::testing::Port;

/// Longest start of a server: Python on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(180);

/// moto looks whether an object is there and stores it in two steps. Services of S3 decide about one name in one step, and so
/// does this one: it stores one object at a time.
const MOTO: &str = "
from threading import Lock
from moto.s3.responses import S3Response
from moto.server import main

lock, put_object = Lock(), S3Response.put_object

def one_at_a_time(self):
    with lock:
        return put_object(self)

S3Response.put_object = one_at_a_time
main()
";

/// A running server with a bucket named `bucket`. Ends when dropped.
pub struct Server {
    child: Child,
    /// What starts it.
    command: Command,
    port: Port,
    /// What `rclone` serves.
    _folder: Option<tempfile::TempDir>,
}

impl Server {
    /// moto's server; `None`, and a printed reason, where there is none.
    pub fn moto() -> Option<Self> {
        let port = Port::reserve();
        let server = Self::start(moto(&port)?, port, None)?;
        let answer = server.send("PUT /bucket HTTP/1.1");
        assert!(answer.starts_with("HTTP/1.1 200"), "moto makes no bucket: {answer}");
        Some(server)
    }

    /// The same behind TLS, with a certificate that nobody trusts, and without a bucket.
    pub fn untrusted_moto() -> Option<Self> {
        let port = Port::reserve();
        let mut command = moto(&port)?;
        command.arg("-s");
        Self::start(command, port, None)
    }

    /// `rclone serve s3` over a temporary folder, for the keys [`Server::credentials`]; `None`, and a printed reason, where
    /// there is none.
    pub fn rclone() -> Option<Self> {
        let program = program("KEEPFAST_RCLONE", "rclone")?;
        let port = Port::reserve();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("bucket")).unwrap();
        let (user, secret) = Self::credentials();
        let mut command = Command::new(program);
        command
            .args(["serve", "s3", "--config", "/dev/null", "--vfs-cache-mode", "full", "--cache-dir"])
            .arg(folder.path().join("cache"))
            .args(["--auth-key", &format!("{user},{secret}"), "--addr", &format!("127.0.0.1:{}", port.number())])
            .arg(folder.path());
        Self::start(command, port, Some(folder))
    }

    /// Access key and secret that every server here takes.
    pub fn credentials() -> (&'static str, &'static str) {
        ("keepfast-tests", "not-a-secret-of-anybody")
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number())
    }

    /// The same port by TLS.
    pub fn tls_endpoint(&self) -> String {
        format!("https://127.0.0.1:{}", self.port.number())
    }

    /// A location under a prefix of the bucket.
    pub fn location(&self, prefix: &str) -> String {
        format!("s3://bucket/{prefix}?endpoint={}", self.endpoint())
    }

    fn start(mut command: Command, port: Port, folder: Option<tempfile::TempDir>) -> Option<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut server = Self { child, command, port, _folder: folder };
        server.listens().then_some(server)
    }

    /// Ends it at once: a machine that crashed.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again, at the same port, with what it has kept.
    pub fn start_again(&mut self) {
        self.child = self.command.spawn().unwrap();
        assert!(self.listens(), "it started before");
    }

    fn listens(&mut self) -> bool {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port.number())).is_err() {
            if let Some(status) = self.child.try_wait().unwrap() {
                let program = self.command.get_program();
                assert!(!is_ci(), "{program:?} does not run: {status}");
                println!("skipped: {program:?} does not run here: {status}");
                return false;
            }
            assert!(start.elapsed() < START_LIMIT, "{:?} does not listen", self.command.get_program());
            std::thread::sleep(Duration::from_millis(50));
        }
        true
    }

    /// Sends a request without a body, and gives the beginning of the answer.
    fn send(&self, line: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port.number())).unwrap();
        let host = format!("Host: 127.0.0.1:{}", self.port.number());
        write!(stream, "{line}\r\n{host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What starts moto: its server is a script for the Python beside it.
fn moto(port: &Port) -> Option<Command> {
    let beside = program("KEEPFAST_MOTO_SERVER", "moto_server")?.with_file_name("python3");
    let python = if beside.is_file() { beside } else { "python3".into() };
    let mut command = Command::new(python);
    command.args(["-c", MOTO, "-H", "127.0.0.1", "-p", &port.number().to_string()]);
    Some(command)
}

/// The program that a variable names, or else the one in `PATH` or beside the Python of the independent reader. With
/// `CI=true` it must be there.
fn program(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(variable) {
        return Some(named.into());
    }
    let of_python = std::env::var_os("KEEPFAST_READER_PYTHON");
    let of_python = of_python.as_deref().map(Path::new).and_then(Path::parent).map(Path::to_path_buf);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).chain(of_python).map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        assert!(!is_ci(), "no {name} in PATH, and {variable} names none");
        println!("skipped: no {name} in PATH, and {variable} names none");
    }
    found
}

/// Whether all tools must be there.
fn is_ci() -> bool {
    std::env::var_os("CI").as_deref() == Some(OsStr::new("true"))
}
