// SPDX-License-Identifier: MIT OR Apache-2.0
//! What changed inside a file that differs: its two contents given to the readers of formats.

use keepfast_repo_format::tree::entry::{Entry, FileType};

use crate::compare::{Bytes, GaveUp, Mask, Outcome, Readers, compare};
use crate::content::FileBytes;
use crate::error::{Error, Result};
use crate::reader::Reader;

/// Compares the contents of two files; what is missing counts as empty, and so does what is no file.
///
/// # Errors
/// A content can not be read.
pub fn contents(
    reader: &Reader,
    before: Option<&Entry>,
    after: Option<&Entry>,
    readers: Readers,
    mask: &Mask,
) -> Result<(Outcome, Vec<GaveUp>)> {
    let is_file = |entry: &&Entry| entry.metadata.file_type == FileType::File;
    let old = before.filter(is_file).map(|entry| FileBytes::new(reader, entry)).transpose()?;
    let new = after.filter(is_file).map(|entry| FileBytes::new(reader, entry)).transpose()?;
    let nothing = Vec::new();
    let [one, other] = [&old, &new].map(|side| side.as_ref().map_or(&nothing as &dyn Bytes, |side| side));
    compare(one, other, readers, mask).map_err(|error| {
        let failure = old.iter().chain(&new).find_map(FileBytes::take_failure);
        failure.unwrap_or_else(|| Error::Lost { reason: error.to_string() })
    })
}
