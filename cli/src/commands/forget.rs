// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast forget`: snapshots that are named, or that a policy does not keep, become invisible.

use jiff::tz::TimeZone;
use keepfast_engine::forget::{Mode, Outcome, Selection, forget};
use keepfast_engine::format::id::SnapshotId;
use keepfast_engine::history::{History, Snapshot};
use keepfast_engine::repository::Repository;
use keepfast_engine::retention::{Grouping, Policy};
use serde_json::{Value, json};

use crate::args::ForgetArgs;
use crate::commands::prune;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{machine, repository, retention, scope};
use crate::render::{text, verdict};

/// Forgets.
pub fn run(context: &Context, args: &ForgetArgs) -> Result<Done, Failure> {
    let policy = retention::policy(&args.keep)?;
    let grouping = Grouping::parse(&args.group_by).map_err(|error| Failure::Usage(format!("--group-by: {error}")))?;
    refuse_nonsense(args, &policy)?;
    let (repository, reserve) = repository::open_to_free(&context.global)?;
    let outcome = run_on(context, args, &repository, (&policy, &grouping));
    prune::tell_reserve(context, &reserve, args.prune && outcome.is_ok());
    outcome
}

fn run_on(
    context: &Context,
    args: &ForgetArgs,
    repository: &Repository,
    (policy, grouping): (&Policy, &Grouping),
) -> Result<Done, Failure> {
    let mode = if args.dry_run { Mode::DryRun } else { Mode::Write };
    let client = machine::client(None);
    let selection = if args.snapshots.is_empty() {
        // Of snapshots that can not be read the outcome tells.
        scope::warn_of_hidden(context, repository, &repository.history()?, &[])?;
        let (scope, zone) = (scope::scope(&args.scope)?, TimeZone::system());
        Selection::Policy { scope, policy: policy.clone(), grouping: grouping.clone(), zone }
    } else {
        Selection::Named(named(context, repository, args)?)
    };
    let outcome = forget(repository, &client, &selection, mode)?;
    if args.snapshots.is_empty() {
        print_groups(context, args, policy, grouping, &outcome);
    }
    print_totals(context, args, &outcome);
    let pruned = match args.prune {
        true => Some(prune::execute(context, repository, &prune::defaults(args.dry_run)?)?),
        false => None,
    };
    context.output.summary(summary(args, &outcome, pruned));
    Ok(if outcome.unreadable == 0 { Done::Complete } else { Done::Incomplete })
}

fn refuse_nonsense(args: &ForgetArgs, policy: &Policy) -> Result<(), Failure> {
    match (args.snapshots.is_empty(), policy.check()) {
        (true, Err(error)) => {
            Err(Failure::Usage(format!("{error} (such as --keep-daily 7), or the snapshots to forget")))
        }
        (false, Ok(())) => {
            Err(Failure::Usage("snapshots are forgotten by name or by --keep rules, not by both".to_string()))
        }
        _ => Ok(()),
    }
}

/// The snapshots that were named, printed when all of them were found; also those that can not be read any more, by their ids.
fn named(context: &Context, repository: &Repository, args: &ForgetArgs) -> Result<Vec<SnapshotId>, Failure> {
    let history = repository.history()?;
    let (snapshots, damaged) = history.snapshots(repository)?;
    if !args.snapshots.iter().all(|selector| named_by_id(&history, selector).is_some()) {
        scope::warn_of_hidden(context, repository, &history, &damaged)?;
    }
    let mut found: Vec<(SnapshotId, Option<&Snapshot>)> = Vec::new();
    for selector in &args.snapshots {
        let (id, snapshot) = match scope::several(&snapshots, std::slice::from_ref(selector), &args.scope) {
            Ok(found) => (found[0].id, Some(found[0])),
            Err(failure) => (named_by_id(&history, selector).ok_or(failure)?, None),
        };
        if found.iter().all(|(other, _)| *other != id) {
            found.push((id, snapshot));
        }
    }
    found.iter().for_each(|(id, snapshot)| print_named(context, *id, *snapshot));
    Ok(found.into_iter().map(|(id, _)| id).collect())
}

/// A snapshot, whether its manifest can be read or not, by its id or the beginning of it.
fn named_by_id(history: &History, selector: &str) -> Option<SnapshotId> {
    const MIN_DIGITS: usize = 8;
    let mut fitting = history.snapshot_ids().filter(|id| id.to_string().starts_with(selector));
    let found = fitting.next().filter(|_| selector.len() >= MIN_DIGITS)?;
    fitting.next().is_none().then_some(found)
}

fn print_named(context: &Context, id: SnapshotId, snapshot: Option<&Snapshot>) {
    let about = match snapshot {
        Some(Snapshot { manifest, .. }) => {
            let paths: Vec<String> = manifest.paths.iter().map(|path| text::path(path)).collect();
            format!("{}  {}  {}", text::time(manifest.started), text::plain(&manifest.host), paths.join(" "))
        }
        None => "(can not be read)".to_string(),
    };
    context.output.note(&format!("{}  {about}", text::short(id)));
    context.output.object(json!({ "id": id.to_string(), "action": "remove", "reasons": [] }));
}

fn print_groups(context: &Context, args: &ForgetArgs, policy: &Policy, grouping: &Grouping, outcome: &Outcome) {
    let out = &context.output;
    out.note(&text::plain(&format!("keep {policy}")));
    for group in &outcome.groups {
        for one in &group.verdicts {
            out.object(verdict::verdict_json(one, &group.key));
        }
        if out.is_json() {
            continue;
        }
        if args.compact {
            out.note(&verdict::heading(group));
        } else {
            out.note("");
            verdict::lines(group, grouping, out.columns()).iter().for_each(|line| out.note(line));
        }
    }
    if !outcome.groups.is_empty() && !args.compact {
        out.note("");
    }
}

fn print_totals(context: &Context, args: &ForgetArgs, outcome: &Outcome) {
    let removed = outcome.removed.len();
    let would = if args.dry_run { "would be " } else { "" };
    let mut line = format!("{} {would}forgotten", text::counted(removed as u64, "snapshot"));
    if args.snapshots.is_empty() {
        line.push_str(&format!(", {} kept", text::count(kept(outcome) as u64)));
    }
    context.output.note(&line);
    if removed > 0 && !args.dry_run && !args.prune {
        let them = if removed == 1 { "it" } else { "them" };
        context.output.note(&format!("`keepfast undelete` brings {them} back until `keepfast prune` frees the space"));
    }
    if outcome.unreadable > 0 {
        let count = text::counted(outcome.unreadable as u64, "snapshot");
        context.output.warn(&format!("{count} can not be read and stayed; `keepfast check` names them"));
    }
}

fn kept(outcome: &Outcome) -> usize {
    outcome.groups.iter().flat_map(|group| &group.verdicts).filter(|verdict| verdict.is_kept()).count()
}

fn summary(args: &ForgetArgs, outcome: &Outcome, pruned: Option<Value>) -> Value {
    json!({
        "removed": outcome.removed.len(),
        "kept": kept(outcome),
        "groups": outcome.groups.len(),
        "damaged": outcome.unreadable,
        "dry_run": args.dry_run,
        "prune": pruned,
    })
}
