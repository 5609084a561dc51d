// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is compared with what: the snapshots of one host and the same paths are those of one job.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use keepfast_engine::history::Snapshot;
use keepfast_engine::retention::Span;

use crate::exit::Failure;

/// A job of a host that has not run for longer than this, while others of that host have, is taken for one that was given up, in nanoseconds.
const GIVEN_UP_NANOSECONDS: i64 = 14 * 86_400_000_000_000;

/// A job and what is to be said of it.
pub enum Job<'a> {
    /// Two snapshots to compare.
    Pair {
        /// The earlier one.
        before: &'a Snapshot,
        /// The newest.
        after: &'a Snapshot,
    },
    /// It made its first snapshot.
    First(&'a Snapshot),
    /// It has made none for too long; its newest one.
    Missing(&'a Snapshot),
}

impl<'a> Job<'a> {
    /// The newest snapshot of it.
    pub fn newest(&self) -> &'a Snapshot {
        match self {
            Self::Pair { after: newest, .. } | Self::First(newest) | Self::Missing(newest) => newest,
        }
    }
}

/// All jobs of which something may have to be said, by host and paths. `snapshots` are oldest first, `now` is in Unix nanoseconds.
///
/// # Errors
/// An age is none.
pub fn jobs<'a>(
    snapshots: &[&'a Snapshot],
    since: Option<&str>,
    missing_after: &str,
    now: i64,
) -> Result<Vec<Job<'a>>, Failure> {
    let since = since.map(|age| moment("--since", age, now)).transpose()?;
    let missing = moment("--missing-after", missing_after, now)?;
    let mut lines: BTreeMap<(&str, &[Vec<u8>]), Vec<&'a Snapshot>> = BTreeMap::new();
    let mut newest_of: BTreeMap<&str, i64> = BTreeMap::new();
    for snapshot in snapshots {
        let manifest = &snapshot.manifest;
        lines.entry((&manifest.host, &manifest.paths)).or_default().push(snapshot);
        let newest = newest_of.entry(&manifest.host).or_insert(i64::MIN);
        *newest = manifest.started.max(*newest);
    }
    let mut jobs = Vec::new();
    for ((host, _), line) in lines {
        let Some((newest, earlier)) = line.split_last() else { continue };
        if newest.manifest.started < missing {
            // Of a host that makes no snapshot at all every job is named, however long ago.
            let has_others = newest_of[host] >= missing;
            if !has_others || newest.manifest.started > now.saturating_sub(GIVEN_UP_NANOSECONDS) {
                jobs.push(Job::Missing(newest));
            }
            continue;
        }
        let is_before = |snapshot: &&&Snapshot| since.is_none_or(|limit| snapshot.manifest.started <= limit);
        // The newest may be from before that age itself: then nothing happened since.
        let all_old = since.is_some_and(|limit| newest.manifest.started <= limit);
        match earlier.iter().rev().find(is_before) {
            _ if all_old => {}
            Some(before) => jobs.push(Job::Pair { before, after: newest }),
            None => match earlier.first() {
                // It is younger than the age, and has changed since its first snapshot.
                Some(first) => jobs.push(Job::Pair { before: first, after: newest }),
                None => jobs.push(Job::First(newest)),
            },
        }
    }
    Ok(jobs)
}

fn moment(option: &str, age: &str, now: i64) -> Result<i64, Failure> {
    let span = Span::parse(age).map_err(|error| Failure::Usage(format!("{option}: {error}")))?;
    let now =
        Timestamp::from_nanosecond(i128::from(now)).map_err(|_| Failure::other("the clock tells no valid time"))?;
    let moment = span.before(&now.to_zoned(TimeZone::system())).timestamp().as_nanosecond();
    Ok(i64::try_from(moment).unwrap_or(i64::MIN))
}

#[cfg(test)]
mod tests;
