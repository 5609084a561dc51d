// SPDX-License-Identifier: MIT OR Apache-2.0
//! Generated directories and packs for the tests of this crate.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

use super::{ChunkRow, Directory, SegmentRow};
use crate::envelope::Kind;
use crate::id::{ChunkId, PackId, SessionId};
use crate::keys::KeyRow;
use crate::pack::PackRecord;
use crate::segment::{Codec, OVERHEAD};

fn chunk() -> impl Strategy<Value = ChunkRow> {
    (any::<[u8; 32]>(), 1_u32..100_000).prop_map(|(id, length)| ChunkRow { id: ChunkId(id), length })
}

/// Valid directories of a pack with `key_rows` keys.
pub(crate) fn directory(key_rows: u16) -> impl Strategy<Value = Directory> {
    let edges = weighted(0.2, vec(any::<[u8; 32]>().prop_map(ChunkId), 1..4));
    let segment = (vec(chunk(), 1..6), edges, any::<bool>(), 0_u32..99, 0..key_rows, any::<prop::sample::Index>());
    vec(segment, 0..8).prop_map(|segments| {
        let mut directory = Directory::default();
        for (chunks, edges, raw, gap, key_row, saved) in segments {
            let plain_len: u32 = chunks.iter().map(|chunk| chunk.length).sum();
            let smaller = plain_len > 1;
            let codec = match &edges {
                Some(_) if smaller => Codec::Delta,
                None if smaller && !raw => Codec::Zstd,
                _ => Codec::Raw,
            };
            let saved = if codec == Codec::Raw { 0 } else { 1 + saved.index(plain_len as usize - 1) as u32 };
            let edges = edges.filter(|_| codec == Codec::Delta).unwrap_or_default();
            directory.segments.push(SegmentRow {
                offset: directory.end() as u32 + gap,
                stored_len: plain_len + OVERHEAD as u32 - saved,
                plain_len,
                codec,
                key_row,
                chunks: chunks.len() as u32,
                edges: edges.len() as u32,
            });
            directory.chunks.extend(chunks);
            directory.edges.extend(edges);
        }
        directory
    })
}

/// Valid packs as an index knows them.
pub(crate) fn record() -> impl Strategy<Value = PackRecord> {
    let row = any::<([u8; 32], [u8; 32])>().prop_map(|(enc, commitment)| KeyRow::new(enc, commitment));
    let kind = prop_oneof![Just(Kind::DataPack), Just(Kind::TreePack)];
    let keys = vec(row, 1..4).prop_flat_map(|keys| (directory(keys.len() as u16), Just(keys)));
    (any::<[u8; 32]>(), any::<[u8; 16]>(), kind, keys, 400_u64..5000).prop_map(
        |(id, session, kind, (directory, keys), rest)| PackRecord {
            id: PackId(id),
            length: directory.end() + rest,
            kind,
            session: SessionId(session),
            keys,
            directory,
        },
    )
}
