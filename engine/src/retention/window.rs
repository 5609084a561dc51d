// SPDX-License-Identifier: MIT OR Apache-2.0
//! When a snapshot can have been made, as FORGET slots bear witness (`docs/format.md` section 10.1): what stops a flood of
//! snapshots with made-up times from pushing out good ones.
//!
//! Trusts the clocks of those who forgot, not of those who backed up.

use std::collections::HashMap;

use keepfast_repo_format::id::WriterId;

use crate::history::{History, Observation, Snapshot};

const NANOSECONDS: i64 = 1_000_000_000;

/// From when to when a snapshot can have been made, in Unix nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first moment.
    pub from: i64,
    /// The last moment.
    pub until: i64,
}

impl Window {
    /// Whether a claimed time can be true.
    pub fn holds(&self, claimed: i64) -> bool {
        (self.from..=self.until).contains(&claimed)
    }
}

/// The windows of all snapshots.
pub struct Windows {
    /// In the order of slots; what was seen grows.
    observations: Vec<Observation>,
    now: u64,
}

impl Windows {
    /// From the FORGET slots, in the order of slots; `now` in Unix seconds.
    pub fn new(observations: &[Observation], now: u64) -> Self {
        let mut seen: HashMap<WriterId, u64> = HashMap::new();
        let mut grown = Vec::with_capacity(observations.len());
        for observation in observations {
            for (writer, sequence) in &observation.seen {
                let known = seen.entry(*writer).or_insert(*sequence);
                *known = (*known).max(*sequence);
            }
            grown.push(Observation { time: observation.time, seen: seen.clone() });
        }
        Self { observations: grown, now }
    }

    /// The window of what was committed at a place of the log.
    pub fn at(&self, (writer, sequence): (WriterId, u64)) -> Window {
        let observed = self.first_observation((writer, sequence));
        // A slot carries whole seconds: everything in that second is before it, and after it.
        let from = observed.checked_sub(1).map_or(i64::MIN, |before| nanoseconds(self.observations[before].time));
        let until = self.observations.get(observed).map_or(self.now, |observation| observation.time);
        Window { from, until: nanoseconds(until).saturating_add(NANOSECONDS - 1) }
    }

    /// Whether a FORGET slot has seen the place.
    pub fn is_observed(&self, place: (WriterId, u64)) -> bool {
        self.first_observation(place) < self.observations.len()
    }

    /// Whether the snapshot's claimed start can be true. A manifest that claims another slot than the one that names it is not
    /// believed either.
    pub fn date(&self, snapshot: &Snapshot, history: &History) -> bool {
        let place = (snapshot.manifest.writer, snapshot.manifest.sequence);
        history.committed_at(place) == Some(snapshot.id) && self.at(place).holds(snapshot.manifest.started)
    }

    /// Its number; the number of all if there is none.
    fn first_observation(&self, (writer, sequence): (WriterId, u64)) -> usize {
        let has_not_seen =
            |observation: &Observation| observation.seen.get(&writer).is_none_or(|seen| *seen < sequence);
        self.observations.partition_point(has_not_seen)
    }
}

fn nanoseconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(NANOSECONDS)
}
