// SPDX-License-Identifier: MIT OR Apache-2.0
//! Restoring, as a story: walk the tree forwards, making folders and handing files to the workers; then hard links; then walk it
//! backwards, giving folders their metadata once nothing in them changes any more.
//!
//! What is there already and equal stays; only what differs is written. A damaged chunk costs its own byte range, which is
//! named; everything else is restored.

mod content;
mod extras;
mod files;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use keepfast_repo_format::manifest::{Problem, ProblemCode};
use keepfast_repo_format::tree::entry::{Entry, FileType};
use keepfast_repo_format::tree::order;

use crate::error::{Error, Result};
use crate::events::Events;
use crate::filter::Filter;
use crate::pool::Pool;
use crate::reader::Reader;
use crate::target::{
    Directory, FailureKind, MetadataFailure, Ownership, OwnershipMode, Target, TargetError, TargetErrorKind,
};
use crate::tree::{Cursor, Direction, Root, find, find_below};
use files::{FileJob, Jobs};

/// What to restore, and how.
pub struct RestoreOptions {
    /// The folder to restore into.
    pub target: PathBuf,
    /// Path in the snapshot that becomes the target folder; empty for the whole snapshot.
    pub subtree: Vec<u8>,
    /// Which paths, relative to the snapshot's top.
    pub filter: Filter,
    /// What happens to files in the target's folders that the snapshot does not have.
    pub extras: Extras,
    /// How files that exist are compared.
    pub compare: Compare,
    /// How owners are restored.
    pub ownership: OwnershipMode,
    /// Whether anything is written.
    pub mode: Mode,
    /// Whether every file is read back and compared.
    pub verify: Verify,
    /// Worker threads.
    pub threads: usize,
}

/// Files that are in the target and not in the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extras {
    /// They stay.
    Keep,
    /// They are deleted, unless the filter does not take them.
    Delete,
}

/// How an existing file is compared with the snapshot's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// By reading it; equal parts are not written.
    Content,
    /// Same size and modification time: taken as equal.
    SizeAndTime,
}

/// Whether a restore writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It does.
    Write,
    /// It only tells what it would do.
    DryRun,
}

/// Whether a restore reads back what it wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was made.
    Created,
    /// It existed and was changed.
    Updated,
    /// It existed and is equal.
    Unchanged,
    /// It was deleted.
    Deleted,
}

/// What a restore did, or would do.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Paths that were made.
    pub created: u64,
    /// Files that were changed.
    pub updated: u64,
    /// Files that were equal.
    pub unchanged: u64,
    /// Paths that were deleted.
    pub deleted: u64,
    /// Bytes of content of all files.
    pub bytes: u64,
    /// Bytes that were written.
    pub written_bytes: u64,
    /// Everything that is missing or not as it was.
    pub problems: Vec<Problem>,
}

/// State that the threads of a restore share.
struct Shared<'a> {
    reader: std::sync::Arc<Reader>,
    options: &'a RestoreOptions,
    events: &'a dyn Events,
    ownership: Ownership,
    counts: [AtomicU64; 4],
    bytes: AtomicU64,
    written: AtomicU64,
    problems: Mutex<Vec<Problem>>,
    /// The first error that ends the restore.
    fatal: Mutex<Option<Error>>,
    /// Told of every change, in no certain order.
    changes: &'a (dyn Fn(&[u8], Change) + Sync),
}

