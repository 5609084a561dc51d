// SPDX-License-Identifier: MIT OR Apache-2.0
//! Trees: every node of every snapshot, each read once, whether it is what every parent says of it, and that the index knows every
//! chunk of every file. What a restore would refuse is found here.

use std::collections::HashMap;
use std::rc::Rc;

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::layout;
use keepfast_repo_format::tree::entry::{Content, Entry, FileType};
use keepfast_repo_format::tree::inner::{self, Child};
use keepfast_repo_format::tree::{leaf, list, order};

use super::Checker;
use crate::error::{Error, Result};
use crate::history::Snapshot;
use crate::reader::Reader;

/// A node whose first and last path are longer than this together is read anew each time it is mentioned: longer paths than
/// kernels take are rare, and a hostile tree could fill the memory with them.
const MAX_REMEMBERED_BYTES: usize = 16 << 10;

/// What is known of a tree node, to hold every mention of it against.
struct Facts {
    level: u8,
    /// `None` if the way down to it is damaged.
    first: Option<Key>,
    last: Key,
    entries: u64,
    bytes: u64,
}

/// Directory and name of an entry.
type Key = (Box<[u8]>, Box<[u8]>);

/// What has been visited; nodes and chunks are shared between snapshots.
struct Walk<'a> {
    reader: &'a Reader,
    /// The snapshot that is walked, short.
    snapshot: String,
    /// `None`: it is damaged, which was told.
    nodes: HashMap<ChunkId, Option<Rc<Facts>>>,
    /// Level and bytes.
    lists: HashMap<ChunkId, Option<(u8, u64)>>,
    /// Length.
    data: HashMap<ChunkId, u64>,
}

impl Walk<'_> {
    fn node_place(&self, id: ChunkId) -> String {
        format!("snapshot {}, tree node {id}", self.snapshot)
    }

    fn path_place(&self, entry: &Entry) -> String {
        format!("snapshot {}, {}", self.snapshot, String::from_utf8_lossy(&entry.path()))
    }
}

