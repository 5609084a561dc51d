// SPDX-License-Identifier: MIT OR Apache-2.0
//! SQL dumps: values of columns whose name, or whose row, says that they are secrets; statements and comments as lines.

use std::io::Write;
use std::ops::Range;

use super::path::{Missing, nearest};
use super::{Lines, Report, Rules, Stop, instead};
use crate::compare::mask::context::{Context, hidden, says_secret};
use crate::compare::mask::{is_name_key, is_secret_name};
use crate::compare::output::Output;
use crate::compare::sql::lexer::Kind;
use crate::compare::sql::spans::{Dump, Part, Row};
use crate::compare::sql::values::{self, Form};
use crate::compare::{Bytes, Mask, Trouble};

/// Whether a text begins like a dump whose head says nothing: SQLite's.
pub(super) fn begins(head: &[u8]) -> bool {
    let starts: [&[u8]; 5] =
        [b"PRAGMA foreign_keys", b"BEGIN TRANSACTION;", b"CREATE TABLE ", b"INSERT INTO ", b"SET statement_timeout"];
    let text = head.trim_ascii_start();
    starts.iter().any(|start| text.starts_with(start))
}

/// Writes it.
pub(super) fn write(bytes: &dyn Bytes, rules: &Rules, report: &mut Report, sink: &mut dyn Write) -> Result<(), Stop> {
    let dump = Dump::read(bytes)?;
    // Looks at all rows before the first is written.
    dump.parts(&mut |_| Ok(()))?;
    let cuts = cuts(&dump, rules.omit, report)?;
    let (mask, lines, output) = (rules.mask, rules.lines, Output::new(bytes, sink));
    let mut writer = Writer { bytes, mask, output, cuts: &cuts, hidden: 0, lines };
    dump.parts(&mut |part| match part {
        Part::Other(range) => writer.other(range),
        Part::Row(row) => writer.row(&row),
    })?;
    writer.cut_before(u64::MAX)?;
    report.hidden += writer.hidden;
    Ok(writer.output.finish()?)
}

/// What is left out, in order.
fn cuts(dump: &Dump, omit: &[String], report: &mut Report) -> Result<Vec<Range<u64>>, Stop> {
    let mut cuts = Vec::new();
    for path in omit {
        let name = plain_name(path)?;
        let is_wanted =
            |table: &str| table == name || table.strip_prefix(&name).is_some_and(|rest| rest.starts_with('.'));
        if !dump.tables().iter().any(|table| is_wanted(table)) {
            return Err(Missing::Nothing { path: path.clone(), names: nearest(&name, dump.tables()) }.into());
        }
        report.omitted += 1;
        cuts.extend(dump.of_tables(&is_wanted)?);
    }
    cuts.sort_unstable_by_key(|range| range.start);
    Ok(cuts)
}

/// `public.users`, also from `["public.users"]` as `diff` has it.
fn plain_name(path: &str) -> Result<String, Missing> {
    let steps = super::path::steps(path)?;
    let names = steps.into_iter().map(|step| match step {
        crate::compare::Step::Key(key) => Ok(key),
        _ => Err(Missing::Malformed { path: path.to_string(), why: "a table is expected, not a row", at: 0 }),
    });
    Ok(names.collect::<Result<Vec<_>, _>>()?.join("."))
}

struct Writer<'a> {
    bytes: &'a dyn Bytes,
    mask: &'a Mask,
    output: Output<'a>,
    /// Those that are not written yet.
    cuts: &'a [Range<u64>],
    hidden: u64,
    lines: Lines,
}

