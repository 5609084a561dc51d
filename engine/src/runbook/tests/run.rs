// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a run does, asks and leaves, whole and in part.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::{RunState, TaskState};
use super::samples::{Asker, Onlooker, go, planned, run_all, state_of, undo_all, with};
use crate::profile::Asked;

struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn runs(&self) -> PathBuf {
        self.folder.path().join("runs")
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The plan of steps in which `DIR` is this folder; two hosts of the role `node`, both here.
    fn plan(&self, steps: &str) -> super::super::Plan {
        let steps = steps
            .replace("[step]", "[[runbooks.it.steps]]\ntitle = \"t\"")
            .replace("DIR", self.path().to_str().unwrap());
        planned(&format!(
            "[roles.node]\n[hosts.n1]\nroles = [\"node\"]\n[hosts.n2]\nroles = [\"node\"]\n[runbooks.it]\ntitle = \"it\"\n{steps}"
        ))
    }

    fn has(&self, name: &str) -> bool {
        self.path().join(name).exists()
    }
}

fn state(scene: &Scene, plan: &super::super::Plan, step: &str, host: &str) -> TaskState {
    state_of(&scene.runs(), plan).1.get(&(step.to_string(), host.to_string())).copied().unwrap_or_default()
}

#[test]
fn hosts_of_one_step_work_at_once_and_each_ends_though_another_fails() {
    let scene = Scene::new();
    let plan = scene.plan(
        "[step]\nid = \"meet\"\non = \"all node\"\nundo_by = \"none\"\nrun = '''touch DIR/{{host}}\n\
         for i in $(seq 200); do test -e DIR/n1 && test -e DIR/n2 && break; sleep 0.3; done\n\
         test -e DIR/n1; test -e DIR/n2; test {{host}} = n2; sleep 0.3; touch DIR/{{host}}-ended'''\n\
         [step]\nid = \"next\"\nrun = \"touch DIR/next\"\nundo_by = \"none\"\n",
    );
    let stopped = run_all(&scene.runs(), &plan).ended.unwrap_err();
    assert_eq!((stopped.number, stopped.count, stopped.host.as_str()), (1, 2, "n1"));
    assert!(scene.has("n2-ended") && !scene.has("next"));
    assert_eq!(state(&scene, &plan, "meet", "n1"), TaskState::Failed);
    assert_eq!(state(&scene, &plan, "meet", "n2"), TaskState::Done);
    let again = run_all(&scene.runs(), &plan);
    assert!(!again.seen.contains(&"meet n2 Begun".to_string()), "what is done is not done again");
}

#[test]
fn hosts_of_a_step_for_each_come_one_after_the_other_and_the_first_that_fails_is_the_last() {
    let scene = Scene::new();
    let plan = scene.plan(
        "[step]\nid = \"a\"\non = \"each node\"\nrun = \"echo {{host}} >> DIR/log; exit 1\"\nundo_by = \"none\"\n",
    );
    run_all(&scene.runs(), &plan).ended.unwrap_err();
    assert_eq!(fs::read_to_string(scene.path().join("log")).unwrap(), "n1\n");
}

#[test]
fn a_caution_is_asked_once_in_a_run_and_a_no_means_that_nothing_is_done() {
    let scene = Scene::new();
    let plan = scene.plan(
        "[step]\nid = \"a\"\non = \"all node\"\ncaution = \"mind\"\nrun = \"test -e DIR/may && touch DIR/a\"\nundo = \"rm -f DIR/a\"\n\
         [step]\nid = \"tidy\"\nalways = true\nrun = \"touch DIR/tidied\"\n",
    );
    let no = Asker { refuses: vec![Asked::Caution], ..Asker::default() };
    let went = go(&scene.runs(), &plan, no, Onlooker::default(), false);
    assert!(went.ended.unwrap_err().to_string().ends_with("a person said no"));
    assert!(!scene.has("tidied"), "where nothing was begun there is nothing to tidy up");
    assert_eq!(state_of(&scene.runs(), &plan).0, RunState::Waiting);
    let went = run_all(&scene.runs(), &plan);
    went.ended.unwrap_err();
    assert_eq!(went.asked, ["Caution a "]);
    assert!(scene.has("tidied"), "what always runs runs after a failure");
    fs::write(scene.path().join("may"), "").unwrap();
    fs::remove_file(scene.path().join("tidied")).unwrap();
    let went = run_all(&scene.runs(), &plan);
    went.ended.unwrap();
    assert_eq!(went.asked, Vec::<String>::new(), "the answer is in the journal");
    assert!(scene.has("tidied"), "it tidies up again after what was done now");
}

