// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds the rows of a table that differ, in memory that has a bound whatever the table.
//!
//! Both sides are read at once. A row that the other side has at the same place costs nothing. Any other waits, by its
//! digest, until the other side comes to it, and what waits at the end differs. Beyond [`MAX_WAITING_ROWS`] the table
//! is read again for each of several parts of its keys.

use super::layout::Table;
use super::lines::Side;
use super::plan::{Digest, Plan, Which};
use super::rows::{Rows, Spot};
use super::values;
use crate::compare::Trouble;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// What fills a map of 2^21 places of 49 bytes: 103 MB, and 154 MB while it grows.
pub(super) const MAX_WAITING_ROWS: usize = 1_800_000;

/// Bits of the key that parts are made by. Beyond, too many rows have the same key.
const MAX_BITS: u32 = 24;

/// A row that one side has, or that the sides have with other values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// Only the first has it.
    Removed(Spot),
    /// Only the second.
    Added(Spot),
    /// Both have its key.
    Changed(Spot, Spot),
}

/// Is told of a difference, and how many such rows there are.
pub(super) type Tell<'a> = &'a mut dyn FnMut(Difference, u64) -> Result<(), Trouble>;

/// A table of both sides.
pub(super) struct Matching<'a> {
    /// The contents.
    pub before: Side<'a>,
    /// The second.
    pub after: Side<'a>,
    /// What they have of the table.
    pub tables: (&'a Table, &'a Table),
    /// How rows are compared.
    pub plan: &'a Plan,
    /// Rows that may wait: [`MAX_WAITING_ROWS`].
    pub limit: usize,
}

/// The keys that end with some bits.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    bits: u32,
    value: u64,
}

impl Part {
    fn holds(self, key: u64) -> bool {
        key & ((1 << self.bits) - 1) == self.value
    }

    fn split(self, bits: u32) -> impl Iterator<Item = Self> {
        (0..1 << bits).map(move |low: u64| Self { bits: self.bits + bits, value: self.value | low << self.bits })
    }
}

/// Rows of one digest that one side has more of.
struct Waiting {
    key: u64,
    spot: Spot,
    /// How many more the first has; less than zero if it is the second.
    count: i64,
}

/// By the digest of the row.
type Map = HashMap<[u8; 16], Waiting>;

/// The outcome of a part.
enum Outcome {
    Complete(Map),
    /// Too many rows wait, after this share of the content.
    Full(f64),
}

/// One side while it is read.
struct Walk<'a> {
    rows: Rows<'a>,
    which: Which,
    plan: &'a Plan,
    part: Part,
    digest: Option<Digest>,
    is_live: bool,
}

impl Walk<'_> {
    /// Goes to the next row of the part.
    fn advance(&mut self) -> Result<(), Trouble> {
        loop {
            self.digest = None;
            self.is_live = self.rows.advance()?;
            if !self.is_live || self.part.bits == 0 {
                return Ok(());
            }
            let values = values::values(self.rows.row(), self.rows.form());
            let key = self.plan.key_digest(&values, self.which);
            if self.part.holds(key) {
                self.digest = Some(Digest { row: self.plan.row_digest(&values, self.which), key });
                return Ok(());
            }
        }
    }

    fn digest(&mut self) -> Digest {
        let (rows, plan, which) = (&self.rows, self.plan, self.which);
        *self.digest.get_or_insert_with(|| {
            let values = values::values(rows.row(), rows.form());
            Digest { row: plan.row_digest(&values, which), key: plan.key_digest(&values, which) }
        })
    }
}

