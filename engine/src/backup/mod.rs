// SPDX-License-Identifier: MIT OR Apache-2.0
//! Backing up, as a story: announce a session, walk the sources beside the parent snapshot, keep what is unchanged, read the
//! rest on all cores, put everything back in order, write the tree, commit.
//!
//! Data goes one way. `sequence` decides what to do with each path (one thread, tree order), `work` reads and cuts (all
//! threads), `assemble` puts results in order, deduplicates and builds the tree (one thread), the writer seals and stores.

mod assemble;
mod big;
mod sequence;
mod streams;
mod work;

use std::sync::atomic::Ordering;
use std::thread;

use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::manifest::{Completeness, MAX_PROBLEMS, Manifest, Problem, Totals, packs_digest};
use keepfast_repo_format::tree::entry::Timestamp;

use crate::error::{Error, Result};
use crate::events::Events;
use crate::history::{History, Snapshot};
use crate::pool::Pool;
use crate::repository::Repository;
use crate::session::{Client, Role, Session};
use crate::source::SourceOptions;
use crate::tree::Root;
pub use crate::writer::Compression;
use crate::writer::{Segmenter, Writer};
pub use streams::{Stream, StreamInput};

/// What to back up, and how.
pub struct BackupOptions {
    /// Files and folders.
    pub source: SourceOptions,
    /// Outputs of commands, and standard input, in the same snapshot.
    pub streams: Vec<Stream>,
    /// Paths as the user gave them, for the manifest and for finding the parent.
    pub paths: Vec<Vec<u8>>,
    /// Which snapshot to compare with.
    pub parent: Parent,
    /// Tags of the new snapshot.
    pub tags: Vec<String>,
    /// Its description.
    pub description: String,
    /// How hard new data is compressed.
    pub compression: Compression,
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
    let started = (options.clock)();
    if options.mode == Mode::DryRun {
        let history = repository.history()?;
        let parent = find_parent(repository, &history, options, client, events)?;
        let plan = Plan { repository, options, events, parent: parent.as_ref(), trusts_parent: true };
        let (writer, _) = Writer::new(repository, keepfast_repo_format::id::SessionId([0; 16]), options.compression);
        writer.write_nothing();
        let outcome = run(&plan, &writer, None)?;
        return Ok(summary(None, parent.as_ref(), outcome, &writer));
    }
    let session = Session::open(repository, client.clone(), Role::Writer)?;
    match backup_in(&session, repository, client, options, events, started) {
        Ok((manifest, packs, mut summary)) => {
            let unchanged =
                summary.parent.is_some() && packs.is_empty() && is_parents_tree(repository, &session, &manifest)?;
            if options.mode == Mode::CommitIfChanged && unchanged && summary.problems.is_empty() {
                session.abandon()?;
            } else {
                summary.snapshot = Some(session.commit(&manifest, &packs)?);
            }
            Ok(summary)
        }
        Err(error) => {
            // The packs of a void session are unreferenced; saying so now spares the next run from finding out.
            let _ = session.abandon();
            Err(error)
        }
    }
}

/// What the pipeline works on.
struct Plan<'a> {
    repository: &'a Repository,
    options: &'a BackupOptions,
    events: &'a dyn Events,
    parent: Option<&'a Snapshot>,
    /// Whether every chunk of the parent is surely there, so that unchanged files need no look-up.
    trusts_parent: bool,
}

/// What came out of the pipeline.
struct Outcome {
    root: Root,
    totals: Totals,
    problems: Vec<Problem>,
}

type Packs = Vec<keepfast_repo_format::pack::PackRecord>;

fn backup_in(
    session: &Session,
    repository: &Repository,
    client: &Client,
    options: &BackupOptions,
    events: &dyn Events,
    started: Timestamp,
) -> Result<(Manifest, Packs, Summary)> {
    let parent = find_parent(repository, &session.history, options, client, events)?;
    // A visible snapshot's chunks are all in visible packs (I2). Unless a pack is lost or condemned, or a log slot that made packs
    // visible, that needs no look-up per chunk.
    let history = &session.history;
    let trusts_parent =
        session.absent_packs.is_empty() && history.damaged().is_empty() && history.broken_links().is_empty();
    let plan = Plan { repository, options, events, parent: parent.as_ref(), trusts_parent };
    let (writer, queue) = Writer::new(repository, session.id, options.compression);
    let outcome = run(&plan, &writer, Some(&queue))?;
    let root = outcome.root;
    let mut summary = summary(None, parent.as_ref(), outcome, &writer);
    let packs = writer.into_records();
    summary.totals.stored_bytes = packs.iter().map(|pack| pack.length).sum();
    let (writer_id, sequence) = session.place();
    let ids: Vec<_> = packs.iter().map(|pack| pack.id).collect();
    let manifest = Manifest {
        writer: writer_id,
        sequence,
        session: session.id,
        parent: parent.as_ref().map(|snapshot| snapshot.id),
        root: root.id,
        root_level: root.level,
        paths: options.paths.clone(),
        host: client.host.clone(),
        user: client.user.clone(),
        tags: sorted(&options.tags),
        started: nanoseconds(started),
        finished: nanoseconds((options.clock)()),
        program: client.program.clone(),
        description: options.description.clone(),
        config_generation: repository.config_generation,
        totals: summary.totals,
        problems: summary.problems.iter().take(MAX_PROBLEMS).cloned().collect(),
        completeness: if summary.problems.is_empty() { Completeness::Complete } else { Completeness::Partial },
        pack_count: packs.len() as u64,
        pack_bytes: summary.totals.stored_bytes,
        packs_digest: packs_digest(&ids),
    };
    Ok((manifest, packs, summary))
}

