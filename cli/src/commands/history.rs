// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast history`: which snapshots changed a file or folder, and how; with `--html` as a page.

mod page;
mod patch;

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;

use keepfast_engine::catalog::Version;
use keepfast_engine::format::tree::entry::FileType;
use keepfast_engine::history::Snapshot;
use keepfast_engine::select::trim;
use keepfast_engine::versions::{Change, Which, versions};
use serde_json::{Value, json};

use self::page::Page;
use self::patch::with_patches;

use crate::args::HistoryArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::catalog::{Asked, in_no_snapshot};
use crate::options::{page as place, reveal, scope};
use crate::render::table::{Side, Table};
use crate::render::{json as js, text, version};

/// Shows the history.
pub fn run(context: &Context, args: &HistoryArgs) -> Result<Done, Failure> {
    place::check(context, &args.page)?;
    let asked = Asked::open(context)?;
    let chosen = scope::several(&asked.snapshots, &[], &args.scope)?;
    let path = trim(args.inside.as_os_str().as_bytes());
    let which = if args.all { Which::All } else { Which::Changing };
    let (changes, done) = asked.ask(context, |catalog| versions(catalog, &chosen, path, which))?;
    if changes.is_empty() {
        return Err(in_no_snapshot(path, chosen.len()));
    }
    let mask = reveal::mask(&asked.repository.reader(), args.reveal);
    let mut problems = 0;
    if let Some(file) = &args.page.html {
        let page = Page { context, args, asked: &asked, chosen: &chosen, path, mask: &mask };
        problems = place::write(file, &args.page, |out| page.write(out, &changes))?;
    } else if args.patch {
        problems = with_patches(context, &asked, &chosen, path, &changes, &mask)?;
    } else {
        print(context, &chosen, &changes);
    }
    print_summary(context, args, path, (changes.len(), chosen.len()), problems);
    Ok(if problems == 0 { done } else { Done::Incomplete })
}

fn print_summary(
    context: &Context,
    args: &HistoryArgs,
    path: &[u8],
    (changes, snapshots): (usize, usize),
    problems: usize,
) {
    if let Some(file) = &args.page.html {
        if place::is_stdout(file) {
            return;
        }
        context.output.note(&format!("{} written", file.display()));
    }
    let (entries, of) = (text::counted(changes as u64, "entry"), text::counted(snapshots as u64, "snapshot"));
    context.output.note(&format!("{entries} of {of}"));
    let html = args.page.html.as_ref().map(|file| file.to_string_lossy());
    let mut summary = json!({ "snapshots": snapshots, "changes": changes, "problems": problems, "html": html });
    js::put_path(&mut summary, "path", &[b"/", path].concat());
    context.output.summary(summary);
}

/// A change with the snapshots in which both contents can be read.
struct Placed<'a> {
    change: &'a Change,
    snapshot: &'a Snapshot,
    before: Option<(&'a Version, &'a Snapshot)>,
    after: Option<(&'a Version, &'a Snapshot)>,
}

impl Placed<'_> {
    /// Both contents where they differ: what is no file has none.
    fn contents(&self) -> Option<[Option<(&Version, &Snapshot)>; 2]> {
        let is_file = |side: &(&Version, &Snapshot)| side.0.file_type == FileType::File;
        let (before, after) = (self.before.filter(is_file), self.after.filter(is_file));
        let id = |side: Option<(&Version, &Snapshot)>| side.map(|(version, _)| (version.size, version.content.clone()));
        (id(before) != id(after)).then_some([before, after])
    }
}

fn placed<'a>(chosen: &[&'a Snapshot], changes: &'a [Change]) -> impl Iterator<Item = Placed<'a>> {
    // By host: where what stands before a change can be read.
    let mut earlier: HashMap<&str, &Snapshot> = HashMap::new();
    changes.iter().map(move |change| {
        let snapshot = chosen[change.snapshot];
        let before = change.before.as_ref().zip(earlier.insert(&snapshot.manifest.host, snapshot));
        let after = change.after.as_ref().map(|version| (version, snapshot));
        Placed { change, snapshot, before, after }
    })
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
    changes.iter().for_each(|change| table.row(row(chosen[change.snapshot], change).to_vec()));
    table.lines(out.columns()).iter().for_each(|line| out.line(line));
}

fn row(snapshot: &Snapshot, change: &Change) -> [String; 5] {
    let file = change.after.as_ref().filter(|version| version.file_type == FileType::File);
    [
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
