// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast diff`: what differs between two snapshots, or between two paths; with `--patch` what changed inside files, with `--html` as a page.

mod inside;
mod listing;
mod page;
mod patch;
mod paths;
mod sides;

use keepfast_engine::diff::{Difference, Summary, diff};
use keepfast_engine::format::tree::entry::Entry;
use keepfast_engine::history::Snapshot;
use keepfast_engine::tree::Root;
use serde_json::json;

use self::inside::Contents;
use self::listing::Listing;
use self::page::{Page, Told};
use self::patch::Patch;
use self::sides::Sides;
use crate::args::DiffArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{page as place, repository, scope};
use crate::progress::Progress;
use crate::render::text;

/// Compares.
pub fn run(context: &Context, args: &DiffArgs) -> Result<Done, Failure> {
    place::check(context, &args.page)?;
    let repository = repository::open(&context.global)?;
    let (snapshots, _) = repository.history()?.snapshots(&repository)?;
    let sides = sides::find(&snapshots, args)?;
    let Sides { before, after, paths } = &sides;
    let root = |snapshot: &Snapshot| Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
    let (reader, progress) = (repository.reader(), Progress::start(context));
    let (mut listing, mut total) = (Listing::new(context, args), Summary::default());
    for path in paths {
        let mut take = |difference: Difference, old: Option<&Entry>, new: Option<&Entry>| {
            if difference != Difference::Metadata || args.metadata {
                listing.take(difference, old, new);
            }
        };
        let outcome = diff(&reader, root(before), root(after), path, &progress, &mut take);
        context.output.check().map_err(Failure::Output)?;
        total.add(&outcome.map_err(scope::name_snapshot(after))?);
    }
    drop(progress);
    let (rows, left_out) = listing.finish();
    let contents = Contents::new(args, &reader);
    let told = if let Some(file) = &args.page.html {
        let id = repository.id().to_string();
        let page = Page { context, args, repository: id, sides: &sides, total: &total, left_out };
        place::write(file, &args.page, |out| page.write(out, rows, &contents))?
    } else {
        let problems = if args.patch { Patch::new(context, args).print(&rows, &contents)? } else { 0 };
        Told { problems, shown: rows.len() }
    };
    context.output.check().map_err(Failure::Output)?;
    print_summary(context, args, (before, after), &total, &told);
    let is_different = total.paths[..4].iter().sum::<u64>() + if args.metadata { total.paths[4] } else { 0 } > 0;
    Ok(match told.problems {
        0 if args.exit_code && is_different => Done::Differs,
        count => Done::from_problems(count),
    })
}

fn print_summary(
    context: &Context,
    args: &DiffArgs,
    (before, after): (&Snapshot, &Snapshot),
    total: &Summary,
    told: &Told,
) {
    if let Some(file) = &args.page.html {
        if place::is_stdout(file) {
            return;
        }
        context.output.note(&format!("{} written", file.display()));
    }
    let [added, removed, modified, type_changed, metadata] = total.paths;
    let count = text::count;
    context.output.note(&format!(
        "{} added, {} removed, {} modified, {} of another type, {} with other metadata only",
        count(added),
        count(removed),
        count(modified),
        count(type_changed),
        count(metadata),
    ));
    let (plus, minus) = (text::size(total.added_bytes), text::size(total.removed_bytes));
    context.output.note(&format!("content + {plus}, - {minus}"));
    context.output.summary(json!({
        "before": before.id.to_string(),
        "after": after.id.to_string(),
        "added": added,
        "removed": removed,
        "modified": modified,
        "type_changed": type_changed,
        "metadata": metadata,
        "bytes_added": total.added_bytes,
        "bytes_removed": total.removed_bytes,
        "problems": told.problems,
        "html": args.page.html.as_ref().map(|file| file.to_string_lossy()),
        "paths_shown": args.page.html.as_ref().map(|_| told.shown),
    }));
}
