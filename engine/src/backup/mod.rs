// SPDX-License-Identifier: MIT OR Apache-2.0
//! Backing up, as a story: announce a session, walk the sources beside the parent snapshot, keep what is unchanged, read the
//! rest on all cores, put everything back in order, write the tree, commit.
//!
//! Several repositories are served in one reading: each has its way (`way`, from session to commit) and in the pipeline its lane.
//! Data goes one way. `sequence` decides what to do with each path (one thread, tree order), `work` reads and cuts (all
//! threads), `assemble` puts results in order, deduplicates and builds the tree (one thread), the writer seals and stores.

mod align;
mod archives;
mod assemble;
mod big;
mod contents;
mod feed;
mod hosts;
mod lane;
mod said;
mod sequence;
mod streams;
mod unwrapped;
mod way;
mod work;

use std::thread;

use crossbeam_channel::Receiver;
use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::manifest::{Problem, Totals};
use keepfast_repo_format::pack::FinishedPack;
use keepfast_repo_format::tree::entry::Timestamp;

use crate::error::{Error, Result};
use crate::events::Events;
use crate::pool::Pool;
use crate::repository::Repository;
use crate::session::Client;
use crate::source::{Completer, SourceOptions};
use crate::tree::Root;
use crate::writer::Segmenter;
pub use crate::writer::{Compression, DeltaLimits};
pub use archives::{Archives, ArchivesError};
pub use hosts::{commands_of_host, files_of_host};
use lane::Lane;
pub use streams::{Stream, StreamInput};
use way::Way;

/// What to back up, and how.
pub struct BackupOptions {
    /// Files and folders.
    pub source: SourceOptions,
    /// Outputs of commands, and standard input, in the same snapshot.
    pub streams: Vec<Stream>,
    /// What is known to be missing before anything is read.
    pub missing: Vec<Problem>,
    /// Paths as the user gave them, for the manifest and for finding the parent.
    pub paths: Vec<Vec<u8>>,
    /// Which snapshot to compare with.
    pub parent: Parent,
    /// Tags of the new snapshot.
    pub tags: Vec<String>,
    /// Its description.
    pub description: String,
    /// Which files are looked into.
    pub archives: Archives,
    /// How hard new data is compressed.
    pub compression: Compression,
    /// What may be stored as a difference from the previous version.
    pub deltas: DeltaLimits,
    /// Worker threads.
    pub threads: usize,
    /// Whether anything is written.
    pub mode: Mode,
    /// Tells the time: when the backup started, and whether a file changed too shortly before it was read.
    pub clock: fn() -> Timestamp,
}

/// Which snapshot unchanged files are taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parent {
    /// The newest one of the same host and paths.
    Newest,
    /// None: every file is read.
    None,
    /// This one.
    Snapshot(SnapshotId),
}

impl Parent {
    /// What it means for further repositories: they have other snapshots.
    fn of_others(&self) -> Self {
        if *self == Self::None { Self::None } else { Self::Newest }
    }
}

/// Whether a backup writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reads everything and commits a snapshot.
    Commit,
    /// The same, but no snapshot when its tree is the parent's.
    CommitIfChanged,
    /// Reads everything, writes nothing.
    DryRun,
}

/// What a backup did.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The new snapshot; `None` for a dry run or an unchanged tree.
    pub snapshot: Option<SnapshotId>,
    /// The snapshot it was compared with.
    pub parent: Option<SnapshotId>,
    /// Counts and sizes.
    pub totals: Totals,
    /// Everything that is missing or doubtful.
    pub problems: Vec<Problem>,
}

/// Backs up. Problems with single paths do not stop it; they are in the summary, and the snapshot is marked partial.
///
/// # Errors
/// The repository could not be read or written, or the user cancelled. No snapshot is visible then.
pub fn backup(
    repository: &Repository,
    client: &Client,
    options: &BackupOptions,
    events: &dyn Events,
) -> Result<Summary> {
    backup_to_all(&[repository], client, options, events)?.pop().expect("one result a repository")
}

