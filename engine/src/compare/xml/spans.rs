// SPDX-License-Identifier: MIT OR Apache-2.0
//! The places of the values of XML. Only for a text that [`parse`](super::parse) took: it has looked at all limits.

use super::{Event, GaveUp, Parser, READER, place};
use crate::compare::mask::TEXT_KEY;
use crate::compare::spans::{Content, Entry, Spot, Style};
use quick_xml::XmlVersion;
use quick_xml::events::BytesStart;
use std::ops::Range;

/// The root, in a map. Children are entries in their order, also if they have one name.
///
/// # Errors
/// The text is not XML.
pub fn spans(text: &str) -> Result<Spot, GaveUp> {
    let mut reader = Reader { text, parser: Parser::from_str(text), open: Vec::new(), top: Vec::new() };
    while reader.step()? {}
    Ok(Spot::new(0..text.len(), Content::Map(reader.top)))
}

struct Open {
    name: String,
    start: usize,
    /// Where its content begins.
    inner: usize,
    entries: Vec<Entry>,
    /// The text since its start or the last child, and where it is.
    text: Option<(String, Range<usize>)>,
    has_children: bool,
}

struct Reader<'a> {
    text: &'a str,
    parser: Parser<&'a [u8]>,
    open: Vec<Open>,
    top: Vec<Entry>,
}

impl Reader<'_> {
    fn at(&self) -> usize {
        usize::try_from(self.parser.buffer_position()).unwrap_or(usize::MAX)
    }

    fn step(&mut self) -> Result<bool, GaveUp> {
        let start = self.at();
        let event = self.parser.read_event().map_err(|error| self.gave_up(&error))?;
        let range = start..self.at();
        match event {
            Event::Start(tag) => self.start(&tag, range)?,
            Event::Empty(tag) => {
                self.start(&tag, range.clone())?;
                self.end(range.end..range.end);
            }
            Event::End(_) => self.end(range),
            Event::Text(text) => {
                let text = text.xml10_content().map_err(|error| self.gave_up(&error))?;
                self.add(&text, range);
            }
            Event::CData(text) => {
                let text = text.xml10_content().map_err(|error| self.gave_up(&error))?;
                self.add(&text, range);
            }
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(|error| self.gave_up(&error))?;
                let character = character.or(match &*reference {
                    b"lt" => Some('<'),
                    b"gt" => Some('>'),
                    b"amp" => Some('&'),
                    b"apos" => Some('\''),
                    b"quot" => Some('"'),
                    _ => None,
                });
                self.add(&character.map(String::from).unwrap_or_default(), range);
            }
            Event::Eof => return Ok(false),
            _ => {}
        }
        Ok(true)
    }

    fn start(&mut self, tag: &BytesStart<'_>, range: Range<usize>) -> Result<(), GaveUp> {
        self.end_text();
        if let Some(parent) = self.open.last_mut() {
            parent.has_children = true;
        }
        let name = String::from_utf8_lossy(tag.name().0).into_owned();
        let mut entries = Vec::new();
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| self.gave_up(&error))?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| self.gave_up(&error))?;
            let key = format!("@{}", String::from_utf8_lossy(attribute.key.0));
            let (name_at, at) = (self.place(attribute.key.0), self.place(&attribute.value));
            let value = Spot::new(at.clone(), Content::Scalar(Some(value.into_owned()), Style::Markup));
            let key_span = name_at.start..name_at.start;
            entries.push(Entry { key, key_span, key_style: Style::Markup, whole: name_at.start..at.end + 1, value });
        }
        let (start, inner) = (range.start, range.end);
        self.open.push(Open { name, start, inner, entries, text: None, has_children: false });
        Ok(())
    }

    fn place(&self, part: &[u8]) -> Range<usize> {
        let start = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        start..start + part.len()
    }

    fn add(&mut self, more: &str, range: Range<usize>) {
        let Some(open) = self.open.last_mut() else { return };
        let (text, place) = open.text.get_or_insert_with(|| (String::new(), range.clone()));
        text.push_str(more);
        place.end = range.end;
    }

    /// Makes a value of the text before a child or an end.
    fn end_text(&mut self) {
        let Some(open) = self.open.last_mut() else { return };
        let Some((text, span)) = open.text.take() else { return };
        if !text.trim().is_empty() {
            let value = Spot::new(span.clone(), Content::Scalar(Some(text), Style::Markup));
            let (key, key_span) = (TEXT_KEY.to_string(), span.start..span.start);
            open.entries.push(Entry { key, key_span, key_style: Style::Markup, whole: span, value });
        }
    }

    fn end(&mut self, range: Range<usize>) {
        let is_text = self.open.last().is_some_and(|open| open.entries.is_empty() && !open.has_children);
        let text = self.open.last_mut().filter(|_| is_text).map(|open| open.text.take().unwrap_or_default().0);
        self.end_text();
        let Some(open) = self.open.pop() else { return };
        let span = open.inner..range.start.max(open.inner);
        let content = match text {
            Some(text) => Content::Scalar(Some(text), Style::Markup),
            None => Content::Map(open.entries),
        };
        let key_span = open.start..open.start;
        let (whole, value) = (open.start..range.end, Spot::new(span, content));
        let entry = Entry { key: open.name, key_span, key_style: Style::Markup, whole, value };
        match self.open.last_mut() {
            Some(parent) => parent.entries.push(entry),
            None => self.top.push(entry),
        }
    }

    fn gave_up(&self, error: &dyn std::error::Error) -> GaveUp {
        GaveUp { reader: READER, place: place(self.text, self.parser.buffer_position()), why: error.to_string() }
    }
}
