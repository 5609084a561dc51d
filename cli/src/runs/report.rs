// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report of a run: `report.md` for people and `report.json` for programs, in the run's folder. No secret is in it, because
//! none is in plan and journal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use keepfast_engine::runbook::{Event, Plan, Record, RunState, Task, TaskState, Undo};
use serde_json::{Value, json};

use super::about::{About, remedy_command};
use super::person::{self, Answer};
use super::standing::{Standing, run_word, word};
use super::{data, folder};
use crate::exit::Failure;
use crate::render::text;

/// Writes both; returns the one for programs, and where the one for people is.
///
/// # Errors
/// They could not be written.
pub fn write(
    folder: &Path,
    plan: &Plan,
    records: &[Record],
    about: &About,
    stopped: Option<&str>,
) -> Result<(Value, PathBuf), Failure> {
    let report = Report { plan, records, about, answers: person::answers(folder), stopped };
    let value = report.to_json();
    let text = serde_json::to_vec_pretty(&value).map_err(|error| Failure::other(error.to_string()))?;
    folder::write(folder, "report.json", &text)?;
    let file = folder::write(folder, "report.md", report.to_markdown().as_bytes())?;
    Ok((value, file))
}

struct Report<'a> {
    plan: &'a Plan,
    records: &'a [Record],
    about: &'a About,
    answers: Vec<Answer>,
    stopped: Option<&'a str>,
}

/// When a task was last begun and ended, in milliseconds since 1970.
type Times = BTreeMap<(String, String), (Option<i64>, Option<i64>)>;

impl Report<'_> {
    fn times(&self) -> Times {
        let mut times = Times::new();
        for record in self.records.iter().filter(|record| !record.host.is_empty()) {
            let entry = times.entry((record.step.clone(), record.host.clone())).or_default();
            match record.event {
                Event::Begun | Event::Undoing => *entry = (Some(record.at), None),
                Event::Done | Event::Passed | Event::Failed | Event::Undone => entry.1 = Some(record.at),
                _ => {}
            }
        }
        times
    }

    fn ended(&self) -> i64 {
        self.records.last().map_or(self.plan.made, |record| record.at)
    }

    fn seconds(&self) -> f64 {
        (self.ended() - self.plan.made) as f64 / 1e3
    }

    fn note(&self, step: &str, host: &str) -> &str {
        // What was said of an earlier attempt is not said of the last one.
        let of = |record: &&Record| record.step == step && record.host == host;
        self.records.iter().rev().find(of).map_or("", |record| record.note.as_str())
    }

    fn rows(&self) -> Vec<Row<'_>> {
        let (states, times) = (TaskState::of(self.records), self.times());
        let mut rows = Vec::new();
        for (number, step) in self.plan.steps.iter().enumerate() {
            for task in &step.tasks {
                let key = (step.id.clone(), task.host.clone());
                let state = states.get(&key).copied().unwrap_or_default();
                let (begun, ended) = times.get(&key).copied().unwrap_or_default();
                let seconds = begun.zip(ended).map(|(begun, ended)| (ended - begun) as f64 / 1e3);
                let (title, note) = (step.title.as_str(), self.note(&step.id, &task.host));
                rows.push(Row { number: number + 1, id: &step.id, title, task, state, begun, seconds, note });
            }
        }
        rows
    }

    fn to_json(&self) -> Value {
        let standing = Standing::new(self.plan, self.records);
        let data = self.about.data.as_ref().map(|data| {
            json!({
                "set": data.set,
                "snapshots": data.snapshots.iter().map(|taken| &taken.id).collect::<Vec<_>>(),
                "started": text::rfc3339(data.started()),
                "age_seconds": data.age_seconds(self.plan.made),
            })
        });
        let remedies = self.about.remedies.iter().map(|remedy| {
            json!({ "symptom": remedy.symptom, "title": remedy.title, "command": remedy_command(self.plan, remedy) })
        });
        json!({
            "run": self.plan.run,
            "profile": self.plan.profile,
            "runbook": self.plan.runbook,
            "state": run_word(standing.state),
            "stopped": self.stopped,
            "begun": text::rfc3339(self.plan.made * 1_000_000),
            "ended": text::rfc3339(self.ended() * 1_000_000),
            "seconds": self.seconds(),
            "by": self.about.user,
            "data": data,
            "steps": self.rows().iter().map(Row::to_json).collect::<Value>(),
            "answers": self.answers,
            "known_problems": remedies.collect::<Value>(),
            "next": standing.to_json()["next"],
        })
    }

    fn to_markdown(&self) -> String {
        let standing = Standing::new(self.plan, self.records);
        let plan = self.plan;
        let mut lines = vec![format!("# {} {}: {}", plan.profile, plan.runbook, standing.line()), String::new()];
        lines.push(format!("{}.", text::plain(&plan.title)));
        lines.push(String::new());
        lines.extend(self.head());
        lines.extend(["".to_string(), "## Steps".to_string(), String::new()]);
        lines.push("| | step | host | state | begun | took |".to_string());
        lines.push("|---|---|---|---|---|---|".to_string());
        lines.extend(self.rows().iter().map(Row::to_line));
        if matches!(standing.state, RunState::Unfinished | RunState::Undoing) {
            lines.extend([String::new(), "## The state of things".to_string(), String::new()]);
            lines.extend(self.stopped.map(|why| format!("It stopped: {}.\n", text::plain(why))));
            lines.extend(standing.lines().iter().map(|line| format!("    {line}")));
        }
        lines.extend(section(
            "What can be run next",
            standing.ways_on().iter().map(|(way, does)| format!("* `{way}` {does}")),
        ));
        lines.extend(section("Who agreed to what", self.answers.iter().map(of_answer)));
        lines.extend(section("What was checked", self.rows().iter().flat_map(Row::checks)));
        let remedies = self.about.remedies.iter().map(|remedy| {
            let (symptom, command) = (text::plain(&remedy.symptom), remedy_command(plan, remedy));
            format!("* {symptom}: `{command}` ({})", text::plain(&remedy.title))
        });
        lines.extend(section("Known problems", remedies));
        lines.join("\n") + "\n"
    }

    fn head(&self) -> Vec<String> {
        let time = |milliseconds: i64| text::time_of_seconds(milliseconds / 1000);
        let mut lines = vec![
            format!("* run: {}, begun by {}", self.plan.run, text::plain(&self.about.user)),
            format!("* begun: {}, ended: {}", time(self.plan.made), time(self.ended())),
            format!("* recovery time: {}", text::duration(self.seconds())),
        ];
        if let Some(data) = &self.about.data {
            lines.push(format!("* data: {}", data::line(data, self.plan.made)));
        }
        if !self.plan.document.is_empty() {
            lines.push(format!("* follows: {}", text::plain(&self.plan.document)));
        }
        lines
    }
}

