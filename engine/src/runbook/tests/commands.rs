// SPDX-License-Identifier: MIT OR Apache-2.0
//! Commands on this machine: however they end, write, read and hang.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::super::{Command, Fault, Place, Sink, execute};
use super::{Breaks, Silent, place_with, program, run_with, runs, script, sh, soon};

#[test]
fn the_exit_code_and_the_signal_of_a_command_are_told_with_its_last_line() {
    assert_eq!(sh("echo a; echo b").unwrap().tail, ["a", "b"]);
    assert_eq!(sh("echo no disk >&2; exit 3").unwrap_err().to_string(), "ended with exit code 3: no disk");
    assert_eq!(sh("exit 255").unwrap_err().to_string(), "ended with exit code 255: it said nothing");
    assert_eq!(sh("kill -USR1 $$").unwrap_err().to_string(), "was ended by signal 10: it said nothing");
    let error = sh("set -e; false; echo on").unwrap_err().to_string();
    assert_eq!(error, "ended with exit code 1: it said nothing");
}

#[test]
fn why_a_command_failed_is_its_last_line_on_standard_error_whatever_it_wrote_behind_it() {
    let error = sh("echo first; echo why >&2; sleep 0.2; echo '(1 row)'; exit 3").unwrap_err().to_string();
    assert_eq!(error, "ended with exit code 3: why");
    let both = sh("echo noise >&2; sleep 0.2; echo last").unwrap().tail;
    assert_eq!(both, ["noise", "last"], "of one that ended well all lines count");
}

#[test]
fn a_script_ends_at_the_first_command_that_fails_with_input_or_without() {
    let error = run_with(&script("cat >/dev/null\nfalse\necho on"), Some(Box::new(Cursor::new(b"x")))).unwrap_err();
    assert_eq!(error.to_string(), "ended with exit code 1: it said nothing");
    assert!(matches!(sh("false\necho on").unwrap_err(), Fault::Failed { code: 1, tail } if tail.is_empty()));
}

#[test]
fn a_command_that_takes_too_long_is_ended_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pid = |name: &str| folder.path().join(name);
    let text = format!(
        "sh -c 'trap \"\" TERM; echo $$ > {}; while :; do sleep 1; done' &\nsetsid sh -c 'echo $$ > {}; sleep 100' &\nsleep 100",
        pid("deaf").display(),
        pid("apart").display()
    );
    let begun = Instant::now();
    let limit = Some(Duration::from_secs(5));
    let fault = execute(&Place::here("h"), &script(&text), &BTreeMap::new(), None, limit, &Silent).unwrap_err();
    assert_eq!(fault.to_string(), "had not ended after 5 s and was told to; it may still run on h");
    assert!(begun.elapsed() < Duration::from_secs(60));
    for name in ["deaf", "apart"] {
        assert!(pid(name).exists(), "{name} was started");
        soon("it has ended", || !runs(&pid(name)));
    }
}

#[test]
fn a_command_that_writes_without_end_is_ended_all_the_same() {
    let limit = Some(Duration::from_secs(1));
    for text in ["yes", "cat /dev/zero", "yes >&2 & yes"] {
        let begun = Instant::now();
        let fault = execute(&Place::here("h"), &script(text), &BTreeMap::new(), None, limit, &Silent).unwrap_err();
        assert!(matches!(fault, Fault::TooLong { .. }), "{text}: {fault}");
        assert!(begun.elapsed() < Duration::from_secs(60), "{text}");
    }
}

#[test]
fn a_service_that_keeps_the_output_open_does_not_keep_the_command() {
    let folder = tempfile::tempdir().unwrap();
    for (number, service) in ["sleep 60", "while :; do echo still here; sleep 0.05; done"].iter().enumerate() {
        let pid = folder.path().join(number.to_string());
        let begun = Instant::now();
        let text = format!("sh -c 'echo $$ > {}; {service}' & echo started", pid.display());
        assert!(sh(&text).unwrap().tail.contains(&"started".to_string()));
        assert!(begun.elapsed() < Duration::from_secs(30), "{service}");
        soon("the service runs", || runs(&pid));
        let number: i32 = fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_raw(number).unwrap(),
            rustix::process::Signal::KILL,
        );
    }
}

