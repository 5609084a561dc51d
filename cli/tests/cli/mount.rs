// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast mount`: what it says, how it ends, and where it refuses. Each test says so where this machine or user can not mount.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

use crate::sandbox::{Run, Sandbox};

/// A mount that is being served. It ends with this value, so that a test that fails leaves neither a mount nor a process.
struct Served {
    /// Until somebody waits for it.
    child: Option<Child>,
    mountpoint: PathBuf,
    out: BufReader<ChildStdout>,
    /// The line that told that it is mounted.
    first: String,
}

/// Mounts at `mountpoint` of the sandbox; `None` where that is not possible, which is said.
fn serve(sandbox: &Sandbox, more: &[&str]) -> Option<Served> {
    let mountpoint = sandbox.path("mountpoint");
    fs::create_dir_all(&mountpoint).unwrap();
    let mut command = sandbox.command(&[&["mount", &sandbox.text("mountpoint")][..], more].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let mut served = Served { child: Some(child), mountpoint, out, first: String::new() };
    served.out.read_line(&mut served.first).unwrap();
    if is_mounted(&served.mountpoint) {
        return Some(served);
    }
    let run = served.end();
    let is_missing = ["there is no /dev/fuse", "fusermount3 is not installed", "may not be used", "has no name"];
    // With --json the error is on standard output.
    let said = format!("{}{}", run.out, run.err);
    assert!(run.code == 1 && is_missing.iter().any(|text| said.contains(text)), "{run:?}");
    println!("not tested here: {said}");
    None
}

fn is_mounted(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.lines().any(|line| line.split(' ').nth(4) == path.to_str())
}

/// How a user unmounts.
#[derive(Clone, Copy)]
enum How {
    Plainly,
    /// Though somebody uses it.
    Lazily,
}

/// Unmounts with the system's program for this user.
fn umount(mountpoint: &Path, how: How) -> io::Result<ExitStatus> {
    let words: &[&str] = match (rustix::process::geteuid().is_root(), how) {
        (true, How::Plainly) => &["umount"],
        (true, How::Lazily) => &["umount", "-l"],
        (false, How::Plainly) => &["fusermount3", "-u"],
        (false, How::Lazily) => &["fusermount3", "-u", "-z"],
    };
    Command::new(words[0]).args(&words[1..]).arg(mountpoint).status()
}

impl Served {
    fn child(&self) -> &Child {
        self.child.as_ref().unwrap()
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child()), signal).unwrap();
    }

    /// Waits for the end.
    fn end(mut self) -> Run {
        let rest = io::read_to_string(&mut self.out).unwrap();
        let output = self.child.take().unwrap().wait_with_output().unwrap();
        Run { out: std::mem::take(&mut self.first) + &rest, ..Run::from(output) }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // First, because a mount whose process has died can not be looked at, and the sandbox is deleted next.
        if is_mounted(&self.mountpoint) {
            let _ = umount(&self.mountpoint, How::Lazily);
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

#[test]
fn a_signal_ends_it_cleanly() {
    for signal in [Signal::INT, Signal::TERM] {
        let sandbox = Sandbox::with_snapshot();
        let Some(served) = serve(&sandbox, &[]) else { return };
        let mountpoint = sandbox.path("mountpoint");
        assert!(served.first.contains("mounted at") && served.first.contains("umount"), "{}", served.first);
        let file = mountpoint.join("snapshots/latest/a.txt");
        assert_eq!(fs::read_to_string(file).unwrap(), "alpha\n");
        served.send(signal);
        let run = served.end();
        assert_eq!((run.code, &run.err[..]), (0, ""), "{run:?}");
        assert!(!is_mounted(&mountpoint));
    }
}

#[test]
fn an_unmount_ends_it() {
    let sandbox = Sandbox::with_snapshot();
    let Some(served) = serve(&sandbox, &["--json"]) else { return };
    let mountpoint = sandbox.text("mountpoint");
    assert!(umount(&served.mountpoint, How::Plainly).unwrap().success());
    let run = served.end();
    assert_eq!(run.code, 0, "{run:?}");
    let objects: Vec<Value> = run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 2, "{objects:?}");
    assert_eq!(objects[0]["mounted"], mountpoint);
    assert_eq!(objects[1]["summary"]["mountpoint"], mountpoint);
    assert_eq!(objects[1]["summary"]["problems"], serde_json::json!([]));
}

#[test]
fn a_test_that_fails_leaves_no_mount_and_no_process() {
    let sandbox = Sandbox::with_snapshot();
    let Some(served) = serve(&sandbox, &[]) else { return };
    let (mountpoint, process) = (sandbox.path("mountpoint"), Pid::from_child(served.child()));
    let failed = catch_unwind(AssertUnwindSafe(|| {
        // Dropped last: the mount is in use when it has to end.
        let _held = File::open(mountpoint.join("snapshots/latest/a.txt")).unwrap();
        let _served = served;
        panic!("as a test does");
    }));
    assert!(failed.is_err());
    assert!(!is_mounted(&mountpoint));
    assert_eq!(test_kill_process(process), Err(rustix::io::Errno::SRCH));
}

#[test]
fn a_damaged_file_is_told_once_and_remembered() {
    let sandbox = Sandbox::with_snapshot();
    // Every data pack, in the midst: the only one holds all contents.
    damage(&sandbox.path("repo/packs"));
    let Some(served) = serve(&sandbox, &[]) else { return };
    let latest = sandbox.path("mountpoint/snapshots/latest");
    let lost = || ["a.txt", "sub/b.txt", "sub/c.o"].iter().filter(|name| fs::read(latest.join(name)).is_err()).count();
    assert!(lost() > 0);
    let count = lost();
    served.send(Signal::TERM);
    let run = served.end();
    assert_eq!(run.code, 3, "{run:?}");
    assert_eq!(run.err.lines().filter(|line| line.starts_with("problem: ")).count(), count, "{run:?}");
}

fn damage(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            damage(&path);
            continue;
        }
        let mut bytes = fs::read(&path).unwrap();
        if bytes[3] == b'D' {
            // In the first segment, which begins behind the header of 64 bytes; what follows may be padding.
            bytes[80] ^= 1;
            fs::remove_file(&path).unwrap();
            fs::write(&path, bytes).unwrap();
        }
    }
}

#[test]
fn a_place_that_is_no_empty_folder_is_refused() {
    let sandbox = Sandbox::with_snapshot();
    fs::create_dir(sandbox.path("full")).unwrap();
    fs::write(sandbox.path("full/file"), "x").unwrap();
    let refused =
        [("missing", "there is no such folder"), ("full", "it is not empty"), ("full/file", "it is not a folder")];
    for (name, why) in refused {
        let run = sandbox.run(&["mount", &sandbox.text(name)]);
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.err.contains(why), "{run:?}");
    }
}
