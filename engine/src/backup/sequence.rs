// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first stage, one thread: the walk beside the parent snapshot, path by path in tree order, each sorted into *keep* or *read*.
//! Small files are read by the workers in batches; a big file is cut here, piece by piece, and its pieces are hashed by the workers.

use std::collections::HashMap;
use std::sync::Arc;

use crossbeam_channel::Sender;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::manifest::Problem;
use keepfast_repo_format::tree::boundary::link_group;
use keepfast_repo_format::tree::entry::{Entry, FileType, Marks};
use keepfast_repo_format::tree::order;

use super::Plan;
use super::assemble::Step;
use super::big;
use super::streams::{self, Planned};
use super::work::{self, Batch, FileTask, Task};
use crate::error::{Error, Result};
use crate::pool::Pool;
use crate::source::{self, Completer, Found, Walked};
use crate::tree::{ContentItems, Cursor, Direction, Root};
use crate::writer::Writer;

/// Files above this many bytes are cut by the sequencer; smaller ones are read whole by a worker.
const BIG_FILE_BYTES: u64 = 4 << 20;

/// A batch is handed on when it has this many bytes to read ...
const BATCH_BYTES: u64 = 1 << 20;
/// ... or this many paths.
const BATCH_PATHS: usize = 512;

/// Linux stamps changes with the time of the last timer tick: 10 ms at the slowest configuration (HZ=100), doubled.
const TICK_NANOSECONDS: i128 = 20_000_000;
/// File systems that store whole seconds: two of them, as FAT does.
const COARSE_TICK_NANOSECONDS: i128 = 2_000_000_000;

/// Everything a worker or the sequencer needs to read and cut a file.
pub(super) struct Tools {
    pub(super) chunker: keepfast_chunker::Chunker,
    pub(super) completer: Completer,
}

struct Sequencer<'p, 'env> {
    plan: &'env Plan<'env>,
    writer: &'env Writer,
    tools: Arc<Tools>,
    pool: Pool<'env>,
    steps: &'p Sender<Step>,
    batch: Batch,
    batch_bytes: u64,
    parent: Option<Cursor>,
    /// First path of every inode with several names, as its link group.
    links: HashMap<(u64, u64), u64>,
}

/// Runs the stage; every step has been sent when it returns.
pub(super) fn sequence<'env>(
    plan: &'env Plan<'env>,
    writer: &'env Writer,
    pool: Pool<'env>,
    steps: &Sender<Step>,
) -> Result<()> {
    let repository = plan.repository;
    let parent = plan.parent.map(|snapshot| {
        let root = Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
        Cursor::new(repository.reader(), root, Direction::Forward)
    });
    let tools = Arc::new(Tools { chunker: work::chunker(repository)?, completer: Completer::new() });
    let (batch, batch_bytes) = (Batch::default(), 0);
    let mut sequencer =
        Sequencer { plan, writer, tools, pool, steps, batch, batch_bytes, parent, links: HashMap::new() };
    let walk = match plan.options.source.paths.is_empty() {
        true => None,
        false => Some(source::walk(&plan.options.source)?),
    };
    for planned in streams::merge(walk.into_iter().flatten(), &plan.options.streams)? {
        if plan.events.cancelled() {
            return Err(Error::Cancelled);
        }
        writer.check()?;
        match planned {
            Planned::Walked(Walked::Found(found)) => sequencer.found(found)?,
            Planned::Walked(Walked::Problem(problem)) => sequencer.problem(problem)?,
            Planned::Folder(entry) => sequencer.keep(entry, None)?,
            Planned::Stream(stream) => {
                sequencer.flush()?;
                streams::capture(plan, writer, &sequencer.tools, &sequencer.pool, steps, stream)?;
            }
        }
    }
    sequencer.flush()
}

impl Sequencer<'_, '_> {
    fn found(&mut self, found: Found) -> Result<()> {
        let group = self.link_group(&found);
        let previous = self.previous(&found);
        let unchanged = match &previous {
            Some(entry) => is_unchanged(entry, &found) && !self.is_recent(entry) && self.is_stored(entry)?,
            None => false,
        };
        if let (true, Some(mut entry)) = (unchanged, previous.clone()) {
            entry.metadata.link_group = group;
            return self.keep(entry, Some(found.stat.size));
        }
        if found.stat.file_type == FileType::File && found.stat.size > BIG_FILE_BYTES {
            self.flush()?;
            let task = FileTask { found, link_group: group, is_new: previous.is_none() };
            return big::read_big(self.plan, self.writer, &self.tools, &self.pool, self.steps, task);
        }
        let bytes = if found.stat.file_type == FileType::File { found.stat.size } else { 0 };
        self.add(Task::Read(FileTask { found, link_group: group, is_new: previous.is_none() }), bytes)
    }