struct Counts(AtomicUsize, Mutex<String>);

impl Sink for Counts {
    fn line(&self, line: &str) -> Option<String> {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.1.lock().unwrap().push_str(line);
        None
    }
}

#[test]
fn every_line_of_a_large_output_arrives_and_the_last_are_remembered() {
    let sink = Counts(AtomicUsize::new(0), Mutex::new(String::new()));
    let text = "seq 100000; printf 'no newline'; printf '\\377\\n' >&2";
    let output = execute(&Place::here("h"), &script(text), &BTreeMap::new(), None, None, &sink).unwrap();
    assert_eq!(sink.0.load(Ordering::Relaxed), 100_002);
    assert!(output.tail.contains(&"no newline".to_string()), "{:?}", output.tail);
    assert!(sink.1.lock().unwrap().contains('\u{fffd}'));
    assert_eq!(output.tail.len(), 20);
}

/// Looks at its first lines for longer than is waited for anybody.
struct Slow(AtomicUsize);

impl Sink for Slow {
    fn line(&self, line: &str) -> Option<String> {
        if self.0.fetch_add(1, Ordering::Relaxed) < 3 {
            std::thread::sleep(Duration::from_millis(700));
        }
        (line == "bad").then(|| line.to_string())
    }
}

#[test]
fn no_line_is_lost_on_a_sink_that_is_slower_than_the_command() {
    let slow = || Slow(AtomicUsize::new(0));
    let run = |text, sink: &Slow| execute(&Place::here("h"), &script(text), &BTreeMap::new(), None, None, sink);
    let sink = slow();
    let output = run("seq 9000", &sink).unwrap();
    assert_eq!((sink.0.load(Ordering::Relaxed), output.tail.last().unwrap().as_str()), (9000, "9000"));
    assert_eq!(run("seq 9000; echo bad", &slow()).unwrap_err().to_string(), "wrote \"bad\"");
    // A service that goes on writing is not waited for.
    let begun = Instant::now();
    run("sh -c 'for i in $(seq 4000); do echo still here; sleep 0.01; done' & echo started", &slow()).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "a service keeps nobody");
}

#[test]
fn a_line_without_an_end_comes_in_parts() {
    let sink = Counts(AtomicUsize::new(0), Mutex::new(String::new()));
    let text = "head -c 1000000 /dev/zero | tr '\\0' a";
    execute(&Place::here("h"), &script(text), &BTreeMap::new(), None, None, &sink).unwrap();
    assert_eq!(sink.1.lock().unwrap().len(), 1_000_000);
}

struct Never;

impl Sink for Never {
    fn line(&self, line: &str) -> Option<String> {
        (line == "bad").then(|| line.to_string())
    }
}

#[test]
fn a_line_that_means_failure_ends_the_command() {
    let text = "echo good; echo bad; sleep 60";
    let fault = execute(&Place::here("h"), &script(text), &BTreeMap::new(), None, None, &Never).unwrap_err();
    assert_eq!(fault.to_string(), "wrote \"bad\"");
}

#[test]
fn a_command_reads_its_input_to_the_last_byte() {
    for length in [0, 1, 65_536, 4 << 20, (4 << 20) + 1, 9_000_000] {
        let bytes: Vec<u8> = (0..length).map(|number: u32| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        run_with(&script(&format!("cat > {}", out.display())), Some(Box::new(Cursor::new(bytes.clone())))).unwrap();
        assert!(fs::read(&out).unwrap() == bytes, "{length}");
    }
}

#[test]
fn a_command_that_does_not_read_its_input_ends_as_it_ends() {
    let endless = || Some(Box::new(std::io::repeat(b'x')) as super::Input);
    run_with(&script("true"), endless()).unwrap();
    run_with(&script("head -c 5000000 >/dev/null"), endless()).unwrap();
    assert!(matches!(run_with(&script("exit 4"), endless()).unwrap_err(), Fault::Failed { code: 4, .. }));
    let begun = Instant::now();
    run_with(&script("sleep 25 <&0 >/dev/null 2>&1 &"), endless()).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "a service that holds the input keeps nobody");
}

