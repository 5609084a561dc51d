// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which id a chunk of the source has in the target: so that it is not read twice in one run. Bounded; what it forgets is read
//! again and found by its new id, so a wrong guess costs work and nothing else.

use std::collections::HashMap;
use std::sync::Mutex;

use keepfast_repo_format::id::ChunkId;

/// Entries of the younger half; both halves together take about 50 MB.
const HALF_ENTRIES: usize = 1 << 18;

/// The new id, and the session that learned it.
pub(super) type Known = (ChunkId, u32);

/// Old ids and new ids.
#[derive(Default)]
pub(super) struct KnownIds {
    halves: Mutex<Halves>,
}

/// When the young half is full, it becomes the old one, and the old one is forgotten.
#[derive(Default)]
struct Halves {
    young: HashMap<ChunkId, Known>,
    old: HashMap<ChunkId, Known>,
}

impl KnownIds {
    /// What was learned of a chunk.
    pub(super) fn get(&self, old: &ChunkId) -> Option<Known> {
        let mut halves = self.halves.lock().expect("no holder panics");
        if let Some(known) = halves.young.get(old) {
            return Some(*known);
        }
        let known = *halves.old.get(old)?;
        halves.insert(*old, known);
        Some(known)
    }

    /// Notes the new id of a chunk.
    pub(super) fn insert(&self, old: ChunkId, known: Known) {
        self.halves.lock().expect("no holder panics").insert(old, known);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.halves = Mutex::default();
    }
}

impl Halves {
    fn insert(&mut self, old: ChunkId, known: Known) {
        if self.young.len() >= HALF_ENTRIES {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(old, known);
    }
}

#[cfg(test)]
mod tests {
    use super::{ChunkId, HALF_ENTRIES, KnownIds};

    fn id(number: usize) -> ChunkId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
        ChunkId(bytes)
    }

    #[test]
    fn the_last_ones_and_those_in_use_are_known_and_memory_is_bounded() {
        let known = KnownIds::default();
        for number in 0..3 * HALF_ENTRIES {
            known.insert(id(number), (id(number + 1), 7));
            assert_eq!(known.get(&id(0)), Some((id(1), 7)), "in use all the time");
        }
        let last = 3 * HALF_ENTRIES - 1;
        assert_eq!(known.get(&id(last)), Some((id(last + 1), 7)));
        assert_eq!(known.get(&id(1)), None);
        let halves = known.halves.lock().unwrap();
        assert!(halves.young.len() + halves.old.len() <= 2 * HALF_ENTRIES);
    }
}
