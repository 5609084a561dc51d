// SPDX-License-Identifier: MIT OR Apache-2.0
//! Importing an archive, as a story: announce a session, read the archive once from front to back, store the contents of its
//! members as they come, and when all members are known, sort them into a tree and commit it.
//!
//! `look` tells what an archive has, without a repository. `scan` reads and cuts (one thread), `hash` finds ids (all threads), `assemble` puts results back in order, `members` makes the
//! tree. An archive that is damaged anywhere makes no snapshot: half of one would look like a whole one.

mod assemble;
mod hash;
mod look;
mod members;
mod scan;

use std::io::Read;
use std::sync::atomic::Ordering;
use std::thread;

use crossbeam_channel::Receiver;
use keepfast_chunker::{Chunker, Params};
use keepfast_repo_format::id::{SessionId, SnapshotId};
use keepfast_repo_format::manifest::{Completeness, Manifest, Problem, Totals, packs_digest};
use keepfast_repo_format::pack::FinishedPack;
use keepfast_repo_format::tree::entry::Timestamp;

use crate::archive::ArchiveReader;
pub use crate::archive::EndMark;
use crate::error::{Error, Result};
use crate::events::Events;
use crate::history::{History, Snapshot};
use crate::pool::Pool;
use crate::repository::Repository;
use crate::session::{Client, Role, Session};
use crate::tree::Root;
pub use crate::writer::Compression;
use crate::writer::{Segmenter, Writer};

pub use look::{Looked, beginning, look};

/// What to import, and how.
pub struct ImportOptions {
    /// Where the archive came from, for the manifest and for finding the parent.
    pub paths: Vec<Vec<u8>>,
    /// Tags of the new snapshot.
    pub tags: Vec<String>,
    /// Its description.
    pub description: String,
    /// Where the archive ends.
    pub end_mark: EndMark,
    /// How hard new data is compressed.
    pub compression: Compression,
    /// Worker threads.
    pub threads: usize,
    /// Whether anything is written.
    pub mode: Mode,
    /// Tells the time.
    pub clock: fn() -> Timestamp,
}

/// Whether an import writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reads everything and commits a snapshot.
    Commit,
    /// Reads everything, writes nothing.
    DryRun,
}

/// What an import did.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The new snapshot; `None` for a dry run.
    pub snapshot: Option<SnapshotId>,
    /// The snapshot it was compared with.
    pub parent: Option<SnapshotId>,
    /// Counts and sizes.
    pub totals: Totals,
    /// Members that could not be taken as they are.
    pub problems: Vec<Problem>,
    /// Paths that stand in the archive more than once: the last member counts.
    pub replaced: Vec<Vec<u8>>,
}

/// What the pipeline works on.
struct Plan<'a> {
    repository: &'a Repository,
    parent: Option<Root>,
    chunker: Chunker,
    events: &'a dyn Events,
}

/// What came out of the pipeline.
struct Outcome {
    root: Root,
    totals: Totals,
    problems: Vec<Problem>,
    replaced: Vec<Vec<u8>>,
}

/// Imports the archive that `input` gives. Problems with single members do not stop it; they are in the summary, and the
/// snapshot is marked partial.
///
/// # Errors
/// [`Error::Archive`] if the archive is damaged, cut off, or none; the repository; the user's wish. No snapshot is visible then.
pub fn import(
    repository: &Repository,
    client: &Client,
    input: impl Read,
    options: &ImportOptions,
    events: &dyn Events,
) -> Result<Summary> {
    let started = (options.clock)();
    // What is no archive opens no session.
    let mut archive = ArchiveReader::new(input, options.end_mark)?;
    let stored = &repository.config.chunker;
    let params = Params::new(stored.min, stored.avg, stored.max, stored.normalization)
        .map_err(|error| Error::Invalid(error.to_string()))?;
    let chunker = Chunker::new(&params, &repository.keys.gear_table());
    if options.mode == Mode::DryRun {
        let parent = newest(repository, &repository.history()?, client, options)?;
        let (writer, queue) = Writer::new(repository, SessionId([0; 16]), options.compression);
        writer.write_nothing();
        let plan = Plan { repository, parent: parent.as_ref().map(root), chunker, events };
        let outcome = run(&plan, &mut archive, &writer, &queue, options.threads)?;
        return Ok(summary(parent.as_ref(), outcome, &writer));
    }
    let mut session = Session::open(repository, client.clone(), Role::Writer)?;
    session.distrust_damaged()?;
    let (writer, queue) = Writer::of_session(repository, &mut session, options.compression);
    let worked = newest(repository, &session.history, client, options).and_then(|parent| {
        let plan = Plan { repository, parent: parent.as_ref().map(root), chunker, events };
        Ok((run(&plan, &mut archive, &writer, &queue, options.threads)?, parent))
    });
    match worked {
        Ok((outcome, parent)) => commit(session, writer, outcome, parent.as_ref(), client, options, started),
        Err(error) => {
            let _ = session.abandon();
            Err(error)
        }
    }
}

