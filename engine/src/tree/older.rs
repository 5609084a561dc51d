// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which nodes of an older tree hold what a node of a new one holds: those of the same stretch of keys. For writers of trees, which
//! ask in ascending order; nodes that nobody asks for are passed by unread.

use std::sync::Arc;

use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::tree::order;

use super::{Cursor, Direction, Root};
use crate::reader::Reader;

/// Directory and name of an entry.
pub type Key<'a> = (&'a [u8], &'a [u8]);

/// The nodes of an older tree, walked once for each level.
pub struct OlderNodes {
    /// By level, the leaves first. `None`: nothing follows, or what follows can not be read.
    levels: Vec<Option<Cursor>>,
}

impl OlderNodes {
    /// The nodes below `root`.
    pub fn new(reader: &Arc<Reader>, root: Root) -> Self {
        let cursor = |_| Some(Cursor::new(reader.clone(), root, Direction::Forward));
        Self { levels: (0..=root.level).map(cursor).collect() }
    }

    /// Nodes of the level that hold a key from `first` to `last`, or would. `first` is never below the `last` of the question before it.
    pub fn covering(&mut self, level: u8, first: Key, last: Key) -> Vec<ChunkId> {
        let mut nodes = Vec::new();
        let Some(place) = self.levels.get_mut(usize::from(level)) else { return nodes };
        let Some(cursor) = place else { return nodes };
        while let Some((at, id)) = cursor.next_node() {
            let node_last = cursor.next_node_last();
            let ends_before =
                |key: Key| node_last.is_some_and(|end| order::compare(end.0, end.1, key.0, key.1).is_lt());
            let (is_before, ends_within) = (ends_before(first), ends_before(last));
            if is_before {
                cursor.skip_node();
            } else if at > level {
                if cursor.enter_node().is_err() {
                    *place = None;
                    return nodes;
                }
            } else {
                nodes.push(id);
                if !ends_within {
                    return nodes;
                }
                cursor.skip_node();
            }
        }
        nodes
    }
}
