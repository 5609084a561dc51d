// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast diff`: what differs between two snapshots, between two paths, or between a snapshot and the live files; with `--patch` what changed
//! inside files.

mod listing;
mod live;
mod patch;
mod sides;

use std::sync::Arc;

use keepfast_engine::diff::{LiveSummary, Summary, diff};
use keepfast_engine::events::Events;
use keepfast_engine::history::Snapshot;
use keepfast_engine::reader::Reader;
use keepfast_engine::tree::Root;
use serde_json::json;

use self::listing::{Listing, Origins};
use self::patch::Patch;
use self::sides::Sides;
use crate::args::{DiffArgs, ExcludeArgs};
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{repository, scope, time};
use crate::progress::Progress;
use crate::render::{json as js, text};

/// Compares.
pub fn run(context: &Context, args: &DiffArgs) -> Result<Done, Failure> {
    if !args.live && args.exclude != ExcludeArgs::default() {
        return Err(Failure::Usage("only a comparison with --live leaves something out".to_string()));
    }
    let repository = repository::open(&context.global)?;
    let (snapshots, _) = repository.history()?.snapshots(&repository)?;
    let sides = sides::find(&snapshots, args)?;
    let (reader, progress) = (repository.reader(), Progress::start(context));
    let origins = Origins { reader: &reader, before: root(sides.before), events: &progress };
    let mut listing = Listing::new(context, args, origins);
    let found = match sides.after {
        Some(after) => LiveSummary {
            summary: stored(context, &reader, (sides.before, after), &sides.paths, &mut listing, &progress)?,
            ..LiveSummary::default()
        },
        None => live::compare(context, args, &repository, (sides.before, &sides.paths), &mut listing, &progress)?,
    };
    let rows = listing.finish()?;
    drop(progress);
    let mut problems = found.problems.len();
    if args.patch {
        // What is to come expires from the later side on: the same two snapshots always give the same days.
        let started = |after: &Snapshot| after.manifest.started.div_euclid(1_000_000_000);
        let now_unix = sides.after.map_or_else(|| time::now().seconds, started);
        problems += Patch::new(context, args, &reader, now_unix).print(&rows)?;
    }
    context.output.check().map_err(Failure::Output)?;
    print_summary(context, &sides, &found, problems);
    context.output.problems(&found.problems);
    let paths = found.summary.paths;
    let is_different = paths[..4].iter().sum::<u64>() + if args.metadata { paths[4] } else { 0 } > 0;
    Ok(match problems {
        0 if args.exit_code && is_different => Done::Differs,
        count => Done::from_problems(count),
    })
}

fn root(snapshot: &Snapshot) -> Root {
    Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level }
}

fn stored(
    context: &Context,
    reader: &Arc<Reader>,
    (before, after): (&Snapshot, &Snapshot),
    paths: &[Vec<u8>],
    listing: &mut Listing,
    events: &dyn Events,
) -> Result<Summary, Failure> {
    let mut total = Summary::default();
    for path in paths {
        let outcome = diff(reader, root(before), root(after), path, events, &mut |difference, old, new| {
            listing.take(difference, old, new, None);
        });
        context.output.check().map_err(Failure::Output)?;
        total.add(&outcome.map_err(scope::name_snapshot(after))?);
    }
    Ok(total)
}

fn print_summary(context: &Context, sides: &Sides, found: &LiveSummary, problems: usize) {
    let [added, removed, modified, type_changed, metadata] = found.summary.paths;
    let count = text::count;
    context.output.note(&format!(
        "{} added, {} removed, {} modified, {} of another type, {} with other metadata only",
        count(added),
        count(removed),
        count(modified),
        count(type_changed),
        count(metadata),
    ));
    let (plus, minus) = (text::size(found.summary.added_bytes), text::size(found.summary.removed_bytes));
    context.output.note(&format!("content + {plus}, - {minus}"));
    if !found.streams.is_empty() {
        let streams: Vec<String> = found.streams.iter().map(|path| text::stored_path(path)).collect();
        context.output.note(&format!("outputs of commands are not compared: {}", streams.join(", ")));
    }
    let mut summary = json!({
        "before": sides.before.id.to_string(),
        "after": sides.after.map(|after| after.id.to_string()),
        "added": added,
        "removed": removed,
        "modified": modified,
        "type_changed": type_changed,
        "metadata": metadata,
        "bytes_added": found.summary.added_bytes,
        "bytes_removed": found.summary.removed_bytes,
        "problems": problems,
    });
    if sides.after.is_none() {
        let stored = |path: &Vec<u8>| js::path(&[b"/", &path[..]].concat());
        summary["streams"] = found.streams.iter().map(stored).collect();
        summary["unread"] = js::problems(&found.problems);
    }
    context.output.summary(summary);
}
