// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pack record as bytes of the database, and back.
//!
//! For the local index only. The bytes stand under their hash: what was changed by anything but this program is never read
//! as a record. They are not compressed: nine tenths are ids, and zstd does not make those smaller.

use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::index;
use keepfast_repo_format::pack::PackRecord;

/// A record as it is compared and stored.
pub(super) struct Packed {
    /// Hash of `bytes`: equal content is stored once, whichever objects list it.
    pub(super) content: [u8; 32],
    /// The table of an index object with this pack only.
    pub(super) bytes: Vec<u8>,
}

impl Packed {
    pub(super) fn new(record: &PackRecord) -> Self {
        let bytes = index::encode(std::slice::from_ref(record));
        Self { content: *blake3::hash(&bytes).as_bytes(), bytes }
    }
}

/// The record, if the bytes are those that were stored under `content`.
pub(super) fn unpack(bytes: &[u8], content: &[u8; 32]) -> Option<PackRecord> {
    let intact = blake3::hash(bytes).as_bytes() == content;
    intact.then(|| index::decode(bytes).ok()?.pop()).flatten()
}

/// What an object says as a whole: its name, the contents it lists, and how many edges each has. Keeps a damaged list from making
/// packs visible, and a collector from missing edges.
pub(super) fn object_digest<'a>(object: &[u8], contents: impl Iterator<Item = (&'a [u8; 32], u64)>) -> [u8; 32] {
    let mut contents: Vec<(&[u8; 32], u64)> = contents.collect();
    contents.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    hasher.update(object);
    for (content, edges) in contents {
        hasher.update(content);
        hasher.update(&edges.to_le_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// The chunk ids of a record.
pub(super) fn ids(record: &PackRecord) -> impl Iterator<Item = &ChunkId> {
    record.directory.chunks.iter().map(|chunk| &chunk.id)
}
