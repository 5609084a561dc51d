// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first pass over a dump: finds what it consists of and keeps no row.
//!
//! Keys stand behind the rows in a dump of PostgreSQL, so rows can only be compared in a second pass.

use super::layout::{Layout, Name, Segment, Statement, Table};
use super::lexer::Rules;
use super::lines::Side;
use super::meaning::{self, Meaning};
use super::statement;
use super::statements::{Part, Statements};
use super::values::{self, Form};
use crate::compare::Trouble;

/// Runs of rows and statements of a schema that are kept, at 40 bytes each.
const MAX_PARTS: usize = 1_000_000;

/// Reads a dump from start to end.
pub(super) fn read(side: Side) -> Result<Layout, Trouble> {
    let mut head = vec![0; side.bytes.len().min(4096) as usize];
    side.bytes.read_at(0, &mut head)?;
    let is_mysql = ["-- MySQL dump", "-- MariaDB dump", "/*M!", "/*!40"]
        .iter()
        .any(|mark| memchr::memmem::find(&head, mark.as_bytes()).is_some());
    let rules = Rules { escapes: is_mysql, mysql: is_mysql };
    let mut scan = Scan {
        reader: Statements::within(side, 0..side.bytes.len(), rules),
        layout: Layout { databases: vec![String::new()], ..Layout::default() },
        database: 0,
        path: String::new(),
        run: None,
        is_empty: true,
    };
    while scan.step()? {}
    if scan.is_empty {
        return Err(side.gave_up(0, "there is no statement"));
    }
    Ok(scan.layout)
}

struct Scan<'a> {
    reader: Statements<'a>,
    layout: Layout,
    database: u32,
    /// The schema of tables that are named without one.
    path: String,
    /// The table of the INSERT before, and the text that it began with.
    run: Option<(Name, Vec<u8>)>,
    is_empty: bool,
}

