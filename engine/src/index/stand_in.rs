// SPDX-License-Identifier: MIT OR Apache-2.0
//! Until the format's own types are there.

use keepfast_repo_format::FormatError;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{ChunkId, KeyId, PackId, SessionId};

/// See the format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// See the format.
    pub key_id: KeyId,
    /// See the format.
    pub enc: [u8; 32],
    /// See the format.
    pub commitment: [u8; 32],
}

/// See the format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentRow {
    /// See the format.
    pub offset: u32,
    /// See the format.
    pub chunks: u32,
}

/// See the format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkRow {
    /// See the format.
    pub id: ChunkId,
    /// See the format.
    pub len: u32,
}

/// See the format.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Directory {
    /// See the format.
    pub segments: Vec<SegmentRow>,
    /// See the format.
    pub chunks: Vec<ChunkRow>,
    /// See the format.
    pub edges: Vec<ChunkId>,
}

/// See the format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackRecord {
    /// See the format.
    pub id: PackId,
    /// See the format.
    pub length: u64,
    /// See the format.
    pub kind: Kind,
    /// See the format.
    pub session: SessionId,
    /// See the format.
    pub keys: Vec<KeyRow>,
    /// See the format.
    pub directory: Directory,
}

impl Directory {
    /// See the format.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = (self.segments.len() as u32).to_le_bytes().to_vec();
        for s in &self.segments {
            out.extend(s.offset.to_le_bytes());
            out.extend(s.chunks.to_le_bytes());
        }
        self.chunks.iter().for_each(|c| out.extend(c.len.to_le_bytes()));
        self.chunks.iter().for_each(|c| out.extend(c.id.0));
        out
    }

    /// See the format.
    ///
    /// # Errors
    /// See the format.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let u32_at = |at: usize| bytes[at..at + 4].try_into().map(u32::from_le_bytes).unwrap_or(0);
        let s = u32_at(0) as usize;
        let c = (bytes.len() - 4 - 8 * s) / 36;
        let at = 4 + 8 * s;
        let segments = (0..s).map(|i| SegmentRow { offset: u32_at(4 + 8 * i), chunks: u32_at(8 + 8 * i) }).collect();
        let id = |i: usize| ChunkId(bytes[at + 4 * c + 32 * i..][..32].try_into().unwrap_or([0; 32]));
        let chunks = (0..c).map(|i| ChunkRow { id: id(i), len: u32_at(at + 4 * i) }).collect();
        Ok(Self { segments, chunks, edges: Vec::new() })
    }
}
