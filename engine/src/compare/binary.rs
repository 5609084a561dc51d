// SPDX-License-Identifier: MIT OR Apache-2.0
//! Contents that no other reader takes: how long they are, and which ranges differ. What both begin and end with is equal; between that, blocks
//! are compared at their places, so that an insertion shows as one range.

use std::io;
use std::ops::Range;

use super::Bytes;

/// Bytes that are compared at a time, and the least distance of two ranges.
const BLOCK_BYTES: usize = 4 << 10;
/// Bytes that are read at a time.
const READ_BYTES: usize = 1 << 20;
/// Ranges that are told; what lies behind them belongs to the last one.
const MAX_RANGES: usize = 1000;

/// How two contents differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BinaryDiff {
    /// Bytes of the first and of the second content.
    pub lengths: (u64, u64),
    /// Ranges of the second content that differ, ascending, as precise as blocks are; empty where something is only missing.
    pub ranges: Vec<Range<u64>>,
}

impl BinaryDiff {
    /// Bytes in the ranges.
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.end - range.start).sum()
    }
}

/// Compares.
///
/// # Errors
/// One can not be read.
pub fn compare(before: &dyn Bytes, after: &dyn Bytes) -> io::Result<BinaryDiff> {
    let lengths = (before.len(), after.len());
    let shorter = lengths.0.min(lengths.1);
    let head = equal_head(before, after, shorter)?;
    let tail = equal_tail(before, after, shorter - head)?;
    let mut ranges: Vec<Range<u64>> = Vec::new();
    let end = lengths.1 - tail;
    if lengths.0 == lengths.1 {
        differing_blocks(before, after, head..end, &mut ranges)?;
    } else {
        ranges.push(head..end);
    }
    Ok(BinaryDiff { lengths, ranges })
}

fn equal_head(before: &dyn Bytes, after: &dyn Bytes, most: u64) -> io::Result<u64> {
    let (mut a, mut b) = (vec![0; READ_BYTES], vec![0; READ_BYTES]);
    let mut at = 0;
    while at < most {
        let length = usize::try_from(most - at).map_or(READ_BYTES, |left| left.min(READ_BYTES));
        before.read_at(at, &mut a[..length])?;
        after.read_at(at, &mut b[..length])?;
        if let Some(equal) = (0..length).find(|place| a[*place] != b[*place]) {
            return Ok(at + equal as u64);
        }
        at += length as u64;
    }
    Ok(most)
}

fn equal_tail(before: &dyn Bytes, after: &dyn Bytes, most: u64) -> io::Result<u64> {
    let (mut a, mut b) = (vec![0; READ_BYTES], vec![0; READ_BYTES]);
    let mut equal = 0;
    while equal < most {
        let length = usize::try_from(most - equal).map_or(READ_BYTES, |left| left.min(READ_BYTES));
        let from = equal + length as u64;
        before.read_at(before.len() - from, &mut a[..length])?;
        after.read_at(after.len() - from, &mut b[..length])?;
        if let Some(differs) = (0..length).rev().find(|place| a[*place] != b[*place]) {
            return Ok(equal + (length - 1 - differs) as u64);
        }
        equal = from;
    }
    Ok(most)
}

fn differing_blocks(
    before: &dyn Bytes,
    after: &dyn Bytes,
    within: Range<u64>,
    ranges: &mut Vec<Range<u64>>,
) -> io::Result<()> {
    let (mut a, mut b) = (vec![0; READ_BYTES], vec![0; READ_BYTES]);
    let mut at = within.start;
    while at < within.end {
        let length = usize::try_from(within.end - at).map_or(READ_BYTES, |left| left.min(READ_BYTES));
        before.read_at(at, &mut a[..length])?;
        after.read_at(at, &mut b[..length])?;
        for (number, (old, new)) in a[..length].chunks(BLOCK_BYTES).zip(b[..length].chunks(BLOCK_BYTES)).enumerate() {
            if old == new {
                continue;
            }
            let start = at + (number * BLOCK_BYTES) as u64;
            let end = start + new.len() as u64;
            let is_full = ranges.len() == MAX_RANGES;
            match ranges.last_mut() {
                Some(last) if last.end == start || is_full => last.end = end,
                _ => ranges.push(start..end),
            }
        }
        at += length as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_BYTES, compare};

    #[test]
    fn an_insertion_is_one_range_and_scattered_changes_are_several() {
        let old: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        assert_eq!(compare(&old, &old).unwrap().ranges, []);
        let inserted = [&old[..1_500_000], b"new".as_slice(), &old[1_500_000..]].concat();
        let found = compare(&old, &inserted).unwrap();
        assert!(found.bytes() <= 8 && found.ranges[0].contains(&1_500_001), "{found:?}");
        let mut scattered = old.clone();
        for place in [10, 2_000_000, 2_999_999] {
            scattered[place] ^= 1;
        }
        let found = compare(&old, &scattered).unwrap();
        assert_eq!(found.ranges.len(), 3);
        assert!(found.bytes() <= 3 * BLOCK_BYTES as u64, "{found:?}");
        let cut = compare(&old, &old[..1000].to_vec()).unwrap();
        assert_eq!((cut.lengths, cut.bytes()), ((3_000_000, 1000), 0));
    }
}
