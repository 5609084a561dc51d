// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file system that is backed up: what is there, in the order of the tree, and how to read it.
//!
//! For the backup, and for whoever compares with a snapshot: [`walk()`] lists, [`Completer`] adds what one `statx` does not tell, [`open`] gives the content.
//! It never writes to the source, never follows a symbolic link below a named path, and knows nothing of a repository.
//! Reading order: `stat`, `error`, `order`; `root`, `excludes`, `plan`; `listing`, `walk`; `attributes`, `owner`,
//! `complete`, `file`; `unchanged`.

mod attributes;
mod complete;
mod error;
mod excludes;
mod file;
mod listing;
mod order;
mod owner;
mod plan;
mod planned;
mod queue;
mod root;
mod stat;
mod unchanged;
mod walk;

pub use complete::Completer;
pub use error::SourceError;
pub(crate) use excludes::names_a_class;
pub use excludes::{Case, ExcludeError, Excludes, ExcludesBuilder};
pub use file::{Extent, Extents, SourceFile, open};
pub use listing::{Found, Walked};
pub use stat::Stat;
pub use unchanged::is_unchanged;
pub use walk::{OneFileSystem, SourceOptions, Walk, walk};

#[cfg(test)]
mod tests;
