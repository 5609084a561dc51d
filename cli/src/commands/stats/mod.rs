// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast stats`: how big snapshots and repository are, and what saved bytes.

mod savings;

use keepfast_engine::history::Snapshot;
use keepfast_engine::repository::Repository;
use keepfast_engine::stats::{Stats, stats};
use serde_json::json;

use crate::args::StatsArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{repository, scope};
use crate::progress::Progress;
use crate::render::text;

/// Counts.
pub fn run(context: &Context, args: &StatsArgs) -> Result<Done, Failure> {
    let repository = repository::open(&context.global)?;
    let history = repository.history()?;
    let (snapshots, damaged) = history.snapshots(&repository)?;
    let chosen = scope::several(&snapshots, &args.snapshots, &args.scope)?;
    let done = if args.savings {
        savings::run(context, args, &repository, &chosen)?
    } else {
        sizes(context, &repository, &chosen)?
    };
    scope::warn_of_hidden(context, &repository, &history, &damaged)?;
    Ok(done)
}

fn sizes(context: &Context, repository: &Repository, chosen: &[&Snapshot]) -> Result<Done, Failure> {
    let progress = Progress::start(context);
    let outcome = stats(repository, chosen, &progress);
    drop(progress);
    print(context, &outcome?);
    Ok(Done::Complete)
}

fn print(context: &Context, stats: &Stats) {
    let out = &context.output;
    let row = |name: &str, value: String| out.line(&format!("{name:21}{value}"));
    row("snapshots", text::count(stats.snapshots));
    row("files", format!("{}, others {}", text::count(stats.files), text::count(stats.other_entries)));
    row("restored size", format!("{} in all snapshots together", text::size(stats.restore_bytes)));
    row(
        "different content",
        format!("{} in {}", text::size(stats.unique_bytes), text::counted(stats.unique_chunks, "chunk")),
    );
    row("packs", format!("{} of all snapshots", text::size(stats.pack_bytes)));
    row("repository", format!("{} in {}", text::size(stats.repository_bytes), text::counted(stats.objects, "object")));
    if stats.pack_bytes > 0 {
        row("restored : packs", format!("{:.1}", stats.restore_bytes as f64 / stats.pack_bytes as f64));
    }
    out.summary(json!({
        "snapshots": stats.snapshots,
        "files": stats.files,
        "other_entries": stats.other_entries,
        "bytes_restored": stats.restore_bytes,
        "chunks_unique": stats.unique_chunks,
        "bytes_unique": stats.unique_bytes,
        "bytes_packs": stats.pack_bytes,
        "bytes_repository": stats.repository_bytes,
        "objects": stats.objects,
    }));
}
