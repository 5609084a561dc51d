// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whole copies against a naive model.

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::PackId;
use keepfast_repo_format::segment::MAX_DELTA_STEPS;
use proptest::prelude::{prop_assert_eq, proptest};

use super::super::LocalIndex;
use super::super::naive::{Segment, index_of, packs, record, whole};
use super::super::tests::chunk;
use super::Fault;

const CHUNKS: u8 = 10;

proptest! {
    #[test]
    fn a_chunk_is_found_whole_when_a_naive_search_reaches_it(
        packs in packs(CHUNKS), excluded in proptest::collection::hash_set(0_u8..6, 0..3), asked_before in proptest::bool::ANY,
    ) {
        let records: Vec<_> = (0..).zip(&packs).map(|(n, segments)| record(n, segments, 2, chunk)).collect();
        let index = index_of(&records);
        if asked_before {
            // What it remembers of packs that are excluded afterwards must not count.
            (0..CHUNKS).for_each(|c| drop(index.find_whole(Kind::DataPack, &chunk(c)).unwrap()));
        }
        index.exclude_packs(&excluded.iter().map(|n| PackId([*n; 32])).collect());
        let usable: Vec<(u8, &Segment)> = (0..).zip(&packs).filter(|(n, _)| !excluded.contains(n))
            .flat_map(|(n, segments)| segments.iter().map(move |segment| (n, segment))).collect();
        let model = whole(&usable.iter().map(|(_, segment)| *segment).collect::<Vec<_>>());
        for c in 0..CHUNKS {
            let found = index.find_whole(Kind::DataPack, &chunk(c)).unwrap();
            prop_assert_eq!(found.is_some(), model.contains(&c), "chunk {}", c);
            for location in index.find_all(Kind::DataPack, &chunk(c)).unwrap() {
                let bases = &packs[usize::from(location.pack.id.0[0])][location.segment as usize].1;
                let is_whole = bases.iter().all(|base| model.contains(base));
                prop_assert_eq!(index.lacking(&location).unwrap().is_none(), is_whole);
                if let Some(found) = found.as_ref().filter(|found| found.segment_key() == location.segment_key()) {
                    prop_assert_eq!(found.bases().len(), bases.len());
                    prop_assert_eq!(is_whole, true);
                }
            }
        }
    }
}

/// Chunk 0 as it is, and each other one a delta against the one before.
fn chain(deltas: u8) -> LocalIndex {
    let segments: Vec<Segment> =
        (0..=deltas).map(|c| (vec![c], c.checked_sub(1).map(|base| vec![base]).unwrap_or_default())).collect();
    index_of(&[record(1, &segments, 2, chunk)])
}

#[test]
fn a_chain_may_be_as_deep_as_the_format_permits_and_no_deeper() {
    let deepest = u8::try_from(MAX_DELTA_STEPS).unwrap();
    for order in [0, 1] {
        let index = chain(deepest + 1);
        // In either order: what is remembered of the lower ones does not make the chain shorter.
        let ask = |c: u8| index.find_whole(Kind::DataPack, &chunk(c)).unwrap().is_some();
        let mut asked: Vec<u8> = vec![deepest, deepest + 1];
        asked.rotate_left(order);
        for c in asked {
            assert_eq!(ask(c), c == deepest, "{c}");
        }
    }
}

#[test]
fn what_is_lacking_is_named() {
    let index = index_of(&[record(
        1,
        &[(vec![1], vec![2]), (vec![2], vec![3]), (vec![4], vec![5]), (vec![5], vec![4])],
        2,
        chunk,
    )]);
    let lacking = |c: u8| {
        let location = index.find(Kind::DataPack, &chunk(c)).unwrap().unwrap();
        index.lacking(&location).unwrap().map(|lacking| (lacking.id, lacking.fault))
    };
    assert_eq!(lacking(1), Some((chunk(3), Fault::Absent)));
    assert_eq!(lacking(2), Some((chunk(3), Fault::Absent)));
    assert_eq!(lacking(4), Some((chunk(4), Fault::Unreachable)));
}

#[test]
fn more_base_chunks_than_a_reader_takes_make_a_segment_unreadable() {
    let nine_mib = 9 << 20;
    let bases: [Segment; 2] = [(vec![1], vec![]), (vec![2], vec![])];
    let index = index_of(&[
        record(1, &bases, nine_mib, chunk),
        record(2, &[(vec![3], vec![1, 2]), (vec![4], vec![1])], 2, chunk),
    ]);
    let location = index.find(Kind::DataPack, &chunk(3)).unwrap().unwrap();
    assert_eq!(index.lacking(&location).unwrap().map(|lacking| lacking.fault), Some(Fault::Large));
    assert!(index.find_whole(Kind::DataPack, &chunk(3)).unwrap().is_none());
    assert!(index.find_whole(Kind::DataPack, &chunk(4)).unwrap().is_some());
}
