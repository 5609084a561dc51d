// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ways of a backup, one for each repository: from the session that is announced before anything is read to the commit.

use std::sync::atomic::Ordering;

use keepfast_chunker::Chunker;
use keepfast_repo_format::id::SessionId;
use keepfast_repo_format::manifest::{Completeness, MAX_PROBLEMS, Manifest, packs_digest};
use keepfast_repo_format::pack::PackRecord;
use keepfast_repo_format::tree::entry::Timestamp;

use super::lane::{self, Lane};
use super::{BackupOptions, Mode, Outcome, Parent, Queue, Summary};
use crate::error::{Error, Result};
use crate::events::Events;
use crate::history::{History, Snapshot};
use crate::repository::Repository;
use crate::session::{Client, Role, Session};
use crate::writer::Writer;

/// One repository from announcement to commit.
pub(super) struct Way<'a> {
    repository: &'a Repository,
    /// `None`: a dry run.
    session: Option<Session<'a>>,
    parent: Option<Snapshot>,
    /// A snapshot whose files may resemble these, where there is no parent.
    relative: Option<Snapshot>,
    trusts_parent: bool,
    writer: Writer,
    queue: Queue,
    chunker: Chunker,
}

impl<'a> Way<'a> {
    /// Announces a session and finds the parent.
    pub(super) fn open(
        repository: &'a Repository,
        client: &Client,
        options: &BackupOptions,
        parent: &Parent,
        events: &dyn Events,
    ) -> Result<Self> {
        let chunker = lane::chunker(repository)?;
        if options.mode == Mode::DryRun {
            let before = Before::find(repository, &repository.history()?, options, parent, client, events)?;
            let (writer, queue) = Writer::new(repository, SessionId([0; 16]), options.compression);
            let writer = writer.with_deltas(options.deltas);
            writer.write_nothing();
            let Before { parent, relative } = before;
            return Ok(Self {
                repository,
                session: None,
                parent,
                relative,
                trusts_parent: true,
                writer,
                queue,
                chunker,
            });
        }
        let mut session = Session::open(repository, client.clone(), Role::Writer)?;
        let before = Before::find(repository, &session.history, options, parent, client, events);
        match before.and_then(|before| Ok((before, trusts_parent(repository, &mut session)?))) {
            Ok((Before { parent, relative }, trusts_parent)) => {
                let (writer, queue) = Writer::of_session(repository, &mut session, options.compression);
                let writer = writer.with_deltas(options.deltas);
                Ok(Self { repository, session: Some(session), parent, relative, trusts_parent, writer, queue, chunker })
            }
            Err(error) => {
                let _ = session.abandon();
                Err(error)
            }
        }
    }

    /// What the pipeline needs of it.
    pub(super) fn lane(&self) -> Lane<'_> {
        Lane {
            repository: self.repository,
            writer: &self.writer,
            parent: self.parent.as_ref(),
            before: self.parent.as_ref().or(self.relative.as_ref()),
            trusts_parent: self.trusts_parent,
            chunker: self.chunker.clone(),
        }
    }

    /// Packs to be uploaded; `None` when nothing is.
    pub(super) fn queue(&self) -> Option<&Queue> {
        self.session.as_ref().map(|_| &self.queue)
    }

    /// Ends the session without effect. The packs of a void session are unreferenced; saying so now spares the next run from
    /// finding out.
    pub(super) fn abandon(self) {
        let _ = self.session.map(Session::abandon);
    }

    /// Commits what came out of the pipeline.
    pub(super) fn finish(
        self,
        outcome: Outcome,
        client: &Client,
        options: &BackupOptions,
        started: Timestamp,
    ) -> Result<Summary> {
        let root = outcome.root;
        let mut summary = summary(self.parent.as_ref(), outcome, &self.writer);
        let Some(session) = self.session else { return Ok(summary) };
        let packs = self.writer.into_records();
        let unchanged =
            summary.totals.stored_bytes == 0 && self.parent.is_some_and(|parent| parent.manifest.root == root.id);
        if options.mode == Mode::CommitIfChanged && unchanged && summary.problems.is_empty() {
            session.abandon()?;
            return Ok(summary);
        }
        let manifest = manifest(&session, root, &packs, &summary, client, options, started);
        summary.snapshot = Some(session.commit(&manifest, &packs)?);
        Ok(summary)
    }
}

