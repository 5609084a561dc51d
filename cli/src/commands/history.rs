// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast history`: which snapshots changed a file or folder, and how.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use keepfast_engine::catalog::{self, Version};
use keepfast_engine::compare::Mask;
use keepfast_engine::compare::text::TextDiff;
use keepfast_engine::events::Events;
use keepfast_engine::format::tree::entry::FileType;
use keepfast_engine::history::Snapshot;
use keepfast_engine::index::IndexError;
use keepfast_engine::reader::Reader;
use keepfast_engine::select::trim;
use keepfast_engine::text::{self as content, Text};
use keepfast_engine::versions::{Change, Which, versions};
use keepfast_engine::{Error, Result};
use serde_json::{Value, json};

use crate::args::HistoryArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::catalog::{Asked, in_no_snapshot};
use crate::options::{reveal, scope};
use crate::progress::Progress;
use crate::render::table::{Side, Table};
use crate::render::{content as shown, json as js, text, version};

/// Largest text of which differences are shown, in bytes; as for `blame`.
const MAX_TEXT_BYTES: u64 = 16 << 20;

/// Shows the history.
pub fn run(context: &Context, args: &HistoryArgs) -> Result<Done, Failure> {
    let asked = Asked::open(context)?;
    let chosen = scope::several(&asked.snapshots, &[], &args.scope)?;
    let path = trim(args.inside.as_os_str().as_bytes());
    let which = if args.all { Which::All } else { Which::Changing };
    let (changes, done) = asked.ask(context, |catalog| versions(catalog, &chosen, path, which))?;
    if changes.is_empty() {
        return Err(in_no_snapshot(path, chosen.len()));
    }
    if args.patch {
        with_patches(context, &asked, &chosen, path, &changes, &reveal::mask(&asked.repository.reader(), args.reveal))?;
    } else {
        print(context, &chosen, &changes);
    }
    context.output.note(&format!(
        "{} of {}",
        text::counted(changes.len() as u64, "entry"),
        text::counted(chosen.len() as u64, "snapshot")
    ));
    let mut summary = json!({ "snapshots": chosen.len(), "changes": changes.len() });
    js::put_path(&mut summary, "path", &[b"/", path].concat());
    context.output.summary(summary);
    Ok(done)
}

fn print(context: &Context, chosen: &[&Snapshot], changes: &[Change]) {
    let out = &context.output;
    if out.is_json() {
        changes.iter().for_each(|change| out.object(to_json(chosen[change.snapshot], change)));
        return;
    }
    let mut table = Table::new(&[
        ("id", Side::Left),
        ("time", Side::Left),
        ("host", Side::Left),
        ("size", Side::Right),
        ("change", Side::Left),
    ]);
    changes.iter().for_each(|change| table.row(row(chosen[change.snapshot], change)));
    table.lines(out.columns()).iter().for_each(|line| out.line(line));
}

fn row(snapshot: &Snapshot, change: &Change) -> Vec<String> {
    let file = change.after.as_ref().filter(|version| version.file_type == FileType::File);
    vec![
        text::short(snapshot.id),
        text::time(snapshot.manifest.started),
        text::plain(&snapshot.manifest.host),
        file.map_or_else(String::new, |version| text::size(version.size)),
        version::what(change),
    ]
}

fn to_json(snapshot: &Snapshot, change: &Change) -> Value {
    json!({
        "snapshot": snapshot.id.to_string(),
        "short_id": text::short(snapshot.id),
        "started": text::rfc3339(snapshot.manifest.started),
        "host": snapshot.manifest.host,
        "change": version::word(change),
        "what": version::what(change),
        "before": change.before.as_ref().map(version::to_json),
        "after": change.after.as_ref().map(version::to_json),
        "below": version::below_to_json(&change.below),
    })
}

/// Each change with what changed in the text.
fn with_patches(
    context: &Context,
    asked: &Asked,
    chosen: &[&Snapshot],
    path: &[u8],
    changes: &[Change],
    mask: &Mask,
) -> Result<(), Failure> {
    let progress = Progress::start(context);
    let reader = asked.repository.reader();
    // By host: where what stands before a change can be read.
    let mut earlier: HashMap<&str, usize> = HashMap::new();
    for change in changes {
        let snapshot = chosen[change.snapshot];
        let host = snapshot.manifest.host.as_str();
        let before = change.before.as_ref().zip(earlier.get(host).map(|number| chosen[*number]));
        let after = change.after.as_ref().map(|version| (version, snapshot));
        let patch = patch(&reader, path, before, after, mask, &progress);
        if let Err(Error::Index(IndexError::Damaged { .. })) = &patch {
            catalog::distrust(&asked.repository);
        }
        let patch = patch?;
        if context.output.is_json() {
            let mut object = to_json(snapshot, change);
            object["patch"] = patch.map(|patch| shown::text(&patch)).into();
            context.output.object(object);
        } else {
            context.output.line(row(snapshot, change).join("  ").trim_end());
            shown::lines(&patch.unwrap_or_default()).for_each(|line| context.output.line(&format!("    {line}")));
        }
        context.output.check().map_err(Failure::Output)?;
        earlier.insert(host, change.snapshot);
    }
    Ok(())
}

/// The difference of two contents; `None` where there is none to show: no file, or the same content.
fn patch(
    reader: &Arc<Reader>,
    path: &[u8],
    before: Option<(&Version, &Snapshot)>,
    after: Option<(&Version, &Snapshot)>,
    mask: &Mask,
    events: &dyn Events,
) -> Result<Option<Vec<u8>>> {
    let is_file = |side: &(&Version, &Snapshot)| side.0.file_type == FileType::File;
    let (before, after) = (before.filter(is_file), after.filter(is_file));
    let id = |side: Option<(&Version, &Snapshot)>| side.map(|(version, _)| (version.size, version.content.clone()));
    if id(before) == id(after) {
        return Ok(None);
    }
    let read = |side: Option<(&Version, &Snapshot)>| match side {
        None => Ok(Text::Lines(Vec::new())),
        Some((version, snapshot)) => content::of_version(reader, snapshot, path, version, MAX_TEXT_BYTES, events),
    };
    Ok(Some(match (read(before)?, read(after)?) {
        (Text::Lines(before), Text::Lines(after)) => unified(&mask.text(&before), &mask.text(&after)),
        (Text::Binary, _) | (_, Text::Binary) => b"(binary)\n".to_vec(),
        _ => format!("(more than {MAX_TEXT_BYTES} bytes)\n").into_bytes(),
    }))
}

/// Lines around a change that stay to show where it is; what `diff -u` does.
const CONTEXT_LINES: usize = 3;

/// Both are far shorter than what can be compared.
fn unified(before: &[u8], after: &[u8]) -> Vec<u8> {
    let mut patch = Vec::new();
    if let Ok(diff) = TextDiff::new(before, after) {
        diff.patch(CONTEXT_LINES, |line| patch.extend(line.bytes()));
    }
    patch
}
