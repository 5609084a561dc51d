// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads TOML. Tables in any notation are maps; dates and times are their texts.
//!
//! The parser builds a tree of its own, many times as large as the text; this is why the text is limited more than
//! that of other formats. It bounds the depth of values itself.

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use super::build::{self, Budget, Keyed, MAX_DEPTH};
use super::change::GaveUp;
use super::document::Value;
use super::number;

mod spans;

pub use spans::spans;

const READER: &str = "TOML";

/// Bytes of text. The largest files, of locked dependencies, have some megabytes.
const MAX_TEXT_BYTES: usize = 16 << 20;

/// Signs and runs of spaces. The parser takes up to 200 bytes of memory for each.
const MAX_PIECES: usize = 1_200_000;

/// The document that the text is.
///
/// # Errors
/// The text is not TOML, or is beyond a limit.
pub fn parse(text: &[u8]) -> Result<Value, GaveUp> {
    // Ends of lines stay as they are inside of texts otherwise, and those of an editor are nobody's change.
    let text = build::text(READER, text, MAX_TEXT_BYTES)?.replace("\r\n", "\n");
    let text = text.as_str();
    if pieces(text) > MAX_PIECES {
        let why = format!("the text has more than {MAX_PIECES} words and signs");
        return Err(GaveUp { reader: READER, place: "the whole".into(), why });
    }
    let table = DeTable::parse(text).map_err(|error| {
        let line = build::line_of(text, error.span().map_or(0, |span| span.start));
        GaveUp { reader: READER, place: format!("line {line}"), why: error.message().to_string() }
    })?;
    Reader { text, budget: Budget::new(READER) }.table(table.get_ref(), 0)
}

/// How many pieces the parser may find in the text.
fn pieces(text: &str) -> usize {
    let in_word = |byte: u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || matches!(byte, b'_' | b'-');
    let bytes = text.as_bytes();
    let begins = |at: usize| bytes[at] != b' ' || at == 0 || bytes[at - 1] != b' ';
    (0..bytes.len()).filter(|&at| !in_word(bytes[at]) && begins(at)).count()
}

struct Reader<'a> {
    text: &'a str,
    budget: Budget,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>, depth: usize) -> Result<Value, GaveUp> {
        let mut entries = Keyed::default();
        for (key, value) in table {
            let name = key.get_ref().to_string();
            self.budget.take(name.len(), || place(self.text, value))?;
            let value = self.value(value, depth + 1)?;
            // The parser has refused keys that stand twice.
            let _ = entries.insert(name, value);
        }
        Ok(entries.finish())
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, depth: usize) -> Result<Value, GaveUp> {
        if depth > MAX_DEPTH {
            let why = format!("values stand more than {MAX_DEPTH} deep");
            return Err(GaveUp { reader: READER, place: place(self.text, value), why });
        }
        self.budget.node(text_bytes(value.get_ref()), || place(self.text, value))?;
        Ok(match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(integer) => Value::Number(self::integer(integer.as_str(), integer.radix())),
            DeValue::Float(float) => Value::Number(self::float(float.as_str())),
            DeValue::Boolean(truth) => Value::Bool(*truth),
            DeValue::Datetime(time) => Value::Text(time.to_string()),
            DeValue::Array(values) => {
                Value::List(values.iter().map(|value| self.value(value, depth + 1)).collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => self.table(table, depth)?,
        })
    }
}

fn text_bytes(value: &DeValue<'_>) -> usize {
    match value {
        DeValue::String(text) => text.len(),
        DeValue::Integer(integer) => integer.as_str().len(),
        DeValue::Float(float) => float.as_str().len(),
        _ => 0,
    }
}

fn integer(digits: &str, radix: u32) -> String {
    let prefix = match radix {
        2 => "0b",
        8 => "0o",
        16 => "0x",
        _ => return number::decimal(digits).unwrap_or_else(|| digits.to_string()),
    };
    number::with_radix(digits, radix, prefix).unwrap_or_else(|| digits.to_string())
}

fn float(text: &str) -> String {
    match text.trim_start_matches(['+', '-']) {
        "nan" => "nan".into(),
        "inf" => text.trim_start_matches('+').into(),
        _ => number::decimal(text).unwrap_or_else(|| text.to_string()),
    }
}

fn place(text: &str, value: &Spanned<DeValue<'_>>) -> String {
    format!("line {}", build::line_of(text, value.span().start))
}

#[cfg(test)]
mod tests;
