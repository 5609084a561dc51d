// SPDX-License-Identifier: MIT OR Apache-2.0
//! A document with the places of its values in the text: for whoever changes a text and leaves all else as it is written.
//!
//! The readers of YAML, TOML, INI and XML give it. Unlike in [`Value`](super::document::Value), a key may stand several times in a map.

use std::ops::Range;

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes.
    Double,
    /// In lines of its own with this indentation.
    Block(usize),
    /// In the content or an attribute of XML.
    Markup,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A text or number; what is fixed (true, nothing) has no text.
    Scalar(Option<String>, Style),
    /// The value that an anchor with this number names.
    Alias(usize),
    /// Values in order.
    List(Vec<Spot>),
    /// Values by key.
    Map(Vec<Entry>),
}

/// A value at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The bytes of the text that it takes.
    pub span: Range<usize>,
    /// What it is.
    pub content: Content,
    /// The number of its anchor; 0 for none.
    pub anchor: usize,
}

/// A value with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The bytes that it takes; empty where it can not be written differently.
    pub key_span: Range<usize>,
    /// How it is written.
    pub key_style: Style,
    /// All that has to go with the value: in XML an element, in INI its lines.
    pub whole: Range<usize>,
    /// The value.
    pub value: Spot,
}

impl Spot {
    /// A value without an anchor.
    pub fn new(span: Range<usize>, content: Content) -> Self {
        Self { span, content, anchor: 0 }
    }

    /// Tells the places of all keys and scalars.
    pub fn places(&self, each: &mut dyn FnMut(Range<usize>)) {
        match &self.content {
            Content::Scalar(..) | Content::Alias(_) => each(self.span.clone()),
            Content::List(values) => values.iter().for_each(|value| value.places(each)),
            Content::Map(entries) => {
                for entry in entries {
                    each(entry.key_span.clone());
                    entry.value.places(each);
                }
            }
        }
    }
}
