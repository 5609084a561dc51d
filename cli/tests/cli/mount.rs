// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast mount`: what it says, how it ends, and where it refuses. Each test says so where this machine or user can not mount.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::sandbox::{Run, Sandbox};

/// A mount that is being served.
struct Served {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    /// The line that told that it is mounted.
    first: String,
}

/// Mounts at `mountpoint` of the sandbox; `None` where that is not possible, which is said.
fn serve(sandbox: &Sandbox, more: &[&str]) -> Option<Served> {
    fs::create_dir_all(sandbox.path("mountpoint")).unwrap();
    let mountpoint = sandbox.text("mountpoint");
    let mut command = sandbox.command(&[&["mount", &mountpoint][..], more].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    if is_mounted(&sandbox.path("mountpoint")) {
        return Some(Served { child, out, first });
    }
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    let why = format!("{first}{}", String::from_utf8_lossy(&stderr));
    let is_missing = ["there is no /dev/fuse", "fusermount3 is not installed", "may not be used"];
    assert!(status.code() == Some(1) && is_missing.iter().any(|text| why.contains(text)), "{status}: {why}");
    println!("not tested here: {why}");
    None
}

fn is_mounted(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    mounts.lines().any(|line| line.split(' ').nth(1) == path.to_str())
}

impl Served {
    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end.
    fn end(mut self) -> Run {
        let rest = std::io::read_to_string(&mut self.out).unwrap();
        let output = self.child.wait_with_output().unwrap();
        Run { out: self.first + &rest, ..Run::from(output) }
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
    let is_root = rustix::process::geteuid().is_root();
    let mut command = if is_root { Command::new("umount") } else { Command::new("fusermount3") };
    let status = command.args(if is_root { &[][..] } else { &["-u"][..] }).arg(&mountpoint).status().unwrap();
    assert!(status.success());
    let run = served.end();
    assert_eq!(run.code, 0, "{run:?}");
    let objects: Vec<Value> = run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 2, "{objects:?}");
    assert_eq!(objects[0]["mounted"], mountpoint);
    assert_eq!(objects[1]["summary"]["mountpoint"], mountpoint);
    assert_eq!(objects[1]["summary"]["problems"], serde_json::json!([]));
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
