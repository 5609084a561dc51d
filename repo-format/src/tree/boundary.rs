// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where nodes end (`docs/format.md` section 8.4), and the number that joins the names of one file.
//!
//! For the writer of trees. The rules look at keys and ids, not at what changes from night to night, so an edit touches
//! one leaf and its ancestors. Readers need none of this.

use crate::tree::entry::{ContentItem, Entry};
use crate::tree::inner::Child;

/// A node ends at this weight in bytes, whatever the hash says: long names must not make a node large.
const MAX_NODE_WEIGHT: u32 = 256 << 10;
/// A node ends at this many times its target.
const MAX_ENTRIES_PER_TARGET: u32 = 8;
/// Smallest target: the rule divides by it.
const MIN_TARGET: u32 = 8;
/// What an entry or a content item weighs besides its strings, in bytes: about what it takes when stored.
const BASE_WEIGHT: usize = 40;
/// Items of a list node, on average: about 18 KiB.
const LIST_TARGET: u64 = 512;
/// Items of a list node, at most.
const MAX_LIST_ITEMS: u32 = 4096;

/// Decides where nodes of one level end. One instance per level: it counts what is in the node that is being filled.
#[derive(Clone)]
pub struct NodeCutter {
    key: [u8; 32],
    target: u32,
    entries: u32,
    weight: u32,
    message: Vec<u8>,
}

impl NodeCutter {
    /// `leaf_target` is the config's: entries of a node on average, 8 to 4096.
    pub fn new(boundary_key: &[u8; 32], leaf_target: u32) -> Self {
        Self { key: *boundary_key, target: leaf_target.max(MIN_TARGET), entries: 0, weight: 0, message: Vec::new() }
    }

    /// Adds an entry (level 0) or a child by the key of its last entry (other levels) to the node, and says whether the
    /// node ends after it; the next call then begins a new node. `weight` is from [`entry_weight`] or [`child_weight`].
    pub fn ends_after(&mut self, level: u8, directory: &[u8], name: &[u8], weight: u32) -> bool {
        self.entries += 1;
        self.weight = self.weight.saturating_add(weight);
        let full = self.entries >= self.target.saturating_mul(MAX_ENTRIES_PER_TARGET) || self.weight >= MAX_NODE_WEIGHT;
        let ends = full || self.key_ends(level, directory, name);
        if ends {
            (self.entries, self.weight) = (0, 0);
        }
        ends
    }

    /// Seldom below the target and soon above it. Without the two steps lengths would be geometric, and the node that a
    /// random entry lies in, which is what a change costs, twice as long as the average one.
    fn key_ends(&mut self, level: u8, directory: &[u8], name: &[u8]) -> bool {
        if self.entries < self.target / 2 {
            return false;
        }
        let modulus = if self.entries < self.target { u64::from(self.target) * 4 } else { u64::from(self.target / 4) };
        self.message.clear();
        self.message.push(level);
        self.message.extend_from_slice(directory);
        self.message.push(b'/');
        self.message.extend_from_slice(name);
        let hash = blake3::keyed_hash(&self.key, &self.message);
        first_u64(hash.as_bytes()).is_multiple_of(modulus)
    }
}

/// What an entry adds to the weight of its leaf, in bytes.
pub fn entry_weight(entry: &Entry) -> u32 {
    let xattrs = entry.metadata.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    let items = BASE_WEIGHT * entry.contents().map(|content| content.items.len()).sum::<usize>();
    clamp(BASE_WEIGHT + entry.directory.len() + entry.name.len() + entry.metadata.target.len() + xattrs + items)
}

/// What a child adds to the weight of its inner node, in bytes.
pub fn child_weight(child: &Child) -> u32 {
    clamp(BASE_WEIGHT + child.last_directory.len() + child.last_name.len())
}

/// Decides where list nodes of one level end. One instance per level.
#[derive(Clone, Debug, Default)]
pub struct ListCutter {
    items: u32,
}

impl ListCutter {
    /// A cutter at the start of a node.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an item to the node, and says whether the node ends after it; the next call then begins a new node.
    pub fn ends_after(&mut self, item: &ContentItem) -> bool {
        self.items += 1;
        let by_id = item.id.is_some_and(|id| first_u64(&id.0).is_multiple_of(LIST_TARGET));
        let ends = by_id || self.items >= MAX_LIST_ITEMS;
        if ends {
            self.items = 0;
        }
        ends
    }
}

/// The link group of a file with several names: from the path of the first of them in tree order, so that it does not
/// depend on device and inode numbers and an unchanged file keeps its bytes in the tree.
pub fn link_group(boundary_key: &[u8; 32], path: &[u8]) -> u64 {
    first_u64(blake3::keyed_hash(boundary_key, &[b"link", path].concat()).as_bytes())
}

fn first_u64(hash: &[u8; 32]) -> u64 {
    hash.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

fn clamp(weight: usize) -> u32 {
    u32::try_from(weight).unwrap_or(u32::MAX)
}
