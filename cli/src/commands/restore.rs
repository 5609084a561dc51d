// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast restore`: a snapshot, or a part of it, into a folder.

use std::path::PathBuf;
use std::time::Instant;

use keepfast_engine::events::Events;
use keepfast_engine::filter::Filter;
use keepfast_engine::repository::Repository;
use keepfast_engine::restore::{
    Change, Compare, Extras, Mode, RestoreOptions, Spared, Summary, Verify, restore, unread,
};
use keepfast_engine::target::OwnershipMode;
use keepfast_engine::tree::Root;
use serde_json::{Value, json};

use crate::args::{Overwrite, OwnershipArg, RestoreArgs};
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::credential::Source;
use crate::options::{backup, machine, repository, scope};
use crate::progress::Progress;
use crate::render::{json as js, text};

/// Restores.
pub fn run(context: &Context, args: &RestoreArgs) -> Result<Done, Failure> {
    let started = Instant::now();
    let repository = repository::open(&context.global)?;
    let snapshots = scope::visible(context, &repository, &[&args.snapshot])?;
    let (snapshot, subtree) = scope::one(&snapshots, &args.snapshot, &args.scope)?;
    let spared = Spared { own: own_files(context, &repository)?, unread: unread(&snapshot.manifest) };
    let options = options(context, args, subtree, spared)?;
    let root = Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
    let progress = Progress::start(context);
    if subtree.is_empty() && options.filter.takes_all() {
        let totals = &snapshot.manifest.totals;
        progress.expected(totals.files, totals.bytes);
    }
    let shows_changes = context.output.is_json() || (context.global.verbose && !context.global.quiet);
    let changes = |path: &[u8], change: Change| {
        if shows_changes && (change != Change::Unchanged || context.global.verbose) {
            show(context, path, change);
        }
    };
    let outcome = restore(repository.reader(), root, &options, &progress, &changes);
    drop(progress);
    // A pipe that nobody reads any more cancels the restore; then it is the cause.
    context.output.check().map_err(Failure::Output)?;
    let summary = outcome.map_err(scope::name_snapshot(snapshot))?;
    refuse_nothing(args, &summary, &text::short(snapshot.id))?;
    print(context, args, &snapshot.id.to_string(), &summary, started.elapsed().as_secs_f64());
    context.output.problems(&summary.problems);
    Ok(Done::from_problems(summary.problems.len()))
}

/// Whoever says what is wanted and gets none of it must not be told that it was restored.
fn refuse_nothing(args: &RestoreArgs, summary: &Summary, snapshot: &str) -> Result<(), Failure> {
    let touched = summary.created + summary.updated + summary.unchanged + summary.deleted;
    if args.include.is_empty() || touched > 0 || !summary.problems.is_empty() {
        return Ok(());
    }
    let subject = if args.include.len() == 1 { "the pattern of --include" } else { "a pattern of --include" };
    Err(Failure::Other {
        message: format!("nothing in snapshot {snapshot} fits {subject}: nothing was restored"),
        hint: format!("`keepfast find '{}'` looks for it in all snapshots", args.include[0]),
    })
}

/// What is keepfast's own in this run: no backup holds the folders, and a key may be younger than the snapshot.
fn own_files(context: &Context, repository: &Repository) -> Result<Vec<PathBuf>, Failure> {
    let global = &context.global;
    let mut own = backup::folders_in_use(global, std::slice::from_ref(global), &[repository])?;
    if let Source::KeyFile(path) | Source::PasswordFile(path) = Source::find(global)? {
        own.push(path);
    }
    Ok(own)
}

fn options(context: &Context, args: &RestoreArgs, subtree: &[u8], spared: Spared) -> Result<RestoreOptions, Failure> {
    let ownership = match args.ownership {
        _ if args.no_ownership => OwnershipMode::Skip,
        _ if args.numeric_ids => OwnershipMode::Numeric,
        OwnershipArg::ByName => OwnershipMode::ByName,
        OwnershipArg::Numeric => OwnershipMode::Numeric,
        OwnershipArg::Skip => OwnershipMode::Skip,
    };
    Ok(RestoreOptions {
        target: args.target.clone(),
        subtree: subtree.to_vec(),
        filter: Filter::new(&args.include, &args.exclude).map_err(|error| Failure::Usage(error.to_string()))?,
        spared,
        extras: if args.delete { Extras::Delete } else { Extras::Keep },
        compare: match args.overwrite {
            Overwrite::Always => Compare::Content,
            Overwrite::IfChanged => Compare::SizeAndTime,
        },
        ownership,
        mode: if args.dry_run { Mode::DryRun } else { Mode::Write },
        verify: if args.verify { Verify::Yes } else { Verify::No },
        threads: machine::threads(&context.global),
    })
}

fn show(context: &Context, path: &[u8], change: Change) {
    let word = match change {
        Change::Created => "created",
        Change::Updated => "updated",
        Change::Unchanged => "unchanged",
        Change::Deleted => "deleted",
    };
    if context.output.is_json() {
        let mut object = json!({ "change": word });
        js::put_path(&mut object, "path", path);
        context.output.object(object);
    } else {
        context.output.line(&format!("{word:9} {}", text::path(path)));
    }
}

fn print(context: &Context, args: &RestoreArgs, id: &str, summary: &Summary, seconds: f64) {
    let out = &context.output;
    let count = text::count;
    let deleted = if args.delete { format!(", {} deleted", count(summary.deleted)) } else { String::new() };
    out.note(&format!(
        "paths    {} created, {} updated, {} unchanged{deleted}",
        count(summary.created),
        count(summary.updated),
        count(summary.unchanged),
    ));
    let written = text::size(summary.written_bytes);
    out.note(&format!("content  {}, of which {written} written", text::size(summary.bytes)));
    out.note(&format!("took     {}", text::duration(seconds)));
    let target = args.target.display();
    match (args.dry_run, summary.problems.is_empty()) {
        (true, _) => out.note("dry run: nothing was written"),
        (false, true) => out.note(&format!("snapshot {} restored to {target}", text::short(id))),
        (false, false) => out.note(&format!("snapshot {} restored to {target}, incomplete", text::short(id))),
    }
    out.summary(to_json(args, id, summary, seconds));
}

fn to_json(args: &RestoreArgs, id: &str, summary: &Summary, seconds: f64) -> Value {
    json!({
        "snapshot": id,
        "target": args.target.to_string_lossy(),
        "dry_run": args.dry_run,
        "created": summary.created,
        "updated": summary.updated,
        "unchanged": summary.unchanged,
        "deleted": summary.deleted,
        "bytes": summary.bytes,
        "bytes_written": summary.written_bytes,
        "seconds": seconds,
        "problems": js::problems(&summary.problems),
    })
}
