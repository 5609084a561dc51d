// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds the tree bottom up while entries stream by: at most one unfinished node per level is held.

use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::tree::boundary::{NodeCutter, child_weight, entry_weight};
use keepfast_repo_format::tree::entry::{Entry, MAX_XATTR_NAME_BYTES, MAX_XATTR_VALUE_BYTES};
use keepfast_repo_format::tree::inner::Child;
use keepfast_repo_format::tree::{inner, leaf};

use super::OlderNodes;
use crate::error::{Error, Result};

/// Takes an encoded tree node and returns its id, after making sure that it will be stored.
pub trait NodeSink {
    /// Stores `node` unless the repository has it. `bases`, asked only then, tells nodes of the repository that resemble it.
    ///
    /// # Errors
    /// The repository can not take it; the backup must end.
    fn put_node(&mut self, node: Vec<u8>, bases: &mut dyn FnMut() -> Result<Vec<ChunkId>>) -> Result<ChunkId>;
}

/// The top of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// The root node.
    pub id: ChunkId,
    /// Its level: 0 if it is a leaf.
    pub level: u8,
}

/// Turns a stream of entries, in tree order, into nodes.
pub struct TreeWriter {
    boundary_key: [u8; 32],
    leaf_target: u32,
    entries: Vec<Entry>,
    leaf_cutter: NodeCutter,
    levels: Vec<Level>,
    older: Option<OlderNodes>,
}

struct Level {
    children: Vec<Child>,
    cutter: NodeCutter,
}

impl TreeWriter {
    /// A writer for the given boundary key and leaf target of the repository.
    pub fn new(boundary_key: &[u8; 32], leaf_target: u32) -> Self {
        Self {
            boundary_key: *boundary_key,
            leaf_target,
            entries: Vec::new(),
            leaf_cutter: NodeCutter::new(boundary_key, leaf_target),
            levels: Vec::new(),
            older: None,
        }
    }

    /// New nodes may be stored as their difference from those of an older tree.
    #[must_use]
    pub fn with_older(self, older: Option<OlderNodes>) -> Self {
        Self { older, ..self }
    }

    /// Adds the next entry; it must sort after the one before.
    ///
    /// # Errors
    /// The sink's; [`Error::Invalid`] for an extended attribute that no reader would take: a snapshot that can not be read is
    /// worse than none.
    pub fn push(&mut self, entry: Entry, sink: &mut dyn NodeSink) -> Result<()> {
        refuse_large_xattrs(&entry)?;
        let ends = self.leaf_cutter.ends_after(0, &entry.directory, &entry.name, entry_weight(&entry));
        self.entries.push(entry);
        if ends { self.close_leaf(sink) } else { Ok(()) }
    }

    /// Closes all nodes and returns the root; `None` if there was no entry.
    pub fn finish(mut self, sink: &mut dyn NodeSink) -> Result<Option<Root>> {
        if !self.entries.is_empty() {
            self.close_leaf(sink)?;
        }
        let mut level = 0;
        while level < self.levels.len() {
            let is_top = level + 1 == self.levels.len();
            match &self.levels[level].children[..] {
                [only] if is_top => return Ok(Some(Root { id: only.id, level: level as u8 })),
                [] => {}
                _ => self.close_inner(level, sink)?,
            }
            level += 1;
        }
        Ok(None)
    }

    fn close_leaf(&mut self, sink: &mut dyn NodeSink) -> Result<()> {
        let last = self.entries.last().expect("a leaf is closed only when it has entries");
        let (last_directory, last_name) = (last.directory.to_vec(), last.name.clone());
        let bytes = self.entries.iter().map(|entry| entry.metadata.size).fold(0, u64::saturating_add);
        let place = [&self.entries[0], last].map(|entry| (&entry.directory[..], &entry.name[..]));
        let older = &mut self.older;
        let mut bases = || older.as_mut().map_or(Ok(Vec::new()), |older| older.covering(0, place[0], place[1]));
        let id = sink.put_node(leaf::encode(&self.entries), &mut bases)?;
        let child = Child { last_directory, last_name, entries: self.entries.len() as u64, bytes, id };
        self.entries.clear();
        self.push_child(0, child, sink)
    }

