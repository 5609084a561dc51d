// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading, cutting and hashing a batch of small files: the worker threads' part.
//!
//! A file's status is taken before and after its content is read. If it changed in between, it is read again; if it never
//! holds still, the last reading is kept and marked torn. It is read once, and cut for each lane that wants it.

use std::ops::Range;

use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::manifest::{Problem, ProblemCode};
use keepfast_repo_format::tree::entry::{Content, Entry, FileType, Layer, Marks, Metadata};

use super::{Plan, archives};
use crate::error::Result;
use crate::source::{self, Extent, Found, SourceError, SourceFile, Stat};

/// How often a changing file is read before it is taken as torn.
const READ_ATTEMPTS: usize = 3;

/// A path that at least one lane wants to be read.
pub(super) struct FileTask {
    pub(super) found: Found,
    pub(super) lanes: Vec<LaneTask>,
}

/// What a lane wants of a path.
#[derive(Clone)]
pub(super) enum LaneTask {
    /// The parent's entry holds.
    Keep(Box<Entry>),
    /// Read it.
    Read(Wanted),
    /// The lane has failed.
    Nothing,
}

/// What a lane knows of a path that it wants to be read.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) link_group: Option<u64>,
    pub(super) is_new: bool,
    /// Contents of the version before, by the places of [`Piece`], for what resembles them; empty if there is none.
    pub(super) previous: Vec<Content>,
}

/// What is to be done with a path.
pub(super) enum Task {
    /// Every lane keeps its parent's entry; those that have failed have none.
    Keep(Vec<Option<Entry>>),
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

/// A part of what was read.
pub(super) enum Run {
    /// So many bytes that are none.
    Hole(u64),
    /// Bytes of the buffer, cut as if they were a file of their own.
    Data { range: Range<usize>, place: u8 },
}

/// A chunk of a file that was read, or a hole.
pub(super) struct Piece {
    pub(super) length: u64,
    /// `None`: a hole.
    pub(super) chunk: Option<PieceChunk>,
    /// 0: of the content; n: of the recipe of layer n.
    pub(super) place: u8,
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
    /// As in [`Wanted`].
    pub(super) previous: Vec<Content>,
}

impl Done {
    /// A path without pieces.
    pub(super) fn bare(entry: Entry, state: State) -> Self {
        Self { entry, pieces: Vec::new(), state, previous: Vec::new() }
    }
}

/// How a path compares with the parent snapshot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    New,
    Changed,
    Unmodified,
}

impl State {
    pub(super) fn of(is_new: bool) -> Self {
        if is_new { Self::New } else { Self::Changed }
    }
}

/// What a worker made of a batch, for one lane.
#[derive(Default)]
pub(super) struct BatchDone {
    pub(super) done: Vec<Done>,
    pub(super) problems: Vec<Problem>,
    /// Bytes of new chunks.
    pub(super) buffer: Vec<u8>,
}

impl BatchDone {
    fn kept(&mut self, entry: Entry) {
        self.done.push(Done::bare(entry, State::Unmodified));
    }
}

/// One result a lane.
type Results = Vec<Result<BatchDone>>;

/// Reads the files of a batch; one result for each lane.
pub(super) fn read_batch(plan: &Plan, batch: Batch) -> Results {
    let mut results: Results = plan.lanes.iter().map(|_| Ok(BatchDone::default())).collect();
    for task in batch.tasks {
        match task {
            Task::Keep(entries) => {
                for (result, entry) in results.iter_mut().zip(entries) {
                    if let (Ok(result), Some(entry)) = (result, entry) {
                        result.kept(entry);
                    }
                }
            }
            Task::Problem(problem) => note(&mut results, &[problem]),
            Task::Read(task) => read_path(plan, task, &mut results),
        }
    }
    results
}

fn note(results: &mut Results, problems: &[Problem]) {
    for result in results.iter_mut().flatten() {
        result.problems.extend_from_slice(problems);
    }
}

