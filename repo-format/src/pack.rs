// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packs: segments, padding, the keys they need, and a directory at the end (`docs/format.md` section 6).
//!
//! For the writer of packs, and for whoever rebuilds an index from their tails. Stores nothing: a finished pack is handed
//! over in parts.

mod footer;

pub use footer::{FOOTER_LEN, Footer};

use crate::crypto::{NONCE_LEN, TAG_LEN, derive_xof, hedged_nonce, random, seal_in_place};
use crate::directory::{CHUNK_BYTES, ChunkRow, Directory, EDGE_BYTES, SEGMENT_BYTES, SegmentRow};
use crate::envelope::{Features, HEADER_LEN, Header, Kind, MAX_PACK_BYTES};
use crate::error::FormatError;
use crate::frame::{self, padme};
use crate::id::{ChunkId, PackId, RepositoryId, SessionId};
use crate::keys::{KeyRow, Keys};
use crate::segment::{Codec, Sealed};
use crate::wire::Reader;

const WHAT: &str = "pack directory";
const AAD_LABEL: &[u8] = b"keepfast v1 directory";
const PADDING_CONTEXT: &str = "keepfast 2026 v1 pack padding";
/// Bytes of a directory's table at most: it must fit into an index object, and all of it into memory.
const MAX_TABLE_BYTES: u64 = 16 << 20;
/// Bytes of a frame before its payload.
const FRAME_HEAD_BYTES: u64 = 12;

/// What the index knows of a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackRecord {
    /// Its id: the hash of all its bytes.
    pub id: PackId,
    /// All its bytes.
    pub length: u64,
    /// Data pack or tree pack.
    pub kind: Kind,
    /// The session that wrote it.
    pub session: SessionId,
    /// Its key table.
    pub keys: Vec<KeyRow>,
    /// What is in it.
    pub directory: Directory,
}

/// How long a finished pack shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Exactly this many bytes, so that all full packs look alike: the config's pack size.
    Full(u64),
    /// As `padme` says: for the last packs of a session.
    Padme,
}

/// A pack ready to be stored.
#[derive(Debug)]
pub struct FinishedPack {
    /// Its id: the hash over all parts.
    pub id: PackId,
    /// The bytes, in pieces that are to be written one after the other.
    pub parts: Vec<Vec<u8>>,
    /// Bytes of all parts.
    pub length: u64,
    /// What the index stores of it.
    pub record: PackRecord,
}

/// Collects segments into a pack.
#[derive(Debug)]
pub struct PackBuilder {
    kind: Kind,
    repository: RepositoryId,
    epoch: u16,
    session: SessionId,
    keys: Vec<KeyRow>,
    directory: Directory,
    segments: Vec<Vec<u8>>,
    next_offset: u64,
}

impl PackBuilder {
    /// An empty pack of `kind`, which is a data pack or a tree pack.
    pub fn new(keys: &Keys, session: SessionId, kind: Kind) -> Self {
        Self {
            kind,
            repository: keys.repository(),
            epoch: keys.epoch(),
            session,
            keys: Vec::new(),
            directory: Directory::default(),
            segments: Vec::new(),
            next_offset: HEADER_LEN as u64,
        }
    }

    /// The row of the key table that holds `key`; the first call with a key adds it.
    ///
    /// # Panics
    /// With more than 65,535 keys in one pack.
    pub fn add_key(&mut self, key: KeyRow) -> u16 {
        let known = self.keys.iter().position(|row| row.id == key.id);
        let row = known.unwrap_or_else(|| {
            self.keys.push(key);
            self.keys.len() - 1
        });
        assert!(row < usize::from(u16::MAX), "a pack with more keys could not be stored");
        row as u16
    }

    /// Whether one more key can be added: a collector puts segments of many sessions into one pack.
    pub fn has_room_for_key(&self) -> bool {
        self.keys.len() < usize::from(u16::MAX)
    }

