// SPDX-License-Identifier: MIT OR Apache-2.0
//! Making snapshots invisible: those that are named, or those that a policy does not keep. An entry in the log; what only
//! they refer to is deleted by prune, and until then `undelete` brings them back.

use std::collections::HashSet;

use jiff::tz::TimeZone;
use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::log::LogBody;

use crate::error::{Error, Result};
use crate::history::{History, Snapshot};
use crate::repository::Repository;
use crate::retention::{Candidate, GroupKey, Grouping, Policy, Reason, Windows, groups, judge};
use crate::select::Scope;
use crate::session::{Client, Role, Session};

/// Which snapshots are forgotten.
#[derive(Clone, Debug)]
pub enum Selection {
    /// These.
    Named(Vec<SnapshotId>),
    /// Those in the scope that the policy does not keep.
    Policy {
        /// What the policy is about; other snapshots stay and take nobody's place.
        scope: Scope,
        /// What is kept.
        policy: Policy,
        /// Which snapshots compete.
        grouping: Grouping,
        /// Where days begin.
        zone: TimeZone,
    },
}

/// Whether anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Forgets.
    Write,
    /// Says what would be forgotten.
    DryRun,
}

/// What becomes of a snapshot.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Why it stays; without a reason it goes.
    pub reasons: Vec<Reason>,
}

impl Verdict {
    /// Whether it stays.
    pub fn is_kept(&self) -> bool {
        !self.reasons.is_empty()
    }
}

/// The verdicts on one group, the oldest snapshot first.
#[derive(Clone, Debug)]
pub struct GroupVerdict {
    /// What the snapshots share.
    pub key: GroupKey,
    /// One for each snapshot.
    pub verdicts: Vec<Verdict>,
}

/// What was forgotten, or would be.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// By group; empty if snapshots were named.
    pub groups: Vec<GroupVerdict>,
    /// All that go.
    pub removed: Vec<SnapshotId>,
    /// Snapshots that no policy can judge, because they can not be read. They stay unless they are named.
    pub unreadable: usize,
}

impl Outcome {
    /// A tag with a slip of the pen keeps nothing: who wants all snapshots gone names them.
    fn refuse_to_remove_all(&self) -> Result<()> {
        let mut all = self.groups.iter().flat_map(|group| &group.verdicts);
        if self.removed.is_empty() || self.groups.is_empty() || all.any(Verdict::is_kept) {
            return Ok(());
        }
        Err(Error::KeepsNothing { count: self.removed.len() })
    }
}

/// Forgets. Writes a FORGET slot also when it removes nothing but there are snapshots that none has seen: so their times are
/// witnessed before anybody can flood the log with others.
///
/// # Errors
/// [`Error::NoSnapshot`] if a named one is not visible; an empty policy; [`Error::KeepsNothing`] unless it is a dry run.
pub fn forget(repository: &Repository, client: &Client, selection: &Selection, mode: Mode) -> Result<Outcome> {
    let history = repository.history()?;
    let outcome = decide(repository, &history, client, selection)?;
    if mode == Mode::Write {
        outcome.refuse_to_remove_all()?;
    }
    let is_news = || has_unseen_commits(&history);
    if mode == Mode::DryRun || (outcome.removed.is_empty() && !is_news()) {
        return Ok(outcome);
    }
    let session = Session::open(repository, client.clone(), Role::Writer)?;
    // Somebody may have come between; only what is seen from inside the session is acted on.
    let decided = decide(repository, &session.history, client, selection)
        .and_then(|outcome| outcome.refuse_to_remove_all().map(|()| outcome));
    match decided {
        Ok(outcome) => {
            session.record(LogBody::Forget { snapshots: outcome.removed.clone() })?;
            Ok(outcome)
        }
        Err(error) => {
            // The reason matters more than whether the slot could be ended.
            let _ = session.abandon();
            Err(error)
        }
    }
}

fn has_unseen_commits(history: &History) -> bool {
    let windows = Windows::new(history.observations(), 0);
    history.commit_places().any(|place| !windows.is_observed(place))
}

fn decide(repository: &Repository, history: &History, client: &Client, selection: &Selection) -> Result<Outcome> {
    match selection {
        Selection::Named(ids) => named(history, ids),
        Selection::Policy { scope, policy, grouping, zone } => {
            policy.check().map_err(|error| Error::Invalid(error.to_string()))?;
            let (snapshots, damaged) = history.snapshots(repository)?;
            let windows = Windows::new(history.observations(), client.now);
            let groups = groups(&scope.filter(&snapshots), grouping, &windows, history);
            let groups: Vec<GroupVerdict> =
                groups.iter().map(|group| verdicts(&group.key, &group.snapshots, policy, zone)).collect();
            let all = groups.iter().flat_map(|group| &group.verdicts);
            let removed = all.filter(|verdict| !verdict.is_kept()).map(|verdict| verdict.snapshot.id).collect();
            Ok(Outcome { removed, groups, unreadable: damaged.len() })
        }
    }
}

fn named(history: &History, ids: &[SnapshotId]) -> Result<Outcome> {
    let visible: HashSet<SnapshotId> = history.snapshot_ids().collect();
    match ids.iter().find(|id| !visible.contains(id)) {
        Some(missing) => Err(Error::NoSnapshot { selector: missing.to_string() }),
        None => Ok(Outcome { removed: ids.to_vec(), ..Outcome::default() }),
    }
}

fn verdicts(key: &GroupKey, snapshots: &[&Snapshot], policy: &Policy, zone: &TimeZone) -> GroupVerdict {
    let candidates: Vec<Candidate> = snapshots
        .iter()
        .map(|snapshot| Candidate { started: snapshot.manifest.started, tags: &snapshot.tags })
        .collect();
    let reasons = judge(&candidates, policy, zone);
    let verdict = |(snapshot, reasons): (&&Snapshot, _)| Verdict { snapshot: (*snapshot).clone(), reasons };
    GroupVerdict { key: key.clone(), verdicts: snapshots.iter().zip(reasons).map(verdict).collect() }
}
