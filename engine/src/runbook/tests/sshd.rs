// SPDX-License-Identifier: MIT OR Apache-2.0
//! A real sshd on loopback, for whoever runs these tests.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use keepfast_storage::testing::Port;

use super::super::{Place, Ssh};
use super::soon;

pub(super) struct Sshd {
    server: Child,
    folder: tempfile::TempDir,
    pub(super) port: u16,
}

impl Sshd {
    /// None, with the reason printed, if there is no sshd here or it can not run.
    pub(super) fn start() -> Option<Self> {
        let Some(program) = ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).exists())
        else {
            println!("skipped: there is no sshd here");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("sshd").tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        for key in ["host", "user"] {
            let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &file(key)]).status();
            assert!(made.unwrap().success());
        }
        fs::copy(file("user.pub"), file("authorized")).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let port = Port::reserve().keep();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile {}\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 100\n",
            file("host"),
            file("authorized"),
            file("pid")
        );
        fs::write(file("config"), config).unwrap();
        let server =
            Command::new(program).args(["-D", "-e", "-f", &file("config")]).stderr(Stdio::null()).spawn().unwrap();
        let sshd = Self { server, folder, port };
        soon("sshd answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        match sshd.place().words(&super::script("true")) {
            words if Command::new(&words[0]).args(&words[1..]).stderr(Stdio::null()).status().unwrap().success() => {
                Some(sshd)
            }
            _ => {
                println!("skipped: this user can not log in to a sshd of their own");
                None
            }
        }
    }

    /// A host that is reached through it.
    pub(super) fn place(&self) -> Place {
        let user = Command::new("id").arg("-un").output().unwrap();
        let user = String::from_utf8(user.stdout).unwrap();
        let options = [
            "-F",
            "none",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "LogLevel=ERROR",
        ];
        let ssh = Ssh {
            target: format!("{}@127.0.0.1", user.trim()),
            port: Some(self.port),
            identity: Some(self.folder.path().join("user").display().to_string()),
            options: options.map(String::from).to_vec(),
        };
        Place { ssh: Some(ssh), ..Place::here("far") }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
