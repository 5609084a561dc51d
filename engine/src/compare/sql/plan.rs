// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the rows of a table are compared: by which columns, paired by which key.
//!
//! Columns of only one side are left out: the change of the schema tells of them.

use super::layout::Table;
use super::values::Value;
use std::hash::{DefaultHasher, Hash, Hasher};

/// One of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The first content.
    Before,
    /// The second.
    After,
}

/// A column of both sides.
#[derive(Debug)]
pub(super) struct Column {
    /// Its name.
    pub name: String,
    before: usize,
    after: usize,
}

impl Column {
    /// Its value in a row of this side.
    pub fn of<'v>(&self, values: &'v [Value], which: Which) -> Option<&'v [u8]> {
        let place = match which {
            Which::Before => self.before,
            Which::After => self.after,
        };
        values.get(place)?.as_deref()
    }
}

/// Stands for a row while it is looked for on the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest {
    /// Of the values of all columns that are compared.
    pub row: [u8; 16],
    /// Of those of its key.
    pub key: u64,
}

/// How the rows of a table are compared.
#[derive(Debug)]
pub(super) struct Plan {
    /// Those that are compared.
    pub columns: Vec<Column>,
    /// Places in `columns` of those that tell rows apart; empty if only the whole row does.
    pub key: Vec<usize>,
    /// Whether equal rows have equal bytes, if they are written in one form.
    pub is_literal: bool,
}

impl Plan {
    /// The columns of both, and the best key of the second that the first has the columns of, else that of the first.
    pub fn new(before: &Table, after: &Table) -> Self {
        let find = |names: &[String], name: &str| names.iter().position(|other| other == name);
        let mut columns = Vec::new();
        for (place, name) in before.columns().iter().enumerate() {
            if let Some(after) = find(after.columns(), name) {
                columns.push(Column { name: name.clone(), before: place, after });
            }
        }
        let key = [after.key(), before.key()].into_iter().flatten().find_map(|names| places(&columns, names));
        let is_literal = before.columns() == after.columns();
        Self { columns, key: key.unwrap_or_default(), is_literal }
    }

    /// The digest of a row of one side. Which rows are equal depends on it, so no two rows may be made that have one.
    pub fn row_digest(&self, values: &[Value], which: Which) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new();
        for column in &self.columns {
            let value = column.of(values, which);
            let length = value.map_or(u64::MAX, |value| value.len() as u64);
            hasher.update(&length.to_le_bytes());
            hasher.update(value.unwrap_or_default());
        }
        let mut digest = [0; 16];
        hasher.finalize_xof().fill(&mut digest);
        digest
    }

    /// The digest of its key, or of the row if it has none. Rows that share it by chance are told apart when shown.
    pub fn key_digest(&self, values: &[Value], which: Which) -> u64 {
        let mut hasher = DefaultHasher::new();
        match self.key_of(values, which) {
            Some(key) => key.hash(&mut hasher),
            None => self.columns.iter().for_each(|column| column.of(values, which).hash(&mut hasher)),
        }
        hasher.finish()
    }

    /// The values of the key; none if there is no key, or if one is NULL and so tells nothing.
    pub fn key_of<'v>(&self, values: &'v [Value], which: Which) -> Option<Vec<&'v [u8]>> {
        let columns = self.key.iter().filter_map(|place| self.columns.get(*place));
        let key: Vec<_> = columns.map(|column| column.of(values, which)).collect::<Option<_>>()?;
        Some(key).filter(|key| !key.is_empty())
    }
}

/// Where the names are among the columns. SQLite and MySQL do not tell capitals from small letters.
fn places(columns: &[Column], names: &[String]) -> Option<Vec<usize>> {
    let place = |name: &String| {
        let exact = columns.iter().position(|column| column.name == *name);
        exact.or_else(|| columns.iter().position(|column| column.name.eq_ignore_ascii_case(name)))
    };
    names.iter().map(place).collect()
}
