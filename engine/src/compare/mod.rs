// SPDX-License-Identifier: MIT OR Apache-2.0
//! What changed between two contents, in the terms of their format: keys of a document, rows of a dump, fields of a certificate, lines of a text.
//!
//! Bytes in, changes out: it knows no snapshot and no repository, and imports nothing else of the engine. A reader of a format is chosen by
//! content, never by name; one that can not go on says where and why, and a plainer one takes its place. Memory is bounded whatever the input.

pub mod archive;
pub mod binary;
mod build;
pub mod bytes;
pub mod certificate;
pub mod change;
mod choose;
pub mod detect;
pub mod document;
pub mod ini;
pub mod json;
pub mod mask;
mod number;
pub(crate) mod output;
pub mod spans;
pub mod sql;
pub mod text;
pub mod toml;
pub mod xml;
pub mod yaml;

pub use binary::BinaryDiff;
pub use bytes::Bytes;
pub use change::{Change, ChangeKind, Each, GaveUp, Place, Step, Trouble};
pub(crate) use choose::compare;
pub use choose::{MAX_CHANGES, Outcome, Readers, Terms};
pub use detect::Format;
pub use mask::Mask;