/// Restores. `changes` is told of every path that is made, changed, equal or deleted.
///
/// # Errors
/// The target could not be used at all, or is full, or the user cancelled. Problems with single paths are in the summary.
pub fn restore(
    reader: std::sync::Arc<Reader>,
    root: Root,
    options: &RestoreOptions,
    events: &dyn Events,
    changes: &(dyn Fn(&[u8], Change) + Sync),
) -> Result<Summary> {
    let target = match options.mode {
        Mode::Write => Some(Target::open_or_create(&options.target)?),
        // A dry run must not create the target; where there is none, everything would be created.
        Mode::DryRun => Target::open(&options.target).ok(),
    };
    let shared = Shared {
        reader: reader.clone(),
        options,
        events,
        ownership: Ownership::new(options.ownership),
        counts: Default::default(),
        bytes: AtomicU64::new(0),
        written: AtomicU64::new(0),
        problems: Mutex::default(),
        fatal: Mutex::default(),
        changes,
    };
    let selection = Selection::new(&reader, root, options)?;
    thread::scope(|scope| {
        let pool = Pool::start(scope, options.threads, 1);
        let mut pass = Pass::new(&shared, &selection, target.as_ref(), Jobs::new(&shared, pool));
        let walked = pass.forward(selection.cursor(&reader, root, Direction::Forward)?);
        // Files first: folders get their times when nothing in them changes any more.
        pass.jobs.finish();
        walked
    })
    .and_then(|pass_end| {
        shared.check()?;
        let Some(target) = target.as_ref() else { return Ok(()) };
        if options.mode == Mode::DryRun {
            return Ok(());
        }
        pass_end.links(&shared, target)?;
        folders(&shared, &selection, target, selection.cursor(&reader, root, Direction::Backward)?, &pass_end.parents)
    })?;
    shared.check()?;
    let [created, updated, unchanged, deleted] = shared.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
    Ok(Summary {
        created,
        updated,
        unchanged,
        deleted,
        bytes: shared.bytes.into_inner(),
        written_bytes: shared.written.into_inner(),
        problems: shared.problems.into_inner().expect("no holder panics"),
    })
}

impl Shared<'_> {
    fn changed(&self, path: &[u8], change: Change) {
        self.counts[change as usize].fetch_add(1, Ordering::Relaxed);
        (self.changes)(path, change);
    }

    fn problem(&self, path: Vec<u8>, code: ProblemCode, text: String) {
        let problem = Problem { path, code, text };
        self.events.problem(&problem);
        self.problems.lock().expect("no holder panics").push(problem);
    }

    /// Notes what went wrong with a path; what makes going on pointless ends the restore.
    fn failed(&self, path: &[u8], error: Error) {
        match error {
            Error::Target(TargetError { kind: TargetErrorKind::Full, .. }) | Error::Cancelled | Error::Index(_) => {
                self.fatal.lock().expect("no holder panics").get_or_insert(error);
            }
            error => self.problem(path.to_vec(), ProblemCode::Unreadable, describe(&error)),
        }
    }

    fn metadata_failures(&self, path: &[u8], failures: &[MetadataFailure]) {
        for failure in failures {
            // As for every tool of the kind, an ordinary user can not give files away and is not told so for each file.
            if failure.kind != FailureKind::Ownership || self.ownership.is_privileged() {
                self.problem(path.to_vec(), ProblemCode::Metadata, failure.to_string());
            }
        }
    }

    fn check(&self) -> Result<()> {
        if self.events.cancelled() {
            return Err(Error::Cancelled);
        }
        self.fatal.lock().expect("no holder panics").take().map_or(Ok(()), Err)
    }
}

/// An error and its causes in one line.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Which entries are restored, and where to.
struct Selection<'a> {
    options: &'a RestoreOptions,
    /// What is cut off the front of paths.
    prefix: Vec<u8>,
    /// The subtree is one file: only this entry.
    single: Option<Vec<u8>>,
}

impl<'a> Selection<'a> {
    fn new(reader: &std::sync::Arc<Reader>, root: Root, options: &'a RestoreOptions) -> Result<Self> {
        let subtree = &options.subtree;
        if subtree.is_empty() {
            return Ok(Self { options, prefix: Vec::new(), single: None });
        }
        let entry = find(reader, root, subtree)?;
        let missing = || Error::NoPath { path: subtree.clone(), snapshot: root.id.to_string()[..8].to_string() };
        let entry = entry.ok_or_else(missing)?;
        if entry.metadata.file_type == FileType::Directory {
            return Ok(Self { options, prefix: subtree.clone(), single: None });
        }
        Ok(Self { options, prefix: entry.directory.to_vec(), single: Some(subtree.clone()) })
    }

    fn cursor(&self, reader: &std::sync::Arc<Reader>, root: Root, direction: Direction) -> Result<Cursor> {
        match direction {
            Direction::Forward if !self.prefix.is_empty() => find_below(reader, root, &self.prefix),
            _ => Ok(Cursor::new(reader.clone(), root, direction)),
        }
    }

    /// Path below the target; `None` if the entry is not below the subtree.
    fn relative(&self, entry: &Entry) -> Option<Vec<u8>> {
        let path = entry.path();
        if self.single.as_ref().is_some_and(|single| *single != path) {
            return None;
        }
        if self.prefix.is_empty() {
            return Some(path);
        }
        if path == self.prefix {
            return Some(Vec::new());
        }
        path.strip_prefix(&self.prefix[..])?.strip_prefix(b"/").map(<[u8]>::to_vec)
    }

