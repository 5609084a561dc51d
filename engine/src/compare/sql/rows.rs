// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rows of a table of one dump, one after the other.
//!
//! Each is checked for its number of values, and none is kept; [`Spot`] tells where to read it again.

use super::layout::{Segment, Table};
use super::lexer::{Lexer, Rules};
use super::lines::{Lines, Side};
use super::statements::{Part, Statements};
use super::values::{self, Form};
use crate::compare::Trouble;
use std::ops::Range;

/// Where a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// In the content.
    pub offset: u64,
    /// In bytes.
    pub length: u32,
}

/// Goes from row to row.
pub(super) struct Rows<'a> {
    side: Side<'a>,
    segments: std::slice::Iter<'a, Segment>,
    fields: usize,
    segment: Range<u64>,
    /// Bytes of the segments before this.
    passed_bytes: u64,
    state: State<'a>,
}

enum State<'a> {
    Between,
    Copy(Lines<'a>),
    Insert(Inserts<'a>),
}

impl<'a> Rows<'a> {
    /// Before the first row of the table.
    pub fn new(side: Side<'a>, table: &'a Table) -> Self {
        let fields = table.columns().len();
        let segments = table.segments.iter();
        Self { side, segments, fields, segment: 0..0, passed_bytes: 0, state: State::Between }
    }

    /// Goes to the next row, and says whether there is one.
    pub fn advance(&mut self) -> Result<bool, Trouble> {
        loop {
            let fields = match &mut self.state {
                State::Between => None,
                State::Copy(lines) => lines.advance()?.then(|| copied_fields(lines.line(), self.fields)),
                State::Insert(inserts) => inserts.advance()?,
            };
            match fields {
                Some(fields) if fields == self.fields => return Ok(true),
                Some(fields) => {
                    let why = format!("the row has {fields} values, and the table has {} columns", self.fields);
                    return Err(self.side.gave_up(self.spot().offset, why));
                }
                None => {
                    self.passed_bytes += self.segment.end - self.segment.start;
                    let Some(segment) = self.segments.next() else {
                        self.segment = 0..0;
                        self.state = State::Between;
                        return Ok(false);
                    };
                    self.open(segment);
                }
            }
        }
    }

    fn open(&mut self, segment: &Segment) {
        self.segment = segment.range.clone();
        let range = segment.range.clone();
        self.state = match segment.form {
            Form::Copy => State::Copy(Lines::within(self.side, range)),
            Form::Insert(rules) => State::Insert(Inserts {
                statements: Statements::within(self.side, range, rules),
                rules,
                header_bytes: segment.header_bytes,
                row: 0..0,
                is_begun: false,
            }),
        };
    }

    /// The row, as it is written.
    pub fn row(&self) -> &[u8] {
        match &self.state {
            State::Between => &[],
            State::Copy(lines) => lines.line(),
            State::Insert(inserts) => inserts.statements.text().get(inserts.row.clone()).unwrap_or_default(),
        }
    }

    /// How it is written.
    pub fn form(&self) -> Form {
        match &self.state {
            State::Between | State::Copy(_) => Form::Copy,
            State::Insert(inserts) => Form::Insert(inserts.rules),
        }
    }

    /// Where it is.
    pub fn spot(&self) -> Spot {
        let offset = match &self.state {
            State::Between => self.segment.start,
            State::Copy(lines) => lines.offset(),
            State::Insert(inserts) => inserts.statements.offset() + inserts.row.start as u64,
        };
        Spot { offset, length: u32::try_from(self.row().len()).unwrap_or(u32::MAX) }
    }

    /// Bytes of the rows up to this.
    pub fn done_bytes(&self) -> u64 {
        self.passed_bytes + self.spot().offset.saturating_sub(self.segment.start)
    }
}

/// A table without columns has empty lines.
fn copied_fields(line: &[u8], expected: usize) -> usize {
    if expected == 0 && line.is_empty() { 0 } else { memchr::memchr_iter(b'\t', line).count() + 1 }
}

/// The rows of INSERT statements.
struct Inserts<'a> {
    statements: Statements<'a>,
    rules: Rules,
    header_bytes: usize,
    row: Range<usize>,
    /// Whether the statement has given a row.
    is_begun: bool,
}

impl Inserts<'_> {
    /// Goes to the next row, and gives the number of its values.
    fn advance(&mut self) -> Result<Option<usize>, Trouble> {
        let text = self.statements.text();
        let comma = Lexer::at(self.rules, self.row.end).next(text).filter(|token| token.is(text, b','));
        let at = match comma {
            Some(comma) if self.is_begun => comma.end,
            _ => {
                if self.statements.advance()? != Part::Statement {
                    return Ok(None);
                }
                self.is_begun = true;
                self.header_bytes
            }
        };
        self.row = at..at;
        let text = self.statements.text();
        let start = text.len() - text.get(at..).unwrap_or_default().trim_ascii_start().len();
        let Some(tuple) = values::tuple(text, start, self.rules, &mut |_, _| ()) else {
            return Err(self.statements.gave_up("a row in parentheses is expected"));
        };
        self.row = start..tuple.end;
        Ok(Some(tuple.fields))
    }
}
