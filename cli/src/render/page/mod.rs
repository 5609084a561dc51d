// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pages: what `diff` and `history` tell, as one file that a browser shows and prints without anything else.
//!
//! Nothing in it is fetched and nothing runs, which its own security policy says once more. Names and contents are hostile: they become text by
//! [`shown`] alone. A page is written as it is made; what is held is a row, or a file's changes.

mod changes;
mod contents;
mod frame;
mod lines;
pub mod shown;
mod snapshots;
mod spool;

pub use contents::{Contents, in_words};
pub use frame::{Problem, begin, end, problems};
pub use snapshots::{Later, LiveSide, Meaning, list, meaning, sides};
pub use spool::Spool;

use crate::render::text;

/// Rows, lines and files that a page has at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of one file.
    pub lines: usize,
    /// Paths, or snapshots of a history.
    pub files: usize,
}

/// Bytes of contents in a page; what is more makes browsers slow, and is not shown.
pub const MAX_CONTENT_BYTES: u64 = 32 << 20;

/// A heading with the place that links lead to.
pub fn heading(id: &str, text: &str) -> maud::Markup {
    maud::html! { h2 id=(id) { (text) } }
}

/// How many are left out: `3 more lines are`.
pub fn more(count: u64, noun: &str) -> String {
    format!("{} {}", text::counted(count, noun), if count == 1 { "is" } else { "are" })
}

/// What is said of contents that a page has no room for.
pub fn not_shown(count: u64, noun: &str) -> maud::Markup {
    maud::html! {
        @if count > 0 {
            p.cut {
                "What changed inside " (text::counted(count, &format!("more {noun}"))) " is not shown and was not read: the page has "
                (text::size(MAX_CONTENT_BYTES)) " of contents already."
            }
        }
    }
}

#[cfg(test)]
mod tests;
