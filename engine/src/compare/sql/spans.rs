// SPDX-License-Identifier: MIT OR Apache-2.0
//! The places of the rows of a dump and of what else it says of a table: for whoever changes a dump and leaves all else as it is written.

use super::layout::{Layout, Name, Segment, Table};
use super::lines::Side;
use super::rows::Rows;
use super::values::{self, Form};
use super::{scan, statement};
use crate::compare::{Bytes, Mask, Trouble};
use std::ops::Range;

/// A dump whose parts were found.
pub(crate) struct Dump<'a> {
    side: Side<'a>,
    layout: Layout,
}

/// A row at its place.
pub(crate) struct Row<'r> {
    /// Where it begins in the content.
    pub offset: u64,
    /// As it is written.
    pub bytes: &'r [u8],
    /// What its values are called.
    pub columns: &'r [String],
    /// Where the values are in it.
    pub fields: Vec<Range<usize>>,
    /// How it is written.
    pub form: Form,
}

/// What is told of a dump, in its order.
pub(crate) enum Part<'r> {
    /// Something that is no row.
    Other(Range<u64>),
    /// A row.
    Row(Row<'r>),
}

impl<'a> Dump<'a> {
    /// Reads all of it once.
    ///
    /// # Errors
    /// It is no dump, or is cut off.
    pub fn read(bytes: &'a dyn Bytes) -> Result<Self, Trouble> {
        let side = Side { bytes, name: "" };
        Ok(Self { side, layout: scan::read(side)? })
    }

    /// Tells all parts.
    ///
    /// # Errors
    /// A row does not fit its table; the content can not be read; what `each` says.
    pub fn parts(&self, each: &mut dyn FnMut(Part) -> Result<(), Trouble>) -> Result<(), Trouble> {
        let mut at = 0;
        for (segment, table) in self.segments() {
            each(Part::Other(at..segment.range.start))?;
            self.rows(segment, table, each)?;
            at = segment.range.end;
        }
        each(Part::Other(at..self.side.bytes.len()))
    }

    fn segments(&self) -> Vec<(&Segment, &Table)> {
        let tables = self.layout.tables.values();
        let mut all: Vec<_> = tables.flat_map(|table| table.segments.iter().map(move |part| (part, table))).collect();
        all.sort_unstable_by_key(|(segment, _)| segment.range.start);
        all
    }

    fn rows(
        &self,
        segment: &Segment,
        table: &Table,
        each: &mut dyn FnMut(Part) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let mut alone = Table::default();
        alone.inserted = Some(table.columns().to_vec());
        alone.segments = vec![segment.clone()];
        let mut rows = Rows::new(self.side, &alone);
        while rows.advance()? {
            let (offset, bytes, form) = (rows.spot().offset, rows.row(), rows.form());
            let fields = fields(bytes, form);
            each(Part::Row(Row { offset, bytes, columns: table.columns(), fields, form }))?;
        }
        Ok(())
    }

    /// The names of tables as they are shown.
    pub fn tables(&self) -> Vec<String> {
        self.layout.tables.keys().map(|name| self.shown(name)).collect()
    }

    fn shown(&self, name: &Name) -> String {
        let databases = self.layout.databases.iter().filter(|name| !name.is_empty()).count();
        let prefix = if databases > 1 { format!("{}.", name.database) } else { String::new() };
        format!("{prefix}{}", name.name)
    }

    /// All that the dump says of those tables whose shown name is wanted: statements and rows, in order and apart from each other.
    ///
    /// # Errors
    /// The content can not be read.
    pub fn of_tables(&self, is_wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Range<u64>>, Trouble> {
        let mut ranges = Vec::new();
        let mut wanted = Vec::new();
        for (name, table) in &self.layout.tables {
            if is_wanted(&self.shown(name)) {
                wanted.push(name);
                for segment in &table.segments {
                    let start = match segment.form {
                        Form::Copy => self.copy_start(segment.range.start)?,
                        Form::Insert(_) => segment.range.start,
                    };
                    let behind = if segment.form == Form::Copy { 2 } else { 0 };
                    ranges.push(start..self.line_end(segment.range.end + behind)?);
                }
            }
        }
        for statement in &self.layout.statements {
            let text = self.side.read(statement.offset, statement.length)?;
            let database = self.layout.databases.get(statement.database as usize).map_or("", String::as_str);
            let object = statement::object(&text, statement.rules, &Mask::reveal());
            if wanted.iter().any(|name| name.database == database && is_of(&object, &name.name)) {
                let end = statement.offset + u64::from(statement.length);
                ranges.push(statement.offset..self.line_end(end)?);
            }
        }
        ranges.sort_unstable_by_key(|range| range.start);
        Ok(ranges)
    }

    /// Behind the end of the line that `at` is in, if nothing else stands there.
    fn line_end(&self, at: u64) -> Result<u64, Trouble> {
        let mut rest = vec![0; (self.side.bytes.len() - at.min(self.side.bytes.len())).min(80) as usize];
        self.side.bytes.read_at(at, &mut rest)?;
        let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
        Ok(if rest.get(blank) == Some(&b'\n') { at + blank as u64 + 1 } else { at })
    }

    /// Where the COPY begins whose rows begin there.
    fn copy_start(&self, rows: u64) -> Result<u64, Trouble> {
        let length = rows.min(1 << 20);
        let mut before = vec![0; length as usize];
        self.side.bytes.read_at(rows - length, &mut before)?;
        let at = memchr::memmem::rfind(&before, b"\nCOPY ").map(|at| at + 1);
        let at = at.or_else(|| before.starts_with(b"COPY ").then_some(0));
        let missing = || self.side.gave_up(rows, "the statement COPY is not at the start of a line");
        Ok(rows - length + at.ok_or_else(missing)? as u64)
    }
}

/// Whether a statement's object is the table or a part of it: `TABLE public.users`, `CONSTRAINT c ON public.users`, `OWNER OF TABLE public.users`.
fn is_of(object: &str, table: &str) -> bool {
    let names =
        |text: &str| text == table || text.strip_prefix(table).is_some_and(|rest| rest.starts_with([':', ' ', '(']));
    ["TABLE ", "OWNER OF TABLE ", "COMMENT ON TABLE ", "COMMENT ON COLUMN "]
        .iter()
        .any(|kind| object.strip_prefix(kind).is_some_and(|rest| names(rest) || rest.starts_with(&format!("{table}."))))
        || ["CONSTRAINT", "INDEX", "TRIGGER", "POLICY", "RULE", "GRANT", "REVOKE"].iter().any(|kind| {
            object.starts_with(kind)
                && object.split(" ON ").skip(1).any(|rest| names(rest.trim_start_matches("TABLE ")))
        })
        || ["GRANT TABLE ", "REVOKE TABLE ", "GRANT ON TABLE ", "REVOKE ON TABLE "]
            .iter()
            .any(|kind| object.strip_prefix(kind).is_some_and(names))
}

fn fields(row: &[u8], form: Form) -> Vec<Range<usize>> {
    let mut fields = Vec::new();
    match form {
        Form::Copy => {
            let mut at = 0;
            for field in row.split(|byte| *byte == b'\t') {
                fields.push(at..at + field.len());
                at += field.len() + 1;
            }
        }
        Form::Insert(rules) => {
            values::tuple(row, 0, rules, &mut |start, end| {
                let blank = row[start..end].len() - row[start..end].trim_ascii_start().len();
                fields.push(start + blank..start + blank + row[start..end].trim_ascii().len());
            });
        }
    }
    fields
}
