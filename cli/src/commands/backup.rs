// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast backup`: files, folders and outputs of commands into one snapshot.

mod profile;
mod quiet;

use std::time::Instant;

use keepfast_engine::backup::{BackupOptions, Compression, DeltaLimits, Mode, Parent, Summary, backup_to_all};
use keepfast_engine::repository::Repository;
use keepfast_engine::select::Scope;
use keepfast_engine::session::Client;
use keepfast_engine::source::{OneFileSystem, SourceOptions};
use serde_json::{Value, json};

use crate::args::{BackupArgs, GlobalArgs};
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::backup as sources;
use crate::options::{also, machine, repository, storage, time};
use crate::progress::Progress;
use crate::render::{json as js, text};

/// What became of one repository.
struct Fate {
    location: String,
    outcome: Result<Summary, Failure>,
}

/// Backs up.
pub fn run(context: &Context, args: &BackupArgs) -> Result<Done, Failure> {
    if let Some(name) = &args.system.profile {
        return profile::run(context, args, name);
    }
    let started = Instant::now();
    context.output.claim().map_err(Failure::Output)?;
    let globals: Vec<GlobalArgs> =
        std::iter::once(context.global.clone()).chain(also::globals(&context.global, &args.also)?).collect();
    let opened: Vec<Result<Repository, Failure>> = globals.iter().map(repository::open).collect();
    let fates = back_up(context, args, &globals, opened)?;
    let seconds = started.elapsed().as_secs_f64();
    if let [Fate { outcome: Ok(summary), .. }] = fates.as_slice() {
        print(context, args, summary, seconds);
        context.output.summary(to_json(args, summary, seconds));
        context.output.problems(&summary.problems);
        return Ok(Done::from_problems(summary.problems.len()));
    }
    several(context, args, fates, seconds)
}

/// Backs up to those that could be opened.
fn back_up(
    context: &Context,
    args: &BackupArgs,
    globals: &[GlobalArgs],
    opened: Vec<Result<Repository, Failure>>,
) -> Result<Vec<Fate>, Failure> {
    let open: Vec<&Repository> = opened.iter().flatten().collect();
    let Some(first) = open.first() else {
        return Err(opened.into_iter().find_map(Result::err).expect("a backup has a repository"));
    };
    if let (Some(_), Some(Err(_))) = (&args.parent, opened.first()) {
        // A parent is a snapshot of the first one.
        return Err(opened.into_iter().find_map(Result::err).expect("the first could not be opened"));
    }
    let options = options(context, args, globals, &open, first)?;
    let mut outcomes = read_once(context, &open, &options, &machine::client(args.host.as_deref()))?.into_iter();
    let fate = |(opened, global): (Result<Repository, Failure>, &GlobalArgs)| {
        let outcome = opened.and_then(|_| Ok(outcomes.next().expect("one outcome a repository")?));
        Fate { location: location(global), outcome }
    };
    Ok(opened.into_iter().zip(globals).map(fate).collect())
}

fn location(global: &GlobalArgs) -> String {
    storage::location(global).map_or_else(|_| "?".to_string(), |location| location.to_string())
}

/// Backs up to all of them: one outcome for each.
fn read_once(
    context: &Context,
    open: &[&Repository],
    options: &BackupOptions,
    client: &Client,
) -> Result<Vec<keepfast_engine::Result<Summary>>, Failure> {
    let progress = Progress::start(context);
    let outcomes = backup_to_all(open, client, options, &progress);
    drop(progress);
    Ok(outcomes?)
}

/// Tells what became of several repositories, or of one that failed.
fn several(context: &Context, args: &BackupArgs, mut fates: Vec<Fate>, seconds: f64) -> Result<Done, Failure> {
    if fates.iter().all(|fate| fate.outcome.is_err()) {
        for fate in fates.drain(1..) {
            if let Err(failure) = fate.outcome {
                context.output.warn(&format!("{}: {}", fate.location, failure.message()));
            }
        }
        return Err(fates.pop().and_then(|fate| fate.outcome.err()).expect("the first has failed"));
    }
    let mut problems = 0;
    let mut all = Vec::new();
    for Fate { location, outcome } in &fates {
        context.output.note(&format!("in       {location}"));
        match outcome {
            Ok(summary) => {
                print(context, args, summary, seconds);
                all.push(with_location(to_json(args, summary, seconds), location));
                problems = problems.max(summary.problems.len());
            }
            Err(failure) => {
                context.output.warn(&format!("no snapshot in {location}: {}", failure.message()));
                all.push(json!({ "location": location, "error": failure.message(), "exit_code": failure.code() }));
            }
        }
    }
    // The paths are the same for all.
    if let Some(summary) = fates.iter().find_map(|fate| fate.outcome.as_ref().ok()) {
        context.output.problems(&summary.problems);
    }
    context.output.summary(json!({ "repositories": all, "seconds": seconds }));
    let failed = fates.iter().filter(|fate| fate.outcome.is_err()).count();
    Ok(Done::from_problems(problems + failed))
}

