// SPDX-License-Identifier: MIT OR Apache-2.0
//! Restoring, as a story: walk the tree forwards, making folders and handing files to the workers; then hard links; then walk it
//! backwards, giving folders their metadata once nothing in them changes any more.
//!
//! What is there already and equal stays; only what differs is written. A damaged chunk costs its own byte range, which is
//! named; everything else is restored.

mod big;
mod content;
mod extras;
mod files;
mod links;
mod pass;
mod selection;
mod spared;
mod wrapped;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use keepfast_repo_format::manifest::{Problem, ProblemCode};
use keepfast_repo_format::tree::entry::FileType;

use crate::error::{Error, Result, describe};
use crate::events::Events;
use crate::filter::Filter;
use crate::pool::Pool;
use crate::reader::Reader;
use crate::target::{FailureKind, MetadataFailure, Ownership, OwnershipMode, Target, TargetError, TargetErrorKind};
use crate::tree::{Cursor, Direction, Root};
use files::Jobs;
use pass::Pass;
use selection::Selection;
use spared::Spares;
pub use spared::{Spared, unread};

/// Problems that are listed; beyond them they are told to the [`Events`] and counted. A few hostile nodes can be wrong in millions
/// of places.
const MAX_PROBLEMS: usize = 100_000;

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
    /// What stays there all the same.
    pub spared: Spared,
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
    /// They are deleted, unless the filter does not take them. File systems that are mounted where the snapshot has an empty folder stay
    /// as they are.
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
    /// Everything that is missing or not as it was; a hundred thousand problems, and how many more there are.
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
    unlisted_problems: AtomicU64,
    /// The first error that ends the restore.
    fatal: Mutex<Option<Error>>,
    spares: Spares,
    /// Link groups whose existing file stays.
    kept_groups: Mutex<HashSet<u64>>,
    /// Told of every change, in no certain order.
    changes: &'a (dyn Fn(&[u8], Change) + Sync),
}

/// Restores. `changes` is told of every path that is made, changed, equal or deleted.
///
/// # Errors
/// The target could not be used at all, is keepfast's own, or is full; one file is to be restored and everything else deleted; or the
/// user cancelled. Problems with single paths are in the summary.
pub fn restore(
    reader: std::sync::Arc<Reader>,
    root: Root,
    options: &RestoreOptions,
    events: &dyn Events,
    changes: &(dyn Fn(&[u8], Change) + Sync),
) -> Result<Summary> {
    let spares = Spares::new(&options.spared);
    spares.admit(&options.target)?;
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
        unlisted_problems: AtomicU64::new(0),
        fatal: Mutex::default(),
        spares,
        kept_groups: Mutex::default(),
        changes,
    };
    let selection = Selection::new(&reader, root, options)?;
    thread::scope(|scope| {
        let pool = Pool::start(scope, options.threads);
        let mut pass = Pass::new(&shared, &selection, target.as_ref(), Jobs::new(&shared, pool));
        let walked = pass.forward(selection.cursor(&reader, root, Direction::Forward)?);
        // Files first: folders get their times when nothing in them changes any more.
        pass.jobs.finish();
        walked
    })
    .and_then(|pass_end| {
        shared.check()?;
        pass_end.links(&shared, target.as_ref())?;
        let Some(target) = target.as_ref().filter(|_| options.mode == Mode::Write) else { return Ok(()) };
        folders(&shared, &selection, target, selection.cursor(&reader, root, Direction::Backward)?, &pass_end.parents)
    })?;
    shared.check()?;
    let [created, updated, unchanged, deleted] = shared.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
    Ok(Summary {
        created,
        updated,
        unchanged,
        deleted,
        bytes: shared.bytes.load(Ordering::Relaxed),
        written_bytes: shared.written.load(Ordering::Relaxed),
        problems: shared.into_problems(),
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
        let mut problems = self.problems.lock().expect("no holder panics");
        if problems.len() < MAX_PROBLEMS {
            problems.push(problem);
        } else {
            self.unlisted_problems.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner().expect("no holder panics");
        let unlisted = self.unlisted_problems.into_inner();
        if unlisted > 0 {
            let text = format!("{unlisted} more problems are not listed");
            problems.push(Problem { path: Vec::new(), code: ProblemCode::Unreadable, text });
        }
        problems
    }

    /// Notes what went wrong with a path; what makes going on pointless ends the restore.
    fn failed(&self, path: &[u8], error: Error) {
        match error {
            Error::Target(TargetError { kind: TargetErrorKind::Full, .. }) | Error::Cancelled | Error::Index(_) => {
                self.fatal.lock().expect("no holder panics").get_or_insert(error);
            }
            // Else each file that is left would be waited for as long as this one, and come to nothing.
            error if error.is_of_storage() && !self.reader.storage_answers() => {
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
        let entry = match entry {
            Ok(entry) => entry,
            // It was named on the way there.
            Err(error) if error.is_damage() => continue,
            Err(error) => return Err(error),
        };
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
