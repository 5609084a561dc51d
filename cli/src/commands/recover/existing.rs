// SPDX-License-Identifier: MIT OR Apache-2.0
//! A run that there is: go on with it, take it back, give it up. Its plan is the one that was agreed to, whatever the profile says
//! by now; the repository is opened only if something is still to be taken out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use keepfast_engine::runbook::{Action, Event, Journal, Plan, Record, RunState, RunbookError, TaskState};

use super::summary;
use crate::args::RecoverArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{profiles, question, repository, secrets};
use crate::render::text;
use crate::runs::about::About;
use crate::runs::carry::{Carried, Way};
use crate::runs::person::{self, How};
use crate::runs::standing::Standing;
use crate::runs::{data, folder, report};

/// Goes on where it stopped.
pub fn resume(context: &Context, args: &RecoverArgs, run: &str) -> Result<Done, Failure> {
    let (runs, _lock) = find(context, args, run)?;
    let (journal, plan) = Journal::open(&runs, run).map_err(Failure::Runbook)?;
    let ended = match RunState::of(journal.records()) {
        RunState::Waiting | RunState::Unfinished => None,
        RunState::Undoing => Some("undoing it was begun; --undo brings that to its end"),
        RunState::Finished => Some("it was carried out"),
        RunState::Reverted => Some("it was undone"),
        RunState::Abandoned => Some("it was given up"),
    };
    over(run, ended)?;
    let how = person::how(args.yes)?;
    announce(context, &plan, journal.records());
    if how == How::Terminal && !question::ask("", "go on with it?")? {
        return Err(Failure::other("not agreed; nothing has been done"));
    }
    let about = About::read(journal.folder())?;
    let contents = match (needs_contents(&plan, journal.records()), &about.data) {
        (true, Some(taken)) => {
            let repository = repository::open(&context.global)?;
            let (snapshots, _) = repository.history()?.snapshots(&repository)?;
            Some(data::contents(&repository, &snapshots, taken)?)
        }
        _ => None,
    };
    let secrets = secrets_of(args, &plan, secrets::names(&plan))?;
    let ended = Carried { plan, journal, about, contents, secrets }.go(context, how, Way::Forward)?;
    ended.tell(context)?;
    super::begin::finished(context, &ended.report);
    summary(context, run, RunState::of(&ended.records), ended.report.clone(), Some(&ended.file));
    Ok(Done::Complete)
}

/// Takes back what was done.
pub fn undo(context: &Context, args: &RecoverArgs, run: &str) -> Result<Done, Failure> {
    let (runs, _lock) = find(context, args, run)?;
    let (journal, plan) = Journal::open(&runs, run).map_err(Failure::Runbook)?;
    let ended = match RunState::of(journal.records()) {
        RunState::Reverted => Some("it was undone"),
        RunState::Abandoned => Some("it was given up"),
        _ => None,
    };
    over(run, ended)?;
    refuse_beneath(context, &runs, &plan)?;
    let how = person::how(args.yes)?;
    announce(context, &plan, journal.records());
    if how == How::Terminal && !question::ask("", "undo it?")? {
        return Err(Failure::other("not agreed; nothing has been done"));
    }
    let about = About::read(journal.folder())?;
    let secrets = secrets_of(args, &plan, secrets::names_for_undo(&plan))?;
    let ended = Carried { plan, journal, about, contents: None, secrets }.go(context, how, Way::Back)?;
    ended.tell(context)?;
    context.output.note(&format!("the run {run} is undone"));
    summary(context, run, RunState::of(&ended.records), ended.report.clone(), Some(&ended.file));
    Ok(Done::Complete)
}

