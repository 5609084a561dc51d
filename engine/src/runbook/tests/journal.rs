// SPDX-License-Identifier: MIT OR Apache-2.0
//! Journals that were cut off, held by another, or on a full disk.

use std::fs;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::super::{Event, Journal, Record, RunState, RunbookError, TaskState};
use super::samples::{Asker, Onlooker, go, journal, planned, run_all, state_of, undo_all};

const LINES: &str = "run-1/journal.jsonl";

/// A plan of three steps that append once each, one with a caution; undo takes the line away again.
fn three(folder: &Path) -> super::super::Plan {
    let file = folder.join("state");
    fs::write(&file, "").unwrap();
    let file = file.display();
    let steps: String = ["a", "b", "c"]
        .iter()
        .map(|id| {
            format!(
                "[[runbooks.it.steps]]\nid = \"{id}\"\ntitle = \"{id}\"\nrun = \"grep -qx {id} {file} || echo {id} >> {file}\"\n\
                 undo = \"sed -i /{id}/d {file}\"\n{}",
                if *id == "b" { "caution = \"mind\"\n" } else { "" }
            )
        })
        .collect();
    planned(&format!("[runbooks.it]\ntitle = \"it\"\n{steps}"))
}

#[test]
fn a_journal_that_was_cut_off_at_any_byte_opens_and_the_run_comes_to_the_same_end() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, runs) = (three(folder.path()), folder.path().join("runs"));
    let state = folder.path().join("state");
    run_all(&runs, &plan).ended.unwrap();
    let whole = fs::read(runs.join(LINES)).unwrap();
    let lines = whole.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, 8, "begun and done of three, an agreement, and the end");
    for length in 0..=whole.len() {
        // What had been done by then: at least what is written down as done, and perhaps what has begun.
        let written = &whole[..length];
        let begun = String::from_utf8_lossy(written).matches("\"begun\"}\n").count();
        for undoes in [false, true] {
            fs::write(runs.join(LINES), written).unwrap();
            // A few cuts within a line are as good as all.
            let is_looked_at_only = !written.ends_with(b"\n") && length % 13 != 0;
            fs::write(&state, ["", "a\n", "a\nb\n", "a\nb\nc\n"][begun]).unwrap();
            let (of_run, tasks) = state_of(&runs, &plan);
            assert_eq!(fs::read(runs.join(LINES)).unwrap(), written, "looking changes nothing");
            let complete = written.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(of_run == RunState::Finished, complete == lines, "{length}");
            assert!(tasks.values().all(|task| matches!(task, TaskState::Done | TaskState::InDoubt)));
            if is_looked_at_only {
                drop(journal(&runs, &plan));
                assert!(fs::read(runs.join(LINES)).unwrap().len() <= length);
            } else if undoes {
                undo_all(&runs, &plan).ended.unwrap();
                assert_eq!(fs::read_to_string(&state).unwrap(), "", "{length}");
                assert_eq!(state_of(&runs, &plan).0, RunState::Reverted);
            } else if of_run != RunState::Finished {
                run_all(&runs, &plan).ended.unwrap();
                assert_eq!(fs::read_to_string(&state).unwrap(), "a\nb\nc\n", "{length}");
                assert_eq!(state_of(&runs, &plan).0, RunState::Finished);
            }
        }
    }
}

#[test]
fn an_undo_that_was_cut_off_at_any_byte_goes_on_and_nothing_else_can_be_done() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, runs) = (three(folder.path()), folder.path().join("runs"));
    run_all(&runs, &plan).ended.unwrap();
    let before = fs::read(runs.join(LINES)).unwrap().len();
    undo_all(&runs, &plan).ended.unwrap();
    let whole = fs::read(runs.join(LINES)).unwrap();
    for length in before..whole.len() {
        fs::write(runs.join(LINES), &whole[..length]).unwrap();
        if whole[before..length].contains(&b'\n') {
            let stopped = run_all(&runs, &plan).ended.unwrap_err().to_string();
            assert!(stopped.contains("undoing it was begun; undo it to the end"), "{stopped}");
        }
        if !whole[..length].ends_with(b"\n") && length % 13 != 0 {
            continue;
        }
        undo_all(&runs, &plan).ended.unwrap();
        assert_eq!(state_of(&runs, &plan).0, RunState::Reverted, "{length}");
    }
    let stopped = undo_all(&runs, &plan).ended.unwrap_err().to_string();
    assert!(stopped.contains("the run run-1 has ended: it was undone"), "{stopped}");
}

#[test]
fn a_run_is_held_by_one_process_and_can_be_looked_at_by_all() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, runs) = (three(folder.path()), folder.path().join("runs"));
    let held = journal(&runs, &plan);
    assert!(matches!(Journal::open(&runs, "run-1"), Err(RunbookError::Busy { run }) if run == "run-1"));
    assert!(Journal::look(&runs, "run-1").unwrap().1.is_empty());
    drop(held);
    Journal::open(&runs, "run-1").unwrap();
}