#[test]
fn a_person_who_has_not_done_it_stops_the_run_and_a_doubtful_step_asks_before_it_is_repeated() {
    let scene = Scene::new();
    let plan = scene.plan(
        "[step]\nid = \"by-hand\"\nmanual = \"turn the key\"\nundo_by = \"none\"\n\
         [step]\nid = \"once\"\nrepeat = \"ask\"\nrun = \"echo x >> DIR/once; test -e DIR/may\"\nundo_by = \"none\"\n",
    );
    let no = Asker { refuses: vec![Asked::Manual], ..Asker::default() };
    let went = go(&scene.runs(), &plan, no, Onlooker::default(), false);
    assert_eq!(went.asked, ["Manual by-hand here"]);
    went.ended.unwrap_err();
    run_all(&scene.runs(), &plan).ended.unwrap_err();
    let no = Asker { refuses: vec![Asked::Repeat], ..Asker::default() };
    let went = go(&scene.runs(), &plan, no, Onlooker::default(), false);
    went.ended.unwrap_err();
    assert_eq!(went.asked, ["Repeat once here"]);
    assert_eq!(fs::read_to_string(scene.path().join("once")).unwrap(), "x\n", "it was not repeated");
    fs::write(scene.path().join("may"), "").unwrap();
    run_all(&scene.runs(), &plan).ended.unwrap();
    assert_eq!(fs::read_to_string(scene.path().join("once")).unwrap(), "x\nx\n");
}

#[test]
fn a_line_that_means_failure_fails_a_step_unless_it_is_one_of_those_to_ignore() {
    let scene = Scene::new();
    let step = |line: &str| {
        format!(
            "[step]\nid = \"psql\"\nrun = \"echo '{line}'\"\nundo_by = \"none\"\nfail_on = \"^ERROR\"\n\
             ignore = [{{ line = 'role \"postgres\" already exists', because = \"it always does\" }}]\n"
        )
    };
    let plan = scene.plan(&step("ERROR: role \\\"postgres\\\" already exists"));
    let went = run_all(&scene.runs(), &plan);
    went.ended.unwrap();
    assert!(went.seen.contains(&"psql here: ERROR: role \"postgres\" already exists".to_string()));
    let scene = Scene::new();
    let plan = scene.plan(&step("ERROR: disk full").replace("step \\", ""));
    let stopped = run_all(&scene.runs(), &plan).ended.unwrap_err().to_string();
    assert!(stopped.ends_with("the command wrote \"ERROR: disk full\""), "{stopped}");
    assert!(fs::read_to_string(scene.runs().join("run-1/output.log")).unwrap().contains("psql here: ERROR: disk full"));
}

#[test]
fn what_must_be_true_before_stops_a_step_that_then_has_done_nothing() {
    let scene = Scene::new();
    let plan = scene.plan(
        "[step]\nid = \"a\"\nrun = \"touch DIR/a\"\nundo = \"rm DIR/a\"\nrequire = [{ run = \"echo is up; exit 1\", says = \"stop it first\" }]\n",
    );
    let stopped = run_all(&scene.runs(), &plan).ended.unwrap_err().to_string();
    assert_eq!(stopped, "step 1 of 1, \"t\" on here: not begun: stop it first (ended with exit code 1: is up)");
    assert_eq!(state(&scene, &plan, "a", "here"), TaskState::Waiting);
    undo_all(&scene.runs(), &plan).ended.unwrap();
    assert!(!scene.has("a"));
}

#[test]
fn what_must_be_true_afterwards_is_waited_for_and_else_fails_the_step() {
    let scene = Scene::new();
    let plan = scene.plan(
        "[step]\nid = \"a\"\nrun = \"(sleep 1; touch DIR/up) >/dev/null 2>&1 &\"\nundo_by = \"none\"\n\
         ensure = [{ run = \"test -e DIR/up\", within = \"20s\", says = \"it does not start\" }]\n\
         [step]\nid = \"b\"\nrun = \"true\"\nundo_by = \"none\"\nensure = [{ run = \"false\", says = \"it is not there\" }]\n",
    );
    let stopped = run_all(&scene.runs(), &plan).ended.unwrap_err().to_string();
    assert!(stopped.starts_with("step 2 of 2, \"t\" on here: done, but it is not there"), "{stopped}");
    assert_eq!(state(&scene, &plan, "a", "here"), TaskState::Done);
    assert_eq!(state(&scene, &plan, "b", "here"), TaskState::Failed);
}

