// SPDX-License-Identifier: MIT OR Apache-2.0
//! What differs between a snapshot and the live file system: the walk beside the tree, path by path in tree order, as a backup has it beside its
//! parent. What the numbers of its inode show as unchanged is not read.

use std::cmp::Ordering;
use std::sync::Arc;

use keepfast_repo_format::manifest::{Problem, ProblemCode};
use keepfast_repo_format::tree::entry::{Content, Entry, FileType, Marks, Metadata};
use keepfast_repo_format::tree::order;

use super::places::Places;
use super::same::is_same_content;
use super::{Difference, Summary};
use crate::error::{Error, Result};
use crate::events::Events;
use crate::history::Snapshot;
use crate::reader::Reader;
use crate::source::{self, Completer, Excludes, Found, OneFileSystem, SourceOptions, Walked, is_unchanged};
use crate::tree::{Root, below, compare, find, is_inside};

/// The live side.
pub struct Live {
    /// Where its files are.
    pub places: Places,
    /// What is left out; a snapshot does not tell what was when it was made.
    pub excludes: Excludes,
    /// Whether to stay on the file system of each path.
    pub one_file_system: OneFileSystem,
    /// Threads that list folders.
    pub threads: usize,
}

/// Is told of a difference: the entry in the snapshot, and the live one, whose content is empty unless it is that of the snapshot, with what the
/// walk found.
pub type EachLive<'a> = &'a mut dyn FnMut(Difference, Option<&Entry>, Option<(&Entry, &Found)>);

/// What came of a comparison.
#[derive(Debug, Default)]
pub struct LiveSummary {
    /// Counts and sizes.
    pub summary: Summary,
    /// Outputs of commands in the snapshot: they have no live side.
    pub streams: Vec<Vec<u8>>,
    /// What could not be seen or read; nothing else is told of these paths.
    pub problems: Vec<Problem>,
}

/// Tells every difference at or below `path` (a path in the snapshot), in tree order.
///
/// # Errors
/// [`Error::NoPath`] if neither side has the path. The tree or the only path could not be read, or the user cancelled.
pub fn diff_live(
    reader: &Arc<Reader>,
    before: &Snapshot,
    live: &Live,
    path: &[u8],
    events: &dyn Events,
    each: EachLive,
) -> Result<LiveSummary> {
    let root = Root { id: before.manifest.root, level: before.manifest.root_level };
    let missing = || Error::NoPath { path: path.to_vec(), snapshot: before.id.to_string()[..8].to_string() };
    let old = match below(reader, root, path) {
        Ok(old) => Some(old),
        Err(Error::NoPath { .. }) => None,
        Err(error) => return Err(error),
    };
    let (working_directory, paths) = live.places.walked(path);
    if old.is_none() && paths.is_empty() {
        return Err(missing());
    }
    let options = SourceOptions {
        working_directory,
        paths,
        excludes: live.excludes.clone(),
        one_file_system: live.one_file_system,
        threads: live.threads,
    };
    let walk = if options.paths.is_empty() { None } else { Some(source::walk(&options)?) };
    let completer = Completer::new();
    let mut is_found = old.is_some();
    let has_top = find(reader, root, b"")?.is_some();
    let (started, outcome) = (before.manifest.started, LiveSummary::default());
    let mut run = Run { reader, places: &live.places, started, has_top, completer, hidden: Vec::new(), each, outcome };
    let (mut old, mut new) = (old.into_iter().flatten().peekable(), walk.into_iter().flatten());
    let mut next = advance(&mut new, path, &mut run);
    loop {
        if events.cancelled() {
            return Err(Error::Cancelled);
        }
        let step = match (old.peek(), &next) {
            (None, None) => break,
            (Some(_), None) | (Some(Err(_)), _) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(Ok(old)), Some(new)) => order::compare(&old.directory, &old.name, &new.directory, &new.name),
        };
        let entry = if step.is_le() { old.next().transpose()? } else { None };
        let found = if step.is_ge() { next.take() } else { None };
        is_found |= found.is_some();
        if found.is_some() {
            next = advance(&mut new, path, &mut run);
        }
        run.path(entry.as_ref(), found.as_ref())?;
    }
    if is_found || !run.outcome.problems.is_empty() { Ok(run.outcome) } else { Err(missing()) }
}

/// The next thing at or below `path` that is there; problems on the way to it are noted.
fn advance(walk: &mut impl Iterator<Item = Walked>, path: &[u8], run: &mut Run) -> Option<Found> {
    loop {
        match walk.next()? {
            // A folder that stands for the top of a snapshot is no part of it, unless the snapshot has its top.
            Walked::Found(found) if found.name.is_empty() && !run.has_top => {}
            Walked::Found(found) if is_inside(&found.path(), path) => return Some(found),
            Walked::Found(_) => {}
            Walked::Problem(problem) => {
                if is_inside(&problem.path, path) || is_inside(path, &problem.path) {
                    run.problem(problem);
                }
            }
        }
    }
}