    /// Whether a forward cursor has left the subtree.
    fn is_past(&self, entry: &Entry) -> bool {
        let inside =
            entry.directory.strip_prefix(&self.prefix[..]).is_some_and(|rest| rest.is_empty() || rest[0] == b'/');
        !self.prefix.is_empty() && !inside && order::compare_directories(&entry.directory, &self.prefix).is_gt()
    }

    fn takes(&self, entry: &Entry) -> bool {
        self.options.filter.takes_all()
            || self.options.filter.takes(&entry.path(), entry.metadata.file_type == FileType::Directory)
    }
}

/// What the forward walk leaves to be done.
#[derive(Default)]
struct PassEnd {
    /// Later names of files with several names: path, path of the first name.
    links: Vec<(Vec<u8>, Vec<u8>)>,
    /// Folders that were made only because something in them is restored.
    parents: HashSet<Vec<u8>>,
}

/// The forward walk.
struct Pass<'a, 'env> {
    shared: &'env Shared<'env>,
    selection: &'a Selection<'a>,
    target: Option<&'env Target>,
    jobs: Jobs<'env>,
    first_names: HashMap<u64, Vec<u8>>,
    end: PassEnd,
    /// The folder of the entries that come now: where it is, and whether it is new and empty.
    current: Option<(Vec<u8>, Option<Directory>, bool)>,
    /// Folders made by this restore; nothing can be in them but what it puts there. Only those not yet entered.
    fresh: HashSet<Vec<u8>>,
    extras: extras::Extraneous,
}

impl<'a, 'env> Pass<'a, 'env> {
    fn new(
        shared: &'env Shared<'env>,
        selection: &'a Selection<'a>,
        target: Option<&'env Target>,
        jobs: Jobs<'env>,
    ) -> Self {
        let extras = extras::Extraneous::default();
        let (current, fresh) = (None, HashSet::new());
        Self {
            shared,
            selection,
            target,
            jobs,
            first_names: HashMap::new(),
            end: PassEnd::default(),
            current,
            fresh,
            extras,
        }
    }

