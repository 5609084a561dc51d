// SPDX-License-Identifier: MIT OR Apache-2.0
//! The last stage before the writer, one thread: takes results in the order of the steps, whatever order the workers finish
//! in, gives new chunks to the segmenter in path order, and builds the tree.

use crossbeam_channel::Receiver;
use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::manifest::{Problem, Totals};
use keepfast_repo_format::tree::entry::{Content, ContentItem, Entry, FileType};

use super::align::Aligner;
use super::lane::Lane;
use super::work::{BatchDone, Done, Piece, State, ready};
use super::{Outcome, Plan};
use crate::error::{Error, Result};
use crate::history::Snapshot;
use crate::reader::Reader;
use crate::tree::{ContentBuilder, NodeSink, OlderNodes, Root, TreeWriter};
use crate::writer::Segmenter;

/// Pieces of a big file with the bytes they were cut from.
type PiecesDone = Result<(Vec<Piece>, Vec<u8>)>;

/// What happens next, in tree order. Results arrive when a worker is done.
pub(super) enum Step {
    /// Finished paths.
    Batch(Receiver<Result<BatchDone>>),
    /// A big file begins; with the content of its previous version.
    FileBegin { previous: Content },
    /// The next pieces of the big file that is being read.
    Pieces(Receiver<PiecesDone>),
    /// The big file ends here.
    FileEnd { entry: Box<Entry>, state: State, problems: Vec<Problem> },
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
    big: ContentBuilder,
    /// The previous version of it.
    big_previous: Option<Aligner<'a>>,
    plan: &'a Plan<'env>,
    reader: &'a Reader,
}

/// Where the list nodes of a file's content go.
struct Lists<'a, 'p, 'env> {
    segmenter: &'a mut Segmenter<'env>,
    previous: Option<&'a mut Aligner<'p>>,
}

impl NodeSink for Lists<'_, '_, '_> {
    fn put_node(&mut self, node: Vec<u8>, _: &mut dyn FnMut() -> Result<Vec<ChunkId>>) -> Result<ChunkId> {
        let Some(previous) = &mut self.previous else { return self.segmenter.put_node(node, &mut || Ok(Vec::new())) };
        let start = previous.end_list();
        self.segmenter.put_node(node, &mut || Ok(previous.list_nodes(start)))
    }
}

/// Runs the stage for one lane until the steps end.
pub(super) fn assemble<'env>(
    plan: &'env Plan<'env>,
    lane: &Lane,
    segmenter: Segmenter<'env>,
    steps: &Receiver<Step>,
) -> Result<Outcome> {
    let reader = lane.repository.reader();
    let root = |before: &Snapshot| Root { id: before.manifest.root, level: before.manifest.root_level };
    let older = lane.before.map(|before| OlderNodes::new(&reader, root(before)));
    let tree = TreeWriter::new(lane.repository.keys.boundary(), lane.repository.config.leaf_target).with_older(older);
    let (totals, problems, big) = (Totals::default(), Vec::new(), ContentBuilder::default());
    let mut assembler = Assembler { segmenter, tree, totals, problems, big, big_previous: None, plan, reader: &reader };
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
                self.big_previous = (!previous.items.is_empty()).then(|| Aligner::new(self.reader, &previous));
                Ok(())
            }
            Step::Pieces(result) => {
                let (pieces, buffer) = result.recv().map_err(|_| Error::Cancelled)??;
                let (mut content, mut previous) = (std::mem::take(&mut self.big), self.big_previous.take());
                let added = self.content(&mut content, &pieces, &buffer, previous.as_mut());
                (self.big, self.big_previous) = (content, previous);
                added
            }
            Step::FileEnd { mut entry, state, problems } => {
                self.problems.extend(problems);
                let content = std::mem::take(&mut self.big);
                let mut previous = self.big_previous.take();
                let mut lists = Lists { segmenter: &mut self.segmenter, previous: previous.as_mut() };
                entry.content = content.finish(&mut lists)?;
                self.entry(*entry, state)
            }
        }
    }

    fn path(&mut self, done: Done, buffer: &[u8]) -> Result<()> {
        let Done { mut entry, pieces, state, previous } = done;
        if !pieces.is_empty() {
            let mut content = ContentBuilder::default();
            let mut previous = (!previous.items.is_empty()).then(|| Aligner::new(self.reader, &previous));
            self.content(&mut content, &pieces, buffer, previous.as_mut())?;
            let mut lists = Lists { segmenter: &mut self.segmenter, previous: previous.as_mut() };
            entry.content = content.finish(&mut lists)?;
        }
        self.entry(entry, state)
    }

    fn content(
        &mut self,
        content: &mut ContentBuilder,
        pieces: &[Piece],
        buffer: &[u8],
        mut previous: Option<&mut Aligner>,
    ) -> Result<()> {
        for piece in pieces {
            let item = ContentItem { length: piece.length, id: piece.chunk.as_ref().map(|chunk| chunk.id) };
            match piece.chunk.as_ref().and_then(|chunk| Some((chunk.id, chunk.new_bytes.clone()?))) {
                Some((id, range)) => {
                    let bases =
                        previous.as_mut().map_or(Ok(Vec::new()), |previous| previous.resembling(piece.length))?;
                    self.segmenter.put_data(id, &buffer[range], &bases)?;
                }
                None => previous.as_mut().map_or(Ok(()), |previous| previous.pass(&item))?,
            }
            let mut lists = Lists { segmenter: &mut self.segmenter, previous: previous.as_deref_mut() };
            content.push(item, &mut lists)?;
        }
        Ok(())
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
