// SPDX-License-Identifier: MIT OR Apache-2.0
//! A longest common subsequence of two lists of digests: Myers' greedy algorithm, after all that is plain has been taken away.
//!
//! Bounded in time and memory; beyond the bounds there is no answer, and the caller has to do without.

use super::digest::Digest;
use super::tree::Node;

/// Removed and added elements, without those that the other list has not at all. The traces of that many take 34 MB.
const MAX_EDITS: usize = 4096;

/// Steps in all, below a second.
const MAX_STEPS: usize = 200_000_000;

/// Equal elements in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The first of them in the first list.
    pub(super) old: usize,
    /// The first in the second.
    pub(super) new: usize,
    /// How many.
    pub(super) length: usize,
}

/// The elements that stay, in order; `None` beyond the bounds.
pub(super) fn matches(old: &[Node], new: &[Node]) -> Option<Vec<Run>> {
    let head = old.iter().zip(new).take_while(|(x, y)| x.digest == y.digest).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(x, y)| x.digest == y.digest).count();
    let (old_middle, new_middle) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let mut runs = Vec::new();
    push(&mut runs, Run { old: 0, new: 0, length: head });
    let (known_old, known_new) = (known(old_middle, new_middle), known(new_middle, old_middle));
    let both = common(&known_old, &known_new, |x, y| old_middle[x].digest == new_middle[y].digest)?;
    for (x, y) in both.into_iter().rev() {
        push(&mut runs, Run { old: head + x, new: head + y, length: 1 });
    }
    push(&mut runs, Run { old: old.len() - tail, new: new.len() - tail, length: tail });
    Some(runs)
}

fn push(runs: &mut Vec<Run>, run: Run) {
    match runs.last_mut() {
        Some(last) if last.old + last.length == run.old && last.new + last.length == run.new => {
            last.length += run.length
        }
        _ if run.length > 0 => runs.push(run),
        _ => {}
    }
}

/// The numbers of elements that the other list has somewhere.
fn known(of: &[Node], other: &[Node]) -> Vec<usize> {
    let mut sorted: Vec<Digest> = other.iter().map(|node| node.digest).collect();
    sorted.sort_unstable();
    (0..of.len()).filter(|&number| sorted.binary_search(&of[number].digest).is_ok()).collect()
}

/// The common subsequence of two lists of numbers, from the end to the start.
fn common(old: &[usize], new: &[usize], is_equal: impl Fn(usize, usize) -> bool) -> Option<Vec<(usize, usize)>> {
    if old.is_empty() || new.is_empty() {
        return Some(Vec::new());
    }
    // For each number of edits: how far into the old list each diagonal gets, from the one with only additions on.
    let mut reached: Vec<Vec<u32>> = Vec::new();
    let mut steps = 0;
    for edits in 0..=MAX_EDITS.min(old.len() + new.len()) {
        let mut row = Vec::with_capacity(edits + 1);
        for diagonal in 0..=edits {
            let mut x = start(reached.last(), diagonal).0;
            let mut y = x + edits - 2 * diagonal;
            while x < old.len() && y < new.len() && is_equal(old[x], new[y]) {
                (x, y, steps) = (x + 1, y + 1, steps + 1);
            }
            row.push(u32::try_from(x).ok()?);
            if x >= old.len() && y >= new.len() {
                reached.push(row);
                return Some(back(&reached, diagonal, old, new));
            }
        }
        steps += edits;
        if steps > MAX_STEPS {
            return None;
        }
        reached.push(row);
    }
    None
}

/// Where a diagonal starts after one edit more, and which diagonal of the row before that comes from.
fn start(before: Option<&Vec<u32>>, diagonal: usize) -> (usize, usize) {
    let Some(before) = before else {
        return (0, 0);
    };
    let removed = diagonal.checked_sub(1).map(|from| (before[from] as usize + 1, from));
    let added = before.get(diagonal).map(|x| (*x as usize, diagonal));
    match (removed, added) {
        (Some(removed), Some(added)) if added.0 < removed.0 => removed,
        (Some(removed), None) => removed,
        (_, added) => added.unwrap_or_default(),
    }
}

fn back(reached: &[Vec<u32>], mut diagonal: usize, old: &[usize], new: &[usize]) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for edits in (0..reached.len()).rev() {
        let before = edits.checked_sub(1).map(|row| &reached[row]);
        let (first, from) = start(before, diagonal);
        for x in (first..reached[edits][diagonal] as usize).rev() {
            pairs.push((old[x], new[x + edits - 2 * diagonal]));
        }
        diagonal = from;
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::{Run, matches};
    use crate::compare::document::digest::Seed;
    use crate::compare::document::tree::Node;
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    fn nodes(seed: &Seed, values: &[u8]) -> Vec<Node> {
        let digest = |value: &u8| seed.number(&value.to_string());
        let name = seed.null();
        values.iter().map(|value| Node { name, digest: digest(value), at: 0, length: 0, lead: 0 }).collect()
    }

    fn longest(old: &[u8], new: &[u8]) -> usize {
        let mut row = vec![0; new.len() + 1];
        for x in old {
            let mut corner = 0;
            for (number, y) in new.iter().enumerate() {
                let best = if x == y { corner + 1 } else { row[number].max(row[number + 1]) };
                corner = std::mem::replace(&mut row[number + 1], best);
            }
        }
        row[new.len()]
    }

    proptest! {
        #[test]
        fn what_stays_is_as_long_as_it_can_be(
            old in prop::collection::vec(0..6_u8, 0..40),
            new in prop::collection::vec(0..7_u8, 0..40),
        ) {
            let seed = Seed::new();
            let runs = matches(&nodes(&seed, &old), &nodes(&seed, &new)).unwrap();
            let (mut x, mut y) = (0, 0);
            for run in &runs {
                let Run { old: first, new: second, length } = *run;
                prop_assert!(first >= x && second >= y && length > 0);
                prop_assert_eq!(&old[first..first + length], &new[second..second + length]);
                (x, y) = (first + length, second + length);
            }
            prop_assert_eq!(runs.iter().map(|run| run.length).sum::<usize>(), longest(&old, &new));
        }
    }
}
