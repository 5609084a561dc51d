// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file's content as a list of chunks and holes that may be longer than memory: built and read as a stream.

use keepfast_repo_format::FormatError;
use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::tree::boundary::ListCutter;
use keepfast_repo_format::tree::entry::{Content, ContentItem};
use keepfast_repo_format::tree::list;

use super::NodeSink;
use crate::error::{Error, Result};
use crate::reader::Reader;

/// Collects content items; beyond [`Content::MAX_INLINE`] they go into list nodes as they come.
#[derive(Default)]
pub struct ContentBuilder {
    levels: Vec<Level>,
}

#[derive(Default)]
struct Level {
    items: Vec<ContentItem>,
    cutter: ListCutter,
    /// Whether a node of this level has been stored: then what is left goes into a node too.
    spilled: bool,
}

impl ContentBuilder {
    /// Adds the next item; neighbouring holes become one.
    pub fn push(&mut self, item: ContentItem, sink: &mut dyn NodeSink) -> Result<()> {
        if item.length == 0 {
            return Ok(());
        }
        if let (None, Some(last)) = (item.id, self.levels.first_mut().and_then(|level| level.items.last_mut()))
            && last.id.is_none()
        {
            last.length += item.length;
            return Ok(());
        }
        self.push_at(0, item, sink)
    }

    /// The content, ready for its entry.
    pub fn finish(mut self, sink: &mut dyn NodeSink) -> Result<Content> {
        let mut level = 0;
        while level < self.levels.len() {
            let here = &self.levels[level];
            let is_top = level + 1 == self.levels.len();
            if is_top && !here.spilled && here.items.len() <= Content::MAX_INLINE {
                let items = std::mem::take(&mut self.levels[level].items);
                return Ok(Content { height: level as u8, items });
            }
            if !here.items.is_empty() {
                self.close(level, sink)?;
            }
            level += 1;
        }
        Ok(Content::default())
    }

    fn push_at(&mut self, level: usize, item: ContentItem, sink: &mut dyn NodeSink) -> Result<()> {
        if self.levels.len() == level {
            self.levels.push(Level::default());
        }
        let here = &mut self.levels[level];
        let ends = here.cutter.ends_after(&item);
        here.items.push(item);
        if ends && here.items.len() > Content::MAX_INLINE { self.close(level, sink) } else { Ok(()) }
    }

    fn close(&mut self, level: usize, sink: &mut dyn NodeSink) -> Result<()> {
        let here = &mut self.levels[level];
        here.spilled = true;
        let items = std::mem::take(&mut here.items);
        let id = sink.put_node(list::encode(level as u8, &items), &mut || Ok(Vec::new()))?;
        let length = items.iter().map(|item| item.length).sum();
        self.push_at(level + 1, ContentItem { length, id: Some(id) }, sink)
    }
}

/// Streams the items of a file's content, reading list nodes when they are reached.
pub struct ContentItems<'a> {
    reader: &'a Reader,
    /// Per level from the top: items still to come, in reverse.
    stack: Vec<(u8, Vec<ContentItem>)>,
    /// The list node that was read last.
    node: Option<ChunkId>,
    lost_bytes: u64,
}

impl<'a> ContentItems<'a> {
    /// Items of `content`, all of height 0.
    pub fn new(reader: &'a Reader, content: &Content) -> Self {
        let mut items = content.items.clone();
        items.reverse();
        Self { reader, stack: vec![(content.height, items)], node: None, lost_bytes: 0 }
    }

    /// After an error: bytes of the file below the list node that could not be read. The items that follow stand behind them.
    pub fn lost_bytes(&self) -> u64 {
        self.lost_bytes
    }

    /// The list node that holds the item that came last; `None` if that stands in the entry.
    pub fn list_node(&self) -> Option<ChunkId> {
        self.node
    }

    fn descend(&mut self, height: u8, item: ContentItem) -> Result<()> {
        let id = item.id.expect("the decoder allows holes only at height 0");
        let mut items = read_list(self.reader, height, id, item.length)?;
        items.reverse();
        self.stack.push((height - 1, items));
        self.node = Some(id);
        Ok(())
    }
}

/// The items of the list node that stands for so many bytes at a height.
pub(crate) fn read_list(reader: &Reader, height: u8, id: ChunkId, bytes: u64) -> Result<Vec<ContentItem>> {
    let node = reader.tree_chunk(&id)?;
    let malformed = |why: &str| FormatError::Malformed { what: "list node", why: why.to_string() };
    let (level, items) = list::decode(&node).map_err(|source| Error::Node { id, source })?;
    let length = items.iter().map(|item| item.length).fold(0, u64::saturating_add);
    if level + 1 != height {
        return Err(Error::Node { id, source: malformed("its level does not fit where it stands") });
    }
    if length != bytes {
        return Err(Error::Node { id, source: malformed("its length is not what its parent says") });
    }
    Ok(items)
}

impl Iterator for ContentItems<'_> {
    type Item = Result<ContentItem>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (height, items) = self.stack.last_mut()?;
            let height = *height;
            match items.pop() {
                None => {
                    self.stack.pop();
                }
                Some(item) if height == 0 => return Some(Ok(item)),
                Some(item) => {
                    if let Err(error) = self.descend(height, item) {
                        self.lost_bytes = item.length;
                        return Some(Err(error));
                    }
                }
            }
        }
    }
}
