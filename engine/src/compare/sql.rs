// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two SQL dumps: the rows of each table by its key, the statements of the schema, the sequences.
//!
//! Plain dumps of pg_dump and pg_dumpall, of mysqldump and of SQLite's `.dump`. Each content is read twice, once to
//! find its tables and keys and once for its rows. Memory: 1 MiB; the longest row or statement, at most 64 MiB, a few
//! times; 80 bytes per statement of the schema; 60 to 110 bytes per row that the other side does not have at the same
//! place or soon after, up to 1,800,000 of them (160 MB measured): a table with more is read again for each of several
//! parts of its keys, 7,000,000 rows in another order 16 times.

mod cursor;
pub(crate) mod layout;
pub(crate) mod lexer;
pub(crate) mod lines;
mod matching;
mod meaning;
mod plan;
mod report;
mod rows;
mod scan;
mod schema;
pub(crate) mod spans;
mod statement;
mod statements;
pub(crate) mod values;

#[cfg(test)]
mod tests;

use super::{Bytes, Each, Mask, Step, Trouble};
use layout::{Layout, Name, Table};
use lines::Side;
use matching::{MAX_WAITING_ROWS, Matching};
use plan::Plan;
use report::Report;
use schema::Schema;
use std::collections::{BTreeMap, BTreeSet};

/// Rows of a table that differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Only the second dump has them.
    pub added: u64,
    /// Only the first has them.
    pub removed: u64,
    /// Both have their key, with other values.
    pub changed: u64,
}

/// How much of two dumps differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Tables with rows that differ, by their name, which begins with the database if there are several.
    pub tables: BTreeMap<String, RowCounts>,
    /// Statements of the schema that differ.
    pub schema: u64,
    /// Sequences that stand elsewhere.
    pub sequences: u64,
}

/// Tells what differs: statements of the schema, then rows table by table, then sequences.
///
/// A row has the place of its table and key; of its table only, if no key tells it from others.
///
/// # Errors
/// One of them is no such dump or is cut off, a row or statement is longer than 64 MiB, or a row does not fit its
/// table.
pub fn compare(before: &dyn Bytes, after: &dyn Bytes, mask: &Mask, each: Each) -> Result<Summary, Trouble> {
    compare_within(before, after, mask, MAX_WAITING_ROWS, each)
}

/// [`compare`] with another bound of rows that wait.
fn compare_within(
    before: &dyn Bytes,
    after: &dyn Bytes,
    mask: &Mask,
    limit: usize,
    each: Each,
) -> Result<Summary, Trouble> {
    let before = Side { bytes: before, name: "first" };
    let after = Side { bytes: after, name: "second" };
    let layouts = (scan::read(before)?, scan::read(after)?);
    let databases: BTreeSet<&str> = databases(&layouts.0).chain(databases(&layouts.1)).collect();
    let schema =
        Schema { before: (before, &layouts.0), after: (after, &layouts.1), has_databases: databases.len() > 1, mask };
    let mut summary = Summary { schema: schema.statements(each)?, ..Summary::default() };
    let names: BTreeSet<&Name> = layouts.0.tables.keys().chain(layouts.1.tables.keys()).collect();
    for name in names {
        let counts = table(&schema, name, limit, each)?;
        if counts != RowCounts::default() {
            let prefix = if schema.has_databases { format!("{}.", name.database) } else { String::new() };
            summary.tables.insert(format!("{prefix}{}", name.name), counts);
        }
    }
    summary.sequences = schema.sequences(each)?;
    Ok(summary)
}

fn databases(layout: &Layout) -> impl Iterator<Item = &str> {
    layout.databases.iter().map(String::as_str).filter(|name| !name.is_empty())
}

/// Tells the rows of a table that differ.
fn table(schema: &Schema, name: &Name, limit: usize, each: Each) -> Result<RowCounts, Trouble> {
    let none = Table::default();
    let tables = (schema.before.1.tables.get(name).unwrap_or(&none), schema.after.1.tables.get(name).unwrap_or(&none));
    let plan = match (tables.0.columns(), tables.1.columns()) {
        ([], _) => Plan::new(tables.1, tables.1),
        (_, []) => Plan::new(tables.0, tables.0),
        _ => Plan::new(tables.0, tables.1),
    };
    let mut report = Report {
        before: (schema.before.0, tables.0),
        after: (schema.after.0, tables.1),
        plan: &plan,
        place: schema.place(&name.database).with(Step::Key(name.name.clone())),
        mask: schema.mask,
        counts: RowCounts::default(),
    };
    let matching = Matching { before: schema.before.0, after: schema.after.0, tables, plan: &plan, limit };
    matching.run(&mut |difference, times| report.tell(difference, times, each))?;
    Ok(report.counts)
}