impl Scan<'_> {
    fn step(&mut self) -> Result<bool, Trouble> {
        let part = self.reader.advance()?;
        match part {
            Part::End => return Ok(false),
            Part::Command => {
                self.run = None;
                self.command()?;
            }
            Part::Statement if self.continues_run() => (),
            Part::Statement => {
                self.run = None;
                self.statement()?;
            }
        }
        self.is_empty &= part == Part::Command;
        if self.layout.statements.len() > MAX_PARTS {
            return Err(self.reader.gave_up("the schema has more than a million statements"));
        }
        Ok(true)
    }

    fn continues_run(&mut self) -> bool {
        let Some((name, header)) = &self.run else { return false };
        let segment = self.layout.tables.get_mut(name).and_then(|table| table.segments.last_mut());
        let Some(segment) = segment.filter(|_| self.reader.text().starts_with(header)) else { return false };
        segment.range.end = self.reader.end();
        true
    }

    fn command(&mut self) -> Result<(), Trouble> {
        let text = String::from_utf8_lossy(self.reader.text()).into_owned();
        let (command, rest) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
        match command {
            r"\connect" | r"\c" => self.connect(&connected(rest.trim())),
            r"\restrict" | r"\unrestrict" | r"\encoding" | r"\set" | r"\unset" | r"\echo" | r"\pset" => (),
            _ if command.eq_ignore_ascii_case("delimiter") => self.reader.set_delimiter(rest.trim().as_bytes())?,
            _ => return Err(self.reader.gave_up("no command that a dump has")),
        }
        Ok(())
    }

    fn connect(&mut self, database: &str) {
        let known = self.layout.databases.iter().position(|name| name == database);
        let number = known.unwrap_or_else(|| {
            self.layout.databases.push(database.to_string());
            self.layout.databases.len() - 1
        });
        self.database = u32::try_from(number).unwrap_or(u32::MAX);
        self.path.clear();
    }

    fn name(&self, name: String) -> Name {
        let database = self.layout.databases.get(self.database as usize).cloned().unwrap_or_default();
        let is_whole = self.path.is_empty() || name.contains('.');
        Name { database, name: if is_whole { name } else { format!("{}.{name}", self.path) } }
    }

    fn table(&mut self, table: String) -> &mut Table {
        let name = self.name(table);
        self.layout.tables.entry(name).or_default()
    }

    fn statement(&mut self) -> Result<(), Trouble> {
        match meaning::meaning(self.reader.text(), self.reader.rules()) {
            Meaning::Noise => (),
            Meaning::Schema => self.keep()?,
            Meaning::Table { table, columns, keys } => {
                self.keep()?;
                let table = self.table(table);
                table.created = columns;
                keys.into_iter().for_each(|key| table.take_key(key));
            }
            Meaning::Key { table, key } => {
                self.keep()?;
                self.table(table).take_key(key);
            }
            Meaning::Copy { table, columns } => self.copy(table, columns)?,
            Meaning::Insert { table, columns, values } => self.insert(table, columns, values)?,
            Meaning::Sequence { name, value } => {
                let name = self.name(name);
                self.layout.sequences.insert(name, value);
            }
            Meaning::Path(path) => self.path = path.split(',').next().unwrap_or_default().trim().to_string(),
            Meaning::Escapes(escapes) => {
                let rules = Rules { escapes, ..self.reader.rules() };
                self.reader.set_rules(rules);
            }
            Meaning::Database(name) => self.connect(&name),
            Meaning::Unknown => return Err(self.reader.gave_up("no statement that a dump has")),
        }
        Ok(())
    }

    /// Keeps a statement of the schema.
    fn keep(&mut self) -> Result<(), Trouble> {
        let (text, rules) = (self.reader.text(), self.reader.rules());
        let database = self.layout.databases.get(self.database as usize).map(String::as_str).unwrap_or_default();
        let statement = Statement {
            digest: statement::digest(text, rules, database),
            offset: self.reader.offset(),
            length: u32::try_from(text.len()).map_err(|_| self.reader.gave_up("the statement is too long"))?,
            database: self.database,
            rules,
        };
        self.layout.statements.push(statement);
        Ok(())
    }

    fn copy(&mut self, table: String, columns: Option<Vec<String>>) -> Result<(), Trouble> {
        let lines = self.reader.lines()?;
        let start = lines.next_offset();
        let mut fields = None;
        loop {
            if !lines.advance()? {
                return Err(self.reader.gave_up(r"no line `\.` ends the rows: the dump is cut off"));
            }
            if lines.line() == br"\." {
                break;
            }
            fields.get_or_insert_with(|| values::values(lines.line(), Form::Copy).len());
        }
        let segment = Segment { range: start..lines.offset(), form: Form::Copy, header_bytes: 0 };
        self.rows(table, columns, fields, segment)
    }

    fn insert(&mut self, table: String, columns: Option<Vec<String>>, values: usize) -> Result<(), Trouble> {
        if !self.reader.is_plain() {
            return Err(self.reader.gave_up("rows are expected to end with ';'"));
        }
        let (text, rules) = (self.reader.text(), self.reader.rules());
        let Some(tuple) = values::tuple(text, values, rules, &mut |_, _| ()) else {
            return Err(self.reader.gave_up("a row in parentheses is expected behind VALUES"));
        };
        let header = text[..values].to_vec();
        let range = self.reader.offset()..self.reader.end();
        let segment = Segment { range, form: Form::Insert(rules), header_bytes: values };
        self.run = Some((self.name(table.clone()), header));
        self.rows(table, columns, Some(tuple.fields), segment)
    }

    /// Adds rows to a table. Columns that are named nowhere go by their numbers.
    fn rows(
        &mut self,
        table: String,
        columns: Option<Vec<String>>,
        fields: Option<usize>,
        segment: Segment,
    ) -> Result<(), Trouble> {
        let table = self.table(table);
        let columns = columns.unwrap_or_else(|| match fields {
            Some(fields) if fields != table.created.len() => (1..=fields).map(|number| number.to_string()).collect(),
            _ => table.created.clone(),
        });
        let is_same = *table.inserted.get_or_insert_with(|| columns.clone()) == columns;
        table.segments.push(segment);
        let is_too_much = table.segments.len() > MAX_PARTS;
        match (is_same, is_too_much) {
            (true, false) => Ok(()),
            (true, true) => Err(self.reader.gave_up("rows of the table are mixed with others a million times")),
            (false, _) => Err(self.reader.gave_up("rows of the table name other columns than those before")),
        }
    }
}

/// The database that `\connect` names: `app`, `"my app"`, `-reuse-previous=on "dbname='my app'"`.
fn connected(arguments: &str) -> String {
    let last = match arguments.split_once("dbname='") {
        Some((_, name)) => name.trim_end_matches(['"', '\'']),
        None => arguments,
    };
    let unquoted = last.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    unquoted.unwrap_or(last).replace("\"\"", "\"")
}
