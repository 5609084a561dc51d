// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table of changed paths in a page: by folder, each with what became of it and its size.

use std::io::{self, Write};

use keepfast_engine::catalog::Version;
use keepfast_engine::format::tree::entry::{Entry, FileType};
use keepfast_engine::versions::{Below, Change};
use maud::{Markup, html};

use super::listing::Row;
use crate::render::inside::Inside;
use crate::render::page::{in_words, shown};
use crate::render::{text, version};

/// By folder, then by name. A folder stands before those in it.
pub fn order(row: &Row) -> (Vec<u8>, Vec<u8>) {
    let path = row.path();
    let (folder, name) = split(&path);
    let folder = folder.iter().map(|byte| if *byte == b'/' { 0 } else { *byte });
    (folder.collect(), name.to_vec())
}

/// The folder, without a slash at its end, and the name in it.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

/// How many rows are renames, and how many copies.
pub fn renamed(rows: &[Row]) -> (u64, u64) {
    let count = |sign: &str| rows.iter().filter(|row| row.sign == sign).count() as u64;
    (count("R"), count("C"))
}

/// Writes the table; `has_place` tells which rows a link leads on from.
///
/// # Errors
/// `out` can not be written.
pub fn write(out: &mut dyn Write, rows: &[Row], has_place: &[bool], with_metadata: bool) -> io::Result<()> {
    if rows.is_empty() {
        let besides = if with_metadata { "." } else { ", not counting other metadata (--metadata shows it)." };
        return out.write_all(html! { p { "No path differs" (besides) } }.0.as_bytes());
    }
    out.write_all(b"<table class=\"paths\"><thead><tr><th scope=\"col\" class=\"kind-cell\">Change</th>")?;
    out.write_all(b"<th scope=\"col\">Path</th><th scope=\"col\" class=\"size\">Size</th></tr></thead>")?;
    let mut at = 0;
    let folder = |row: &Row| split(&row.path()).0.to_vec();
    for group in rows.chunk_by(|one, other| folder(one) == folder(other)) {
        let (name, count) = (folder(&group[0]), text::counted(group.len() as u64, "path"));
        let slash = if name.is_empty() { "" } else { "/" };
        let heading = html! {
            tr.group { th scope="rowgroup" colspan="3" { (shown::path(&[&name, slash.as_bytes()].concat())) " " small { (count) } } }
        };
        write!(out, "<tbody>{}", heading.0)?;
        for row in group {
            out.write_all(one(row, has_place[at].then_some(at)).0.as_bytes())?;
            at += 1;
        }
        out.write_all(b"</tbody>")?;
    }
    out.write_all(b"</table>")
}

fn one(row: &Row, place: Option<usize>) -> Markup {
    let (class, word) = word(row);
    let path = row.path();
    let is_folder =
        row.new.as_ref().or(row.old.as_ref()).is_some_and(|entry| entry.metadata.file_type == FileType::Directory);
    let name = [split(&path).1, if is_folder { b"/" } else { b"" }].concat();
    html! {
        tr class=(class) {
            td.kind { span.sign aria-hidden="true" { (row.sign) } " " (word) }
            td {
                @match place {
                    Some(number) => a href={ "#f" (number) } { (shown::name(&name)) },
                    None => (shown::name(&name)),
                }
                (details(row))
            }
            td.size { (size(row)) }
        }
    }
}

/// What is more to say than that something changed: another mode, another owner, from where.
fn details(row: &Row) -> Markup {
    let (Some(old), Some(new)) = (&row.old, &row.new) else { return html! {} };
    if matches!(row.sign, "R" | "C") {
        return html! { small { "from " (shown::path(&old.path())) } };
    }
    let (before, after) = (Some(Version::of(old)), Some(Version::of(new)));
    let what = version::what(&Change { snapshot: 0, before, after, below: Below::default() });
    // The size stands in its own column.
    let besides =
        if what.starts_with("content") { what.split_once(", ").map_or("", |(_, besides)| besides) } else { &what };
    html! { @if !besides.is_empty() { small { bdi { (besides) } } } }
}

fn size(row: &Row) -> Markup {
    let of = |entry: &Option<Entry>| {
        let file = entry.as_ref().filter(|entry| entry.metadata.file_type == FileType::File);
        file.map(|file| text::size(file.metadata.size))
    };
    html! {
        @match (of(&row.old), of(&row.new)) {
            (Some(old), Some(new)) if old != new => { span { (old) " →" } " " span { (new) } },
            (Some(size), _) | (None, Some(size)) => span { (size) },
            (None, None) => "",
        }
    }
}

/// What became of a path: a class of the style sheet, and a word.
fn word(row: &Row) -> (&'static str, &'static str) {
    match row.sign {
        "+" => ("added", "added"),
        "-" => ("removed", "removed"),
        "R" => ("changed", "renamed"),
        "C" => ("added", "copied"),
        "T" => ("changed", "other type"),
        "U" => ("changed", "metadata"),
        _ => ("changed", "modified"),
    }
}

/// The heading of what changed inside a file.
pub fn summary(row: &Row, inside: &Inside) -> Markup {
    let (class, word) = word(row);
    html! {
        span.badge.(class) { span.sign aria-hidden="true" { (row.sign) } " " (word) }
        h3 { (shown::path(&row.path())) }
        " " span.note { (in_words(inside)) }
    }
}
