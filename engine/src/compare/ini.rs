// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads files of `key = value` or `key: value` lines, with `[sections]` or without: INI, environment files, units.
//!
//! Programs differ in what they make of quotes, escapes, the case of keys and of a comment behind a value: these stay
//! as they are written. A key that repeats has the list of its values, a section that repeats the list of its maps.

use super::build::{self, Budget, MAX_TEXT_BYTES, Repeated};
use super::change::GaveUp;
use super::document::Value;

mod spans;

pub use spans::spans;

const READER: &str = "INI";

/// Bytes of a key. What is longer is no key, but data with a `=` in it.
const MAX_KEY_BYTES: usize = 200;

/// The document that the text is: keys before the first section and sections are the keys of one map.
///
/// A line indented deeper than the key before it, or behind a line that ends with `\`, goes on with its value as it
/// stands. A word alone is a key with nothing. Lines that begin with `#` or `;` do not count.
///
/// # Errors
/// A line is nothing of this, or the text is beyond a limit.
pub fn parse(text: &[u8]) -> Result<Value, GaveUp> {
    let text = build::text(READER, text, MAX_TEXT_BYTES)?;
    let mut reader = Reader::new();
    for line in text.lines() {
        reader.number += 1;
        reader.line(line)?;
    }
    reader.finish()
}

/// What a line without its indentation is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A section, by its name.
    Section(&'a str),
    /// A key with its value.
    Pair(&'a str, &'a str),
    /// A key that stands alone.
    Flag(&'a str),
    /// Nothing that counts.
    Blank,
    /// None of these.
    Odd(&'static str),
}

/// What the line is.
pub(super) fn line(line: &str) -> Line<'_> {
    let line = line.trim();
    if line.is_empty() || line.starts_with(['#', ';']) {
        return Line::Blank;
    }
    if let Some(rest) = line.strip_prefix('[') {
        return section(rest);
    }
    if line.starts_with('!') {
        let (directive, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        return if is_key(&directive[1..]) {
            Line::Pair(directive, argument.trim())
        } else {
            Line::Odd("no directive")
        };
    }
    match delimiter(line) {
        Some(at) => {
            let (key, value) = (line[..at].trim_end(), line[at + 1..].trim_start());
            if is_key(key) { pair(key, value) } else { Line::Odd("what stands before the `=` or `:` is no key") }
        }
        None if is_flag(line) => Line::Flag(line),
        None => Line::Odd("expected a section, or a key with its value"),
    }
}

/// `name]`, perhaps with a comment behind it.
fn section(rest: &str) -> Line<'_> {
    match rest.split_once(']') {
        Some((name, behind)) if behind.trim_start().is_empty() || behind.trim_start().starts_with(['#', ';']) => {
            Line::Section(name.trim())
        }
        _ => Line::Odd("a section does not end with `]`"),
    }
}

/// A text over several lines may hold anything, a key of a server too: its lines must not be taken for keys.
fn pair<'a>(key: &'a str, value: &'a str) -> Line<'a> {
    let opened = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    if opened.is_some_and(|quote| !value[1..].contains(quote))
        || value.starts_with("\"\"\"")
        || value.starts_with("'''")
    {
        return Line::Odd("a quoted value goes over several lines");
    }
    Line::Pair(key, value)
}

/// Where the first `=` stands, or the first `:` with white space or nothing behind it.
fn delimiter(line: &str) -> Option<usize> {
    let is_delimiter = |&(at, c): &(usize, char)| {
        c == '=' || c == ':' && line[at + 1..].chars().next().is_none_or(char::is_whitespace)
    };
    line.char_indices().find(is_delimiter).map(|(at, _)| at)
}

/// Whether a program could have this for a key: words of letters, digits and few signs.
fn is_key(key: &str) -> bool {
    let is_sign =
        |c| matches!(c, '_' | '-' | '.' | '*' | '/' | '[' | ']' | '@' | '$' | '%' | '"' | '\'' | '\\' | '+' | ':');
    (key == "@" || key.contains(char::is_alphanumeric))
        && key.len() <= MAX_KEY_BYTES
        && key.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | '\'' | '@' | '$'))
        && key.chars().all(|c| c.is_alphanumeric() || is_sign(c) || c == ' ')
        && key.split(' ').filter(|word| !word.is_empty()).count() <= 4
}

