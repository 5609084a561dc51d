// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plans, people and onlookers for tests of runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::{
    Choice, Contents, Event, Input, Journal, Person, Plan, Planned, Question, RunState, RunbookError, Runner, Stopped,
    TaskState, Watch, plan,
};
use crate::profile::{Asked, Library, Values};

/// The plan of the runbook `it` of a profile.
pub(super) fn planned(document: &str) -> Plan {
    try_plan(document, None).unwrap_or_else(|error| panic!("{error}\n{document}"))
}

pub(super) fn try_plan(document: &str, contents: Option<&dyn Contents>) -> Result<Plan, RunbookError> {
    let profile = Library::default().parse("sample", document)?;
    let values = Values::new(&profile, &BTreeMap::new())?;
    let (profile, values, one) = (&profile, &values, &BTreeMap::new());
    let snapshot = contents.map(|contents| ("snap", contents));
    plan(&Choice { profile, runbook: "it", values, run: "run-1", here: "here", one, snapshot, now: 7 })
}

/// Answers with yes, unless it is told otherwise, and remembers questions.
#[derive(Default)]
pub(super) struct Asker {
    pub(super) refuses: Vec<Asked>,
    pub(super) asked: Mutex<Vec<String>>,
}

impl Person for Asker {
    fn agrees(&self, question: &Question) -> bool {
        self.asked.lock().unwrap().push(format!("{:?} {} {}", question.asked, question.step.id, question.host));
        !self.refuses.contains(&question.asked)
    }
}

/// Remembers what became of tasks; cancels when one of this step begins.
#[derive(Default)]
pub(super) struct Onlooker {
    pub(super) seen: Mutex<Vec<String>>,
    pub(super) cancels_at: Option<&'static str>,
    pub(super) is_cancelled: AtomicBool,
}

impl Watch for Onlooker {
    fn step(&self, _: &Planned, _: usize, _: usize) {}

    fn task(&self, step: &Planned, host: &str, event: Event, _: &str) {
        self.seen.lock().unwrap().push(format!("{} {host} {event:?}", step.id));
        if event == Event::Begun && self.cancels_at == Some(step.id.as_str()) {
            self.is_cancelled.store(true, Ordering::Relaxed);
        }
    }

    fn line(&self, step: &Planned, host: &str, line: &str) {
        self.seen.lock().unwrap().push(format!("{} {host}: {line}", step.id));
    }

    fn cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }
}

/// A journal in `runs`: a new one, or the one that is there.
pub(super) fn journal(runs: &Path, plan: &Plan) -> Journal {
    if runs.join(&plan.run).exists() {
        let (journal, written) = Journal::open(runs, &plan.run).unwrap();
        assert_eq!(&written, plan);
        return journal;
    }
    Journal::create(runs, plan).unwrap()
}

/// What came of a run, and who was asked and told what.
pub(super) struct Went {
    pub(super) ended: Result<(), Stopped>,
    pub(super) asked: Vec<String>,
    pub(super) seen: Vec<String>,
}

#[expect(clippy::result_large_err, reason = "it is made once, when a run ends")]
pub(super) fn go(runs: &Path, plan: &Plan, person: Asker, watch: Onlooker, undoes: bool) -> Went {
    with(runs, plan, &person, &watch, |runner| if undoes { runner.undo() } else { runner.run() })
}

pub(super) fn with<'a>(
    runs: &Path,
    plan: &'a Plan,
    person: &'a Asker,
    watch: &'a Onlooker,
    act: impl FnOnce(&Runner<'a>) -> Result<(), Stopped>,
) -> Went {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    let journal = Mutex::new(journal(runs, plan));
    let runner = Runner { plan, journal, contents: None, secrets: &NONE, person, watch, clock: || 7 };
    let ended = act(&runner);
    Went { ended, asked: person.asked.lock().unwrap().clone(), seen: watch.seen.lock().unwrap().clone() }
}

pub(super) fn run_all(runs: &Path, plan: &Plan) -> Went {
    go(runs, plan, Asker::default(), Onlooker::default(), false)
}

pub(super) fn undo_all(runs: &Path, plan: &Plan) -> Went {
    go(runs, plan, Asker::default(), Onlooker::default(), true)
}

pub(super) fn state_of(runs: &Path, plan: &Plan) -> (RunState, BTreeMap<(String, String), TaskState>) {
    let (_, records) = Journal::look(runs, &plan.run).unwrap();
    (RunState::of(&records), TaskState::of(&records))
}

/// A snapshot with these paths, of every host.
pub(super) struct Paths(pub(super) Vec<&'static str>);

impl Contents for Paths {
    fn matching(&self, _: &str, pattern: &str) -> Result<Vec<String>, String> {
        Ok(self.0.iter().filter(|path| **path == pattern).map(ToString::to_string).collect())
    }

    fn file(&self, _: &str, path: &str) -> Result<Input<'_>, String> {
        Err(format!("{path} is damaged"))
    }

    fn archive(&self, _: &str, paths: &[String]) -> Result<Input<'_>, String> {
        Err(format!("{} are damaged", paths.join(" and ")))
    }
}
