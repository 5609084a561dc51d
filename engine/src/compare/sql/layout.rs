// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one dump consists of: its tables, where their rows are, its schema.
//!
//! It keeps no row and no statement, only where they are.

use super::lexer::Rules;
use super::meaning::Key;
use super::values::Form;
use std::collections::BTreeMap;
use std::ops::Range;

/// What a table or sequence is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    /// Empty if the dump connects to none.
    pub database: String,
    /// With its schema.
    pub name: String,
}

/// Rows that follow each other.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// The lines, or the INSERT statements, which all begin with the same text.
    pub range: Range<u64>,
    /// How they are written.
    pub form: Form,
    /// Bytes of that text.
    pub header_bytes: usize,
}

/// A table of one dump.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// As CREATE TABLE has them.
    pub created: Vec<String>,
    /// As the rows have them.
    pub inserted: Option<Vec<String>>,
    /// Its first key of each kind.
    primary: Option<Vec<String>>,
    unique: Option<Vec<String>>,
    /// In the order of the content.
    pub segments: Vec<Segment>,
}

impl Table {
    /// The columns of its rows.
    pub fn columns(&self) -> &[String] {
        self.inserted.as_deref().unwrap_or(&self.created)
    }

    /// The columns of its best key.
    pub fn key(&self) -> Option<&[String]> {
        self.primary.as_deref().or(self.unique.as_deref())
    }

    /// Takes note of a key; those after the first of their kind are left out.
    pub fn take_key(&mut self, key: Key) {
        let (slot, columns) = match key {
            Key::Primary(columns) => (&mut self.primary, columns),
            Key::Unique(columns) => (&mut self.unique, columns),
        };
        slot.get_or_insert(columns);
    }

    /// How the row at `offset` is written.
    pub fn form_at(&self, offset: u64) -> Form {
        let after = self.segments.partition_point(|segment| segment.range.start <= offset);
        after.checked_sub(1).and_then(|at| self.segments.get(at)).map_or(Form::Copy, |segment| segment.form)
    }
}

/// A statement of the schema; its text is read again if it turns out to differ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statement {
    /// Of what it says, and in which database.
    pub digest: [u8; 16],
    /// Where it is.
    pub offset: u64,
    /// Its bytes.
    pub length: u32,
    /// The number of its database.
    pub database: u32,
    /// How its literals are read.
    pub rules: Rules,
}

/// What a dump consists of.
#[derive(Default)]
pub(crate) struct Layout {
    /// Those that it connects to, after the empty name of none.
    pub databases: Vec<String>,
    /// By name.
    pub tables: BTreeMap<Name, Table>,
    /// In the order of the content.
    pub statements: Vec<Statement>,
    /// Their states.
    pub sequences: BTreeMap<Name, String>,
}
