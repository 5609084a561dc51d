// SPDX-License-Identifier: MIT OR Apache-2.0
//! What changed inside a file, in a page: a table of changes by key, row or field; a patch; ranges of bytes.

use keepfast_engine::compare::text::TextDiff;
use keepfast_engine::compare::{BinaryDiff, Outcome};
use maud::{Markup, html};

use super::{Limits, Spool, changes, lines, shown};
use crate::exit::Failure;
use crate::render::inside::Inside;
use crate::render::text;

/// How contents are shown.
#[derive(Clone, Copy, Debug)]
pub struct Contents {
    /// How much of them.
    pub limits: Limits,
    /// Equal lines around a change of a text.
    pub lines_around: usize,
    /// Whether secrets are masked.
    pub masks: bool,
    /// What the later content is of, from which days to expiry are counted: `the later snapshot`.
    pub later: &'static str,
}

impl Contents {
    /// Appends what changed inside. `name` says to whom the box belongs.
    ///
    /// # Errors
    /// The temporary file can not be written.
    pub fn write(&self, spool: &mut Spool, inside: &Inside, name: &str) -> Result<(), Failure> {
        match inside {
            Inside::Nothing => Ok(()),
            Inside::Unreadable(why) => spool.put(&html! {
                p.warning { span.sign aria-hidden="true" { "!" } " It can not be read: " (shown::plain(why)) }
            }),
            Inside::Compared { outcome, gave_up } => {
                for why in gave_up {
                    spool.put(&html! { p.note { (shown::plain(&why.to_string())) "." } })?;
                }
                match outcome {
                    Outcome::Structured { format, changes } => changes::write(spool, format, changes, self),
                    Outcome::Text { before, after } => match TextDiff::new(before, after) {
                        Ok(diff) => lines::write(spool, &diff, self, name),
                        Err(why) => spool.put(&html! { p.note { (shown::plain(&why.to_string())) "." } }),
                    },
                    Outcome::Binary(binary) => spool.put(&in_ranges(binary)),
                }
            }
        }
    }
}

/// A few words on what changed inside, for the heading of a file.
pub fn in_words(inside: &Inside) -> String {
    match inside {
        Inside::Nothing => String::new(),
        Inside::Unreadable(_) => "can not be read".to_string(),
        Inside::Compared { outcome, .. } => match outcome {
            Outcome::Structured { format, changes } => {
                format!("{format}, {}", text::counted(changes.len() as u64, "change"))
            }
            Outcome::Text { .. } => "text".to_string(),
            Outcome::Binary(_) => "binary".to_string(),
        },
    }
}

fn in_ranges(binary: &BinaryDiff) -> Markup {
    let (old, new) = binary.lengths;
    html! {
        p { (text::size(old)) " before, " (text::size(new)) " after; " (text::size(binary.bytes())) " differ in "
            (text::counted(binary.ranges.len() as u64, "range")) "." }
    }
}
