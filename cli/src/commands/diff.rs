// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast diff`: what differs between two snapshots.

use std::os::unix::ffi::OsStrExt;

use keepfast_engine::diff::{Difference, diff};
use keepfast_engine::format::tree::entry::{Entry, FileType};
use keepfast_engine::history::Snapshot;
use keepfast_engine::select::trim;
use keepfast_engine::tree::Root;
use serde_json::json;

use crate::args::DiffArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{repository, scope};
use crate::progress::Progress;
use crate::render::{json as js, text};

/// Compares.
pub fn run(context: &Context, args: &DiffArgs) -> Result<Done, Failure> {
    let repository = repository::open(&context.global)?;
    let (snapshots, _) = repository.history()?.snapshots(&repository)?;
    let (before, old_path) = scope::one(&snapshots, &args.before, &args.scope)?;
    let (after, new_path) = scope::one(&snapshots, &args.after, &args.scope)?;
    let path = path(args, old_path, new_path)?;
    let root = |snapshot: &Snapshot| Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
    let progress = Progress::start(context);
    let mut show = |difference: Difference, old: Option<&Entry>, new: Option<&Entry>| {
        if difference != Difference::Metadata || args.metadata {
            print(context, difference, old, new);
        }
    };
    let outcome = diff(&repository.reader(), root(before), root(after), &path, &progress, &mut show);
    drop(progress);
    context.output.check().map_err(Failure::Output)?;
    let summary = outcome.map_err(scope::name_snapshot(after))?;
    let [added, removed, modified, type_changed, metadata] = summary.paths;
    let count = text::count;
    context.output.note(&format!(
        "{} added, {} removed, {} modified, {} of another type, {} with other metadata only",
        count(added),
        count(removed),
        count(modified),
        count(type_changed),
        count(metadata),
    ));
    let (plus, minus) = (text::size(summary.added_bytes), text::size(summary.removed_bytes));
    context.output.note(&format!("content + {plus}, - {minus}"));
    context.output.summary(json!({
        "before": before.id.to_string(),
        "after": after.id.to_string(),
        "added": added,
        "removed": removed,
        "modified": modified,
        "type_changed": type_changed,
        "metadata": metadata,
        "bytes_added": summary.added_bytes,
        "bytes_removed": summary.removed_bytes,
    }));
    Ok(Done::Complete)
}

/// The one path to compare: of its own, or behind both snapshots alike.
fn path(args: &DiffArgs, before: &[u8], after: &[u8]) -> Result<Vec<u8>, Failure> {
    if before != after {
        return Err(Failure::Usage("both snapshots must be given with the same path".to_string()));
    }
    match &args.inside {
        Some(_) if !before.is_empty() => Err(Failure::Usage("the path was given twice".to_string())),
        Some(path) => Ok(trim(path.as_os_str().as_bytes()).to_vec()),
        None => Ok(before.to_vec()),
    }
}

fn print(context: &Context, difference: Difference, old: Option<&Entry>, new: Option<&Entry>) {
    let sign = match difference {
        Difference::Added => "+",
        Difference::Removed => "-",
        Difference::Modified => "M",
        Difference::TypeChanged => "T",
        Difference::Metadata => "U",
    };
    let Some(entry) = new.or(old) else { return };
    let path = entry.path();
    if !context.output.is_json() {
        let slash = if entry.metadata.file_type == FileType::Directory { "/" } else { "" };
        context.output.line(&format!("{sign}    {}{slash}", text::stored_path(&path)));
        return;
    }
    let size = |entry: Option<&Entry>| entry.map(|entry| entry.metadata.size);
    let mut object = json!({ "change": sign, "size_before": size(old), "size_after": size(new) });
    js::put_path(&mut object, "path", &[b"/", &path[..]].concat());
    context.output.object(object);
}
