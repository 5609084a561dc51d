// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cancelling and asking for progress while a backup runs.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

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
            sleep(Duration::from_millis(1));
        }
    });
    (child, feeder)
}

/// What is slow on a busy machine; a process that waits for its command would take an hour.
const PATIENCE: Duration = Duration::from_secs(30);

/// Commands that say nothing for an hour. Each writes the ids of its processes into the file `$0`.
const SILENT: [&str; 4] = [
    // A shell that waits for what it started.
    "sleep 3600 & echo $$ $! > \"$0\"; wait",
    // Nobody will ever write, and yet the command is not done.
    "exec >&-; sleep 3600 & echo $$ $! > \"$0\"; wait",
    // What it started holds the pipe when it is long gone itself.
    "sleep 3600 & echo $! > \"$0\"",
    // It does not care to be asked.
    "trap '' TERM INT HUP; sleep 3600 & echo $$ $! > \"$0\"; wait",
];

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
        sleep(Duration::from_millis(20));
    }
}

fn pids(text: &str) -> Option<Vec<Pid>> {
    text.strip_suffix('\n')?.split(' ').map(|pid| pid.parse().ok().and_then(Pid::from_raw)).collect()
}

/// Gone, or dead and not yet buried by whoever inherited it.
fn is_gone(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    test_kill_process(pid).is_err() || stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z"))
}

#[test]
fn a_signal_ends_a_silent_command_with_all_it_started() {
    for (script, signal) in SILENT.into_iter().flat_map(|script| [(script, Signal::INT), (script, Signal::TERM)]) {
        let sandbox = Sandbox::with_snapshot();
        let file = sandbox.path("pids");
        let words = format!("silent=sh -c '{}' {}", script.replace('\'', "'\\''"), file.display());
        let mut command = sandbox.command(&["backup", ".", "--command", &words]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let started = until("the command to start", || pids(&fs::read_to_string(&file).unwrap_or_default()));
        send(&child, signal);
        let status = until("the backup to end", || child.try_wait().unwrap());
        assert_eq!(status.code(), Some(130), "{script}");
        for pid in started {
            until(&format!("process {pid:?} of {script:?} to end"), || is_gone(pid).then_some(()));
        }
        // The session has ended, and the next backup has no trouble.
        assert!(sandbox.ok(&["snapshots"]).out.contains("1 snapshot"), "{script}");
        sandbox.ok(&["backup", ".", "--command", "loud=echo loud"]);
        assert!(sandbox.ls("latest").iter().any(|path| path.ends_with("loud")), "{script}");
        sandbox.ok(&["check", "--read-data"]);
    }
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
fn a_terminal_that_is_closed_cancels_too_unless_that_is_ignored() {
    let ignored = ignored_signals(std::process::id());
    if ignored & 1 == 1 {
        println!("skipped: whoever runs this ignores SIGHUP, so every program does");
        return;
    }
    let sandbox = Sandbox::new();
    let (mut child, feeder) = endless(&sandbox);
    send(&child, Signal::HUP);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    feeder.join().unwrap();
    let program = sandbox.command(&["version"]).get_program().to_owned();
    let script = "trap '' HUP; exec \"$0\" backup --command 'mask=grep SigIgn /proc/$PPID/status'";
    let mut shell = sandbox.command(&[]);
    let mut nohup = std::process::Command::new("sh");
    nohup.arg("-c").arg(script).arg(program).current_dir(sandbox.path("src"));
    nohup.envs(shell.stdin(Stdio::null()).get_envs().filter_map(|(name, value)| Some((name, value?))));
    assert!(nohup.status().unwrap().success());
    let mask = sandbox.ok(&["dump", "latest:mask"]).out;
    let mask = u64::from_str_radix(mask.trim().trim_start_matches("SigIgn:").trim(), 16).unwrap();
    assert_eq!(mask & 1, 1, "still ignored");
}

/// The mask of a process's ignored signals; the lowest bit is SIGHUP's.
fn ignored_signals(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap()
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
