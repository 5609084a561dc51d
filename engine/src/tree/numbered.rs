// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stored tree as a list whose entries have numbers: any entry by its number, and the number of any path, by one node per level.
//!
//! For whoever comes back to entries in any order, as a mounted file system does. Nodes that were read last stay in memory, decoded. It writes
//! nothing.

use std::collections::HashSet;
use std::sync::Arc;

use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::tree::entry::Entry;
use keepfast_repo_format::tree::inner::Child;
use keepfast_repo_format::tree::order;

use super::decoded::{Body, Key, Node, NodeCache, Placed, Stretch};
use super::{Root, node};
use crate::error::{Error, Result};
use crate::reader::Reader;

/// A tree whose entries have numbers, from 0, in the order of the tree. They hold for as long as the tree does: for ever.
pub struct Numbered {
    reader: Arc<Reader>,
    root: Root,
    nodes: Arc<NodeCache>,
}

/// What stands at a number.
pub enum Part {
    /// These entries: all that the leaf has from there on, at least one.
    Entries(Stretch),
    /// Nothing that can be read before this number, which is behind the one that was asked for.
    Lost(u64, Error),
    /// Nothing: the tree has ended.
    End,
}

/// A node that covers what is looked for, not read yet.
struct Covering {
    id: ChunkId,
    level: u8,
    /// What the parent says of it, and the last key before it.
    promised: Option<Child>,
    before: Option<Key>,
    /// The number of its first entry.
    first: u64,
}

impl Numbered {
    /// Trees may share the memory for nodes, and those of one source share most of the nodes.
    pub fn new(reader: Arc<Reader>, root: Root, nodes: Arc<NodeCache>) -> Self {
        Self { reader, root, nodes }
    }

    /// The entry of this number, if the tree has so many.
    ///
    /// # Errors
    /// Damage on the way to it; the storage.
    pub fn entry(&self, number: u64) -> Result<Option<Placed>> {
        let (covering, node) = self.descend(Goal::Number(number), Keep::Yes);
        Ok(node?.placed(number - covering.first))
    }

    /// What stands at a number and behind it, as far as one leaf has it.
    ///
    /// # Errors
    /// The storage. Damage is a [`Part::Lost`].
    pub fn part(&self, number: u64) -> Result<Part> {
        self.part_kept(number, Keep::Yes)
    }

    /// The same, for who passes by: a leaf that was not in memory does not stay there.
    ///
    /// # Errors
    /// The storage.
    pub fn part_in_passing(&self, number: u64) -> Result<Part> {
        self.part_kept(number, Keep::InnerOnly)
    }

    fn part_kept(&self, number: u64, keep: Keep) -> Result<Part> {
        match self.descend(Goal::Number(number), keep) {
            (covering, Ok(node)) => {
                let at = number - covering.first;
                Ok(if at < node.entries { Part::Entries(Stretch { node, at }) } else { Part::End })
            }
            // Behind all entries the way leads to the last leaf, whole or not.
            (covering, Err(error)) if error.is_damage() && covering.end() <= number => Ok(Part::End),
            (covering, Err(error)) if error.is_damage() => Ok(Part::Lost(covering.end(), error)),
            (_, Err(error)) => Err(error),
        }
    }

    /// The number of the first entry that is not before the key. Where damage hides it: where that begins.
    ///
    /// # Errors
    /// The storage.
    pub fn first_from(&self, directory: &[u8], name: &[u8]) -> Result<u64> {
        match self.descend(Goal::Key(directory, name), Keep::Yes) {
            (covering, Ok(node)) => Ok(covering.first + node.before(directory, name)),
            (covering, Err(error)) if error.is_damage() => Ok(covering.first),
            (_, Err(error)) => Err(error),
        }
    }

    /// The entry at a path and its number, if the tree has one.
    ///
    /// # Errors
    /// Damage on the way to it; the storage.
    pub fn find(&self, directory: &[u8], name: &[u8]) -> Result<Option<(u64, Placed)>> {
        let (covering, node) = self.descend(Goal::Key(directory, name), Keep::Yes);
        let node = node?;
        let at = node.before(directory, name);
        let found = node.placed(at).filter(|entry| (&entry.directory[..], &entry.name[..]) == (directory, name));
        Ok(found.map(|entry| (covering.first + at, entry)))
    }

