// SPDX-License-Identifier: MIT OR Apache-2.0
//! Prune: deletes what no visible snapshot reaches, beside running backups and without ever making them wait.
//!
//! The protocol is section 11.2 of `docs/format.md`; this module is its order, the others are its steps. First everything is looked
//! at without a session: a prune that has nothing to do writes nothing. Then come rounds, each complete in itself: packs that are
//! wholly dead first, because they need no space, then those whose live chunks have to be copied.

mod copy;
mod delete;
mod edges;
mod error;
mod fetch;
mod finder;
mod generation;
mod mark;
mod orphans;
mod plan;
mod report;
mod round;
mod runs;
mod sessions;
mod small;
mod usage;
mod view;
mod visited;

use std::collections::HashSet;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use keepfast_repo_format::id::PackId;
use keepfast_repo_format::layout;

pub use error::PruneError;
pub use plan::MaxUnused;
pub use report::Report;
pub use sessions::OpenSession;

use crate::error::{Error, Result};
use crate::events::Events;
use crate::repository::Repository;
use crate::session::Client;
use crate::writer::Compression;
use edges::Edges;
use mark::Marked;
use orphans::Strays;
use plan::{Plan, batches, choose};
use round::{Condemn, Copies, Rounds};
use small::Small;
use view::View;

/// What is done about damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDamage {
    /// Nothing is deleted while anything that should be there is not.
    Refuse,
    /// What can not be read counts as not there.
    Ignore,
}

/// Whether a prune writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It does what it says.
    Commit,
    /// It says what it would do.
    DryRun,
}

/// What is done about packs that are smaller than packs are meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmallPacks {
    /// They stay unless they hold too much that is unused.
    Keep,
    /// They are written anew where that makes them fewer.
    Repack,
}

/// What a prune shall do.
#[derive(Clone, Debug)]
pub struct PruneOptions {
    /// How much may stay unused.
    pub max_unused: MaxUnused,
    /// How many stored bytes are written anew at most.
    pub max_repack_bytes: Option<u64>,
    /// What is done about small packs.
    pub small_packs: SmallPacks,
    /// No round is begun after this time.
    pub max_time: Option<Duration>,
    /// How long open sessions are waited for, in each round.
    pub wait: Duration,
    /// Sessions that are older are ended; `None`: never.
    pub void_after: Option<Duration>,
    /// What is done about damage.
    pub on_damage: OnDamage,
    /// Whether anything is written.
    pub mode: Mode,
    /// For chunks that are written anew.
    pub compression: Compression,
}

/// Stored bytes written anew in one round when the time is limited: some seconds to some minutes of work.
const TIMED_ROUND_BYTES: u64 = 1 << 30;

/// How often the look at the repository is repeated when another collector changes what it looks at.
const ATTEMPTS: usize = 3;

/// Deletes what no visible snapshot reaches.
///
/// # Errors
/// [`PruneError`] if something that once was there is missing, [`Error::SessionVoid`] if another collector ended this one, the
/// storage, the local state, or the user cancelled. Nothing that a visible snapshot needs is lost, and the next prune finishes.
pub fn prune(repository: &Repository, client: &Client, options: &PruneOptions, events: &dyn Events) -> Result<Report> {
    let started = Instant::now();
    require_online_prune(repository)?;
    let scratch = scratch_folder(repository)?;
    let voided = match options.mode {
        Mode::Commit => {
            // What stays of it is in nobody's way.
            let _ = repository.backend.sweep_leftovers();
            sessions::end_dead(repository, client, options.void_after)?
        }
        Mode::DryRun => 0,
    };
    let mut report = Report::default();
    let (view, plan, marked) = look(repository, options, &scratch, events, &mut report)?;
    report.sessions_voided = voided;
    if options.mode == Mode::DryRun {
        report.finished = true;
        return Ok(report);
    }
    let strays = orphans::strays(repository, &view)?;
    let has_more = view.has_leftovers(repository)?
        || strays != Strays::None
        || generation::wants_merging(repository, &view.history)?;
    let Plan { dead, lost, orphans, snapshots, repack, unclaimed, .. } = plan;
    let first = Condemn::new(dead.iter().map(|pack| pack.id).chain(lost).chain(orphans), snapshots);
    let mut rounds = Rounds {
        repository,
        client,
        options,
        events,
        scratch: &scratch,
        strays,
        unclaimed,
        marked,
        report: &mut report,
    };
    let mut left = false;
    if has_more || !first.is_empty() {
        match rounds.round(&first, Copies::None)? {
            Some(done) => left = done.left > 0,
            None => return Ok(report),
        }
    }
    let batch_bytes = if options.max_time.is_some() { TIMED_ROUND_BYTES } else { u64::MAX };
    let mut parts = batches(repack, batch_bytes);
    if parts.is_empty() && left {
        parts.push(Vec::new());
    }
    for part in parts {
        if options.max_time.is_some_and(|limit| started.elapsed() >= limit) {
            rounds.report.finished = false;
            rounds.report.out_of_time = true;
            return Ok(report);
        }
        let condemn = Condemn::new(part.iter().map(|pack| pack.id), Vec::new());
        if rounds.round(&condemn, Copies::Write)?.is_none() {
            return Ok(report);
        }
    }
    report.finished = report.refused == 0;
    Ok(report)
}