    fn forward(&mut self, cursor: Cursor) -> Result<PassEnd> {
        for entry in cursor {
            self.shared.check()?;
            let entry = match entry {
                Ok(entry) => entry,
                // The node's entries are lost; the rest of the tree is not.
                Err(error) if error.is_damage() => {
                    self.extras.distrust();
                    self.shared.failed(b"", error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            if self.selection.is_past(&entry) {
                break;
            }
            let Some(path) = self.selection.relative(&entry) else { continue };
            self.entry(entry, path)?;
        }
        self.finish_extras()?;
        Ok(std::mem::take(&mut self.end))
    }

    fn entry(&mut self, entry: Entry, path: Vec<u8>) -> Result<()> {
        let takes = self.selection.takes(&entry);
        self.note_for_extras(&path)?;
        if !takes {
            return Ok(());
        }
        if path.is_empty() {
            // The top folder itself exists; its metadata is applied on the way back.
            return Ok(());
        }
        if let Err(error) = self.place(entry, &path) {
            self.shared.failed(&path, error);
        }
        Ok(())
    }

    fn place(&mut self, entry: Entry, path: &[u8]) -> Result<()> {
        let (parent, name) = order::split(path);
        self.enter(parent)?;
        let (_, directory, is_fresh) = self.current.as_ref().expect("`enter` sets it");
        let (directory, is_fresh) = (directory.clone(), *is_fresh);
        let Some(directory) = directory else {
            // A dry run below a folder that does not exist.
            self.shared.changed(path, Change::Created);
            self.shared.bytes.fetch_add(entry.metadata.size, Ordering::Relaxed);
            if entry.metadata.file_type == FileType::Directory {
                self.fresh.insert(path.to_vec());
            }
            return Ok(());
        };
        if entry.metadata.file_type == FileType::Directory {
            return self.folder(&directory, path, name, is_fresh);
        }
        if let Some(group) = entry.metadata.link_group
            && self.shared.options.mode == Mode::Write
        {
            match self.first_names.get(&group) {
                Some(first) => {
                    self.end.links.push((path.to_vec(), first.clone()));
                    return Ok(());
                }
                None => {
                    self.first_names.insert(group, path.to_vec());
                }
            }
        }
        let job = FileJob { directory, entry, path: path.to_vec(), name: name.to_vec(), is_fresh };
        self.jobs.add(job)
    }

    /// Makes `folder` the current one, making it and its parents first if the filter left them out.
    fn enter(&mut self, folder: &[u8]) -> Result<()> {
        if self.current.as_ref().is_some_and(|(current, ..)| current == folder) {
            return Ok(());
        }
        let is_fresh = self.fresh.remove(folder);
        let Some(target) = self.target else {
            self.current = Some((folder.to_vec(), None, true));
            return Ok(());
        };
        let directory = match target.directory(folder) {
            Ok(directory) => Some(directory),
            Err(error) if error.kind == TargetErrorKind::NotFound => match self.shared.options.mode {
                Mode::DryRun => None,
                Mode::Write => Some(self.make_parents(target, folder)?),
            },
            Err(error) => return Err(error.into()),
        };
        self.current = Some((folder.to_vec(), directory, is_fresh));
        Ok(())
    }

    fn make_parents(&mut self, target: &Target, folder: &[u8]) -> Result<Directory> {
        let mut directory = target.directory(b"")?;
        let mut at = Vec::new();
        for name in folder.split(|byte| *byte == b'/') {
            at = order::join(&at, name);
            directory.make_directory(name)?;
            directory = directory.open_directory(name)?;
            self.end.parents.insert(at.clone());
        }
        Ok(directory)
    }

    fn folder(&mut self, directory: &Directory, path: &[u8], name: &[u8], parent_is_fresh: bool) -> Result<()> {
        let existing = if parent_is_fresh { None } else { directory.existing(name)? };
        let is_folder = existing.is_some_and(|existing| existing.file_type == FileType::Directory);
        if self.shared.options.mode == Mode::DryRun {
            if !is_folder {
                self.shared.changed(path, Change::Created);
                self.fresh.insert(path.to_vec());
            }
            return Ok(());
        }
        if existing.is_some() && !is_folder {
            directory.remove(name)?;
        }
        if is_folder {
            self.extras.expect(path);
            // Whatever its mode was, the restore needs to write into it; the walk back sets the mode.
            directory.make_directory(name)?;
        } else {
            directory.make_directory(name)?;
            self.fresh.insert(path.to_vec());
            self.shared.changed(path, Change::Created);
        }
        Ok(())
    }
}

impl PassEnd {
    /// Makes the later names of files with several names.
    fn links(&self, shared: &Shared, target: &Target) -> Result<()> {
        for (path, first) in &self.links {
            shared.check()?;
            if let Err(error) = link(shared, target, path, first) {
                shared.failed(path, error);
            }
        }
        Ok(())
    }
}

fn link(shared: &Shared, target: &Target, path: &[u8], first: &[u8]) -> Result<()> {
    let ((folder, name), (first_folder, first_name)) = (order::split(path), order::split(first));
    let (folder, first_folder) = (target.directory(folder)?, target.directory(first_folder)?);
    let (there, wanted) = (folder.existing(name)?, first_folder.existing(first_name)?);
    if let (Some(there), Some(wanted)) = (there, wanted)
        && (there.inode, there.device) == (wanted.inode, wanted.device)
    {
        shared.changed(path, Change::Unchanged);
        return Ok(());
    }
    if there.is_some() {
        folder.remove(name)?;
    }
    folder.hard_link(name, &first_folder, first_name)?;
    shared.changed(path, Change::Created);
    Ok(())
}

/// The walk back: metadata of folders, contents before their folders.
fn folders(
    shared: &Shared,
    selection: &Selection,
    target: &Target,
    cursor: Cursor,
    parents: &HashSet<Vec<u8>>,
) -> Result<()> {
    for entry in cursor {
        shared.check()?;
        // Damage was named on the way there.
        let Ok(entry) = entry else { continue };
        if entry.metadata.file_type != FileType::Directory {
            continue;
        }
        let Some(path) = selection.relative(&entry) else { continue };
        let is_top = path.is_empty();
        if !(selection.takes(&entry) || parents.contains(&path)) || (is_top && !selection.options.filter.takes_all()) {
            continue;
        }
        match target.directory(&path) {
            Ok(directory) => {
                let failures = directory.apply_own_metadata(&entry.metadata, &shared.ownership);
                shared.metadata_failures(&path, &failures);
            }
            Err(error) if error.kind == TargetErrorKind::NotFound => {}
            Err(error) => shared.failed(&path, error.into()),
        }
    }
    Ok(())
}
