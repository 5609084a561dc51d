// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which snapshot brought each line of a text.
//!
//! The catalog tells in which snapshots the content changed; those contents are read from the repository, oldest first, and compared line
//! by line. Memory is bounded by the largest two of them.

use std::sync::Arc;

use imara_diff::sources::byte_lines;
use imara_diff::{Algorithm, Diff, InternedInput};
use keepfast_repo_format::tree::entry::FileType;

use crate::catalog::{Catalog, Course, Timeline, Version};
use crate::error::{Error, Result};
use crate::events::Events;
use crate::history::Snapshot;
use crate::reader::Reader;
use crate::text::{self, Text};

/// Largest text that is compared, in bytes: 16 MiB of lines take some hundred more while they are compared.
pub const MAX_BYTES: u64 = 16 << 20;

/// A line of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Number, in the list that the caller gave, of the snapshot that brought it.
    pub snapshot: usize,
    /// With its line feed; the last one may have none.
    pub bytes: Vec<u8>,
}

/// The lines of the file at `path` as they are in the snapshot with number `at`, or in the newest one that has the path, by the snapshots
/// of the same host up to there. A file that was gone for a while begins anew, as does one that was binary or too large.
///
/// # Errors
/// [`Error::NoPath`]; [`Error::WrongType`] for what is no file; [`Error::Invalid`] for what is binary or too large; damage.
pub fn blame(
    catalog: &Catalog,
    reader: &Arc<Reader>,
    chosen: &[&Snapshot],
    at: Option<usize>,
    path: &[u8],
    events: &dyn Events,
) -> Result<Vec<Line>> {
    let intervals = catalog.intervals(path)?;
    let courses = Timeline::new(catalog, chosen)?.courses(&intervals);
    let newest = || courses.iter().filter_map(Course::newest).max();
    let at = at.or_else(newest).or(chosen.len().checked_sub(1));
    let at = at.ok_or_else(|| Error::NoSnapshot { selector: "latest".to_string() })?;
    let short = chosen[at].id.to_string()[..8].to_string();
    let missing = || Error::NoPath { path: path.to_vec(), snapshot: short.clone() };
    let course = courses.iter().find(|course| course.order.binary_search(&at).is_ok()).ok_or_else(missing)?;
    let last = course.at(at).ok_or_else(missing)?;
    if last.file_type != FileType::File {
        return Err(Error::WrongType { path: path.to_vec(), expected: "a file" });
    }
    let mut told = Told::default();
    for step in course.steps().into_iter().take_while(|step| step.snapshot <= at) {
        let Some(version) = step.after.filter(|version| version.file_type == FileType::File) else {
            told = Told::default();
            continue;
        };
        if step.before.is_some_and(|before| before.file_type == FileType::File && before.content == version.content) {
            continue;
        }
        match text::of_version(reader, chosen[step.snapshot], path, version, MAX_BYTES, events)? {
            Text::Lines(bytes) => told = told.next(bytes, step.snapshot),
            other => told = Told { refused: Some(refuse(&other, path, version)), ..Told::default() },
        }
    }
    match told.refused {
        Some(why) => Err(Error::Invalid(format!("{why}, in snapshot {short}"))),
        None => Ok(told.lines()),
    }
}

fn refuse(text: &Text, path: &[u8], version: &Version) -> String {
    let path = String::from_utf8_lossy(path);
    match text {
        Text::TooLarge => {
            format!("/{path} has {} bytes, more than the {MAX_BYTES} that are compared line by line", version.size)
        }
        _ => format!("/{path} is binary and has no lines"),
    }
}

/// A text, and for each line the snapshot that brought it.
#[derive(Default)]
struct Told {
    bytes: Vec<u8>,
    snapshots: Vec<usize>,
    /// Why the content is none.
    refused: Option<String>,
}

impl Told {
    /// The next content: lines that stay keep their snapshot.
    fn next(&self, bytes: Vec<u8>, snapshot: usize) -> Self {
        let input = InternedInput::new(byte_lines(&self.bytes), byte_lines(&bytes));
        let mut diff = Diff::compute(Algorithm::Histogram, &input);
        diff.postprocess_lines(&input);
        let mut snapshots = Vec::with_capacity(input.after.len());
        let mut at = 0;
        for hunk in diff.hunks() {
            snapshots.extend_from_slice(&self.snapshots[at..hunk.before.start as usize]);
            snapshots.extend(hunk.after.map(|_| snapshot));
            at = hunk.before.end as usize;
        }
        snapshots.extend_from_slice(&self.snapshots[at..]);
        drop(input);
        Self { bytes, snapshots, refused: None }
    }

    fn lines(&self) -> Vec<Line> {
        let lines = self.bytes.split_inclusive(|byte| *byte == b'\n');
        lines.zip(&self.snapshots).map(|(line, snapshot)| Line { snapshot: *snapshot, bytes: line.to_vec() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Told;

    #[test]
    fn a_line_belongs_to_the_snapshot_that_brought_it() {
        let told = |told: &Told| told.lines().iter().map(|line| line.snapshot).collect::<Vec<_>>();
        let first = Told::default().next(b"a\nb\nc".to_vec(), 0);
        assert_eq!(told(&first), [0, 0, 0]);
        let second = first.next(b"new\na\nb\nc\nd\n".to_vec(), 4);
        assert_eq!(told(&second), [4, 0, 0, 4, 4], "the last line has a line feed now");
        assert_eq!(told(&second.next(b"a\nd\n".to_vec(), 5)), [0, 4]);
        assert_eq!(second.next(Vec::new(), 5).lines(), []);
    }
}
