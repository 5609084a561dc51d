// SPDX-License-Identifier: MIT OR Apache-2.0
//! Carries a plan out, or takes it back, and leaves a report in its folder, however it ends.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use keepfast_engine::recover::Contents;
use keepfast_engine::runbook::{self, Fault, Journal, Plan, Record, RunState, Runner, Stopped, Why};
use serde_json::Value;

use super::about::About;
use super::folder;
use super::person::{Asker, How};
use super::report;
use super::standing::Standing;
use super::watch::Teller;
use crate::context::Context;
use crate::exit::Failure;
use crate::render::text;

/// A run, ready to go on.
pub struct Carried {
    /// What to do.
    pub plan: Plan,
    /// What has been done.
    pub journal: Journal,
    /// What was noted of it.
    pub about: About,
    /// What it takes from a repository; none if it needs nothing any more.
    pub contents: Option<Contents>,
    /// Values of secrets, by name.
    pub secrets: BTreeMap<String, String>,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the plan's end.
    Forward,
    /// To where it began.
    Back,
}

/// How it ended.
pub struct Ended {
    /// Where it stopped, if it did.
    pub stopped: Option<Stopped>,
    /// What to do.
    pub plan: Plan,
    /// Everything that the journal has.
    pub records: Vec<Record>,
    /// The report, for programs.
    pub report: Value,
    /// The report for people.
    pub file: PathBuf,
}

impl Carried {
    /// Goes as far as it comes.
    ///
    /// # Errors
    /// Answers or the report can not be written.
    pub fn go(self, context: &Context, how: How, way: Way) -> Result<Ended, Failure> {
        let Self { plan, journal, about, contents, secrets } = self;
        let folder = journal.folder().to_path_buf();
        let person = Asker::new(context, how, &folder)?;
        let watch = Teller::new(context);
        let runner = Runner {
            plan: &plan,
            journal: Mutex::new(journal),
            contents: contents.as_ref().map(|contents| contents as &dyn runbook::Contents),
            secrets: &secrets,
            person: &person,
            watch: &watch,
            clock: folder::now,
        };
        let stopped = match way {
            Way::Forward => runner.run(),
            Way::Back => runner.undo(),
        }
        .err();
        let journal = runner.journal.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let records = journal.records().to_vec();
        let stopped_text = stopped.as_ref().map(ToString::to_string);
        let (report, file) = report::write(&folder, &plan, &records, &about, stopped_text.as_deref())?;
        Ok(Ended { stopped, plan, records, report, file })
    }
}

impl Ended {
    /// Says in what state things are if it stopped, and where the report is.
    ///
    /// # Errors
    /// It stopped.
    pub fn tell(&self, context: &Context) -> Result<(), Failure> {
        let out = &context.output;
        let report = format!("report    {}", self.file.display());
        let Some(stopped) = &self.stopped else {
            out.note(&report);
            return Ok(());
        };
        let standing = Standing::new(&self.plan, &self.records);
        out.line("");
        standing.lines().iter().for_each(|line| out.prose(line));
        out.line(&report);
        out.object(standing.to_json());
        let ways = standing.ways_on();
        let hint: Vec<String> = ways.iter().map(|(command, does)| format!("`{command}` {does}")).collect();
        let is_cancelled = context.signals.cancelled() || matches!(stopped.why, Why::Fault(Fault::Cancelled));
        let place = match stopped.number {
            0 => text::error(stopped),
            // What it was doing then has no fault of its own.
            number if is_cancelled => {
                let (count, title) = (stopped.count, text::plain(&stopped.title));
                format!("the run {} was stopped at step {number} of {count}, {title:?}", self.plan.run)
            }
            _ => format!("the run {} stopped: {}", self.plan.run, text::error(stopped)),
        };
        let message = match standing.state {
            RunState::Waiting => format!("{place}; nothing has been done"),
            _ => place,
        };
        Err(Failure::Stopped { message, hint: hint.join("\n"), is_cancelled })
    }
}
