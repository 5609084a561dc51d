// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packs that are smaller than packs are meant to be: the ends of many small backups. Written anew together they become few, and
//! lists of packs shorter.
//!
//! For the choice of a prune. They count as live like any other; nothing here decides over a deletion.

use std::collections::{HashMap, HashSet};

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::PackId;

use super::SmallPacks;
use super::plan::Plan;
use super::usage::PackUsage;
use crate::repository::Repository;

/// A pack below this share of the config's pack size is small: what restic takes too. Full packs always have that size.
const SMALL_PERCENT: u64 = 80;

/// The small packs among those with something live, by kind.
pub(super) struct Small {
    by_kind: [Vec<PackUsage>; 2],
    pack_size: u64,
}

impl Small {
    /// Picks them out, or none if nobody wishes it.
    pub(super) fn among(packs: &[PackUsage], repository: &Repository, wish: SmallPacks) -> Self {
        let pack_size = u64::from(repository.config.pack_size);
        if wish == SmallPacks::Keep {
            return Self { by_kind: Default::default(), pack_size };
        }
        let survey = repository.index.survey();
        let kinds: HashMap<PackId, Kind> = survey.iter().map(|pack| (pack.summary.id, pack.summary.kind)).collect();
        let is_small = |pack: &PackUsage| !pack.is_dead() && pack.length < pack_size * SMALL_PERCENT / 100;
        let of_kind = |kind| {
            let packs = packs.iter().filter(|pack| is_small(pack) && kinds.get(&pack.id) == Some(&kind));
            packs.copied().collect()
        };
        Self { by_kind: [Kind::DataPack, Kind::TreePack].map(of_kind), pack_size }
    }
}

impl Plan {
    /// Adds small packs to those that are written anew, as far as `max_repack_bytes` leaves room and as it makes them fewer.
    pub(super) fn add_small(&mut self, small: Small, max_repack_bytes: Option<u64>) {
        let chosen: HashSet<PackId> = self.repack.iter().map(|pack| pack.id).collect();
        let used: u64 = self.repack.iter().map(|pack| pack.to_copy).sum();
        let mut room = max_repack_bytes.unwrap_or(u64::MAX).saturating_sub(used);
        for mut packs in small.by_kind {
            packs.retain(|pack| !chosen.contains(&pack.id));
            // The smallest first: the most packs for what is written. The id makes it the same every time.
            packs.sort_unstable_by_key(|pack| (pack.to_copy, pack.id));
            let mut bytes = 0;
            packs.retain(|pack| {
                let fits = pack.to_copy <= room - bytes;
                bytes += if fits { pack.to_copy } else { 0 };
                fits
            });
            // Data goes into two packs at a time, and both may end small.
            if packs.len() as u64 > bytes / small.pack_size + 2 {
                room -= bytes;
                let reclaimable: u64 = packs.iter().map(|pack| pack.reclaimable).sum();
                self.unused_bytes = self.unused_bytes.saturating_sub(reclaimable);
                self.repack.append(&mut packs);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PackId, PackUsage, Plan, Small};

    const PACK_SIZE: u64 = 1000;

    fn pack(n: u8, length: u64) -> PackUsage {
        PackUsage { id: PackId([n; 32]), length, unused: 0, reclaimable: 0, to_copy: length }
    }

    fn added(lengths: &[u64], chosen: &[PackUsage], max_repack: Option<u64>) -> Vec<u8> {
        let data = (1..).zip(lengths).map(|(n, length)| pack(n, *length)).collect();
        let mut plan = Plan { repack: chosen.to_vec(), ..Plan::default() };
        plan.add_small(Small { by_kind: [data, Vec::new()], pack_size: PACK_SIZE }, max_repack);
        plan.repack[chosen.len()..].iter().map(|pack| pack.id.0[0]).collect()
    }

    #[test]
    fn small_packs_are_written_anew_where_that_makes_them_fewer() {
        assert_eq!(added(&[100, 100], &[], None), [0_u8; 0]);
        assert_eq!(added(&[100, 100, 100], &[], None), [1, 2, 3]);
        assert_eq!(added(&[700, 700, 700], &[], None), [0_u8; 0], "they would be two full ones and two small ones");
        assert_eq!(added(&[700; 9], &[], None), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn no_more_of_them_is_written_anew_than_allowed_and_the_smallest_come_first() {
        assert_eq!(added(&[400, 100, 90, 80, 70], &[], Some(340)), [5, 4, 3, 2]);
        assert_eq!(added(&[400, 100, 90, 80, 70], &[], Some(150)), [0_u8; 0], "two packs would be two packs again");
        assert_eq!(added(&[100, 90, 80, 70], &[pack(9, 200)], Some(460)), [4, 3, 2]);
        assert_eq!(added(&[100, 90, 80], &[pack(1, 100)], None), [0_u8; 0], "one is chosen already");
    }
}
