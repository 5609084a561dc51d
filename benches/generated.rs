// SPDX-License-Identifier: MIT OR Apache-2.0
//! Data for the benches, the same on every machine: made from a fixed seed, no corpus needed.
//! For the benches of this folder only. It imitates what configuration and program text look like to a compressor, no more.

#![allow(dead_code, reason = "every bench uses a part of it")]

use std::sync::Arc;

use keepfast_repo_format::id::{ChunkId, RepositoryId};
use keepfast_repo_format::keys::{Keys, RootSecret};
use keepfast_repo_format::tree::entry::{Content, ContentItem, Entry, FileType, Marks, Metadata, Owner, Timestamp};

/// The repository of all benches.
pub const REPOSITORY: RepositoryId = RepositoryId(*b"a bench has none");

/// The leaf target of a new repository, in entries.
pub const LEAF_TARGET: u32 = 64;

/// Distinct words of the text.
const VOCABULARY: usize = 4096;

/// A small generator (splitmix64): good enough to be no pattern, and the same for ever.
pub struct Random(u64);

impl Random {
    /// Another seed, other data.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, small ones more often, as words are used in text.
    fn skewed(&mut self, limit: usize) -> usize {
        let unit = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        ((limit as f64).powf(unit) - 1.0) as usize % limit
    }
}

/// Bytes that do not compress.
pub fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut data = Vec::with_capacity(bytes + 8);
    while data.len() < bytes {
        data.extend_from_slice(&random.next().to_le_bytes());
    }
    data.truncate(bytes);
    data
}

/// Lines of `name.name = word word word`, with words used as unevenly as in text.
pub fn text(bytes: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let letter = |random: &mut Random| b"etaoinshrdlucmfwypvbgk"[random.skewed(22)];
    let words: Vec<Vec<u8>> = (1..=VOCABULARY)
        .map(|rank| (0..2 + rank.ilog2() as usize / 2).map(|_| letter(&mut random)).collect())
        .collect();
    let mut data = Vec::with_capacity(bytes + 128);
    while data.len() < bytes {
        for separator in [&b"."[..], b" = "] {
            data.extend_from_slice(&words[random.skewed(VOCABULARY)]);
            data.extend_from_slice(separator);
        }
        for _ in 0..1 + random.next() % 8 {
            data.extend_from_slice(&words[random.skewed(VOCABULARY)]);
            data.push(b' ');
        }
        data.extend_from_slice((random.next() % 10_000).to_string().as_bytes());
        data.push(b'\n');
    }
    data.truncate(bytes);
    data
}

/// Keys of the benches' repository.
pub fn keys() -> Keys {
    Keys::derive(&RootSecret::from_bytes([7; 32]), REPOSITORY, 0)
}

/// An id that spreads like a keyed hash.
pub fn chunk_id(number: u64) -> ChunkId {
    let mut random = Random::new(number.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let mut id = [0; 32];
    for part in id.chunks_exact_mut(8) {
        part.copy_from_slice(&random.next().to_le_bytes());
    }
    ChunkId(id)
}

/// `count` files in tree order, 32 to a folder, one chunk each.
pub fn entries(count: u64) -> Vec<Entry> {
    let owner = Arc::new(Owner { uid: 1000, gid: 1000, user: b"operator".to_vec(), group: b"operator".to_vec() });
    let (xattrs, mut random) = (Arc::default(), Random::new(3));
    let mut directory: Arc<[u8]> = Arc::default();
    (0..count)
        .map(|number| {
            if number % 32 == 0 {
                directory = Arc::from(format!("srv/site-{:06}/config", number / 32).into_bytes());
            }
            let size = 200 + random.next() % 20_000;
            let changed =
                Timestamp { seconds: 1_767_225_600 + number as i64 * 7, nanos: (random.next() % 1_000_000_000) as u32 };
            let metadata = Metadata {
                mode: 0o644,
                owner: Arc::clone(&owner),
                modified: changed,
                changed,
                inode: 100_000 + number,
                xattrs: Arc::clone(&xattrs),
                size,
                ..Metadata::of(FileType::File)
            };
            let content = Content { height: 0, items: vec![ContentItem { length: size, id: Some(chunk_id(number)) }] };
            let name = format!("interface-{number:08}.conf").into_bytes();
            Entry { directory: Arc::clone(&directory), name, metadata, marks: Marks(0), content, layers: Vec::new() }
        })
        .collect()
}
