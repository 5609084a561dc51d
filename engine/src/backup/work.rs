// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading, cutting and hashing: what the worker threads do with a batch of small files or a piece of a big one.
//!
//! A file's status is taken before and after its content is read. If it changed in between, it is read again; if it never
//! holds still, the last reading is kept and marked torn.

use std::ops::Range;
use std::sync::Arc;

use crossbeam_channel::Sender;
use keepfast_chunker::{Chunker, Params};
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::manifest::{Problem, ProblemCode};
use keepfast_repo_format::tree::entry::{Content, Entry, FileType, Marks, Metadata};

use super::assemble::Step;
use super::sequence::Tools;
use super::Plan;
use crate::error::{Error, Result};
use crate::pool::Pool;
use crate::repository::Repository;
use crate::source::{self, Extent, Found, SourceError, SourceFile, Stat};
use crate::writer::Writer;

/// How often a changing file is read before it is taken as torn.
const READ_ATTEMPTS: usize = 3;

/// Bytes of a big file that are cut and hashed at a time.
const PIECE_BYTES: usize = 2 << 20;

/// A path to be read.
pub(super) struct FileTask {
    pub(super) found: Found,
    pub(super) link_group: Option<u64>,
    pub(super) is_new: bool,
}

/// What is to be done with a path.
pub(super) enum Task {
    /// The parent's entry holds.
    Keep(Entry),
    /// Read it.
    Read(FileTask),
    /// It could not even be listed.
    Problem(Problem),
}

/// Paths in tree order.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) tasks: Vec<Task>,
}

/// A chunk of a file that was read, or a hole.
pub(super) struct Piece {
    pub(super) length: u64,
    /// `None`: a hole.
    pub(super) chunk: Option<PieceChunk>,
}

/// A chunk's id, and where its bytes are if the repository does not have it.
pub(super) struct PieceChunk {
    pub(super) id: ChunkId,
    pub(super) new_bytes: Option<Range<usize>>,
}

/// A path that is done, its content still as pieces.
pub(super) struct Done {
    pub(super) entry: Entry,
    pub(super) pieces: Vec<Piece>,
    pub(super) state: State,
}

/// How a path compares with the parent snapshot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    New,
    Changed,
    Unmodified,
}

/// What a worker made of a batch.
#[derive(Default)]
pub(super) struct BatchDone {
    pub(super) done: Vec<Done>,
    pub(super) problems: Vec<Problem>,
    /// Bytes of new chunks.
    pub(super) buffer: Vec<u8>,
}

/// The chunker with the repository's parameters and secret table.
pub(super) fn chunker(repository: &Repository) -> Result<Chunker> {
    let stored = &repository.config.chunker;
    let params = Params::new(stored.min, stored.avg, stored.max, stored.normalization)
        .map_err(|error| Error::Invalid(error.to_string()))?;
    Ok(Chunker::new(&params, &repository.keys.gear_table()))
}

/// A batch with nothing to read.
pub(super) fn kept(batch: Batch) -> BatchDone {
    let mut result = BatchDone::default();
    for task in batch.tasks {
        match task {
            Task::Keep(entry) => result.done.push(Done { entry, pieces: Vec::new(), state: State::Unmodified }),
            Task::Problem(problem) => result.problems.push(problem),
            Task::Read(_) => unreachable!("the sequencer hands batches with reads to read_batch"),
        }
    }
    result
}

/// Reads the files of a batch.
pub(super) fn read_batch(plan: &Plan, writer: &Writer, tools: &Tools, batch: Batch) -> Result<BatchDone> {
    let mut result = BatchDone::default();
    for task in batch.tasks {
        match task {
            Task::Keep(entry) => result.done.push(Done { entry, pieces: Vec::new(), state: State::Unmodified }),
            Task::Problem(problem) => result.problems.push(problem),
            Task::Read(task) => {
                let before = result.problems.len();
                if let Some(done) = read_path(plan, writer, tools, task, &mut result)? {
                    plan.events.path_done(&done.entry.name, done.entry.metadata.size);
                    result.done.push(done);
                }
                result.problems.iter().skip(before).for_each(|problem| plan.events.problem(problem));
            }
        }
    }
    Ok(result)
}

