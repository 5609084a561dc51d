// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cancelling and asking for progress while a backup runs.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::Sandbox;

/// A backup of a standard input that never ends; returns once it is reading.
fn endless(sandbox: &Sandbox) -> (Child, std::thread::JoinHandle<()>) {
    let mut command = sandbox.command(&["backup", "--stdin"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // Much more than a pipe holds: when this is through, the backup reads.
    input.write_all(&vec![7; 8 << 20]).unwrap();
    let feeder = std::thread::spawn(move || {
        while input.write_all(&[7; 1 << 16]).is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    (child, feeder)
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn an_interrupt_cancels_with_130_and_leaves_no_snapshot() {
    for signal in [Signal::INT, Signal::TERM] {
        let sandbox = Sandbox::new();
        let (mut child, feeder) = endless(&sandbox);
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        feeder.join().unwrap();
        assert!(sandbox.ok(&["snapshots"]).out.contains("0 snapshots"));
        sandbox.ok(&["check", "--read-data"]);
    }
}

#[test]
fn sigusr1_prints_one_line_of_progress() {
    let sandbox = Sandbox::new();
    let (mut child, feeder) = endless(&sandbox);
    send(&child, Signal::USR1);
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with('[') && line.contains("MiB"), "{line:?}");
    send(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    feeder.join().unwrap();
}
