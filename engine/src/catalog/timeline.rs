// SPDX-License-Identifier: MIT OR Apache-2.0
//! From places back to snapshots: the course of a path through those that the caller chose, in the order of time.
//!
//! For those who ask the catalog. A host whose snapshots come from several sets of paths has one course for each path, through all snapshots of
//! the sets that ever had it: of the others it can not be missing.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::{Catalog, Interval, Version};
use crate::history::Snapshot;
use crate::index::IndexError;

/// The snapshots of an answer, by line and place. They are named by their number in the list that the caller gave.
pub struct Timeline {
    lines: HashMap<i64, Line>,
    merged: RefCell<HashMap<Vec<i64>, Rc<[usize]>>>,
}

/// The chosen snapshots of a line, in the order of their places.
struct Line {
    host: usize,
    places: Vec<i64>,
    snapshots: Vec<usize>,
    /// In the order of time, which is that of places as a rule.
    order: Rc<[usize]>,
    is_straight: bool,
}

/// What a path was on one host, snapshot by snapshot.
pub struct Course<'v> {
    /// Snapshots, the oldest first.
    pub order: Rc<[usize]>,
    runs: Vec<Run<'v>>,
}

/// A version and the positions in the order from which and up to which it held.
#[derive(Clone, Copy)]
struct Run<'v> {
    start: usize,
    end: usize,
    version: &'v Version,
}

/// A snapshot, and what the path was in the one before it and in this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'v> {
    /// Number of the snapshot.
    pub snapshot: usize,
    /// `None` if it was not there.
    pub before: Option<&'v Version>,
    /// `None` if it is not there.
    pub after: Option<&'v Version>,
}

impl Timeline {
    /// Of these snapshots, oldest first. Those that the catalog has not learned do not take part.
    ///
    /// # Errors
    /// The database.
    pub fn new(catalog: &Catalog, chosen: &[&Snapshot]) -> Result<Self, IndexError> {
        let known = catalog.known()?;
        let mut hosts: HashMap<&str, usize> = HashMap::new();
        let mut found: HashMap<i64, (usize, Vec<(i64, usize)>)> = HashMap::new();
        for (number, snapshot) in chosen.iter().enumerate() {
            let count = hosts.len();
            let host = *hosts.entry(&snapshot.manifest.host).or_insert(count);
            if let Some((line, place)) = known.get(&snapshot.id) {
                found.entry(*line).or_insert((host, Vec::new())).1.push((*place, number));
            }
        }
        let lines = found.into_iter().map(|(line, (host, members))| (line, Line::new(host, members))).collect();
        Ok(Self { lines, merged: RefCell::default() })
    }

    /// The snapshots in which an interval holds, and the number of their host.
    pub fn snapshots(&self, interval: &Interval) -> (usize, &[usize]) {
        let Some(line) = self.lines.get(&interval.line) else { return (0, &[]) };
        let start = line.places.partition_point(|place| *place < interval.first);
        let end = line.places.partition_point(|place| *place <= interval.last);
        (line.host, line.snapshots.get(start..end).unwrap_or_default())
    }

    /// The course of a path on each host that has it, from all its intervals.
    pub fn courses<'v>(&self, intervals: &'v [Interval]) -> Vec<Course<'v>> {
        let mut hosts: BTreeMap<usize, Vec<&'v Interval>> = BTreeMap::new();
        for interval in intervals {
            let (host, snapshots) = self.snapshots(interval);
            if !snapshots.is_empty() {
                hosts.entry(host).or_default().push(interval);
            }
        }
        hosts.into_values().map(|intervals| self.course(&intervals)).collect()
    }

    fn course<'v>(&self, intervals: &[&'v Interval]) -> Course<'v> {
        let mut lines: Vec<i64> = intervals.iter().map(|interval| interval.line).collect();
        lines.sort_unstable();
        lines.dedup();
        let (order, is_straight) = match &lines[..] {
            [only] => self.lines.get(only).map_or((Rc::default(), true), |line| (line.order.clone(), line.is_straight)),
            _ => (self.merge(&lines), false),
        };
        let position = |snapshot: usize| order.partition_point(|other| *other < snapshot);
        let mut runs: Vec<Run> = Vec::new();
        for interval in intervals {
            let (_, snapshots) = self.snapshots(interval);
            let version = &interval.version;
            if let (true, [first, .., last] | [first @ last]) = (is_straight, snapshots) {
                runs.push(Run { start: position(*first), end: position(*last), version });
            } else {
                let single = |snapshot: &usize| Run { start: position(*snapshot), end: position(*snapshot), version };
                runs.extend(snapshots.iter().map(single));
            }
        }
        runs.sort_by_key(|run| run.start);
        runs.dedup_by(|next, run| {
            let joins = run.end + 1 == next.start && run.version == next.version;
            if joins {
                run.end = next.end;
            }
            joins
        });
        Course { order, runs }
    }

    /// Snapshots of several lines in the order of time.
    fn merge(&self, lines: &[i64]) -> Rc<[usize]> {
        let mut merged = self.merged.borrow_mut();
        let make = || {
            let members = lines.iter().filter_map(|line| self.lines.get(line));
            let mut all: Vec<usize> = members.flat_map(|line| line.order.iter().copied()).collect();
            all.sort_unstable();
            Rc::from(all)
        };
        merged.entry(lines.to_vec()).or_insert_with(make).clone()
    }
}

impl Line {
    fn new(host: usize, mut members: Vec<(i64, usize)>) -> Self {
        // They come in the order of time.
        let order: Rc<[usize]> = members.iter().map(|(_, snapshot)| *snapshot).collect();
        let is_straight = members.is_sorted();
        members.sort_unstable();
        let (places, snapshots) = members.into_iter().unzip();
        Self { host, places, snapshots, order, is_straight }
    }
}

impl<'v> Course<'v> {
    /// The snapshots in which the path is something else than in the one before.
    pub fn steps(&self) -> Vec<Step<'v>> {
        let mut steps = Vec::new();
        let mut at = 0;
        let mut before = None;
        for run in &self.runs {
            if run.start > at && before.is_some() {
                steps.push(Step { snapshot: self.order[at], before, after: None });
                before = None;
            }
            steps.push(Step { snapshot: self.order[run.start], before, after: Some(run.version) });
            (at, before) = (run.end + 1, Some(run.version));
        }
        if before.is_some() && at < self.order.len() {
            steps.push(Step { snapshot: self.order[at], before, after: None });
        }
        steps
    }

    /// What the path was in the snapshot with this number, or in the last one before it that this course goes through.
    pub fn at(&self, snapshot: usize) -> Option<&'v Version> {
        let position = self.order.partition_point(|other| *other <= snapshot).checked_sub(1)?;
        let run = self.runs.get(self.runs.partition_point(|run| run.start <= position).checked_sub(1)?)?;
        (position <= run.end).then_some(run.version)
    }

    /// The newest snapshot that has the path.
    pub fn newest(&self) -> Option<usize> {
        self.runs.last().map(|run| self.order[run.end])
    }

    /// Every snapshot, changed or not.
    pub fn all_steps(&self) -> Vec<Step<'v>> {
        let mut before = None;
        let step = |snapshot: &usize| {
            let after = self.at(*snapshot);
            Step { snapshot: *snapshot, before: std::mem::replace(&mut before, after), after }
        };
        self.order.iter().map(step).collect()
    }
}