fn read_path(
    plan: &Plan,
    writer: &Writer,
    tools: &Tools,
    task: FileTask,
    result: &mut BatchDone,
) -> Result<Option<Done>> {
    let state = if task.is_new { State::New } else { State::Changed };
    if task.found.stat.file_type != FileType::File {
        let (metadata, problems) = tools.completer.metadata(&task.found, task.link_group);
        if problems.iter().any(|problem| problem.code == ProblemCode::Vanished) {
            result.problems.extend(problems);
            return Ok(None);
        }
        let mut marks = Marks::default();
        if !problems.is_empty() {
            marks.0 |= Marks::UNREADABLE;
        }
        result.problems.extend(problems);
        let entry = entry(&task.found, metadata, marks);
        return Ok(Some(Done { entry, pieces: Vec::new(), state }));
    }
    match read_file(plan, writer, tools, &task, result) {
        Ok((entry, pieces)) => Ok(Some(Done { entry, pieces, state })),
        Err(ReadError::Repository(error)) => Err(error),
        Err(ReadError::Source(error)) => {
            result.problems.push(error.to_problem());
            Ok(if error.is_vanished() { None } else { Some(unreadable(tools, &task, state)) })
        }
    }
}

/// A file whose content could not be read keeps its place in the tree, so that nobody takes it for deleted.
pub(super) fn unreadable(tools: &Tools, task: &FileTask, state: State) -> Done {
    let (mut metadata, _) = tools.completer.metadata(&task.found, task.link_group);
    metadata.size = 0;
    Done { entry: entry(&task.found, metadata, Marks(Marks::UNREADABLE)), pieces: Vec::new(), state }
}

/// A failure of the source concerns one path, a failure of the repository the whole session.
enum ReadError {
    Source(SourceError),
    Repository(Error),
}