    /// The parent's entry of the same path. A parent that can not be read is no parent from there on: everything is read.
    fn previous(&mut self, found: &Found) -> Option<Entry> {
        let parent = self.parent.as_mut()?;
        loop {
            let step = match parent.peek() {
                Ok(Some(entry)) => order::compare(&entry.directory, &entry.name, &found.directory, &found.name),
                Ok(None) => return None,
                Err(_) => {
                    self.parent = None;
                    return None;
                }
            };
            match step {
                std::cmp::Ordering::Less => {
                    parent.next();
                }
                std::cmp::Ordering::Equal => return parent.next().and_then(Result::ok),
                std::cmp::Ordering::Greater => return None,
            }
        }
    }

    /// Whether the file changed so shortly before the parent's backup began, or later, that another change with the same
    /// time stamp may have followed after it was read. Time stamps move in ticks.
    fn is_recent(&self, entry: &Entry) -> bool {
        let Some(parent) = self.plan.parent else { return false };
        let changed = entry.metadata.changed;
        let tick = if changed.nanos == 0 { COARSE_TICK_NANOSECONDS } else { TICK_NANOSECONDS };
        let changed = i128::from(changed.seconds) * 1_000_000_000 + i128::from(changed.nanos);
        changed + tick > i128::from(parent.manifest.started)
    }

    /// Whether all chunks of the parent's entry are where a session may rely on them.
    fn is_stored(&self, entry: &Entry) -> Result<bool> {
        if self.plan.trusts_parent || entry.content.items.is_empty() {
            return Ok(true);
        }
        let reader = self.plan.repository.reader();
        for item in ContentItems::new(&reader, &entry.content) {
            match item {
                Ok(item) => {
                    if let Some(id) = item.id
                        && !self.writer.is_known(Kind::DataPack, &id)?
                    {
                        return Ok(false);
                    }
                }
                Err(error) if error.is_damage() => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn link_group(&mut self, found: &Found) -> Option<u64> {
        if found.stat.links < 2 || found.stat.file_type == FileType::Directory {
            return None;
        }
        let key = self.plan.repository.keys.boundary();
        let inode = (found.stat.device, found.stat.inode);
        Some(*self.links.entry(inode).or_insert_with(|| link_group(key, &found.path())))
    }

    fn keep(&mut self, entry: Entry, unmodified_bytes: Option<u64>) -> Result<()> {
        if let Some(bytes) = unmodified_bytes {
            self.plan.events.path_done(&entry.path(), bytes);
        }
        self.add(Task::Keep(entry), 0)
    }

    fn problem(&mut self, problem: Problem) -> Result<()> {
        self.plan.events.problem(&problem);
        self.add(Task::Problem(problem), 0)
    }

    fn add(&mut self, task: Task, bytes: u64) -> Result<()> {
        self.batch.tasks.push(task);
        self.batch_bytes += bytes;
        let is_full = self.batch_bytes >= BATCH_BYTES || self.batch.tasks.len() >= BATCH_PATHS;
        if is_full { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        if batch.tasks.is_empty() {
            return Ok(());
        }
        let (result, done) = crossbeam_channel::bounded(1);
        if batch.tasks.iter().any(|task| matches!(task, Task::Read(_))) {
            let (plan, writer, tools) = (self.plan, self.writer, self.tools.clone());
            self.pool.normal(move |_| {
                let _ = result.send(work::read_batch(plan, writer, &tools, batch));
            });
        } else {
            let _ = result.send(Ok(work::kept(batch)));
        }
        self.steps.send(Step::Batch(done)).map_err(|_| Error::Cancelled)
    }
}

/// Same size, times and inode as when it was read last, and nothing was doubtful about it then.
fn is_unchanged(entry: &Entry, found: &Found) -> bool {
    let (old, new) = (&entry.metadata, &found.stat);
    let doubtful = Marks::TORN | Marks::UNREADABLE;
    old.file_type == new.file_type
        && old.changed == new.changed
        && old.modified == new.modified
        && old.inode == new.inode
        && (old.file_type != FileType::File || old.size == new.size)
        && entry.marks.0 & doubtful == 0
        && old.mode == new.mode
        && (old.owner.uid, old.owner.gid) == (new.uid, new.gid)
}
