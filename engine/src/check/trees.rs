// SPDX-License-Identifier: MIT OR Apache-2.0
//! Trees: every node of every snapshot, each read once, whether it is what every parent says of it, and that the index knows every
//! chunk of every file. What a restore would refuse is found here.

use std::collections::HashMap;
use std::rc::Rc;

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{ChunkId, SnapshotId};
use keepfast_repo_format::layout;
use keepfast_repo_format::tree::entry::{Content, Entry, FileType};
use keepfast_repo_format::tree::inner::{self, Child};
use keepfast_repo_format::tree::{leaf, list, order};

use super::Checker;
use crate::error::{Error, Result, describe};
use crate::history::Snapshot;
use crate::index::Location;
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
    /// Something at or below it was told.
    is_damaged: bool,
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
    lists: HashMap<ChunkId, Option<List>>,
    data: HashMap<ChunkId, Datum>,
    /// Mentions of what is damaged, the first and further ones: whoever has more of them afterwards has damage below it.
    faults: u64,
}

/// What is known of a list node.
#[derive(Clone, Copy)]
struct List {
    level: u8,
    bytes: u64,
    is_damaged: bool,
}

/// What is known of a data chunk.
#[derive(Clone)]
enum Datum {
    Length(u64),
    /// Why it can not be read.
    Lost(Rc<str>),
}

/// What a file lacks: one finding, however many chunks it is.
#[derive(Default)]
struct Lacks {
    first: Option<String>,
    more: u64,
}

impl Lacks {
    fn add(&mut self, text: impl FnOnce() -> String) {
        match &self.first {
            None => self.first = Some(text()),
            Some(_) => self.more += 1,
        }
    }
}

impl Walk<'_> {
    fn node_place(&self, id: ChunkId) -> String {
        format!("snapshot {}, tree node {id}", self.snapshot)
    }

    fn path_place(&self, entry: &Entry) -> String {
        format!("snapshot {}, /{}", self.snapshot, String::from_utf8_lossy(&entry.path()))
    }
}

