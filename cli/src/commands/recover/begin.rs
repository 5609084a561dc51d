// SPDX-License-Identifier: MIT OR Apache-2.0
//! A new run: choose the data, make the plan, show it, ask, do it.

use std::path::Path;

use jiff::tz::TimeZone;
use keepfast_engine::profile::{Profile, ProfileError};
use keepfast_engine::recover::Contents;
use keepfast_engine::runbook::{self, Choice, Journal, Plan, RunState, RunbookError, plan};
use serde_json::{Value, json};

use super::{refuse_unfinished, summary};
use crate::args::RecoverArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{machine, profiles, question, repository, scope, secrets, time};
use crate::render::text;
use crate::runs::about::{About, Data};
use crate::runs::carry::{Carried, Way};
use crate::runs::person::{self, How};
use crate::runs::{data, folder, paste, show};

/// Begins, and goes as far as it comes.
pub fn run(context: &Context, args: &RecoverArgs) -> Result<Done, Failure> {
    let profile = profiles::find(&args.profiles, &args.profile)?;
    let runs = folder::runs(&context.global)?;
    let lock = if args.dry_run { None } else { Some(folder::lock(&runs, &profile.name)?) };
    if lock.is_some() {
        refuse_unfinished(context, &profile.name)?;
    }
    let (plan, about, contents) = prepare(context, args, &profile)?;
    if args.dry_run {
        return dry_run(context, &profile, &plan, &about, contents.as_ref());
    }
    // Whoever can not be asked learns it before anything is shown or read.
    let how = person::how(args.yes)?;
    show::lines(&plan, &about).iter().for_each(|line| context.output.note_prose(line));
    let mut object = show::to_json(&plan, &about);
    object["event"] = "plan".into();
    context.output.object(object);
    context.output.flush();
    if how == How::Terminal && !question::ask("", "carry this out?")? {
        return Err(Failure::other("not agreed; nothing has been done"));
    }
    let secrets = secrets::read(&profile, &plan)?;
    let journal = Journal::create(&runs, &plan).map_err(Failure::Runbook)?;
    about.write(journal.folder())?;
    context.output.note(&format!("run       {} in {}", plan.run, journal.folder().display()));
    let ended = Carried { plan, journal, about, contents, secrets }.go(context, how, Way::Forward)?;
    if ended.stopped.is_some() && RunState::of(&ended.records) == RunState::Waiting {
        let told = ended.tell(context);
        // Nothing stands in the way of another one.
        refuse_unfinished(context, &profile.name)?;
        return told.map(|()| Done::Complete);
    }
    ended.tell(context)?;
    finished(context, &ended.report);
    summary(context, &ended.plan.run, RunState::of(&ended.records), ended.report.clone(), Some(&ended.file));
    Ok(Done::Complete)
}

/// What people want to know in the end.
pub fn finished(context: &Context, report: &Value) {
    let out = &context.output;
    let age = report["data"]["age_seconds"].as_f64();
    let age = age.map_or_else(String::new, |age| format!("; the data was {} old", text::duration(age)));
    let took = text::duration(report["seconds"].as_f64().unwrap_or_default());
    out.note(&format!("finished  after {took}{age}"));
    for problem in report["known_problems"].as_array().into_iter().flatten() {
        let word = |key: &str| text::plain(problem[key].as_str().unwrap_or_default());
        out.note(&format!("known problem: {}\n    `{}`", word("symptom"), word("command")));
    }
}

fn prepare(
    context: &Context,
    args: &RecoverArgs,
    profile: &Profile,
) -> Result<(Plan, About, Option<Contents>), Failure> {
    let runbook = profile.runbooks.get(&args.runbook).ok_or_else(|| {
        Failure::Profile(ProfileError::NoRunbook {
            profile: profile.name.clone(),
            name: args.runbook.clone(),
            known: profile.runbooks.keys().cloned().collect(),
        })
    })?;
    let root = args.root.as_deref().map(absolute).transpose()?;
    let values = profiles::values(profile, &args.var, root.as_deref())?;
    let one = profiles::one_of(profile, &args.one)?;
    let wants_data = runbook.needs_snapshot || args.snapshot.is_some() || args.at.is_some();
    let (data, contents) = match wants_data {
        true => take(context, args, profile).map(|(data, contents)| (Some(data), Some(contents)))?,
        false => (None, None),
    };
    let name = data.as_ref().map(Data::name);
    let about = About::new(profile, &args.runbook, data);
    let run = folder::number();
    let snapshot = name.as_deref().zip(contents.as_ref().map(|contents| contents as &dyn runbook::Contents));
    let plan = plan(&Choice {
        profile,
        runbook: &args.runbook,
        values: &values,
        run: &run,
        here: &machine::host_name(),
        one: &one,
        snapshot,
        now: folder::now(),
    });
    Ok((plan.map_err(Failure::Runbook)?, about, contents))
}

/// On this machine a root means a folder; on others it stands as it was given.
fn absolute(root: &str) -> Result<std::path::PathBuf, Failure> {
    match root {
        "" | "/" => Ok("".into()),
        root if root.starts_with('/') => Ok(root.into()),
        root => Ok(machine::working_directory()?.join(Path::new(root))),
    }
}

fn take(context: &Context, args: &RecoverArgs, profile: &Profile) -> Result<(Data, Contents), Failure> {
    let until = args.at.as_ref().map(|text| time::parse_until(text, &TimeZone::system())).transpose()?;
    let repository = repository::open(&context.global)?;
    let snapshots = scope::visible(context, &repository, args.snapshot.as_slice())?;
    let chosen = data::choose(context, &snapshots, profile, args.snapshot.as_deref(), until)?;
    let contents = data::contents(&repository, &snapshots, &chosen)?;
    Ok((chosen, contents))
}

/// Prints the exact commands.
fn dry_run(
    context: &Context,
    profile: &Profile,
    plan: &Plan,
    about: &About,
    contents: Option<&Contents>,
) -> Result<Done, Failure> {
    let origin = |host: &str, path: &str| {
        let contents = contents.ok_or("there is no snapshot")?;
        let (number, is_folder) = contents.origin(host, path).map_err(|error| text::error(&error))?;
        let taken = about.data.as_ref().and_then(|data| data.snapshots.get(number));
        Ok((taken.map(|taken| taken.id.clone()).unwrap_or_default(), is_folder))
    };
    let from = |name: String| {
        let secret = profile.variables.get(&name).and_then(|variable| variable.secret.as_ref());
        (name, secret.map(secrets::origin).unwrap_or_default())
    };
    let secrets: Vec<(String, String)> = secrets::names(plan).into_iter().map(from).collect();
    let lines = paste::lines(plan, about, &origin, &secrets)
        .map_err(|what| Failure::Runbook(RunbookError::NotInSnapshot { step: plan.runbook.clone(), what }))?;
    let is_terminal = context.output.columns() != usize::MAX;
    for line in &lines {
        // To a file or a pipe it goes as it runs; a terminal is not given what could control it.
        let line =
            if is_terminal { line.split('\t').map(text::plain).collect::<Vec<_>>().join("\t") } else { line.clone() };
        context.output.line(&line);
    }
    let mut object = show::to_json(plan, about);
    object["event"] = "plan".into();
    context.output.object(object);
    context
        .output
        .summary(json!({ "run": Value::Null, "state": "waiting", "dry_run": true, "script": lines.join("\n") }));
    Ok(Done::Complete)
}
