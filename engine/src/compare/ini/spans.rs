// SPDX-License-Identifier: MIT OR Apache-2.0
//! The places of the values of INI. Only for a text that [`parse`](super::parse) took: it has looked at all limits.

use super::{GaveUp, Line, Open, READER, line};
use crate::compare::spans::{Content, Entry, Spot, Style};
use std::ops::Range;

/// The keys before the first section, and the sections, with all their lines.
///
/// # Errors
/// A line is nothing of this.
pub fn spans(text: &str) -> Result<Spot, GaveUp> {
    let mut reader = Reader { text, top: Vec::new(), section: None, open: None };
    let mut at = 0;
    for (number, raw) in text.split_inclusive('\n').enumerate() {
        let range = at..at + raw.len();
        at = range.end;
        reader.line(raw, range).map_err(|why| GaveUp {
            reader: READER,
            place: format!("line {}", number + 1),
            why: why.into(),
        })?;
    }
    reader.end_section(text.len());
    Ok(Spot::new(0..text.len(), Content::Map(reader.top)))
}

struct Reader<'a> {
    text: &'a str,
    top: Vec<Entry>,
    section: Option<Entry>,
    open: Option<Open>,
}

impl Reader<'_> {
    fn line(&mut self, raw: &str, range: Range<usize>) -> Result<(), &'static str> {
        let text = raw.strip_suffix('\n').map_or(raw, |line| line.strip_suffix('\r').unwrap_or(line));
        let indent = text.chars().take_while(|c| c.is_whitespace()).count();
        let found = line(text);
        if self.open.as_ref().is_some_and(|open| open.goes_on(indent, &found)) {
            self.go_on(text.trim_end(), range);
            return Ok(());
        }
        match found {
            Line::Blank => {}
            Line::Odd(why) => return Err(why),
            Line::Section(name) => {
                self.end_section(range.start);
                self.open = None;
                let value = Spot::new(range.clone(), Content::Map(Vec::new()));
                let (key, key_span) = (name.to_string(), range.start..range.start);
                self.section = Some(Entry { key, key_span, key_style: Style::Plain, whole: range, value });
            }
            Line::Flag(key) => {
                self.open = None;
                self.add(key, None, range);
            }
            Line::Pair(key, value) => {
                let (is_bare, ends_with_backslash) = (value.is_empty(), value.ends_with('\\'));
                self.open = Some(Open { key: key.to_string(), indent, is_bare, ends_with_backslash });
                self.add(key, Some(value), range);
            }
        }
        Ok(())
    }

    /// Where a part of the text stands.
    fn place(&self, part: &str) -> Range<usize> {
        let start = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        start..start + part.len()
    }

    fn entries(&mut self) -> &mut Vec<Entry> {
        match &mut self.section {
            Some(Entry { value: Spot { content: Content::Map(entries), .. }, .. }) => entries,
            _ => &mut self.top,
        }
    }

    fn add(&mut self, key: &str, value: Option<&str>, whole: Range<usize>) {
        let key_span = self.place(key);
        let span = value.map_or(key_span.end..key_span.end, |value| self.place(value));
        let value = Spot::new(span, Content::Scalar(value.map(str::to_string), Style::Plain));
        self.entries().push(Entry { key: key.to_string(), key_span, key_style: Style::Plain, whole, value });
    }

    fn go_on(&mut self, text: &str, range: Range<usize>) {
        let end = self.place(text).end;
        if let Some(open) = &mut self.open {
            open.ends_with_backslash = text.ends_with('\\');
        }
        if let Some(entry) = self.entries().last_mut()
            && let Content::Scalar(Some(value), _) = &mut entry.value.content
        {
            value.push('\n');
            value.push_str(text);
            entry.value.span.end = end;
            entry.whole.end = range.end;
        }
    }

    fn end_section(&mut self, at: usize) {
        if let Some(mut section) = self.section.take() {
            section.whole.end = at;
            self.top.push(section);
        }
    }
}
