// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a prune condemns: packs that are wholly dead, leftovers of sessions that have ended, and those packs that give back the most
//! until no more is unused than the user allows.
//!
//! A choice, not a decision over life: whatever turns out to be live is copied before its pack goes.

use std::collections::HashSet;

use keepfast_repo_format::id::{PackId, SnapshotId};

use super::usage::{MoveAsIs, PackUsage};

/// How much may stay unused in packs that are also used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxUnused {
    /// This share of what the packs hold afterwards, in percent.
    Percent(f64),
    /// So many bytes.
    Bytes(u64),
    /// Anything: only packs that are wholly dead go.
    Unlimited,
}

/// A segment that is half dead is written anew; with less, compressing again costs more than it gives back.
const MOVE_FROM_PERMILLE: u64 = 500;

/// With a limit of zero every segment that has anything dead is written anew.
const MOVE_ONLY_WHOLE_PERMILLE: u64 = 1000;

impl MaxUnused {
    /// Bytes that may stay unused when packs hold `used` live ones.
    fn limit(self, used: u64) -> u64 {
        match self {
            Self::Percent(percent) if percent >= 100.0 => u64::MAX,
            Self::Percent(percent) => (used as f64 * percent / (100.0 - percent)) as u64,
            Self::Bytes(bytes) => bytes,
            Self::Unlimited => u64::MAX,
        }
    }

    /// Which segments are moved as they are.
    pub(super) fn move_as_is(self) -> MoveAsIs {
        let everything = self == Self::Percent(0.0) || self == Self::Bytes(0);
        MoveAsIs { live_permille: if everything { MOVE_ONLY_WHOLE_PERMILLE } else { MOVE_FROM_PERMILLE } }
    }
}

/// What is to be condemned.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Visible packs without anything live.
    pub(super) dead: Vec<PackUsage>,
    /// Visible packs that the storage has lost and nothing needs.
    pub(super) lost: Vec<PackId>,
    /// Packs of sessions that have ended, which nothing visible names.
    pub(super) orphans: Vec<PackId>,
    /// Their stored bytes.
    pub(super) orphan_bytes: u64,
    /// Packs that are visible only because something of the index is lost, and that nobody can tell whose they are: the next generation leaves
    /// them out, and the storage keeps them.
    pub(super) unclaimed: HashSet<PackId>,
    /// Forgotten snapshots whose manifests stand.
    pub(super) snapshots: Vec<SnapshotId>,
    /// Packs whose live chunks are copied, the most wasteful first.
    pub(super) repack: Vec<PackUsage>,
    /// Stored bytes that stay unused.
    pub(super) unused_bytes: u64,
}

/// Chooses among the visible packs. `max_repack_bytes` bounds what is written anew.
pub(super) fn choose(packs: Vec<PackUsage>, max_unused: MaxUnused, max_repack_bytes: Option<u64>) -> Plan {
    let (dead, alive): (Vec<_>, Vec<_>) = packs.into_iter().partition(PackUsage::is_dead);
    let used: u64 = alive.iter().map(|pack| pack.length - pack.unused).sum();
    let mut unused: u64 = alive.iter().map(|pack| pack.unused).sum();
    let limit = max_unused.limit(used);
    let mut candidates: Vec<PackUsage> = alive.into_iter().filter(|pack| pack.reclaimable > 0).collect();
    // By the share that comes back, without dividing; the id makes it the same every time.
    let weight = |pack: &PackUsage, other: &PackUsage| u128::from(pack.reclaimable) * u128::from(other.length);
    candidates.sort_by(|a, b| weight(b, a).cmp(&weight(a, b)).then(a.id.cmp(&b.id)));
    let mut room = max_repack_bytes.unwrap_or(u64::MAX);
    let mut repack = Vec::new();
    for pack in candidates {
        if unused <= limit {
            break;
        }
        if pack.to_copy <= room {
            room -= pack.to_copy;
            unused -= pack.reclaimable.min(unused);
            repack.push(pack);
        }
    }
    Plan { dead, repack, unused_bytes: unused, ..Plan::default() }
}

/// Cuts a list of packs so that each part writes no more than `bytes` anew: each part is a round that is complete in itself.
pub(super) fn batches(packs: Vec<PackUsage>, bytes: u64) -> Vec<Vec<PackUsage>> {
    let mut batches: Vec<Vec<PackUsage>> = Vec::new();
    let mut room = 0;
    for pack in packs {
        match batches.last_mut() {
            Some(batch) if pack.to_copy <= room => batch.push(pack),
            _ => {
                room = bytes;
                batches.push(vec![pack]);
            }
        }
        room = room.saturating_sub(pack.to_copy);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::{MaxUnused, PackId, PackUsage, batches, choose};

    fn pack(n: u8, unused: u64, reclaimable: u64) -> PackUsage {
        let length = 1000;
        PackUsage { id: PackId([n; 32]), length, unused, reclaimable, to_copy: length - reclaimable }
    }

    fn chosen(packs: Vec<PackUsage>, max_unused: MaxUnused, max_repack: Option<u64>) -> (Vec<u8>, Vec<u8>) {
        let plan = choose(packs, max_unused, max_repack);
        let ids = |packs: &[PackUsage]| packs.iter().map(|pack| pack.id.0[0]).collect();
        (ids(&plan.dead), ids(&plan.repack))
    }

    #[test]
    fn dead_packs_always_go_and_the_most_wasteful_next_until_the_limit_is_met() {
        let packs = || vec![pack(1, 1000, 1000), pack(2, 600, 600), pack(3, 100, 0), pack(4, 800, 800), pack(5, 0, 0)];
        assert_eq!(chosen(packs(), MaxUnused::Unlimited, None), (vec![1], vec![]));
        assert_eq!(chosen(packs(), MaxUnused::Bytes(700), None), (vec![1], vec![4]));
        assert_eq!(chosen(packs(), MaxUnused::Bytes(0), None), (vec![1], vec![4, 2]));
        assert_eq!(chosen(packs(), MaxUnused::Percent(5.0), None), (vec![1], vec![4, 2]));
        assert_eq!(chosen(packs(), MaxUnused::Percent(100.0), None), (vec![1], vec![]));
    }

    #[test]
    fn no_more_is_written_anew_than_allowed() {
        let packs = vec![pack(2, 600, 600), pack(4, 800, 800)];
        assert_eq!(chosen(packs.clone(), MaxUnused::Bytes(0), Some(250)), (vec![], vec![4]));
        assert_eq!(chosen(packs.clone(), MaxUnused::Bytes(0), Some(100)), (vec![], vec![]));
        assert_eq!(batches(packs.clone(), 400).len(), 2);
        assert_eq!(batches(packs, 600).len(), 1);
    }
}
