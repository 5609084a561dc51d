// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast backup`: files, folders and outputs of commands into one snapshot.

use std::path::PathBuf;
use std::time::Instant;

use keepfast_engine::backup::{BackupOptions, Compression, Mode, Parent, Summary, backup};
use keepfast_engine::repository::Repository;
use keepfast_engine::select::Scope;
use keepfast_engine::source::{OneFileSystem, SourceOptions};
use serde_json::{Value, json};

use crate::args::BackupArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::backup as sources;
use crate::options::{machine, repository, storage, time};
use crate::progress::Progress;
use crate::render::{json as js, text};

/// More listing threads than this only wait for the disk.
const MAX_LISTING_THREADS: usize = 4;

/// Backs up.
pub fn run(context: &Context, args: &BackupArgs) -> Result<Done, Failure> {
    let started = Instant::now();
    let repository = repository::open(&context.global)?;
    let client = machine::client(args.host.as_deref());
    let options = options(context, args, &repository)?;
    let progress = Progress::start(context);
    let outcome = backup(&repository, &client, &options, &progress);
    drop(progress);
    let summary = outcome?;
    print(context, args, &summary, started.elapsed().as_secs_f64());
    context.output.problems(&summary.problems);
    Ok(Done::from_problems(summary.problems.len()))
}

fn options(context: &Context, args: &BackupArgs, repository: &Repository) -> Result<BackupOptions, Failure> {
    let paths = sources::paths(args)?;
    let streams = sources::streams(args)?;
    if paths.is_empty() && streams.is_empty() {
        return Err(Failure::Usage("there is nothing to back up: the list of files is empty".to_string()));
    }
    let own = sources::own_folders(&paths, &own_folders(context, repository)?)?;
    for folder in &own {
        context.output.note(&format!("leaving out {}, which belongs to this repository", folder.display()));
    }
    let threads = machine::threads(&context.global);
    Ok(BackupOptions {
        paths: sources::recorded_paths(&paths, &streams)?,
        source: SourceOptions {
            working_directory: machine::working_directory()?,
            paths,
            excludes: sources::excludes(args, &own)?,
            one_file_system: if args.exclude.one_file_system { OneFileSystem::Stay } else { OneFileSystem::Cross },
            threads: threads.min(MAX_LISTING_THREADS),
        },
        streams,
        parent: parent(args, repository)?,
        tags: args.tag.iter().filter(|tag| !tag.is_empty()).cloned().collect(),
        description: args.description.clone(),
        compression: args.compression.map_or(Compression::Auto, Compression::Level),
        threads,
        mode: match (args.dry_run, args.skip_if_unchanged) {
            (true, _) => Mode::DryRun,
            (false, true) => Mode::CommitIfChanged,
            (false, false) => Mode::Commit,
        },
        clock: time::now,
    })
}

fn own_folders(context: &Context, repository: &Repository) -> Result<Vec<PathBuf>, Failure> {
    let folders = repository::folders(&context.global)?;
    let id = repository.id().to_string();
    let mut own = vec![folders.state.join(&id)];
    own.extend(storage::location(&context.global)?.folder().map(PathBuf::from));
    own.extend(folders.cache.map(|cache| cache.join(&id)));
    Ok(own)
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
    let stored = match args.dry_run {
        true => "to be compressed and added".to_string(),
        false => format!("-> {} added to the repository", text::size(totals.stored_bytes)),
    };
    let (all, new) = (text::size(totals.bytes), text::size(totals.new_plain_bytes));
    out.note(&format!("content  {all}, of which new {new} {stored}"));
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
    out.summary(to_json(args, summary, seconds));
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
