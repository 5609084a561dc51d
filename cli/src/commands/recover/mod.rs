// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast recover`: a whole system, brought back step by step as a runbook of its profile says.
//!
//! A run is written down in the state folder before and after everything that it does, so it can be resumed, undone or given up
//! whatever happened to it. As long as one of a profile is neither at its end nor given up, no other one begins.

mod begin;
mod existing;

use keepfast_engine::runbook::{Journal, RunState};
use serde_json::json;

use crate::args::RecoverArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::render::table::{Side, Table};
use crate::render::text;
use crate::runs::folder::{self, Seen};
use crate::runs::standing::{Standing, run_word};

/// Begins, goes on, takes back, gives up or lists.
pub fn run(context: &Context, args: &RecoverArgs) -> Result<Done, Failure> {
    match (&args.resume, &args.undo, &args.abandon) {
        (Some(run), ..) => existing::resume(context, args, run),
        (_, Some(run), _) => existing::undo(context, args, run),
        (.., Some(run)) => existing::abandon(context, args, run),
        _ if args.runs => list(context, &args.profile),
        _ => begin::run(context, args),
    }
}

fn list(context: &Context, profile: &str) -> Result<Done, Failure> {
    let out = &context.output;
    let folder = folder::runs(&context.global)?;
    let runs = folder::all(context, &folder, Some(profile))?;
    let headings = [("run", Side::Left), ("runbook", Side::Left), ("begun", Side::Left), ("state", Side::Left)];
    let mut table = Table::new(&headings);
    for seen in &runs {
        let standing = Standing::new(&seen.plan, &seen.records);
        let mut object = standing.to_json();
        object["begun"] = text::rfc3339(seen.plan.made * 1_000_000).into();
        object["folder"] = folder.join(&seen.run).to_string_lossy().into();
        out.object(object);
        let begun = text::time_of_seconds(seen.plan.made / 1000);
        table.row(vec![seen.run.clone(), seen.plan.runbook.clone(), begun, text::plain(&standing.line())]);
    }
    if !runs.is_empty() && !out.is_json() {
        table.lines(out.columns()).iter().for_each(|line| out.line(line));
    }
    out.note(&format!("{} in {}", text::counted(runs.len() as u64, "run"), folder.display()));
    out.summary(json!({ "profile": profile, "runs": runs.len() }));
    Ok(Done::Complete)
}

/// Refuses while a run of the profile is half done. One that died before it did anything is given up. Whoever calls holds the lock.
fn refuse_unfinished(context: &Context, profile: &str) -> Result<(), Failure> {
    let folder = folder::runs(&context.global)?;
    for run in Journal::list(&folder).map_err(Failure::Runbook)? {
        // Nobody knows of which profile it is, and what it has left.
        if let Err(error) = Journal::look(&folder, &run) {
            return Err(Failure::Other {
                message: format!("the run {run} may be unfinished, and can not be read: {}", text::error(&error)),
                hint: format!(
                    "nothing new is begun; once you know that nothing of it is in effect, move {} away",
                    folder.join(&run).display()
                ),
            });
        }
    }
    for seen in folder::all(context, &folder, Some(profile))? {
        match seen.state {
            RunState::Waiting => give_up(&folder, &seen)?,
            RunState::Unfinished | RunState::Undoing => return Err(unfinished(context, &seen)),
            RunState::Finished | RunState::Reverted | RunState::Abandoned => {}
        }
    }
    Ok(())
}

fn give_up(folder: &std::path::Path, seen: &Seen) -> Result<(), Failure> {
    use keepfast_engine::runbook::{Event, Record};
    let (mut journal, _) = Journal::open(folder, &seen.run).map_err(Failure::Runbook)?;
    let (step, host, note) = (String::new(), String::new(), "it ended before it did anything".to_string());
    journal.write(Record { at: folder::now(), step, host, event: Event::Abandoned, note }).map_err(Failure::Runbook)
}

fn unfinished(context: &Context, seen: &Seen) -> Failure {
    let standing = Standing::new(&seen.plan, &seen.records);
    let out = &context.output;
    standing.lines().iter().for_each(|line| out.prose(line));
    out.object(standing.to_json());
    let ways: Vec<String> = standing.ways_on().iter().map(|(command, does)| format!("`{command}` {does}")).collect();
    Failure::Other {
        message: format!(
            "the run {} ({} of {}) is {}; nothing new is begun",
            seen.run,
            seen.plan.runbook,
            text::time_of_seconds(seen.plan.made / 1000),
            text::plain(&standing.line()),
        ),
        hint: ways.join("\n"),
    }
}

/// What ends a run that came to its end, or a look at one.
fn summary(context: &Context, run: &str, state: RunState, report: serde_json::Value, file: Option<&std::path::Path>) {
    context.output.summary(json!({
        "run": run,
        "state": run_word(state),
        "report": report,
        "file": file.map(|file| file.to_string_lossy()),
    }));
}
