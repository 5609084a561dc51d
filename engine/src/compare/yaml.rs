// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads YAML 1.2 with the scalars of its core schema: `yes`, dates and `1_000` are texts.
//!
//! Aliases and merge keys (`<<`) are replaced by what they stand for, within the budget of memory. A stream of several
//! documents is their list, without the empty ones; a value with a tag of its own, `!Ref x`, is `{"!Ref": "x"}`. Keys
//! are the texts as written; a key that stands twice, or is no scalar, ends the reading.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::str::Chars;

use saphyr_parser::{BufferedInput, Event, Parser, ScalarStyle, Span, Tag};

use super::build::{self, Budget, Keyed, MAX_DEPTH, MAX_TEXT_BYTES};
use super::change::GaveUp;
use super::document::Value;
use super::number;

mod spans;

pub use spans::spans;

const READER: &str = "YAML";

/// Signs of YAML from one value to the next. The parser looks ahead over all of a list or map in brackets, as it could
/// be a key, and takes 350 bytes of memory for each sign: this much is 140 MB.
const MAX_SIGNS_AHEAD: usize = 400_000;

/// The document that the text is.
///
/// # Errors
/// The text is not YAML, or is beyond a limit.
pub fn parse(text: &[u8]) -> Result<Value, GaveUp> {
    let text = build::text(READER, text, MAX_TEXT_BYTES)?;
    let signs = Rc::new(Cell::new(0));
    let parser = Parser::new_from_iter(Watched { text: text.chars(), signs: Rc::clone(&signs) });
    Reader { parser, signs, budget: Budget::new(READER), anchors: HashMap::new() }.stream()
}

/// The text for the parser; it ends where too many signs were read for one value.
struct Watched<'a> {
    text: Chars<'a>,
    signs: Rc<Cell<usize>>,
}

impl Iterator for Watched<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let next = self.text.next()?;
        if next.is_ascii_punctuation() {
            self.signs.set(self.signs.get() + 1);
        }
        (self.signs.get() <= MAX_SIGNS_AHEAD).then_some(next)
    }
}

/// A value that an anchor names, and the memory that a copy takes.
struct Anchored {
    value: Value,
    bytes: usize,
}

/// The key of a map, or what stands in its place.
enum Key {
    Text(String),
    Merge,
}

struct Reader<'a> {
    parser: Parser<'a, BufferedInput<Watched<'a>>>,
    /// How many the parser has read since the last value.
    signs: Rc<Cell<usize>>,
    budget: Budget,
    anchors: HashMap<usize, Anchored>,
}

impl<'a> Reader<'a> {
    fn stream(&mut self) -> Result<Value, GaveUp> {
        let mut documents = Vec::new();
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => break,
                (Event::DocumentStart(_), _) => self.anchors.clear(),
                (Event::StreamStart | Event::DocumentEnd | Event::Nothing, _) => {}
                (event, span) => documents.push(self.value(event, span, 0)?),
            }
        }
        documents.retain(|document| *document != Value::Null);
        Ok(if documents.is_empty() { Value::Null } else { build::one_or_list(documents) })
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), GaveUp> {
        self.signs.set(0);
        let event = self.parser.next_event();
        if self.signs.get() > MAX_SIGNS_AHEAD {
            let place = event.and_then(Result::ok).map_or_else(|| "a value".into(), |(_, span)| place(span));
            let why = format!("a list or map in brackets, or a text, has more than {MAX_SIGNS_AHEAD} signs");
            return Err(GaveUp { reader: READER, place, why });
        }
        match event {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let place = format!("line {}, column {}", error.marker().line(), error.marker().col() + 1);
                Err(GaveUp { reader: READER, place, why: error.info().to_string() })
            }
            None => Err(GaveUp { reader: READER, place: "the end".into(), why: "the document is not complete".into() }),
        }
    }

    fn value(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Value, GaveUp> {
        if depth > MAX_DEPTH {
            return Err(gave_up(span, format!("values stand more than {MAX_DEPTH} deep")));
        }
        let before = self.budget.left_bytes();
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.budget.node(text.len(), || place(span))?;
                (scalar(&text, style, tag.as_deref()), anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.budget.node(0, || place(span))?;
                (tagged(tag, self.list(depth)?), anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.budget.node(0, || place(span))?;
                (tagged(tag, self.map(depth)?), anchor)
            }
            Event::Alias(anchor) => (self.alias(anchor, span)?, 0),
            _ => return Err(gave_up(span, "expected a value".into())),
        };
        if anchor != 0 {
            let bytes = before - self.budget.left_bytes();
            self.budget.take(bytes, || place(span))?;
            self.anchors.insert(anchor, Anchored { value: value.clone(), bytes });
        }
        Ok(value)
    }

    fn list(&mut self, depth: usize) -> Result<Value, GaveUp> {
        let mut values = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(values)),
                (event, span) => values.push(self.value(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, GaveUp> {
        let mut entries = Keyed::default();
        let mut merged = None;
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let key = self.key(event, span)?;
            let (event, value_span) = self.next()?;
            let value = self.value(event, value_span, depth + 1)?;
            let fresh = match key {
                Key::Text(key) => {
                    let shown = key.clone();
                    entries.insert(key, value).then_some(()).ok_or(shown)
                }
                Key::Merge => merged.replace((value, span)).is_none().then_some(()).ok_or("<<".into()),
            };
            fresh.map_err(|key| gave_up(span, format!("the key {:?} stands twice", super::change::shown(&key))))?;
        }
        if let Some((value, span)) = merged {
            merge(&mut entries, value, span)?;
        }
        Ok(entries.finish())
    }

    fn key(&mut self, event: Event<'a>, span: Span) -> Result<Key, GaveUp> {
        match event {
            Event::Scalar(text, ScalarStyle::Plain, 0, None) if text == "<<" => Ok(Key::Merge),
            Event::Scalar(text, style, anchor, tag) => {
                if tag.as_ref().is_some_and(|tag| !tag.is_yaml_core_schema()) {
                    return Err(gave_up(span, "a key has a tag".into()));
                }
                self.budget.take(text.len(), || place(span))?;
                if anchor != 0 {
                    self.value(Event::Scalar(text.clone(), style, anchor, tag), span, 0)?;
                }
                Ok(Key::Text(text.into_owned()))
            }
            Event::Alias(anchor) => match self.alias(anchor, span)? {
                Value::Text(text) | Value::Number(text) => Ok(Key::Text(text)),
                _ => Err(gave_up(span, "a key is no text".into())),
            },
            _ => Err(gave_up(span, "a key is a list or a map".into())),
        }
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Value, GaveUp> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(gave_up(span, "an alias stands inside of what it names, or names nothing".into()));
        };
        self.budget.take(anchored.bytes, || place(span))?;
        Ok(anchored.value.clone())
    }
}

