// SPDX-License-Identifier: MIT OR Apache-2.0
//! Big files and streams: cut piece by piece in the sequencer's thread, because each cut depends on the one before, and hashed by the
//! workers. Memory is bounded by the steps under way, whatever the file's size.

use std::io::Read;
use std::sync::Arc;

use crossbeam_channel::Sender;
use keepfast_chunker::{Cutter, View};
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::manifest::Problem;
use keepfast_repo_format::tree::entry::{Marks, Metadata};

use super::Plan;
use super::assemble::Step;
use super::sequence::Tools;
use super::work::{
    BatchDone, FileTask, Piece, PieceChunk, ReadError, State, entry, is_same, judge, ready, torn, unreadable,
};
use crate::error::{Error, Result};
use crate::pool::Pool;
use crate::source::{self, Extent, SourceError, SourceFile, Stat};
use crate::writer::Writer;

/// Bytes that are cut and hashed at a time.
const PIECE_BYTES: usize = 2 << 20;

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
    let mut cutter = BigReader { plan, writer, tools, pool, steps, read: 0 };
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
    let entry = Box::new(entry(&task.found, metadata, marks));
    plan.events.path_done(&entry.path(), 0);
    send(Step::FileEnd { entry, state, problems })
}

fn judge_big(metadata: Metadata, problems: &[Problem], holds_still: bool) -> (Metadata, Marks) {
    let size = metadata.size;
    let (mut metadata, marks) = judge(metadata, &[], problems, holds_still);
    metadata.size = size;
    (metadata, marks)
}

/// Cuts a stream of bytes into pieces for the workers.
pub(super) struct BigReader<'a, 'env> {
    pub(super) plan: &'env Plan<'env>,
    pub(super) writer: &'env Writer,
    pub(super) tools: &'a Arc<Tools>,
    pub(super) pool: &'a Pool<'env>,
    pub(super) steps: &'a Sender<Step>,
    /// Bytes passed on so far, holes included.
    pub(super) read: u64,
}

impl BigReader<'_, '_> {
    fn extents(&mut self, file: &SourceFile, stat: &Stat) -> std::result::Result<(), ReadError> {
        for extent in file.extents(stat.size) {
            match extent {
                Extent::Hole { start, end } => self.hole(end - start).map_err(ReadError::Repository)?,
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
    fn hole(&mut self, length: u64) -> Result<()> {
        self.read += length;
        self.plan.events.bytes_done(length);
        let pieces = vec![Piece { length, chunk: None }];
        self.steps.send(Step::Pieces(ready(Ok((pieces, Vec::new()))))).map_err(|_| Error::Cancelled)
    }

    /// Cuts what `fill` appends until it appends less than is wanted.
    fn run(
        &mut self,
        fill: &mut dyn FnMut(&mut Vec<u8>, usize) -> std::result::Result<usize, SourceError>,
    ) -> std::result::Result<(), ReadError> {
        let tools = self.tools.clone();
        let mut cuts = Cutter::new(&tools.chunker);
        let mut buffer: Vec<u8> = Vec::new();
        let mut ended = false;
        while !ended {
            if self.plan.events.cancelled() {
                return Err(ReadError::Repository(Error::Cancelled));
            }
            self.writer.check().map_err(ReadError::Repository)?;
            ended = fill(&mut buffer, PIECE_BYTES)? < PIECE_BYTES;
            let mut lengths = Vec::new();
            let mut at = 0;
            let view = if ended { View::Last } else { View::Open };
            while let Some(length) = cuts.next(&buffer[at..], view) {
                lengths.push(length);
                at += length;
            }
            let mut rest = Vec::with_capacity(buffer.len() - at + PIECE_BYTES);
            rest.extend_from_slice(&buffer[at..]);
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
    pub(super) fn stream(&mut self, input: &mut dyn Read, path: &[u8]) -> Result<Option<SourceError>> {
        let outcome = self.run(&mut |buffer, wanted| {
            buffer.reserve(wanted);
            let read = input.take(wanted as u64).read_to_end(buffer);
            read.map_err(|source| SourceError::Io { path: path.to_vec(), operation: "read", source })
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
