// SPDX-License-Identifier: MIT OR Apache-2.0
//! What whoever starts the program withholds from it: a standard input, open files, long files, space for its index.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use crate::backup::noise;
use crate::sandbox::{Run, Sandbox};

/// Runs it by a shell that sets a limit first, with no open files but the standard streams.
fn limited(sandbox: &Sandbox, limit: &str, arguments: &[&str]) -> Run {
    let program = sandbox.command(arguments);
    let mut shell = Command::new("sh");
    let script = format!("exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; ulimit {limit} && exec \"$0\" \"$@\"");
    shell.arg("-c").arg(script).arg(program.get_program()).args(arguments).current_dir(sandbox.path("src"));
    shell.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
    Run::from(shell.output().unwrap())
}

#[test]
fn a_standard_input_that_nobody_has_connected_is_not_saved_as_an_empty_file() {
    let sandbox = Sandbox::with_snapshot();
    for arguments in [&["backup", "--stdin"][..], &["backup", ".", "--files-from", "-"], &["import", "-"]] {
        let run = sandbox.run(arguments);
        assert!(run.code == 1 && run.err.contains("standard input is closed or /dev/null"), "{arguments:?}: {run:?}");
        let run = limited(&sandbox, "-c 0 <&-", arguments);
        assert!(run.code == 1 && run.err.contains("standard input is closed or /dev/null"), "{arguments:?}: {run:?}");
    }
    assert_eq!(sandbox.json(0, &["snapshots"]).len(), 2, "the one that was there, and a summary");
}

#[test]
fn a_standard_input_that_can_not_be_read_is_told() {
    let sandbox = Sandbox::new();
    let unreadable = || Stdio::from(File::create(sandbox.path("written")).unwrap());
    let run = Run::from(sandbox.command(&["backup", "--stdin"]).stdin(unreadable()).output().unwrap());
    assert!(run.code == 3 && run.err.contains("Bad file descriptor"), "{run:?}");
    let run = Run::from(sandbox.command(&["backup", ".", "--files-from", "-"]).stdin(unreadable()).output().unwrap());
    assert!(run.code == 1 && run.err.contains("Bad file descriptor"), "{run:?}");
}

#[test]
fn a_restore_with_few_open_files_and_many_threads_is_whole() {
    let sandbox = Sandbox::new();
    for (number, bytes) in noise(6_000_000).chunks(20_000).enumerate() {
        fs::write(sandbox.path("src/sub").join(number.to_string()), bytes).unwrap();
    }
    sandbox.ok(&["backup", "."]);
    let target = sandbox.text("back");
    let run = limited(&sandbox, "-n 16", &["restore", "latest", "--target", &target, "--threads", "64"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(fs::read(sandbox.path("back/sub/299")).unwrap() == fs::read(sandbox.path("src/sub/299")).unwrap());
}

#[test]
fn a_file_that_is_longer_than_the_limit_is_named_and_the_others_are_restored() {
    let sandbox = Sandbox::with_snapshot();
    let target = sandbox.text("back");
    let run = limited(&sandbox, "-f 100", &["--no-cache", "restore", "latest", "--target", &target]);
    assert!(run.code == 3 && run.err.contains("sub/c.o") && run.err.contains("File too large"), "{run:?}");
    assert_eq!(fs::read(sandbox.path("back/sub/b.txt")).unwrap(), b"beta\n");
}

#[test]
fn an_error_of_the_local_index_says_where_that_is() {
    let sandbox = Sandbox::new();
    let run = limited(&sandbox, "-f 8", &["backup", ".", "--cache-dir", &sandbox.text("index is here")]);
    assert!(run.code == 1 && run.err.contains("local index"), "{run:?}");
    assert!(run.err.contains(&sandbox.text("index is here")) && run.err.contains("--no-cache"), "{run:?}");
}

#[test]
fn a_full_standard_output_is_told_where_there_is_room_in_json_too() {
    let sandbox = Sandbox::with_snapshot();
    for arguments in [&["ls", "latest"][..], &["ls", "latest", "--json"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let run = Run::from(sandbox.command(arguments).stdout(full).output().unwrap());
        assert!(run.code == 1 && run.err.contains("can not write the output: No space left"), "{run:?}");
    }
}
