// SPDX-License-Identifier: MIT OR Apache-2.0
//! Big files and streams: cut piece by piece in the sequencer's thread, because each cut depends on the one before, and hashed by the
//! workers. Memory is bounded by the steps under way, whatever the file's size.

use std::io::Read;
use std::sync::Arc;

use keepfast_repo_format::tree::entry::{Entry, Layer};

use super::Plan;
use super::archives;
use super::assemble::Step;
use super::feed::{Cut, Feed};
use super::lane::{Lane, Outlets};
use super::work::{self, BatchDone, Done, FileTask, LaneTask, Piece, State, is_same, ready, torn, unreadable};
use crate::error::{Error, Result};
use crate::pool::Pool;
use crate::source::{self, Extent, Found, SourceError, SourceFile, Stat};
use crate::unwrap::{HEAD_BYTES, Part, Unwrapper};

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

/// What a lane gets of the run that is being read.
pub(super) struct Inputs<'env> {
    pub(super) lane: usize,
    /// The content, then the recipe of each layer.
    pub(super) feeds: Vec<Feed<'env>>,
}

impl<'env> Inputs<'env> {
    fn new(plan: &'env Plan<'env>, lane: usize, count: usize) -> Self {
        Self { lane, feeds: (0..count).map(|_| Feed::new(&plan.lanes[lane].chunker)).collect() }
    }
}

impl<'a, 'env> BigReader<'a, 'env> {
    pub(super) fn new(plan: &'env Plan<'env>, pool: &'a Pool<'env>, outlets: &'a mut Outlets, wanted: &[bool]) -> Self {
        let lanes = (0..wanted.len()).filter(|lane| wanted[*lane]).collect();
        Self { plan, pool, outlets, lanes, read: 0, layers: Vec::new() }
    }

    fn file(&mut self, file: &SourceFile, found: &Found, stat: &Stat) -> std::result::Result<(), ReadError> {
        if archives::is_archive(&self.plan.options.archives, found, file, stat) {
            return self.run(&mut between(file, 0, stat.size), Some(Unwrapper::new()));
        }
        for extent in file.extents(stat.size) {
            match extent {
                Extent::Hole { start, end } => self.hole(end - start),
                Extent::Data { start, end } => self.run(&mut between(file, start, end), None)?,
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
            self.outlets.send(*lane, Step::Pieces(ready(Ok(vec![(pieces, Arc::default())]))));
        }
    }

    /// Passes on what `fill` appends until it appends less than is wanted, taken apart if there is an unwrapper.
    fn run(&mut self, fill: &mut Fill, mut unwrapper: Option<Unwrapper>) -> std::result::Result<(), ReadError> {
        let plan = self.plan;
        let inputs = if unwrapper.is_some() { 1 + Layer::MAX } else { 1 };
        let mut lanes: Vec<Inputs> = self.lanes.iter().map(|lane| Inputs::new(plan, *lane, inputs)).collect();
        let mut is_open = true;
        while is_open {
            if plan.events.cancelled() {
                return Err(ReadError::Operation(Error::Cancelled));
            }
            self.outlets.check(&plan.lanes).map_err(ReadError::Operation)?;
            lanes.retain(|inputs| self.outlets.is_open(inputs.lane));
            // Lanes that keep the file go on without.
            if lanes.is_empty() {
                return Ok(());
            }
            let mut bytes = Vec::new();
            let filled = fill(&mut bytes, PIECE_BYTES);
            bytes.truncate(*filled.as_ref().unwrap_or(&0));
            is_open = bytes.len() == PIECE_BYTES;
            self.read += bytes.len() as u64;
            plan.events.bytes_done(bytes.len() as u64);
            match &mut unwrapper {
                None => self.pass_on(&mut lanes, vec![Part::Bytes(bytes)]),
                Some(unwrapper) => self.take_apart(&mut lanes, bytes, unwrapper, is_open),
            }
            if !is_open {
                lanes.iter_mut().for_each(|inputs| self.end(inputs));
            }
            // What came before it has its place.
            filled?;
        }
        Ok(())
    }

    /// Passes on what is cut of the content.
    pub(super) fn pass_on(&mut self, lanes: &mut [Inputs<'env>], parts: Vec<Part>) {
        for part in parts {
            let bytes = match part {
                Part::Bytes(bytes) => Some(Arc::new(bytes)),
                Part::Cut => None,
            };
            for inputs in &mut *lanes {
                let cuts = match &bytes {
                    Some(bytes) => inputs.feeds[0].push(bytes),
                    None => inputs.feeds[0].end().into_iter().collect(),
                };
                self.hash(inputs.lane, 0, cuts);
            }
        }
    }

    /// Passes on what is left, the content first.
    fn end(&mut self, inputs: &mut Inputs<'env>) {
        for (place, feed) in (0..).zip(&mut inputs.feeds) {
            let cuts = feed.end().into_iter().collect();
            self.hash(inputs.lane, place, cuts);
        }
    }

    /// Has hashed what is cut.
    pub(super) fn hash(&mut self, number: usize, place: u8, cuts: Vec<Cut>) {
        if cuts.is_empty() {
            return;
        }
        let (result, done) = crossbeam_channel::bounded(1);
        let lane = &self.plan.lanes[number];
        self.pool.normal(move |_| {
            let _ = result.send(cuts.into_iter().map(|cut| hashed(lane, cut, place)).collect());
        });
        self.outlets.send(number, Step::Pieces(done));
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
        match self.run(&mut fill, looks.then(Unwrapper::new)) {
            Ok(()) => Ok(None),
            Err(ReadError::Source(error)) => Ok(Some(error)),
            Err(ReadError::Operation(error)) => Err(error),
        }
    }
}

/// The bytes of a file from `at` to `end`.
fn between(
    file: &SourceFile,
    mut at: u64,
    end: u64,
) -> impl FnMut(&mut Vec<u8>, usize) -> std::result::Result<usize, SourceError> {
    move |buffer, wanted| {
        let wanted = (end - at).min(wanted as u64) as usize;
        let read = file.append_at(at, wanted, buffer)?;
        at += read as u64;
        Ok(read)
    }
}

fn hashed(lane: &Lane, cut: Cut, place: u8) -> Result<(Vec<Piece>, Arc<Vec<u8>>)> {
    let Cut { buffer, start: mut at, lengths } = cut;
    let mut pieces = Vec::with_capacity(lengths.len());
    for length in lengths {
        pieces.push(lane.piece(&buffer, at, length, place)?);
        at += length;
    }
    Ok((pieces, buffer))
}
