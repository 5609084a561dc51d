// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which snapshots of two repositories are copies of each other. Nothing is stored about that: a copy keeps everything that
//! its original says of the moment, to the nanosecond.

use std::collections::{HashMap, HashSet};

use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::manifest::Manifest;

use crate::history::Snapshot;

/// Whether one can only be a copy of the other, or of the same third one. Tags change and do not count; ids of trees differ.
fn are_twins(one: &Manifest, other: &Manifest) -> bool {
    let counts = |manifest: &Manifest| {
        let totals = &manifest.totals;
        (totals.files, totals.directories, totals.others, totals.bytes, totals.problems)
    };
    (one.started, one.finished) == (other.started, other.finished)
        && (&one.host, &one.user, &one.paths) == (&other.host, &other.user, &other.paths)
        && one.description == other.description
        && counts(one) == counts(other)
}

/// Snapshots of the source with their copies in the target.
#[derive(Default)]
pub(super) struct Twins {
    pairs: HashMap<SnapshotId, Snapshot>,
    /// Snapshots of the target that were looked at.
    seen: HashSet<SnapshotId>,
}

impl Twins {
    /// Whether a snapshot of the target was looked at.
    pub(super) fn has_seen(&self, there: &SnapshotId) -> bool {
        self.seen.contains(there)
    }

    /// Pairs what both have; `there` are snapshots of the target that have not been seen.
    pub(super) fn see(&mut self, here: &[Snapshot], there: Vec<Snapshot>) {
        let mut by_time: HashMap<i64, Vec<&Snapshot>> = HashMap::new();
        for snapshot in here {
            by_time.entry(snapshot.manifest.started).or_default().push(snapshot);
        }
        for other in there {
            self.seen.insert(other.id);
            for own in by_time.get(&other.manifest.started).into_iter().flatten() {
                if are_twins(&own.manifest, &other.manifest) {
                    self.pairs.insert(own.id, other.clone());
                }
            }
        }
    }

    /// The copy of a snapshot of the source.
    pub(super) fn of(&self, here: &SnapshotId) -> Option<&Snapshot> {
        self.pairs.get(here)
    }

    /// The pair that is most like a snapshot: its parent, else the last one before it of the same host and paths.
    pub(super) fn base<'a>(&'a self, snapshot: &Snapshot, all: &'a [Snapshot]) -> Option<(&'a Snapshot, &'a Snapshot)> {
        let manifest = &snapshot.manifest;
        let is_parent = |other: &&Snapshot| Some(other.id) == manifest.parent;
        let is_like = |other: &&Snapshot| {
            (&other.manifest.host, &other.manifest.paths) == (&manifest.host, &manifest.paths)
                && other.manifest.started <= manifest.started
        };
        let paired = || all.iter().rev().filter(|other| self.pairs.contains_key(&other.id));
        let here = paired().find(is_parent).or_else(|| paired().find(is_like))?;
        Some((here, self.of(&here.id)?))
    }
}
