// SPDX-License-Identifier: MIT OR Apache-2.0
//! Commands at the other end of a real ssh.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::time::{Duration, Instant};

use keepfast_storage::testing::Port;
use rustix::process::{Pid, Signal};

use super::super::{Command, Fault, Sink, execute};
use super::sshd::Sshd;
use super::{Breaks, Input, Silent, runs, script, soon};

fn far(sshd: &Sshd, text: &str) -> Result<Vec<String>, Fault> {
    let limit = Some(Duration::from_secs(60));
    execute(&sshd.place(), &script(text), &BTreeMap::new(), None, limit, &Silent).map(|output| output.tail)
}

#[test]
fn an_exit_code_of_255_is_the_commands_own_and_a_host_that_is_not_there_is_unreachable() {
    let Some(sshd) = Sshd::start() else { return };
    let mut lines = far(&sshd, "echo it works; printf 'no newline' >&2").unwrap();
    // Which of the two pipes is read first is left open.
    lines.sort();
    assert_eq!(lines, ["it works", "no newline"]);
    assert_eq!(far(&sshd, "echo no >&2; exit 255").unwrap_err().to_string(), "ended with exit code 255: no");
    assert_eq!(far(&sshd, "exit 7").unwrap_err().to_string(), "ended with exit code 7: it said nothing");
    let mut place = sshd.place();
    let free = Port::reserve().keep();
    place.ssh.as_mut().unwrap().port = Some(free);
    let fault = execute(&place, &script("true"), &BTreeMap::new(), None, None, &Silent).unwrap_err();
    let text = fault.to_string();
    assert!(matches!(fault, Fault::Unreachable { .. }) && text.contains("Connection refused"), "{text}");
}

/// Kills the process whose id a line is; ssh has lines of its own.
struct Kills;

impl Sink for Kills {
    fn line(&self, line: &str) -> Option<String> {
        if let Some(pid) = line.trim().parse().ok().and_then(Pid::from_raw) {
            rustix::process::kill_process(pid, Signal::KILL).expect("it is there");
        }
        None
    }
}

#[test]
fn a_connection_that_breaks_is_told_from_one_that_never_was() {
    let Some(sshd) = Sshd::start() else { return };
    // The process of sshd that serves this connection is the parent of the command's. It must have said that the command has begun.
    let (text, limit) = ("ps -o ppid= -p $PPID >&2; sleep 20", Some(Duration::from_secs(60)));
    let fault = execute(&sshd.place(), &script(text), &BTreeMap::new(), None, limit, &Kills).unwrap_err().to_string();
    assert!(fault.contains("can not reach far: the connection broke while the command ran"), "{fault}");
}

#[test]
fn a_service_that_keeps_the_output_open_does_not_keep_the_command_behind_ssh() {
    let Some(sshd) = Sshd::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let begun = Instant::now();
    let tail = far(&sshd, &format!("setsid sh -c 'echo $$ > {}; sleep 40' & echo started", pid.display())).unwrap();
    assert_eq!(tail, ["started"]);
    assert!(begun.elapsed() < Duration::from_secs(35));
    soon("the service runs", || runs(&pid));
    assert!(far(&sshd, &format!("kill $(cat {})", pid.display())).is_ok());
}

#[test]
fn a_command_that_takes_too_long_is_ended_behind_ssh() {
    let Some(sshd) = Sshd::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let text = format!("sh -c 'echo $$ > {}; sleep 100'", pid.display());
    let limit = Some(Duration::from_secs(10));
    let fault = execute(&sshd.place(), &script(&text), &BTreeMap::new(), None, limit, &Silent).unwrap_err();
    assert!(matches!(fault, Fault::TooLong { .. }), "{fault}");
    assert!(pid.exists() && !runs(&pid));
}

#[test]
fn input_and_secrets_arrive_behind_ssh_and_a_broken_input_is_never_taken_for_a_whole_one() {
    let Some(sshd) = Sshd::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let bytes: Vec<u8> = (0..9_000_001_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let secrets = BTreeMap::from([("key".to_string(), "xyzzy 'plugh'".to_string())]);
    let text = format!("ps -eo args > {0}.ps\nprintf %s \"$key\" > {0}\ncat >> {0}", out.display());
    let command = Command { secrets: vec!["key".into()], ..script(&text) };
    let input: Input = Box::new(Cursor::new(bytes.clone()));
    execute(&sshd.place(), &command, &secrets, Some(input), None, &Silent).unwrap();
    assert!(fs::read(&out).unwrap() == [b"xyzzy 'plugh'", bytes.as_slice()].concat());
    assert!(!fs::read_to_string(out.with_extension("ps")).unwrap().contains("plugh"));
    let whole = folder.path().join("whole");
    let reads = script(&format!("cat >/dev/null; touch {}", whole.display()));
    for length in [0, 5 << 20] {
        let input: Input = Box::new(Breaks(length));
        let fault = execute(&sshd.place(), &reads, &BTreeMap::new(), Some(input), None, &Silent).unwrap_err();
        assert!(matches!(fault, Fault::Input(_)), "{fault}");
        std::thread::sleep(Duration::from_millis(300));
        assert!(!whole.exists(), "{length}");
    }
}
