// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast drill`: brings a system back into a scratch folder of this machine, without a question, and remembers how that went.
//!
//! Every drill that was begun leaves a record, also one that found nothing to bring back: a silent drill would look like a good one.

mod scratch;
mod whole;

use std::collections::BTreeMap;

use keepfast_engine::profile::Profile;
use keepfast_engine::recover::Contents;
use keepfast_engine::runbook::{self, Choice, Journal, plan};
use keepfast_engine::select::{Scope, select};
use keepfast_engine::tree::Root;
use serde_json::{Value, json};

use crate::args::DrillArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{machine, profiles, repository, scope, secrets};
use crate::render::text;
use crate::runs::about::{About, Data};
use crate::runs::carry::{Carried, Way};
use crate::runs::drills::{self, Drill};
use crate::runs::person::How;
use crate::runs::{data, folder};
use scratch::Scratch;

/// The runbook of a drill.
const RUNBOOK: &str = "drill";

/// Holds one.
pub fn run(context: &Context, args: &DrillArgs) -> Result<Done, Failure> {
    let profile = profiles::find(&args.profiles, &args.profile)?;
    let folder = folder::drills(&context.global)?;
    let _lock = folder::lock(&folder, &profile.name)?;
    let has_runbook = profile.runbooks.contains_key(RUNBOOK);
    let mut drill = Drill {
        run: folder::number(),
        profile: profile.name.clone(),
        runbook: has_runbook.then(|| RUNBOOK.to_string()),
        begun: folder::now(),
        ..Drill::default()
    };
    drill.write(&folder)?;
    let held = hold(context, args, &profile, &mut drill);
    drill.ended = Some(folder::now());
    drill.ok = Some(held.is_ok());
    if let Err(failure) = &held {
        drill.why = Some(failure.message());
    }
    drill.write(&folder)?;
    // How it went is more than what is left of others.
    if let Err(failure) = drills::forget_old(&folder, &profile.name) {
        context.output.warn(&failure.message());
    }
    match held {
        Ok(report) => {
            went_well(context, &drill, report);
            Ok(Done::Complete)
        }
        Err(failure) => Err(failed(context, &drill, failure)),
    }
}

/// Brings back and looks at it; the report, if there is one.
fn hold(context: &Context, args: &DrillArgs, profile: &Profile, drill: &mut Drill) -> Result<Value, Failure> {
    let repository = repository::open(&context.global)?;
    let snapshots = scope::visible(context, &repository, args.snapshot.as_slice())?;
    let chosen = data::choose(context, &snapshots, profile, args.snapshot.as_deref(), None)?;
    drill.data = Some(chosen.clone());
    let scratch = Scratch::create(context, args.scratch.as_deref(), &drill.run)?;
    let line = data::line(&chosen, drill.begun);
    context.output.note(&format!("drill of {}\ndata      {line}", text::plain(&profile.name)));
    context.output.note(&format!("scratch   {}", scratch.path().display()));
    context.output.flush();
    let held = match drill.runbook {
        Some(_) => {
            let contents = data::contents(&repository, &snapshots, &chosen)?;
            by_runbook(context, args, profile, contents, &scratch, drill)
        }
        None => roots(&snapshots, &chosen)
            .and_then(|roots| whole::restore_all(context, &repository, &roots, scratch.path()))
            .map(|()| Value::Null),
    };
    if args.keep {
        context.output.note(&format!("left in   {}", scratch.path().display()));
    } else {
        scratch.remove(context);
    }
    held
}

fn roots(snapshots: &[keepfast_engine::history::Snapshot], chosen: &Data) -> Result<Vec<(String, Root)>, Failure> {
    let mut roots = Vec::with_capacity(chosen.snapshots.len());
    for taken in &chosen.snapshots {
        let snapshot = select(snapshots, &taken.id, &Scope::default())?;
        roots.push((taken.host.clone(), Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level }));
    }
    Ok(roots)
}

fn by_runbook(
    context: &Context,
    args: &DrillArgs,
    profile: &Profile,
    contents: Contents,
    scratch: &Scratch,
    drill: &mut Drill,
) -> Result<Value, Failure> {
    let here = on_one_machine(profile);
    let values = profiles::values(&here, &args.var, Some(scratch.path()))?;
    let name = drill.data.as_ref().map(Data::name).unwrap_or_default();
    let plan = plan(&Choice {
        profile: &here,
        runbook: RUNBOOK,
        values: &values,
        run: &drill.run,
        here: &machine::host_name(),
        one: &BTreeMap::new(),
        snapshot: Some((&name, &contents as &dyn runbook::Contents)),
        now: drill.begun,
    });
    let plan = plan.map_err(Failure::Runbook)?;
    let secrets = secrets::read(&here, &plan)?;
    let journal = Journal::create(&folder::drills(&context.global)?, &plan).map_err(Failure::Runbook)?;
    let about = About::new(&here, RUNBOOK, drill.data.clone());
    about.write(journal.folder())?;
    let contents = Some(contents);
    let ended = Carried { plan, journal, about, contents, secrets }.go(context, How::Drill, Way::Forward)?;
    let Some(stopped) = &ended.stopped else { return Ok(ended.report) };
    drill.failed_step = Some(stopped.step.clone());
    Err(Failure::Stopped {
        message: text::error(stopped),
        hint: format!("{} tells the rest; --keep leaves what was brought back", ended.file.display()),
        is_cancelled: context.signals.cancelled(),
    })
}

/// The profile with all its roles on this machine. What only its hosts say of variables comes from the first that says it.
fn on_one_machine(profile: &Profile) -> Profile {
    let mut here = profile.clone();
    for (_, host) in std::mem::take(&mut here.hosts) {
        for (name, value) in host.variables {
            if let Some(variable) = here.variables.get_mut(&name) {
                variable.value.get_or_insert(value);
            }
        }
    }
    here
}

fn to_json(drill: &Drill) -> Value {
    json!({
        "run": drill.run,
        "profile": drill.profile,
        "runbook": drill.runbook,
        "ok": drill.ok,
        "begun": text::rfc3339(drill.begun * 1_000_000),
        "seconds": drill.seconds(),
        "age_seconds": drill.age_seconds(),
        "set": drill.data.as_ref().and_then(|data| data.set.clone()),
        "snapshots": drill.data.iter().flat_map(|data| &data.snapshots).map(|taken| &taken.id).collect::<Vec<_>>(),
        "failed_step": drill.failed_step,
        "why": drill.why,
    })
}

fn went_well(context: &Context, drill: &Drill, report: Value) {
    let took = text::duration(drill.seconds().unwrap_or_default());
    let age = text::duration(drill.age_seconds().unwrap_or_default());
    context.output.note(&format!("the drill went well: brought back in {took}, with data {age} old"));
    let mut summary = to_json(drill);
    summary["report"] = report;
    context.output.summary(summary);
}

fn failed(context: &Context, drill: &Drill, failure: Failure) -> Failure {
    let mut object = to_json(drill);
    object["event"] = "drill".into();
    context.output.object(object);
    let what = if failure.code() == crate::exit::CANCELLED { "was stopped" } else { "failed" };
    Failure::Stopped {
        message: format!("the drill of {} {what}: {}", text::plain(&drill.profile), failure.message()),
        hint: failure.hint().to_string(),
        is_cancelled: failure.code() == crate::exit::CANCELLED,
    }
}
