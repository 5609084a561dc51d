// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one statement of a dump says, as far as rows need it: tables, their columns and keys, where rows follow.
//!
//! It looks at one statement and keeps nothing. Everything that it does not know is schema, if it begins as SQL does.

use super::cursor::Cursor;
use super::lexer::{Kind, Rules};
use super::values;

/// A key that tells the rows of a table apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// The primary key.
    Primary(Vec<String>),
    /// Columns that are unique; a null among them tells nothing.
    Unique(Vec<String>),
}

/// What a statement says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing about the data: settings of the session.
    Noise,
    /// Something of the schema.
    Schema,
    /// Of the schema, and what the columns of a table are.
    Table { table: String, columns: Vec<String>, keys: Vec<Key> },
    /// Of the schema, and what the key of a table is.
    Key { table: String, key: Key },
    /// Lines of rows follow.
    Copy { table: String, columns: Option<Vec<String>> },
    /// It is itself rows, from this byte on.
    Insert { table: String, columns: Option<Vec<String>>, values: usize },
    /// The state of a sequence.
    Sequence { name: String, value: String },
    /// The schema of names that have none.
    Path(String),
    /// Whether a backslash in a literal escapes.
    Escapes(bool),
    /// Another database from here on.
    Database(String),
    /// No statement that a dump has.
    Unknown,
}

/// What programs that write dumps begin statements with, besides those of [`meaning`].
const SCHEMA_WORDS: [&str; 22] = [
    "ANALYZE", "CALL", "CHANGE", "COMMENT", "DELETE", "DO", "DROP", "EXEC", "FLUSH", "GRANT", "IMPORT", "REASSIGN",
    "REFRESH", "REINDEX", "RENAME", "REVOKE", "SECURITY", "TRUNCATE", "UPDATE", "VACUUM", "VALUES", "WITH",
];

/// Reads a statement.
pub(super) fn meaning(text: &[u8], rules: Rules) -> Meaning {
    let mut cursor = Cursor::new(text, rules);
    let verb = cursor.word().unwrap_or_default();
    match verb.as_str() {
        "COPY" => copy(cursor).unwrap_or(Meaning::Unknown),
        "INSERT" | "REPLACE" => insert(cursor).unwrap_or(Meaning::Schema),
        "CREATE" => create(cursor).unwrap_or(Meaning::Schema),
        "ALTER" => alter(cursor).unwrap_or(Meaning::Schema),
        "SELECT" => select(cursor).unwrap_or(Meaning::Schema),
        "SET" => set(cursor),
        "USE" => cursor.name().map_or(Meaning::Unknown, Meaning::Database),
        "BEGIN" | "COMMIT" | "END" | "LOCK" | "PRAGMA" | "RESET" | "ROLLBACK" | "START" | "UNLOCK" => Meaning::Noise,
        word if SCHEMA_WORDS.contains(&word) => Meaning::Schema,
        _ => Meaning::Unknown,
    }
}

/// `COPY public.t (a, b) FROM stdin;`
fn copy(mut cursor: Cursor) -> Option<Meaning> {
    let table = cursor.qualified()?;
    let columns = cursor.columns();
    let follows = cursor.eat("FROM") && cursor.eat("stdin") && cursor.eat_sign(b';');
    follows.then_some(Meaning::Copy { table, columns })
}

/// `INSERT INTO public.t (a, b) VALUES (1, 'x'), ...;`
fn insert(mut cursor: Cursor) -> Option<Meaning> {
    cursor.pass(&["IGNORE", "INTO"]);
    let table = cursor.qualified()?;
    let columns = cursor.columns();
    if cursor.eat("OVERRIDING") {
        cursor.word()?;
        cursor.pass(&["VALUE"]);
    }
    cursor.eat("VALUES").then_some(())?;
    Some(Meaning::Insert { table, columns, values: cursor.position() })
}

fn create(mut cursor: Cursor) -> Option<Meaning> {
    cursor.pass(&["GLOBAL", "LOCAL", "TEMPORARY", "TEMP", "UNLOGGED", "FOREIGN"]);
    if cursor.eat("UNIQUE") {
        return unique_index(cursor);
    }
    cursor.eat("TABLE").then_some(())?;
    cursor.pass(&["IF", "NOT", "EXISTS"]);
    let table = cursor.qualified()?;
    let (columns, keys) = definitions(&mut cursor)?;
    Some(Meaning::Table { table, columns, keys })
}

/// `CREATE UNIQUE INDEX i ON public.t USING btree (a, b);`, without a condition.
fn unique_index(mut cursor: Cursor) -> Option<Meaning> {
    let is_index = cursor.eat("INDEX") && cursor.find("ON") && cursor.eat("ON");
    is_index.then_some(())?;
    cursor.pass(&["ONLY"]);
    let table = cursor.qualified()?;
    if cursor.eat("USING") {
        cursor.word()?;
    }
    let columns = cursor.columns()?;
    cursor.eat_sign(b';').then_some(Meaning::Key { table, key: Key::Unique(columns) })
}

