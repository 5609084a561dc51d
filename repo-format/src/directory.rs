// SPDX-License-Identifier: MIT OR Apache-2.0
//! The directory of a pack: which segments it has and which chunks are in them (`docs/format.md` section 6).
//!
//! For packs, which end with one, and for the index, which holds a second copy of each. Only the table: sealing it is
//! the pack's business.

use crate::envelope::MAX_PACK_BYTES;
use crate::error::FormatError;
use crate::id::ChunkId;
use crate::segment::{Codec, MAX_PLAIN_BYTES, OVERHEAD};
use crate::tree::column::{MAX_CHUNK_BYTES, fits, malformed, within};
use crate::wire::Reader;

const WHAT: &str = "pack directory";
/// Segments of a pack at most.
pub const MAX_SEGMENTS: u64 = 1 << 20;
/// Chunks of a pack at most.
pub const MAX_CHUNKS: u64 = 1 << 24;
/// Three counts.
const HEAD_BYTES: u64 = 12;
/// Five numbers, a row, a codec.
pub(crate) const SEGMENT_BYTES: u64 = 23;
/// A length and an id.
pub(crate) const CHUNK_BYTES: u64 = 4 + ChunkId::LEN as u64;
/// An id.
pub(crate) const EDGE_BYTES: u64 = ChunkId::LEN as u64;
/// Where the first segment can begin: behind the header.
const FIRST_OFFSET: u64 = 64;

/// A segment of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentRow {
    /// Where it begins in the pack, in bytes.
    pub offset: u32,
    /// Bytes in the pack, nonce and tag included.
    pub stored_len: u32,
    /// Bytes of plaintext: the sum of its chunks' lengths.
    pub plain_len: u32,
    /// How the payload came from the plaintext.
    pub codec: Codec,
    /// Row of the pack's key table with the key that it is sealed with.
    pub key_row: u16,
    /// Number of chunks, at least 1. They follow each other in [`Directory::chunks`].
    pub chunks: u32,
    /// Number of base chunks; 0 unless the codec is delta.
    pub edges: u32,
}

/// A chunk of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRow {
    /// Its id.
    pub id: ChunkId,
    /// Bytes of plaintext, at least 1.
    pub length: u32,
}

/// Where a chunk lies in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// Position in [`Directory::segments`].
    pub segment: usize,
    /// Where it begins in the segment's plaintext, in bytes.
    pub offset: u32,
    /// The chunk.
    pub chunk: ChunkRow,
}

/// All segments, chunks and edges of a pack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// Sorted by offset, without overlap.
    pub segments: Vec<SegmentRow>,
    /// The chunks of the first segment, then those of the second, and so on.
    pub chunks: Vec<ChunkRow>,
    /// The base chunks of the first segment that has some, in prefix order, and so on.
    pub edges: Vec<ChunkId>,
}

