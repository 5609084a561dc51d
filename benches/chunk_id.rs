// SPDX-License-Identifier: MIT OR Apache-2.0
//! How fast ids are: the keyed hash over chunks of the usual lengths, and the plain one over a whole pack.

mod generated;

use criterion::{BenchmarkId, Criterion, Throughput};
use keepfast_repo_format::crypto;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("chunk_id");
    let keys = generated::keys();
    for bytes in [512, 4 << 10, 32 << 10, 256 << 10] {
        let data = generated::noise(bytes, 1);
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_with_input(BenchmarkId::new("keyed", bytes), &data, |bencher, data| {
            bencher.iter(|| keys.data_chunk_id(data));
        });
    }
    let pack = generated::noise(32 << 20, 2);
    group.sample_size(20).throughput(Throughput::Bytes(pack.len() as u64));
    group.bench_function("pack name, 32 MiB", |bencher| bencher.iter(|| crypto::object_hash(&pack)));
    group.finish();
    criterion.final_summary();
}
