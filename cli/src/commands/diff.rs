// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast diff`: what differs between two snapshots, between two paths, or between a snapshot and the live files; with `--patch` what changed
//! inside files, with `--html` as a page.

mod inside;
mod listing;
mod live;
mod page;
mod patch;
mod paths;
mod sides;

use std::sync::Arc;

use keepfast_engine::Error;
use keepfast_engine::diff::{Folder, LiveSummary, diff, diff_paths};
use keepfast_engine::events::Events;
use keepfast_engine::format::tree::entry::Entry;
use keepfast_engine::history::Snapshot;
use keepfast_engine::reader::Reader;
use keepfast_engine::tree::Root;
use serde_json::json;

use self::inside::Contents;
use self::listing::{Listing, Origins};
use self::page::{Page, Told};
use self::patch::Patch;
use self::sides::Sides;
use crate::args::{DiffArgs, ExcludeArgs};
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{page as place, repository, scope};
use crate::progress::Progress;
use crate::render::page::LiveSide;
use crate::render::{json as js, text};

/// What a comparison gave besides its rows.
struct Compared {
    found: LiveSummary,
    /// The paths in the snapshots that were compared; the empty one is all of them.
    paths: Vec<Vec<u8>>,
    /// The later side, if that is no snapshot.
    live: Option<LiveSide>,
}

/// Compares.
pub fn run(context: &Context, args: &DiffArgs) -> Result<Done, Failure> {
    place::check(context, &args.page)?;
    if !args.live && args.exclude != ExcludeArgs::default() {
        return Err(Failure::Usage("only a comparison with --live leaves something out".to_string()));
    }
    let repository = repository::open(&context.global)?;
    // What stands behind the snapshots names paths in them.
    let named = &args.what[..args.what.len().min(if args.live { 1 } else { 2 })];
    let snapshots = scope::visible(context, &repository, named)?;
    let sides = sides::find(&snapshots, args)?;
    let (reader, progress) = (repository.reader(), Progress::start(context));
    let origins = Origins { reader: &reader, before: root(sides.before), events: &progress };
    let mut listing = Listing::new(context, args, origins);
    let compared = match sides.after {
        Some(after) => stored(context, &reader, (&sides, after), &mut listing, &progress)?,
        None => live::compare(context, args, &repository, (sides.before, &sides.paths), &mut listing, &progress)?,
    };
    let (rows, left_out) = listing.finish()?;
    drop(progress);
    let contents = Contents::new(args, &reader, later_unix(&sides, &compared));
    let told = if let Some(file) = &args.page.html {
        let id = repository.id().to_string();
        let page = Page { context, args, repository: id, sides: &sides, compared: &compared, left_out };
        place::write(file, &args.page, |out| page.write(out, rows, &contents))?
    } else {
        let problems = if args.patch { Patch::new(context, args).print(&rows, &contents)? } else { 0 };
        Told { problems, shown: rows.len() }
    };
    context.output.check().map_err(Failure::Output)?;
    print_summary(context, args, &sides, &compared, &told);
    context.output.problems(&compared.found.problems);
    let paths = compared.found.summary.paths;
    let is_different = paths[..4].iter().sum::<u64>() + if args.metadata { paths[4] } else { 0 } > 0;
    Ok(match compared.found.problems.len() + told.problems {
        0 if args.exit_code && is_different => Done::Differs,
        count => Done::from_problems(count),
    })
}

fn root(snapshot: &Snapshot) -> Root {
    Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level }
}

/// The moment of the later side, from which days to expiry are counted: the same two snapshots always give the same days.
fn later_unix(sides: &Sides, compared: &Compared) -> i64 {
    let later = compared.live.as_ref().map(|live| live.read).or(sides.after.map(|after| after.manifest.started));
    later.unwrap_or_default().div_euclid(1_000_000_000)
}

fn stored(
    context: &Context,
    reader: &Arc<Reader>,
    (sides, after): (&Sides, &Snapshot),
    listing: &mut Listing,
    events: &dyn Events,
) -> Result<Compared, Failure> {
    let before = sides.before;
    let mut found = LiveSummary::default();
    for path in &sides.paths {
        let mut take = |difference, old: Option<&Entry>, new: Option<&Entry>| listing.take(difference, old, new, None);
        let outcome = match &sides.other {
            None => diff(reader, root(before), root(after), path, events, &mut take),
            Some(other) => {
                let [old, new] = [(before, path), (after, other)].map(|(of, path)| Folder { root: root(of), path });
                diff_paths(reader, old, new, events, &mut take)
            }
        };
        context.output.check().map_err(Failure::Output)?;
        let lacks = |error: &Error| match error {
            Error::NoPath { path: missing, .. } if sides.other.is_some() && missing == path => before,
            _ => after,
        };
        found.summary.add(&outcome.map_err(|error| scope::name_snapshot(lacks(&error))(error))?);
    }
    Ok(Compared { found, paths: sides.paths.clone(), live: None })
}

fn print_summary(context: &Context, args: &DiffArgs, sides: &Sides, compared: &Compared, told: &Told) {
    let found = &compared.found;
    if let Some(file) = &args.page.html {
        if place::is_stdout(file) {
            return;
        }
        context.output.note(&format!("{} written", file.display()));
    }
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
        "problems": found.problems.len() + told.problems,
        "html": args.page.html.as_ref().map(|file| file.to_string_lossy()),
        "paths_shown": args.page.html.as_ref().map(|_| told.shown),
    });
    if let Some(live) = &compared.live {
        let stored = |path: &Vec<u8>| js::path(&[b"/", &path[..]].concat());
        summary["read"] = text::rfc3339(live.read).into();
        summary["streams"] = found.streams.iter().map(stored).collect();
        summary["unread"] = js::problems(&found.problems);
    }
    context.output.summary(summary);
}
