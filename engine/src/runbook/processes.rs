// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ends a command with all that it has started: its process group, and where the system tells, those that left the group, as
//! what `su` starts does.

use std::fs;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// So long a command that shall end has to tidy up.
const GRACE: Duration = Duration::from_secs(5);

/// Between two looks whether it has ended.
const PAUSE: Duration = Duration::from_millis(20);

/// Ends a command that leads a process group: first kindly.
pub(super) fn end(child: &mut Child) {
    let Some(leader) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return };
    let mut below = descendants(leader);
    let signal = |signal, below: &[Pid]| {
        let _ = kill_process_group(leader, signal);
        for process in below {
            let _ = kill_process(*process, signal);
        }
    };
    signal(Signal::TERM, &below);
    let told = Instant::now();
    let mut has_ended = false;
    while told.elapsed() < GRACE {
        has_ended = has_ended || matches!(child.try_wait(), Ok(Some(_)));
        below.retain(|process| is_alive(*process));
        if has_ended && below.is_empty() {
            break;
        }
        thread::sleep(PAUSE);
    }
    signal(Signal::KILL, &below);
    let _ = child.wait();
}

/// Everything that a process has started and that has not been left to others. Empty where `/proc` does not tell.
fn descendants(of: Pid) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let pairs: Vec<(i32, i32)> = numbers.filter_map(|process| Some((process, status(process)?.1))).collect();
    let mut found = vec![of.as_raw_nonzero().get()];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(pairs.iter().filter(|(_, of)| *of == parent).map(|(process, _)| *process));
        next += 1;
    }
    found.into_iter().skip(1).filter_map(Pid::from_raw).collect()
}

fn is_alive(process: Pid) -> bool {
    status(process.as_raw_nonzero().get()).is_some_and(|(state, _)| state != 'Z')
}

/// The state of a process, and its parent.
fn status(process: i32) -> Option<(char, i32)> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let mut words = text.rsplit_once(')')?.1.split_whitespace();
    Some((words.next()?.chars().next()?, words.next()?.parse().ok()?))
}