/// `ALTER TABLE ONLY public.t ADD CONSTRAINT c PRIMARY KEY (a, b);`
fn alter(mut cursor: Cursor) -> Option<Meaning> {
    cursor.eat("TABLE").then_some(())?;
    cursor.pass(&["IF", "EXISTS", "ONLY"]);
    let table = cursor.qualified()?;
    cursor.eat("ADD").then_some(())?;
    if cursor.eat("CONSTRAINT") {
        cursor.name()?;
    }
    let key = constraint(&mut cursor)?;
    Some(Meaning::Key { table, key })
}

/// `PRIMARY KEY (a)`, `UNIQUE NULLS NOT DISTINCT (a)`, ``UNIQUE KEY `name` (`a`)``.
fn constraint(cursor: &mut Cursor) -> Option<Key> {
    let is_primary = cursor.eat("PRIMARY");
    if !is_primary && !cursor.eat("UNIQUE") {
        return None;
    }
    while cursor.peek()?.kind != Kind::Sign {
        cursor.next();
    }
    let columns = cursor.columns()?;
    Some(if is_primary { Key::Primary(columns) } else { Key::Unique(columns) })
}

/// The columns and keys between the parentheses of CREATE TABLE.
fn definitions(cursor: &mut Cursor) -> Option<(Vec<String>, Vec<Key>)> {
    cursor.eat_sign(b'(').then_some(())?;
    let (mut columns, mut keys) = (Vec::new(), Vec::new());
    while !cursor.eat_sign(b')') {
        let token = cursor.peek()?;
        if token.kind == Kind::Word && is_constraint(cursor.bytes(token)) {
            if cursor.eat("CONSTRAINT") {
                cursor.name()?;
            }
            keys.extend(constraint(cursor));
            while !ends_definition(cursor)? {
                cursor.pass_item();
            }
        } else {
            let name = cursor.name()?;
            keys.extend(column_key(cursor, &name)?);
            columns.push(name);
        }
        cursor.eat_sign(b',');
    }
    Some((columns, keys))
}

/// Passes what is said of a column; the key if it alone is one.
fn column_key(cursor: &mut Cursor, name: &str) -> Option<Option<Key>> {
    let mut key = None;
    while !ends_definition(cursor)? {
        if cursor.eat("PRIMARY") {
            key = Some(Key::Primary(vec![name.to_string()]));
        } else if cursor.eat("UNIQUE") {
            key.get_or_insert_with(|| Key::Unique(vec![name.to_string()]));
        } else {
            cursor.pass_item();
        }
    }
    Some(key)
}

/// None at the end of the text.
fn ends_definition(cursor: &mut Cursor) -> Option<bool> {
    let token = cursor.peek()?;
    Some(token.kind == Kind::Sign && matches!(cursor.bytes(token), b"," | b")"))
}

/// `KEY` and those after it are of MySQL, which quotes names. PostgreSQL has plain columns of that name, in small
/// letters.
fn is_constraint(word: &[u8]) -> bool {
    let reserved = ["CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "LIKE"];
    let capitals: [&[u8]; 5] = [b"KEY", b"INDEX", b"FULLTEXT", b"SPATIAL", b"EXCLUDE"];
    reserved.iter().any(|other| word.eq_ignore_ascii_case(other.as_bytes())) || capitals.contains(&word)
}

/// `SELECT pg_catalog.setval('public.s', 7, true);` and `SELECT pg_catalog.set_config('search_path', '', false);`
fn select(mut cursor: Cursor) -> Option<Meaning> {
    let function = cursor.qualified()?;
    cursor.eat_sign(b'(').then_some(())?;
    let first = literal(&mut cursor)?;
    cursor.eat_sign(b',').then_some(())?;
    if function.ends_with("set_config") {
        let is_path = first == "search_path";
        return Some(if is_path { Meaning::Path(literal(&mut cursor)?) } else { Meaning::Noise });
    }
    (function == "pg_catalog.setval" || function == "setval").then_some(())?;
    let minus = if cursor.eat_sign(b'-') { "-" } else { "" };
    let number = cursor.name()?;
    let unused = if cursor.eat_sign(b',') && cursor.is("false") { " (not used yet)" } else { "" };
    Some(Meaning::Sequence { name: first, value: format!("{minus}{number}{unused}") })
}

fn literal(cursor: &mut Cursor) -> Option<String> {
    let token = cursor.next()?;
    let value = values::literal(cursor.bytes(token), Rules::default())?;
    Some(String::from_utf8_lossy(&value).into_owned())
}

fn set(mut cursor: Cursor) -> Meaning {
    if cursor.eat("standard_conforming_strings") {
        cursor.eat_sign(b'=');
        return Meaning::Escapes(cursor.is("off"));
    }
    if cursor.eat("search_path") {
        cursor.eat_sign(b'=');
        return Meaning::Path(cursor.name().unwrap_or_default());
    }
    Meaning::Noise
}
