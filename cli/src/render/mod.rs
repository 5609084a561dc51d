// SPDX-License-Identifier: MIT OR Apache-2.0
//! How results look: as text for people, as JSON for programs. Nothing else in the program writes to the standard streams,
//! but `progress` (the terminal) and `dump` (bytes).

pub mod capability;
pub mod content;
pub mod entry;
pub mod inside;
pub mod json;
pub mod object;
mod output;
pub mod page;
pub mod snapshot;
pub mod table;
pub mod text;
pub mod verdict;
pub mod version;
mod wrap;

pub use output::{Format, Output};
pub use wrap::wrapped;
