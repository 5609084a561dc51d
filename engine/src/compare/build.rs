// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the readers of documents share: the text they take, how large its model may become, keys that stand once.
//!
//! Every reader gives up beyond these limits, before memory is gone. Maps are built in the order of their keys, so
//! that documents with the same content are equal.

use std::collections::{BTreeMap, btree_map::Entry};

use super::change::GaveUp;
use super::document::Value;

/// Bytes of text that a reader takes.
pub(super) const MAX_TEXT_BYTES: usize = 64 << 20;

/// Values inside values. The readers, and what walks their documents, may recurse this deep on any stack.
pub(super) const MAX_DEPTH: usize = 128;

/// Bytes of memory for one document: two of them stay below 300 MB together.
const MAX_MODEL_BYTES: usize = 96 << 20;

/// Bytes of memory for one value with its key, besides their texts: a slot of a map that is half full, two allocations.
const NODE_BYTES: usize = 128;

/// The memory that a document may still take.
pub(super) struct Budget {
    reader: &'static str,
    left_bytes: usize,
}

impl Budget {
    /// That of one document.
    pub(super) fn new(reader: &'static str) -> Self {
        Self { reader, left_bytes: MAX_MODEL_BYTES }
    }

    /// What is left.
    pub(super) fn left_bytes(&self) -> usize {
        self.left_bytes
    }

    /// Takes what one value needs whose key and text have this many bytes.
    pub(super) fn node(&mut self, text_bytes: usize, place: impl FnOnce() -> String) -> Result<(), GaveUp> {
        self.take(text_bytes.saturating_add(NODE_BYTES), place)
    }

    /// Takes memory for values that are copied.
    pub(super) fn take(&mut self, bytes: usize, place: impl FnOnce() -> String) -> Result<(), GaveUp> {
        let Some(left) = self.left_bytes.checked_sub(bytes) else {
            let why = format!("the document needs more than {MAX_MODEL_BYTES} bytes of memory");
            return Err(GaveUp { reader: self.reader, place: place(), why });
        };
        self.left_bytes = left;
        Ok(())
    }
}

/// The text of a document without its byte order mark.
///
/// # Errors
/// It is longer than `max_bytes`, is not UTF-8, or has a NUL (at which some parsers would end in silence).
pub(super) fn text<'a>(reader: &'static str, bytes: &'a [u8], max_bytes: usize) -> Result<&'a str, GaveUp> {
    let gave_up = |at: usize, why: String| GaveUp { reader, place: format!("byte {at}"), why };
    if bytes.len() > max_bytes {
        return Err(gave_up(max_bytes, format!("the text is longer than {max_bytes} bytes")));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| gave_up(e.valid_up_to(), "the text is not UTF-8".into()))?;
    if let Some(at) = memchr::memchr(0, bytes) {
        return Err(gave_up(at, "the text has a NUL".into()));
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The number, from 1, of the line that the byte stands in.
pub(super) fn line_of(text: &str, byte: usize) -> usize {
    let before = &text.as_bytes()[..byte.min(text.len())];
    1 + memchr::memchr_iter(b'\n', before).count()
}

/// A map under construction.
#[derive(Default)]
pub(super) struct Keyed(BTreeMap<String, Value>);

impl Keyed {
    /// Adds the value; false if the key has one.
    #[must_use]
    pub(super) fn insert(&mut self, key: String, value: Value) -> bool {
        match self.0.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(value);
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// Adds those values of a map whose keys have none.
    pub(super) fn fill(&mut self, entries: Vec<(String, Value)>) {
        for (key, value) in entries {
            self.0.entry(key).or_insert(value);
        }
    }

    /// The map.
    pub(super) fn finish(self) -> Value {
        Value::Map(self.0.into_iter().collect())
    }
}

/// A map whose keys may repeat: the values of such a key become a list, in their order.
#[derive(Default)]
pub(super) struct Repeated(BTreeMap<String, Vec<Value>>);

impl Repeated {
    /// Adds the value behind those that the key has.
    pub(super) fn push(&mut self, key: String, value: Value) {
        // Most keys stand once; a list that grows from nothing begins with room for four.
        self.0.entry(key).or_insert_with(|| Vec::with_capacity(1)).push(value);
    }

    /// Whether the key has a value.
    pub(super) fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The last value that the key has.
    pub(super) fn last_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.0.get_mut(key)?.last_mut()
    }

    /// The map.
    pub(super) fn finish(self) -> Value {
        Value::Map(self.0.into_iter().map(|(key, values)| (key, one_or_list(values))).collect())
    }
}

/// The only value, or the list of them.
pub(super) fn one_or_list(mut values: Vec<Value>) -> Value {
    match values.pop() {
        Some(value) if values.is_empty() => value,
        Some(value) => {
            values.push(value);
            Value::List(values)
        }
        None => Value::List(values),
    }
}

#[cfg(test)]
pub(super) mod samples;