impl Writer<'_> {
    fn cut_before(&mut self, at: u64) -> Result<(), Trouble> {
        while let Some((cut, rest)) = self.cuts.split_first().filter(|(cut, _)| cut.start <= at) {
            self.output.replace(cut.clone(), b"")?;
            self.cuts = rest;
        }
        Ok(())
    }

    /// Whether what begins there is left out.
    fn is_cut(&mut self, at: u64) -> Result<bool, Trouble> {
        self.cut_before(at)?;
        Ok(self.output.is_past(at))
    }

    /// Statements, line by line.
    fn other(&mut self, range: Range<u64>) -> Result<(), Trouble> {
        let (mut lines, mut at) = (self.mask.lines().of_sql(), range.start);
        let mut text = Vec::new();
        while at < range.end {
            let length = (range.end - at).min(64 << 10);
            text.resize(usize::try_from(length).unwrap_or_default(), 0);
            self.bytes.read_at(at, &mut text)?;
            // Up to the last end of a line, if there is one.
            let mut whole = memchr::memrchr(b'\n', &text).map_or(text.len(), |end| end + 1);
            if at + length == range.end {
                whole = text.len();
            } else if whole == text.len() && !text.ends_with(b"\n") {
                let length = (range.end - at).min(64 << 20);
                text.resize(usize::try_from(length).unwrap_or_default(), 0);
                self.bytes.read_at(at, &mut text)?;
                whole = memchr::memchr(b'\n', &text).map_or(text.len(), |end| end + 1);
            }
            let mut start = at;
            for line in text[..whole].split_inclusive(|byte| *byte == b'\n') {
                let end = start + line.len() as u64;
                let hidden = lines.hidden(line);
                if let Some(hidden) = hidden
                    && !self.is_cut(start)?
                {
                    self.hidden += 1;
                    self.output.replace(start..end, &hidden)?;
                }
                start = end;
            }
            at = start;
        }
        Ok(())
    }

    fn row(&mut self, row: &Row) -> Result<(), Trouble> {
        if self.is_cut(row.offset)? {
            return Ok(());
        }
        let read: Vec<_> = row.fields.iter().map(|field| value(row, field.clone())).collect();
        let names = row.columns.iter().zip(&read);
        let is_named =
            names.clone().any(|(column, value)| is_name_key(column) && value.as_deref().is_some_and(is_secret_name));
        for ((column, value), field) in names.zip(&row.fields) {
            let context = Context::default().below(column, says_secret(column, is_named));
            let Some(value) = value else { continue };
            let Some(hidden) = hidden(self.mask, context, value, 0) else { continue };
            let at = |place: usize| row.offset + place as u64;
            self.hidden += 1;
            let secret = String::from_utf8_lossy(row.bytes.get(field.clone()).unwrap_or_default());
            let with = instead(&secret, written(&hidden, row, field), self.lines);
            self.output.replace(at(field.start)..at(field.end), with.as_bytes())?;
        }
        Ok(self.output.keep(row.offset)?)
    }
}

/// What a column has.
fn value(row: &Row, field: Range<usize>) -> Option<String> {
    let field = row.bytes.get(field)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match row.form {
        Form::Copy => values::values(field, Form::Copy).first()?.as_deref().map(text),
        Form::Insert(_) if field.eq_ignore_ascii_case(b"null") => None,
        Form::Insert(rules) => Some(values::literal(field, rules).map_or_else(|| text(field), |value| text(&value))),
    }
}

/// The value in the notation of the row.
fn written(value: &str, row: &Row, field: &Range<usize>) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    match row.form {
        Form::Copy => escaped(value).replace('\t', "\\t"),
        Form::Insert(rules) => {
            let field = row.bytes.get(field.clone()).unwrap_or_default();
            let is_escaped = field.starts_with(b"E'") || field.starts_with(b"e'");
            let value = if rules.escapes || is_escaped { escaped(value) } else { value.to_string() };
            let mut lexer = crate::compare::sql::lexer::Lexer::at(rules, 0);
            let is_text = lexer.next(field).is_some_and(|token| token.kind == Kind::Text);
            let prefix = if is_text && is_escaped { "E" } else { "" };
            format!("{prefix}'{}'", value.replace('\'', "''"))
        }
    }
}
