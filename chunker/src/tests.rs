// SPDX-License-Identifier: MIT OR Apache-2.0
//! Properties of cut points, and vectors that notice when a dependency moves one.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::Config;

use crate::{Chunker, Params, ParamsError, reference};

/// A generator of numbers from a formula (SplitMix64): the same on every machine, for ever.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }

    fn gear(&mut self) -> [u64; 256] {
        std::array::from_fn(|_| self.next())
    }
}

fn lengths(chunker: &Chunker, data: &[u8]) -> Vec<usize> {
    let mut rest = data;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let length = chunker.cut(&rest[..rest.len().min(chunker.max())]);
        found.push(length);
        rest = &rest[length..];
    }
    found
}

fn ends(lengths: &[usize]) -> Vec<usize> {
    lengths
        .iter()
        .scan(0, |end, length| {
            *end += length;
            Some(*end)
        })
        .collect()
}

fn params() -> impl Strategy<Value = Params> {
    (32_u32..600, 0_u32..1200, 0_u32..3000, 0_u8..=3).prop_filter_map("no masks", |(min, more, most, level)| {
        Params::new(2 * min, 2 * (min + more), 2 * (min + more + most), level).ok()
    })
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (any::<u64>(), 0_usize..40_000).prop_map(|(seed, length)| Numbers(seed).bytes(length)),
        (any::<u8>(), 0_usize..40_000).prop_map(|(byte, length)| vec![byte; length]),
        (vec(any::<u8>(), 1..50), 0_usize..800).prop_map(|(piece, times)| piece.repeat(times)),
    ]
}

proptest! {
    #![proptest_config(Config::with_cases(300))]

    #[test]
    fn every_cut_is_where_the_plain_rule_says(params in params(), seed in any::<u64>(), data in data()) {
        let gear = Numbers(seed).gear();
        let chunker = Chunker::new(&params, &gear);
        let mut rest = data.as_slice();
        while !rest.is_empty() {
            let length = chunker.cut(rest);
            prop_assert_eq!(length, reference::cut(&params, &gear, rest));
            rest = &rest[length..];
        }
    }

    #[test]
    fn chunks_keep_their_bounds_and_cover_the_input(params in params(), seed in any::<u64>(), data in data()) {
        let found = lengths(&Chunker::new(&params, &Numbers(seed).gear()), &data);
        prop_assert_eq!(found.iter().sum::<usize>(), data.len());
        prop_assert!(found.iter().all(|&length| length >= 1 && length <= params.max() as usize));
        let all_but_last = &found[..found.len().saturating_sub(1)];
        prop_assert!(all_but_last.iter().all(|&length| length >= params.min() as usize));
    }

    #[test]
    fn bytes_behind_max_do_not_matter(params in params(), seed in any::<u64>(), data in data()) {
        let chunker = Chunker::new(&params, &Numbers(seed).gear());
        prop_assert_eq!(chunker.cut(&data), chunker.cut(&data[..data.len().min(chunker.max())]));
    }

    #[test]
    fn an_edit_moves_only_the_cuts_beside_it(
        seed in any::<u64>(),
        at in 50_000_usize..150_000,
        removed in 0_usize..300,
        added in 0_usize..300,
        level in Just(1_u8),
    ) {
        let params = Params::new(256, 1024, 8192, level).unwrap();
        let mut numbers = Numbers(seed);
        let chunker = Chunker::new(&params, &numbers.gear());
        let old = numbers.bytes(400_000);
        let new = [&old[..at], &numbers.bytes(added), &old[at + removed..]].concat();
        let (old_ends, new_ends) = (ends(&lengths(&chunker, &old)), ends(&lengths(&chunker, &new)));
        let before = |ends: &[usize]| ends.iter().copied().filter(|end| end + chunker.max() < at).collect::<Vec<_>>();
        prop_assert_eq!(before(&old_ends), before(&new_ends));
        // Behind the edit both cut lists meet again; here with more than a hundred chunks of room to do so.
        let resync = at + 150_000;
        let behind = |ends: &[usize], length: usize| {
            ends.iter().map(|end| length - end).filter(|rest| *rest < old.len() - resync).collect::<Vec<_>>()
        };
        prop_assert_eq!(behind(&old_ends, old.len()), behind(&new_ends, new.len()));
    }
}

