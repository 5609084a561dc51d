// SPDX-License-Identifier: MIT OR Apache-2.0
//! Trees: every node of every snapshot, each once, and that the index knows every chunk of every file.

use std::collections::HashSet;

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::tree::entry::{Content, FileType};
use keepfast_repo_format::tree::{inner, leaf, list};

use super::Checker;
use crate::error::{Error, Result};
use crate::history::Snapshot;
use crate::reader::Reader;

/// What has been visited; nodes and chunks are shared between snapshots.
#[derive(Default)]
struct Seen {
    nodes: HashSet<ChunkId>,
    data: HashSet<ChunkId>,
}

impl Checker<'_> {
    /// Walks every snapshot's tree, each node once; returns how many there are.
    pub(super) fn trees(&self, snapshots: &[Snapshot]) -> Result<u64> {
        let reader = self.repository.reader_of_storage();
        let mut seen = Seen::default();
        for snapshot in snapshots {
            let short = snapshot.id.to_string()[..8].to_string();
            self.node(&reader, snapshot.manifest.root, snapshot.manifest.root_level, &short, &mut seen)?;
        }
        Ok(seen.nodes.len() as u64)
    }

    /// Depth is bounded by the level, which goes down by one at each step.
    fn node(&self, reader: &Reader, id: ChunkId, level: u8, snapshot: &str, seen: &mut Seen) -> Result<()> {
        if self.events.cancelled() {
            return Err(Error::Cancelled);
        }
        if !seen.nodes.insert(id) {
            return Ok(());
        }
        let place = || format!("snapshot {snapshot}, tree node {id}");
        let node = match reader.tree_chunk(&id) {
            Ok(node) => node,
            Err(error) if error.is_damage() => {
                self.error(place(), &error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if level == 0 {
            match leaf::decode(&node) {
                Ok(entries) => {
                    for entry in entries.iter().filter(|entry| entry.metadata.file_type == FileType::File) {
                        self.content(reader, &entry.content, snapshot, &|| entry.path(), seen)?;
                    }
                }
                Err(error) => self.found(place(), error.to_string()),
            }
            return Ok(());
        }
        match inner::decode(&node) {
            Ok((found, children)) if found == level => {
                for child in children {
                    self.node(reader, child.id, level - 1, snapshot, seen)?;
                }
            }
            Ok((found, _)) => self.found(place(), format!("has level {found}, expected {level}")),
            Err(error) => self.found(place(), error.to_string()),
        }
        Ok(())
    }

    fn content(
        &self,
        reader: &Reader,
        content: &Content,
        snapshot: &str,
        path: &dyn Fn() -> Vec<u8>,
        seen: &mut Seen,
    ) -> Result<()> {
        let place = || format!("snapshot {snapshot}, {}", String::from_utf8_lossy(&path()));
        for id in content.items.iter().filter_map(|item| item.id) {
            if content.height == 0 {
                if seen.data.insert(id) && reader.index().find(Kind::DataPack, &id)?.is_none() {
                    seen.data.remove(&id);
                    self.found(place(), format!("chunk {id} is in no pack that the index knows"));
                }
                continue;
            }
            if !seen.nodes.insert(id) {
                continue;
            }
            let items = reader
                .tree_chunk(&id)
                .and_then(|node| list::decode(&node).map_err(|source| Error::Node { id, source }));
            match items {
                Ok((level, items)) if level + 1 == content.height => {
                    self.content(reader, &Content { height: level, items }, snapshot, path, seen)?;
                }
                Ok((level, _)) => self.found(place(), format!("list node {id} has level {level}")),
                Err(error) if error.is_damage() => self.error(place(), &error),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
