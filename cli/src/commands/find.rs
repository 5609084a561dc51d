// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast find`: paths in all snapshots by name, size, time, type or content.

use jiff::tz::TimeZone;
use keepfast_engine::Error;
use keepfast_engine::events::Events;
use keepfast_engine::find::{Case, Each, Hit, Query, find};
use keepfast_engine::format::tree::entry::{FileType, Timestamp};
use keepfast_engine::history::Snapshot;
use serde_json::json;

use crate::args::{FindArgs, TypeArg};
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::catalog::Asked;
use crate::options::{scope, size, time};
use crate::render::{json as js, text, version};

/// Fewest digits of a content id: fewer would fit by accident.
const MIN_CONTENT_DIGITS: usize = 8;

/// Finds.
pub fn run(context: &Context, args: &FindArgs) -> Result<Done, Failure> {
    let query = query(args)?;
    let asked = Asked::open(context)?;
    let chosen = scope::several(&asked.snapshots, &args.snapshots, &args.scope)?;
    let mut chosen: Vec<&Snapshot> = chosen;
    chosen.sort_by_key(|snapshot| (snapshot.manifest.started, snapshot.manifest.sequence));
    let unit = if args.all { Each::Version } else { Each::Path };
    let hosts = host_columns(&chosen);
    let mut found = 0_u64;
    let (outcome, done) = asked.ask(context, |catalog| {
        let told = |hit: Hit| {
            print(context, &chosen, hosts, &hit);
            found += 1;
            context.output.check().map_err(Error::Output)
        };
        // What was told can not be told again: a question that fails after that has failed.
        let outcome = find(catalog, &chosen, &query, unit, &Cancelled(context), told);
        if found > 0 { Ok(outcome) } else { outcome.map(Ok) }
    })?;
    outcome?;
    context.output.note(&format!(
        "{} in {}",
        text::counted(found, if args.all { "version" } else { "path" }),
        text::counted(chosen.len() as u64, "snapshot")
    ));
    context.output.summary(json!({ "found": found, "snapshots": chosen.len() }));
    Ok(done)
}

/// Whether the user asked to stop; a bar would stand in the midst of what is found.
struct Cancelled<'a>(&'a Context);

impl Events for Cancelled<'_> {
    fn cancelled(&self) -> bool {
        self.0.signals.cancelled()
    }
}

fn query(args: &FindArgs) -> Result<Query, Failure> {
    let case = if args.ignore_case { Case::Ignored } else { Case::Differs };
    let mut query = Query::of(&args.patterns, case).map_err(|error| Failure::Usage(error.to_string()))?;
    for text in &args.size {
        match (text.strip_prefix('+'), text.strip_prefix('-')) {
            (Some(bytes), _) => query.larger = Some(size::parse(bytes)?),
            (_, Some(bytes)) => query.smaller = Some(size::parse(bytes)?),
            _ => {
                let bytes = size::parse(text)?;
                (query.larger, query.smaller) = (bytes.checked_sub(1), bytes.checked_add(1));
            }
        }
    }
    let instant = |text: &String| time::parse_from(text, &TimeZone::system()).map(stored);
    query.newer = args.newer.as_ref().map(instant).transpose()?;
    query.older = args.older.as_ref().map(instant).transpose()?;
    query.types = args.types.iter().map(|letter| file_type(*letter)).collect();
    query.content = args.content.as_ref().map(|text| content_id(text)).transpose()?;
    Ok(query)
}

fn stored(nanoseconds: i64) -> Timestamp {
    const SECOND: i64 = 1_000_000_000;
    Timestamp { seconds: nanoseconds.div_euclid(SECOND), nanos: nanoseconds.rem_euclid(SECOND) as u32 }
}

fn file_type(letter: TypeArg) -> FileType {
    match letter {
        TypeArg::File => FileType::File,
        TypeArg::Folder => FileType::Directory,
        TypeArg::Symlink => FileType::Symlink,
        TypeArg::Fifo => FileType::Fifo,
        TypeArg::Socket => FileType::Socket,
        TypeArg::CharDevice => FileType::CharDevice,
        TypeArg::BlockDevice => FileType::BlockDevice,
    }
}

fn content_id(text: &str) -> Result<String, Failure> {
    let is_id = (MIN_CONTENT_DIGITS..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_id {
        return Err(Failure::Usage(format!(
            "{text:?} is no content id: {MIN_CONTENT_DIGITS} to 64 hex digits, as `keepfast show` prints them"
        )));
    }
    Ok(text.to_ascii_lowercase())
}

/// Columns of the longest name if there are several hosts; one alone is not told in each line.
fn host_columns(chosen: &[&Snapshot]) -> Option<usize> {
    let (first, others) = chosen.split_first()?;
    let is_alone = others.iter().all(|other| other.manifest.host == first.manifest.host);
    let columns = chosen.iter().map(|snapshot| text::width(&text::plain(&snapshot.manifest.host)));
    columns.max().filter(|_| !is_alone)
}

fn print(context: &Context, chosen: &[&Snapshot], hosts: Option<usize>, hit: &Hit) {
    let (first, last) = (chosen[hit.first], chosen[hit.last]);
    if context.output.is_json() {
        let mut object = version::to_json(&hit.version);
        js::put_path(&mut object, "path", &[b"/", &hit.path[..]].concat());
        object["host"] = last.manifest.host.as_str().into();
        object["first"] = first.id.to_string().into();
        object["last"] = last.id.to_string().into();
        object["snapshots"] = hit.snapshots.into();
        object["versions"] = hit.versions.into();
        context.output.object(object);
        return;
    }
    let is_file = hit.version.file_type == FileType::File;
    let slash = if hit.version.file_type == FileType::Directory && !hit.path.is_empty() { "/" } else { "" };
    let host = hosts.map(|columns| format!("{}  ", text::padded(&text::plain(&last.manifest.host), columns)));
    context.output.line(&format!(
        "{:>9}  {}  {}..{} {:>5}  {}{}{slash}",
        if is_file { text::size(hit.version.size) } else { String::new() },
        text::time_of_seconds(hit.version.modified.seconds),
        text::short(first.id),
        text::short(last.id),
        text::count(hit.snapshots),
        host.unwrap_or_default(),
        text::stored_path(&hit.path),
    ));
}