impl Checker<'_> {
    /// Walks every snapshot's tree, each node once; returns how many there are.
    pub(super) fn trees(&self, snapshots: &[Snapshot]) -> Result<u64> {
        let reader = &*self.reader;
        let (nodes, lists, data) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut walk = Walk { reader, snapshot: String::new(), nodes, lists, data };
        for snapshot in snapshots {
            walk.snapshot = snapshot.id.to_string()[..8].to_string();
            self.node(&mut walk, snapshot.manifest.root, snapshot.manifest.root_level, None)?;
        }
        Ok((walk.nodes.len() + walk.lists.len()) as u64)
    }

    /// One mention of a node, and what is below it if that is new. Depth is bounded by the level, which goes down by one at each
    /// step; work by the promises, which no node can keep twice in one tree. `None` if nothing can be said of it.
    fn node(&self, walk: &mut Walk, id: ChunkId, level: u8, promised: Option<&Child>) -> Result<Option<Rc<Facts>>> {
        if self.events.cancelled() {
            return Err(Error::Cancelled);
        }
        if let Some(known) = walk.nodes.get(&id) {
            return Ok(known.clone().filter(|facts| self.keeps(walk, id, facts, level, promised)));
        }
        let node = match walk.reader.tree_chunk(&id) {
            Ok(node) => node,
            Err(error) if error.is_damage() => {
                self.error(walk.node_place(id), &error);
                walk.nodes.insert(id, None);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let decoded = if level == 0 {
            leaf::decode(&node).map(|entries| (of_leaf(&entries), entries, Vec::new()))
        } else {
            inner::decode(&node).map(|(level, children)| (of_inner(level, &children), Vec::new(), children))
        };
        drop(node);
        let (mut facts, entries, children) = match decoded {
            Ok(decoded) => decoded,
            Err(error) => {
                self.found(walk.node_place(id), error.to_string());
                walk.nodes.insert(id, None);
                return Ok(None);
            }
        };
        if !self.keeps(walk, id, &facts, level, promised) {
            return Ok(None);
        }
        for entry in entries.iter().filter(|entry| entry.metadata.file_type == FileType::File) {
            entry.contents().try_for_each(|content| self.content(walk, entry, content))?;
        }
        if level > 0 {
            facts.first = self.children(walk, id, level, &children)?;
        }
        let facts = Rc::new(facts);
        let key_bytes = |(directory, name): &Key| directory.len() + name.len();
        if key_bytes(&facts.last) + facts.first.as_ref().map_or(0, key_bytes) <= MAX_REMEMBERED_BYTES {
            walk.nodes.insert(id, Some(facts.clone()));
        }
        Ok(Some(facts))
    }

    /// Visits children; returns the first key below them.
    fn children(&self, walk: &mut Walk, id: ChunkId, level: u8, children: &[Child]) -> Result<Option<Key>> {
        let mut first = None;
        for (number, child) in children.iter().enumerate() {
            let Some(facts) = self.node(walk, child.id, level - 1, Some(child))? else { continue };
            let before = number.checked_sub(1).map(|number| &children[number]);
            if let (Some(before), Some((directory, name))) = (before, &facts.first)
                && order::compare(&before.last_directory, &before.last_name, directory, name).is_ge()
            {
                self.found(walk.node_place(id), format!("the entries of child {number} do not follow those before it"));
            }
            if number == 0 {
                first.clone_from(&facts.first);
            }
        }
        Ok(first)
    }

    /// Whether the node is what is said of it where it is mentioned; tells if not.
    fn keeps(&self, walk: &Walk, id: ChunkId, facts: &Facts, level: u8, promised: Option<&Child>) -> bool {
        let text = if facts.level != level {
            format!("has level {}, expected {level}", facts.level)
        } else if promised.is_some_and(|child| (child.entries, child.bytes) != (facts.entries, facts.bytes)) {
            "its counts are not what its parent says".to_string()
        } else if promised.is_some_and(|child| {
            (&child.last_directory[..], &child.last_name[..]) != (&facts.last.0[..], &facts.last.1[..])
        }) {
            "its last entry is not the one its parent names".to_string()
        } else {
            return true;
        };
        self.found(walk.node_place(id), text);
        false
    }

    fn content(&self, walk: &mut Walk, entry: &Entry, content: &Content) -> Result<()> {
        for item in &content.items {
            match item.id {
                Some(id) if content.height == 0 => self.data_chunk(walk, entry, id, item.length)?,
                Some(id) => self.list(walk, entry, id, content.height - 1, item.length)?,
                None => {}
            }
        }
        Ok(())
    }

    /// One mention of a list node, and what is below it if that is new and the mention is true.
    fn list(&self, walk: &mut Walk, entry: &Entry, id: ChunkId, level: u8, length: u64) -> Result<()> {
        if self.events.cancelled() {
            return Err(Error::Cancelled);
        }
        let (found, items) = match walk.lists.get(&id) {
            Some(None) => return Ok(()),
            Some(Some(known)) => (*known, Vec::new()),
            None => {
                let read = walk.reader.tree_chunk(&id);
                let read = read.and_then(|node| list::decode(&node).map_err(|source| Error::Node { id, source }));
                match read {
                    Ok((level, items)) => ((level, items.iter().map(|item| item.length).sum()), items),
                    Err(error) if error.is_damage() => {
                        self.error(walk.path_place(entry), &error);
                        walk.lists.insert(id, None);
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        if found != (level, length) {
            let (is_level, is_length) = found;
            let text =
                format!("list node {id} has level {is_level} and {is_length} bytes, expected {level} and {length}");
            self.found(walk.path_place(entry), text);
            return Ok(());
        }
        walk.lists.insert(id, Some(found));
        self.content(walk, entry, &Content { height: level, items })
    }

    fn data_chunk(&self, walk: &mut Walk, entry: &Entry, id: ChunkId, length: u64) -> Result<()> {
        let found = match walk.data.get(&id) {
            Some(known) => *known,
            None => {
                let Some(location) = walk.reader.index().find_whole(Kind::DataPack, &id)? else {
                    self.found(walk.path_place(entry), format!("chunk {id} {}", self.why_lost(&id)?));
                    return Ok(());
                };
                walk.data.insert(id, location.length.into());
                location.length.into()
            }
        };
        if found != length {
            self.found(walk.path_place(entry), format!("chunk {id} has {found} bytes, the file says {length}"));
        }
        Ok(())
    }

    /// Why a data chunk has no whole copy.
    fn why_lost(&self, id: &ChunkId) -> Result<String> {
        let index = &self.repository.index;
        Ok(match index.find(Kind::DataPack, id)? {
            Some(location) => match index.lacking(&location)? {
                Some(lacking) => format!("can not be read: {lacking}"),
                // Somebody has read anew what is visible.
                None => "can not be read".to_string(),
            },
            None => match index.find_excluded(Kind::DataPack, id)? {
                Some(location) => format!("is only in {}, which is not there", layout::pack(&location.pack.id)),
                None => "is in no pack that the index knows".to_string(),
            },
        })
    }
}

fn key(directory: &[u8], name: &[u8]) -> Key {
    (directory.into(), name.into())
}

/// Entries that were decoded are at least one.
fn of_leaf(entries: &[Entry]) -> Facts {
    let ends = entries.first().zip(entries.last());
    let (first, last) = ends.map_or_else(Default::default, |(first, last)| {
        (key(&first.directory, &first.name), key(&last.directory, &last.name))
    });
    let bytes = entries.iter().map(|entry| entry.metadata.size).fold(0, u64::saturating_add);
    Facts { level: 0, first: Some(first), last, entries: entries.len() as u64, bytes }
}

fn of_inner(level: u8, children: &[Child]) -> Facts {
    let last = children.last().map(|child| key(&child.last_directory, &child.last_name)).unwrap_or_default();
    let entries = children.iter().map(|child| child.entries).fold(0, u64::saturating_add);
    let bytes = children.iter().map(|child| child.bytes).fold(0, u64::saturating_add);
    Facts { level, first: None, last, entries, bytes }
}
