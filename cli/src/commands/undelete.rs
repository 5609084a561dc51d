// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast undelete`: what was forgotten comes back, as long as prune has not deleted it.

use keepfast_engine::Error;
use keepfast_engine::format::id::SnapshotId;
use keepfast_engine::history::Snapshot;
use keepfast_engine::undelete::{Forgotten, Mode, forgotten, undelete};
use serde_json::json;

use crate::args::UndeleteArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{machine, repository, scope};
use crate::progress::Progress;
use crate::render::snapshot::to_json;
use crate::render::table::{Side, Table};
use crate::render::text;

/// Lists, or brings back.
pub fn run(context: &Context, args: &UndeleteArgs) -> Result<Done, Failure> {
    let repository = repository::open(&context.global)?;
    let found = forgotten(&repository)?;
    if args.list || args.snapshots.is_empty() {
        return list(context, args, &found);
    }
    let scope_of = |selector: &String| scope::several(&found.snapshots, std::slice::from_ref(selector), &args.scope);
    let mut ids: Vec<SnapshotId> = Vec::new();
    for selector in &args.snapshots {
        let id = match scope_of(selector) {
            Ok(snapshots) => snapshots[0].id,
            Err(failure) => gone(&found, selector).ok_or_else(|| not_forgotten(failure))?,
        };
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let mode = if args.dry_run { Mode::DryRun } else { Mode::Write };
    undelete(&repository, &machine::client(None), &ids, mode, &Progress::start(context))?;
    let would = if args.dry_run { "could come" } else { "came" };
    for id in &ids {
        context.output.object(json!({ "id": id.to_string() }));
        context.output.note(&text::short(id));
    }
    context.output.note(&format!("{} {would} back", text::counted(ids.len() as u64, "snapshot")));
    context.output.summary(json!({ "undeleted": ids.len(), "dry_run": args.dry_run }));
    Ok(Done::Complete)
}

/// A snapshot that does not come back, by the beginning of its id: the engine says why.
fn gone(found: &Forgotten, selector: &str) -> Option<SnapshotId> {
    const MIN_DIGITS: usize = 4;
    let fits = |id: &&SnapshotId| selector.len() >= MIN_DIGITS && id.to_string().starts_with(selector);
    found.gone.iter().find(fits).copied()
}

fn not_forgotten(failure: Failure) -> Failure {
    match failure {
        Failure::Engine(Error::NoSnapshot { selector } | Error::NoSnapshots { selector }) => Failure::Other {
            message: format!("no forgotten snapshot fits {selector:?}"),
            hint: "`keepfast undelete --list` lists what can come back, `keepfast snapshots` what is there".to_string(),
        },
        other => other,
    }
}

fn list(context: &Context, args: &UndeleteArgs, found: &Forgotten) -> Result<Done, Failure> {
    let out = &context.output;
    let chosen = scope::several(&found.snapshots, &[], &args.scope)?;
    let mut table = Table::new(&[
        ("id", Side::Left),
        ("time", Side::Left),
        ("host", Side::Left),
        ("tags", Side::Left),
        ("paths", Side::Left),
    ]);
    for snapshot in &chosen {
        out.object(to_json(snapshot));
        table.row(row(snapshot));
    }
    if !chosen.is_empty() && !out.is_json() {
        table.lines(out.columns()).iter().for_each(|line| out.line(line));
    }
    out.note(&format!("{} can come back", text::counted(chosen.len() as u64, "forgotten snapshot")));
    if !found.gone.is_empty() {
        out.note(&format!("{} more can not: prune has deleted them", text::count(found.gone.len() as u64)));
    }
    out.summary(json!({ "forgotten": chosen.len(), "gone": found.gone.len() }));
    Ok(Done::Complete)
}

fn row(snapshot: &Snapshot) -> Vec<String> {
    let manifest = &snapshot.manifest;
    let tags: Vec<String> = snapshot.tags.iter().map(|tag| text::plain(tag)).collect();
    let paths: Vec<String> = manifest.paths.iter().map(|path| text::path(path)).collect();
    vec![
        text::short(snapshot.id),
        text::time(manifest.started),
        text::plain(&manifest.host),
        tags.join("\n"),
        paths.join("\n"),
    ]
}