impl From<SourceError> for ReadError {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

fn read_file(
    plan: &Plan,
    writer: &Writer,
    tools: &Tools,
    task: &FileTask,
    result: &mut BatchDone,
) -> std::result::Result<(Entry, Vec<Piece>), ReadError> {
    let file = source::open(&task.found)?;
    let start = result.buffer.len();
    for attempt in 1.. {
        let before = file.stat()?;
        let (metadata, problems) = file.metadata(&tools.completer, &before, task.link_group);
        let mut pieces = Vec::new();
        read_small(writer, tools, plan, &file, &before, &mut result.buffer, &mut pieces)?;
        let holds_still = is_same(&before, &file.stat()?);
        if !holds_still && attempt < READ_ATTEMPTS {
            result.buffer.truncate(start);
            continue;
        }
        let (metadata, marks) = judge(metadata, &pieces, &problems, holds_still);
        if !holds_still {
            result.problems.push(torn(&task.found));
        }
        result.problems.extend(problems);
        return Ok((entry(&task.found, metadata, marks), pieces));
    }
    unreachable!("the last attempt returns")
}

/// Size as read, and the marks that the reading earned.
pub(super) fn judge(
    mut metadata: Metadata,
    pieces: &[Piece],
    problems: &[Problem],
    holds_still: bool,
) -> (Metadata, Marks) {
    metadata.size = pieces.iter().map(|piece| piece.length).sum();
    let mut marks = Marks::default();
    if !holds_still {
        marks.0 |= Marks::TORN;
    }
    if !problems.is_empty() {
        marks.0 |= Marks::UNREADABLE;
    }
    (metadata, marks)
}

pub(super) fn torn(found: &Found) -> Problem {
    Problem { path: found.path(), code: ProblemCode::Torn, text: "changed while it was read".to_string() }
}

/// Reads at most the size that the file had when it was opened, so one that grows without end ends.
fn read_small(
    writer: &Writer,
    tools: &Tools,
    plan: &Plan,
    file: &SourceFile,
    stat: &Stat,
    buffer: &mut Vec<u8>,
    pieces: &mut Vec<Piece>,
) -> std::result::Result<(), ReadError> {
    for extent in file.extents(stat.size) {
        let range = match extent {
            Extent::Hole { start, end } => {
                pieces.push(Piece { length: end - start, chunk: None });
                continue;
            }
            Extent::Data { start, end } => start..end,
        };
        let start = buffer.len();
        buffer.resize(start + (range.end - range.start) as usize, 0);
        let read = file.read_at(range.start, &mut buffer[start..])?;
        buffer.truncate(start + read);
        hash_run(writer, tools, plan, buffer, start, pieces).map_err(ReadError::Repository)?;
    }
    Ok(())
}

/// Cuts and hashes `buffer[start..]`. Known chunks are taken out of the buffer again if nothing follows them.
fn hash_run(
    writer: &Writer,
    tools: &Tools,
    plan: &Plan,
    buffer: &mut Vec<u8>,
    start: usize,
    pieces: &mut Vec<Piece>,
) -> Result<()> {
    let mut at = start;
    let mut keep = start;
    while at < buffer.len() {
        let length = tools.chunker.cut(&buffer[at..]);
        let id = plan.repository.keys.data_chunk_id(&buffer[at..at + length]);
        let new_bytes = if writer.is_known(Kind::DataPack, &id)? {
            None
        } else {
            buffer.copy_within(at..at + length, keep);
            keep += length;
            Some(keep - length..keep)
        };
        pieces.push(Piece { length: length as u64, chunk: Some(PieceChunk { id, new_bytes }) });
        at += length;
    }
    buffer.truncate(keep);
    Ok(())
}

/// Reads a big file: cuts here, in the sequencer's thread, so that cut points follow each other; the pieces are hashed by the workers.
pub(super) fn read_big<'env>(
    plan: &'env Plan<'env>,
    writer: &'env Writer,
    tools: &Arc<Tools>,
    pool: &Pool<'env>,
    steps: &Sender<Step>,
    task: FileTask,
) -> Result<()> {
    let state = if task.is_new { State::New } else { State::Changed };
    let send = |step| steps.send(step).map_err(|_| Error::Cancelled);
    let opened = source::open(&task.found).and_then(|file| file.stat().map(|stat| (file, stat)));
    let (file, before) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let problem = error.to_problem();
            plan.events.problem(&problem);
            let done = if error.is_vanished() { Vec::new() } else { vec![unreadable(tools, &task, state)] };
            return send(Step::done(BatchDone { done, problems: vec![problem], buffer: Vec::new() }));
        }
    };
    let (mut metadata, mut problems) = file.metadata(&tools.completer, &before, task.link_group);
    let mut cutter = Cutter { plan, writer, tools, pool, steps, read: 0 };
    let failed = match cutter.extents(&file, &before) {
        Ok(()) => false,
        Err(ReadError::Repository(error)) => return Err(error),
        Err(ReadError::Source(error)) => {
            problems.push(error.to_problem());
            true
        }
    };
    // Too big to read again at once: a change is marked, and the next backup reads it anew.
    let holds_still = file.stat().is_ok_and(|after| is_same(&before, &after));
    metadata.size = cutter.read;
    let (metadata, mut marks) = judge_big(metadata, &problems, holds_still);
    if !holds_still {
        problems.push(torn(&task.found));
    }
    if failed {
        marks.0 |= Marks::UNREADABLE;
    }
    problems.iter().for_each(|problem| plan.events.problem(problem));
    let entry = entry(&task.found, metadata, marks);
    plan.events.path_done(&entry.name, 0);
    send(Step::FileEnd { entry, state, problems })
}

fn judge_big(metadata: Metadata, problems: &[Problem], holds_still: bool) -> (Metadata, Marks) {
    let size = metadata.size;
    let (mut metadata, marks) = judge(metadata, &[], problems, holds_still);
    metadata.size = size;
    (metadata, marks)
}

/// Cuts a stream of bytes into pieces for the workers.
pub(super) struct Cutter<'a, 'env> {
    pub(super) plan: &'env Plan<'env>,
    pub(super) writer: &'env Writer,
    pub(super) tools: &'a Arc<Tools>,
    pub(super) pool: &'a Pool<'env>,
    pub(super) steps: &'a Sender<Step>,
    /// Bytes passed on so far, holes included.
    pub(super) read: u64,
}

