// SPDX-License-Identifier: MIT OR Apache-2.0
//! Big files and streams: cut piece by piece in the sequencer's thread, because each cut depends on the one before, and hashed by the
//! workers. Memory is bounded by the steps under way, whatever the file's size.

use std::io::Read;

use keepfast_chunker::{Cutter, View};

use super::Plan;
use super::assemble::Step;
use super::lane::{Lane, Outlets};
use super::work::{self, BatchDone, Done, FileTask, LaneTask, Piece, State, is_same, ready, torn, unreadable};
use crate::error::{Error, Result};
use crate::pool::Pool;
use crate::source::{self, Extent, SourceError, SourceFile, Stat};

/// Bytes that are cut and hashed at a time.
const PIECE_BYTES: usize = 1 << 20;

/// A failure of the source concerns one path, a failure of the whole operation all.
enum ReadError {
    Source(SourceError),
    Operation(Error),
}

impl From<SourceError> for ReadError {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

/// Reads a big file: cuts here, in the sequencer's thread, so that cut points follow each other; the pieces are hashed by the workers.
pub(super) fn read_big<'env>(
    plan: &'env Plan<'env>,
    pool: &Pool<'env>,
    outlets: &mut Outlets,
    task: FileTask,
) -> Result<()> {
    let FileTask { found, lanes: mut tasks } = task;
    for (lane, task) in tasks.iter_mut().enumerate() {
        if let LaneTask::Keep(entry) = task {
            let done = vec![Done::bare((**entry).clone(), State::Unmodified)];
            outlets.send(lane, Step::done(BatchDone { done, ..BatchDone::default() }));
        }
    }
    let opened = source::open(&found).and_then(|file| file.stat().map(|stat| (file, stat)));
    let (file, before) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let problem = error.to_problem();
            plan.events.problem(&problem);
            for (lane, task) in tasks.iter().enumerate() {
                let LaneTask::Read(wanted) = task else { continue };
                let mut batch = BatchDone { problems: vec![problem.clone()], ..BatchDone::default() };
                if !error.is_vanished() {
                    let (mut metadata, marks) = unreadable(plan, &found);
                    metadata.link_group = wanted.link_group;
                    let entry = work::entry(&found, metadata, marks);
                    batch.done.push(Done::bare(entry, State::of(wanted.is_new)));
                }
                outlets.send(lane, Step::done(batch));
            }
            return Ok(());
        }
    };
    let (mut metadata, mut problems) = file.metadata(&plan.completer, &before, None);
    for (lane, task) in tasks.iter().enumerate() {
        let LaneTask::Read(wanted) = task else { continue };
        outlets.send(lane, Step::FileBegin { previous: wanted.previous.clone() });
    }
    let wanted: Vec<bool> = tasks.iter().map(|task| matches!(task, LaneTask::Read(_))).collect();
    let mut reader = BigReader::new(plan, pool, outlets, &wanted);
    match reader.extents(&file, &before) {
        Ok(()) => {}
        Err(ReadError::Operation(error)) => return Err(error),
        Err(ReadError::Source(error)) => problems.push(error.to_problem()),
    }
    metadata.size = reader.read;
    // Too big to read again at once: a change is marked, and the next backup reads it anew.
    let holds_still = file.stat().is_ok_and(|after| is_same(&before, &after));
    let marks = work::marks(&problems, holds_still);
    if !holds_still {
        problems.push(torn(&found));
    }
    problems.iter().for_each(|problem| plan.events.problem(problem));
    plan.events.path_done(&found.path(), 0);
    for (lane, task) in tasks.into_iter().enumerate() {
        let LaneTask::Read(wanted) = task else { continue };
        let mut metadata = metadata.clone();
        metadata.link_group = wanted.link_group;
        let entry = Box::new(work::entry(&found, metadata, marks));
        outlets.send(lane, Step::FileEnd { entry, state: State::of(wanted.is_new), problems: problems.clone() });
    }
    Ok(())
}

/// Appends as many bytes as are wanted, fewer only at the end; tells how many.
type Fill<'a> = dyn FnMut(&mut Vec<u8>, usize) -> std::result::Result<usize, SourceError> + 'a;

/// Reads a stream of bytes once and cuts it into pieces for every lane that wants it.
pub(super) struct BigReader<'a, 'env> {
    plan: &'env Plan<'env>,
    pool: &'a Pool<'env>,
    outlets: &'a mut Outlets,
    /// Lanes that want the bytes.
    lanes: Vec<usize>,
    /// Bytes passed on so far, holes included.
    pub(super) read: u64,
}

/// What a lane has of the run that is being read: bytes behind the last cut.
struct Feed<'env> {
    lane: usize,
    cuts: Cutter<'env>,
    buffer: Vec<u8>,
}

