// SPDX-License-Identifier: MIT OR Apache-2.0
//! Closure and broken deltas against naive searches over the same packs.

use std::collections::{BTreeSet, HashSet};

use keepfast_repo_format::directory::{ChunkRow, Directory, SegmentRow};
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{ChunkId, IndexId, PackId, RepositoryId, SessionId};
use keepfast_repo_format::keys::KeyRow;
use keepfast_repo_format::pack::PackRecord;
use keepfast_repo_format::segment::Codec;
use proptest::prelude::{Strategy, prop_assert_eq, proptest};

use super::{Copy, Edges};
use crate::index::LocalIndex;
use crate::prune::runs::Runs;

/// A segment: its chunks, and its base chunks.
type Segment = (Vec<u8>, Vec<u8>);

const CHUNKS: u8 = 12;

fn chunk(n: u8) -> ChunkId {
    ChunkId(*blake3::hash(&[n]).as_bytes())
}

fn prefix(n: u8) -> i64 {
    LocalIndex::prefix(&chunk(n))
}

fn record(n: u8, segments: &[Segment]) -> PackRecord {
    let mut directory = Directory { segments: Vec::new(), chunks: Vec::new(), edges: Vec::new() };
    let mut offset = 64;
    for (chunks, edges) in segments {
        let plain_len = 2 * chunks.len() as u32;
        let (codec, stored_len) =
            if edges.is_empty() { (Codec::Raw, plain_len + 40) } else { (Codec::Delta, plain_len + 39) };
        let (count, bases) = (chunks.len() as u32, edges.len() as u32);
        directory.segments.push(SegmentRow {
            offset,
            stored_len,
            plain_len,
            codec,
            key_row: 0,
            chunks: count,
            edges: bases,
        });
        directory.chunks.extend(chunks.iter().map(|c| ChunkRow { id: chunk(*c), length: 2 }));
        directory.edges.extend(edges.iter().map(|c| chunk(*c)));
        offset += stored_len;
    }
    let keys = vec![KeyRow::new([n; 32], [2; 32])];
    PackRecord {
        id: PackId([n; 32]),
        length: 1 << 20,
        kind: Kind::DataPack,
        session: SessionId([n; 16]),
        keys,
        directory,
    }
}

/// Chunks that can be read from these segments.
fn whole(segments: &[&Segment]) -> BTreeSet<u8> {
    let mut whole = BTreeSet::new();
    loop {
        let readable = segments.iter().filter(|(_, bases)| bases.iter().all(|base| whole.contains(base)));
        let more: BTreeSet<u8> = readable.flat_map(|(chunks, _)| chunks.iter().copied()).collect();
        if more.is_subset(&whole) {
            return whole;
        }
        whole.extend(more);
    }
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

fn packs() -> impl Strategy<Value = Vec<Vec<Segment>>> {
    let ids = |at_least: usize| proptest::collection::btree_set(0..CHUNKS, at_least..4).prop_map(Vec::from_iter);
    proptest::collection::vec(proptest::collection::vec((ids(1), ids(0)), 1..4), 1..6)
}

proptest! {
    #[test]
    fn bases_of_what_is_live_are_live_and_what_lacks_one_is_no_copy(
        packs in packs(), lost in proptest::collection::hash_set(0_u8..6, 0..2),
        reached in proptest::collection::btree_set(0..CHUNKS, 0..5),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let index = LocalIndex::in_memory(RepositoryId([7; 16])).unwrap();
        index.retain(&HashSet::from([IndexId([1; 32])])).unwrap();
        let records: Vec<_> = (0..).zip(&packs).map(|(n, segments)| record(n, segments)).collect();
        index.load(IndexId([1; 32]), &records).unwrap();
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