impl Matching<'_> {
    /// Tells every difference: part by part, in each those of the first in its order, then rows that were added.
    pub fn run(&self, tell: Tell) -> Result<(), Trouble> {
        let mut parts = vec![Part::default()];
        while let Some(part) = parts.pop() {
            let (mut before, mut after) = (self.walk(Which::Before, part), self.walk(Which::After, part));
            before.advance()?;
            after.advance()?;
            match (before.is_live, after.is_live) {
                (false, _) => Self::all(&mut after, tell)?,
                (_, false) => Self::all(&mut before, tell)?,
                (true, true) => match self.part(before, after)? {
                    Outcome::Complete(waiting) => self.tell(waiting, tell)?,
                    Outcome::Full(share) => {
                        let bits = (-share.log2()).ceil().clamp(1.0, 8.0) as u32;
                        if part.bits + bits > MAX_BITS {
                            return Err(self.before.gave_up(0, "too many rows of a table have the same key"));
                        }
                        parts.extend(part.split(bits));
                    }
                },
            }
        }
        Ok(())
    }

    fn walk(&self, which: Which, part: Part) -> Walk<'_> {
        let rows = match which {
            Which::Before => Rows::new(self.before, self.tables.0),
            Which::After => Rows::new(self.after, self.tables.1),
        };
        Walk { rows, which, plan: self.plan, part, digest: None, is_live: false }
    }

    /// The other side has no row: nothing needs to wait.
    fn all(walk: &mut Walk, tell: Tell) -> Result<(), Trouble> {
        while walk.is_live {
            let spot = walk.rows.spot();
            let difference = match walk.which {
                Which::Before => Difference::Removed(spot),
                Which::After => Difference::Added(spot),
            };
            tell(difference, 1)?;
            walk.advance()?;
        }
        Ok(())
    }

    /// Reads both sides. A side whose row was waited for goes on alone, so that they are at equal rows again.
    fn part<'a>(&self, mut before: Walk<'a>, mut after: Walk<'a>) -> Result<Outcome, Trouble> {
        let mut waiting = Map::new();
        while before.is_live || after.is_live {
            if before.is_live && after.is_live && self.is_equal(&mut before, &mut after) {
                before.advance()?;
                after.advance()?;
            } else if before.is_live && meet(&mut waiting, before.digest(), Which::Before) {
                before.advance()?;
            } else if after.is_live && meet(&mut waiting, after.digest(), Which::After) {
                after.advance()?;
            } else {
                for walk in [&mut before, &mut after].into_iter().filter(|walk| walk.is_live) {
                    wait(&mut waiting, walk);
                    walk.advance()?;
                }
                if waiting.len() > self.limit {
                    return Ok(Outcome::Full(self.share(&before, &after)));
                }
            }
        }
        Ok(Outcome::Complete(waiting))
    }

    fn is_equal(&self, before: &mut Walk, after: &mut Walk) -> bool {
        let is_comparable = self.plan.is_literal && before.rows.form() == after.rows.form();
        if is_comparable && before.rows.row() == after.rows.row() {
            return true;
        }
        before.digest().row == after.digest().row
    }

    fn share(&self, before: &Walk, after: &Walk) -> f64 {
        let bytes = |table: &Table| table.segments.iter().map(|one| one.range.end - one.range.start).sum::<u64>();
        let whole = bytes(self.tables.0) + bytes(self.tables.1);
        (before.rows.done_bytes() + after.rows.done_bytes()) as f64 / whole.max(1) as f64
    }

    fn tell(&self, waiting: Map, tell: Tell) -> Result<(), Trouble> {
        let mut waiting: Vec<Waiting> = waiting.into_values().collect();
        waiting.sort_unstable_by_key(|one| (one.key, one.count < 0, one.spot.offset));
        let mut differences = Vec::new();
        for group in waiting.chunk_by_mut(|one, other| one.key == other.key) {
            pair(group, !self.plan.key.is_empty(), &mut differences);
        }
        drop(waiting);
        differences.sort_unstable_by_key(|(difference, _)| match difference {
            Difference::Removed(spot) | Difference::Changed(spot, _) => (Which::Before as u8, spot.offset),
            Difference::Added(spot) => (Which::After as u8, spot.offset),
        });
        differences.into_iter().try_for_each(|(difference, times)| tell(difference, times))
    }
}

/// Ends the wait of the other side for this row, if it does.
fn meet(waiting: &mut Map, digest: Digest, which: Which) -> bool {
    let Entry::Occupied(mut entry) = waiting.entry(digest.row) else { return false };
    let count = &mut entry.get_mut().count;
    match which {
        Which::Before if *count < 0 => *count += 1,
        Which::After if *count > 0 => *count -= 1,
        _ => return false,
    }
    if *count == 0 {
        entry.remove();
    }
    true
}

/// Lets a row wait that [`meet`] does not find.
fn wait(waiting: &mut Map, walk: &mut Walk) {
    let (digest, spot) = (walk.digest(), walk.rows.spot());
    let one = waiting.entry(digest.row).or_insert(Waiting { key: digest.key, spot, count: 0 });
    one.count = match walk.which {
        Which::Before => one.count + 1,
        Which::After => one.count - 1,
    };
}

/// Pairs rows of one key, those of the first before those of the second; usually there is one of each.
fn pair(group: &mut [Waiting], is_keyed: bool, differences: &mut Vec<(Difference, u64)>) {
    let split = group.partition_point(|one| one.count > 0);
    let (before, after) = group.split_at_mut(split);
    let (mut before, mut after) = (before.iter_mut().peekable(), after.iter_mut().peekable());
    while let (true, Some(one), Some(other)) = (is_keyed, before.peek_mut(), after.peek_mut()) {
        let times = one.count.unsigned_abs().min(other.count.unsigned_abs());
        differences.push((Difference::Changed(one.spot, other.spot), times));
        one.count -= times as i64;
        other.count += times as i64;
        let (is_done, is_other_done) = (one.count == 0, other.count == 0);
        before.next_if(|_| is_done);
        after.next_if(|_| is_other_done);
    }
    differences.extend(before.map(|one| (Difference::Removed(one.spot), one.count.unsigned_abs())));
    differences.extend(after.map(|one| (Difference::Added(one.spot), one.count.unsigned_abs())));
}
