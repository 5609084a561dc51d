// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading, cutting and hashing a batch of small files: the worker threads' part.
//!
//! A file's status is taken before and after its content is read. If it changed in between, it is read again; if it never
//! holds still, the last reading is kept and marked torn.

use std::ops::Range;

use keepfast_chunker::{Chunker, Cutter, Params, View};
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::manifest::{Problem, ProblemCode};
use keepfast_repo_format::tree::entry::{Content, Entry, FileType, Marks, Metadata};

use super::Plan;
use super::sequence::Tools;
use crate::error::{Error, Result};
use crate::repository::Repository;
use crate::source::{self, Extent, Found, SourceError, SourceFile, Stat};
use crate::writer::Writer;

/// How often a changing file is read before it is taken as torn.
const READ_ATTEMPTS: usize = 3;

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
                    plan.events.path_done(&done.entry.path(), done.entry.metadata.size);
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
pub(super) enum ReadError {
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
        let before = if attempt == 1 { *file.opened() } else { file.stat()? };
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
        file.append_at(range.start, (range.end - range.start) as usize, buffer)?;
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
    let mut cuts = Cutter::new(&tools.chunker);
    while let Some(length) = cuts.next(&buffer[at..], View::Last) {
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

/// A result that needs no worker.
pub(super) fn ready<T>(value: T) -> crossbeam_channel::Receiver<T> {
    let (sender, receiver) = crossbeam_channel::bounded(1);
    let _ = sender.send(value);
    receiver
}

pub(super) fn entry(found: &Found, metadata: Metadata, marks: Marks) -> Entry {
    let (directory, name) = (found.directory.clone(), found.name.clone());
    Entry { directory, name, metadata, marks, content: Content::default() }
}

pub(super) fn is_same(before: &Stat, after: &Stat) -> bool {
    (before.size, before.modified, before.changed) == (after.size, after.modified, after.changed)
}
