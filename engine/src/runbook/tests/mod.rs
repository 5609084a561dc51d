// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runbooks against real shells, real processes and a real sshd.

mod actions;
mod capture;
mod checks;
mod commands;
mod guardian;
mod journal;
mod kills;
mod plan;
mod remote;
mod run;
mod samples;
mod sshd;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{Command, Fault, Input, Output, Place, Sink, execute};

struct Silent;

impl Sink for Silent {}

fn script(text: &str) -> Command {
    Command { script: text.to_string(), ..Command::default() }
}

fn run_with(command: &Command, input: Option<Input>) -> Result<Output, Fault> {
    execute(&Place::here("here"), command, &BTreeMap::new(), input, Some(Duration::from_secs(60)), &Silent)
}

fn sh(text: &str) -> Result<Output, Fault> {
    run_with(&script(text), None)
}

/// A program of this name in `folder`. A shell writes it: a child that another thread makes at this moment would hold it open for
/// writing, and nobody could run it.
fn program(folder: &Path, name: &str, text: &str) {
    fs::create_dir_all(folder).unwrap();
    let path = folder.join(name);
    let mut shell = std::process::Command::new("sh");
    let mut shell = shell.args(["-c", "cat > \"$0\""]).arg(&path).stdin(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{text}").as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// This machine, with programs of `folder` before all others.
fn place_with(folder: &Path) -> Place {
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", folder.display());
    let environment = BTreeMap::from([("PATH".to_string(), path)]);
    Place { environment, ..Place::here("here") }
}

/// Waits until it is so.
fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not within 60 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a process whose number stands in this file runs.
fn runs(pid_file: &Path) -> bool {
    let Ok(text) = fs::read_to_string(pid_file) else { return false };
    let stat = fs::read_to_string(format!("/proc/{}/stat", text.trim())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// An input that breaks off after some bytes.
struct Breaks(usize);

impl std::io::Read for Breaks {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.0 == 0 {
            return Err(std::io::Error::other("the disk is on fire"));
        }
        let count = buffer.len().min(self.0);
        buffer[..count].fill(b'x');
        self.0 -= count;
        Ok(count)
    }
}