/// Reads a path and adds it to the lanes.
fn read_path(plan: &Plan, task: FileTask, results: &mut Results) {
    let FileTask { found, lanes } = task;
    let read = if found.stat.file_type == FileType::File {
        read_file(plan, &found, &lanes, results)
    } else {
        Ok(read_special(plan, &found, results.len()))
    };
    let read = read.unwrap_or_else(|error| {
        let problem = error.to_problem();
        Read::without_content(plan, &found, problem, error.is_vanished(), results.len())
    });
    read.problems.iter().for_each(|problem| plan.events.problem(problem));
    note(results, &read.problems);
    if let Some((metadata, _)) = &read.found {
        plan.events.path_done(&found.path(), metadata.size);
    }
    for ((result, lane), pieces) in results.iter_mut().zip(lanes).zip(read.pieces) {
        let Ok(done) = result else { continue };
        match (lane, &read.found, pieces) {
            (LaneTask::Nothing, ..) | (LaneTask::Read(_), None, _) => {}
            (LaneTask::Keep(entry), ..) => done.kept(*entry),
            (LaneTask::Read(wanted), Some((metadata, marks)), Ok(pieces)) => {
                let Wanted { link_group, is_new, previous } = wanted;
                let metadata = Metadata { link_group, ..metadata.clone() };
                let entry = Entry { layers: read.layers.clone(), ..entry(&found, metadata, *marks) };
                done.done.push(Done { entry, pieces, state: State::of(is_new), previous });
            }
            (LaneTask::Read(_), _, Err(error)) => *result = Err(error),
        }
    }
}

/// What reading a path gave.
struct Read {
    /// `None`: it has vanished.
    found: Option<(Metadata, Marks)>,
    problems: Vec<Problem>,
    /// For each lane.
    pieces: Vec<Result<Vec<Piece>>>,
    /// Of a wrapped file; their recipes are among the pieces.
    layers: Vec<Layer>,
}

fn no_pieces(lanes: usize) -> Vec<Result<Vec<Piece>>> {
    (0..lanes).map(|_| Ok(Vec::new())).collect()
}

impl Read {
    /// A file whose content could not be read keeps its place in the tree, so that nobody takes it for deleted.
    fn without_content(plan: &Plan, found: &Found, problem: Problem, has_vanished: bool, lanes: usize) -> Self {
        let there = if has_vanished { None } else { Some(unreadable(plan, found)) };
        Self { found: there, problems: vec![problem], pieces: no_pieces(lanes), layers: Vec::new() }
    }
}

/// Metadata and marks of a file whose content could not be read.
pub(super) fn unreadable(plan: &Plan, found: &Found) -> (Metadata, Marks) {
    let (mut metadata, _) = plan.completer.metadata(found, None);
    metadata.size = 0;
    (metadata, Marks(Marks::UNREADABLE))
}

fn read_special(plan: &Plan, found: &Found, lanes: usize) -> Read {
    let (metadata, problems) = plan.completer.metadata(found, None);
    let has_vanished = problems.iter().any(|problem| problem.code == ProblemCode::Vanished);
    let marks = Marks(if problems.is_empty() { 0 } else { Marks::UNREADABLE });
    let there = if has_vanished { None } else { Some((metadata, marks)) };
    Read { found: there, problems, pieces: no_pieces(lanes), layers: Vec::new() }
}

/// A failure of the source concerns one path, a failure of the repository one lane.
fn read_file(
    plan: &Plan,
    found: &Found,
    lanes: &[LaneTask],
    results: &mut Results,
) -> std::result::Result<Read, SourceError> {
    let file = source::open(found)?;
    // Read behind the new chunks of the last lane that wants it, which need not be copied then.
    let wants = |(lane, result): (&LaneTask, &Result<BatchDone>)| matches!(lane, LaneTask::Read(_)) && result.is_ok();
    let last = lanes.iter().zip(results.iter()).rposition(wants);
    let mut buffer = match last.map(|last| &mut results[last]) {
        Some(Ok(result)) => std::mem::take(&mut result.buffer),
        _ => return Ok(Read { found: None, problems: Vec::new(), pieces: no_pieces(lanes.len()), layers: Vec::new() }),
    };
    let start = buffer.len();
    let mut read = read_still(plan, found, &file, &mut buffer);
    let layers = match &mut read {
        Ok((.., runs)) => archives::unwrap(&plan.options.archives, found, &mut buffer, runs),
        Err(_) => Vec::new(),
    };
    let mut pieces = no_pieces(lanes.len());
    if let Ok((.., runs)) = &read {
        for (number, (task, result)) in lanes.iter().zip(results.iter_mut()).enumerate() {
            let (LaneTask::Read(_), Ok(result)) = (task, result) else { continue };
            pieces[number] = plan.lanes[number].cut(&buffer, runs).map(|mut pieces| {
                if Some(number) != last {
                    copy_new(&mut pieces, &buffer, &mut result.buffer);
                }
                pieces
            });
        }
    }
    let last = last.expect("there is one, or nothing was read");
    match &mut pieces[last] {
        Ok(pieces) => compact(pieces, &mut buffer, start),
        Err(_) => buffer.truncate(start),
    }
    if let Ok(result) = &mut results[last] {
        result.buffer = buffer;
    }
    let (metadata, marks, problems, _) = read?;
    Ok(Read { found: Some((metadata, marks)), problems, pieces, layers })
}

