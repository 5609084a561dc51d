// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which child of a container belongs to which child of another: by name, or by their order.
//!
//! Works on digests alone, so it is the same for every tree. Only what differs comes out.

use super::digest::Digest;
use super::order::{Run, matches};
use super::tree::Node;

/// Children that belong together, by their numbers; at least one side is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    /// In the first container.
    pub(crate) before: Option<usize>,
    /// In the second.
    pub(crate) after: Option<usize>,
}

impl Pair {
    fn both(before: usize, after: usize) -> Self {
        Self { before: Some(before), after: Some(after) }
    }

    fn removed(before: usize) -> Self {
        Self { before: Some(before), after: None }
    }

    fn added(after: usize) -> Self {
        Self { before: None, after: Some(after) }
    }
}

/// Children that were matched by name.
pub(crate) struct ByName {
    /// Those that differ in the order of the first container, then those that were added.
    pub(crate) pairs: Vec<Pair>,
    /// Whether children that both have follow each other in another order.
    pub(crate) is_reordered: bool,
}

/// Keeps of nodes of one name the last.
pub(crate) fn last_of_each_name(nodes: &mut Vec<Node>) {
    let order = sorted_names(nodes, 0..nodes.len());
    let mut overwritten: Vec<usize> =
        order.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| pair[0].1 as usize).collect();
    if overwritten.is_empty() {
        return;
    }
    overwritten.sort_unstable();
    let mut number = 0;
    let mut next = overwritten.into_iter().peekable();
    nodes.retain(|_| {
        number += 1;
        next.next_if_eq(&(number - 1)).is_none()
    });
}

/// Names with the numbers of their nodes; a container of 2^32 children does not fit into any limit here.
fn sorted_names(nodes: &[Node], range: std::ops::Range<usize>) -> Vec<(Digest, u32)> {
    let mut names: Vec<(Digest, u32)> =
        range.map(|number| (nodes[number].name, u32::try_from(number).unwrap_or(u32::MAX))).collect();
    names.sort_unstable();
    names
}

/// Matches children by their names; each name once in each container.
pub(crate) fn by_name(before: &[Node], after: &[Node]) -> ByName {
    let partners = partners(before, after);
    let mut is_taken = vec![false; after.len()];
    let mut pairs = Vec::new();
    let (mut is_reordered, mut highest) = (false, 0);
    for (number, partner) in partners.into_iter().enumerate() {
        let Some(partner) = partner else {
            pairs.push(Pair::removed(number));
            continue;
        };
        is_taken[partner] = true;
        is_reordered |= partner < highest;
        highest = highest.max(partner);
        if before[number].digest != after[partner].digest {
            pairs.push(Pair::both(number, partner));
        }
    }
    pairs.extend((0..after.len()).filter(|number| !is_taken[*number]).map(Pair::added));
    ByName { pairs, is_reordered }
}

/// For each child of the first its partner in the second.
fn partners(before: &[Node], after: &[Node]) -> Vec<Option<usize>> {
    let head = before.iter().zip(after).take_while(|(old, new)| old.name == new.name).count();
    let rest = (before.len().min(after.len())) - head;
    let ends = before.iter().rev().zip(after.iter().rev()).take(rest);
    let tail = ends.take_while(|(old, new)| old.name == new.name).count();
    let mut partners: Vec<Option<usize>> = (0..before.len()).map(|number| (number < head).then_some(number)).collect();
    for number in 1..=tail {
        partners[before.len() - number] = Some(after.len() - number);
    }
    let old = sorted_names(before, head..before.len() - tail);
    let mut new = sorted_names(after, head..after.len() - tail).into_iter().peekable();
    for (name, number) in old {
        while new.next_if(|next| next.0 < name).is_some() {}
        if let Some((_, partner)) = new.next_if(|next| next.0 == name) {
            partners[number as usize] = Some(partner as usize);
        }
    }
    partners
}

/// Matches children by their order. Between equal ones as many as before are matched with each other one by one; else only containers are.
pub(crate) fn by_order(old: &[Node], new: &[Node]) -> Vec<Pair> {
    let Some(equal) = matches(old, new) else {
        return by_position(old, new);
    };
    let mut pairs = Vec::new();
    let (mut x, mut y) = (0, 0);
    let end = Run { old: old.len(), new: new.len(), length: 0 };
    for run in equal.into_iter().chain([end]) {
        let (old_end, new_end) = (run.old, run.new);
        let is_replaced = old_end - x == new_end - y;
        for step in 0..(old_end - x).max(new_end - y) {
            let removed = (x + step < old_end).then_some(x + step);
            let added = (y + step < new_end).then_some(y + step);
            match (removed, added) {
                (Some(i), Some(j)) if is_replaced || old[i].digest.is_container() && new[j].digest.is_container() => {
                    pairs.push(Pair::both(i, j));
                }
                _ => {
                    pairs.extend(removed.map(Pair::removed));
                    pairs.extend(added.map(Pair::added));
                }
            }
        }
        (x, y) = (old_end + run.length, new_end + run.length);
    }
    pairs
}

fn by_position(old: &[Node], new: &[Node]) -> Vec<Pair> {
    let common = old.len().min(new.len());
    let both =
        (0..common).filter(|&number| old[number].digest != new[number].digest).map(|number| Pair::both(number, number));
    let removed = (common..old.len()).map(Pair::removed);
    both.chain(removed).chain((common..new.len()).map(Pair::added)).collect()
}
