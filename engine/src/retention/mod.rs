// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which snapshots a policy keeps, and why: pure functions of snapshots, windows, rules and a time zone.
//!
//! For `forget`. Reads no repository, no clock and no environment; removes nothing.
//!
//! Rules are those that users know: from the newest back, a rule `daily 7` keeps the last snapshot of each of seven days that
//! have one. A snapshot stays if any rule keeps it. Where a rule has places left, it keeps the oldest snapshot too.

mod group;
mod judge;
mod period;
mod policy;
mod span;
mod window;

pub use group::{By, Dating, Group, GroupKey, Grouping, groups};
pub use judge::{Candidate, judge};
pub use period::Period;
pub use policy::{Limit, Policy, PolicyError, Reason};
pub use span::Span;
pub use window::{Window, Windows};

#[cfg(test)]
mod tests;
