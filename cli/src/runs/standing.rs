// SPDX-License-Identifier: MIT OR Apache-2.0
//! In what state a run has left things: what is done, what failed, what lasts until it is undone, and what can be run next.

use keepfast_engine::runbook::{Event, Plan, Planned, Record, RunState, Task, TaskState, Undo};
use serde_json::{Value, json};

use crate::render::text;

/// How far a run is, step by step.
pub struct Standing<'a> {
    plan: &'a Plan,
    /// How far the run is.
    pub state: RunState,
    tasks: Vec<(usize, &'a Planned, &'a Task, TaskState)>,
    why: Option<&'a str>,
}

impl<'a> Standing<'a> {
    /// Of a plan and the lines of its journal.
    pub fn new(plan: &'a Plan, records: &'a [Record]) -> Self {
        let states = TaskState::of(records);
        let state = |step: &Planned, task: &Task| {
            states.get(&(step.id.clone(), task.host.clone())).copied().unwrap_or_default()
        };
        let tasks = plan.steps.iter().enumerate().flat_map(|(number, step)| {
            step.tasks.iter().map(move |task| (number + 1, step, task, state(step, task))).collect::<Vec<_>>()
        });
        let why = records.iter().rev().find(|record| record.event == Event::Failed).map(|record| record.note.as_str());
        Self { plan, state: RunState::of(records), tasks: tasks.collect(), why }
    }

    fn of(&self, wanted: impl Fn(TaskState) -> bool) -> Vec<&(usize, &'a Planned, &'a Task, TaskState)> {
        self.tasks.iter().filter(|(.., state)| wanted(*state)).collect()
    }

    /// The first step that is open: its number and what it does.
    pub fn next(&self) -> Option<(usize, &'a str)> {
        let open = |state| !matches!(state, TaskState::Done | TaskState::Passed);
        self.of(open).first().map(|(number, step, ..)| (*number, step.title.as_str()))
    }

    /// What an undo would meet that can not be undone.
    fn is_final(&self) -> Option<(usize, &'a str, &'a str)> {
        let was_done = |state| matches!(state, TaskState::Done | TaskState::Failed | TaskState::InDoubt);
        self.of(was_done).into_iter().find_map(|(number, step, task, _)| match &task.undo {
            Undo::Never(because) => Some((*number, step.title.as_str(), because.as_str())),
            _ => None,
        })
    }

    /// Whether something of it lasts: until it is undone, or for ever.
    pub fn is_in_effect(&self) -> bool {
        let may_be_done = |state| !matches!(state, TaskState::Waiting | TaskState::Passed | TaskState::Undone);
        self.of(may_be_done).into_iter().any(|(.., task, _)| !matches!(task.undo, Undo::Nothing(_)))
    }

    /// A line on the run.
    pub fn line(&self) -> String {
        let count = self.plan.steps.len();
        let at =
            self.next().map_or_else(String::new, |(number, title)| format!(" at step {number} of {count}, {title:?}"));
        match self.state {
            RunState::Waiting => "nothing has been done yet".to_string(),
            RunState::Unfinished => format!("unfinished{at}"),
            RunState::Undoing => "being undone, and not at its end".to_string(),
            RunState::Finished => "finished".to_string(),
            RunState::Reverted => "undone".to_string(),
            RunState::Abandoned => "given up".to_string(),
        }
    }

    /// The state of things, for people.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut row = |name: &str, tasks: Vec<&(usize, &Planned, &Task, TaskState)>| {
            for (at, (number, step, task, _)) in tasks.iter().enumerate() {
                let name = if at == 0 { name } else { "" };
                let (title, host) = (text::plain(&step.title), text::plain(&task.host));
                lines.push(format!("{name:9} {number:>2} {title} ({host})"));
            }
        };
        row("done", self.of(|state| state == TaskState::Done));
        row("failed", self.of(|state| state == TaskState::Failed));
        row("in doubt", self.of(|state| matches!(state, TaskState::InDoubt | TaskState::Undoing)));
        row("undone", self.of(|state| state == TaskState::Undone));
        row("not begun", self.of(|state| state == TaskState::Waiting));
        let lasting = self.of(|state| state == TaskState::Done);
        let lasting: Vec<_> = lasting.into_iter().filter(|(.., task, _)| matches!(task.undo, Undo::Run(_))).collect();
        if !lasting.is_empty() {
            let numbers: Vec<String> = lasting.iter().map(|(number, ..)| number.to_string()).collect();
            let numbers = squeezed(&numbers);
            let steps = if numbers.contains(',') { "steps" } else { "step" };
            lines.push(format!("in effect until it is undone: what {steps} {numbers} did"));
        }
        if let Some((number, title, because)) = self.is_final() {
            let (title, because) = (text::plain(title), text::plain(because));
            lines.push(format!("can not be undone since step {number}, {title}: {because}"));
        }
        lines
    }

    /// What can be run next, with what it does. A run that has done nothing stands in no way, and is begun anew.
    pub fn ways_on(&self) -> Vec<(String, String)> {
        let command = |option: &str| format!("keepfast recover {} --{option} {}", self.plan.profile, self.plan.run);
        let mut ways = Vec::new();
        if let (RunState::Unfinished, Some((number, _))) = (self.state, self.next()) {
            ways.push((command("resume"), format!("goes on with step {number}")));
        }
        if matches!(self.state, RunState::Unfinished | RunState::Undoing | RunState::Finished)
            && self.is_final().is_none()
        {
            ways.push((command("undo"), "takes back what was done, the last step first".to_string()));
        }
        if matches!(self.state, RunState::Unfinished | RunState::Undoing) {
            ways.push((command("abandon"), "leaves things as they are, and lets another run begin".to_string()));
        }
        ways
    }

    /// The same for programs.
    pub fn to_json(&self) -> Value {
        let tasks = self.tasks.iter().map(|(number, step, task, state)| {
            json!({ "number": number, "step": step.id, "title": step.title, "host": task.host, "state": word(*state) })
        });
        let ways = self.ways_on().into_iter().map(|(command, does)| json!({ "command": command, "does": does }));
        json!({
            "run": self.plan.run,
            "profile": self.plan.profile,
            "runbook": self.plan.runbook,
            "state": run_word(self.state),
            "tasks": tasks.collect::<Value>(),
            "why": self.why,
            "next": ways.collect::<Value>(),
        })
    }
}

/// Without repetitions: a step has a number once, however many hosts it has.
fn squeezed(numbers: &[String]) -> String {
    let mut numbers = numbers.to_vec();
    numbers.dedup();
    numbers.join(", ")
}

/// A state, as it stands in JSON.
pub fn run_word(state: RunState) -> &'static str {
    match state {
        RunState::Waiting => "waiting",
        RunState::Unfinished => "unfinished",
        RunState::Undoing => "undoing",
        RunState::Finished => "finished",
        RunState::Reverted => "undone",
        RunState::Abandoned => "abandoned",
    }
}

/// How far a task is, as it stands in JSON.
pub fn word(state: TaskState) -> &'static str {
    match state {
        TaskState::Waiting => "waiting",
        TaskState::InDoubt => "in_doubt",
        TaskState::Failed => "failed",
        TaskState::Done => "done",
        TaskState::Passed => "passed",
        TaskState::Undoing => "undoing",
        TaskState::Undone => "undone",
    }
}