/// Gives it up as it is.
pub fn abandon(context: &Context, args: &RecoverArgs, run: &str) -> Result<Done, Failure> {
    let (runs, _lock) = find(context, args, run)?;
    let (mut journal, plan) = Journal::open(&runs, run).map_err(Failure::Runbook)?;
    let ended = match RunState::of(journal.records()) {
        RunState::Finished => Some("it was carried out"),
        RunState::Reverted => Some("it was undone"),
        RunState::Abandoned => Some("it was given up"),
        _ => None,
    };
    over(run, ended)?;
    announce(context, &plan, journal.records());
    if !args.yes && !question::ask("", "leave everything as it is, and forget that it is not finished?")? {
        return Err(Failure::other("not agreed; nothing has been done"));
    }
    let (step, host, note) = (String::new(), String::new(), String::new());
    let record = Record { at: folder::now(), step, host, event: Event::Abandoned, note };
    journal.write(record).map_err(Failure::Runbook)?;
    let about = About::read(journal.folder())?;
    let (report, file) = report::write(journal.folder(), &plan, journal.records(), &about, None)?;
    context.output.note(&format!("the run {run} is given up; things are as it left them"));
    summary(context, run, RunState::Abandoned, report, Some(&file));
    Ok(Done::Complete)
}

/// The folder of runs, with the profile's lock: the run is there, and of this profile.
fn find(context: &Context, args: &RecoverArgs, run: &str) -> Result<(PathBuf, std::fs::File), Failure> {
    let runs = folder::runs(&context.global)?;
    let missing = |message: String| Failure::Other {
        message,
        hint: format!("`keepfast recover {} --runs` lists those that there are", args.profile),
    };
    if !Journal::list(&runs).map_err(Failure::Runbook)?.iter().any(|known| known == run) {
        return Err(missing(format!("there is no run {run:?}")));
    }
    let (plan, _) = Journal::look(&runs, run).map_err(Failure::Runbook)?;
    if plan.profile != args.profile {
        return Err(missing(format!("the run {run} is one of {}, not of {}", plan.profile, args.profile)));
    }
    let lock = folder::lock(&runs, &plan.profile)?;
    Ok((runs, lock))
}

/// Refuses to undo a run while a later one of the same system is in effect: what that one found and did would be lost, and its
/// own undo would bring back what is undone here.
fn refuse_beneath(context: &Context, runs: &Path, plan: &Plan) -> Result<(), Failure> {
    for seen in folder::all(context, runs, Some(plan.profile.as_str()))?.into_iter().rev() {
        let is_later = seen.run > plan.run && seen.plan.values.get("root") == plan.values.get("root");
        let standing = Standing::new(&seen.plan, &seen.records);
        if is_later && seen.state != RunState::Abandoned && standing.is_in_effect() {
            let ways = standing.ways_on().into_iter();
            let undo = ways.map(|(command, _)| command).find(|command| command.contains(" --undo "));
            let (run, later, begun) = (&plan.run, &seen.run, text::time_of_seconds(seen.plan.made / 1000));
            return Err(Failure::Other {
                message: format!(
                    "the run {run} is not undone: the run {later} ({} of {begun}) came after it and is in effect",
                    seen.plan.runbook
                ),
                hint: match undo {
                    Some(undo) => format!("`{undo}` takes that one back first"),
                    None => "that one can not be undone, so nothing beneath it can".to_string(),
                },
            });
        }
    }
    Ok(())
}

fn over(run: &str, how: Option<&str>) -> Result<(), Failure> {
    match how {
        Some(how) => Err(Failure::Runbook(RunbookError::Over { run: run.to_string(), how: how.to_string() })),
        None => Ok(()),
    }
}

fn announce(context: &Context, plan: &Plan, records: &[Record]) {
    let standing = Standing::new(plan, records);
    let out = &context.output;
    out.note(&format!("the run {} of {} is {}", plan.run, text::plain(&plan.profile), text::plain(&standing.line())));
    standing.lines().iter().for_each(|line| out.note_prose(line));
    out.flush();
}

/// Whether something that is not done takes from the snapshot.
fn needs_contents(plan: &Plan, records: &[Record]) -> bool {
    let states = TaskState::of(records);
    plan.steps.iter().any(|step| {
        step.tasks.iter().any(|task| {
            let state = states.get(&(step.id.clone(), task.host.clone())).copied().unwrap_or_default();
            let is_open = !matches!(state, TaskState::Done | TaskState::Passed);
            is_open && matches!(task.action, Action::Run { reads: Some(_), .. })
        })
    })
}

/// Where secrets come from only the profile says; a run without any does not need it.
fn secrets_of(args: &RecoverArgs, plan: &Plan, names: BTreeSet<String>) -> Result<BTreeMap<String, String>, Failure> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    secrets::named(&profiles::find(&args.profiles, &plan.profile)?, names)
}