#[test]
fn a_step_passes_where_there_is_nothing_to_do_and_its_undo_does_nothing_then() {
    let scene = Scene::new();
    let plan = scene.plan(
        "[step]\nid = \"absent\"\npresent = \"test -e DIR/none\"\nrun = \"touch DIR/a\"\nundo = \"touch DIR/undone\"\n\
         [step]\nid = \"already\"\nunless = \"true\"\nrun = \"touch DIR/b\"\nundo = \"touch DIR/undone\"\n",
    );
    run_all(&scene.runs(), &plan).ended.unwrap();
    assert_eq!(state(&scene, &plan, "absent", "here"), TaskState::Passed);
    assert_eq!(state(&scene, &plan, "already", "here"), TaskState::Passed);
    undo_all(&scene.runs(), &plan).ended.unwrap();
    assert!(!scene.has("undone") && !scene.has("a") && !scene.has("b"));
}

#[test]
fn what_was_begun_is_undone_even_if_a_resumed_run_finds_nothing_left_to_do() {
    let scene = Scene::new();
    // It does its work, and fails before that is written down.
    let plan = scene.plan(
        "[step]\nid = \"move\"\npresent = \"test -e DIR/old\"\nrun = \"mv DIR/old DIR/new; exit 1\"\nundo = \"mv DIR/new DIR/old\"\n\
         [step]\nid = \"stop\"\nunless = \"test -e DIR/stopped\"\nrun = \"touch DIR/stopped; exit 1\"\nundo = \"rm DIR/stopped\"\n",
    );
    fs::write(scene.path().join("old"), "").unwrap();
    run_all(&scene.runs(), &plan).ended.unwrap_err();
    run_all(&scene.runs(), &plan).ended.unwrap_err();
    run_all(&scene.runs(), &plan).ended.unwrap();
    assert_eq!(state(&scene, &plan, "move", "here"), TaskState::Done);
    undo_all(&scene.runs(), &plan).ended.unwrap();
    assert!(scene.has("old") && !scene.has("new") && !scene.has("stopped"));
}

#[test]
fn nothing_is_undone_if_something_can_not_be() {
    let scene = Scene::new();
    let plan = scene.plan(
        "[step]\nid = \"a\"\nrun = \"touch DIR/a\"\nundo = \"rm DIR/a\"\n\
         [step]\nid = \"b\"\nrun = \"true\"\nfinal_because = \"the key is gone\"\n",
    );
    run_all(&scene.runs(), &plan).ended.unwrap();
    let stopped = undo_all(&scene.runs(), &plan).ended.unwrap_err().to_string();
    assert!(stopped.contains("the run run-1 can not be undone: t has been done on here: the key is gone"), "{stopped}");
    assert!(scene.has("a"));
}

#[test]
fn a_run_that_is_cancelled_stops_where_it_is_and_tidies_up() {
    let scene = Scene::new();
    let plan = scene.plan(
        "[step]\nid = \"long\"\nrun = \"sleep 60\"\nundo_by = \"none\"\n[step]\nid = \"next\"\nrun = \"touch DIR/next\"\nundo_by = \"none\"\n\
         [step]\nid = \"tidy\"\nalways = true\nrun = \"sleep 0.3; touch DIR/tidied\"\n",
    );
    let watch = Onlooker { cancels_at: Some("long"), ..Onlooker::default() };
    let stopped = go(&scene.runs(), &plan, Asker::default(), watch, false).ended.unwrap_err();
    assert_eq!(stopped.to_string(), "step 1 of 3, \"t\" on here: the command was stopped");
    assert!(scene.has("tidied") && !scene.has("next"));
    assert_eq!(state_of(&scene.runs(), &plan).0, RunState::Unfinished);
}

#[expect(clippy::result_large_err, reason = "it is made once, when a run ends")]
#[test]
fn a_run_that_was_given_up_or_has_ended_is_neither_resumed_nor_given_up_again() {
    let scene = Scene::new();
    let plan = scene.plan("[step]\nid = \"a\"\nrun = \"exit 1\"\nundo_by = \"none\"\n");
    run_all(&scene.runs(), &plan).ended.unwrap_err();
    let (person, watch) = (Asker::default(), Onlooker::default());
    with(&scene.runs(), &plan, &person, &watch, |runner| runner.abandon()).ended.unwrap();
    assert_eq!(state_of(&scene.runs(), &plan).0, RunState::Abandoned);
    for undoes in [false, true] {
        let stopped = go(&scene.runs(), &plan, Asker::default(), Onlooker::default(), undoes).ended.unwrap_err();
        assert!(stopped.to_string().contains("the run run-1 has ended: it was given up"), "{stopped}");
    }
    let again = with(&scene.runs(), &plan, &person, &watch, |runner| runner.abandon()).ended;
    assert!(again.unwrap_err().to_string().contains("it was given up"));
}
