// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pack record as columns of the database, and back.
//!
//! For the local index only. A row carries the hash of its content: a row that was changed by anything but this program
//! is never read as another pack's.

use super::stand_in::Directory;
use super::stand_in::KeyRow;
use super::stand_in::PackRecord;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{ChunkId, KeyId, PackId, SessionId};

use super::IndexError;

/// zstd level of the directories: ids do not compress, the columns of lengths do at any level.
const LEVEL: i32 = 1;

/// The largest directory table that is taken back: the format's limit for a framed payload, 64 MiB.
const MAX_DIRECTORY_BYTES: usize = 64 << 20;

/// Columns of one pack.
pub(super) struct PackRow {
    pub(super) id: Vec<u8>,
    pub(super) kind: u8,
    pub(super) length: i64,
    pub(super) session: Vec<u8>,
    pub(super) keys: Vec<u8>,
    /// zstd of the directory's table.
    pub(super) directory: Vec<u8>,
}

/// A record in the form in which it is compared and stored.
pub(super) struct Packed {
    /// Hash of everything in the record: equal content is stored once, whichever objects list it.
    pub(super) content: [u8; 32],
    keys: Vec<u8>,
    directory: Vec<u8>,
}

impl Packed {
    pub(super) fn new(record: &PackRecord) -> Self {
        let mut keys = Vec::with_capacity(record.keys.len() * 80);
        for row in &record.keys {
            keys.extend_from_slice(&row.key_id.0);
            keys.extend_from_slice(&row.enc);
            keys.extend_from_slice(&row.commitment);
        }
        let directory = record.directory.encode();
        let content = content(&record.id, record.kind, record.length, &record.session, &keys, &directory);
        Self { content, keys, directory }
    }

    pub(super) fn into_row(self, record: &PackRecord) -> Result<PackRow, IndexError> {
        let directory = zstd::bulk::compress(&self.directory, LEVEL)
            .map_err(|source| IndexError::Folder { path: "zstd".into(), source })?;
        Ok(PackRow {
            id: record.id.0.to_vec(),
            kind: record.kind as u8,
            length: record.length.cast_signed(),
            session: record.session.0.to_vec(),
            keys: self.keys,
            directory,
        })
    }
}

impl PackRow {
    /// The record, if it is what was stored under `content`.
    pub(super) fn into_record(self, expected: &[u8]) -> Option<PackRecord> {
        let id = PackId(self.id.try_into().ok()?);
        let session = SessionId(self.session.try_into().ok()?);
        let kind = [Kind::DataPack, Kind::TreePack].into_iter().find(|&kind| kind as u8 == self.kind)?;
        let length = self.length.cast_unsigned();
        let size = zstd::zstd_safe::get_frame_content_size(&self.directory).ok()??;
        let size = usize::try_from(size).ok().filter(|&size| size <= MAX_DIRECTORY_BYTES)?;
        let table = zstd::bulk::decompress(&self.directory, size).ok()?;
        if content(&id, kind, length, &session, &self.keys, &table) != expected {
            return None;
        }
        let directory = Directory::decode(&table).ok()?;
        let keys = self.keys.chunks_exact(80).map(key_row).collect::<Option<Vec<_>>>()?;
        Some(PackRecord { id, length, kind, session, keys, directory })
    }
}

/// What an object says as a whole: its name and the contents it lists. Keeps a damaged list from making packs visible.
pub(super) fn object_digest<'a>(object: &[u8], contents: impl Iterator<Item = &'a [u8; 32]>) -> [u8; 32] {
    let mut contents: Vec<&[u8; 32]> = contents.collect();
    contents.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    hasher.update(object);
    contents.into_iter().for_each(|content| {
        hasher.update(content);
    });
    *hasher.finalize().as_bytes()
}

fn content(id: &PackId, kind: Kind, length: u64, session: &SessionId, keys: &[u8], directory: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&id.0).update(&[kind as u8]).update(&length.to_le_bytes()).update(&session.0);
    hasher.update(&(keys.len() as u64).to_le_bytes()).update(keys).update(directory);
    *hasher.finalize().as_bytes()
}

fn key_row(bytes: &[u8]) -> Option<KeyRow> {
    let (key_id, rest) = bytes.split_first_chunk()?;
    let (enc, rest) = rest.split_first_chunk()?;
    Some(KeyRow { key_id: KeyId(*key_id), enc: *enc, commitment: rest.try_into().ok()? })
}

/// The chunk ids of a record.
pub(super) fn ids(record: &PackRecord) -> impl Iterator<Item = &ChunkId> {
    record.directory.chunks.iter().map(|chunk| &chunk.id)
}