fn with_location(mut summary: Value, location: &str) -> Value {
    summary["location"] = json!(location);
    summary
}

fn options(
    context: &Context,
    args: &BackupArgs,
    globals: &[GlobalArgs],
    open: &[&Repository],
    first: &Repository,
) -> Result<BackupOptions, Failure> {
    let paths = sources::paths(args)?;
    let streams = sources::streams(args)?;
    if paths.is_empty() && streams.is_empty() && args.system.profile.is_none() {
        return Err(Failure::Usage("there is nothing to back up: the list of files is empty".to_string()));
    }
    let own = sources::own_folders(&paths, &sources::folders_in_use(&context.global, globals, open)?)?;
    for folder in &own {
        context.output.note(&format!("leaving out {}, which belongs to this repository", folder.display()));
    }
    let threads = machine::threads(&context.global);
    Ok(BackupOptions {
        paths: sources::recorded_paths(&paths, &streams)?,
        source: SourceOptions {
            working_directory: machine::working_directory()?,
            paths,
            excludes: sources::excludes(&args.exclude, &own)?,
            one_file_system: if args.exclude.one_file_system { OneFileSystem::Stay } else { OneFileSystem::Cross },
            threads: machine::listing_threads(&context.global),
        },
        streams,
        missing: Vec::new(),
        parent: parent(args, first)?,
        tags: args.tag.iter().filter(|tag| !tag.is_empty()).cloned().collect(),
        description: args.description.clone(),
        archives: sources::archives(&args.unwrap)?,
        compression: args.compression.map_or(Compression::Auto, Compression::Level),
        deltas: if args.no_delta { DeltaLimits::NONE } else { DeltaLimits::default() },
        threads,
        mode: match (args.dry_run, args.skip_if_unchanged) {
            (true, _) => Mode::DryRun,
            (false, true) => Mode::CommitIfChanged,
            (false, false) => Mode::Commit,
        },
        clock: time::now,
    })
}

fn parent(args: &BackupArgs, repository: &Repository) -> Result<Parent, Failure> {
    let Some(selector) = &args.parent else {
        return Ok(if args.force { Parent::None } else { Parent::Newest });
    };
    let (snapshots, _) = repository.history()?.snapshots(repository)?;
    let snapshot = keepfast_engine::select::select(&snapshots, selector, &Scope::default())?;
    Ok(Parent::Snapshot(snapshot.id))
}

fn print(context: &Context, args: &BackupArgs, summary: &Summary, seconds: f64) {
    let (out, totals) = (&context.output, &summary.totals);
    let count = text::count;
    out.note(&format!(
        "files    {} new, {} changed, {} unmodified; {}, {}",
        count(totals.new_files),
        count(totals.changed_files),
        count(totals.unmodified_files),
        text::counted(totals.directories, "folder"),
        text::counted(totals.others, "other"),
    ));
    let stored = (!args.dry_run).then_some(totals.stored_bytes);
    text::added(totals.bytes, totals.new_plain_bytes, stored).iter().for_each(|line| out.note(line));
    out.note(&format!("took     {}", text::duration(seconds)));
    if let (true, Some(parent)) = (context.global.verbose, summary.parent) {
        out.note(&format!("parent   {parent}"));
    }
    let partial = if summary.problems.is_empty() { "" } else { ", incomplete" };
    match summary.snapshot {
        Some(id) => out.note(&format!("snapshot {} saved{partial}", text::short(id))),
        None if args.dry_run => out.note("dry run: nothing was written"),
        None => out.note("nothing has changed: no snapshot was made"),
    }
}

fn to_json(args: &BackupArgs, summary: &Summary, seconds: f64) -> Value {
    let totals = &summary.totals;
    json!({
        "snapshot": summary.snapshot.map(|id| id.to_string()),
        "parent": summary.parent.map(|id| id.to_string()),
        "dry_run": args.dry_run,
        "files": totals.files,
        "files_new": totals.new_files,
        "files_changed": totals.changed_files,
        "files_unmodified": totals.unmodified_files,
        "folders": totals.directories,
        "others": totals.others,
        "bytes": totals.bytes,
        "chunks_new": totals.new_chunks,
        "bytes_new": totals.new_plain_bytes,
        "bytes_stored": totals.stored_bytes,
        "seconds": seconds,
        "problems": js::problems(&summary.problems),
    })
}