/// The tables and bytes below come from a formula, so a changed list means that cut points moved: existing
/// repositories would no longer deduplicate. Never adapt these numbers; pin the dependency or write the rule anew.
#[test]
fn cut_points_are_the_same_for_ever() {
    let mut numbers = Numbers(2026);
    let gear = numbers.gear();
    let data = numbers.bytes(200_000);
    let found = |min, average, max, level| {
        lengths(&Chunker::new(&Params::new(min, average, max, level).unwrap(), &gear), &data)
    };
    assert_eq!(found(8192, 32768, 262_144, 1), VECTOR_32K_LEVEL_1);
    assert_eq!(found(2048, 16384, 65536, 2), VECTOR_16K_LEVEL_2);
    assert_eq!(found(4096, 20000, 40000, 0), VECTOR_20K_LEVEL_0);
    assert_eq!(found(64, 12288, 70000, 3), VECTOR_12K_LEVEL_3);
}

const VECTOR_32K_LEVEL_1: &[usize] = &[17539, 31472, 96135, 23593, 31261];
const VECTOR_16K_LEVEL_2: &[usize] =
    &[16556, 8522, 21406, 2527, 16480, 20095, 2147, 20238, 20833, 20560, 19375, 23988, 7273];
const VECTOR_20K_LEVEL_0: &[usize] = &[6720, 9836, 31424, 40000, 40000, 17166, 23593, 23988, 7273];
const VECTOR_12K_LEVEL_3: &[usize] =
    &[12802, 4737, 14117, 14828, 12543, 15776, 12897, 12565, 12629, 12610, 13060, 12323, 15867, 13181, 12792, 7273];

#[test]
fn another_table_cuts_elsewhere() {
    let params = Params::new(256, 1024, 8192, 1).unwrap();
    let data = Numbers(1).bytes(100_000);
    let mut gear = Numbers(2).gear();
    let before = lengths(&Chunker::new(&params, &gear), &data);
    gear[77] ^= 1 << 7;
    assert_ne!(before, lengths(&Chunker::new(&params, &gear), &data));
}

#[test]
fn no_data_gives_no_chunk_and_short_data_one() {
    let chunker = Chunker::new(&Params::new(64, 256, 1024, 1).unwrap(), &Numbers(3).gear());
    assert_eq!(chunker.cut(&[]), 0);
    assert_eq!(chunker.cut(&[7; 1]), 1);
    assert_eq!(chunker.cut(&[7; 64]), 64);
}

#[test]
fn parameters_that_can_not_work_are_refused() {
    let odd = ParamsError::Odd { what: "average", found: 257 };
    assert_eq!(Params::new(64, 257, 1024, 1), Err(odd));
    assert_eq!(Params::new(62, 256, 1024, 1), Err(ParamsError::Length { what: "min", found: 62 }));
    let large = (16 << 20) + 2;
    assert_eq!(Params::new(64, 256, large, 1), Err(ParamsError::Length { what: "max", found: large }));
    assert_eq!(Params::new(512, 256, 1024, 1), Err(ParamsError::Order { min: 512, average: 256, max: 1024 }));
    assert_eq!(Params::new(64, 2048, 1024, 1), Err(ParamsError::Order { min: 64, average: 2048, max: 1024 }));
    let no_level = ParamsError::Normalization { normalization: 4, average: 256 };
    assert_eq!(Params::new(64, 256, 1024, 4), Err(no_level));
}

#[test]
fn no_parameters_that_are_accepted_lead_to_a_missing_mask() {
    let gear = Numbers(4).gear();
    for shift in 6..=24 {
        for level in 0..=3 {
            let average = 1_u32 << shift;
            let made = Params::new(64, average, 16 << 20, level);
            assert_eq!(made.is_ok(), shift >= 5 + u32::from(level) && shift + u32::from(level) <= 25);
            if let Ok(params) = made {
                assert!(Chunker::new(&params, &gear).cut(&[1; 100]) >= 64);
            }
        }
    }
}

#[test]
fn the_secret_table_is_not_printed() {
    let chunker = Chunker::new(&Params::new(64, 256, 1024, 1).unwrap(), &[0x1234_5678; 256]);
    assert!(!format!("{chunker:?}").contains(&0x1234_5678.to_string()));
}
