// SPDX-License-Identifier: MIT OR Apache-2.0
//! Walks a stored tree in order, forwards or backwards, one path from root to leaf in memory, and can skip whole subtrees.

use std::collections::VecDeque;
use std::sync::Arc;

use keepfast_repo_format::FormatError;
use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::tree::entry::Entry;
use keepfast_repo_format::tree::inner::Child;
use keepfast_repo_format::tree::order;

use super::{Root, node};
use crate::error::{Error, Result};
use crate::reader::Reader;

/// Which way a [`Cursor`] walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Folders before their contents.
    Forward,
    /// Contents before their folders.
    Backward,
}

/// A position in a stored tree. As an iterator it yields the entries.
pub struct Cursor {
    reader: Arc<Reader>,
    direction: Direction,
    /// Unread nodes, from the top down; the front of the last list comes next.
    pending: Vec<(u8, VecDeque<Node>)>,
    entries: VecDeque<Entry>,
    last_key: Option<(Arc<[u8]>, Vec<u8>)>,
}

/// A node that has not been read.
#[derive(Clone, Debug)]
struct Node {
    id: ChunkId,
    /// What the parent says of it; the root has no parent.
    promised: Option<Child>,
}

impl Cursor {
    /// A cursor before the first (or, backwards, after the last) entry.
    pub fn new(reader: Arc<Reader>, root: Root, direction: Direction) -> Self {
        let top = VecDeque::from([Node { id: root.id, promised: None }]);
        Self { reader, direction, pending: vec![(root.level, top)], entries: VecDeque::new(), last_key: None }
    }

    /// The unread node that comes next, if the cursor stands exactly before one: its level and id.
    pub fn next_node(&mut self) -> Option<(u8, ChunkId)> {
        if !self.entries.is_empty() {
            return None;
        }
        while self.pending.last().is_some_and(|(_, nodes)| nodes.is_empty()) {
            self.pending.pop();
        }
        self.pending.last().and_then(|(level, nodes)| nodes.front().map(|node| (*level, node.id)))
    }

    /// Number of entries below the unread node that comes next, where its parent tells it.
    pub fn next_node_entries(&self) -> Option<u64> {
        let (_, nodes) = self.pending.last()?;
        nodes.front()?.promised.as_ref().map(|child| child.entries)
    }

    /// Directory and name of the last entry below the unread node that comes next, where its parent tells it.
    pub fn next_node_last(&self) -> Option<(&[u8], &[u8])> {
        let (_, nodes) = self.pending.last()?;
        nodes.front()?.promised.as_ref().map(|child| (&child.last_directory[..], &child.last_name[..]))
    }

    /// Passes by the unread node that comes next.
    pub fn skip_node(&mut self) {
        if let Some((_, nodes)) = self.pending.last_mut() {
            nodes.pop_front();
        }
    }

    /// Reads the unread node that comes next: its children, or its entries, come next then.
    pub fn enter_node(&mut self) -> Result<()> {
        let Some((level, nodes)) = self.pending.last_mut() else { return Ok(()) };
        let (level, Some(node)) = (*level, nodes.pop_front()) else { return Ok(()) };
        if level == 0 {
            let entries = node::read_leaf(&self.reader, node.id, node.promised.as_ref())?;
            self.check_order(&entries).map_err(|source| Error::Node { id: node.id, source })?;
            self.entries = entries.into();
            if self.direction == Direction::Backward {
                self.entries.make_contiguous().reverse();
            }
        } else {
            let children = node::read_inner(&self.reader, node.id, level, node.promised.as_ref())?;
            let mut nodes: VecDeque<_> =
                children.into_iter().map(|child| Node { id: child.id, promised: Some(child) }).collect();
            if self.direction == Direction::Backward {
                nodes.make_contiguous().reverse();
            }
            self.pending.push((level - 1, nodes));
        }
        Ok(())
    }

    /// The entry that comes next, without passing it.
    pub fn peek(&mut self) -> Result<Option<&Entry>> {
        self.fill()?;
        Ok(self.entries.front())
    }

    /// Passes by every node that lies wholly before the key (forward only), without reading it.
    pub fn seek(&mut self, directory: &[u8], name: &[u8]) -> Result<()> {
        loop {
            while let Some(entry) = self.entries.front() {
                if order::compare(&entry.directory, &entry.name, directory, name).is_ge() {
                    return Ok(());
                }
                self.entries.pop_front();
            }
            if self.next_node().is_none() {
                return Ok(());
            }
            let before = self.pending.last().and_then(|(_, nodes)| nodes.front()).is_some_and(|node| {
                node.promised.as_ref().is_some_and(|child| {
                    order::compare(&child.last_directory, &child.last_name, directory, name).is_lt()
                })
            });
            if before { self.skip_node() } else { self.enter_node()? }
        }
    }

    fn fill(&mut self) -> Result<()> {
        while self.entries.is_empty() && self.next_node().is_some() {
            self.enter_node()?;
        }
        Ok(())
    }

    /// A hostile tree could refer to one node many times; keys that go up strictly make that impossible.
    fn check_order(&mut self, entries: &[Entry]) -> Result<(), FormatError> {
        let malformed = |why: &str| Err(FormatError::Malformed { what: "tree leaf", why: why.to_string() });
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
        let (near, far) = if self.direction == Direction::Forward { (first, last) } else { (last, first) };
        if let Some((directory, name)) = &self.last_key {
            let step = order::compare(directory, name, &near.directory, &near.name);
            let rises = if self.direction == Direction::Forward { step.is_lt() } else { step.is_gt() };
            if !rises {
                return malformed("its entries do not follow those before it");
            }
        }
        self.last_key = Some((far.directory.clone(), far.name.clone()));
        Ok(())
    }
}

impl Iterator for Cursor {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.fill() {
            Ok(()) => self.entries.pop_front().map(Ok),
            Err(error) => Some(Err(error)),
        }
    }
}
