// SPDX-License-Identifier: MIT OR Apache-2.0
//! The last stage before the writer, one thread: takes results in the order of the steps, whatever order the workers finish
//! in, gives new chunks to the segmenter in path order, and builds the tree.

use std::sync::Arc;

use crossbeam_channel::Receiver;
use keepfast_repo_format::manifest::{Problem, Totals};
use keepfast_repo_format::tree::entry::{Content, Entry, FileType};

use super::contents::Contents;
use super::lane::Lane;
use super::work::{BatchDone, Done, Piece, State, ready};
use super::{Outcome, Plan};
use crate::error::{Error, Result};
use crate::history::Snapshot;
use crate::reader::Reader;
use crate::tree::{OlderNodes, Root, TreeWriter};
use crate::writer::Segmenter;

/// Pieces of a big file with the bytes that they were cut from, buffer by buffer.
type PiecesDone = Result<Vec<(Vec<Piece>, Arc<Vec<u8>>)>>;

/// What happens next, in tree order. Results arrive when a worker is done.
pub(super) enum Step {
    /// Finished paths.
    Batch(Receiver<Result<BatchDone>>),
    /// A big file begins; with the contents of its previous version.
    FileBegin { previous: Vec<Content> },
    /// The next pieces of the big file that is being read.
    Pieces(Receiver<PiecesDone>),
    /// The big file ends here.
    FileEnd { entry: Box<Entry>, state: State, problems: Vec<Problem> },
    /// What a thread of its own makes of one path; the last of it is a batch or the end of a file.
    Apart(Receiver<Step>),
}

impl Step {
    /// A batch that is finished already.
    pub(super) fn done(batch: BatchDone) -> Self {
        Self::Batch(ready(Ok(batch)))
    }
}

struct Assembler<'a, 'env> {
    segmenter: Segmenter<'env>,
    tree: TreeWriter,
    totals: Totals,
    problems: Vec<Problem>,
    /// Content of the big file that is being read.
    big: Contents<'a>,
    plan: &'a Plan<'env>,
    reader: &'a Reader,
}

/// Runs the stage for one lane until the steps end.
pub(super) fn assemble<'env>(
    plan: &'env Plan<'env>,
    lane: &Lane,
    segmenter: Segmenter<'env>,
    steps: &Receiver<Step>,
) -> Result<Outcome> {
    in_order(plan, lane, segmenter, steps).map_err(|error| {
        lane.writer.fail(error);
        // The thread of an archive waits for room among steps that lie in this queue; the sequencer may wait for that thread.
        steps.iter().for_each(drop);
        Error::Cancelled
    })
}

fn in_order<'env>(
    plan: &'env Plan<'env>,
    lane: &Lane,
    segmenter: Segmenter<'env>,
    steps: &Receiver<Step>,
) -> Result<Outcome> {
    let reader = lane.repository.reader();
    let root = |before: &Snapshot| Root { id: before.manifest.root, level: before.manifest.root_level };
    let older = lane.before.map(|before| OlderNodes::new(&reader, root(before)));
    let tree = TreeWriter::new(lane.repository.keys.boundary(), lane.repository.config.leaf_target).with_older(older);
    let (totals, problems, big) = (Totals::default(), Vec::new(), Contents::default());
    let mut assembler = Assembler { segmenter, tree, totals, problems, big, plan, reader: &reader };
    for step in steps {
        lane.writer.check()?;
        assembler.step(step)?;
    }
    assembler.finish()
}

impl Assembler<'_, '_> {
    fn step(&mut self, step: Step) -> Result<()> {
        match step {
            // A worker that panicked drops its end without an answer.
            Step::Batch(result) => {
                let batch = result.recv().map_err(|_| Error::Cancelled)??;
                self.problems.extend(batch.problems);
                batch.done.into_iter().try_for_each(|done| self.path(done, &batch.buffer))
            }
            Step::FileBegin { previous } => {
                self.big = Contents::new(self.reader, &previous);
                Ok(())
            }
            Step::Pieces(result) => {
                let done = result.recv().map_err(|_| Error::Cancelled)??;
                let pieces = done.iter().flat_map(|(pieces, buffer)| beside(pieces, buffer)).collect::<Vec<_>>();
                self.big.add(&pieces, &mut self.segmenter)
            }
            Step::FileEnd { mut entry, state, problems } => {
                self.problems.extend(problems);
                std::mem::take(&mut self.big).finish(&mut entry, &mut self.segmenter)?;
                self.entry(*entry, state)
            }
            Step::Apart(steps) => {
                let mut is_whole = false;
                for step in steps {
                    is_whole = matches!(step, Step::Batch(_) | Step::FileEnd { .. });
                    self.step(step)?;
                }
                if is_whole { Ok(()) } else { Err(Error::Cancelled) }
            }
        }
    }

    fn path(&mut self, done: Done, buffer: &[u8]) -> Result<()> {
        let Done { mut entry, pieces, state, previous } = done;
        if !pieces.is_empty() {
            let mut contents = Contents::new(self.reader, &previous);
            contents.add(&beside(&pieces, buffer).collect::<Vec<_>>(), &mut self.segmenter)?;
            contents.finish(&mut entry, &mut self.segmenter)?;
        }
        self.entry(entry, state)
    }

    fn entry(&mut self, entry: Entry, state: State) -> Result<()> {
        let totals = &mut self.totals;
        match entry.metadata.file_type {
            FileType::File => {
                totals.files += 1;
                // Sparse files can claim more than 2^64 bytes together.
                totals.bytes = totals.bytes.saturating_add(entry.metadata.size);
                match state {
                    State::New => totals.new_files += 1,
                    State::Changed => totals.changed_files += 1,
                    State::Unmodified => totals.unmodified_files += 1,
                }
            }
            FileType::Directory => totals.directories += 1,
            _ => totals.others += 1,
        }
        self.tree.push(entry, &mut self.segmenter)
    }

    fn finish(mut self) -> Result<Outcome> {
        let root = self.tree.finish(&mut self.segmenter)?;
        self.segmenter.finish();
        let nothing = || {
            Error::Invalid(format!("nothing to back up: no path of {} could be read", self.plan.options.paths.len()))
        };
        Ok(Outcome { root: root.ok_or_else(nothing)?, totals: self.totals, problems: self.problems })
    }
}

fn beside<'a>(pieces: &'a [Piece], buffer: &'a [u8]) -> impl Iterator<Item = (&'a Piece, &'a [u8])> {
    pieces.iter().map(move |piece| (piece, buffer))
}
