// SPDX-License-Identifier: MIT OR Apache-2.0
//! Big files and streams: cut piece by piece in the sequencer's thread, because each cut depends on the one before, and hashed by the
//! workers. Memory is bounded by the steps under way, whatever the file's size.

use std::io::Read;

use keepfast_chunker::{Cutter, View};
use keepfast_repo_format::tree::entry::{Entry, Layer};

use super::Plan;
use super::archives;
use super::assemble::Step;
use super::lane::{Lane, Outlets};
use super::work::{self, BatchDone, Done, FileTask, LaneTask, Piece, State, is_same, ready, torn, unreadable};
use crate::error::{Error, Result};
use crate::pool::Pool;
use crate::source::{self, Extent, Found, SourceError, SourceFile, Stat};
use crate::unwrap::HEAD_BYTES;

/// Bytes that are cut and hashed at a time. With twice as many a file of 2.7 GB takes as long, and up to 20 MB more of memory.
pub(super) const PIECE_BYTES: usize = 512 << 10;

/// A failure of the source concerns one path, a failure of the whole operation all.
pub(super) enum ReadError {
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
    match reader.file(&file, &found, &before) {
        Ok(()) => {}
        Err(ReadError::Operation(error)) => return Err(error),
        Err(ReadError::Source(error)) => problems.push(error.to_problem()),
    }
    metadata.size = reader.read;
    let layers = std::mem::take(&mut reader.layers);
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
        let entry = Box::new(Entry { layers: layers.clone(), ..work::entry(&found, metadata, marks) });
        outlets.send(lane, Step::FileEnd { entry, state: State::of(wanted.is_new), problems: problems.clone() });
    }
    Ok(())
}

/// Appends as many bytes as are wanted, fewer only at the end; tells how many.
pub(super) type Fill<'a> = dyn FnMut(&mut Vec<u8>, usize) -> std::result::Result<usize, SourceError> + 'a;

/// Reads a stream of bytes once and cuts it into pieces for every lane that wants it.
pub(super) struct BigReader<'a, 'env> {
    pub(super) plan: &'env Plan<'env>,
    pool: &'a Pool<'env>,
    pub(super) outlets: &'a mut Outlets,
    /// Lanes that want the bytes.
    pub(super) lanes: Vec<usize>,
    /// Bytes passed on so far, holes included.
    pub(super) read: u64,
    /// What it was found to be wrapped in; the recipes went the way of the content.
    pub(super) layers: Vec<Layer>,
}

/// What a lane has of the run that is being read: bytes behind the last cut.
pub(super) struct Feed<'env> {
    pub(super) lane: usize,
    pub(super) cuts: Cutter<'env>,
    pub(super) buffer: Vec<u8>,
    /// That of its [`Piece`]s.
    pub(super) place: u8,
}

impl<'a, 'env> BigReader<'a, 'env> {
    pub(super) fn new(plan: &'env Plan<'env>, pool: &'a Pool<'env>, outlets: &'a mut Outlets, wanted: &[bool]) -> Self {
        let lanes = (0..wanted.len()).filter(|lane| wanted[*lane]).collect();
        Self { plan, pool, outlets, lanes, read: 0, layers: Vec::new() }
    }

