// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files with several names: which name gives all of them their inode number, and how many names the snapshot has of it.
//!
//! Entries tell their group and not its size, so the first look at such a file walks the whole tree once. The walk passes by the memory for
//! nodes, and what it learns takes some 40 bytes for each group.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::error::Result;
use crate::tree::{Numbered, Part};

/// A file with several names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// The number of its first entry.
    pub(super) first: u64,
    /// How many entries it has.
    pub(super) names: u32,
}

/// The groups of a snapshot, as soon as somebody asks.
#[derive(Default)]
pub(super) struct Groups(Mutex<Option<HashMap<u64, Group>>>);

impl Groups {
    /// The group of this number.
    ///
    /// # Errors
    /// The storage. Damage hides names: they do not count.
    pub(super) fn get(&self, tree: &Numbered, group: u64) -> Result<Option<Group>> {
        // Who asks meanwhile waits: it would have to walk as well.
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if groups.is_none() {
            *groups = Some(walk(tree)?);
        }
        Ok(groups.as_ref().and_then(|groups| groups.get(&group).copied()))
    }
}

fn walk(tree: &Numbered) -> Result<HashMap<u64, Group>> {
    let mut groups = HashMap::new();
    let mut number = 0;
    loop {
        match tree.part_in_passing(number)? {
            Part::End => break,
            Part::Lost(end, _) => number = end,
            Part::Entries(entries) => {
                for entry in entries {
                    if let Some(group) = entry.metadata.link_group {
                        groups.entry(group).or_insert(Group { first: number, names: 0 }).names += 1;
                    }
                    number += 1;
                }
            }
        }
    }
    groups.shrink_to_fit();
    Ok(groups)
}