struct Run<'a> {
    reader: &'a Arc<Reader>,
    places: &'a Places,
    started: i64,
    has_top: bool,
    completer: Completer,
    /// What can not be seen, with all below it.
    hidden: Vec<Vec<u8>>,
    each: EachLive<'a>,
    outcome: LiveSummary,
}

/// What reading a live path gave.
enum Read {
    Entry(Box<Entry>),
    Gone,
    Unknown(Vec<Problem>),
}

impl Run<'_> {
    fn path(&mut self, old: Option<&Entry>, found: Option<&Found>) -> Result<()> {
        if let Some(old) = old
            && old.marks.has(Marks::STREAM)
        {
            if old.metadata.file_type == FileType::File {
                self.outcome.streams.push(old.path());
                return Ok(());
            }
            // A folder that is there for a stream alone.
            if found.is_none() {
                return Ok(());
            }
        }
        if let (Some(old), Some(found)) = (old, found)
            && is_unchanged(old, found, self.started)
        {
            return Ok(());
        }
        let read = match found {
            Some(found) => self.read(old, found)?,
            None => Read::Gone,
        };
        match (read, found) {
            (Read::Entry(new), Some(found)) => {
                if let Some(difference) = compare(old, Some(&new)) {
                    self.tell(difference, old, Some((&new, found)));
                }
            }
            (Read::Unknown(problems), _) => problems.into_iter().for_each(|problem| self.problem(problem)),
            (Read::Gone | Read::Entry(_), _) => {
                if let Some(old) = old.filter(|old| !self.is_kept_from_sight(old)) {
                    self.tell(Difference::Removed, Some(old), None);
                }
            }
        }
        Ok(())
    }

    /// The live entry. It has the content of the old one if a file of the same size is found to have it.
    fn read(&self, old: Option<&Entry>, found: &Found) -> Result<Read> {
        let (metadata, problems) = self.completer.metadata(found, None);
        if problems.iter().any(|problem| problem.code == ProblemCode::Vanished) {
            return Ok(Read::Gone);
        }
        if !problems.is_empty() {
            return Ok(Read::Unknown(problems));
        }
        let mut new = entry(found, metadata);
        let is_file = |entry: &Entry| entry.metadata.file_type == FileType::File;
        if let Some(old) = old.filter(|old| is_file(old) && is_file(&new) && old.metadata.size == new.metadata.size) {
            match is_same_content(self.reader, old, found) {
                Ok(true) => (new.content, new.layers) = (old.content.clone(), old.layers.clone()),
                Ok(false) => {}
                Err(Error::Source(error)) if error.is_vanished() => return Ok(Read::Gone),
                Err(Error::Source(error)) => return Ok(Read::Unknown(vec![error.to_problem()])),
                Err(error @ (Error::Cancelled | Error::Storage(_))) => return Err(error),
                Err(error) => {
                    let text = error.to_string();
                    let path = found.path();
                    return Ok(Read::Unknown(vec![Problem { path, code: ProblemCode::Unreadable, text }]));
                }
            }
        }
        Ok(Read::Entry(Box::new(new)))
    }

    /// Whether something that the walk did not meet may be there nevertheless: below what can not be seen, or on the way to what is gone.
    fn is_kept_from_sight(&self, old: &Entry) -> bool {
        let is_folder = old.metadata.file_type == FileType::Directory;
        let is_hidden = || self.hidden.iter().any(|hidden| is_inside(&old.path(), hidden));
        (!self.hidden.is_empty() && is_hidden()) || (is_folder && self.places.is_way(&old.path()))
    }

    fn tell(&mut self, difference: Difference, old: Option<&Entry>, new: Option<(&Entry, &Found)>) {
        self.outcome.summary.count(difference, old, new.map(|(entry, _)| entry));
        (self.each)(difference, old, new);
    }

    /// What is gone is a difference, not a problem.
    fn problem(&mut self, problem: Problem) {
        if problem.code != ProblemCode::Vanished {
            self.hidden.push(problem.path.clone());
            self.outcome.problems.push(problem);
        }
    }
}

fn entry(found: &Found, metadata: Metadata) -> Entry {
    let (directory, name) = (found.directory.clone(), found.name.clone());
    Entry { directory, name, metadata, marks: Marks::default(), content: Content::default(), layers: Vec::new() }
}
