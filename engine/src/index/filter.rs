// SPDX-License-Identifier: MIT OR Apache-2.0
//! A blocked Bloom filter over chunk id prefixes: answers most misses without asking the database.
//!
//! For the local index only. It may claim too much, never too little: a prefix that was added is always found.

/// Bits per expected prefix. With 8 bits set per prefix about 1 % of the misses still go to the database.
const BITS_PER_ROW: usize = 12;

/// Lanes of a block; 8 x 32 bits are half a cache line, so that a look-up touches one line.
const LANES: usize = 8;

/// One odd multiplier per lane: takes another five bits of the prefix for each. Any odd numbers without a pattern do.
const SALTS: [u32; LANES] =
    [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d, 0x27d4_eb2f, 0x1656_67b1, 0xd3a2_646d, 0xfd70_46c5, 0xb55a_4f09];

#[repr(align(32))]
#[derive(Clone, Copy)]
struct Block([u32; LANES]);

/// The filter. Prefixes are parts of keyed hashes, so they need no further mixing.
pub(super) struct Filter {
    blocks: Vec<Block>,
    /// Rows that may still be added before the promise of `BITS_PER_ROW` is broken.
    room: usize,
}

impl Filter {
    /// An empty filter for `rows` prefixes.
    pub(super) fn for_rows(rows: usize) -> Self {
        let blocks = (rows.saturating_mul(BITS_PER_ROW) / (32 * LANES)).max(1);
        Self { blocks: vec![Block([0; LANES]); blocks], room: rows }
    }

    /// Adds a prefix.
    pub(super) fn add(&mut self, prefix: i64) {
        let (block, bits) = self.place(prefix);
        for (lane, bit) in self.blocks[block].0.iter_mut().zip(bits) {
            *lane |= bit;
        }
        self.room = self.room.saturating_sub(1);
    }

    /// False only for a prefix that was never added.
    pub(super) fn may_hold(&self, prefix: i64) -> bool {
        let (block, bits) = self.place(prefix);
        self.blocks[block].0.iter().zip(bits).all(|(lane, bit)| lane & bit != 0)
    }

    /// Whether so much was added that a new, larger filter should take its place.
    pub(super) fn is_full(&self) -> bool {
        self.room == 0
    }

    #[expect(clippy::cast_possible_truncation, reason = "halves of the prefix are wanted")]
    fn place(&self, prefix: i64) -> (usize, [u32; LANES]) {
        let prefix = prefix.cast_unsigned();
        let block = ((prefix >> 32) * self.blocks.len() as u64) >> 32;
        (block as usize, SALTS.map(|salt| 1 << ((prefix as u32).wrapping_mul(salt) >> 27)))
    }
}

#[cfg(test)]
mod tests {
    use super::Filter;

    /// Spreads like a hash (splitmix64).
    fn prefix(n: u64) -> i64 {
        let n = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (n ^ (n >> 31)).cast_signed()
    }

    #[test]
    fn what_was_added_is_always_found_and_most_of_the_rest_is_not() {
        let mut filter = Filter::for_rows(100_000);
        (0..100_000).for_each(|n| filter.add(prefix(n)));
        assert!((0..100_000).all(|n| filter.may_hold(prefix(n))));
        assert!(filter.is_full());
        let wrong = (100_000..200_000).filter(|&n| filter.may_hold(prefix(n))).count();
        assert!(wrong < 1_500, "{wrong} of 100000");
    }
}
