// SPDX-License-Identifier: MIT OR Apache-2.0
//! Copying snapshots into another repository, as a story: pair what both have, and for each snapshot that is missing there walk
//! its tree beside that of one which is not, read the chunks that are new, and build the tree anew under the other keys.
//!
//! Chunks are taken as they were cut. Every snapshot is a session of its own, so an interrupted copy goes on where it stopped.
//! Damage in the source costs the snapshot that it is in, and no other; a copy is whole or is not made.

mod assemble;
mod known;
mod sequence;
mod translate;
mod twins;

use std::sync::Arc;
use std::thread;

use crossbeam_channel::Receiver;
use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::manifest::{Manifest, Totals, packs_digest};
use keepfast_repo_format::pack::{FinishedPack, PackRecord};
use keepfast_repo_format::segment;

use crate::error::{Error, Result};
use crate::events::Events;
use crate::history::Snapshot;
use crate::pool::Pool;
use crate::reader::Reader;
use crate::repository::Repository;
use crate::session::{Client, Role, Session};
use crate::tree::Root;
use crate::writer::{Compression, Segmenter, Writer};
use known::KnownIds;
use twins::Twins;

/// How to copy.
#[derive(Clone, Copy, Debug)]
pub struct CopyOptions {
    /// How hard new data is compressed.
    pub compression: Compression,
    /// Worker threads.
    pub threads: usize,
    /// Whether anything is written.
    pub mode: Mode,
}

/// Whether a copy writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Copies.
    Write,
    /// Says which snapshots would be copied.
    DryRun,
}

/// What became of a snapshot.
#[derive(Debug)]
pub enum Fate {
    /// It was copied; `None` in a dry run, which would copy it.
    Copied(Option<SnapshotId>, Totals),
    /// It was there already, under this id.
    Present(SnapshotId),
    /// It can not be copied, because something of it is damaged or missing in the source.
    Damaged(Error),
}

/// Copies the snapshots with these ids, the oldest first, and tells `each` what became of one as soon as it is known.
///
/// # Errors
/// [`Error::Invalid`] if both are the same repository, or the target can not take chunks as large as the source's;
/// [`Error::NoSnapshot`]; the storage of either, or the target. What was copied before stays copied.
pub fn copy(
    source: &Repository,
    target: &Repository,
    client: &Client,
    ids: &[SnapshotId],
    options: &CopyOptions,
    events: &dyn Events,
    each: &mut dyn FnMut(&Snapshot, &Fate),
) -> Result<()> {
    check_fits(source, target)?;
    let (all, _) = source.history()?.snapshots(source)?;
    if let Some(missing) = ids.iter().find(|id| all.iter().all(|snapshot| snapshot.id != **id)) {
        return Err(Error::NoSnapshot { selector: missing.to_string() });
    }
    let (there, _) = target.history()?.snapshots(target)?;
    let mut twins = Twins::default();
    twins.see(&all, there);
    let chosen: Vec<&Snapshot> = all.iter().filter(|snapshot| ids.contains(&snapshot.id)).collect();
    expect(&chosen, &twins, events);
    let (reader, known) = (source.reader(), KnownIds::default());
    let mut copier = Copier { target, client, options, events, reader, known, round: 0 };
    for snapshot in chosen {
        if events.cancelled() {
            return Err(Error::Cancelled);
        }
        let fate = match twins.of(&snapshot.id) {
            Some(twin) => Fate::Present(twin.id),
            None if options.mode == Mode::DryRun => Fate::Copied(None, snapshot.manifest.totals),
            None => copier.one(snapshot, &all, &mut twins)?,
        };
        each(snapshot, &fate);
    }
    Ok(())
}

/// Refuses what could not be written.
fn check_fits(source: &Repository, target: &Repository) -> Result<()> {
    if source.id() == target.id() {
        return Err(Error::Invalid("source and target are the same repository".to_string()));
    }
    let largest = u64::from(source.config.chunker.max) + u64::from(target.config.data_segment);
    let room = u64::from(target.config.pack_size) / 2;
    if largest > segment::MAX_PLAIN_BYTES as u64 || largest > room {
        return Err(Error::Invalid(format!(
            "chunks of the source have up to {} bytes: too many for the segments and packs of {}",
            source.config.chunker.max,
            target.backend.location()
        )));
    }
    Ok(())
}

fn expect(chosen: &[&Snapshot], twins: &Twins, events: &dyn Events) {
    let missing = chosen.iter().filter(|snapshot| twins.of(&snapshot.id).is_none());
    let totals = missing.map(|snapshot| &snapshot.manifest.totals);
    let (paths, bytes) = totals.fold((0, 0), |(paths, bytes): (u64, u64), totals| {
        (paths + totals.files + totals.directories + totals.others, bytes.saturating_add(totals.bytes))
    });
    events.expected(paths, bytes);
}

/// What one run works with.
struct Copier<'a> {
    target: &'a Repository,
    client: &'a Client,
    options: &'a CopyOptions,
    events: &'a dyn Events,
    /// Of the source.
    reader: Arc<Reader>,
    known: KnownIds,
    /// Counts sessions: an id learned in this one need not be visible yet.
    round: u32,
}

