// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rules of a policy, and the reasons they give.

use std::fmt;
use std::num::NonZeroU32;

use super::{Period, Span};

/// How many buckets a rule keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// This many.
    First(NonZeroU32),
    /// All that there are.
    Unlimited,
}

impl Limit {
    /// Reads a number, `unlimited` or `-1`.
    ///
    /// # Errors
    /// [`PolicyError::KeepsNothing`] for 0; not a number.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if matches!(text, "unlimited" | "-1") {
            return Ok(Self::Unlimited);
        }
        let number: u32 = text.parse().map_err(|_| PolicyError::Limit { text: text.to_string() })?;
        NonZeroU32::new(number).map(Self::First).ok_or(PolicyError::KeepsNothing)
    }

    /// Whether a bucket may still be kept after `kept` of them.
    pub(super) fn allows(self, kept: u32) -> bool {
        match self {
            Self::First(limit) => kept < limit.get(),
            Self::Unlimited => true,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First(limit) => limit.fmt(f),
            Self::Unlimited => f.write_str("unlimited"),
        }
    }
}

/// What is kept. A snapshot stays if any rule keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// One snapshot of each of so many buckets.
    pub counts: Vec<(Period, Limit)>,
    /// One snapshot of each bucket that is not older than this before the newest snapshot; [`Period::Last`]: all of them.
    pub within: Vec<(Period, Span)>,
    /// Snapshots that have all tags of one of these lists.
    pub tags: Vec<Vec<String>>,
}

impl Policy {
    /// Refuses a policy that would keep nothing at all.
    ///
    /// # Errors
    /// [`PolicyError::Empty`].
    pub fn check(&self) -> Result<(), PolicyError> {
        let is_empty = self.counts.is_empty() && self.within.is_empty() && self.tags.is_empty();
        if is_empty { Err(PolicyError::Empty) } else { Ok(()) }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts.iter().map(|(period, limit)| format!("{period} {limit}"));
        let within = self.within.iter().map(|(period, span)| within_text(*period, *span));
        let tags = self.tags.iter().map(|tags| format!("tag {}", tags.join(",")));
        f.write_str(&counts.chain(within).chain(tags).collect::<Vec<_>>().join(", "))
    }
}

/// Why a snapshot is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It stands for the bucket with this number, from the newest.
    Count(Period, u32),
    /// The rule has places left and this is the oldest snapshot.
    Oldest(Period),
    /// It is young enough, and stands for its bucket.
    Within(Period, Span),
    /// It has these tags.
    Tags(Vec<String>),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(period, number) => write!(f, "{period} {number}"),
            Self::Oldest(period) => write!(f, "oldest {period}"),
            Self::Within(period, span) => f.write_str(&within_text(*period, *span)),
            Self::Tags(tags) => write!(f, "tag {}", tags.join(",")),
        }
    }
}

fn within_text(period: Period, span: Span) -> String {
    match period {
        Period::Last => format!("within {span}"),
        period => format!("{period} within {span}"),
    }
}

/// A policy that can not be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// It has no rule.
    #[error("the policy keeps nothing: name at least one thing to keep")]
    Empty,
    /// A rule for 0 snapshots.
    #[error("a rule that keeps 0 snapshots keeps nothing: leave it out, or name the snapshots to forget")]
    KeepsNothing,
    /// Not a number of snapshots.
    #[error("{text:?} is not a number of snapshots; write 7, or unlimited")]
    Limit {
        /// What was given.
        text: String,
    },
    /// Not a length of time.
    #[error("{text:?} is not a length of time; write 7d, or 1y5m7d2h for years, months, days and hours")]
    Span {
        /// What was given.
        text: String,
    },
    /// Not a way to group.
    #[error("{text:?} is nothing to group by; write host, path and tag with commas, or nothing for one group")]
    Grouping {
        /// What was given.
        text: String,
    },
}
