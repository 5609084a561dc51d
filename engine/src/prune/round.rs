// SPDX-License-Identifier: MIT OR Apache-2.0
//! One round of a collector, in the order of section 11.2 of `docs/format.md`. The order is the safety: publish, then look at sessions;
//! wait, then look at what is visible; copy, then drop from the index, then delete.
//!
//! Everything here may stop at any point and for ever. What is left is finished by any later round, of anybody.

use std::collections::HashSet;
use std::path::Path;

use keepfast_repo_format::condemned::CondemnList;
use keepfast_repo_format::id::{PackId, SessionId, SnapshotId};
use keepfast_repo_format::layout;
use keepfast_repo_format::pack::PackRecord;
use keepfast_storage::{ErrorKind, Put};

use super::copy::Copier;
use super::delete::Deleter;
use super::edges::Edges;
use super::finder::{Codecs, Finder, Moved};
use super::generation::drop_packs;
use super::mark::Marked;
use super::orphans::Strays;
use super::view::{Place, View};
use super::{ATTEMPTS, PruneError, PruneOptions, Report, sessions};
use crate::error::{Error, Result};
use crate::events::Events;
use crate::history::settle;
use crate::repository::{Repository, object_name};
use crate::session::{Client, Role, Session, condemned};
use crate::writer::Writer;

/// What a round condemns.
pub(super) struct Condemn {
    packs: Vec<PackId>,
    snapshots: Vec<SnapshotId>,
}

impl Condemn {
    pub(super) fn new(packs: impl Iterator<Item = PackId>, mut snapshots: Vec<SnapshotId>) -> Self {
        let mut packs: Vec<PackId> = packs.collect();
        packs.sort_unstable();
        packs.dedup();
        snapshots.sort_unstable();
        snapshots.dedup();
        Self { packs, snapshots }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packs.is_empty() && self.snapshots.is_empty()
    }
}

/// Whether a round copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copies {
    /// Condemned packs with something live in them stay for another round: this one needs no space.
    None,
    /// Live chunks are copied.
    Write,
}

/// How a round ended that came to its end.
pub(super) struct Done {
    /// Condemned packs that wait for a round that copies.
    pub(super) left: usize,
}

/// What all rounds of a prune have in common.
pub(super) struct Rounds<'a> {
    pub(super) repository: &'a Repository,
    pub(super) client: &'a Client,
    pub(super) options: &'a PruneOptions,
    pub(super) events: &'a dyn Events,
    pub(super) scratch: &'a Path,
    pub(super) strays: Strays,
    /// What the next generation leaves out without deleting it.
    pub(super) unclaimed: HashSet<PackId>,
    pub(super) marked: Marked<'a>,
    pub(super) report: &'a mut Report,
}

/// Ends the session of a round that failed, so that everybody can finish its list at once; returns why it failed.
fn end(session: Session<'_>, error: Error) -> Error {
    match session.abandon() {
        // Whoever ended it first has taken its copies for left behind, and may have finished its list: what is missing now, in the
        // storage or the local index, is no damage.
        Err(ended @ Error::SessionVoid { .. })
            if error.is_damage() || matches!(error, Error::Prune(_) | Error::Index(_)) =>
        {
            ended
        }
        _ => error,
    }
}

/// What the copying step has found and written.
struct Copied {
    view: View,
    /// Condemned packs that nothing live depends on any more.
    done: HashSet<PackId>,
    left: usize,
    packs: Vec<PackRecord>,
}

