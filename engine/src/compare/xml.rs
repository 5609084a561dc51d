// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads XML. An element is `{"@attribute": .., "child": ..}`, with children of one name as a list; one that has
//! neither is its text.
//!
//! Text beside attributes is `#text`; mixed with children, `#text` is the list of texts and children in their order.
//! Otherwise the order between children of different names means nothing. Comments, processing instructions, the
//! document type, and white space alone do not count; entities of the document's own end the reading.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::reader::Reader as Parser;

use super::build::{self, Budget, Keyed, MAX_DEPTH, MAX_TEXT_BYTES, Repeated};
use super::change::GaveUp;
use super::document::Value;

mod spans;

pub use spans::spans;

const READER: &str = "XML";

/// Elements that tell XML from text with angle brackets.
const ELEMENTS_OF_BEGINNING: usize = 20;

/// The document that the text is: a map of the name of its root.
///
/// # Errors
/// The text is not XML, or is beyond a limit.
pub fn parse(text: &[u8]) -> Result<Value, GaveUp> {
    let text = build::text(READER, text, MAX_TEXT_BYTES)?;
    let reader =
        Reader { text, parser: Parser::from_str(text), budget: Budget::new(READER), open: Vec::new(), root: None };
    reader.document()
}

/// Whether the text begins like XML: its first elements are well formed.
pub(super) fn begins(text: &str) -> bool {
    let mut parser = Parser::from_str(text);
    let mut elements = 0;
    while elements < ELEMENTS_OF_BEGINNING {
        match parser.read_event() {
            Ok(Event::Start(tag) | Event::Empty(tag)) if tag.attributes().all(|attribute| attribute.is_ok()) => {
                elements += 1
            }
            Ok(Event::Start(_) | Event::Empty(_)) | Err(_) => return false,
            Ok(Event::Text(text)) if elements == 0 && !text.trim_ascii().is_empty() => return false,
            Ok(Event::Eof) => return elements > 0,
            Ok(_) => {}
        }
    }
    true
}

/// Something inside an element, in its place.
enum Piece {
    Text {
        text: String,
        /// It has more than white space, or was written such that white space is meant.
        counts: bool,
    },
    Child(String, Value),
}

/// An element whose end is not read yet.
struct Element {
    name: String,
    attributes: Keyed,
    has_attributes: bool,
    pieces: Vec<Piece>,
}

struct Reader<'a> {
    text: &'a str,
    parser: Parser<&'a [u8]>,
    budget: Budget,
    open: Vec<Element>,
    root: Option<(String, Value)>,
}

