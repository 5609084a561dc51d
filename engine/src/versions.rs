// SPDX-License-Identifier: MIT OR Apache-2.0
//! The history of a path: every snapshot that changed it, or something below it, and how.
//!
//! What is told comes from the catalog; who shows what a version held reads it from the repository, with [`crate::text`].

use std::collections::BTreeMap;

use keepfast_repo_format::tree::entry::FileType;

use crate::catalog::{Catalog, Course, Path, Step, Timeline, Version};
use crate::error::Result;
use crate::history::Snapshot;
/// Which snapshots are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that changed something.
    Changing,
    /// All that could have the path.
    All,
}

/// A snapshot in the history of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number in the list that the caller gave.
    pub snapshot: usize,
    /// What the path was in the snapshot before of the same host; `None` if it was not there.
    pub before: Option<Version>,
    /// What it is in this one.
    pub after: Option<Version>,
    /// What changed below it, as long as it is or was a folder.
    pub below: Below,
}

/// Paths below a folder that are not what they were in the snapshot before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Below {
    /// Were not there.
    pub added: u64,
    /// Are not there any more.
    pub removed: u64,
    /// Have another content, or are of another type.
    pub modified: u64,
    /// Have other metadata only.
    pub metadata: u64,
}

impl Below {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn count(&mut self, step: &Step) {
        let count = match (step.before, step.after) {
            (None, None) => return,
            (None, Some(_)) => &mut self.added,
            (Some(_), None) => &mut self.removed,
            (Some(old), Some(new)) if is_modified(old, new) => &mut self.modified,
            (Some(_), Some(_)) => &mut self.metadata,
        };
        *count += 1;
    }
}

/// Whether content or type differ, and not only what describes them.
pub fn is_modified(old: &Version, new: &Version) -> bool {
    (old.file_type, old.size, &old.content) != (new.file_type, new.size, &new.content)
}

/// The history of `path` (empty: of everything) through the chosen snapshots, oldest first. Nothing if none of them has it.
///
/// # Errors
/// The catalog.
pub fn versions(catalog: &Catalog, chosen: &[&Snapshot], path: &[u8], which: Which) -> Result<Vec<Change>> {
    let timeline = Timeline::new(catalog, chosen)?;
    let intervals = catalog.intervals(path)?;
    let courses = timeline.courses(&intervals);
    let mut changes: BTreeMap<usize, Change> = BTreeMap::new();
    for course in &courses {
        let steps = if which == Which::All { course.all_steps() } else { course.steps() };
        for Step { snapshot, before, after } in steps {
            let (before, after) = (before.cloned(), after.cloned());
            changes.insert(snapshot, Change { snapshot, before, after, below: Below::default() });
        }
    }
    let is_folder = |version: &Version| version.file_type == FileType::Directory;
    if intervals.is_empty() || intervals.iter().any(|interval| is_folder(&interval.version)) {
        for (snapshot, below) in changes_below(catalog, &timeline, chosen.len(), path)? {
            changes.entry(snapshot).or_insert_with(|| unchanged(&courses, snapshot)).below = below;
        }
    }
    Ok(changes.into_values().collect())
}

/// A snapshot in which the folder itself is what it was.
fn unchanged(courses: &[Course], snapshot: usize) -> Change {
    let course = courses.iter().find(|course| course.order.binary_search(&snapshot).is_ok());
    let version = course.and_then(|course| course.at(snapshot)).cloned();
    Change { snapshot, before: version.clone(), after: version, below: Below::default() }
}

/// By snapshot, those in which something changed.
fn changes_below(
    catalog: &Catalog,
    timeline: &Timeline,
    snapshots: usize,
    folder: &[u8],
) -> Result<impl Iterator<Item = (usize, Below)> + use<>> {
    let mut all = vec![Below::default(); snapshots];
    // The top folder is in no folder, not in itself.
    let wants = |path: Path| Ok(!path.name.is_empty());
    catalog.each_path(folder, wants, |_, intervals| {
        for course in timeline.courses(intervals) {
            course.steps().iter().for_each(|step| all[step.snapshot].count(step));
        }
        Ok(())
    })?;
    Ok(all.into_iter().enumerate().filter(|(_, below)| !below.is_empty()))
}

/// In how many snapshots a path is, and is what it is in one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Snapshots of the host that have the path.
    pub snapshots: u64,
    /// Versions of it there: how often it changed, and the first.
    pub versions: u64,
    /// The oldest of the neighbouring snapshots in which it is the same.
    pub first: usize,
    /// The newest of them.
    pub last: usize,
}

/// The same path in the other snapshots of the host of snapshot `at`; `None` if the catalog does not know it there.
///
/// # Errors
/// The catalog.
pub fn presence(catalog: &Catalog, chosen: &[&Snapshot], at: usize, path: &[u8]) -> Result<Option<Presence>> {
    let intervals = catalog.intervals(path)?;
    let courses = Timeline::new(catalog, chosen)?.courses(&intervals);
    let Some(course) = courses.iter().find(|course| course.order.binary_search(&at).is_ok()) else { return Ok(None) };
    let Some(version) = course.at(at) else { return Ok(None) };
    let mut presence = Presence { first: at, last: at, ..Presence::default() };
    for Step { before, after, .. } in course.all_steps() {
        presence.snapshots += u64::from(after.is_some());
        presence.versions += u64::from(after.is_some() && before != after);
    }
    let same = |snapshot: &&usize| course.at(**snapshot) == Some(version);
    let (earlier, later) = course.order.split_at(course.order.partition_point(|other| *other < at));
    presence.first = earlier.iter().rev().take_while(same).last().copied().unwrap_or(at);
    presence.last = later.iter().take_while(same).last().copied().unwrap_or(at);
    Ok(Some(presence))
}