#[test]
fn an_input_that_breaks_off_is_never_taken_for_a_whole_one() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), "su", "shift 2; shift; setsid -w sh -c \"$1\"");
    program(folder.path(), "docker", "shift 3; exec \"$@\"");
    let whole = folder.path().join("whole");
    let reads = script(&format!("cat >/dev/null; touch {}", whole.display()));
    let commands = [
        reads.clone(),
        Command { user: Some("me".into()), ..reads.clone() },
        Command { container: Some("box".into()), ..reads.clone() },
        Command { container: Some("box".into()), user: Some("me".into()), ..reads },
    ];
    for length in [0, 10, 5 << 20] {
        for command in &commands {
            let input = Some(Box::new(Breaks(length)) as super::Input);
            let fault =
                execute(&place_with(folder.path()), command, &BTreeMap::new(), input, None, &Silent).unwrap_err();
            assert_eq!(fault.to_string(), "could not be given its input: the disk is on fire");
            std::thread::sleep(Duration::from_millis(100));
            assert!(!whole.exists(), "{length}: {}", command.shell());
        }
    }
}

#[test]
fn an_input_is_not_taken_for_a_whole_one_when_who_gives_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let shell = script(&format!("cat >/dev/null; touch {}", whole.display())).shell_reading();
    for sent in ["", "5\nhello", "5\nhel", "5\nhello5", "5\nhello5\n"] {
        let mut child = std::process::Command::new("setsid")
            .args(["sh", "-c", &shell])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), sent.as_bytes()).unwrap();
        drop(child.stdin.take());
        assert!(!child.wait().unwrap().success(), "{sent:?}");
        assert!(!whole.exists(), "{sent:?}");
    }
}

/// Of a `dd`: it passes for GNU's when it is asked.
const KNOWS_ALL: &str = "if [ \"$1\" = bs=1 ]; then exit 0; fi\n";

#[test]
fn an_input_that_can_not_be_passed_on_is_never_taken_for_a_whole_one() {
    let folder = tempfile::tempdir().unwrap();
    let (begun, whole) = (folder.path().join("begun"), folder.path().join("whole"));
    let reads = script(&format!("touch {}; cat >/dev/null; touch {}", begun.display(), whole.display()));
    let piece = "dd: memory exhausted by input buffer";
    let table = [
        ("echo 'dd: unknown operand' >&2; exit 1".to_string(), "ended with exit code 1: no dd here that knows", false),
        ("exit 127".to_string(), "ended with exit code 1: no dd here that knows iflag=fullblock", false),
        (format!("{KNOWS_ALL}echo '{piece}' >&2; exit 1"), piece, true),
        (format!("{KNOWS_ALL}exit 1"), "was ended by signal 9: its input can not be passed on: dd was ended", true),
    ];
    for (dd, says, is_begun) in table {
        program(folder.path(), "dd", &dd);
        let input = Some(Box::new(Cursor::new(b"x")) as super::Input);
        let fault = execute(&place_with(folder.path()), &reads, &BTreeMap::new(), input, None, &Silent).unwrap_err();
        assert!(fault.to_string().contains(says), "{dd}: {fault}");
        assert!(!whole.exists() && (is_begun || !begun.exists()), "{dd}: {fault}");
    }
    // Where nobody dies by PIPE, a reader that wants no more is told by an error.
    program(folder.path(), "dd", &format!("{KNOWS_ALL}echo \"dd: writing: Broken pipe\" >&2; exit 1"));
    let input = Some(Box::new(Cursor::new(b"x")) as super::Input);
    execute(&place_with(folder.path()), &script("true"), &BTreeMap::new(), input, None, &Silent).unwrap();
}

