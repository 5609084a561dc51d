// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which bases a delta segment takes, from packs that are made up.

use std::collections::BTreeSet;
use std::sync::Arc;

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::ChunkId;
use proptest::prelude::{prop_assert, proptest};

use super::{BaseFinder, Bases, DeltaLimits};
use crate::index::LocalIndex;
use crate::index::naive::{Segment, index_of, packs, record};

/// Bytes of each chunk.
const LENGTH: u32 = 1000;

fn chunk(n: u8) -> ChunkId {
    ChunkId(*blake3::hash(&[n]).as_bytes())
}

fn ids(chunks: impl IntoIterator<Item = u8>) -> Vec<ChunkId> {
    chunks.into_iter().map(chunk).collect()
}

/// One pack with these segments, each a chunk list and a base list.
fn finder(segments: &[Segment]) -> BaseFinder {
    BaseFinder::new(Arc::new(index_of(&[record(1, segments, LENGTH, chunk)])))
}

fn limits(steps: u32, chunks: u64) -> DeltaLimits {
    DeltaLimits { steps, tree_steps: steps, bytes: chunks * u64::from(LENGTH) }
}

fn take(bases: &mut Bases, finder: &mut BaseFinder, wanted: &[ChunkId], limits: DeltaLimits) -> bool {
    let candidates = finder.candidates(Kind::DataPack, wanted, &limits).unwrap();
    bases.take(&candidates, &limits)
}

#[test]
fn a_chunk_across_the_end_of_a_segment_gets_bases_from_both_and_the_next_segment_begins_behind_it() {
    let mut finder = finder(&[(vec![1, 2], vec![]), (vec![3, 4], vec![]), (vec![5], vec![])]);
    let mut bases = Bases::default();
    assert!(take(&mut bases, &mut finder, &ids([1]), limits(1, 9)));
    assert!(take(&mut bases, &mut finder, &ids([3, 2]), limits(1, 9)));
    assert_eq!(bases.ids, ids([1, 3, 2]));
    // Decoded already, so it costs nothing.
    assert!(take(&mut bases, &mut finder, &ids([4]), limits(1, 9)));
    assert!(!take(&mut bases, &mut finder, &ids([5]), limits(1, 9)));
    assert_eq!(bases.ids, ids([1, 3, 2, 4]));
}

#[test]
fn a_base_that_would_make_the_segment_too_dear_is_left_out_and_the_chunk_stays() {
    let mut finder = finder(&[(vec![1, 2], vec![]), (vec![3, 4], vec![])]);
    let mut bases = Bases::default();
    assert!(take(&mut bases, &mut finder, &ids([1]), limits(1, 3)));
    assert!(take(&mut bases, &mut finder, &ids([3, 2]), limits(1, 3)));
    assert_eq!(bases.ids, ids([1, 2]));
}

#[test]
fn a_chain_that_is_too_deep_begins_anew_with_what_lies_at_the_same_place_and_not_with_everything() {
    let old: Vec<u8> = (0..64).collect();
    let new: Vec<u8> = (100..164).collect();
    let mut finder = finder(&[(old.clone(), vec![]), (new, old)]);
    for place in [0, 1, 31, 62, 63] {
        let found = finder.candidates(Kind::DataPack, &ids([100 + place]), &limits(1, 999)).unwrap();
        let found: BTreeSet<ChunkId> = found.iter().map(|candidate| candidate.id).collect();
        assert!(found.contains(&chunk(place)), "{place}");
        assert!(found.len() <= 34, "{place}: {} bases", found.len());
    }
    let found = finder.candidates(Kind::DataPack, &ids([100]), &limits(2, 999)).unwrap();
    assert_eq!(found.iter().map(|candidate| candidate.id).collect::<Vec<_>>(), ids([100]));
}

/// The same packs with one copy of each chunk.
fn without_copies(packs: Vec<Vec<Segment>>) -> Vec<Vec<Segment>> {
    let mut seen = BTreeSet::new();
    let mut first = |chunks: Vec<u8>| chunks.into_iter().filter(|chunk| seen.insert(*chunk)).collect::<Vec<u8>>();
    let mut once = |segments: Vec<Segment>| {
        let segments = segments.into_iter().map(|(chunks, bases)| (first(chunks), bases));
        segments.filter(|(chunks, _)| !chunks.is_empty()).collect()
    };
    packs.into_iter().map(&mut once).filter(|segments: &Vec<Segment>| !segments.is_empty()).collect()
}

/// Steps down and segments decoded for a chunk that has one copy, as a naive search finds them.
fn cost(index: &LocalIndex, id: &ChunkId, segments: &mut BTreeSet<(u8, u32)>) -> u32 {
    let found = index.find(Kind::DataPack, id).unwrap().unwrap();
    segments.insert((found.pack.id.0[0], found.segment));
    let below = found.pack.directory.edges_of(found.segment as usize).iter();
    below.map(|base| 1 + cost(index, base, segments)).max().unwrap_or(0)
}

proptest! {
    #[test]
    fn what_a_segment_takes_keeps_within_its_limits(
        packs in packs(16), wanted in proptest::collection::vec(proptest::collection::vec(0_u8..16, 1..4), 1..6),
        steps in 1_u32..4, chunks in 1_u64..12,
    ) {
        let packs = without_copies(packs);
        let records: Vec<_> = (0..).zip(&packs).map(|(n, segments)| record(n, segments, LENGTH, chunk)).collect();
        let index = Arc::new(index_of(&records));
        let (mut finder, mut bases, limits) = (BaseFinder::new(index.clone()), Bases::default(), limits(steps, chunks));
        for chunks in wanted {
            take(&mut bases, &mut finder, &ids(chunks), limits);
        }
        let mut segments = BTreeSet::new();
        let depth = bases.ids.iter().map(|id| 1 + cost(&index, id, &mut segments)).max().unwrap_or(0);
        prop_assert!(depth <= steps, "{depth} steps of {steps}");
        let plain = |(pack, segment): &(u8, u32)| packs[usize::from(*pack)][*segment as usize].0.len() as u64;
        let decoded: u64 = segments.iter().map(plain).sum();
        prop_assert!(decoded <= chunks, "{decoded} chunks of {chunks}");
        prop_assert!(bases.ids.iter().collect::<BTreeSet<_>>().len() == bases.ids.len(), "a base stands twice");
    }
}
