// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which files of a source are looked into, and looking into a small one. Big ones and streams are taken apart as they are read
//! (`unwrapped`).

use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use keepfast_repo_format::tree::entry::{Content, Layer};

use super::work::Run;
use crate::source::{self, Extent, Found, SourceFile, Stat};
use crate::unwrap::{HEAD_BYTES, is_archive as begins_as_archive, whole};

/// Files up to this many bytes are taken apart in memory, by the worker that reads them. Larger ones are opened once more to see how
/// they begin, and then have a thread of their own.
const SMALL_BYTES: u64 = 256 << 10;
/// Bytes that the small archives of a batch may come to; one that does not fit stays as it is.
const BATCH_STREAM_BYTES: usize = 16 << 20;

/// Which files are looked into.
#[derive(Clone, Debug, Default)]
pub struct Archives {
    most_bytes: u64,
    left_out: GlobSet,
}

/// A pattern that is none.
#[derive(Debug, thiserror::Error)]
#[error("{pattern:?} is not a pattern: {why}")]
pub struct ArchivesError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub why: String,
}

impl Archives {
    /// No file is looked into.
    pub fn none() -> Self {
        Self::default()
    }

    /// Files of at most so many bytes (of streams, their first), unless a pattern fits the path. A pattern without `/` fits names, one
    /// that begins with `/` whole paths, any other what a path ends with.
    ///
    /// # Errors
    /// A pattern that is none.
    pub fn up_to(most_bytes: u64, left_out: &[String]) -> Result<Self, ArchivesError> {
        let refused = |pattern: &str, error: globset::Error| ArchivesError {
            pattern: pattern.to_string(),
            why: error.kind().to_string(),
        };
        let mut set = GlobSetBuilder::new();
        for pattern in left_out {
            let glob = anchored(pattern).map_err(|error| refused(pattern, error))?;
            set.add(glob);
        }
        let left_out = set.build().map_err(|error| refused("", error))?;
        Ok(Self { most_bytes, left_out })
    }

    /// Bytes that are looked into at most.
    pub(super) fn most_bytes(&self) -> u64 {
        self.most_bytes
    }

    fn takes(&self, path: &[u8], size: u64) -> bool {
        size <= self.most_bytes && size > 0 && !self.left_out.is_match(OsStr::from_bytes(&[b"/", path].concat()))
    }
}

fn anchored(pattern: &str) -> Result<Glob, globset::Error> {
    let whole = if pattern.starts_with('/') { pattern.to_string() } else { format!("/**/{pattern}") };
    GlobBuilder::new(&whole).literal_separator(true).backslash_escape(true).build()
}

/// Whether a file is an archive that is not taken apart in memory. One that can not be opened is none: who reads it will tell.
pub(super) fn is_big_archive(archives: &Archives, found: &Found) -> bool {
    found.stat.size > SMALL_BYTES
        && archives.takes(&found.path(), found.stat.size)
        && source::open(found).is_ok_and(|file| is_archive(archives, found, &file, &found.stat))
}

/// Whether a file is looked into: it begins as an archive and has no holes, which no archive has and a recipe can not say.
pub(super) fn is_archive(archives: &Archives, found: &Found, file: &SourceFile, stat: &Stat) -> bool {
    let mut head = Vec::new();
    archives.takes(&found.path(), stat.size)
        && file.append_at(0, HEAD_BYTES, &mut head).is_ok()
        && begins_as_archive(&head)
        && file.extents(stat.size).all(|extent| matches!(extent, Extent::Data { .. }))
}

/// Whether a stream that begins with `head` is looked into.
pub(super) fn takes_stream(archives: &Archives, path: &[u8], head: &[u8]) -> bool {
    archives.takes(path, 1) && begins_as_archive(head)
}

/// Takes a file that is in the buffer apart, if there is something to gain: what it consists of is appended to the buffer, and `runs`
/// are then those. Returns its layers, whose recipes are among the runs.
pub(super) fn unwrap(archives: &Archives, found: &Found, buffer: &mut Vec<u8>, runs: &mut Vec<Run>) -> Vec<Layer> {
    let [Run::Data { range, .. }] = runs.as_slice() else { return Vec::new() };
    let range = range.clone();
    if range.len() as u64 > SMALL_BYTES || !archives.takes(&found.path(), range.len() as u64) {
        return Vec::new();
    }
    let most = BATCH_STREAM_BYTES.saturating_sub(range.start);
    let Some(unwrapped) = whole(&buffer[range], most) else { return Vec::new() };
    runs.clear();
    let mut add = |bytes: &[u8], place| {
        let range = append(buffer, bytes);
        if !range.is_empty() {
            runs.push(Run::Data { range, place });
        }
    };
    let mut start = 0;
    for end in unwrapped.cuts.into_iter().chain([unwrapped.stream.len()]) {
        add(&unwrapped.stream[start..end], 0);
        start = end;
    }
    for (place, (_, recipe)) in (1..).zip(&unwrapped.layers) {
        add(recipe, place);
    }
    unwrapped.layers.iter().map(|(length, _)| Layer { length: *length, recipe: Content::default() }).collect()
}

fn append(buffer: &mut Vec<u8>, bytes: &[u8]) -> Range<usize> {
    let start = buffer.len();
    buffer.extend_from_slice(bytes);
    start..buffer.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_names_whole_paths_or_what_a_path_ends_with() {
        let left_out = ["*.zip", "/srv/raw/**", "dumps/*.gz"].map(String::from);
        let archives = Archives::up_to(100, &left_out).unwrap();
        for path in ["a.zip", "deep/down/b.zip", "srv/raw/x/y.gz", "dumps/z.gz", "srv/dumps/z.gz"] {
            assert!(!archives.takes(path.as_bytes(), 50), "{path}");
        }
        for path in ["a.gz", "raw/x.gz", "dumps/deep/z.gz", "zip"] {
            assert!(archives.takes(path.as_bytes(), 50), "{path}");
        }
        assert!(archives.takes(b"a.gz", 100) && !archives.takes(b"a.gz", 101) && !archives.takes(b"a.gz", 0));
    }

    #[test]
    fn a_pattern_that_is_none_is_named() {
        let error = Archives::up_to(1, &["a[".to_string()]).unwrap_err();
        assert_eq!(error.pattern, "a[");
    }

    #[test]
    fn nothing_is_looked_into_when_it_is_switched_off() {
        assert!(!Archives::none().takes(b"a.gz", 1));
    }
}
