// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast show`: what a snapshot says of a path, and its text if it is one.

use keepfast_engine::catalog::Version;
use keepfast_engine::events::Silent;
use keepfast_engine::format::tree::entry::{Entry, FileType, Marks, Timestamp};
use keepfast_engine::history::Snapshot;
use keepfast_engine::redact;
use keepfast_engine::text::{self as content, Text};
use keepfast_engine::tree::{Root, find};
use keepfast_engine::versions::{Presence, presence};
use keepfast_engine::{Error, Result};
use serde_json::{Value, json};

use crate::args::ShowArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::catalog::Asked;
use crate::options::{reveal, scope};
use crate::render::{content as shown, entry, json as js, text, version};

/// Largest text that is shown, in bytes: more than anybody reads on a terminal; `dump` writes what is larger.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// Shows.
pub fn run(context: &Context, args: &ShowArgs) -> Result<Done, Failure> {
    let asked = Asked::open(context)?;
    let (snapshot, path) = scope::one(&asked.snapshots, &args.snapshot, &args.scope)?;
    let root = Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
    let reader = asked.repository.reader();
    let missing = || Error::NoPath { path: path.to_vec(), snapshot: text::short(snapshot.id) };
    let found = match find(&reader, root, path)? {
        Some(found) => found,
        None if path.is_empty() => {
            return Err(Failure::Usage("name a path in the snapshot: SNAPSHOT:PATH".to_string()));
        }
        None => return Err(missing().into()),
    };
    let all: Vec<&Snapshot> = asked.snapshots.iter().collect();
    let at = all.iter().position(|other| other.id == snapshot.id).unwrap_or_default();
    // In memory the catalog would be learned whole for one line.
    let (elsewhere, done) = if context.global.no_cache {
        (None, Done::Complete)
    } else {
        asked.ask(context, |catalog| presence(catalog, &all, at, path))?
    };
    let text = match found.metadata.file_type {
        FileType::File => Some(content::of_entry(&reader, &found, MAX_TEXT_BYTES, &Silent)?),
        _ => None,
    };
    let mask = reveal::mask(&reader, args.reveal);
    let text = text.map(|text| match text {
        Text::Lines(bytes) => Text::Lines(redact::shown(bytes, &mask)),
        other => other,
    });
    if context.output.is_json() {
        context.output.object(to_json(&found, &all, elsewhere));
    } else {
        attributes(context, &found, snapshot);
        if let Some(elsewhere) = elsewhere {
            context.output.line(&field("versions", &in_words(&all, elsewhere)));
        }
        print(context, text.as_ref());
    }
    let text = text.map(|text| if let Text::Lines(bytes) = text { Some(shown::text(&bytes)) } else { None });
    let mut summary = json!({ "snapshot": snapshot.id.to_string(), "text": text.flatten() });
    js::put_path(&mut summary, "path", &[b"/", path].concat());
    context.output.summary(summary);
    Ok(done)
}

fn field(name: &str, value: &str) -> String {
    format!("{name:9} {value}")
}

fn attributes(context: &Context, found: &Entry, snapshot: &Snapshot) {
    let metadata = &found.metadata;
    let put = |name: &str, value: String| context.output.line(&field(name, &value));
    put("path", text::stored_path(&found.path()));
    let (short, time) = (text::short(snapshot.id), text::time(snapshot.manifest.started));
    put("snapshot", format!("{short}  {time}  {}", text::plain(&snapshot.manifest.host)));
    put("type", entry::type_word(metadata.file_type).replace('_', " "));
    match (metadata.file_type, metadata.device) {
        (FileType::File, _) => put("size", size(metadata.size)),
        (FileType::Symlink, _) => put("target", text::path(&metadata.target)),
        (_, Some((major, minor))) => put("device", format!("{major}, {minor}")),
        _ => {}
    }
    put("mode", format!("{:04o} ({})", metadata.mode, entry::mode(metadata)));
    let owner = &metadata.owner;
    put("owner", format!("{} ({}:{})", version::owner(owner), owner.uid, owner.gid));
    put("modified", time_of(metadata.modified));
    put("changed", time_of(metadata.changed));
    metadata.born.into_iter().for_each(|born| put("born", time_of(born)));
    put("inode", metadata.inode.to_string());
    metadata.link_group.into_iter().for_each(|group| put("links", format!("link group {group}")));
    if metadata.inode_flags != 0 {
        put("flags", format!("{:#x}", metadata.inode_flags));
    }
    let value = |(name, value): &(Vec<u8>, Vec<u8>)| format!("{} ({} bytes)", text::path(name), value.len());
    metadata.xattrs.iter().for_each(|attribute| put("xattr", value(attribute)));
    let marks = [(Marks::TORN, "torn"), (Marks::UNREADABLE, "unreadable"), (Marks::STREAM, "stream")];
    let marks = marks.iter().filter(|(mark, _)| found.marks.has(*mark)).map(|(_, word)| *word);
    marks.for_each(|mark| put("mark", mark.to_string()));
    Version::of(found).content_id().into_iter().for_each(|id| put("content", js::hex(id)));
}

fn size(bytes: u64) -> String {
    let rough = text::size(bytes);
    // Small ones are told in bytes anyway.
    if rough.ends_with(" B") { rough } else { format!("{} ({rough})", text::counted(bytes, "byte")) }
}

fn time_of(time: Timestamp) -> String {
    format!("{}.{:09}", text::time_of_seconds(time.seconds), time.nanos)
}

fn in_words(all: &[&Snapshot], presence: Presence) -> String {
    let name =
        |number: usize| format!("{} ({})", text::short(all[number].id), text::time(all[number].manifest.started));
    format!(
        "{} in {}; this one from {} to {}",
        text::count(presence.versions),
        text::counted(presence.snapshots, "snapshot"),
        name(presence.first),
        name(presence.last)
    )
}

fn print(context: &Context, content: Option<&Text>) {
    match content {
        None => {}
        Some(Text::Lines(bytes)) => {
            context.output.line("");
            shown::lines(bytes).for_each(|line| context.output.line(&line));
        }
        Some(Text::Binary) => context.output.note("(binary: `keepfast dump` writes it)"),
        Some(Text::TooLarge) => context.output.note("(too large to be shown: `keepfast dump` writes it)"),
    }
}

fn to_json(found: &Entry, all: &[&Snapshot], presence: Option<Presence>) -> Value {
    let mut object = entry::to_full_json(found);
    object["content_id"] = Version::of(found).content_id().map(js::hex).into();
    object["presence"] = presence.map_or(Value::Null, |presence| {
        json!({
            "snapshots": presence.snapshots,
            "versions": presence.versions,
            "first": all[presence.first].id.to_string(),
            "last": all[presence.last].id.to_string(),
        })
    });
    object
}