impl Rounds<'_> {
    /// Carries a round out. `None`: sessions are still open; what is condemned waits for the next prune.
    pub(super) fn round(&mut self, condemn: &Condemn, copies: Copies) -> Result<Option<Done>> {
        let session = Session::open(self.repository, self.client.clone(), Role::Collector)?;
        let copied = match self.until_copied(&session, condemn, copies) {
            Ok(Some(copied)) => copied,
            Ok(None) => {
                session.abandon()?;
                return Ok(None);
            }
            Err(error) => return Err(end(session, error)),
        };
        if copied.packs.is_empty() {
            session.abandon()?;
        } else {
            session.collect(&copied.packs)?;
        }
        let left = copied.left;
        self.delete(copied)?;
        self.report.rounds += 1;
        Ok(Some(Done { left }))
    }

    /// `None`: sessions are still open.
    fn until_copied(&mut self, session: &Session<'_>, condemn: &Condemn, copies: Copies) -> Result<Option<Copied>> {
        self.publish(session, condemn)?;
        // The lists before the sessions: every session that one of these concerns is among those that are listed next.
        let lists = condemned::read_all(self.repository)?;
        let eligible = lists.iter().map(|list| (list.writer, list.sequence)).collect();
        let waited = sessions::wait(self.repository, self.client, session.id, self.options, self.events)?;
        self.report.sessions_voided += waited.voided;
        self.report.open_sessions = waited.open;
        if !self.report.open_sessions.is_empty() {
            return Ok(None);
        }
        let mut attempt = 0;
        loop {
            attempt += 1;
            let view = self.look_again(session.id, &eligible)?;
            let condemned: HashSet<PackId> = view.finishable().flat_map(|list| list.packs.iter().copied()).collect();
            match self.copy_out(session.id, view, condemned, copies) {
                // Somebody forgot a snapshot that is marked, and another collector has deleted what a delta of it needed.
                Err(Error::Prune(PruneError::UnreadableChunk { .. }))
                    if attempt < ATTEMPTS && self.marked.is_outdated(&self.repository.history()?) =>
                {
                    self.marked = self.marked.begin_again(self.scratch)?;
                }
                outcome => return outcome.map(Some),
            }
        }
    }

    /// What is visible after the sessions have ended, with all that it reaches marked.
    fn look_again(&mut self, own: SessionId, eligible: &HashSet<Place>) -> Result<View> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let view = View::after_waiting(self.repository, own, eligible.clone())?;
            view.refuse_gaps(self.repository, self.options.on_damage)?;
            settle(self.repository, &view.history)?;
            let marked = self.marked.add(&view.history).and_then(|()| {
                let mut edges = Edges::read(&self.repository.index, |pack| view.is_stored(pack), self.scratch)?;
                self.marked.follow(&mut edges)
            });
            match marked {
                Ok(()) => return Ok(view),
                // What was to be read may be what another collector has deleted, after somebody forgot it.
                Err(Error::Prune(_))
                    if attempt < ATTEMPTS && self.repository.history()?.heads() != view.history.heads() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Final from the barrier on: nothing on the list is ever taken off it.
    fn publish(&self, session: &Session<'_>, condemn: &Condemn) -> Result<()> {
        if condemn.is_empty() {
            return Ok(());
        }
        let (writer, sequence) = session.place();
        let (packs, snapshots) = (condemn.packs.clone(), condemn.snapshots.clone());
        let list = CondemnList { writer, sequence, session: session.id, packs, snapshots };
        let object = list.seal(&self.repository.keys);
        let name = object_name(&layout::condemned(&writer, sequence));
        let backend = &self.repository.backend;
        if backend.put_if_absent(&name, &[&object])? == Put::Exists && backend.get(&name, None)? != object {
            // The place is this session's alone.
            return Err(Error::SessionVoid { writer: writer.to_string(), sequence });
        }
        Ok(backend.barrier()?)
    }

    fn copy_out(
        &mut self,
        session: SessionId,
        view: View,
        condemned: HashSet<PackId>,
        copies: Copies,
    ) -> Result<Copied> {
        let finder = Finder::new(self.repository, &view, &condemned);
        if copies == Copies::None {
            let mut left = HashSet::new();
            for group in finder.with_live(&mut self.marked, self.scratch, Codecs::Plain)? {
                let (number, live) = group?;
                // Each pack by itself: a chunk that is in two of them keeps both.
                let mut moved = Moved::default();
                for codecs in [Codecs::Plain, Codecs::Delta] {
                    left.extend(finder.needed(number, &live, codecs, &mut moved)?.map(|needed| needed.record.id));
                }
            }
            let done = condemned.difference(&left).copied().collect();
            return Ok(Copied { view, done, left: left.len(), packs: Vec::new() });
        }
        let (writer, queue) = Writer::new(self.repository, session, self.options.compression);
        let written = std::thread::scope(|scope| {
            let uploader = scope.spawn(|| writer.upload(&queue));
            let written = self.copy_packs(&finder, &writer);
            let finished = if written.is_ok() {
                writer.finish()
            } else {
                writer.abandon();
                Ok(())
            };
            uploader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            writer.cause().map_or(written.and(finished), Err)
        });
        written.map_err(|error| self.explain(error))?;
        let packs = writer.into_records();
        self.verify_stored(&packs)?;
        self.report.packs_written += packs.len() as u64;
        self.report.bytes_written += packs.iter().map(|pack| pack.length).sum::<u64>();
        Ok(Copied { view, done: condemned, left: 0, packs })
    }

    fn copy_packs(&mut self, finder: &Finder<'_>, writer: &Writer) -> Result<()> {
        let reader = self.repository.reader_for_collector();
        let how = (self.options.max_unused.move_as_is(), self.options.on_damage);
        let mut copier = Copier::new(self.repository, &reader, writer, how, self.events);
        let mut moved = Moved::default();
        // What is there as it is goes first: then no delta of it is needed.
        for codecs in [Codecs::Plain, Codecs::Delta] {
            for group in finder.with_live(&mut self.marked, self.scratch, codecs)? {
                let (number, live) = group?;
                if let Some(needed) = finder.needed(number, &live, codecs, &mut moved)? {
                    copier.pack(&needed)?;
                }
            }
        }
        self.report.unreadable += copier.finish()?;
        Ok(())
    }

    /// What is about to be relied upon is looked at once more.
    fn verify_stored(&self, packs: &[PackRecord]) -> Result<()> {
        for pack in packs {
            let name = layout::pack(&pack.id);
            let length = self.repository.backend.length(&object_name(&name))?;
            if length != pack.length {
                return Err(Error::ObjectHash { object: name });
            }
        }
        Ok(())
    }

    fn explain(&self, error: Error) -> Error {
        match error {
            Error::Storage(source) if source.kind == ErrorKind::Full => {
                PruneError::Full { freed_bytes: self.report.bytes_freed, source }.into()
            }
            error => error,
        }
    }

    /// From here on there is no session: whatever happens, another round finishes the list.
    fn delete(&mut self, copied: Copied) -> Result<()> {
        let Copied { mut view, done, .. } = copied;
        let (history, written) = drop_packs(self.repository, &done, &self.unclaimed, self.strays)?;
        self.report.index_objects_written += written.objects;
        view.history = history;
        let mut deleter = Deleter { repository: self.repository, events: self.events, report: self.report };
        deleter.packs(&view, &done)?;
        deleter.manifests(&view)?;
        deleter.index(&view, &written)?;
        deleter.lists(&view)?;
        self.strays = Strays::None;
        Ok(())
    }
}
