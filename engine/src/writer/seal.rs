// SPDX-License-Identifier: MIT OR Apache-2.0
//! From an open segment to a sealed one: compress, against its bases if that pays, seal, open again and compare. The part of the writer
//! that runs on all threads.

use std::sync::atomic::Ordering;

use keepfast_repo_format::FormatError;
use keepfast_repo_format::directory::ChunkRow;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::keys::SessionKey;
use keepfast_repo_format::segment::{self, Codec, Payload, Sealed};

use super::delta::overlap;
use super::{OpenSegment, Writer, packs};
use crate::error::{Error, Result};
use crate::pool::Scratch;

/// How hard new data is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// The first segments of a session harder than the rest: a small backup, as most nightly ones are, gets smaller at a cost that
    /// is bounded for a large one.
    #[default]
    Auto,
    /// Everything with this zstd level.
    Level(i32),
}

/// Plaintext of a session that is compressed harder, in bytes: the cost is bounded.
pub(super) const EARLY_BYTES: u64 = 16 << 20;
/// zstd level of the early segments: a first backup of configuration files is 10 % smaller than with level 3. Level 9 is no smaller, and slower.
const EARLY_LEVEL: i32 = 8;
/// zstd level of the rest: level 4 saves 0.2 % on source code (`docs/decisions/001-sizes.md`).
const LATER_LEVEL: i32 = 3;

/// zstd level of deltas. Nearly all of one is long matches, so that a high level costs little: a nightly dump of 36 MB took 0.19 s in place
/// of the 0.17 s of level 3, and 0.82 MB in place of 0.89.
const DELTA_LEVEL: i32 = 9;

impl Compression {
    fn level(self, is_early: bool) -> i32 {
        match self {
            Self::Auto if is_early => EARLY_LEVEL,
            Self::Auto => LATER_LEVEL,
            Self::Level(level) => level,
        }
    }

    fn delta_level(self) -> i32 {
        match self {
            Self::Auto => DELTA_LEVEL,
            Self::Level(level) => level,
        }
    }
}

/// A delta of no more than this share of the plaintext is taken without asking what the segment would be alone.
const CLEARLY_SMALLER_SHARE: usize = 12;

/// What an edge costs: the base chunk's id in the directory of the pack, and once more in the index.
const EDGE_BYTES: usize = 2 * ChunkId::LEN;

/// A delta is taken only if it saves this share, in percent, of what the segment takes alone: reading it costs more.
const LEAST_SAVING_PERCENT: usize = 10;

impl Writer {
    /// Compresses, seals, *opens again and compares*, then packs a segment. Failures are kept for [`Writer::cause`].
    pub fn seal(&self, open: OpenSegment, scratch: &mut Scratch) {
        if self.failed.load(Ordering::Relaxed) || self.drops.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.try_seal(open, scratch) {
            self.fail(error);
        }
    }

    fn try_seal(&self, open: OpenSegment, scratch: &mut Scratch) -> Result<()> {
        let key = &self.session_keys[usize::from(open.kind == Kind::TreePack)];
        let ids: Vec<ChunkId> = open.chunks.iter().map(|chunk| chunk.id).collect();
        let (edges, prefix) = self.bases(&open)?;
        let payload = compress(&open, &prefix, edges.len(), self.compression, scratch);
        let (edges, prefix) = match payload.codec() {
            Codec::Delta => (&edges[..], &prefix[..]),
            Codec::Raw | Codec::Zstd => (&[][..], &[][..]),
        };
        let sealed = segment::seal(key, &self.keys.repository(), open.number, payload, &ids);
        let number = open.number;
        self.verify(&open, key, &sealed, prefix, scratch).map_err(|source| Error::SelfCheck { number, source })?;
        let full = self.packs.lock().expect("no holder panics").push(open.kind, sealed, &open.chunks, edges);
        full.map_or(Ok(()), |builder| self.send(packs::finish_full(builder, &self.keys)))
    }

    /// Those bases of the segment that a delta would take something from, and their content, each compared with its id: any copy of them must do
    /// for readers. None if one can not be read: the segment then stands alone.
    fn bases(&self, open: &OpenSegment) -> Result<(Vec<ChunkId>, Vec<u8>)> {
        let mut contents = Vec::with_capacity(open.bases.ids.len());
        for id in &open.bases.ids {
            let base = match open.kind {
                Kind::TreePack => self.reader.tree_chunk(id),
                _ => self.reader.data_chunk(id),
            };
            match base {
                Ok(base) => contents.push(base),
                Err(error) if error.is_damage() => return Ok((Vec::new(), Vec::new())),
                Err(error) => return Err(error),
            }
        }
        let used = overlap::used(&open.plain, &contents);
        let (mut edges, mut prefix) = (Vec::new(), Vec::new());
        for ((id, content), _) in open.bases.ids.iter().zip(&contents).zip(used).filter(|(_, is_used)| *is_used) {
            edges.push(*id);
            prefix.extend_from_slice(content);
        }
        Ok((edges, prefix))
    }

    /// Takes the sealed bytes all the way back: bad memory or a broken compressor must not reach the repository.
    fn verify(
        &self,
        open: &OpenSegment,
        key: &SessionKey,
        sealed: &Sealed,
        prefix: &[u8],
        scratch: &mut Scratch,
    ) -> Result<(), FormatError> {
        let Sealed { stored, codec, plain_len } = sealed;
        let (repository, decompressor) = (self.keys.repository(), &mut scratch.decompressor);
        let mut rest = segment::view(key, &repository, stored, *codec, *plain_len, prefix, decompressor)?;
        for ChunkRow { id, length } in &open.chunks {
            let (chunk, after) = rest.split_at(*length as usize);
            rest = after;
            let found = match open.kind {
                Kind::TreePack => self.keys.tree_chunk_id(chunk),
                _ => self.keys.data_chunk_id(chunk),
            };
            if found != *id {
                return Err(FormatError::ChunkContent { id: *id });
            }
        }
        Ok(())
    }
}

/// The smaller payload, where the delta has to be clearly smaller.
fn compress(
    open: &OpenSegment,
    prefix: &[u8],
    edges: usize,
    compression: Compression,
    scratch: &mut Scratch,
) -> Payload {
    let compressor = &mut scratch.compressor;
    compressor.set_level(compression.delta_level());
    let delta = if prefix.is_empty() { None } else { compressor.compress_delta(&open.plain, prefix) };
    compressor.set_level(compression.level(open.is_early));
    let Some(delta) = delta else { return compressor.compress(&open.plain) };
    let cost = delta.bytes().len() + EDGE_BYTES * edges;
    if cost * CLEARLY_SMALLER_SHARE <= open.plain.len() {
        return delta;
    }
    let alone = compressor.compress(&open.plain);
    if cost * 100 <= alone.bytes().len() * (100 - LEAST_SAVING_PERCENT) { delta } else { alone }
}