type Reading = (Metadata, Marks, Vec<Problem>, Vec<Run>);

/// Reads until the file holds still, or often enough.
fn read_still(
    plan: &Plan,
    found: &Found,
    file: &SourceFile,
    buffer: &mut Vec<u8>,
) -> std::result::Result<Reading, SourceError> {
    let start = buffer.len();
    for attempt in 1.. {
        let before = if attempt == 1 { *file.opened() } else { file.stat()? };
        let (mut metadata, mut problems) = file.metadata(&plan.completer, &before, None);
        let runs = read_runs(file, &before, buffer)?;
        let holds_still = is_same(&before, &file.stat()?);
        if !holds_still && attempt < READ_ATTEMPTS {
            buffer.truncate(start);
            continue;
        }
        metadata.size = runs.iter().map(Run::len).sum();
        let marks = marks(&problems, holds_still);
        if !holds_still {
            problems.insert(0, torn(found));
        }
        return Ok((metadata, marks, problems, runs));
    }
    unreachable!("the last attempt returns")
}

impl Run {
    fn len(&self) -> u64 {
        match self {
            Self::Hole(length) => *length,
            Self::Data { range, .. } => range.len() as u64,
        }
    }
}

/// Reads at most the size that the file had when it was opened, so one that grows without end ends.
fn read_runs(file: &SourceFile, stat: &Stat, buffer: &mut Vec<u8>) -> std::result::Result<Vec<Run>, SourceError> {
    let mut runs = Vec::new();
    for extent in file.extents(stat.size) {
        runs.push(match extent {
            Extent::Hole { start, end } => Run::Hole(end - start),
            Extent::Data { start, end } => {
                let at = buffer.len();
                file.append_at(start, (end - start) as usize, buffer)?;
                Run::Data { range: at..buffer.len(), place: 0 }
            }
        });
    }
    Ok(runs)
}

/// Copies new chunks behind those of `buffer`.
fn copy_new(pieces: &mut [Piece], bytes: &[u8], buffer: &mut Vec<u8>) {
    for range in new_ranges(pieces) {
        let start = buffer.len();
        buffer.extend_from_slice(&bytes[range.clone()]);
        *range = start..buffer.len();
    }
}

/// Moves new chunks together at `start`, and lets everything else go.
fn compact(pieces: &mut [Piece], buffer: &mut Vec<u8>, start: usize) {
    let mut keep = start;
    for range in new_ranges(pieces) {
        buffer.copy_within(range.clone(), keep);
        *range = keep..keep + range.len();
        keep = range.end;
    }
    buffer.truncate(keep);
}

fn new_ranges(pieces: &mut [Piece]) -> impl Iterator<Item = &mut Range<usize>> {
    pieces.iter_mut().filter_map(|piece| piece.chunk.as_mut()?.new_bytes.as_mut())
}

/// What reading a file earned it.
pub(super) fn marks(problems: &[Problem], holds_still: bool) -> Marks {
    let mut marks = Marks::default();
    if !holds_still {
        marks.0 |= Marks::TORN;
    }
    if !problems.is_empty() {
        marks.0 |= Marks::UNREADABLE;
    }
    marks
}

pub(super) fn torn(found: &Found) -> Problem {
    Problem { path: found.path(), code: ProblemCode::Torn, text: "changed while it was read".to_string() }
}

/// A result that needs no worker.
pub(super) fn ready<T>(value: T) -> crossbeam_channel::Receiver<T> {
    let (sender, receiver) = crossbeam_channel::bounded(1);
    let _ = sender.send(value);
    receiver
}

pub(super) fn entry(found: &Found, metadata: Metadata, marks: Marks) -> Entry {
    let (directory, name) = (found.directory.clone(), found.name.clone());
    Entry { directory, name, metadata, marks, content: Content::default(), layers: Vec::new() }
}

pub(super) fn is_same(before: &Stat, after: &Stat) -> bool {
    (before.size, before.modified, before.changed) == (after.size, after.modified, after.changed)
}
