// SPDX-License-Identifier: MIT OR Apache-2.0
//! One change inside a content, where it is, and why a reader could not go on.

use std::fmt;
use std::io;

use super::mask::{Mask, TEXT_KEY, is_name_key, is_secret_name, is_value_key};

/// A step on the way to a value in a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The value of a key, the column of a row, the field of a certificate.
    Key(String),
    /// The element of a list with this number, from 0.
    Index(u64),
    /// The element of a list, or the row of a table, that this key has this value in.
    Item {
        /// The key that tells elements apart.
        key: String,
        /// What it is here.
        value: String,
    },
}

/// The way from the top of a document to a value; empty for the document itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place(pub Vec<Step>);

impl Place {
    /// One step further.
    #[must_use]
    pub fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The same without the secrets that keys have in them.
    pub(super) fn shown(&self, mask: &Mask) -> Self {
        let step = |step: &Step| match step {
            Step::Key(key) => Step::Key(mask.value("", key).into_owned()),
            other => other.clone(),
        };
        Self(self.0.iter().map(step).collect())
    }

    /// What the value is called, for the mask: the outermost key of a secret on the way; the element that it is the value of; else its key, also if
    /// it is an element of a list there. Empty if there is none.
    pub fn key(&self) -> &str {
        let names = self.0.iter().enumerate().filter_map(|(number, step)| match step {
            Step::Key(key) if is_value_key(key) => match number.checked_sub(1).map(|at| &self.0[at]) {
                Some(Step::Item { key: name, value }) if is_name_key(name) => Some(value.as_str()),
                _ => Some(key.as_str()).filter(|key| *key != TEXT_KEY),
            },
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) | Step::Item { .. } => None,
        });
        let names: Vec<&str> = names.collect();
        names.iter().find(|name| is_secret_name(name)).or(names.last()).copied().unwrap_or_default()
    }
}

impl fmt::Display for Place {
    /// `a.b["odd key"][3][id=7]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if is_plain(key) => write!(f, "{}{key}", if number == 0 { "" } else { "." })?,
                Step::Key(key) => write!(f, "[{key:?}]")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Item { key, value } => write!(f, "[{key}={value}]")?,
            }
        }
        Ok(())
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '@' | '$' | '/'))
}

/// What happened to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// Only the second content has it.
    Added,
    /// Only the first has it.
    Removed,
    /// Both have it, and it differs.
    Changed,
}

/// A change, with the values as they are to be shown: masked, and cut to a length that a person reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub place: Place,
    /// What.
    pub kind: ChangeKind,
    /// The value in the first content, if it has one.
    pub before: Option<String>,
    /// The value in the second.
    pub after: Option<String>,
    /// Days that a certificate has left, where its time of expiry is new; negative after it.
    pub days_left: Option<i64>,
}

impl Change {
    /// One of something that does not expire.
    pub fn new(place: Place, kind: ChangeKind, before: Option<String>, after: Option<String>) -> Self {
        Self { place, kind, before, after, days_left: None }
    }
}

/// Is told of each change; an error of its own ends the comparison.
pub type Each<'a> = &'a mut dyn FnMut(Change) -> io::Result<()>;

/// Bytes of a value that are shown.
pub const MAX_SHOWN_BYTES: usize = 400;

/// The value, cut where it is longer than a person reads, with its length.
pub fn shown(value: &str) -> String {
    if value.len() <= MAX_SHOWN_BYTES {
        return value.to_string();
    }
    let mut end = MAX_SHOWN_BYTES;
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}... ({} bytes)", &value[..end], value.len())
}

/// A reader of a format could not go on: the content is not of the format, or beyond a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reader} reader gave up at {place}: {why}")]
pub struct GaveUp {
    /// The format.
    pub reader: &'static str,
    /// A line and column, or a byte, of which content.
    pub place: String,
    /// What was expected, or which limit was passed.
    pub why: String,
}

impl GaveUp {
    /// Whether it is a limit that was passed, of what may be a document all the same. All complaints of that kind say so.
    pub(super) fn is_limit(&self) -> bool {
        self.why.contains("more than")
    }
}

/// Why a comparison ended early.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Another reader has to take over. Changes that were told until then count no more.
    #[error(transparent)]
    GaveUp(#[from] GaveUp),
    /// A content could not be read, or the receiver of changes could not take one.
    #[error(transparent)]
    Io(#[from] io::Error),
}
