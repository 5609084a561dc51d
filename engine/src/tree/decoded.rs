// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nodes of trees in memory, decoded, and the entries in them. For trees whose entries have numbers (`numbered`); reads nothing itself.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use keepfast_repo_format::FormatError;
use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::tree::entry::{ContentItem, Entry};
use keepfast_repo_format::tree::inner::Child;
use keepfast_repo_format::tree::order;

/// Directory and name of an entry.
pub(super) type Key = (Vec<u8>, Vec<u8>);

/// An entry, in the leaf that it was found in.
#[derive(Clone)]
pub struct Placed {
    node: Arc<Node>,
    at: usize,
}

/// Neighbouring entries of a leaf, in order.
pub struct Stretch {
    pub(super) node: Arc<Node>,
    pub(super) at: u64,
}

/// A decoded node, and what its parent must say of it.
pub struct Node {
    pub(super) body: Body,
    pub(super) entries: u64,
    bytes: u64,
    /// In memory, about.
    weight: usize,
}

pub(super) enum Body {
    Leaf(Vec<Entry>),
    /// With the number of the first entry of each child, from the node's own first.
    Inner {
        children: Vec<Child>,
        starts: Vec<u64>,
    },
}

impl Node {
    pub(super) fn of_leaf(leaf: Vec<Entry>) -> Self {
        let weigh = |entry: &Entry| {
            let items: usize = entry.contents().map(|content| content.items.len()).sum();
            size_of::<Entry>() + entry.name.len() + items * size_of::<ContentItem>()
        };
        Self {
            entries: leaf.len() as u64,
            bytes: leaf.iter().map(|entry| entry.metadata.size).fold(0, u64::saturating_add),
            weight: leaf.iter().map(weigh).sum(),
            body: Body::Leaf(leaf),
        }
    }

    pub(super) fn of_children(children: Vec<Child>) -> Self {
        let mut starts = Vec::with_capacity(children.len());
        let mut entries = 0_u64;
        for child in &children {
            starts.push(entries);
            entries = entries.saturating_add(child.entries);
        }
        let weigh = |child: &Child| size_of::<Child>() + 8 + child.last_directory.len() + child.last_name.len();
        Self {
            entries,
            bytes: children.iter().map(|child| child.bytes).fold(0, u64::saturating_add),
            weight: children.iter().map(weigh).sum(),
            body: Body::Inner { children, starts },
        }
    }

    pub(super) fn placed(self: &Arc<Self>, at: u64) -> Option<Placed> {
        let Body::Leaf(entries) = &self.body else { return None };
        let at = usize::try_from(at).ok().filter(|at| *at < entries.len())?;
        Some(Placed { node: self.clone(), at })
    }

    /// Entries of a leaf that stand before the key.
    pub(super) fn before(&self, directory: &[u8], name: &[u8]) -> u64 {
        let Body::Leaf(entries) = &self.body else { return 0 };
        let is_before = |entry: &Entry| order::compare(&entry.directory, &entry.name, directory, name).is_lt();
        entries.partition_point(is_before) as u64
    }

    /// One node may stand in several trees, so this is looked at wherever it is met.
    pub(super) fn check(&self, promised: Option<&Child>, before: Option<&Key>) -> Result<(), FormatError> {
        let malformed = |why: &str| Err(FormatError::Malformed { what: "tree node", why: why.to_string() });
        let (first, last) = match &self.body {
            Body::Leaf(entries) => (entries.first().map(key_of), entries.last().map(key_of)),
            Body::Inner { children, .. } => {
                (None, children.last().map(|child| (&child.last_directory[..], &child.last_name[..])))
            }
        };
        if let Some(child) = promised
            && ((self.entries, self.bytes) != (child.entries, child.bytes)
                || last != Some((&child.last_directory[..], &child.last_name[..])))
        {
            return malformed("it is not what its parent says");
        }
        if let (Some(before), Some(first)) = (before, first)
            && order::compare(&before.0, &before.1, first.0, first.1).is_ge()
        {
            return malformed("its entries do not follow those before it");
        }
        Ok(())
    }
}

fn key_of(entry: &Entry) -> (&[u8], &[u8]) {
    (&entry.directory, &entry.name)
}

impl Iterator for Stretch {
    type Item = Placed;

    fn next(&mut self) -> Option<Placed> {
        let placed = self.node.placed(self.at);
        self.at += 1;
        placed
    }
}

impl Deref for Placed {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        match &self.node.body {
            Body::Leaf(entries) => &entries[self.at],
            Body::Inner { .. } => unreachable!("entries are placed in leaves only"),
        }
    }
}

/// Decoded nodes in memory: those used last, up to a number of bytes.
pub struct NodeCache {
    limit: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    nodes: HashMap<ChunkId, (Arc<Node>, u64)>,
    weight: usize,
    tick: u64,
}

impl NodeCache {
    /// For nodes of about so many bytes together.
    pub fn new(limit: usize) -> Self {
        Self { limit, kept: Mutex::default() }
    }

    pub(super) fn get(&self, id: &ChunkId) -> Option<Arc<Node>> {
        let kept = &mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.tick += 1;
        let (node, used) = kept.nodes.get_mut(id)?;
        *used = kept.tick;
        Some(node.clone())
    }

    pub(super) fn put(&self, id: ChunkId, node: &Arc<Node>) {
        let kept = &mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.tick += 1;
        if kept.nodes.insert(id, (node.clone(), kept.tick)).is_none() {
            kept.weight += node.weight;
        }
        while kept.weight > self.limit && kept.nodes.len() > 1 {
            let oldest = kept.nodes.iter().min_by_key(|(_, (_, used))| *used).map(|(id, _)| *id);
            let Some((node, _)) = oldest.and_then(|id| kept.nodes.remove(&id)) else { return };
            kept.weight -= node.weight;
        }
    }
}