/// What the pipeline works on: one snapshot.
struct Plan<'a> {
    target: &'a Repository,
    reader: &'a Arc<Reader>,
    known: &'a KnownIds,
    round: u32,
    root: Root,
    /// A snapshot that both have: its tree here, its tree there.
    base: Option<(Root, Root)>,
    options: &'a CopyOptions,
    events: &'a dyn Events,
}

/// Why a snapshot was not copied: whose fault it is decides whether the next one is tried.
enum Failure {
    /// The source's.
    Source(Error),
    /// The target's, or the user's wish.
    Target(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Target(error)
    }
}

impl Copier<'_> {
    fn one(&mut self, snapshot: &Snapshot, all: &[Snapshot], twins: &mut Twins) -> Result<Fate> {
        self.round += 1;
        let mut session = Session::open(self.target, self.client.clone(), Role::Writer)?;
        // Somebody else may copy as well.
        let news = session.history.snapshot_ids().filter(|id| !twins.has_seen(id));
        twins.see(all, session.history.read_snapshots(self.target, news)?.0);
        if let Some(twin) = twins.of(&snapshot.id).map(|twin| twin.id) {
            session.abandon()?;
            return Ok(Fate::Present(twin));
        }
        match self.tree(&mut session, snapshot, all, twins) {
            Ok((manifest, packs)) => {
                let id = session.commit(&manifest, &packs)?;
                let totals = manifest.totals;
                twins.see(all, vec![Snapshot { id, tags: manifest.tags.clone(), manifest }]);
                Ok(Fate::Copied(Some(id), totals))
            }
            Err(failure) => {
                // What this session has written is not visible: nothing that it learned holds.
                self.known.clear();
                let _ = session.abandon();
                match failure {
                    Failure::Source(error) if error.is_damage() => Ok(Fate::Damaged(error)),
                    Failure::Source(error) | Failure::Target(error) => Err(error),
                }
            }
        }
    }

    fn tree(
        &self,
        session: &mut Session,
        snapshot: &Snapshot,
        all: &[Snapshot],
        twins: &Twins,
    ) -> Result<(Manifest, Vec<PackRecord>), Failure> {
        let base = twins.base(snapshot, all).map(|(here, there)| (root(&here.manifest), root(&there.manifest)));
        let plan = Plan {
            target: self.target,
            reader: &self.reader,
            known: &self.known,
            round: self.round,
            root: root(&snapshot.manifest),
            base,
            options: self.options,
            events: self.events,
        };
        session.distrust_damaged().map_err(Failure::Target)?;
        let (writer, queue) = Writer::of_session(self.target, session, self.options.compression);
        let root = run(&plan, &writer, &queue)?;
        let mut totals = snapshot.manifest.totals;
        totals.new_chunks = writer.written.chunks.load(std::sync::atomic::Ordering::Relaxed);
        totals.new_plain_bytes = writer.written.plain_bytes.load(std::sync::atomic::Ordering::Relaxed);
        totals.stored_bytes = writer.written.stored_bytes.load(std::sync::atomic::Ordering::Relaxed);
        let packs = writer.into_records();
        let parent = snapshot.manifest.parent.and_then(|parent| twins.of(&parent)).map(|twin| twin.id);
        let ids: Vec<_> = packs.iter().map(|pack| pack.id).collect();
        let (writer, sequence) = session.place();
        let manifest = Manifest {
            writer,
            sequence,
            session: session.id,
            parent,
            root: root.id,
            root_level: root.level,
            tags: snapshot.tags.clone(),
            config_generation: self.target.config_generation,
            totals,
            pack_count: packs.len() as u64,
            pack_bytes: packs.iter().map(|pack| pack.length).sum(),
            packs_digest: packs_digest(&ids),
            ..snapshot.manifest.clone()
        };
        Ok((manifest, packs))
    }
}

fn root(manifest: &Manifest) -> Root {
    Root { id: manifest.root, level: manifest.root_level }
}

/// Runs the pipeline to its end: `sequence` walks, `translate` reads and hashes on all threads, `assemble` puts results back in
/// order, the writer seals and stores.
fn run(plan: &Plan, writer: &Writer, queue: &Receiver<FinishedPack>) -> Result<Root, Failure> {
    // Enough that no worker waits for the next batch, few enough that memory stays small.
    let in_flight_batches = 2 * plan.options.threads + 2;
    let result = thread::scope(|scope| {
        let uploader = scope.spawn(|| writer.upload(queue));
        let worked = thread::scope(|workers| {
            let pool = Pool::start(workers, plan.options.threads);
            let (steps, ordered) = crossbeam_channel::bounded(in_flight_batches);
            let segmenter = Segmenter::new(writer, pool.clone());
            let assembler = workers.spawn(move || assemble::assemble(plan, writer, segmenter, &ordered));
            let sequenced = sequence::sequence(plan, writer, pool, &steps);
            drop(steps);
            let assembled = assembler.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            match (sequenced, assembled) {
                _ if plan.events.cancelled() => Err(Failure::Target(Error::Cancelled)),
                // Whoever stops first has the cause; the other only finds its neighbour gone.
                (Err(Failure::Target(Error::Cancelled)), assembled) => assembled,
                (Err(failure), _) => Err(failure),
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
        uploader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let root = worked?;
        finished?;
        Ok(root)
    });
    writer.cause().map_or(result, |cause| Err(Failure::Target(cause)))
}