fn root(snapshot: &Snapshot) -> Root {
    Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level }
}

fn newest(
    repository: &Repository,
    history: &History,
    client: &Client,
    options: &ImportOptions,
) -> Result<Option<Snapshot>> {
    let (snapshots, _) = history.snapshots(repository)?;
    let fits = |snapshot: &&Snapshot| snapshot.manifest.host == client.host && snapshot.manifest.paths == options.paths;
    Ok(snapshots.iter().rev().find(fits).cloned())
}

/// Runs the pipeline to its end.
fn run(
    plan: &Plan,
    archive: &mut ArchiveReader,
    writer: &Writer,
    queue: &Receiver<FinishedPack>,
    threads: usize,
) -> Result<Outcome> {
    // Enough that no worker waits for the next batch, few enough that memory stays small.
    let in_flight_batches = 2 * threads + 2;
    let result = thread::scope(|scope| {
        let uploads = (0..plan.repository.distance.uploads()).map(|_| scope.spawn(|| writer.upload(queue)));
        let uploaders: Vec<_> = uploads.collect();
        let worked = thread::scope(|workers| {
            let pool = Pool::start(workers, threads);
            let (steps, ordered) = crossbeam_channel::bounded(in_flight_batches);
            let segmenter = Segmenter::new(writer, pool.clone());
            let assembler = workers.spawn(move || assemble::assemble(plan, writer, segmenter, &ordered));
            let scanned = scan::scan(plan, writer, archive, pool, &steps);
            drop(steps);
            let assembled = assembler.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            match (scanned, assembled) {
                _ if plan.events.cancelled() => Err(Error::Cancelled),
                // Whoever stops first has the cause; the other only finds its neighbour gone.
                (Err(Error::Cancelled), assembled) => assembled,
                (Err(error), _) => Err(error),
                (Ok(()), assembled) => assembled,
            }
        });
        let finished = match &worked {
            Ok(_) => writer.finish(),
            Err(_) => {
                writer.abandon();
                Ok(())
            }
        };
        for uploader in uploaders {
            uploader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
        worked.and_then(|outcome| finished.map(|()| outcome))
    });
    writer.cause().map_or(result, Err)
}

fn summary(parent: Option<&Snapshot>, outcome: Outcome, writer: &Writer) -> Summary {
    let Outcome { mut totals, problems, replaced, .. } = outcome;
    totals.new_chunks = writer.written.chunks.load(Ordering::Relaxed);
    totals.new_plain_bytes = writer.written.plain_bytes.load(Ordering::Relaxed);
    Summary { snapshot: None, parent: parent.map(|parent| parent.id), totals, problems, replaced }
}

fn commit(
    session: Session,
    writer: Writer,
    outcome: Outcome,
    parent: Option<&Snapshot>,
    client: &Client,
    options: &ImportOptions,
    started: Timestamp,
) -> Result<Summary> {
    let root = outcome.root;
    let mut summary = summary(parent, outcome, &writer);
    let packs = writer.into_records();
    let pack_bytes = packs.iter().map(|pack| pack.length).sum();
    summary.totals.stored_bytes = pack_bytes;
    let ids: Vec<_> = packs.iter().map(|pack| pack.id).collect();
    let mut tags = options.tags.clone();
    tags.sort();
    tags.dedup();
    let (writer, sequence) = session.place();
    let manifest = Manifest {
        writer,
        sequence,
        session: session.id,
        parent: summary.parent,
        root: root.id,
        root_level: root.level,
        paths: options.paths.clone(),
        host: client.host.clone(),
        user: client.user.clone(),
        tags,
        started: nanoseconds(started),
        finished: nanoseconds((options.clock)()),
        program: client.program.clone(),
        description: options.description.clone(),
        config_generation: session.config_generation(),
        totals: summary.totals,
        problems: summary.problems.clone(),
        completeness: if summary.problems.is_empty() { Completeness::Complete } else { Completeness::Partial },
        pack_count: packs.len() as u64,
        pack_bytes,
        packs_digest: packs_digest(&ids),
    };
    summary.snapshot = Some(session.commit(&manifest, &packs)?);
    Ok(summary)
}

fn nanoseconds(time: Timestamp) -> i64 {
    time.seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(time.nanos))
}