struct Row<'a> {
    number: usize,
    id: &'a str,
    title: &'a str,
    task: &'a Task,
    state: TaskState,
    begun: Option<i64>,
    seconds: Option<f64>,
    note: &'a str,
}

impl Row<'_> {
    fn to_json(&self) -> Value {
        json!({
            "number": self.number,
            "step": self.id,
            "title": self.title,
            "host": self.task.host,
            "state": word(self.state),
            "begun": self.begun.map(|begun| text::rfc3339(begun * 1_000_000)),
            "seconds": self.seconds,
            "note": self.note,
            "checks": self.checks(),
            "undo": match &self.task.undo {
                Undo::Run(_) => "command",
                Undo::Nothing(_) => "nothing",
                Undo::Never(_) => "never",
            },
        })
    }

    fn to_line(&self) -> String {
        let cell = |text: &str| text::plain(text).replace('|', "\\|");
        let state = match self.note {
            "" => word(self.state).replace('_', " "),
            note => format!("{}: {}", word(self.state).replace('_', " "), cell(note)),
        };
        let begun = self.begun.map_or_else(String::new, |begun| text::time_of_seconds(begun / 1000));
        let took = self.seconds.map_or_else(String::new, text::duration);
        let (title, host) = (cell(self.title), cell(&self.task.host));
        format!("| {} | {title} | {host} | {state} | {begun} | {took} |", self.number)
    }

    /// What was true before and after it.
    fn checks(&self) -> Vec<String> {
        if self.state != TaskState::Done {
            return Vec::new();
        }
        let before = self.task.require.iter().map(|test| ("before", test));
        let after = self.task.ensure.iter().map(|test| ("after", test));
        let one = |(when, test): (&str, &keepfast_engine::runbook::Test)| {
            let shown = test.shown();
            let first = shown.lines().next().unwrap_or_default();
            format!("* {when} step {} on {}: {}", self.number, text::plain(&self.task.host), text::plain(first))
        };
        before.chain(after).map(one).collect()
    }
}

fn of_answer(answer: &Answer) -> String {
    let how = match answer.how {
        person::How::Terminal => "at the terminal",
        person::How::Yes => "by --yes",
        person::How::Drill => "because it is a drill",
    };
    let said = if answer.agreed { "yes" } else { "no" };
    let at = text::time_of_seconds(answer.at / 1000);
    format!(
        "* {at}, {} {how}: {said} to {:?} ({}, {})",
        answer.by,
        text::plain(&answer.text),
        answer.asked,
        answer.step
    )
}

fn section(title: &str, lines: impl Iterator<Item = String>) -> Vec<String> {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { lines } else { [vec![String::new(), format!("## {title}"), String::new()], lines].concat() }
}
