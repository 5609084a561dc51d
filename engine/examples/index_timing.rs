// SPDX-License-Identifier: MIT OR Apache-2.0
//! Times the local index: `cargo run --release -p keepfast-engine --example index_timing [rows]`.
//!
//! For whoever changes the index or its constants; writes to a temporary folder only.
#![expect(clippy::print_stdout, reason = "an example prints its numbers")]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use keepfast_engine::index::LocalIndex;
use keepfast_repo_format::directory::{ChunkRow, Directory, SegmentRow};
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{ChunkId, IndexId, PackId, RepositoryId, SessionId};
use keepfast_repo_format::keys::KeyRow;
use keepfast_repo_format::pack::PackRecord;
use keepfast_repo_format::segment::Codec;

/// Chunks of a pack: 32 MiB of 32 KiB chunks.
const CHUNKS: u32 = 1024;

/// Packs that one index object lists.
const PACKS_PER_OBJECT: u32 = 256;

const REPOSITORY: RepositoryId = RepositoryId([1; 16]);

fn chunk(n: u64) -> ChunkId {
    ChunkId(*blake3::hash(&n.to_le_bytes()).as_bytes())
}

fn segment(row: u32) -> SegmentRow {
    let (stored_len, plain_len) = (256 << 10, 512 << 10);
    let offset = 64 + row * stored_len;
    SegmentRow { offset, stored_len, plain_len, codec: Codec::Zstd, key_row: 0, chunks: 16, edges: 0 }
}

fn pack(n: u32) -> PackRecord {
    let rows = 0..CHUNKS;
    let chunks = rows.map(|row| ChunkRow { id: chunk(u64::from(n * CHUNKS + row)), length: 32 << 10 }).collect();
    let segments = (0..CHUNKS / 16).map(segment).collect();
    let directory = Directory { segments, chunks, edges: Vec::new() };
    // Four bytes: never the hash input of a chunk.
    let id = PackId(*blake3::hash(&n.to_le_bytes()).as_bytes());
    PackRecord {
        id,
        length: 32 << 20,
        kind: Kind::DataPack,
        session: SessionId([2; 16]),
        keys: vec![KeyRow::new([3; 32], [4; 32])],
        directory,
    }
}

fn time(what: &str, times: u64, mut work: impl FnMut(u64) -> Result<(), Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    (0..times).try_for_each(&mut work)?;
    let nanos = start.elapsed().as_nanos();
    println!("{what:44} {:>12} ns each, {:>8} ms in all", nanos / u128::from(times.max(1)), nanos / 1_000_000);
    Ok(())
}

fn resident_kib() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    lines.map(|line| line.replace('\t', " ")).collect::<Vec<_>>().join(", ")
}

fn main() -> Result<(), Box<dyn Error>> {
    let rows: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let packs = u32::try_from(rows / u64::from(CHUNKS))?;
    let folder = tempfile::tempdir()?;
    let index = LocalIndex::open(folder.path(), REPOSITORY)?;
    let miss = |n: u64| chunk(n + (1 << 40));
    let absent: Vec<ChunkId> = (0..1 << 16).map(miss).collect();
    let nothing = |index: &LocalIndex, n: u64| -> Result<(), Box<dyn Error>> {
        assert!(index.find(Kind::DataPack, &absent[usize::try_from(n)? & 0xffff])?.is_none());
        Ok(())
    };
    time("miss in an empty index", 10_000_000, |n| nothing(&index, n))?;
    let first: Vec<PackRecord> = (0..98).map(pack).collect();
    time("load 100,352 rows into an empty database", 1, |_| Ok(index.load(IndexId([0; 32]), &first)?))?;
    let mut objects = vec![IndexId([0; 32])];
    let start = Instant::now();
    for from in (98..packs).step_by(PACKS_PER_OBJECT as usize) {
        let list: Vec<PackRecord> = (from..packs.min(from + PACKS_PER_OBJECT)).map(pack).collect();
        let object = IndexId(*blake3::hash(&from.to_le_bytes()).as_bytes());
        index.load(object, &list)?;
        objects.push(object);
    }
    println!("{rows} rows there after {} ms; {}", start.elapsed().as_millis(), resident_kib());
    let last: Vec<PackRecord> = (packs..packs + 98).map(pack).collect();
    time("load 100,352 rows more", 1, |_| Ok(index.load(IndexId([9; 32]), &last)?))?;
    objects.push(IndexId([9; 32]));
    drop(index);

    let start = Instant::now();
    let index = LocalIndex::open(folder.path(), REPOSITORY)?;
    println!("open: {} us", start.elapsed().as_micros());
    let start = Instant::now();
    let missing = index.retain(&objects.into_iter().collect())?;
    println!("retain: {} us, {} missing", start.elapsed().as_micros(), missing.len());
    time("miss in the database (the first 900)", 900, |n| nothing(&index, n))?;
    time("misses until the filter is there", rows / 256 + 200, |n| nothing(&index, n))?;
    time("miss in the filter", 10_000_000, |n| nothing(&index, n))?;
    time("first hit in a pack", u64::from(packs).min(400), |n| {
        black_box(index.find(Kind::DataPack, &chunk(n * u64::from(CHUNKS)))?.ok_or("not found")?);
        Ok(())
    })?;
    let present: Vec<ChunkId> = (0..200 * u64::from(CHUNKS)).map(chunk).collect();
    time("hit in memory, neighbours in order", 10_000_000, |n| {
        let id = &present[usize::try_from(n)? % present.len()];
        black_box(index.find(Kind::DataPack, id)?.ok_or("not found")?);
        Ok(())
    })?;
    time("hit in memory, at random", 10_000_000, |n| {
        let id = &present[usize::try_from(n * 7919)? % present.len()];
        black_box(index.find(Kind::DataPack, id)?.ok_or("not found")?);
        Ok(())
    })?;
    let size = std::fs::metadata(folder.path().join("index.sqlite"))?.len();
    println!("{} bytes per row on disk; {}", size / rows.max(1), resident_kib());
    Ok(())
}
