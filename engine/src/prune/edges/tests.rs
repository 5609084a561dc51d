// SPDX-License-Identifier: MIT OR Apache-2.0
//! Closure and broken deltas against naive searches over the same packs.

use std::collections::BTreeSet;

use keepfast_repo_format::id::ChunkId;
use proptest::prelude::{prop_assert_eq, proptest};

use super::{Copy, Edges};
use crate::index::LocalIndex;
use crate::index::naive::{Segment, index_of, packs, record, whole};
use crate::prune::runs::Runs;

const CHUNKS: u8 = 12;

fn chunk(n: u8) -> ChunkId {
    ChunkId(*blake3::hash(&[n]).as_bytes())
}

fn prefix(n: u8) -> i64 {
    LocalIndex::prefix(&chunk(n))
}

/// What has to stay for these chunks: the bases of every copy of them that can be read.
fn closure(segments: &[&Segment], whole: &BTreeSet<u8>, live: &BTreeSet<u8>) -> BTreeSet<u8> {
    let mut live = live.clone();
    loop {
        let readable = segments.iter().filter(|(_, bases)| bases.iter().all(|base| whole.contains(base)));
        let needed = readable.filter(|(chunks, _)| chunks.iter().any(|c| live.contains(c)));
        let more: BTreeSet<u8> = needed.flat_map(|(_, bases)| bases.iter().copied()).collect();
        if more.is_subset(&live) {
            return live;
        }
        live.extend(more);
    }
}

proptest! {
    #[test]
    fn bases_of_what_is_live_are_live_and_what_lacks_one_is_no_copy(
        packs in packs(CHUNKS), lost in proptest::collection::hash_set(0_u8..6, 0..2),
        reached in proptest::collection::btree_set(0..CHUNKS, 0..5),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let records: Vec<_> = (0..).zip(&packs).map(|(n, segments)| record(n, segments, 2, chunk)).collect();
        let index = index_of(&records);
        let is_there = |n: u8| !lost.contains(&n);
        let there: Vec<(u8, &Segment)> = (0..).zip(&packs).filter(|(n, _)| is_there(*n))
            .flat_map(|(n, segments)| segments.iter().map(move |segment| (n, segment))).collect();
        let segments: Vec<&Segment> = there.iter().map(|(_, segment)| *segment).collect();
        let whole = whole(&segments);

        let mut edges = Edges::read(&index, |pack| is_there(pack.summary.id.0[0]), folder.path()).unwrap();
        let mut live = Runs::<i64>::new(folder.path());
        reached.iter().try_for_each(|c| live.add(prefix(*c))).unwrap();
        edges.follow(&mut live).unwrap();
        let found: BTreeSet<i64> = live.sorted().unwrap().map(Result::unwrap).collect();
        let model: BTreeSet<i64> = closure(&segments, &whole, &reached).into_iter().map(prefix).collect();
        prop_assert_eq!(found, model);

        // Of the packs that have deltas, every copy that can be read, and how it is stored.
        let survey = index.survey();
        let number = |n: u8| survey.iter().find(|pack| pack.summary.id.0[0] == n).unwrap().number;
        let has_deltas = |n: u8| packs[usize::from(n)].iter().any(|(_, bases)| !bases.is_empty());
        let mut copies = BTreeSet::new();
        for (n, (chunks, bases)) in there.iter().filter(|(n, _)| has_deltas(*n)) {
            let is_readable = bases.iter().all(|base| whole.contains(base));
            for c in chunks.iter().filter(|_| is_readable) {
                copies.insert((prefix(*c), number(*n), bases.is_empty()));
            }
        }
        let found: BTreeSet<_> = edges.copies().unwrap().map(|row| match row.unwrap() {
            (prefix, Copy::Plain(number)) => (prefix, number, true),
            (prefix, Copy::Delta(number)) => (prefix, number, false),
        }).collect();
        prop_assert_eq!(found, copies);
        for pack in survey.iter().filter(|pack| is_there(pack.summary.id.0[0])) {
            prop_assert_eq!(edges.has_deltas(pack.number), has_deltas(pack.summary.id.0[0]));
        }
    }
}
