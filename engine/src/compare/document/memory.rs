// SPDX-License-Identifier: MIT OR Apache-2.0
//! A [`Value`] as a tree: every node with its digest, computed once.
//!
//! About 70 bytes for each value, beside the value itself.

use super::Value;
use super::align::last_of_each_name;
use super::digest::{Digest, Kind, Seed, last_of_each};
use super::identity::Keys;
use super::tree::{Children, Node, Tree};
use crate::compare::Trouble;
use std::borrow::Cow;
use std::ops::Range;

struct Slot<'a> {
    key: &'a str,
    value: &'a Value,
    name: Digest,
    digest: Digest,
    kids: Range<usize>,
}

/// A value in memory.
pub(super) struct Memory<'a> {
    seed: &'a Seed,
    keys: &'a Keys,
    slots: Vec<Slot<'a>>,
}

impl<'a> Memory<'a> {
    /// Computes all digests.
    pub(super) fn new(value: &'a Value, seed: &'a Seed, keys: &'a Keys) -> Self {
        let mut memory = Self { seed, keys, slots: Vec::new() };
        memory.push("", value);
        memory.fill(0);
        memory
    }

    /// The value itself.
    pub(super) fn root(&self) -> Node {
        self.node(0)
    }

    fn push(&mut self, key: &'a str, value: &'a Value) {
        let nothing = Digest::default();
        self.slots.push(Slot { key, value, name: nothing, digest: nothing, kids: 0..0 });
    }

    /// Adds what is in the value of the slot, and computes its digest.
    fn fill(&mut self, slot: usize) {
        let first = self.slots.len();
        let digest = match self.slots[slot].value {
            Value::Null => self.seed.null(),
            Value::Bool(value) => self.seed.bool(*value),
            Value::Number(text) => self.seed.number(text),
            Value::Text(text) => self.seed.text(text),
            Value::List(values) => {
                values.iter().for_each(|value| self.push("", value));
                let mut list = self.seed.list();
                for kid in first..first + values.len() {
                    self.fill(kid);
                    list.add(self.slots[kid].digest);
                }
                self.slots[slot].kids = first..first + values.len();
                list.finish()
            }
            Value::Map(entries) => {
                entries.iter().for_each(|(key, value)| self.push(key, value));
                for kid in first..first + entries.len() {
                    self.slots[kid].name = self.seed.text(self.slots[kid].key);
                    self.fill(kid);
                }
                self.slots[slot].kids = first..first + entries.len();
                self.seed.map(&self.entries(slot))
            }
        };
        self.slots[slot].digest = digest;
    }

    fn entries(&self, slot: usize) -> Vec<(Digest, Digest)> {
        let kids = &self.slots[self.slots[slot].kids.clone()];
        let mut entries = kids.iter().map(|kid| (kid.name, kid.digest)).collect();
        last_of_each(&mut entries, 0);
        entries
    }

    fn node(&self, slot: usize) -> Node {
        let Slot { name, digest, .. } = self.slots[slot];
        Node { name, digest, at: slot as u64, length: 0, lead: 0 }
    }

    /// The last entry of the map that has this name, if it is a map.
    fn map_in(&self, slot: usize, name: Digest) -> Option<usize> {
        let kid = self.slots[slot].kids.clone().rev().find(|&kid| self.slots[kid].name == name)?;
        (self.slots[kid].digest.kind() == Kind::Map).then_some(kid)
    }
}

impl Tree for Memory<'_> {
    const IN_MEMORY: bool = true;

    fn children(&self, of: &Node, _room: usize) -> Result<Children, Trouble> {
        let slot = of.at as usize;
        let mut children = Children::default();
        children.nodes.extend(self.slots[slot].kids.clone().map(|kid| self.node(kid)));
        if of.digest.kind() == Kind::Map {
            last_of_each_name(&mut children.nodes);
        } else {
            for node in &children.nodes {
                let found = (node.digest.kind() == Kind::Map).then(|| {
                    let element = node.at as usize;
                    let metadata = self.map_in(element, self.keys.metadata());
                    let nested = metadata.and_then(|slot| self.keys.nested(&self.entries(slot)));
                    self.keys.found(&self.entries(element), nested)
                });
                children.columns.add(found.as_ref());
            }
        }
        Ok(children)
    }

    fn key(&self, of: &Node) -> Result<String, Trouble> {
        Ok(self.slots[of.at as usize].key.to_string())
    }

    fn value(&self, of: &Node) -> Result<Option<Cow<'_, Value>>, Trouble> {
        Ok(Some(Cow::Borrowed(self.slots[of.at as usize].value)))
    }
}
