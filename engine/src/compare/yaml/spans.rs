// SPDX-License-Identifier: MIT OR Apache-2.0
//! The places of the values of YAML. Only for a text that [`parse`](super::parse) took: it has looked at all limits.

use super::{GaveUp, READER, Value, gave_up, place, scalar};
use crate::compare::spans::{Content, Entry, Spot, Style};
use saphyr_parser::{BufferedInput, Event, Parser, ScalarStyle, Span};
use std::ops::Range;
use std::str::Chars;

/// The documents of the text, as a list.
///
/// # Errors
/// The text is not YAML.
pub fn spans(text: &str) -> Result<Spot, GaveUp> {
    let mut reader =
        Reader { text, parser: Parser::new_from_iter(text.chars()), places: Places { text, sign: 0, byte: 0 } };
    let mut documents = Vec::new();
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Ok(Spot::new(0..text.len(), Content::List(documents))),
            (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing, _) => {}
            (event, span) => documents.push(reader.value(event, span)?),
        }
    }
}

/// Finds the byte of a sign; the next is never far from the last.
struct Places<'a> {
    text: &'a str,
    sign: usize,
    byte: usize,
}

impl Places<'_> {
    fn byte(&mut self, sign: usize) -> usize {
        while self.sign < sign && self.byte < self.text.len() {
            self.byte = self.text.ceil_char_boundary(self.byte + 1);
            self.sign += 1;
        }
        while self.sign > sign {
            self.byte = self.text.floor_char_boundary(self.byte - 1);
            self.sign -= 1;
        }
        self.byte
    }
}

struct Reader<'a> {
    text: &'a str,
    parser: Parser<'a, BufferedInput<Chars<'a>>>,
    places: Places<'a>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), GaveUp> {
        let end = || GaveUp { reader: READER, place: "the end".into(), why: "the document is not complete".into() };
        self.parser.next_event().ok_or_else(end)?.map_err(|error| GaveUp {
            reader: READER,
            place: format!("line {}", error.marker().line()),
            why: error.info().to_string(),
        })
    }

    fn range(&mut self, span: Span) -> Range<usize> {
        let start = self.places.byte(span.start.index());
        start..self.places.byte(span.end.index()).max(start)
    }

    fn value(&mut self, event: Event<'a>, span: Span) -> Result<Spot, GaveUp> {
        let range = self.range(span);
        let (content, end, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let (range, style) = self.scalar_place(range, style);
                let text = match scalar(&text, written(style), tag.as_deref()) {
                    Value::Null | Value::Bool(_) => None,
                    Value::Number(text) | Value::Text(text) => Some(text),
                    Value::List(_) | Value::Map(_) => Some(text.into_owned()),
                };
                return Ok(Spot { span: range, content: Content::Scalar(text, style), anchor });
            }
            Event::Alias(anchor) => return Ok(Spot::new(range, Content::Alias(anchor))),
            Event::SequenceStart(anchor, _) => {
                let mut values = Vec::new();
                let end = loop {
                    match self.next()? {
                        (Event::SequenceEnd, end) => break end,
                        (event, span) => values.push(self.value(event, span)?),
                    }
                };
                (Content::List(values), end, anchor)
            }
            Event::MappingStart(anchor, _) => {
                let (entries, end) = self.entries()?;
                (Content::Map(entries), end, anchor)
            }
            _ => return Err(gave_up(span, "expected a value".into())),
        };
        let end = self.range(end);
        // In block style the end is that of the next line that belongs to something else.
        let last = match &content {
            _ if !end.is_empty() => end.end,
            Content::List(values) => values.last().map_or(range.start, |value| value.span.end),
            Content::Map(entries) => entries.last().map_or(range.start, |entry| entry.whole.end),
            Content::Scalar(..) | Content::Alias(_) => range.end,
        };
        Ok(Spot { span: range.start..last.max(range.end), content, anchor })
    }

    fn entries(&mut self) -> Result<(Vec<Entry>, Span), GaveUp> {
        let mut entries = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok((entries, span));
            }
            let at = place(span);
            let key = self.value(event, span)?;
            let Content::Scalar(name, key_style) = &key.content else {
                return Err(GaveUp { reader: READER, place: at, why: "a key is no text".into() });
            };
            let written = self.text.get(key.span.clone()).unwrap_or_default();
            let (name, key_style) = (name.clone().unwrap_or_else(|| written.to_string()), *key_style);
            let (event, span) = self.next()?;
            let value = self.value(event, span)?;
            let whole = key.span.start..value.span.end.max(key.span.end);
            entries.push(Entry { key: name, key_span: key.span, key_style, whole, value });
        }
    }

    /// Without the anchor and tag before it, and the blank lines and the indentation of the next line behind it.
    fn scalar_place(&self, range: Range<usize>, style: ScalarStyle) -> (Range<usize>, Style) {
        let mut written = self.text.get(range.clone()).unwrap_or_default();
        if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            let line = self.text[..range.start].rfind('\n').map_or(0, |at| at + 1);
            let end = range.start + written.trim_end().len();
            return (range.start..end, Style::Block(range.start - line));
        }
        while written.starts_with(['&', '!']) {
            let end = written.find(char::is_whitespace).unwrap_or(written.len());
            written = written[end..].trim_start();
        }
        let written_style = match style {
            ScalarStyle::SingleQuoted => Style::Single,
            ScalarStyle::DoubleQuoted => Style::Double,
            _ => Style::Plain,
        };
        (range.end - written.len()..range.end, written_style)
    }
}

fn written(style: Style) -> ScalarStyle {
    match style {
        Style::Plain | Style::Markup => ScalarStyle::Plain,
        Style::Single => ScalarStyle::SingleQuoted,
        Style::Double => ScalarStyle::DoubleQuoted,
        Style::Block(_) => ScalarStyle::Literal,
    }
}