/// Runs the pipeline to its end. With no queue nothing is stored.
fn run(
    plan: &Plan,
    writer: &Writer,
    queue: Option<&crossbeam_channel::Receiver<keepfast_repo_format::pack::FinishedPack>>,
) -> Result<Outcome> {
    let options = plan.options;
    // Enough that no worker waits for the next batch, few enough that memory stays small.
    let in_flight_batches = 2 * options.threads + 2;
    let result = thread::scope(|scope| {
        let uploader = queue.map(|queue| scope.spawn(|| writer.upload(queue)));
        let worked = thread::scope(|workers| {
            let pool = Pool::start(workers, options.threads);
            let (steps, ordered) = crossbeam_channel::bounded(in_flight_batches);
            let segmenter = Segmenter::new(writer, pool.clone());
            let assembler = workers.spawn(move || assemble::assemble(plan, writer, segmenter, &ordered));
            let sequenced = sequence::sequence(plan, writer, pool, &steps);
            drop(steps);
            let assembled = assembler.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            // Whoever stops first has the cause; the other only finds its neighbour gone.
            match (sequenced, assembled) {
                // Half a tree makes all sorts of errors; none of them is news to the user who asked to stop.
                (Err(_), _) | (_, Err(_)) if plan.events.cancelled() => Err(Error::Cancelled),
                (Err(error), _) if !matches!(error, Error::Cancelled) => Err(error),
                (Err(error), Ok(_)) => Err(error),
                (_, assembled) => assembled,
            }
        });
        let finished = match (&worked, &uploader) {
            (Ok(_), Some(_)) => writer.finish(),
            (Ok(_), None) => Ok(()),
            (Err(_), _) => {
                writer.abandon();
                Ok(())
            }
        };
        if let Some(uploader) = uploader {
            uploader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
        let outcome = worked?;
        finished?;
        Ok(outcome)
    });
    // A failure inside the writer is the cause of whatever the others saw.
    match (writer.check(), result) {
        (Err(Error::Cancelled), Err(seen)) => Err(seen),
        (Err(cause), _) => Err(cause),
        (Ok(()), result) => result,
    }
}

fn find_parent(
    repository: &Repository,
    history: &History,
    options: &BackupOptions,
    client: &Client,
    events: &dyn Events,
) -> Result<Option<Snapshot>> {
    if options.parent == Parent::None {
        return Ok(None);
    }
    let (snapshots, _) = history.snapshots(repository)?;
    let fits = |snapshot: &&Snapshot| match &options.parent {
        Parent::Snapshot(id) => snapshot.id == *id,
        _ => snapshot.manifest.host == client.host && snapshot.manifest.paths == options.paths,
    };
    let found = snapshots.iter().rev().find(fits).cloned();
    if let Some(Snapshot { manifest: Manifest { totals, .. }, .. }) = &found {
        // The best guess there is without walking twice.
        events.expected(totals.files + totals.directories + totals.others, totals.bytes);
    }
    match (&options.parent, found) {
        (Parent::Snapshot(id), None) => Err(Error::NoSnapshot { selector: id.to_string() }),
        (_, found) => Ok(found),
    }
}

fn is_parents_tree(repository: &Repository, session: &Session, manifest: &Manifest) -> Result<bool> {
    let (snapshots, _) = session.history.snapshots(repository)?;
    let parent = snapshots.iter().find(|snapshot| Some(snapshot.id) == manifest.parent);
    Ok(parent.is_some_and(|parent| parent.manifest.root == manifest.root))
}

fn summary(snapshot: Option<SnapshotId>, parent: Option<&Snapshot>, outcome: Outcome, writer: &Writer) -> Summary {
    let mut totals = outcome.totals;
    totals.new_chunks = writer.written.chunks.load(Ordering::Relaxed);
    totals.new_plain_bytes = writer.written.plain_bytes.load(Ordering::Relaxed);
    totals.stored_bytes = writer.written.stored_bytes.load(Ordering::Relaxed);
    totals.problems = outcome.problems.len() as u64;
    Summary { snapshot, parent: parent.map(|parent| parent.id), totals, problems: outcome.problems }
}

fn sorted(tags: &[String]) -> Vec<String> {
    let mut tags = tags.to_vec();
    tags.sort();
    tags.dedup();
    tags
}

fn nanoseconds(time: Timestamp) -> i64 {
    time.seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(time.nanos))
}