/// Backs up to several repositories, reading the sources once. Each succeeds or fails on its own; a snapshot named as parent is
/// one of the first.
///
/// # Errors
/// What concerns all: the sources could not be walked, or the user cancelled. No snapshot is visible then.
pub fn backup_to_all(
    repositories: &[&Repository],
    client: &Client,
    options: &BackupOptions,
    events: &dyn Events,
) -> Result<Vec<Result<Summary>>> {
    let started = (options.clock)();
    let opened = repositories.iter().enumerate().map(|(number, repository)| {
        let parent = if number == 0 { options.parent.clone() } else { options.parent.of_others() };
        Way::open(repository, client, options, &parent, events)
    });
    let ways: Vec<Result<Way>> = opened.collect();
    let outcomes = match through(&ways, options, events) {
        Ok(outcomes) => outcomes,
        Err(error) => {
            ways.into_iter().flatten().for_each(Way::abandon);
            return Err(error);
        }
    };
    let mut outcomes = outcomes.into_iter();
    let finished = ways.into_iter().map(|way| {
        let way = way?;
        match outcomes.next().expect("one outcome for each way that is open") {
            Ok(outcome) => way.finish(outcome, client, options, started),
            Err(error) => {
                way.abandon();
                Err(error)
            }
        }
    });
    Ok(finished.collect())
}

/// What the pipeline works on.
struct Plan<'a> {
    options: &'a BackupOptions,
    events: &'a dyn Events,
    completer: Completer,
    lanes: Vec<Lane<'a>>,
}

/// What came out of the pipeline for one lane.
struct Outcome {
    root: Root,
    totals: Totals,
    problems: Vec<Problem>,
}

type Queue = Receiver<FinishedPack>;

/// Sends everything through the pipeline: one outcome for each way that is open.
fn through(ways: &[Result<Way>], options: &BackupOptions, events: &dyn Events) -> Result<Vec<Result<Outcome>>> {
    let open: Vec<&Way> = ways.iter().flatten().collect();
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let lanes = open.iter().map(|way| way.lane()).collect();
    let plan = Plan { options, events, completer: Completer::new(), lanes };
    let queues: Vec<Option<&Queue>> = open.iter().map(|way| way.queue()).collect();
    run(&plan, &queues)
}

/// Runs the pipeline to its end. A lane without a queue stores nothing.
fn run(plan: &Plan, queues: &[Option<&Queue>]) -> Result<Vec<Result<Outcome>>> {
    let threads = plan.options.threads;
    // Enough that no worker waits for the next batch, few enough that memory stays small.
    let in_flight_batches = 2 * threads + 2;
    thread::scope(|scope| {
        let mut uploaders = Vec::with_capacity(queues.len());
        for (lane, queue) in plan.lanes.iter().zip(queues.iter().copied()) {
            let uploads = || queue.map(|queue| scope.spawn(|| lane.writer.upload(queue)));
            uploaders.push((0..lane.repository.distance.uploads()).filter_map(|_| uploads()).collect::<Vec<_>>());
        }
        let (sequenced, assembled) = thread::scope(|workers| {
            let pool = Pool::start(workers, threads);
            let (mut steps, mut assemblers) = (Vec::new(), Vec::new());
            for lane in &plan.lanes {
                let (sender, ordered) = crossbeam_channel::bounded(in_flight_batches);
                let segmenter = Segmenter::new(lane.writer, pool.clone());
                assemblers.push(workers.spawn(move || assemble::assemble(plan, lane, segmenter, &ordered)));
                steps.push(sender);
            }
            let sequenced = sequence::sequence(plan, pool, steps, workers);
            (sequenced, assemblers.into_iter().map(joined).collect::<Vec<_>>())
        });
        let (causes, failed) = match sequenced {
            Ok(causes) => (causes, None),
            Err(error) => (plan.lanes.iter().map(|_| None).collect(), Some(error)),
        };
        let mut outcomes = Vec::with_capacity(plan.lanes.len());
        for (number, (assembled, cause)) in assembled.into_iter().zip(causes).enumerate() {
            let writer = plan.lanes[number].writer;
            let worked = cause.map_or(assembled, Err);
            let finished = match (&worked, uploaders[number].is_empty()) {
                (Ok(_), false) if failed.is_none() => writer.finish(),
                (Ok(_), true) => Ok(()),
                _ => {
                    writer.abandon();
                    Ok(())
                }
            };
            outcomes.push((worked, finished));
        }
        uploaders.into_iter().flatten().for_each(joined);
        let outcomes = plan.lanes.iter().zip(outcomes).map(|(lane, (worked, finished))| {
            let result = worked.and_then(|outcome| finished.map(|()| outcome));
            lane.writer.cause().map_or(result, Err)
        });
        let outcomes = outcomes.collect();
        // Half a tree makes all sorts of errors; none of them is news to the user who asked to stop.
        if plan.events.cancelled() { Err(Error::Cancelled) } else { failed.map_or(Ok(outcomes), Err) }
    })
}

fn joined<T>(handle: thread::ScopedJoinHandle<T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