    /// Whether the entry of this number can be had from memory.
    pub fn keeps_entry(&self, number: u64) -> bool {
        self.is_kept(Goal::Number(number))
    }

    /// Whether it can be told from memory what stands at a path.
    pub fn keeps(&self, directory: &[u8], name: &[u8]) -> bool {
        self.is_kept(Goal::Key(directory, name))
    }

    fn is_kept(&self, goal: Goal) -> bool {
        let (mut id, mut first) = (self.root.id, 0);
        loop {
            let Some(node) = self.nodes.get(&id) else { return false };
            let Body::Inner { children, starts } = &node.body else { return true };
            let at = goal.child(first, children, starts);
            (id, first) = (children[at].id, first + starts[at]);
        }
    }

    /// Whether `look` finds an entry below nodes that are not among `seen`. Those without one are put there; none stays in memory.
    ///
    /// # Errors
    /// Damage; the storage.
    pub fn any_new(&self, seen: &mut HashSet<ChunkId>, look: &dyn Fn(&Entry) -> bool) -> Result<bool> {
        self.any_below(self.root.id, self.root.level, None, seen, look)
    }

    fn any_below(
        &self,
        id: ChunkId,
        level: u8,
        promised: Option<&Child>,
        seen: &mut HashSet<ChunkId>,
        look: &dyn Fn(&Entry) -> bool,
    ) -> Result<bool> {
        if seen.contains(&id) {
            return Ok(false);
        }
        if level == 0 {
            if node::read_leaf(&self.reader, id, promised)?.iter().any(look) {
                return Ok(true);
            }
        } else {
            for child in node::read_inner(&self.reader, id, level, promised)? {
                if self.any_below(child.id, level - 1, Some(&child), seen, look)? {
                    return Ok(true);
                }
            }
        }
        seen.insert(id);
        Ok(false)
    }

    /// The leaf in which the goal stands, or what was to be read when the way there ended.
    fn descend(&self, goal: Goal, keep: Keep) -> (Covering, Result<Arc<Node>>) {
        let Root { id, level } = self.root;
        let mut covering = Covering { id, level, promised: None, before: None, first: 0 };
        loop {
            let node = match self.read(&covering, keep) {
                Ok(node) => node,
                Err(error) => return (covering, Err(error)),
            };
            let Body::Inner { children, starts } = &node.body else { return (covering, Ok(node)) };
            let at = goal.child(covering.first, children, starts);
            let before = at.checked_sub(1).map(|at| &children[at]);
            let before = before.map(|child| (child.last_directory.clone(), child.last_name.clone()));
            covering = Covering {
                id: children[at].id,
                level: covering.level - 1,
                promised: Some(children[at].clone()),
                before: before.or(covering.before),
                first: covering.first + starts[at],
            };
        }
    }

    fn read(&self, covering: &Covering, keep: Keep) -> Result<Arc<Node>> {
        let id = covering.id;
        let node = match self.nodes.get(&id) {
            Some(node) => node,
            None => {
                let node = Arc::new(match covering.level {
                    0 => Node::of_leaf(node::read_leaf(&self.reader, id, None)?),
                    level => Node::of_children(node::read_inner(&self.reader, id, level, None)?),
                });
                if covering.level > 0 || keep == Keep::Yes {
                    self.nodes.put(id, &node);
                }
                node
            }
        };
        node.check(covering.promised.as_ref(), covering.before.as_ref())
            .map_err(|source| Error::Node { id, source })?;
        Ok(node)
    }
}

impl Covering {
    /// The number behind its last entry.
    fn end(&self) -> u64 {
        self.promised.as_ref().map_or(u64::MAX, |child| self.first.saturating_add(child.entries))
    }
}

/// Which nodes stay in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Yes,
    InnerOnly,
}

/// What is looked for.
#[derive(Clone, Copy)]
enum Goal<'a> {
    Number(u64),
    Key(&'a [u8], &'a [u8]),
}

impl Goal<'_> {
    /// The child to look into: the last one, if it is behind all of them.
    fn child(self, first: u64, children: &[Child], starts: &[u64]) -> usize {
        let at = match self {
            Self::Number(number) => starts.partition_point(|start| first + start <= number).saturating_sub(1),
            Self::Key(directory, name) => children.partition_point(|child| {
                order::compare(&child.last_directory, &child.last_name, directory, name).is_lt()
            }),
        };
        at.min(children.len() - 1)
    }
}
