// SPDX-License-Identifier: MIT OR Apache-2.0
//! How fast segments are compressed and sealed, and opened again: every new byte goes both ways once, because a backup opens what
//! it sealed before it uploads.

mod generated;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::keys::SessionKey;
use keepfast_repo_format::segment::{self, Compressor, Decompressor};

/// Plaintext of a segment, and of one chunk in it.
const SEGMENT_BYTES: usize = 1 << 20;
const CHUNK_BYTES: usize = 32 << 10;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("segment");
    group.throughput(Throughput::Bytes(SEGMENT_BYTES as u64));
    let keys = generated::keys();
    let key = SessionKey::create(&keys, Kind::DataPack);
    for (kind, plain) in [("text", generated::text(SEGMENT_BYTES, 1)), ("noise", generated::noise(SEGMENT_BYTES, 2))] {
        let ids: Vec<_> = plain.chunks(CHUNK_BYTES).map(|chunk| keys.data_chunk_id(chunk)).collect();
        for level in [1, 3] {
            let mut compressor = Compressor::new(level);
            group.bench_function(BenchmarkId::new(format!("seal {kind}"), format!("level {level}")), |bencher| {
                bencher.iter(|| {
                    let payload = compressor.compress(&plain);
                    segment::seal(&key, &generated::REPOSITORY, 0, payload, &ids)
                });
            });
            let sealed = segment::seal(&key, &generated::REPOSITORY, 0, compressor.compress(&plain), &ids);
            let (codec, plain_len) = (sealed.codec, sealed.plain_len);
            let mut decompressor = Decompressor::new();
            group.bench_function(BenchmarkId::new(format!("open {kind}"), format!("level {level}")), |bencher| {
                bencher.iter_batched(
                    || sealed.stored.clone(),
                    |stored| {
                        segment::open(&key, &generated::REPOSITORY, stored, codec, plain_len, &[], &mut decompressor)
                    },
                    BatchSize::LargeInput,
                );
            });
        }
    }
    group.finish();
    criterion.final_summary();
}