fn is_flag(line: &str) -> bool {
    is_key(line) && line.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// The key that a line may go on with.
struct Open {
    key: String,
    indent: usize,
    /// Nothing stands behind the key: what is indented below it is a list.
    is_bare: bool,
    ends_with_backslash: bool,
}

impl Open {
    /// Whether a line goes on with the value. One that looks like a key of its own does so only in a list: it may be
    /// named like a secret, and is hidden by its name then.
    fn goes_on(&self, indent: usize, line: &Line<'_>) -> bool {
        let deeper = indent > self.indent;
        self.ends_with_backslash
            || match line {
                Line::Blank | Line::Section(_) => false,
                Line::Pair(key, _) => deeper && (self.is_bare || key.contains(' ')),
                Line::Flag(_) | Line::Odd(_) => deeper,
            }
    }
}

struct Reader {
    budget: Budget,
    number: usize,
    top: Repeated,
    /// The section that is read, with its name.
    section: Option<(String, Repeated)>,
    sections: Repeated,
    open: Option<Open>,
}

impl Reader {
    fn new() -> Self {
        let (top, sections) = (Repeated::default(), Repeated::default());
        Self { budget: Budget::new(READER), number: 0, top, section: None, sections, open: None }
    }

    fn line(&mut self, text: &str) -> Result<(), GaveUp> {
        let indent = text.chars().take_while(|c| c.is_whitespace()).count();
        let line = line(text);
        if self.open.as_ref().is_some_and(|open| open.goes_on(indent, &line)) {
            return self.go_on(text.trim_end());
        }
        match line {
            Line::Blank => Ok(()),
            Line::Odd(why) => Err(self.gave_up(why.into())),
            Line::Section(name) => self.begin(name),
            Line::Flag(key) => self.add(key, None, indent),
            Line::Pair(key, value) => self.add(key, Some(value), indent),
        }
    }

    fn add(&mut self, key: &str, value: Option<&str>, indent: usize) -> Result<(), GaveUp> {
        self.take(key.len() + value.map_or(0, str::len))?;
        let ends_with_backslash = value.is_some_and(|value| value.ends_with('\\'));
        let is_bare = value == Some("");
        self.open = value.map(|_| Open { key: key.to_string(), indent, is_bare, ends_with_backslash });
        let value = value.map_or(Value::Null, |value| Value::Text(value.to_string()));
        self.entries().push(key.to_string(), value);
        Ok(())
    }

    fn go_on(&mut self, text: &str) -> Result<(), GaveUp> {
        self.take(text.len())?;
        let Some(mut open) = self.open.take() else { return Ok(()) };
        open.ends_with_backslash = text.ends_with('\\');
        if let Some(Value::Text(value)) = self.entries().last_mut(&open.key) {
            value.push('\n');
            value.push_str(text);
        }
        self.open = Some(open);
        Ok(())
    }

    fn begin(&mut self, name: &str) -> Result<(), GaveUp> {
        if self.top.contains(name) {
            return Err(self.gave_up("a section has the name of a key".into()));
        }
        self.take(name.len())?;
        self.end_section();
        self.open = None;
        self.section = Some((name.to_string(), Repeated::default()));
        Ok(())
    }

    fn end_section(&mut self) {
        if let Some((name, entries)) = self.section.take() {
            self.sections.push(name, entries.finish());
        }
    }

    fn entries(&mut self) -> &mut Repeated {
        self.section.as_mut().map_or(&mut self.top, |(_, entries)| entries)
    }

    fn take(&mut self, text_bytes: usize) -> Result<(), GaveUp> {
        let number = self.number;
        self.budget.node(text_bytes, || format!("line {number}"))
    }

    fn finish(mut self) -> Result<Value, GaveUp> {
        self.end_section();
        let (Value::Map(mut all), Value::Map(sections)) = (self.top.finish(), self.sections.finish()) else {
            return Ok(Value::Null);
        };
        all.extend(sections);
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Value::Map(all))
    }

    fn gave_up(&self, why: String) -> GaveUp {
        GaveUp { reader: READER, place: format!("line {}", self.number), why }
    }
}

#[cfg(test)]
mod tests;