impl Reader<'_> {
    fn document(mut self) -> Result<Value, GaveUp> {
        loop {
            let event = self.parser.read_event().map_err(|error| self.gave_up(error.to_string()))?;
            match event {
                Event::Start(tag) => self.start(&tag)?,
                Event::Empty(tag) => {
                    self.start(&tag)?;
                    self.end()?;
                }
                Event::End(_) => self.end()?,
                Event::Text(text) => {
                    let text = text.xml10_content().map_err(|error| self.gave_up(error.to_string()))?;
                    self.add_text(&text, !text.trim_ascii().is_empty())?;
                }
                Event::CData(text) => {
                    let text = text.xml10_content().map_err(|error| self.gave_up(error.to_string()))?;
                    self.add_text(&text, true)?;
                }
                Event::GeneralRef(reference) => self.reference(&reference)?,
                Event::Decl(declaration) => self.declaration(&declaration)?,
                Event::DocType(declaration) => self.document_type(&declaration)?,
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        match (self.open.last(), self.root.take()) {
            (Some(element), _) => Err(self.gave_up(format!("<{}> has no end", element.name))),
            (None, Some((name, value))) => Ok(Value::Map(vec![(name, value)])),
            (None, None) => Err(self.gave_up("there is no element".into())),
        }
    }

    fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), GaveUp> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.gave_up(format!("elements stand more than {MAX_DEPTH} deep")));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(self.gave_up("there is a second root".into()));
        }
        let name = self.name(tag.name().0)?;
        let mut attributes = Keyed::default();
        let mut has_attributes = false;
        // The parser's own check for names that stand twice takes time by the square of their number.
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| self.gave_up(error.to_string()))?;
            let name = format!("@{}", self.name(attribute.key.0)?);
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|error| self.gave_up(error.to_string()))?.into_owned();
            self.take(name.len() + value.len())?;
            has_attributes = true;
            if !attributes.insert(name, Value::Text(value)) {
                return Err(self.gave_up(format!("<{}> has an attribute twice", super::change::shown(&name_of(tag)))));
            }
        }
        self.take(name.len())?;
        self.open.push(Element { name, attributes, has_attributes, pieces: Vec::new() });
        Ok(())
    }

    fn end(&mut self) -> Result<(), GaveUp> {
        let Some(element) = self.open.pop() else { return Err(self.gave_up("an end has no start".into())) };
        let (name, value) = element.finish();
        match self.open.last_mut() {
            Some(parent) => parent.pieces.push(Piece::Child(name, value)),
            None => self.root = Some((name, value)),
        }
        Ok(())
    }

    fn add_text(&mut self, more: &str, more_counts: bool) -> Result<(), GaveUp> {
        let Some(element) = self.open.last_mut() else {
            return if more_counts { Err(self.gave_up("text stands outside of the root".into())) } else { Ok(()) };
        };
        if let Some(Piece::Text { text, counts }) = element.pieces.last_mut() {
            text.push_str(more);
            *counts |= more_counts;
        } else {
            element.pieces.push(Piece::Text { text: more.to_string(), counts: more_counts });
        }
        self.take(more.len())
    }

    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), GaveUp> {
        let character = reference.resolve_char_ref().map_err(|error| self.gave_up(error.to_string()))?;
        let character = character.or(match &**reference {
            b"lt" => Some('<'),
            b"gt" => Some('>'),
            b"amp" => Some('&'),
            b"apos" => Some('\''),
            b"quot" => Some('"'),
            _ => None,
        });
        match character {
            Some(character) => self.add_text(character.encode_utf8(&mut [0; 4]), true),
            None => Err(self.gave_up("an entity is none of the five that XML itself has".into())),
        }
    }

    /// Bytes in an encoding of the past may be UTF-8 by accident.
    fn declaration(&self, declaration: &BytesDecl<'_>) -> Result<(), GaveUp> {
        let Some(encoding) = declaration.encoding() else { return Ok(()) };
        let encoding = encoding.map_err(|error| self.gave_up(error.to_string()))?;
        let encoding = String::from_utf8_lossy(&encoding).to_ascii_lowercase();
        if matches!(encoding.as_str(), "utf-8" | "utf8" | "us-ascii" | "ascii") || self.text.is_ascii() {
            return Ok(());
        }
        Err(self.gave_up(format!("the text is said to be {encoding:.40}")))
    }

    fn document_type(&self, declaration: &[u8]) -> Result<(), GaveUp> {
        match memchr::memmem::find(declaration, b"<!ENTITY") {
            Some(_) => Err(self.gave_up("the document declares entities of its own".into())),
            None => Ok(()),
        }
    }

    fn name(&self, name: &[u8]) -> Result<String, GaveUp> {
        let text = std::str::from_utf8(name).map_err(|_| self.gave_up("a name is not UTF-8".into()))?;
        let starts = text.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | ':'));
        let goes_on = |c: char| c.is_alphanumeric() || !c.is_ascii() || matches!(c, '_' | ':' | '-' | '.');
        if starts && text.chars().all(goes_on) {
            return Ok(text.to_string());
        }
        Err(self.gave_up(format!("{:?} is no name", super::change::shown(text))))
    }

    fn take(&mut self, text_bytes: usize) -> Result<(), GaveUp> {
        let (text, byte) = (self.text, self.parser.buffer_position());
        self.budget.node(text_bytes, || place(text, byte))
    }

    fn gave_up(&self, why: String) -> GaveUp {
        GaveUp { reader: READER, place: place(self.text, self.parser.buffer_position()), why }
    }
}

impl Element {
    fn finish(mut self) -> (String, Value) {
        self.pieces.retain(|piece| !matches!(piece, Piece::Text { counts: false, .. }));
        let has = |text: bool| self.pieces.iter().any(|piece| matches!(piece, Piece::Text { .. }) == text);
        let value = match (has(true), has(false)) {
            (_, false) if !self.has_attributes => Value::Text(self.pieces.into_iter().map(Piece::into_text).collect()),
            (true, true) => {
                let pieces = self.pieces.into_iter().map(Piece::into_value).collect();
                with_text(self.attributes, Value::List(pieces))
            }
            (true, false) => {
                let text = self.pieces.into_iter().map(Piece::into_text).collect();
                with_text(self.attributes, Value::Text(text))
            }
            (false, _) => {
                let mut children = Repeated::default();
                for piece in self.pieces {
                    if let Piece::Child(name, value) = piece {
                        children.push(name, value);
                    }
                }
                let mut all = self.attributes;
                if let Value::Map(children) = children.finish() {
                    all.fill(children);
                }
                all.finish()
            }
        };
        (self.name, value)
    }
}

impl Piece {
    fn into_text(self) -> String {
        match self {
            Self::Text { text, .. } => text,
            Self::Child(..) => String::new(),
        }
    }

    fn into_value(self) -> Value {
        match self {
            Self::Text { text, .. } => Value::Text(text),
            Self::Child(name, value) => Value::Map(vec![(name, value)]),
        }
    }
}

fn with_text(mut attributes: Keyed, text: Value) -> Value {
    // No attribute has this name: theirs begin with `@`.
    let _ = attributes.insert("#text".into(), text);
    attributes.finish()
}

fn name_of(tag: &BytesStart<'_>) -> String {
    String::from_utf8_lossy(tag.name().0).into_owned()
}

fn place(text: &str, byte: u64) -> String {
    format!("line {}", build::line_of(text, usize::try_from(byte).unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests;