impl<'a, 'env> BigReader<'a, 'env> {
    pub(super) fn new(plan: &'env Plan<'env>, pool: &'a Pool<'env>, outlets: &'a mut Outlets, wanted: &[bool]) -> Self {
        let lanes = (0..wanted.len()).filter(|lane| wanted[*lane]).collect();
        Self { plan, pool, outlets, lanes, read: 0 }
    }

    fn extents(&mut self, file: &SourceFile, stat: &Stat) -> std::result::Result<(), ReadError> {
        for extent in file.extents(stat.size) {
            match extent {
                Extent::Hole { start, end } => self.hole(end - start),
                Extent::Data { start, end } => {
                    let mut at = start;
                    self.run(&mut |buffer, wanted| {
                        let wanted = (end - at).min(wanted as u64) as usize;
                        let read = file.append_at(at, wanted, buffer)?;
                        at += read as u64;
                        Ok(read)
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Passes on a hole.
    fn hole(&mut self, length: u64) {
        self.read += length;
        self.plan.events.bytes_done(length);
        for lane in &self.lanes {
            let pieces = vec![Piece { length, chunk: None }];
            self.outlets.send(*lane, Step::Pieces(ready(Ok((pieces, Vec::new())))));
        }
    }

    /// Cuts what `fill` appends until it appends less than is wanted.
    fn run(&mut self, fill: &mut Fill) -> std::result::Result<(), ReadError> {
        let plan = self.plan;
        let feed =
            |lane: &usize| Feed { lane: *lane, cuts: Cutter::new(&plan.lanes[*lane].chunker), buffer: Vec::new() };
        let mut feeds: Vec<Feed> = self.lanes.iter().map(feed).collect();
        let mut view = View::Open;
        while view == View::Open {
            if plan.events.cancelled() {
                return Err(ReadError::Operation(Error::Cancelled));
            }
            self.outlets.check(&plan.lanes).map_err(ReadError::Operation)?;
            feeds.retain(|feed| self.outlets.is_open(feed.lane));
            // Lanes that keep the file go on without.
            let Some((first, others)) = feeds.split_first_mut() else { return Ok(()) };
            let start = first.buffer.len();
            let filled = fill(&mut first.buffer, PIECE_BYTES);
            let read = *filled.as_ref().unwrap_or(&0);
            first.buffer.truncate(start + read);
            if read < PIECE_BYTES {
                view = View::Last;
            }
            others.iter_mut().for_each(|feed| feed.buffer.extend_from_slice(&first.buffer[start..]));
            self.read += read as u64;
            plan.events.bytes_done(read as u64);
            for feed in &mut feeds {
                let (piece, lengths) = feed.take(view);
                self.hash(feed.lane, piece, lengths);
            }
            // What came before it has its place.
            filled?;
        }
        Ok(())
    }

    fn hash(&mut self, number: usize, buffer: Vec<u8>, lengths: Vec<usize>) {
        if buffer.is_empty() {
            return;
        }
        let (result, done) = crossbeam_channel::bounded(1);
        let lane = &self.plan.lanes[number];
        self.pool.normal(move |_| {
            let _ = result.send(hash_pieces(lane, &buffer, &lengths).map(|pieces| (pieces, buffer)));
        });
        self.outlets.send(number, Step::Pieces(done));
    }

    /// Cuts a stream that can be read only once. Returns the error that ended it early, if any.
    pub(super) fn stream(&mut self, input: &mut dyn Read, path: &[u8]) -> Result<Option<SourceError>> {
        let outcome = self.run(&mut |buffer, wanted| {
            buffer.reserve(wanted);
            let read = input.take(wanted as u64).read_to_end(buffer);
            read.map_err(|source| SourceError::Io { path: path.to_vec(), operation: "read", source })
        });
        match outcome {
            Ok(()) => Ok(None),
            Err(ReadError::Source(error)) => Ok(Some(error)),
            Err(ReadError::Operation(error)) => Err(error),
        }
    }
}

impl Feed<'_> {
    /// Takes what can be cut, with the lengths of the chunks.
    fn take(&mut self, view: View) -> (Vec<u8>, Vec<usize>) {
        let mut lengths = Vec::new();
        let mut at = 0;
        while let Some(length) = self.cuts.next(&self.buffer[at..], view) {
            lengths.push(length);
            at += length;
        }
        let mut rest = Vec::with_capacity(self.buffer.len() - at + PIECE_BYTES);
        rest.extend_from_slice(&self.buffer[at..]);
        self.buffer.truncate(at);
        (std::mem::replace(&mut self.buffer, rest), lengths)
    }
}

fn hash_pieces(lane: &Lane, buffer: &[u8], lengths: &[usize]) -> Result<Vec<Piece>> {
    let mut at = 0;
    let mut pieces = Vec::with_capacity(lengths.len());
    for length in lengths {
        pieces.push(lane.piece(buffer, at, *length)?);
        at += length;
    }
    Ok(pieces)
}