    /// Whether nothing was put in yet; such a pack is not worth storing.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Bytes that a stored segment with this many chunks and edges may have so that the pack can still be finished with
    /// `pack_size` bytes; `None` if its rows alone are too many. Its key is added before this is asked.
    ///
    /// A little less than would really fit: the directory is taken as if it did not compress.
    pub fn room(&self, pack_size: u64, chunks: usize, edges: usize) -> Option<u64> {
        let rows = SEGMENT_BYTES + CHUNK_BYTES * chunks as u64 + EDGE_BYTES * edges as u64;
        let table = self.directory.encoded_len() + rows;
        if table > MAX_TABLE_BYTES {
            return None;
        }
        let sealed = padme(FRAME_HEAD_BYTES + table) + (NONCE_LEN + TAG_LEN) as u64;
        let tail = (KeyRow::LEN * self.keys.len() + FOOTER_LEN) as u64 + sealed;
        pack_size.min(MAX_PACK_BYTES).checked_sub(self.next_offset + tail)
    }

    /// Puts a segment in. `key_row` is from [`PackBuilder::add_key`]; the chunks fill the segment in this order;
    /// `edges` are its base chunks. Ask [`PackBuilder::room`] first.
    pub fn push(&mut self, segment: Sealed, key_row: u16, chunks: &[ChunkRow], edges: &[ChunkId]) {
        self.directory.segments.push(SegmentRow {
            offset: self.next_offset as u32,
            stored_len: segment.stored.len() as u32,
            plain_len: segment.plain_len,
            codec: segment.codec,
            key_row,
            chunks: chunks.len() as u32,
            edges: edges.len() as u32,
        });
        self.directory.chunks.extend_from_slice(chunks);
        self.directory.edges.extend_from_slice(edges);
        self.next_offset += segment.stored.len() as u64;
        self.segments.push(segment.stored);
    }

    /// Whether all segments of `other` could be put into this pack as well, so that `pack_size` bytes are enough.
    pub fn has_room_for(&self, other: &Self, pack_size: u64) -> bool {
        let segments = other.directory.segments.len() as u64;
        let bytes = other.next_offset - HEADER_LEN as u64;
        let (chunks, edges) = (other.directory.chunks.len(), other.directory.edges.len());
        // Room is counted with one row of a segment and no new key; the rest is added here.
        let rows = padme(SEGMENT_BYTES * segments) + (KeyRow::LEN * other.keys.len()) as u64;
        self.room(pack_size, chunks, edges).is_some_and(|room| room >= bytes + rows)
    }

    /// Puts all segments of `other` behind this pack's own. Ask [`PackBuilder::has_room_for`] first.
    pub fn append(&mut self, other: Self) {
        let key_rows: Vec<u16> = other.keys.into_iter().map(|key| self.add_key(key)).collect();
        for (mut row, stored) in other.directory.segments.into_iter().zip(other.segments) {
            row.offset = self.next_offset as u32;
            row.key_row = key_rows[usize::from(row.key_row)];
            self.next_offset += stored.len() as u64;
            self.directory.segments.push(row);
            self.segments.push(stored);
        }
        self.directory.chunks.extend(other.directory.chunks);
        self.directory.edges.extend(other.directory.edges);
    }

    /// Closes the pack, which is not empty: no reader would open one without a key. A pack that is already longer than
    /// `Padding::Full` asks for (nobody asked for room) is padded
    /// as `Padding::Padme`.
    pub fn finish(self, padding: Padding, keys: &Keys) -> FinishedPack {
        let frame = frame::encode(&self.directory.encode());
        let key_table: Vec<u8> = self.keys.iter().flat_map(KeyRow::encode).collect();
        let directory_len = NONCE_LEN + frame.len() + TAG_LEN;
        let used = self.next_offset + (key_table.len() + directory_len + FOOTER_LEN) as u64;
        let length = match padding {
            Padding::Full(size) if size >= used => size,
            _ => padme(used),
        };
        let footer = Footer {
            key_table_offset: length - (key_table.len() + directory_len + FOOTER_LEN) as u64,
            directory_len: directory_len as u32,
            key_rows: self.keys.len() as u16,
            session: self.session,
        };
        let features = features(&self.directory);
        let header = Header::new(self.kind, self.repository, self.epoch, 0, length as usize - HEADER_LEN);
        let header = Header { features, ..header }.encode();
        let footer = footer.encode();
        let nonce = hedged_nonce(keys.structure(), &random(), &[&frame]);
        let mut sealed = frame;
        seal_in_place(keys.structure(), &nonce, &aad(&header, &key_table, &footer), &mut sealed);
        let tail = [&key_table[..], &nonce, &sealed, &footer].concat();

        let mut parts = Vec::with_capacity(self.segments.len() + 3);
        parts.push(header.to_vec());
        parts.extend(self.segments);
        parts.push(random_bytes((length - used) as usize));
        parts.push(tail);
        parts.retain(|part| !part.is_empty());
        let id = hash_of(&parts);
        let (kind, session, keys, directory) = (self.kind, self.session, self.keys, self.directory);
        let record = PackRecord { id, length, kind, session, keys, directory };
        FinishedPack { id, parts, length, record }
    }
}

