// SPDX-License-Identifier: MIT OR Apache-2.0
//! Paths over all snapshots, by name, size, time, type and content.
//!
//! From the catalog alone: no tree is read. Memory does not grow with what is found.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use keepfast_repo_format::tree::entry::{FileType, Timestamp};

use crate::catalog::{CONTENT_ID_BYTES, Catalog, Interval, Path, Timeline, Version};
use crate::error::{Error, Result};
use crate::events::Events;
use crate::history::Snapshot;

/// Whether upper and lower case are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// They are not.
    Differs,
    /// They are.
    Ignored,
}

/// What is looked for: versions that all of these fit.
#[derive(Clone, Debug, Default)]
pub struct Query {
    names: Option<Names>,
    /// More bytes than this.
    pub larger: Option<u64>,
    /// Fewer bytes than this.
    pub smaller: Option<u64>,
    /// Modified then or later.
    pub newer: Option<Timestamp>,
    /// Modified before.
    pub older: Option<Timestamp>,
    /// Of one of these types; empty for all.
    pub types: Vec<FileType>,
    /// Begins the hex form of a content id, or is a chunk id.
    pub content: Option<String>,
}

#[derive(Clone, Debug)]
struct Names {
    names: GlobSet,
    paths: GlobSet,
}

/// A path on one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The path, without a slash at its beginning.
    pub path: Vec<u8>,
    /// What it was last, of what fits.
    pub version: Version,
    /// Number of the oldest snapshot in which it fits, in the list that the caller gave.
    pub first: usize,
    /// Number of the newest one.
    pub last: usize,
    /// In how many it fits.
    pub snapshots: u64,
    /// How many versions of it fit.
    pub versions: u64,
}

/// What is one hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Each {
    /// A path on a host, however often it changed.
    Path,
    /// A version of it.
    Version,
}

impl Query {
    /// Paths that one of the patterns fits; all if there is none. A pattern without a slash fits a name in any folder; one with a slash is
    /// tied to the top.
    ///
    /// # Errors
    /// A pattern is not a valid glob.
    pub fn of(patterns: &[String], case: Case) -> Result<Self> {
        if patterns.is_empty() {
            return Ok(Self::default());
        }
        let (mut names, mut paths) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for pattern in patterns {
            let invalid = |error| Error::Invalid(format!("{pattern:?} is not a valid pattern: {error}"));
            let anchored = pattern.trim_end_matches('/').trim_start_matches('/');
            let mut builder = GlobBuilder::new(anchored);
            builder.literal_separator(true).case_insensitive(case == Case::Ignored);
            let set = if pattern.trim_end_matches('/').contains('/') { &mut paths } else { &mut names };
            set.add(builder.build().map_err(invalid)?);
        }
        let build = |set: GlobSetBuilder| {
            set.build().map_err(|error| Error::Invalid(format!("the patterns do not work together: {error}")))
        };
        Ok(Self { names: Some(Names { names: build(names)?, paths: build(paths)? }), ..Self::default() })
    }

    /// The top folder itself has no name that a pattern could fit.
    fn fits_path(&self, path: &Path) -> bool {
        let fits = |set: &GlobSet, bytes: &[u8]| !set.is_empty() && !bytes.is_empty() && set.is_match(as_path(bytes));
        self.names.as_ref().is_none_or(|names| {
            fits(&names.names, path.name) || (!names.paths.is_empty() && fits(&names.paths, &path.joined()))
        })
    }

    fn fits(&self, version: &Version) -> bool {
        self.fits_size(version)
            && self.newer.is_none_or(|time| version.modified >= time)
            && self.older.is_none_or(|time| version.modified < time)
            && (self.types.is_empty() || self.types.contains(&version.file_type))
            && self.content.as_ref().is_none_or(|wanted| {
                // Of a chunk id the catalog keeps only the beginning.
                let wanted = wanted.get(..2 * CONTENT_ID_BYTES).unwrap_or(wanted);
                version.content_id().map(hex).is_some_and(|id| id.starts_with(wanted))
            })
    }

    /// Only files have a size that anybody asks for.
    fn fits_size(&self, version: &Version) -> bool {
        let is_asked = self.larger.is_some() || self.smaller.is_some();
        (!is_asked || version.file_type == FileType::File)
            && self.larger.is_none_or(|bytes| version.size > bytes)
            && self.smaller.is_none_or(|bytes| version.size < bytes)
    }
}

fn as_path(bytes: &[u8]) -> &std::path::Path {
    use std::os::unix::ffi::OsStrExt;
    std::path::Path::new(std::ffi::OsStr::from_bytes(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Tells every hit in the chosen snapshots, oldest first, folder by folder.
///
/// # Errors
/// The catalog; the user cancelled; what `each` says.
pub fn find(
    catalog: &Catalog,
    chosen: &[&Snapshot],
    query: &Query,
    unit: Each,
    events: &dyn Events,
    mut each: impl FnMut(Hit) -> Result<()>,
) -> Result<()> {
    let timeline = Timeline::new(catalog, chosen)?;
    let wants = |path: Path| if events.cancelled() { Err(Error::Cancelled) } else { Ok(query.fits_path(&path)) };
    catalog.each_path(b"", wants, |path, intervals| {
        let fitting: Vec<&Interval> = intervals.iter().filter(|interval| query.fits(&interval.version)).collect();
        hits(&timeline, path, &fitting, unit).into_iter().try_for_each(&mut each)
    })
}

/// The hits of one path, the oldest first.
fn hits(timeline: &Timeline, path: &[u8], intervals: &[&Interval], unit: Each) -> Vec<Hit> {
    let mut found: Vec<(usize, Hit)> = Vec::new();
    let mut versions: Vec<(usize, &Version)> = Vec::new();
    for interval in intervals {
        let (host, snapshots) = timeline.snapshots(interval);
        let (Some(first), Some(last)) = (snapshots.iter().min(), snapshots.iter().max()) else { continue };
        let is_new = !versions.contains(&(host, &interval.version));
        versions.push((host, &interval.version));
        let same = |(other, hit): &&mut (usize, Hit)| {
            *other == host && (unit == Each::Path || hit.version == interval.version)
        };
        let count = snapshots.len() as u64;
        match found.iter_mut().find(same) {
            Some((_, hit)) => {
                if *last > hit.last {
                    (hit.last, hit.version) = (*last, interval.version.clone());
                }
                hit.first = hit.first.min(*first);
                hit.snapshots += count;
                hit.versions += u64::from(is_new);
            }
            None => {
                let (path, version) = (path.to_vec(), interval.version.clone());
                found.push((host, Hit { path, version, first: *first, last: *last, snapshots: count, versions: 1 }));
            }
        }
    }
    found.sort_by_key(|(_, hit)| (hit.first, hit.last));
    found.into_iter().map(|(_, hit)| hit).collect()
}