#[test]
fn a_run_without_a_whole_plan_was_never_begun_and_a_torn_plan_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, runs) = (three(folder.path()), folder.path().join("runs"));
    drop(journal(&runs, &plan));
    fs::create_dir(runs.join("run-0")).unwrap();
    fs::write(runs.join("run-0/plan.partial"), "{").unwrap();
    assert_eq!(Journal::list(&runs).unwrap(), ["run-1"]);
    assert_eq!(Journal::list(&folder.path().join("none")).unwrap(), Vec::<String>::new());
    for name in ["run-0", "run-2", "", "..", "../runs/run-1", "."] {
        let error = Journal::open(&runs, name).unwrap_err().to_string();
        assert_eq!(error, format!("there is no run {name:?}"));
        assert!(matches!(Journal::look(&runs, name), Err(RunbookError::NoRun { .. })));
    }
    assert!(!runs.join("run-2").exists(), "looking for one makes none");
    let text = fs::read(runs.join("run-1/plan.json")).unwrap();
    fs::write(runs.join("run-1/plan.json"), &text[..text.len() / 2]).unwrap();
    let error = Journal::open(&runs, "run-1").unwrap_err().to_string();
    assert!(error.contains("plan.json is not valid: EOF while parsing"), "{error}");
}

#[test]
fn a_line_that_is_damaged_in_the_middle_is_named_and_nothing_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, runs) = (three(folder.path()), folder.path().join("runs"));
    run_all(&runs, &plan).ended.unwrap();
    let text = fs::read_to_string(runs.join(LINES)).unwrap();
    fs::write(runs.join(LINES), text.replacen("\"done\"", "\"dome\"", 1)).unwrap();
    let error = Journal::open(&runs, "run-1").unwrap_err().to_string();
    assert!(error.contains("journal.jsonl is not valid: line 2: unknown variant `dome`"), "{error}");
}

#[test]
fn a_second_run_of_one_number_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (plan, runs) = (three(folder.path()), folder.path().join("runs"));
    drop(journal(&runs, &plan));
    let error = Journal::create(&runs, &plan).unwrap_err().to_string();
    assert!(error.contains("File exists"), "{error}");
}

/// Files of this process may grow to so many bytes; done only in a process of its own.
fn limit_files(bytes: u64) {
    let limit = Rlimit { current: Some(bytes), maximum: getrlimit(Resource::Fsize).maximum };
    setrlimit(Resource::Fsize, limit).unwrap();
}

/// Runs a plan whose journal has room for some bytes only; does nothing unless it is told to.
#[expect(clippy::exit, reason = "the exit code tells the test that started this process what came of it")]
#[test]
fn run_on_a_full_disk() {
    let Ok(told) = std::env::var("KEEPFAST_TEST_FULL") else { return };
    let (folder, room): (String, u64) = serde_json::from_str(&told).unwrap();
    let folder = Path::new(&folder);
    let (plan, runs) = (three(folder), folder.join("runs"));
    let held = journal(&runs, &plan);
    drop(held);
    limit_files(room);
    let went = go(&runs, &plan, Asker::default(), Onlooker::default(), false);
    match went.ended {
        Ok(()) => std::process::exit(10),
        Err(stopped) => {
            assert!(stopped.to_string().contains("can not use the journal"), "{stopped}");
            std::process::exit(11);
        }
    }
}

#[test]
fn a_run_stops_before_it_does_what_it_can_not_write_down_and_goes_on_when_there_is_room() {
    let mut stopped = 0;
    for room in (0..800).step_by(37) {
        let folder = tempfile::tempdir().unwrap();
        let told = serde_json::to_string(&(folder.path(), room)).unwrap();
        // SIGXFSZ would end the process where a full disk gives an error.
        let test = "runbook::tests::journal::run_on_a_full_disk";
        let exe = std::env::current_exe().unwrap();
        let status = std::process::Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$1\" --exact >/dev/null 2>&1", exe.to_str().unwrap(), test])
            .env("KEEPFAST_TEST_FULL", told)
            .status()
            .unwrap();
        let runs = folder.path().join("runs");
        let state = fs::read_to_string(folder.path().join("state")).unwrap();
        let (plan, records) = Journal::look(&runs, "run-1").unwrap();
        let begun = records.iter().filter(|record: &&Record| record.event == Event::Begun).count();
        assert!(state.lines().count() <= begun, "{room}: {state:?} was done and not written down");
        match status.code() {
            Some(10) => continue,
            Some(11) => stopped += 1,
            other => panic!("{room}: {other:?}"),
        }
        run_all(&runs, &plan).ended.unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("state")).unwrap(), "a\nb\nc\n");
    }
    assert!(stopped > 10, "{stopped}");
}
