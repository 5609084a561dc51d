// SPDX-License-Identifier: MIT OR Apache-2.0
//! A lane: one repository's part of a backup. Sources are read once for all lanes; each has its own parent snapshot, cut points,
//! ids, writer and end. A lane that fails ends alone.

use crossbeam_channel::Sender;
use keepfast_chunker::{Chunker, Cutter, Params, View};
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::tree::entry::Entry;

use super::assemble::Step;
use super::work::{Piece, PieceChunk, Run};
use crate::error::{Error, Result};
use crate::history::Snapshot;
use crate::repository::Repository;
use crate::source::{Found, is_unchanged};
use crate::tree::ContentItems;
use crate::writer::Writer;

/// One repository, as the stages see it.
pub(super) struct Lane<'a> {
    pub(super) repository: &'a Repository,
    pub(super) writer: &'a Writer,
    pub(super) parent: Option<&'a Snapshot>,
    /// What new content is compared with: the parent, or a snapshot whose files may resemble these.
    pub(super) before: Option<&'a Snapshot>,
    /// Whether every chunk of the parent is surely there, so that unchanged files need no look-up.
    pub(super) trusts_parent: bool,
    pub(super) chunker: Chunker,
}

/// The chunker with the repository's parameters and secret table.
pub(super) fn chunker(repository: &Repository) -> Result<Chunker> {
    let stored = &repository.config.chunker;
    let params = Params::new(stored.min, stored.avg, stored.max, stored.normalization)
        .map_err(|error| Error::Invalid(error.to_string()))?;
    Ok(Chunker::new(&params, &repository.keys.gear_table()))
}

impl Lane<'_> {
    /// Whether the parent's entry holds for what was found.
    pub(super) fn keeps(&self, entry: &Entry, found: &Found) -> Result<bool> {
        let Some(parent) = self.parent else { return Ok(false) };
        Ok(is_unchanged(entry, found, parent.manifest.started) && self.is_stored(entry)?)
    }

    /// Whether all chunks of the parent's entry are where a session may rely on them.
    fn is_stored(&self, entry: &Entry) -> Result<bool> {
        if self.trusts_parent {
            return Ok(true);
        }
        let reader = self.repository.reader();
        for item in entry.contents().flat_map(|content| ContentItems::new(&reader, content)) {
            match item {
                Ok(item) => {
                    if let Some(id) = item.id
                        && !self.writer.is_known(Kind::DataPack, &id)?
                    {
                        return Ok(false);
                    }
                }
                Err(error) if error.is_damage() => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Cuts and hashes a whole file. New chunks are named by their place in `bytes`.
    pub(super) fn cut(&self, bytes: &[u8], runs: &[Run]) -> Result<Vec<Piece>> {
        let mut pieces = Vec::with_capacity(runs.len());
        for run in runs {
            match run {
                Run::Hole(length) => pieces.push(Piece { length: *length, chunk: None, place: 0 }),
                Run::Data { range, place } => {
                    let mut cuts = Cutter::new(&self.chunker);
                    let mut at = range.start;
                    while let Some(length) = cuts.next(&bytes[at..range.end], View::Last) {
                        pieces.push(self.piece(bytes, at, length, *place)?);
                        at += length;
                    }
                }
            }
        }
        Ok(pieces)
    }

    /// The chunk of so many bytes at `at`.
    pub(super) fn piece(&self, bytes: &[u8], at: usize, length: usize, place: u8) -> Result<Piece> {
        let range = at..at + length;
        let id = self.repository.keys.data_chunk_id(&bytes[range.clone()]);
        let new_bytes = if self.writer.is_known(Kind::DataPack, &id)? { None } else { Some(range) };
        Ok(Piece { length: length as u64, chunk: Some(PieceChunk { id, new_bytes }), place })
    }
}

/// Where each lane's steps go; a lane that has failed takes no more.
pub(super) struct Outlets(Vec<Outlet>);

enum Outlet {
    Open(Sender<Step>),
    /// With the cause, unless a later stage has it.
    Failed(Option<Error>),
}

impl Outlets {
    pub(super) fn new(steps: Vec<Sender<Step>>) -> Self {
        Self(steps.into_iter().map(Outlet::Open).collect())
    }

    pub(super) fn is_open(&self, lane: usize) -> bool {
        matches!(self.0[lane], Outlet::Open(_))
    }

    /// Numbers of the lanes that still work.
    pub(super) fn open(&self) -> Vec<usize> {
        (0..self.0.len()).filter(|lane| self.is_open(*lane)).collect()
    }

    pub(super) fn fail(&mut self, lane: usize, error: Error) {
        if self.is_open(lane) {
            self.0[lane] = Outlet::Failed(Some(error));
        }
    }

    /// Sends a step to a lane, if it is open. An assembler that has gone keeps the cause itself.
    pub(super) fn send(&mut self, lane: usize, step: Step) {
        if let Outlet::Open(steps) = &self.0[lane]
            && steps.send(step).is_err()
        {
            self.0[lane] = Outlet::Failed(None);
        }
    }

    /// Looks for failures further down.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when no lane is left.
    pub(super) fn check(&mut self, lanes: &[Lane]) -> Result<()> {
        for (number, lane) in lanes.iter().enumerate() {
            if self.is_open(number)
                && let Err(error) = lane.writer.check()
            {
                self.fail(number, error);
            }
        }
        if self.open().is_empty() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// What ended each lane early, if this stage knows it. Closes all outlets.
    pub(super) fn into_failures(self) -> Vec<Option<Error>> {
        let failure = |outlet| match outlet {
            Outlet::Open(_) => None,
            Outlet::Failed(error) => error,
        };
        self.0.into_iter().map(failure).collect()
    }
}
