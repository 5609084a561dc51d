// SPDX-License-Identifier: MIT OR Apache-2.0
//! The list of paths that differ: kind, path, and how much larger or smaller; a file that only has another path now is one row.

use std::sync::Arc;

use keepfast_engine::Result;
use keepfast_engine::diff::{Difference, Renames};
use keepfast_engine::events::Events;
use keepfast_engine::format::tree::entry::{Entry, FileType};
use keepfast_engine::reader::Reader;
use keepfast_engine::source::Found;
use keepfast_engine::tree::Root;
use serde_json::json;

use crate::args::DiffArgs;
use crate::context::Context;
use crate::render::{json as js, text};

/// Rows that are held back until all are known, about 600 bytes each; with more, they are printed as they come, and renames are not looked for.
const MAX_ROWS: usize = 200_000;

/// A path that differs.
pub struct Row {
    /// The sign that people and scripts read.
    pub sign: &'static str,
    /// Before.
    pub old: Option<Entry>,
    /// After.
    pub new: Option<Entry>,
    /// After, if that is a live file.
    pub live: Option<Found>,
}

impl Row {
    /// The path that it stands under: the new one.
    pub fn path(&self) -> Vec<u8> {
        self.new.as_ref().or(self.old.as_ref()).map(Entry::path).unwrap_or_default()
    }
}

/// Where the origin of new files is looked for.
pub struct Origins<'a> {
    /// Reads the earlier snapshot.
    pub reader: &'a Arc<Reader>,
    /// Its tree.
    pub before: Root,
    /// Whether the user asked to stop.
    pub events: &'a dyn Events,
}

/// Collects and prints.
pub struct Listing<'a> {
    context: &'a Context,
    args: &'a DiffArgs,
    origins: Origins<'a>,
    rows: Vec<Row>,
    /// Rows that a page has no place for.
    left_out: u64,
    renames: Option<Renames>,
    outcome: Result<()>,
}

impl<'a> Listing<'a> {
    /// An empty one.
    pub fn new(context: &'a Context, args: &'a DiffArgs, origins: Origins<'a>) -> Self {
        let renames = (!args.no_renames).then(Renames::default);
        Self { context, args, origins, rows: Vec::new(), left_out: 0, renames, outcome: Ok(()) }
    }

    /// Takes a difference.
    pub fn take(&mut self, difference: Difference, old: Option<&Entry>, new: Option<&Entry>, live: Option<&Found>) {
        let sign = match difference {
            Difference::Metadata if !self.args.metadata => return,
            Difference::Added => "+",
            Difference::Removed => "-",
            Difference::Modified => "M",
            Difference::TypeChanged => "T",
            Difference::Metadata => "U",
        };
        let is_held = match (&mut self.renames, old, new) {
            (Some(renames), Some(old), None) => renames.take_gone(old),
            (Some(renames), None, Some(new)) => renames.take_new(new, live),
            _ => false,
        };
        if is_held {
            return;
        }
        let is_page = self.args.page.html.is_some();
        if is_page && self.rows.len() >= MAX_ROWS {
            self.left_out += 1;
            return;
        }
        self.rows.push(Row { sign, old: old.cloned(), new: new.cloned(), live: live.cloned() });
        if self.rows.len() >= MAX_ROWS && !self.args.patch && !is_page && self.outcome.is_ok() {
            self.outcome = self.pair();
            std::mem::take(&mut self.rows).iter().for_each(|row| self.print(row, 0));
        }
    }

    /// Prints what was held back, unless the patch or a page will; all rows in the order of their paths, and how many there are besides.
    ///
    /// # Errors
    /// The origin of new files could not be looked for.
    pub fn finish(mut self) -> Result<(Vec<Row>, u64)> {
        std::mem::replace(&mut self.outcome, Ok(()))?;
        self.pair()?;
        let rows = std::mem::take(&mut self.rows);
        if self.args.page.html.is_some() {
            return Ok((rows, self.left_out));
        }
        if !self.args.patch || self.context.output.is_json() {
            let widths = rows.iter().map(|row| text::width(&shown_path(row)));
            let width = widths.max().unwrap_or(0).min(self.context.output.columns().min(100).saturating_sub(28));
            rows.iter().for_each(|row| self.print(row, width));
        }
        Ok((rows, 0))
    }

    fn pair(&mut self) -> Result<()> {
        let Some(renames) = self.renames.take() else { return Ok(()) };
        let Origins { reader, before, events } = self.origins;
        let pairs = renames.pairs(reader, self.args.copies.then_some(before), events)?;
        self.rows.extend(pairs.renamed.into_iter().map(|pair| {
            let sign = if pair.is_copy { "C" } else { "R" };
            Row { sign, old: Some(pair.from), new: Some(pair.to.entry), live: pair.to.live }
        }));
        self.rows.extend(pairs.gone.into_iter().map(|entry| Row {
            sign: "-",
            old: Some(entry),
            new: None,
            live: None,
        }));
        let new = pairs.new.into_iter();
        self.rows.extend(new.map(|later| Row { sign: "+", old: None, new: Some(later.entry), live: later.live }));
        self.rows.sort_by_cached_key(Row::path);
        Ok(())
    }

    fn print(&self, row: &Row, width: usize) {
        if self.context.output.is_json() {
            return self.print_json(row);
        }
        let path = shown_path(row);
        match size_change(row).filter(|_| !self.args.name_status) {
            Some(change) => {
                self.context.output.line(&format!("{}    {} | {change}", row.sign, text::padded(&path, width)))
            }
            None => self.context.output.line(&format!("{}    {path}", row.sign)),
        }
    }

    fn print_json(&self, row: &Row) {
        let size = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.metadata.size);
        let mut object = json!({ "change": row.sign, "size_before": size(&row.old), "size_after": size(&row.new) });
        js::put_path(&mut object, "path", &[b"/", &row.path()[..]].concat());
        // Also of two paths that were compared with each other.
        if let Some(old) = row.old.as_ref().filter(|old| old.path() != row.path()) {
            js::put_path(&mut object, "from", &[b"/", &old.path()[..]].concat());
        }
        self.context.output.object(object);
    }
}

/// The path, of a folder with a slash, of a rename with both.
pub fn shown_path(row: &Row) -> String {
    let Some(entry) = row.new.as_ref().or(row.old.as_ref()) else { return String::new() };
    let is_top = entry.name.is_empty();
    let slash = if entry.metadata.file_type == FileType::Directory && !is_top { "/" } else { "" };
    let path = format!("{}{slash}", text::stored_path(&entry.path()));
    match (&row.old, row.sign) {
        (Some(old), "R" | "C") => format!("{} -> {path}", text::stored_path(&old.path())),
        _ => path,
    }
}

fn size_change(row: &Row) -> Option<String> {
    let size = |entry: &Option<Entry>| {
        entry.as_ref().filter(|entry| entry.metadata.file_type == FileType::File).map(|entry| entry.metadata.size)
    };
    match (row.sign, size(&row.old), size(&row.new)) {
        ("R" | "C" | "U", ..) | (_, None, None) => None,
        (_, None, Some(new)) => Some(format!("+{}", text::size(new))),
        (_, Some(old), None) => Some(format!("-{}", text::size(old))),
        (_, Some(old), Some(new)) if new >= old => Some(format!("{} +{}", text::size(new), text::size(new - old))),
        (_, Some(old), Some(new)) => Some(format!("{} -{}", text::size(new), text::size(old - new))),
    }
}