#[test]
fn whoever_passes_an_input_on_and_is_killed_takes_its_reader_along() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let shell = script(&format!("cat >/dev/null; touch {}", whole.display())).shell_reading();
    // A reader that wants no more ends its writer by PIPE: that is no accident.
    for (signal, is_whole) in [("TERM", false), ("KILL", false), ("INT", false), ("PIPE", true)] {
        program(folder.path(), "dd", &format!("{KNOWS_ALL}kill -{signal} $$"));
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
        let mut child = std::process::Command::new("setsid")
            .args(["-w", "sh", "-c", &shell])
            .env("PATH", path)
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"5\nhello").unwrap();
        assert_eq!(child.wait().unwrap().success(), is_whole, "{signal}");
        assert_eq!(whole.exists(), is_whole, "{signal}");
    }
}

#[test]
fn secrets_reach_a_command_and_stand_in_no_list_of_processes_and_no_line() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), "su", "shift 2; shift; exec sh -c \"$1\"");
    program(folder.path(), "docker", "shift 3; exec \"$@\"");
    let secrets = BTreeMap::from([
        ("key".to_string(), "xyzzy".to_string()),
        ("longer".to_string(), "xyzzy'\" $plugh\\ ".to_string()),
        ("other".to_string(), "unused".to_string()),
    ]);
    let out = folder.path().join("out");
    let text = format!(
        "printf '%s|%s' \"$longer\" \"$key\" > {0}\ncat >> {0}\nps -eo args > {0}.ps\necho \"$longer and $key\"\necho ${{other-none}}",
        out.display()
    );
    let reads = Command { secrets: vec!["longer".into(), "key".into()], ..script(&text) };
    for command in [
        reads.clone(),
        Command { user: Some("me".into()), ..reads.clone() },
        Command { container: Some("box".into()), user: Some("me".into()), ..reads.clone() },
    ] {
        for input in [None, Some("the input\n")] {
            let reader = input.map(|text| Box::new(Cursor::new(text)) as super::Input);
            let done = execute(&place_with(folder.path()), &command, &secrets, reader, None, &Silent).unwrap();
            let expected = format!("xyzzy'\" $plugh\\ |xyzzy{}", input.unwrap_or_default());
            assert_eq!(fs::read_to_string(&out).unwrap(), expected);
            assert_eq!(done.tail, ["*** and ***", "none"]);
            let processes = fs::read_to_string(out.with_extension("ps")).unwrap();
            assert!(processes.contains("IFS= read -r longer"), "the command itself is seen");
            assert!(!processes.contains("xyzzy"), "{processes}");
            assert!(!command.shell().contains("xyzzy") && !command.shown().contains("xyzzy"));
        }
    }
}

#[test]
fn a_secret_without_a_value_and_one_of_two_lines_are_refused_before_anything_runs() {
    let command = Command { secrets: vec!["key".into()], ..script("touch never") };
    for (secrets, says) in [
        (BTreeMap::new(), "could not be given its input: the secret key has no value"),
        (
            BTreeMap::from([("key".to_string(), "a\nb".to_string())]),
            "could not be given its input: the secret key has more than one line",
        ),
    ] {
        let fault = execute(&Place::here("h"), &command, &secrets, None, None, &Silent).unwrap_err();
        assert_eq!(fault.to_string(), says);
    }
    assert!(!Path::new("never").exists());
}

#[test]
fn the_environment_of_a_host_and_of_a_command_reach_it_whatever_is_in_them() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), "su", "shift 2; shift; exec sh -c \"$1\"");
    let odd = "a 'b' \"c\" $d `e`\nf";
    let environment = BTreeMap::from([("MINE".to_string(), odd.to_string())]);
    for user in [None, Some("me".to_string())] {
        let out = folder.path().join("out");
        let text = format!("printf %s \"$MINE\" > {}", out.display());
        let command = Command { environment: environment.clone(), user, ..script(&text) };
        execute(&place_with(folder.path()), &command, &BTreeMap::new(), None, None, &Silent).unwrap();
        assert_eq!(fs::read_to_string(&out).unwrap(), odd);
    }
}
