// SPDX-License-Identifier: MIT OR Apache-2.0
//! How fast the local index answers, and how fast it takes what a session has written. `engine/examples/index_timing.rs` times the
//! same at any number of rows.

mod generated;

use std::collections::HashSet;

use criterion::{BatchSize, Criterion, Throughput};
use keepfast_engine::index::LocalIndex;
use keepfast_repo_format::directory::{ChunkRow, Directory, SegmentRow};
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{IndexId, PackId, SessionId};
use keepfast_repo_format::keys::KeyRow;
use keepfast_repo_format::pack::PackRecord;
use keepfast_repo_format::segment::Codec;

/// Chunks of a pack: 32 MiB of 32 KiB chunks.
const CHUNKS: u32 = 1024;
/// Chunks of a segment.
const SEGMENT_CHUNKS: u32 = 16;
/// Packs of the index that is asked: a quarter of a million chunks, 8 GB of files.
const PACKS: u32 = 256;
/// Packs that one session loads.
const LOADED: u32 = 32;

fn record(number: u32) -> PackRecord {
    let first = u64::from(number * CHUNKS);
    let chunks = (0..u64::from(CHUNKS)).map(|row| ChunkRow { id: generated::chunk_id(first + row), length: 32 << 10 });
    let segment = |row: u32| SegmentRow {
        offset: 64 + row * (256 << 10),
        stored_len: 256 << 10,
        plain_len: SEGMENT_CHUNKS * (32 << 10),
        codec: Codec::Zstd,
        key_row: 0,
        chunks: SEGMENT_CHUNKS,
        edges: 0,
    };
    let segments = (0..CHUNKS / SEGMENT_CHUNKS).map(segment).collect();
    PackRecord {
        id: PackId(generated::chunk_id(u64::from(number) + (1 << 50)).0),
        length: 32 << 20,
        kind: Kind::DataPack,
        session: SessionId([2; 16]),
        keys: vec![KeyRow::new([3; 32], [4; 32])],
        directory: Directory { segments, chunks: chunks.collect(), edges: Vec::new() },
    }
}

fn records(numbers: std::ops::Range<u32>) -> Vec<PackRecord> {
    let mut records: Vec<PackRecord> = numbers.map(record).collect();
    records.sort_by_key(|record| record.id);
    records
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("index");
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let object = IndexId([1; 32]);
    let open =
        || LocalIndex::open(folder.path(), generated::REPOSITORY).expect("the folder is new, or made by this bench");
    open().load(object, &records(0..PACKS)).expect("the index is new");
    let index = open();
    index.retain(&HashSet::from([object])).expect("the index was just made");
    let find = |number: u64| index.find(Kind::DataPack, &generated::chunk_id(number)).expect("the index is sound");
    let rows = u64::from(PACKS * CHUNKS);

    group.bench_function("hit, in path order", |bencher| {
        let mut next = (0..rows).cycle();
        bencher.iter(|| assert!(find(next.next().expect("a cycle has no end")).is_some()));
    });
    // Enough misses that the filter is there before the first one is timed.
    (0..rows / 64).for_each(|number| assert!(find(number + (1 << 40)).is_none()));
    group.bench_function("miss", |bencher| {
        let mut next = (1 << 41)..;
        bencher.iter(|| assert!(find(next.next().expect("a range without end")).is_none()));
    });
    let session = records(PACKS..PACKS + LOADED);
    group.sample_size(10).throughput(Throughput::Elements(u64::from(LOADED * CHUNKS)));
    group.bench_function("load what a session wrote", |bencher| {
        let folder = || tempfile::tempdir().expect("there is a place for temporary files");
        bencher.iter_batched(
            || {
                let folder = folder();
                let index = LocalIndex::open(folder.path(), generated::REPOSITORY).expect("the folder is new");
                (folder, index)
            },
            |(folder, index)| {
                index.load(object, &session).expect("the index is new");
                (folder, index)
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
    criterion.final_summary();
}
