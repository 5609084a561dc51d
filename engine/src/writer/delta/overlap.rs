// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which bases a delta would take something from. The place of a chunk shows its bases only roughly; those that give nothing would be decoded
//! by every reader, name an edge for nothing, and make the place of the next version's bases rougher still.

use std::collections::HashMap;
use std::ops::Deref;

/// One place in so many, as a power of two, is a sample, by its content alone.
const SAMPLE_LOG: u32 = 8;

/// A base is used if so many samples of the segment lie in it and in no better one: about 512 bytes, which outweigh its edge. Shorter bases
/// have too few samples to judge by.
const LEAST_NEW_SAMPLES: usize = 3;

/// Bases that are shorter, in bytes, are always used.
const LEAST_JUDGED_BYTES: usize = 4 << LEAST_NEW_SAMPLES.ilog2() << SAMPLE_LOG;

/// For each base whether it has content of the segment that no better base has.
pub(crate) fn used<B: Deref<Target = [u8]>>(plain: &[u8], bases: &[B]) -> Vec<bool> {
    if bases.is_empty() {
        // Of a first backup, every segment: looking for samples took a tenth of its time.
        return Vec::new();
    }
    let mut covered: HashMap<u32, bool> = HashMap::new();
    samples(plain, |sample| _ = covered.insert(sample, false));
    let mut common: Vec<(usize, Vec<u32>)> = bases
        .iter()
        .map(|base| {
            let mut found = Vec::new();
            samples(base, |sample| found.extend(covered.contains_key(&sample).then_some(sample)));
            found.sort_unstable();
            found.dedup();
            found
        })
        .enumerate()
        .collect();
    common.sort_by_key(|(_, found)| std::cmp::Reverse(found.len()));
    let mut used: Vec<bool> = bases.iter().map(|base| base.len() < LEAST_JUDGED_BYTES).collect();
    for (base, found) in common {
        let new = found.iter().filter(|sample| !covered[sample]).count();
        if new >= LEAST_NEW_SAMPLES {
            used[base] = true;
            covered.extend(found.into_iter().map(|sample| (sample, true)));
        }
    }
    used
}

/// Hashes of the 64 bytes in front of some places: the same places in the same bytes, wherever these lie.
fn samples(bytes: &[u8], mut each: impl FnMut(u32)) {
    let (mut hash, mut last) = (0_u64, 0);
    for byte in bytes {
        hash = (hash << 1).wrapping_add(GEAR[usize::from(*byte)]);
        if hash >> (u64::BITS - SAMPLE_LOG) == 0 && hash != last {
            last = hash;
            each((hash >> (u32::BITS - SAMPLE_LOG)) as u32);
        }
    }
}

/// Numbers without a pattern: splitmix64 (Steele, Lea and Flood 2014) of 0, 1, 2 and so on. No secret: nothing that is stored shows them.
const GEAR: [u64; 256] = {
    let mut gear = [0; 256];
    let mut at = 0;
    while at < gear.len() {
        let mut mixed = (at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        gear[at] = mixed ^ (mixed >> 31);
        at += 1;
    }
    gear
};

#[cfg(test)]
mod tests {
    use super::{GEAR, LEAST_JUDGED_BYTES, used};

    /// Bytes without a pattern.
    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut state = GEAR[seed as usize];
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn bases_that_give_nothing_are_not_used() {
        let bases: Vec<Vec<u8>> = (0..4).map(|n| noise(n * 37, 32 << 10)).collect();
        let plain = [&bases[1][5000..], b"new", &bases[2][..20_000]].concat();
        assert_eq!(used(&plain, &bases), [false, true, true, false]);
    }

    #[test]
    fn of_two_bases_with_the_same_content_the_one_with_more_of_it_is_used() {
        let (whole, other) = (noise(1, 64 << 10), noise(50, 32 << 10));
        let part = [&whole[..30_000], &other[..]].concat();
        assert_eq!(used(&whole, &[part.clone(), whole.clone()]), [false, true]);
        let both = [&whole[..], &other[..20_000]].concat();
        assert_eq!(used(&both, &[part, whole]), [true, true]);
    }

    #[test]
    fn short_bases_are_used_and_long_runs_of_one_byte_are_no_content() {
        assert_eq!(
            used(&noise(1, 4000), &[noise(9, LEAST_JUDGED_BYTES - 1), noise(9, LEAST_JUDGED_BYTES)]),
            [true, false]
        );
        assert_eq!(used(&[0; 100_000], &[vec![0; 50_000]]), [false]);
        assert_eq!(used(&noise(1, 4000), &[] as &[Vec<u8>]), [false; 0]);
    }
}
