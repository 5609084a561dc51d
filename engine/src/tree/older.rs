// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which nodes of an older tree hold what a node of a new one holds: those of the same stretch of keys. For writers of trees, which
//! ask in ascending order; nodes that nobody asks for are passed by unread.

use std::sync::Arc;

use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::tree::order;

use super::{Cursor, Direction, Root};
use crate::error::Result;
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
    /// Damage hides those behind it.
    ///
    /// # Errors
    /// The storage.
    pub fn covering(&mut self, level: u8, first: Key, last: Key) -> Result<Vec<ChunkId>> {
        let mut nodes = Vec::new();
        let Some(place) = self.levels.get_mut(usize::from(level)) else { return Ok(nodes) };
        let Some(cursor) = place else { return Ok(nodes) };
        while let Some((at, id)) = cursor.next_node() {
            let node_last = cursor.next_node_last();
            let ends_before =
                |key: Key| node_last.is_some_and(|end| order::compare(end.0, end.1, key.0, key.1).is_lt());
            let (is_before, ends_within) = (ends_before(first), ends_before(last));
            if is_before {
                cursor.skip_node();
            } else if at > level {
                match cursor.enter_node() {
                    Ok(()) => {}
                    Err(error) if error.is_damage() => {
                        *place = None;
                        return Ok(nodes);
                    }
                    Err(error) => return Err(error),
                }
            } else {
                nodes.push(id);
                if !ends_within {
                    return Ok(nodes);
                }
                cursor.skip_node();
            }
        }
        Ok(nodes)
    }
}