fn manifest(
    session: &Session,
    root: crate::tree::Root,
    packs: &[PackRecord],
    summary: &Summary,
    client: &Client,
    options: &BackupOptions,
    started: Timestamp,
) -> Manifest {
    let (writer, sequence) = session.place();
    let ids: Vec<_> = packs.iter().map(|pack| pack.id).collect();
    Manifest {
        writer,
        sequence,
        session: session.id,
        parent: summary.parent,
        root: root.id,
        root_level: root.level,
        paths: options.paths.clone(),
        host: client.host.clone(),
        user: client.user.clone(),
        tags: sorted(&options.tags),
        started: nanoseconds(started),
        finished: nanoseconds((options.clock)()),
        program: client.program.clone(),
        description: options.description.clone(),
        config_generation: session.config_generation(),
        totals: summary.totals,
        problems: summary.problems.iter().take(MAX_PROBLEMS).cloned().collect(),
        completeness: if summary.problems.is_empty() { Completeness::Complete } else { Completeness::Partial },
        pack_count: packs.len() as u64,
        pack_bytes: packs.iter().map(|pack| pack.length).sum(),
        packs_digest: packs_digest(&ids),
    }
}

/// Snapshots that a backup compares with.
struct Before {
    parent: Option<Snapshot>,
    relative: Option<Snapshot>,
}

impl Before {
    /// The parent that the user wants, or else the newest snapshot of this host whose tree begins like this one will, perhaps of a
    /// folder that has moved: new content may resemble the files of the same path there.
    fn find(
        repository: &Repository,
        history: &History,
        options: &BackupOptions,
        wanted: &Parent,
        client: &Client,
        events: &dyn Events,
    ) -> Result<Self> {
        let (snapshots, _) = history.snapshots(repository)?;
        let newest = |fits: &dyn Fn(&Snapshot) -> bool| snapshots.iter().rev().find(|snapshot| fits(snapshot)).cloned();
        let is_own = |snapshot: &Snapshot| snapshot.manifest.host == client.host;
        let is_same = |snapshot: &Snapshot| is_own(snapshot) && snapshot.manifest.paths == options.paths;
        let parent = match wanted {
            Parent::None => None,
            Parent::Newest => newest(&is_same),
            Parent::Snapshot(id) => {
                let found = newest(&|snapshot| snapshot.id == *id);
                Some(found.ok_or_else(|| Error::NoSnapshot { selector: id.to_string() })?)
            }
        };
        if let Some(Snapshot { manifest: Manifest { totals, .. }, .. }) = &parent {
            // The best guess there is without walking twice.
            events.expected(totals.files + totals.directories + totals.others, totals.bytes);
        }
        let relative = if parent.is_none() { newest(&is_same).or_else(|| newest(&is_own)) } else { None };
        Ok(Self { parent, relative })
    }
}

fn summary(parent: Option<&Snapshot>, outcome: Outcome, writer: &Writer) -> Summary {
    let mut totals = outcome.totals;
    totals.new_chunks = writer.written.chunks.load(Ordering::Relaxed);
    totals.new_plain_bytes = writer.written.plain_bytes.load(Ordering::Relaxed);
    totals.stored_bytes = writer.written.stored_bytes.load(Ordering::Relaxed);
    totals.problems = outcome.problems.len() as u64;
    Summary { snapshot: None, parent: parent.map(|parent| parent.id), totals, problems: outcome.problems }
}

fn sorted(tags: &[String]) -> Vec<String> {
    let mut tags = tags.to_vec();
    tags.sort();
    tags.dedup();
    tags
}

fn nanoseconds(time: Timestamp) -> i64 {
    time.seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(time.nanos))
}

/// A visible snapshot's chunks are all in visible packs (I2). Unless a pack is lost, damaged or condemned, or a log slot that made packs visible,
/// that needs no look-up per chunk.
fn trusts_parent(repository: &Repository, session: &mut Session<'_>) -> Result<bool> {
    session.distrust_damaged()?;
    Ok(session.absent_packs.is_empty() && session.history.gaps(repository)?.is_empty())
}
