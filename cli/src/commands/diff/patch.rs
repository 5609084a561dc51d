// SPDX-License-Identifier: MIT OR Apache-2.0
//! What changed inside files: in the terms of their format, or as a unified patch. On a terminal in colour and page by page, with nothing in it
//! that would command the terminal; into a pipe byte by byte, so that `patch` can take it.

use std::io::{self, IsTerminal};

use keepfast_engine::compare::text::{PatchLine, TextDiff};
use keepfast_engine::compare::{BinaryDiff, Change, ChangeKind, GaveUp, Outcome};
use keepfast_engine::format::tree::entry::Entry;
use serde_json::{Value, json};

use super::inside::Contents;
use super::listing::{Row, shown_path};
use crate::args::{ColorArg, DiffArgs};
use crate::context::Context;
use crate::exit::Failure;
use crate::render::inside::Inside;
use crate::render::{content, json as js, text};

/// Shows contents.
pub struct Patch<'a> {
    context: &'a Context,
    lines_around: usize,
    is_colored: bool,
    is_terminal: bool,
}

const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";
const CYAN: &str = "36";

impl<'a> Patch<'a> {
    /// As the user wants it; starts the pager.
    pub fn new(context: &'a Context, args: &DiffArgs) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let is_colored = match args.color {
            ColorArg::Always => true,
            ColorArg::Never => false,
            ColorArg::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        if is_terminal && !args.no_pager {
            context.output.page();
        }
        Self { context, lines_around: args.unified.into(), is_colored, is_terminal }
    }

    /// Prints all rows; the number of those whose content can not be read.
    pub fn print(&self, rows: &[Row], contents: &Contents) -> Result<usize, Failure> {
        let mut problems = 0;
        for row in rows {
            self.context.output.check().map_err(Failure::Output)?;
            problems += usize::from(!self.print_row(row, &contents.inside(row)?));
        }
        Ok(problems)
    }

    fn print_row(&self, row: &Row, inside: &Inside) -> bool {
        self.head(row);
        match inside {
            Inside::Nothing => true,
            Inside::Compared { outcome, gave_up } => {
                gave_up.iter().for_each(|why| self.gave_up(row, why));
                match outcome {
                    Outcome::Structured { format, changes } => self.changes(row, format, changes),
                    Outcome::Text { before, after } => self.text(row, before, after),
                    Outcome::Binary(binary) => self.binary(row, binary),
                }
                true
            }
            Inside::Unreadable(why) => {
                self.context.output.warn(&format!("{}: {why}", shown_path(row)));
                false
            }
        }
    }

    fn head(&self, row: &Row) {
        self.colored(BOLD, &format!("{} {}", row.sign, shown_path(row)));
    }

    fn gave_up(&self, row: &Row, why: &GaveUp) {
        let mut object = json!({ "note": why.to_string() });
        js::put_path(&mut object, "path", &[b"/", &row.path()[..]].concat());
        self.context.output.object(object);
        self.context.output.line(&format!("    ({})", text::plain(&why.to_string())));
    }

    fn changes(&self, row: &Row, format: &str, changes: &[Change]) {
        let count = text::counted(changes.len() as u64, "change");
        self.context.output.line(&format!("    {format}, {count}"));
        for change in changes {
            if self.context.output.is_json() {
                self.context.output.object(change_object(row, format, change));
                continue;
            }
            let line = content::change(change);
            match change.kind {
                ChangeKind::Added => self.colored(GREEN, &line),
                ChangeKind::Removed => self.colored(RED, &line),
                ChangeKind::Changed => self.context.output.line(&line),
            }
        }
    }

    fn text(&self, row: &Row, before: &[u8], after: &[u8]) {
        let Ok(diff) = TextDiff::new(before, after) else { return };
        if self.context.output.is_json() {
            let (added, removed) = diff.counts();
            let mut object = json!({ "format": "text", "lines_added": added, "lines_removed": removed });
            js::put_path(&mut object, "path", &[b"/", &row.path()[..]].concat());
            let mut patch = Vec::new();
            diff.patch(self.lines_around, |line| patch.extend(line.bytes()));
            object["patch"] = String::from_utf8_lossy(&patch).into();
            return self.context.output.object(object);
        }
        let name = |side: &str, entry: &Option<Entry>| match entry {
            Some(entry) => text::patched_path(&[side.as_bytes(), b"/", &entry.path()].concat()),
            None => "/dev/null".to_string(),
        };
        self.colored(BOLD, &format!("--- {}", name("a", &row.old)));
        self.colored(BOLD, &format!("+++ {}", name("b", &row.new)));
        diff.patch(self.lines_around, |line| self.line(&line));
    }

    fn line(&self, line: &PatchLine) {
        let color = match line {
            PatchLine::Hunk { .. } => CYAN,
            PatchLine::Context(_) => "",
            PatchLine::Removed(_) => RED,
            PatchLine::Added(_) => GREEN,
        };
        let mut bytes = line.bytes();
        if self.is_terminal {
            let shown = String::from_utf8_lossy(&bytes);
            let lines = shown
                .trim_end_matches('\n')
                .split('\n')
                .map(|line| line.split('\t').map(text::plain).collect::<Vec<_>>().join("\t"));
            bytes = (lines.collect::<Vec<_>>().join("\n") + "\n").into_bytes();
        }
        if self.is_colored && !color.is_empty() {
            let end = bytes.len() - 1;
            bytes = [format!("\x1b[{color}m").as_bytes(), &bytes[..end], b"\x1b[0m\n"].concat();
        }
        self.context.output.bytes(&bytes);
    }

    fn binary(&self, row: &Row, binary: &BinaryDiff) {
        let (old, new) = binary.lengths;
        let ranges = text::counted(binary.ranges.len() as u64, "range");
        let mut object =
            json!({ "format": "binary", "size_before": old, "size_after": new, "bytes_differ": binary.bytes() });
        js::put_path(&mut object, "path", &[b"/", &row.path()[..]].concat());
        self.context.output.object(object);
        let differ = text::size(binary.bytes());
        self.context.output.line(&format!(
            "    binary, {} -> {}, {differ} differ in {ranges}",
            text::size(old),
            text::size(new)
        ));
    }

    fn colored(&self, color: &str, line: &str) {
        match self.is_colored {
            true => self.context.output.line(&format!("\x1b[{color}m{line}\x1b[0m")),
            false => self.context.output.line(line),
        }
    }
}

fn change_object(row: &Row, format: &str, change: &Change) -> Value {
    let mut object = content::change_to_json(format, change);
    js::put_path(&mut object, "path", &[b"/", &row.path()[..]].concat());
    object
}