impl Directory {
    /// All chunks with their place, in the order of the pack.
    pub fn locate(&self) -> impl Iterator<Item = Located> + '_ {
        let places =
            self.segments.iter().enumerate().flat_map(|(segment, row)| (0..row.chunks).map(move |nth| (segment, nth)));
        let mut offset = 0_u32;
        self.chunks.iter().zip(places).map(move |(&chunk, (segment, nth))| {
            if nth == 0 {
                offset = 0;
            }
            let located = Located { segment, offset, chunk };
            offset = offset.saturating_add(chunk.length);
            located
        })
    }

    /// The base chunks of a segment, in the order of its prefix; none unless it is delta.
    pub fn edges_of(&self, segment: usize) -> &[ChunkId] {
        let Some(row) = self.segments.get(segment) else { return &[] };
        let before: usize = self.segments[..segment].iter().map(|row| row.edges as usize).sum();
        self.edges.get(before..before + row.edges as usize).unwrap_or_default()
    }

    /// Bytes of [`Directory::encode`].
    pub fn encoded_len(&self) -> u64 {
        HEAD_BYTES
            + SEGMENT_BYTES * self.segments.len() as u64
            + CHUNK_BYTES * self.chunks.len() as u64
            + EDGE_BYTES * self.edges.len() as u64
    }

    /// The table, by columns. A directory that breaks the rules of its fields gives a table that can not be decoded.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len() as usize);
        for count in [self.segments.len(), self.chunks.len(), self.edges.len()] {
            out.extend_from_slice(&(count as u32).to_le_bytes());
        }
        let columns: [fn(&SegmentRow) -> u32; 5] =
            [|row| row.offset, |row| row.stored_len, |row| row.plain_len, |row| row.chunks, |row| row.edges];
        for column in columns {
            out.extend(self.segments.iter().flat_map(|row| column(row).to_le_bytes()));
        }
        out.extend(self.segments.iter().flat_map(|row| row.key_row.to_le_bytes()));
        out.extend(self.segments.iter().map(|row| row.codec as u8));
        out.extend(self.chunks.iter().flat_map(|chunk| chunk.length.to_le_bytes()));
        for id in self.chunks.iter().map(|chunk| &chunk.id).chain(&self.edges) {
            out.extend_from_slice(id.as_bytes());
        }
        out
    }

    /// Reads a table of a pack whose key table has `key_rows` rows.
    ///
    /// # Errors
    /// Counts beyond the bytes or the limits, segments out of order or overlapping, chunks that do not fill their
    /// segment, rows that the key table does not have, unknown codecs, edges of a segment that is not delta.
    pub fn decode(table: &[u8], key_rows: u16) -> Result<Self, FormatError> {
        let mut reader = Reader::new(table, WHAT);
        let s = within("segments of a pack", reader.u32()?.into(), 0..=MAX_SEGMENTS)?;
        let c = within("chunks of a pack", reader.u32()?.into(), 0..=MAX_CHUNKS)?;
        let b = u64::from(reader.u32()?);
        fits(&reader, WHAT, s * SEGMENT_BYTES + c * CHUNK_BYTES + b * EDGE_BYTES, 1)?;
        let (s, c, b) = (s as usize, c as usize, b as usize);
        let segments = read_segments(&mut reader, s)?;
        let lengths = reader.bytes(4 * c)?;
        let (ids, _) = reader.bytes(ChunkId::LEN * c)?.as_chunks();
        let (edges, _) = reader.bytes(ChunkId::LEN * b)?.as_chunks();
        reader.finish(WHAT)?;
        let (lengths, _) = lengths.as_chunks();
        let row =
            |(id, length): (&[u8; 32], &[u8; 4])| ChunkRow { id: ChunkId(*id), length: u32::from_le_bytes(*length) };
        let chunks = ids.iter().zip(lengths).map(row).collect();
        let directory = Self { segments, chunks, edges: edges.iter().copied().map(ChunkId).collect() };
        directory.check(key_rows)?;
        Ok(directory)
    }

    /// Where the last segment ends, in bytes from the start of the pack.
    pub fn end(&self) -> u64 {
        self.segments.last().map_or(FIRST_OFFSET, |last| u64::from(last.offset) + u64::from(last.stored_len))
    }

    fn check(&self, key_rows: u16) -> Result<(), FormatError> {
        let mut end = FIRST_OFFSET;
        let mut chunks = self.chunks.as_slice();
        let mut edges = 0_u64;
        for row in &self.segments {
            check_row(row, end, key_rows)?;
            end = u64::from(row.offset) + u64::from(row.stored_len);
            edges += u64::from(row.edges);
            let Some((mine, others)) = chunks.split_at_checked(row.chunks as usize) else {
                return Err(malformed(WHAT, "its segments have too many chunks"));
            };
            chunks = others;
            let mut filled = 0_u64;
            for chunk in mine {
                filled += within("length of a chunk", chunk.length.into(), 1..=MAX_CHUNK_BYTES)?;
            }
            if filled != u64::from(row.plain_len) {
                return Err(malformed(WHAT, "the chunks of a segment do not fill it"));
            }
        }
        match (chunks, edges == self.edges.len() as u64, end <= MAX_PACK_BYTES) {
            ([], true, true) => Ok(()),
            ([], true, false) => Err(malformed(WHAT, "its segments reach beyond any pack")),
            _ => Err(malformed(WHAT, "its segments have too few chunks, or not its number of edges")),
        }
    }
}

fn check_row(row: &SegmentRow, end_of_previous: u64, key_rows: u16) -> Result<(), FormatError> {
    within("plain length of a segment", row.plain_len.into(), 1..=MAX_PLAIN_BYTES as u64)?;
    let raw_len = u64::from(row.plain_len) + OVERHEAD as u64;
    let sizes_fit = match row.codec {
        Codec::Raw => u64::from(row.stored_len) == raw_len,
        Codec::Zstd | Codec::Delta => (OVERHEAD as u64 + 1..raw_len).contains(&row.stored_len.into()),
    };
    if !sizes_fit {
        return Err(malformed(WHAT, "a segment's lengths do not fit its codec"));
    }
    if u64::from(row.offset) < end_of_previous {
        return Err(malformed(WHAT, "its segments are out of order, or overlap"));
    }
    if row.key_row >= key_rows {
        return Err(malformed(WHAT, "a segment names a key that the pack does not have"));
    }
    if (row.codec == Codec::Delta) != (row.edges > 0) {
        return Err(malformed(WHAT, "edges stand at a segment that is not delta, or are missing at one that is"));
    }
    Ok(())
}

fn read_segments(reader: &mut Reader<'_>, s: usize) -> Result<Vec<SegmentRow>, FormatError> {
    let mut column = |width: usize| reader.bytes(width * s);
    let numbers = [column(4)?, column(4)?, column(4)?, column(4)?, column(4)?];
    let (key_rows, codecs) = (column(2)?, column(1)?);
    let [offsets, stored, plain, chunks, edges] = numbers.map(|column| column.as_chunks::<4>().0);
    let (key_rows, _) = key_rows.as_chunks::<2>();
    let mut rows = Vec::with_capacity(s);
    for nth in 0..s {
        let number = |column: &[[u8; 4]]| u32::from_le_bytes(column[nth]);
        rows.push(SegmentRow {
            offset: number(offsets),
            stored_len: number(stored),
            plain_len: number(plain),
            chunks: number(chunks),
            edges: number(edges),
            key_row: u16::from_le_bytes(key_rows[nth]),
            codec: Codec::from_stored(codecs[nth]).ok_or_else(|| malformed(WHAT, "a codec is not known"))?,
        });
    }
    Ok(rows)
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