impl Cutter<'_, '_> {
    fn extents(&mut self, file: &SourceFile, stat: &Stat) -> std::result::Result<(), ReadError> {
        for extent in file.extents(stat.size) {
            match extent {
                Extent::Hole { start, end } => self.hole(end - start).map_err(ReadError::Repository)?,
                Extent::Data { start, end } => {
                    let mut at = start;
                    self.run(&mut |buffer: &mut [u8]| {
                        let wanted = buffer.len().min((end - at) as usize);
                        let read = file.read_at(at, &mut buffer[..wanted])?;
                        at += read as u64;
                        Ok(read)
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Passes on a hole.
    fn hole(&mut self, length: u64) -> Result<()> {
        self.read += length;
        self.plan.events.bytes_done(length);
        let pieces = vec![Piece { length, chunk: None }];
        self.steps.send(Step::Pieces(ready(Ok((pieces, Vec::new()))))).map_err(|_| Error::Cancelled)
    }

    /// Cuts what `fill` gives until it gives 0 bytes. `fill` fills the whole buffer unless the input ends.
    fn run(
        &mut self,
        fill: &mut dyn FnMut(&mut [u8]) -> std::result::Result<usize, SourceError>,
    ) -> std::result::Result<(), ReadError> {
        let max = self.plan.repository.config.chunker.max as usize;
        let mut buffer: Vec<u8> = Vec::new();
        let mut ended = false;
        while !ended {
            if self.plan.events.cancelled() {
                return Err(ReadError::Repository(Error::Cancelled));
            }
            self.writer.check().map_err(ReadError::Repository)?;
            let rest = buffer.len();
            buffer.resize(rest + PIECE_BYTES, 0);
            let mut filled = rest;
            while filled < buffer.len() {
                let read = fill(&mut buffer[filled..])?;
                if read == 0 {
                    ended = true;
                    break;
                }
                filled += read;
            }
            buffer.truncate(filled);
            let mut lengths = Vec::new();
            let mut at = 0;
            // A cut is final only if a whole largest chunk was in view.
            while at < buffer.len() && (ended || buffer.len() - at >= max) {
                let length = self.tools.chunker.cut(&buffer[at..]);
                lengths.push(length);
                at += length;
            }
            let rest = buffer[at..].to_vec();
            buffer.truncate(at);
            let piece = std::mem::replace(&mut buffer, rest);
            self.hash(piece, lengths).map_err(ReadError::Repository)?;
        }
        Ok(())
    }

    fn hash(&mut self, buffer: Vec<u8>, lengths: Vec<usize>) -> Result<()> {
        if buffer.is_empty() {
            return Ok(());
        }
        self.read += buffer.len() as u64;
        self.plan.events.bytes_done(buffer.len() as u64);
        let (result, done) = crossbeam_channel::bounded(1);
        let (plan, writer) = (self.plan, self.writer);
        self.pool.normal(move |_| {
            let _ = result.send(hash_pieces(plan, writer, &buffer, &lengths).map(|pieces| (pieces, buffer)));
        });
        self.steps.send(Step::Pieces(done)).map_err(|_| Error::Cancelled)
    }

    /// Cuts a stream that can be read only once. Returns the error that ended it early, if any.
    pub(super) fn stream(&mut self, input: &mut dyn std::io::Read, path: &[u8]) -> Result<Option<SourceError>> {
        let outcome = self.run(&mut |buffer| loop {
            match input.read(buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => return other.map_err(|source| SourceError::Io { path: path.to_vec(), operation: "read", source }),
            }
        });
        match outcome {
            Ok(()) => Ok(None),
            Err(ReadError::Source(error)) => Ok(Some(error)),
            Err(ReadError::Repository(error)) => Err(error),
        }
    }
}

fn hash_pieces(plan: &Plan, writer: &Writer, buffer: &[u8], lengths: &[usize]) -> Result<Vec<Piece>> {
    let mut at = 0;
    let mut pieces = Vec::with_capacity(lengths.len());
    for length in lengths {
        let range = at..at + length;
        at = range.end;
        let id = plan.repository.keys.data_chunk_id(&buffer[range.clone()]);
        let new_bytes = if writer.is_known(Kind::DataPack, &id)? { None } else { Some(range) };
        pieces.push(Piece { length: *length as u64, chunk: Some(PieceChunk { id, new_bytes }) });
    }
    Ok(pieces)
}

/// A result that needs no worker.
pub(super) fn ready<T>(value: T) -> crossbeam_channel::Receiver<T> {
    let (sender, receiver) = crossbeam_channel::bounded(1);
    let _ = sender.send(value);
    receiver
}

fn entry(found: &Found, metadata: Metadata, marks: Marks) -> Entry {
    let (directory, name) = (found.directory.clone(), found.name.clone());
    Entry { directory, name, metadata, marks, content: Content::default() }
}

fn is_same(before: &Stat, after: &Stat) -> bool {
    (before.size, before.modified, before.changed) == (after.size, after.modified, after.changed)
}
