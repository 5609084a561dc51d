// SPDX-License-Identifier: MIT OR Apache-2.0
//! The open packs of a session: two for data, one for tree nodes. A data segment goes to either of the two at random, so that the
//! storage can not tell which lengths belong to which file (`docs/format.md` section 6).

use std::sync::Arc;

use keepfast_repo_format::crypto;
use keepfast_repo_format::directory::ChunkRow;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{ChunkId, SessionId};
use keepfast_repo_format::keys::{KeyRow, Keys, SessionKey};
use keepfast_repo_format::pack::{FinishedPack, PackBuilder, Padding};
use keepfast_repo_format::segment::Sealed;

pub(super) struct Packs {
    keys: Arc<Keys>,
    session: SessionId,
    pack_size: u64,
    session_keys: [Arc<SessionKey>; 2],
    data: [Option<PackBuilder>; 2],
    tree: Option<PackBuilder>,
}

/// A pack that takes no further segment, to be finished outside the lock.
pub(super) struct FullPack {
    builder: PackBuilder,
    pack_size: u64,
}

/// Pads, seals the directory of, and names a full pack.
pub(super) fn finish_full(full: FullPack, keys: &Keys) -> FinishedPack {
    full.builder.finish(Padding::Full(full.pack_size), keys)
}

impl Packs {
    pub(super) fn new(keys: Arc<Keys>, session: SessionId, pack_size: u64, session_keys: [Arc<SessionKey>; 2]) -> Self {
        Self { keys, session, pack_size, session_keys, data: [None, None], tree: None }
    }

    /// Adds a segment that this session has sealed. Returns a pack that became full by it.
    pub(super) fn push(
        &mut self,
        kind: Kind,
        segment: Sealed,
        chunks: &[ChunkRow],
        edges: &[ChunkId],
    ) -> Option<FullPack> {
        let key = self.session_keys[usize::from(kind == Kind::TreePack)].key_row();
        self.push_sealed(kind, segment, key, chunks, edges)
    }

    /// Adds a segment that any session has sealed with the key of this row.
    pub(super) fn push_sealed(
        &mut self,
        kind: Kind,
        segment: Sealed,
        key: KeyRow,
        chunks: &[ChunkRow],
        edges: &[ChunkId],
    ) -> Option<FullPack> {
        let (keys, session, pack_size) = (self.keys.clone(), self.session, self.pack_size);
        let open = || PackBuilder::new(&keys, session, kind);
        let fits = |pack: &Option<PackBuilder>| {
            let room = |builder: &PackBuilder| builder.room(pack_size, chunks.len(), edges.len()).unwrap_or(0);
            let needed = (segment.stored.len() + KeyRow::LEN) as u64;
            pack.as_ref().is_none_or(|builder| builder.has_room_for_key() && room(builder) >= needed)
        };
        let slot = match kind {
            Kind::TreePack => &mut self.tree,
            _ => {
                let first = usize::from(crypto::random::<1>()[0] & 1);
                let either = [first, 1 - first].into_iter().find(|which| fits(&self.data[*which]));
                &mut self.data[either.unwrap_or(first)]
            }
        };
        let full = if fits(slot) { None } else { slot.take() };
        let builder = slot.get_or_insert_with(open);
        let key_row = builder.add_key(key);
        builder.push(segment, key_row, chunks, edges);
        full.map(|builder| FullPack { builder, pack_size })
    }

    /// Ends the open packs: the two data packs as one if they fit, padded only so far that their length tells little.
    pub(super) fn finish(&mut self) -> Vec<FinishedPack> {
        let (first, second) = (self.data[0].take(), self.data[1].take());
        let mut left = match (first, second) {
            (Some(mut first), Some(second)) if first.has_room_for(&second, self.pack_size) => {
                first.append(second);
                vec![first]
            }
            (first, second) => first.into_iter().chain(second).collect(),
        };
        left.extend(self.tree.take());
        left.into_iter().map(|builder| builder.finish(Padding::Padme, &self.keys)).collect()
    }
}