impl Checker<'_> {
    /// Walks every snapshot's tree, each node once; returns how many there are, and the snapshots that damage is in.
    pub(super) fn trees(&self, snapshots: &[Snapshot]) -> Result<(u64, Vec<SnapshotId>)> {
        let reader = &*self.reader;
        let (nodes, lists, data) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut walk = Walk { reader, snapshot: String::new(), nodes, lists, data, faults: 0 };
        let mut damaged = Vec::new();
        for snapshot in snapshots {
            walk.snapshot = snapshot.id.to_string()[..8].to_string();
            let before = walk.faults;
            self.node(&mut walk, snapshot.manifest.root, snapshot.manifest.root_level, None)?;
            if walk.faults > before {
                damaged.push(snapshot.id);
            }
        }
        Ok(((walk.nodes.len() + walk.lists.len()) as u64, damaged))
    }

    /// One mention of a node, and what is below it if that is new. Depth is bounded by the level, which goes down by one at each
    /// step; work by the promises, which no node can keep twice in one tree. `None` if nothing can be said of it.
    fn node(&self, walk: &mut Walk, id: ChunkId, level: u8, promised: Option<&Child>) -> Result<Option<Rc<Facts>>> {
        if self.events.cancelled() {
            return Err(Error::Cancelled);
        }
        if let Some(known) = walk.nodes.get(&id).cloned() {
            walk.faults += u64::from(known.as_ref().is_none_or(|facts| facts.is_damaged));
            return Ok(known.filter(|facts| self.keeps(walk, id, facts, level, promised)));
        }
        let faults = walk.faults;
        let node = match walk.reader.tree_chunk(&id) {
            Ok(node) => node,
            Err(error) if error.is_damage() => {
                self.error(walk.node_place(id), &error);
                walk.faults += 1;
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
                walk.faults += 1;
                walk.nodes.insert(id, None);
                return Ok(None);
            }
        };
        if !self.keeps(walk, id, &facts, level, promised) {
            return Ok(None);
        }
        for entry in entries.iter().filter(|entry| entry.metadata.file_type == FileType::File) {
            self.file(walk, entry)?;
        }
        if level > 0 {
            facts.first = self.children(walk, id, level, &children)?;
        }
        facts.is_damaged = walk.faults > faults;
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
                walk.faults += 1;
                self.found(walk.node_place(id), format!("the entries of child {number} do not follow those before it"));
            }
            if number == 0 {
                first.clone_from(&facts.first);
            }
        }
        Ok(first)
    }

    /// Whether the node is what is said of it where it is mentioned; tells if not.
    fn keeps(&self, walk: &mut Walk, id: ChunkId, facts: &Facts, level: u8, promised: Option<&Child>) -> bool {
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
        walk.faults += 1;
        self.found(walk.node_place(id), text);
        false
    }

    /// The chunks of a file, each mention of them.
    fn file(&self, walk: &mut Walk, entry: &Entry) -> Result<()> {
        let mut lacks = Lacks::default();
        for content in entry.contents() {
            self.content(walk, content, &mut lacks)?;
        }
        if let Some(first) = lacks.first {
            walk.faults += 1;
            let more =
                if lacks.more > 0 { format!(", and so for {} more of its chunks", lacks.more) } else { String::new() };
            self.found(walk.path_place(entry), first + &more);
        }
        Ok(())
    }

    fn content(&self, walk: &mut Walk, content: &Content, lacks: &mut Lacks) -> Result<()> {
        for item in &content.items {
            match item.id {
                Some(id) if content.height == 0 => self.data_chunk(walk, id, item.length, lacks)?,
                Some(id) => self.list(walk, id, content.height - 1, item.length, lacks)?,
                None => {}
            }
        }
        Ok(())
    }

    /// One mention of a list node, and what is below it if that is new and the mention is true.
    fn list(&self, walk: &mut Walk, id: ChunkId, level: u8, length: u64, lacks: &mut Lacks) -> Result<()> {
        if self.events.cancelled() {
            return Err(Error::Cancelled);
        }
        let (found, items) = match walk.lists.get(&id) {
            Some(None) => {
                lacks.add(|| format!("list node {id} can not be read, as is told above"));
                return Ok(());
            }
            Some(Some(known)) => (*known, Vec::new()),
            None => {
                let read = walk.reader.tree_chunk(&id);
                let read = read.and_then(|node| list::decode(&node).map_err(|source| Error::Node { id, source }));
                match read {
                    Ok((level, items)) => {
                        let bytes = items.iter().map(|item| item.length).sum();
                        (List { level, bytes, is_damaged: false }, items)
                    }
                    Err(error) if error.is_damage() => {
                        error.damaged_pack().into_iter().for_each(|id| self.damaged_pack(id));
                        lacks.add(|| describe(&error));
                        walk.lists.insert(id, None);
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        if (found.level, found.bytes) != (level, length) {
            let List { level: is_level, bytes, .. } = found;
            lacks.add(|| {
                format!("list node {id} has level {is_level} and {bytes} bytes, expected {level} and {length}")
            });
            return Ok(());
        }
        if found.is_damaged {
            lacks.add(|| format!("list node {id} leads to what can not be read"));
        }
        let mut below = Lacks::default();
        self.content(walk, &Content { height: level, items }, &mut below)?;
        let is_damaged = found.is_damaged || below.first.is_some();
        walk.lists.insert(id, Some(List { is_damaged, ..found }));
        if let Some(first) = below.first {
            lacks.add(|| first);
            lacks.more += below.more;
        }
        Ok(())
    }

    fn data_chunk(&self, walk: &mut Walk, id: ChunkId, length: u64, lacks: &mut Lacks) -> Result<()> {
        let found = match walk.data.get(&id) {
            Some(known) => known.clone(),
            None => {
                let found = match walk.reader.index().find_whole(Kind::DataPack, &id)? {
                    None => Datum::Lost(self.why_lost(&id)?.into()),
                    Some(location) if self.is_readable(&location, &id)? => Datum::Length(location.length.into()),
                    Some(location) => {
                        let pack = layout::pack(&location.pack.id);
                        Datum::Lost(format!("is only in a segment of {pack} that is damaged").into())
                    }
                };
                walk.data.insert(id, found.clone());
                found
            }
        };
        match found {
            Datum::Length(found) if found == length => {}
            Datum::Length(found) => lacks.add(|| format!("chunk {id} has {found} bytes, the file says {length}")),
            Datum::Lost(why) => lacks.add(|| format!("chunk {id} {why}")),
        }
        Ok(())
    }

    /// Whether a chunk has a copy of which nothing was found to be damaged.
    fn is_readable(&self, location: &Location, id: &ChunkId) -> Result<bool> {
        let damaged = self.segments.lock().expect("no holder panics");
        if damaged.is_empty() || !damaged.contains(&location.segment_key()) {
            return Ok(true);
        }
        let copies = self.repository.index.find_all(Kind::DataPack, id)?;
        Ok(copies.iter().any(|copy| !damaged.contains(&copy.segment_key())))
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
    Facts { level: 0, first: Some(first), last, entries: entries.len() as u64, bytes, is_damaged: false }
}

fn of_inner(level: u8, children: &[Child]) -> Facts {
    let last = children.last().map(|child| key(&child.last_directory, &child.last_name)).unwrap_or_default();
    let entries = children.iter().map(|child| child.entries).fold(0, u64::saturating_add);
    let bytes = children.iter().map(|child| child.bytes).fold(0, u64::saturating_add);
    Facts { level, first: None, last, entries, bytes, is_damaged: false }
}