    /// Adds a finished node of `level` to the level above it.
    fn push_child(&mut self, level: usize, child: Child, sink: &mut dyn NodeSink) -> Result<()> {
        if self.levels.len() == level {
            let cutter = NodeCutter::new(&self.boundary_key, self.leaf_target);
            self.levels.push(Level { children: Vec::new(), cutter });
        }
        let above = &mut self.levels[level];
        let weight = child_weight(&child);
        let ends = above.cutter.ends_after(level as u8 + 1, &child.last_directory, &child.last_name, weight);
        above.children.push(child);
        // A node with one child would only add a level; it also ends the recursion when one key is a boundary everywhere.
        if ends && above.children.len() > 1 { self.close_inner(level, sink) } else { Ok(()) }
    }

    fn close_inner(&mut self, level: usize, sink: &mut dyn NodeSink) -> Result<()> {
        let children = std::mem::take(&mut self.levels[level].children);
        let first = children.first().expect("an inner node is closed only when it has children");
        let last = children.last().unwrap_or(first);
        let older = &mut self.older;
        let mut bases = || {
            let place = [first, last].map(|child| (&child.last_directory[..], &child.last_name[..]));
            older.as_mut().map_or(Ok(Vec::new()), |older| older.covering(level as u8 + 1, place[0], place[1]))
        };
        let id = sink.put_node(inner::encode(level as u8 + 1, &children), &mut bases)?;
        let child = Child {
            last_directory: last.last_directory.clone(),
            last_name: last.last_name.clone(),
            entries: children.iter().map(|child| child.entries).sum(),
            bytes: children.iter().map(|child| child.bytes).fold(0, u64::saturating_add),
            id,
        };
        self.push_child(level + 1, child, sink)
    }
}

/// No file system of Linux has such an attribute, but a tree can come from elsewhere.
fn refuse_large_xattrs(entry: &Entry) -> Result<()> {
    let is_large = |(name, value): &&(Vec<u8>, Vec<u8>)| {
        name.is_empty() || name.len() > MAX_XATTR_NAME_BYTES || value.len() > MAX_XATTR_VALUE_BYTES
    };
    entry.metadata.xattrs.iter().find(is_large).map_or(Ok(()), |(name, value)| {
        let path = entry.path().escape_ascii().to_string();
        let (name, value) = (name.len(), value.len());
        Err(Error::Invalid(format!("{path} has an attribute with a name of {name} bytes and a value of {value} bytes")))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keepfast_repo_format::id::ChunkId;
    use keepfast_repo_format::tree::entry::{Content, Entry, FileType, Marks, Metadata};

    use super::{NodeSink, TreeWriter};
    use crate::error::{Error, Result};

    struct Nowhere;

    impl NodeSink for Nowhere {
        fn put_node(&mut self, _: Vec<u8>, _: &mut dyn FnMut() -> Result<Vec<ChunkId>>) -> Result<ChunkId> {
            Ok(ChunkId([0; 32]))
        }
    }

    fn entry(name: usize, value: usize) -> Entry {
        let metadata =
            Metadata { xattrs: Arc::new(vec![(vec![b'a'; name], vec![0; value])]), ..Metadata::of(FileType::Fifo) };
        let content = Content::default();
        Entry {
            directory: Arc::from(&b""[..]),
            name: b"pipe".to_vec(),
            metadata,
            marks: Marks(0),
            content,
            layers: Vec::new(),
        }
    }

    #[test]
    fn an_attribute_that_no_reader_would_take_is_not_written() {
        let push = |entry| TreeWriter::new(&[0; 32], 8).push(entry, &mut Nowhere);
        for (name, value) in [(0, 1), (256, 1), (1, (16 << 20) + 1)] {
            assert!(matches!(push(entry(name, value)), Err(Error::Invalid(_))), "{name} {value}");
        }
        push(entry(255, 16 << 20)).unwrap();
    }
}
