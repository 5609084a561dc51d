// SPDX-License-Identifier: MIT OR Apache-2.0
//! How fast cut points are found: the only work that every byte that is read goes through, besides its hash.

mod generated;

use criterion::{BenchmarkId, Criterion, Throughput};
use keepfast_chunker::{Chunker, Params};

/// Bytes to cut: more than the caches of a core, so that memory counts as it does in a backup.
const BYTES: usize = 16 << 20;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("chunking");
    group.throughput(Throughput::Bytes(BYTES as u64));
    let gear = generated::keys().gear_table();
    for (min, average, max) in [(2 << 10, 8 << 10, 64 << 10), (8 << 10, 32 << 10, 256 << 10)] {
        let params = Params::new(min, average, max, 2).expect("these are valid");
        let chunker = Chunker::new(&params, &gear);
        for (kind, data) in [("text", generated::text(BYTES, 1)), ("noise", generated::noise(BYTES, 2))] {
            group.bench_function(BenchmarkId::new(kind, format!("{} KiB", average >> 10)), |bencher| {
                bencher.iter(|| {
                    let (mut at, mut chunks) = (0, 0u32);
                    while at < data.len() {
                        at += chunker.cut(&data[at..]);
                        chunks += 1;
                    }
                    chunks
                });
            });
        }
    }
    group.finish();
    criterion.final_summary();
}