/// Fills in what the entries lack from a map, or from maps of which the first wins.
fn merge(entries: &mut Keyed, value: Value, span: Span) -> Result<(), GaveUp> {
    let maps = if let Value::List(values) = value { values } else { vec![value] };
    for map in maps {
        let Value::Map(more) = map else { return Err(gave_up(span, "`<<` merges something that is no map".into())) };
        entries.fill(more);
    }
    Ok(())
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let as_text = || Value::Text(text.to_string());
    let Some(tag) = tag else {
        return if style == ScalarStyle::Plain { plain(text) } else { as_text() };
    };
    if is_non_specific(tag) {
        return as_text();
    }
    match (tag.is_yaml_core_schema(), tag.suffix.as_str(), plain(text)) {
        (true, "str", _) => as_text(),
        (true, "null", value @ Value::Null)
        | (true, "bool", value @ Value::Bool(_))
        | (true, "int" | "float", value @ Value::Number(_)) => value,
        (true, "binary", _) => under(tag, Value::Text(text.split_ascii_whitespace().collect())),
        (true, ..) => under(tag, as_text()),
        (false, _, value) if style == ScalarStyle::Plain => under(tag, value),
        (false, ..) => under(tag, as_text()),
    }
}

fn tagged(tag: Option<Cow<'_, Tag>>, value: Value) -> Value {
    match tag {
        Some(tag) if is_non_specific(&tag) => value,
        Some(tag) if tag.is_yaml_core_schema() && matches!(tag.suffix.as_str(), "map" | "seq") => value,
        Some(tag) => under(&tag, value),
        None => value,
    }
}

fn is_non_specific(tag: &Tag) -> bool {
    matches!((tag.handle.as_str(), tag.suffix.as_str()), ("", "!") | ("!", ""))
}

fn under(tag: &Tag, value: Value) -> Value {
    let handle = if tag.is_yaml_core_schema() { "!!" } else { &tag.handle };
    Value::Map(vec![(format!("{handle}{}", tag.suffix), value)])
}

/// A scalar without quotes, by the core schema. An integer with leading zeros stays as it is written: it is octal to
/// some programs and decimal to others.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Number("nan".into()),
        "-.inf" | "-.Inf" | "-.INF" => return Value::Number("-inf".into()),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Value::Number("inf".into()),
        _ => {}
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Value::Number(text.strip_prefix('+').unwrap_or(text).into());
    }
    let other = |prefix, radix| number::with_radix(text.strip_prefix(prefix)?, radix, prefix);
    let number = number::decimal(text).or_else(|| other("0x", 16)).or_else(|| other("0o", 8));
    number.map_or_else(|| Value::Text(text.into()), Value::Number)
}

fn place(span: Span) -> String {
    format!("line {}", span.start.line())
}

fn gave_up(span: Span, why: String) -> GaveUp {
    GaveUp { reader: READER, place: place(span), why }
}

#[cfg(test)]
mod tests;