/// The storage must be able to create once, and this program must know every kind of reference that there may be.
fn require_online_prune(repository: &Repository) -> Result<()> {
    let name = layout::config(repository.config_generation);
    repository.config.features.check_prune().map_err(Error::object(name))?;
    repository.require_online_prune()
}

/// Where scratch files go: beside the local index, or to the writers' identities.
fn scratch_folder(repository: &Repository) -> Result<PathBuf> {
    let folder = repository.index.folder().unwrap_or_else(|| repository.state.clone());
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|source| Error::State { operation: "create", path: folder.clone(), source })?;
    Ok(folder)
}

/// Looks at everything, and chooses.
fn look<'a>(
    repository: &'a Repository,
    options: &PruneOptions,
    scratch: &std::path::Path,
    events: &'a dyn Events,
    report: &mut Report,
) -> Result<(View, Plan, Marked<'a>)> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let view = View::read(repository)?;
        let heads = view.history.heads().clone();
        match look_once(repository, options, scratch, events, report, view) {
            // What was to be read may be what another collector has deleted, after somebody forgot it.
            Err(Error::Prune(_)) if attempt < ATTEMPTS && *repository.history()?.heads() != heads => {}
            outcome => return outcome,
        }
    }
}

fn look_once<'a>(
    repository: &'a Repository,
    options: &PruneOptions,
    scratch: &std::path::Path,
    events: &'a dyn Events,
    report: &mut Report,
    view: View,
) -> Result<(View, Plan, Marked<'a>)> {
    view.refuse_gaps(repository, options.on_damage)?;
    let mut marked = Marked::new(repository, scratch, options.on_damage, events)?;
    marked.add(&view.history)?;
    let mut edges = Edges::read(&repository.index, |pack| view.is_stored(pack), scratch)?;
    marked.follow(&mut edges)?;
    let how = (options.max_unused.move_as_is(), options.on_damage);
    let mut usage = usage::usage(repository, &view, (&mut marked, &mut edges), scratch, how)?;
    let orphans = orphans::orphan_packs(repository, &view)?;
    *report = Report::default();
    report.lost_index = repository.index.unreadable().into_iter().map(|lost| lost.name).collect();
    report.found(&view, &marked, &usage, &orphans);
    if options.on_damage == OnDamage::Ignore {
        report.unreadable += view.history.missed_slots(repository)?.len() as u64;
    }
    let unclaimed = leave_out_unclaimed(repository, &view, &mut usage, report)?;
    let lost = usage.lost;
    let small = Small::among(&usage.packs, repository, options.small_packs);
    let mut plan = choose(usage.packs, options.max_unused, options.max_repack_bytes);
    plan.add_small(small, options.max_repack_bytes);
    plan.lost = lost;
    plan.unclaimed = unclaimed;
    plan.orphans = orphans.ended;
    plan.orphan_bytes = orphans.ended_bytes;
    plan.snapshots = forgotten(repository, &view)?;
    report.planned(&plan);
    Ok((view, plan, marked))
}

/// Takes what nobody can tell whose it is out of what is chosen from; returns those packs in which nothing is live: they must not become
/// visible for good, or the next prune would take them.
fn leave_out_unclaimed(
    repository: &Repository,
    view: &View,
    usage: &mut usage::Usage,
    report: &mut Report,
) -> Result<HashSet<PackId>> {
    let unclaimed = orphans::unclaimed_packs(repository, view)?;
    let dead: HashSet<PackId> =
        usage.packs.iter().filter(|pack| pack.is_dead() && unclaimed.contains(&pack.id)).map(|pack| pack.id).collect();
    usage.packs.retain(|pack| !unclaimed.contains(&pack.id));
    report.unknown_packs.extend(&dead);
    Ok(dead)
}

/// Forgotten snapshots whose manifests stand and which nobody has condemned yet.
fn forgotten(repository: &Repository, view: &View) -> Result<Vec<keepfast_repo_format::id::SnapshotId>> {
    let forgotten: HashSet<_> = view.history.forgotten_ids().collect();
    if forgotten.is_empty() {
        return Ok(Vec::new());
    }
    let condemned: HashSet<_> = view.lists.iter().flat_map(|list| &list.snapshots).collect();
    let listed = repository.backend.list(layout::SNAPSHOTS_FOLDER)?;
    let standing = listed.iter().filter_map(|object| layout::parse_snapshot(object.name.as_str()));
    Ok(standing.filter(|id| forgotten.contains(id) && !condemned.contains(id)).collect())
}
