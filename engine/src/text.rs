// SPDX-License-Identifier: MIT OR Apache-2.0
//! The content of a file as text, within bounds, for those who show it or compare it line by line.
//!
//! Read from the tree of a snapshot, never from a cache. What is no text is told as such, not turned into one.

use std::sync::Arc;

use keepfast_repo_format::tree::entry::{Entry, FileType};

use crate::archive::ContentReader;
use crate::catalog::Version;
use crate::error::{Error, Result};
use crate::events::Events;
use crate::history::Snapshot;
use crate::index::IndexError;
use crate::reader::Reader;
use crate::tree::{Root, find};

/// Bytes at the beginning of a file that are looked at for a NUL: what `git` does.
const LOOKED_AT_BYTES: usize = 8000;

/// What the content of a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// Text, or what may pass for it; not always UTF-8.
    Lines(Vec<u8>),
    /// A NUL byte stands near its beginning.
    Binary,
    /// It has more bytes than were wanted.
    TooLarge,
}

/// The content of a file.
///
/// # Errors
/// [`Error::WrongType`] for what is no file; [`Error::Content`] if it can not be read; the user cancelled.
pub fn of_entry(reader: &Reader, entry: &Entry, limit_bytes: u64, events: &dyn Events) -> Result<Text> {
    if entry.metadata.file_type != FileType::File {
        return Err(Error::WrongType { path: entry.path(), expected: "a file" });
    }
    if entry.metadata.size > limit_bytes {
        return Ok(Text::TooLarge);
    }
    let mut content = ContentReader::new(reader, entry);
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        if events.cancelled() {
            return Err(Error::Cancelled);
        }
        let read = content.fill(&mut buffer);
        let read = read.map_err(|source| Error::Content { path: entry.path(), source: Box::new(source) })?;
        bytes.extend_from_slice(&buffer[..read]);
        if bytes.iter().take(LOOKED_AT_BYTES).any(|byte| *byte == 0) {
            return Ok(Text::Binary);
        }
        if read == 0 {
            return Ok(Text::Lines(bytes));
        }
    }
}

/// The content of the file at `path`, from the tree of the snapshot, which must have there what the catalog says.
///
/// # Errors
/// As of [`of_entry`]; [`IndexError::Damaged`] if the snapshot has something else.
pub fn of_version(
    reader: &Arc<Reader>,
    snapshot: &Snapshot,
    path: &[u8],
    version: &Version,
    limit_bytes: u64,
    events: &dyn Events,
) -> Result<Text> {
    let root = Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
    let entry = find(reader, root, path)?.filter(|entry| Version::of(entry) == *version);
    let entry = entry.ok_or_else(|| IndexError::Damaged { what: "the catalog contradicts a snapshot".to_string() })?;
    of_entry(reader, &entry, limit_bytes, events)
}
