// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a live file has the content that a snapshot has of a file. Of a plain one no content is fetched: the ids of its chunks tell.

use keepfast_repo_format::tree::entry::{ContentItem, Entry};

use crate::archive::ContentReader;
use crate::error::{Error, Result};
use crate::reader::Reader;
use crate::source::{self, Found, SourceFile, Stat};
use crate::tree::ContentItems;

/// How often a changing file is read before nothing is said of it.
pub(super) const READ_ATTEMPTS: usize = 3;

/// Bytes that are compared at a time.
const STEP_BYTES: usize = 256 << 10;

/// Compares a live file with an entry of the same size.
///
/// # Errors
/// [`Error::Source`] for the live side, all others for the snapshot. [`Error::Lost`] if the file never holds still.
pub(super) fn is_same_content(reader: &Reader, entry: &Entry, found: &Found) -> Result<bool> {
    for _ in 0..READ_ATTEMPTS {
        let file = source::open(found)?;
        if file.opened().size != entry.metadata.size {
            return Ok(false);
        }
        let is_same =
            if entry.layers.is_empty() { has_items(reader, entry, &file)? } else { has_bytes(reader, entry, &file)? };
        if !is_same || holds_still(&file)? {
            return Ok(is_same);
        }
    }
    Err(changing())
}

/// Whether nothing happened to a file since it was opened.
pub(super) fn holds_still(file: &SourceFile) -> Result<bool> {
    let key = |stat: &Stat| (stat.size, stat.modified, stat.changed);
    Ok(key(file.opened()) == key(&file.stat()?))
}

/// Nothing can be said of such a file.
pub(super) fn changing() -> Error {
    Error::Lost { reason: "it changes while it is read".to_string() }
}

fn has_items(reader: &Reader, entry: &Entry, file: &SourceFile) -> Result<bool> {
    let (mut at, mut buffer) = (0, Vec::new());
    for item in ContentItems::new(reader, &entry.content) {
        let ContentItem { length, id } = item?;
        let is_same = match id {
            None => !file.has_data(at, at + length) || is_zero(file, at, length)?,
            Some(id) => {
                let wanted = usize::try_from(length).map_err(|_| changing())?;
                buffer.clear();
                file.append_at(at, wanted, &mut buffer)? == wanted && reader.is_data_chunk(&id, &buffer)
            }
        };
        if !is_same {
            return Ok(false);
        }
        at += length;
    }
    Ok(at == entry.metadata.size)
}

fn is_zero(file: &SourceFile, start: u64, length: u64) -> Result<bool> {
    let (mut at, end) = (start, start + length);
    let mut buffer = vec![0; STEP_BYTES];
    while at < end {
        let step = usize::try_from(end - at).map_or(STEP_BYTES, |left| left.min(STEP_BYTES));
        if file.read_at(at, &mut buffer[..step])? < step || buffer[..step].iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at += step as u64;
    }
    Ok(true)
}

fn has_bytes(reader: &Reader, entry: &Entry, file: &SourceFile) -> Result<bool> {
    let mut stored = ContentReader::new(reader, entry);
    let (mut at, mut old, mut new) = (0, vec![0; STEP_BYTES], vec![0; STEP_BYTES]);
    loop {
        let filled = stored.fill(&mut old)?;
        if filled == 0 {
            return Ok(true);
        }
        if file.read_at(at, &mut new[..filled])? < filled || old[..filled] != new[..filled] {
            return Ok(false);
        }
        at += filled as u64;
    }
}
