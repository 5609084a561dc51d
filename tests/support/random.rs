// SPDX-License-Identifier: MIT OR Apache-2.0
//! Repeatable chance for tests: a seed gives the same choices on every machine and in every run.
//! Not proptest: a tree on a disk is changed step by step, which its strategies can not shrink anyway.

/// A small generator (SplitMix64) with the questions that tests ask.
pub struct Random(u64);

impl Random {
    /// Prints the seed, so that a failing run shows what to repeat.
    pub fn new(seed: u64) -> Self {
        println!("random choices of seed {seed}");
        Self(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 up to, not including, `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end.max(1) as u64) as usize
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Bytes that do not compress.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let words = std::iter::repeat_with(|| self.number().to_le_bytes()).take(length / 8 + 1);
        let mut bytes: Vec<u8> = words.flatten().collect();
        bytes.truncate(length);
        bytes
    }
}