/// What the tail of a pack says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackTail {
    /// Data pack or tree pack.
    pub kind: Kind,
    /// All bytes of the pack.
    pub length: u64,
    /// The session that wrote it.
    pub session: SessionId,
    /// Its key table.
    pub keys: Vec<KeyRow>,
    /// What is in it.
    pub directory: Directory,
}

/// Opens a pack's directory. `tail` is its last [`Footer::tail_len`] bytes: key table, directory, footer.
///
/// # Errors
/// A header of another repository or of no pack, a footer that does not fit the tail or the header, a directory that
/// is damaged, sealed with other keys, or not valid.
pub fn open_directory(keys: &Keys, header: &[u8; HEADER_LEN], tail: &[u8]) -> Result<PackTail, FormatError> {
    let malformed = |why: &str| FormatError::Malformed { what: WHAT, why: why.into() };
    let decoded = Header::decode(header)?;
    let expected = keys.repository();
    match decoded.kind {
        Kind::DataPack | Kind::TreePack => {}
        found => return Err(FormatError::WrongKind { expected: Kind::DataPack, found }),
    }
    if decoded.repository != expected {
        return Err(FormatError::WrongRepository { expected, found: decoded.repository });
    }
    decoded.features.check_read()?;
    let (needed, found) = (FOOTER_LEN as u64, tail.len() as u64);
    let Some((rest, footer_bytes)) = tail.split_last_chunk::<FOOTER_LEN>() else {
        return Err(FormatError::Truncated { what: WHAT, needed, found });
    };
    let footer = Footer::decode(footer_bytes)?;
    if footer.tail_len() != found {
        return Err(malformed("its footer gives it another length"));
    }
    if decoded.extension_len != 0 || decoded.object_len() != footer.pack_len() {
        return Err(malformed("the header gives the pack another length"));
    }
    let mut reader = Reader::new(rest, WHAT);
    let key_table = reader.bytes(KeyRow::LEN * usize::from(footer.key_rows))?;
    let nonce = reader.array::<NONCE_LEN>()?;
    let sealed = reader.bytes(reader.remaining())?;
    let frame = crate::crypto::open(keys.structure(), &nonce, &aad(header, key_table, footer_bytes), sealed, WHAT)?;
    let directory = Directory::decode(&frame::decode(&frame, WHAT)?, footer.key_rows)?;
    if features(&directory) != decoded.features {
        return Err(malformed("its features are not those of its segments"));
    }
    if directory.end() > footer.key_table_offset {
        return Err(malformed("segments reach into the key table"));
    }
    let (rows, _) = key_table.as_chunks();
    let keys = rows.iter().map(KeyRow::decode).collect();
    Ok(PackTail { kind: decoded.kind, length: footer.pack_len(), session: footer.session, keys, directory })
}

/// What a program must know to read a pack with this directory, and to delete anything from its repository.
fn features(directory: &Directory) -> Features {
    let has_delta = directory.segments.iter().any(|segment| segment.codec == Codec::Delta);
    let bits = if has_delta { Features::DELTA } else { 0 };
    Features { read: bits, write: 0, prune: bits }
}

fn aad(header: &[u8; HEADER_LEN], key_table: &[u8], footer: &[u8; FOOTER_LEN]) -> Vec<u8> {
    [AAD_LABEL, header, key_table, &footer[..footer::CHECKED_LEN]].concat()
}

/// From 32 bytes of the system, because megabytes of them would take longer than the rest of the pack.
fn random_bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    derive_xof(PADDING_CONTEXT, &[&random::<32>()], &mut bytes);
    bytes
}

fn hash_of(parts: &[Vec<u8>]) -> PackId {
    let mut hasher = blake3::Hasher::new();
    parts.iter().for_each(|part| {
        hasher.update(part);
    });
    PackId(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests;
