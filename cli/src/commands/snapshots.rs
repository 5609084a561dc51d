// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast snapshots`: what there is, oldest first.

use std::collections::HashMap;

use keepfast_engine::format::manifest::Completeness;
use keepfast_engine::history::Snapshot;
use serde_json::json;

use crate::args::SnapshotsArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{repository, scope};
use crate::render::snapshot::to_json;
use crate::render::table::{Side, Table};
use crate::render::text;

/// Lists snapshots.
pub fn run(context: &Context, args: &SnapshotsArgs) -> Result<Done, Failure> {
    let repository = repository::open(&context.global)?;
    let history = repository.history()?;
    let (snapshots, damaged) = history.snapshots(&repository)?;
    let mut chosen = scope::several(&snapshots, &args.snapshots, &args.scope)?;
    if let Some(latest) = args.latest {
        keep_latest(&mut chosen, latest);
    }
    print(context, &chosen);
    scope::warn_of_hidden(context, &repository, &history, &damaged)?;
    context.output.summary(json!({ "snapshots": chosen.len(), "damaged": damaged.len() }));
    Ok(Done::Complete)
}

/// Keeps the last `latest` of each host and set of paths.
fn keep_latest(snapshots: &mut Vec<&Snapshot>, latest: usize) {
    let mut seen: HashMap<(&str, &[Vec<u8>]), usize> = HashMap::new();
    let mut keeps: Vec<bool> = Vec::with_capacity(snapshots.len());
    for snapshot in snapshots.iter().rev() {
        let count = seen.entry((&snapshot.manifest.host, &snapshot.manifest.paths)).or_default();
        *count += 1;
        keeps.push(*count <= latest);
    }
    let mut keeps = keeps.into_iter().rev();
    snapshots.retain(|_| keeps.next().unwrap_or(false));
}

fn print(context: &Context, snapshots: &[&Snapshot]) {
    let out = &context.output;
    for snapshot in snapshots {
        out.object(to_json(snapshot));
    }
    let mut table = Table::new(&[
        ("id", Side::Left),
        ("time", Side::Left),
        ("host", Side::Left),
        ("tags", Side::Left),
        ("paths", Side::Left),
        ("size", Side::Right),
    ]);
    for snapshot in snapshots {
        table.row(row(snapshot));
    }
    if !snapshots.is_empty() && !out.is_json() {
        table.lines(out.columns()).iter().for_each(|line| out.line(line));
    }
    out.note(&text::counted(snapshots.len() as u64, "snapshot"));
}

fn row(snapshot: &Snapshot) -> Vec<String> {
    let manifest = &snapshot.manifest;
    let paths: Vec<String> = manifest.paths.iter().map(|path| text::path(path)).collect();
    let tags: Vec<String> = snapshot.tags.iter().map(|tag| text::plain(tag)).collect();
    let mark = if manifest.completeness == Completeness::Complete { "" } else { "\nincomplete" };
    vec![
        text::short(snapshot.id),
        text::time(manifest.started),
        text::plain(&manifest.host),
        tags.join("\n"),
        paths.join("\n") + mark,
        text::size(manifest.totals.bytes),
    ]
}