    fn file(&mut self, file: &SourceFile, found: &Found, stat: &Stat) -> std::result::Result<(), ReadError> {
        if archives::is_archive(&self.plan.options.archives, found, file, stat) {
            let mut at = 0;
            return self.run_unwrapped(&mut |buffer, wanted| {
                let wanted = (stat.size - at).min(wanted as u64) as usize;
                let read = file.append_at(at, wanted, buffer)?;
                at += read as u64;
                Ok(read)
            });
        }
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
            let pieces = vec![Piece { length, chunk: None, place: 0 }];
            self.outlets.send(*lane, Step::Pieces(ready(Ok((pieces, Vec::new())))));
        }
    }

    /// Cuts what `fill` appends until it appends less than is wanted.
    fn run(&mut self, fill: &mut Fill) -> std::result::Result<(), ReadError> {
        let plan = self.plan;
        let mut feeds: Vec<Feed> = self.lanes.iter().map(|lane| Feed::new(plan, *lane, 0)).collect();
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
                self.hash(feed, view);
            }
            // What came before it has its place.
            filled?;
        }
        Ok(())
    }

    /// Has hashed what can be cut.
    pub(super) fn hash(&mut self, feed: &mut Feed, view: View) {
        let (buffer, lengths) = feed.take(view);
        if buffer.is_empty() {
            return;
        }
        let (result, done) = crossbeam_channel::bounded(1);
        let (lane, place) = (&self.plan.lanes[feed.lane], feed.place);
        self.pool.normal(move |_| {
            let _ = result.send(hash_pieces(lane, &buffer, &lengths, place).map(|pieces| (pieces, buffer)));
        });
        self.outlets.send(feed.lane, Step::Pieces(done));
    }

    /// Cuts a stream that can be read only once. Returns the error that ended it early, if any.
    pub(super) fn stream(&mut self, input: &mut dyn Read, path: &[u8]) -> Result<Option<SourceError>> {
        let failed = |source| SourceError::Io { path: path.to_vec(), operation: "read", source };
        let mut head = Vec::new();
        let mut failure = input.take(HEAD_BYTES as u64).read_to_end(&mut head).err();
        let looks = archives::takes_stream(&self.plan.options.archives, path, &head);
        let mut input = head.as_slice().chain(input);
        let mut fill = |buffer: &mut Vec<u8>, wanted: usize| {
            buffer.reserve(wanted);
            // After a failure only the bytes before it are left.
            let (input, most): (&mut dyn Read, _) = match &failure {
                None => (&mut input, wanted),
                Some(_) => (input.get_mut().0, wanted),
            };
            let read = input.take(most as u64).read_to_end(buffer);
            match failure.take() {
                Some(error) => Err(failed(error)),
                None => read.map_err(failed),
            }
        };
        let outcome = if looks { self.run_unwrapped(&mut fill) } else { self.run(&mut fill) };
        match outcome {
            Ok(()) => Ok(None),
            Err(ReadError::Source(error)) => Ok(Some(error)),
            Err(ReadError::Operation(error)) => Err(error),
        }
    }
}

impl<'env> Feed<'env> {
    pub(super) fn new(plan: &'env Plan<'env>, lane: usize, place: u8) -> Self {
        Self { lane, cuts: Cutter::new(&plan.lanes[lane].chunker), buffer: Vec::new(), place }
    }

    /// Bytes that the buffer takes without being moved; none where it is time to cut.
    pub(super) fn room(&mut self) -> usize {
        if self.buffer.capacity() == 0 {
            self.buffer.reserve_exact(PIECE_BYTES);
        }
        self.buffer.capacity() - self.buffer.len()
    }

    /// Takes what can be cut, with the lengths of the chunks.
    fn take(&mut self, view: View) -> (Vec<u8>, Vec<usize>) {
        let mut lengths = Vec::new();
        let mut at = 0;
        while let Some(length) = self.cuts.next(&self.buffer[at..], view) {
            lengths.push(length);
            at += length;
        }
        if at == 0 {
            // Chunks may be many times as long as a piece.
            self.buffer.reserve(PIECE_BYTES);
            return (Vec::new(), lengths);
        }
        let mut rest = Vec::with_capacity(self.buffer.len() - at + PIECE_BYTES);
        rest.extend_from_slice(&self.buffer[at..]);
        self.buffer.truncate(at);
        (std::mem::replace(&mut self.buffer, rest), lengths)
    }
}

fn hash_pieces(lane: &Lane, buffer: &[u8], lengths: &[usize], place: u8) -> Result<Vec<Piece>> {
    let mut at = 0;
    let mut pieces = Vec::with_capacity(lengths.len());
    for length in lengths {
        pieces.push(lane.piece(buffer, at, *length, place)?);
        at += length;
    }
    Ok(pieces)
}
