// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast tag`: other tags for snapshots.

use keepfast_engine::format::id::SnapshotId;
use keepfast_engine::tag::{TagEdit, tag};
use serde_json::json;

use crate::args::TagArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{machine, repository, scope};
use crate::render::text;

/// Changes tags.
pub fn run(context: &Context, args: &TagArgs) -> Result<Done, Failure> {
    let edit = edit(args);
    let repository = repository::open(&context.global)?;
    let snapshots = scope::visible(context, &repository, &args.snapshots)?;
    let chosen = scope::several(&snapshots, &args.snapshots, &args.scope)?;
    let changed: Vec<(SnapshotId, Vec<String>)> = if args.dry_run {
        let all = chosen.iter().map(|snapshot| (snapshot.id, &snapshot.tags, edit.apply(&snapshot.tags)));
        all.filter(|(_, old, new)| *old != new).map(|(id, _, new)| (id, new)).collect()
    } else {
        let ids: Vec<SnapshotId> = chosen.iter().map(|snapshot| snapshot.id).collect();
        tag(&repository, &machine::client(None), &ids, &edit)?
    };
    let out = &context.output;
    for (id, tags) in &changed {
        let shown = if tags.is_empty() { "no tags".to_string() } else { text::plain(&tags.join(", ")) };
        out.note(&format!("{}  {shown}", text::short(id)));
        out.object(json!({ "id": id.to_string(), "tags": tags }));
    }
    let word = if args.dry_run { "would be changed" } else { "changed" };
    out.note(&format!("{} {word}", text::counted(changed.len() as u64, "snapshot")));
    out.summary(json!({ "changed": changed.len(), "dry_run": args.dry_run }));
    Ok(Done::Complete)
}

fn edit(args: &TagArgs) -> TagEdit {
    let named = |tags: &[String]| tags.iter().filter(|tag| !tag.is_empty()).cloned().collect::<Vec<_>>();
    let set = if args.set.is_empty() { None } else { Some(named(&args.set)) };
    TagEdit { set, remove: named(&args.remove), add: named(&args.add) }
}
