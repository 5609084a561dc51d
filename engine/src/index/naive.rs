// SPDX-License-Identifier: MIT OR Apache-2.0
//! For tests: packs with deltas, made up, and which of their chunks can be read as a naive search finds it, which adds chunks to a set
//! until none is left to add.

use std::collections::{BTreeSet, HashSet};

use keepfast_repo_format::directory::{ChunkRow, Directory, SegmentRow};
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{ChunkId, IndexId, PackId, RepositoryId, SessionId};
use keepfast_repo_format::keys::KeyRow;
use keepfast_repo_format::pack::PackRecord;
use keepfast_repo_format::segment::Codec;
use proptest::prelude::Strategy;

use super::LocalIndex;

/// Its chunks, and its base chunks.
pub(crate) type Segment = (Vec<u8>, Vec<u8>);

/// A few packs with a few segments each, of so many different chunks.
pub(crate) fn packs(chunks: u8) -> impl Strategy<Value = Vec<Vec<Segment>>> {
    let ids = move |at_least: usize| proptest::collection::btree_set(0..chunks, at_least..4).prop_map(Vec::from_iter);
    proptest::collection::vec(proptest::collection::vec((ids(1), ids(0)), 1..4), 1..6)
}

/// The record of pack `n`; each of its chunks has so many bytes.
pub(crate) fn record(n: u8, segments: &[Segment], length: u32, chunk: fn(u8) -> ChunkId) -> PackRecord {
    let mut directory = Directory::default();
    let mut offset = 64;
    for (chunks, edges) in segments {
        let plain_len = length * chunks.len() as u32;
        let (codec, stored_len) =
            if edges.is_empty() { (Codec::Raw, plain_len + 40) } else { (Codec::Delta, plain_len + 39) };
        let (count, bases) = (chunks.len() as u32, edges.len() as u32);
        let row = SegmentRow { offset, stored_len, plain_len, codec, key_row: 0, chunks: count, edges: bases };
        directory.segments.push(row);
        directory.chunks.extend(chunks.iter().map(|c| ChunkRow { id: chunk(*c), length }));
        directory.edges.extend(edges.iter().map(|c| chunk(*c)));
        offset += stored_len;
    }
    PackRecord {
        id: PackId([n; 32]),
        length: 128 << 20,
        kind: Kind::DataPack,
        session: SessionId([n; 16]),
        keys: vec![KeyRow::new([n; 32], [2; 32])],
        directory,
    }
}

/// An index in memory that sees these packs.
pub(crate) fn index_of(packs: &[PackRecord]) -> LocalIndex {
    let index = LocalIndex::in_memory(RepositoryId([7; 16])).unwrap();
    let object = IndexId([1; 32]);
    index.retain(&HashSet::from([object])).unwrap();
    index.load(object, packs).unwrap();
    index
}

/// Chunks that can be read from these segments.
pub(crate) fn whole(segments: &[&Segment]) -> BTreeSet<u8> {
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
