// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first stage, one thread: the walk beside the parent snapshot of each lane, path by path in tree order, each sorted into *keep* or
//! *read*. Small files are read by the workers in batches; a big file is cut here, piece by piece, and its pieces are hashed by the workers.

use std::collections::HashMap;
use std::thread::Scope;

use crossbeam_channel::{Receiver, Sender};
use keepfast_repo_format::manifest::Problem;
use keepfast_repo_format::tree::boundary::link_group;
use keepfast_repo_format::tree::entry::{Entry, FileType};
use keepfast_repo_format::tree::order;

use super::Plan;
use super::archives;
use super::assemble::Step;
use super::big;
use super::lane::Outlets;
use super::streams::{self, Planned};
use super::work::{self, Batch, FileTask, LaneTask, Task, Wanted};
use crate::error::{Error, Result};
use crate::pool::Pool;
use crate::source::{self, Found, Walked};
use crate::tree::{Cursor, Direction, Root};

/// Files above this many bytes are cut by the sequencer; smaller ones are read whole by a worker.
const BIG_FILE_BYTES: u64 = 4 << 20;

/// A batch is handed on when it has this many bytes to read ...
const BATCH_BYTES: u64 = 1 << 20;
/// ... or this many paths.
const BATCH_PATHS: usize = 512;

/// Archives that are taken apart at the same time, each by a thread of its own that holds some ten MiB, in bad cases a hundred.
const ARCHIVES_AT_ONCE: usize = 4;
/// Steps of an archive that may wait for their turn.
const STEPS_OF_ARCHIVE: usize = 16;

/// Room for an archive, given back also by a thread that panics.
struct Token(Receiver<()>);

impl Drop for Token {
    fn drop(&mut self) {
        let _ = self.0.recv();
    }
}

struct Sequencer<'scope, 'env> {
    plan: &'env Plan<'env>,
    pool: Pool<'env>,
    scope: &'scope Scope<'scope, 'env>,
    /// One token for each archive that is being taken apart.
    tokens: (Sender<()>, Receiver<()>),
    outlets: Outlets,
    batch: Batch,
    batch_bytes: u64,
    /// The snapshot that each lane compares with, where the walk is.
    before: Vec<Option<Cursor>>,
    /// First path of every inode with several names, as its link group in each lane.
    links: HashMap<(u64, u64), Vec<u64>>,
}

/// Runs the stage; every step has been sent when it returns. Tells what ended single lanes early.
///
/// # Errors
/// What concerns all lanes: the sources, or that the user asked to stop.
pub(super) fn sequence<'scope, 'env>(
    plan: &'env Plan<'env>,
    pool: Pool<'env>,
    steps: Vec<Sender<Step>>,
    scope: &'scope Scope<'scope, 'env>,
) -> Result<Vec<Option<Error>>> {
    let before = plan.lanes.iter().map(|lane| {
        let manifest = &lane.before?.manifest;
        let root = Root { id: manifest.root, level: manifest.root_level };
        Some(Cursor::new(lane.repository.reader(), root, Direction::Forward))
    });
    let mut sequencer = Sequencer {
        plan,
        pool,
        scope,
        tokens: crossbeam_channel::bounded(plan.options.threads.clamp(1, ARCHIVES_AT_ONCE)),
        outlets: Outlets::new(steps),
        batch: Batch::default(),
        batch_bytes: 0,
        before: before.collect(),
        links: HashMap::new(),
    };
    match sequencer.run() {
        // No lane is left: each has its cause.
        Err(Error::Cancelled) if !plan.events.cancelled() => {}
        outcome => outcome?,
    }
    Ok(sequencer.outlets.into_failures())
}

impl Sequencer<'_, '_> {
    fn run(&mut self) -> Result<()> {
        let plan = self.plan;
        plan.options.missing.iter().for_each(|problem| self.problem(problem.clone()));
        let walk = match plan.options.source.paths.is_empty() {
            true => None,
            false => Some(source::walk(&plan.options.source)?),
        };
        for planned in streams::merge(walk.into_iter().flatten(), &plan.options.streams)? {
            if plan.events.cancelled() {
                return Err(Error::Cancelled);
            }
            self.outlets.check(&plan.lanes)?;
            match planned? {
                Planned::Walked(Walked::Found(found)) => self.found(found)?,
                Planned::Walked(Walked::Problem(problem)) => self.problem(problem),
                Planned::Folder(entry) => self.keep(vec![Some(entry); plan.lanes.len()], None),
                Planned::Stream(stream) => {
                    self.flush();
                    let (directory, name) = order::split(&stream.path);
                    let previous = (0..plan.lanes.len()).map(|lane| self.previous(lane, directory, name));
                    let previous = previous.map(|entry| entry.map(Entry::into_contents).unwrap_or_default()).collect();
                    streams::capture(plan, &self.pool, &mut self.outlets, stream, previous)?;
                }
            }
        }
        self.flush();
        self.outlets.check(&plan.lanes)
    }

