// SPDX-License-Identifier: MIT OR Apache-2.0
//! Paths of a tree that a pattern names, part by part: only folders that a part of it names are listed.

use std::path::Path;
use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};
use keepfast_repo_format::tree::entry::FileType;
use keepfast_repo_format::tree::order;

use crate::error::{Error, Result};
use crate::reader::Reader;
use crate::tree::{Root, find, find_below};

/// What a part of a pattern names.
enum Part<'a> {
    Name(&'a [u8]),
    Names(GlobMatcher),
}

/// Paths in their order. `*`, `?` and `[...]` stand for parts of one name, also of one that begins with a dot.
///
/// # Errors
/// The pattern is none; a name that it fits is not UTF-8; the tree could not be read.
pub(super) fn matching(reader: &Arc<Reader>, root: Root, pattern: &str) -> Result<Vec<String>> {
    let parts: Vec<Part> = pattern.split('/').filter(|part| !part.is_empty()).map(part).collect::<Result<_>>()?;
    let mut found: Vec<Vec<u8>> = vec![Vec::new()];
    for (number, part) in parts.iter().enumerate() {
        let is_last = number + 1 == parts.len();
        let mut next = Vec::new();
        for folder in &found {
            match part {
                Part::Name(name) => next.push(order::join(folder, name)),
                Part::Names(names) => fitting(reader, root, folder, names, is_last, &mut next)?,
            }
        }
        found = next;
    }
    let mut paths = Vec::with_capacity(found.len());
    for path in found.into_iter().filter(|path| !path.is_empty()) {
        // Names were only put together so far.
        if find(reader, root, &path)?.is_some() {
            paths.push(String::from_utf8(path).map_err(|error| not_text(error.as_bytes()))?);
        }
    }
    Ok(paths)
}

fn part(part: &str) -> Result<Part<'_>> {
    if part == "**" {
        return Err(Error::Invalid("a pattern names each folder on its way: ** is no name".to_string()));
    }
    if !part.contains(['*', '?', '[', '{', '\\']) {
        return Ok(Part::Name(part.as_bytes()));
    }
    let glob = GlobBuilder::new(part).literal_separator(true).build();
    let glob = glob.map_err(|error| Error::Invalid(format!("{part:?} is not a valid pattern: {error}")))?;
    Ok(Part::Names(glob.compile_matcher()))
}

/// Names in a folder that fit; if more follows, of folders only.
fn fitting(
    reader: &Arc<Reader>,
    root: Root,
    folder: &[u8],
    names: &GlobMatcher,
    is_last: bool,
    found: &mut Vec<Vec<u8>>,
) -> Result<()> {
    for entry in find_below(reader, root, folder)? {
        let entry = entry?;
        if *entry.directory != *folder {
            break;
        }
        let is_wanted = is_last || entry.metadata.file_type == FileType::Directory;
        if entry.name.is_empty() || !is_wanted || !names.is_match(as_path(&entry.name)) {
            continue;
        }
        found.push(entry.path());
    }
    Ok(())
}

fn as_path(name: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(name))
}

fn not_text(path: &[u8]) -> Error {
    Error::Invalid(format!("{} is not UTF-8, so no runbook can name it", path.escape_ascii()))
}