    fn found(&mut self, found: Found) -> Result<()> {
        let groups = self.link_groups(&found);
        let tasks: Vec<LaneTask> =
            (0..self.plan.lanes.len()).map(|lane| self.lane_task(lane, &found, groups.as_deref())).collect();
        if tasks.iter().all(|task| !matches!(task, LaneTask::Read(_))) {
            let entry = |task| match task {
                LaneTask::Keep(entry) => Some(*entry),
                LaneTask::Read(_) | LaneTask::Nothing => None,
            };
            self.keep(tasks.into_iter().map(entry).collect(), Some(found.stat.size));
            return Ok(());
        }
        let task = FileTask { found, lanes: tasks };
        let is_file = task.found.stat.file_type == FileType::File;
        if is_file && archives::is_big_archive(&self.plan.options.archives, &task.found) {
            self.flush();
            self.apart(task);
            return Ok(());
        }
        if is_file && task.found.stat.size > BIG_FILE_BYTES {
            self.flush();
            return big::read_big(self.plan, &self.pool, &mut self.outlets, task);
        }
        let bytes = if is_file { task.found.stat.size } else { 0 };
        self.add(Task::Read(task), bytes);
        Ok(())
    }

    /// Has an archive taken apart beside everything else.
    fn apart(&mut self, task: FileTask) {
        let (plan, pool) = (self.plan, self.pool.clone());
        let _ = self.tokens.0.send(());
        let token = Token(self.tokens.1.clone());
        let channels = plan.lanes.iter().map(|_| crossbeam_channel::bounded(STEPS_OF_ARCHIVE));
        let (senders, receivers): (Vec<_>, Vec<_>) = channels.unzip();
        self.scope.spawn(move || {
            // Only a lane that has failed, or the user, ends it early: then the steps end without the end of the file.
            let _ = big::read_big(plan, &pool, &mut Outlets::new(senders), task);
            drop(token);
        });
        for (lane, steps) in receivers.into_iter().enumerate() {
            self.outlets.send(lane, Step::Apart(steps));
        }
    }

    fn lane_task(&mut self, number: usize, found: &Found, groups: Option<&[u64]>) -> LaneTask {
        let previous = self.previous(number, &found.directory, &found.name);
        if !self.outlets.is_open(number) {
            return LaneTask::Nothing;
        }
        let (lane, link_group) = (&self.plan.lanes[number], groups.map(|groups| groups[number]));
        let Some(mut entry) = previous else {
            return LaneTask::Read(Wanted { link_group, is_new: true, previous: Vec::new() });
        };
        match lane.keeps(&entry, found) {
            Ok(true) => {
                entry.metadata.link_group = link_group;
                LaneTask::Keep(Box::new(entry))
            }
            Ok(false) => {
                let is_new = lane.parent.is_none();
                LaneTask::Read(Wanted { link_group, is_new, previous: entry.into_contents() })
            }
            Err(error) => {
                self.outlets.fail(number, error);
                LaneTask::Nothing
            }
        }
    }

    /// The entry of the same path in the snapshot that is compared with. One that can not be read is none from there on: everything is read.
    fn previous(&mut self, lane: usize, directory: &[u8], name: &[u8]) -> Option<Entry> {
        let before = self.before[lane].as_mut()?;
        let found = before.seek(directory, name).and_then(|()| {
            let is_same = |entry: &Entry| (&entry.directory[..], &entry.name[..]) == (directory, name);
            if before.peek()?.is_some_and(is_same) { before.next().transpose() } else { Ok(None) }
        });
        found.unwrap_or_else(|error| {
            self.before[lane] = None;
            // Else the new tree would rely on the nodes that could not be read just now.
            let damaged = error.damaged_pack().into_iter().collect();
            self.plan.lanes[lane].repository.index.exclude_packs(&damaged);
            None
        })
    }

    fn link_groups(&mut self, found: &Found) -> Option<Vec<u64>> {
        if found.stat.links < 2 || found.stat.file_type == FileType::Directory {
            return None;
        }
        let inode = (found.stat.device, found.stat.inode);
        let lanes = &self.plan.lanes;
        let groups = || {
            let path = found.path();
            lanes.iter().map(|lane| link_group(lane.repository.keys.boundary(), &path)).collect()
        };
        Some(self.links.entry(inode).or_insert_with(groups).clone())
    }

    fn keep(&mut self, entries: Vec<Option<Entry>>, unmodified_bytes: Option<u64>) {
        if let (Some(bytes), Some(entry)) = (unmodified_bytes, entries.iter().flatten().next()) {
            self.plan.events.path_done(&entry.path(), bytes);
        }
        self.add(Task::Keep(entries), 0);
    }

    fn problem(&mut self, problem: Problem) {
        self.plan.events.problem(&problem);
        self.add(Task::Problem(problem), 0);
    }

    fn add(&mut self, task: Task, bytes: u64) {
        self.batch.tasks.push(task);
        self.batch_bytes += bytes;
        if self.batch_bytes >= BATCH_BYTES || self.batch.tasks.len() >= BATCH_PATHS {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        if batch.tasks.is_empty() {
            return;
        }
        let plan = self.plan;
        let (results, steps): (Vec<_>, Vec<_>) = plan.lanes.iter().map(|_| crossbeam_channel::bounded(1)).unzip();
        let has_reads = batch.tasks.iter().any(|task| matches!(task, Task::Read(_)));
        let work = move || {
            for (result, done) in results.iter().zip(work::read_batch(plan, batch)) {
                let _ = result.send(done);
            }
        };
        if has_reads {
            self.pool.normal(move |_| work())
        } else {
            work()
        }
        for (lane, done) in steps.into_iter().enumerate() {
            self.outlets.send(lane, Step::Batch(done));
        }
    }
}
