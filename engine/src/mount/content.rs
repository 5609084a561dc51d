// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes of a file at any place, and where its holes are. Nothing is kept for a file that was opened: what was read last is remembered by
//! what it is, in bounded memory.
//!
//! It gives the right bytes or an error, never fewer bytes: the kernel takes those for the end of the file.

use std::collections::VecDeque;
use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex, PoisonError};

use keepfast_repo_format::FormatError;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::tree::entry::{ContentItem, Entry};

use super::ahead::Ahead;
use crate::error::{Error, Result};
use crate::reader::{Chunk, Reader};
use crate::tree::read_list;

/// Chunks that are kept because only a part of them was asked for: a kernel reads 128 KiB at a time, and to verify a chunk costs all of it.
/// Each holds its segment, about 1 MiB.
const KEPT_CHUNKS: usize = 12;

/// A chunk of so many bytes is verified in a tenth of a millisecond.
const QUICK_CHUNK_BYTES: u64 = 256 << 10;

/// List nodes that are kept, of up to some thousand items of 48 bytes.
const KEPT_LISTS: usize = 32;

/// Reads contents.
pub(super) struct Contents {
    reader: Arc<Reader>,
    ahead: Ahead,
    chunks: Recent<Chunk>,
    lists: Recent<Arc<Vec<ContentItem>>>,
}

/// Bytes of a file.
pub(super) enum Bytes {
    /// A part of a chunk.
    Shared(Chunk, Range<usize>),
    /// Put together.
    Owned(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Shared(chunk, range) => &chunk[range.clone()],
            Self::Owned(bytes) => bytes,
        }
    }
}

/// A chunk or hole, and where in the file it stands.
struct Item {
    id: Option<ChunkId>,
    range: Range<u64>,
}

/// What is looked for in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seek {
    /// The next byte that is stored.
    Data,
    /// The next one that is not; the end of a file is a hole.
    Hole,
}

impl Contents {
    pub(super) fn new(reader: Arc<Reader>, ahead: Ahead) -> Self {
        Self { reader, ahead, chunks: Recent::new(KEPT_CHUNKS), lists: Recent::new(KEPT_LISTS) }
    }

    /// The bytes of a range that lies within a file that is not wrapped.
    pub(super) fn read(&self, entry: &Entry, range: Range<u64>) -> Result<Bytes> {
        let mut bytes = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let item = self.item(entry, at)?;
            let part = at..item.range.end.min(range.end);
            at = part.end;
            let Some(id) = item.id else {
                bytes.resize(bytes.len() + (part.end - part.start) as usize, 0);
                continue;
            };
            let inside = (part.start - item.range.start) as usize..(part.end - item.range.start) as usize;
            let chunk = self.chunk(&id, item.range.end - item.range.start, &inside)?;
            if part == range {
                return Ok(Bytes::Shared(chunk, inside));
            }
            bytes.extend_from_slice(&chunk[inside]);
        }
        Ok(Bytes::Owned(bytes))
    }

    /// Whether a range can be read from memory, and nothing long has to be verified for it.
    pub(super) fn keeps(&self, entry: &Entry, range: Range<u64>) -> bool {
        if entry.content.height > 0 && !entry.content.items.iter().all(|item| self.lists.has(item.id.as_ref())) {
            return false;
        }
        let mut at = range.start;
        while at < range.end {
            let Ok(item) = self.item(entry, at) else { return false };
            at = item.range.end;
            let Some(id) = item.id else { continue };
            if self.chunks.has(Some(&id)) {
                continue;
            }
            let found = self.reader.index().find(Kind::DataPack, &id);
            let is_near = |location| self.reader.has_segment(&location);
            if item.range.end - item.range.start > QUICK_CHUNK_BYTES || !found.ok().flatten().is_some_and(is_near) {
                return false;
            }
        }
        true
    }

    /// The next place of a kind; `None` behind the last one.
    pub(super) fn seek(&self, entry: &Entry, from: u64, goal: Seek) -> Result<Option<u64>> {
        let size = entry.metadata.size;
        if from >= size {
            return Ok(None);
        }
        // A wrapped file has no holes that anybody knows of.
        if !entry.layers.is_empty() {
            return Ok(Some(if goal == Seek::Data { from } else { size }));
        }
        let mut at = from;
        while at < size {
            let item = self.item(entry, at)?;
            if (goal == Seek::Hole) == item.id.is_none() {
                return Ok(Some(at));
            }
            at = item.range.end;
        }
        Ok((goal == Seek::Hole).then_some(size))
    }

    /// The chunk or hole at a place of a file.
    fn item(&self, entry: &Entry, at: u64) -> Result<Item> {
        let content = &entry.content;
        let (mut height, mut start) = (content.height, 0);
        let mut list = None;
        loop {
            let items = list.as_ref().map_or(&content.items, |list: &Arc<Vec<ContentItem>>| &**list);
            let Some((item, range)) = item_at(items, start, at) else {
                let why = format!("nothing is stored of {} from byte {at} on", entry.path().escape_ascii());
                return Err(Error::Lost { reason: why });
            };
            if height == 0 {
                return Ok(Item { id: item.id, range });
            }
            let id = item.id.expect("the decoder allows holes only at height 0");
            let read = || read_list(&self.reader, height, id, item.length).map(Arc::new);
            let below = self.lists.get(&id).map_or_else(read, Ok)?;
            self.lists.put(id, below.clone());
            (start, list) = (range.start, Some(below));
            height -= 1;
        }
    }

    fn chunk(&self, id: &ChunkId, length: u64, wanted: &Range<usize>) -> Result<Chunk> {
        if let Some(chunk) = self.chunks.get(id) {
            return Ok(chunk);
        }
        if let Some(location) = self.reader.index().find(Kind::DataPack, id)? {
            self.ahead.note(&location);
        }
        let chunk = self.reader.data_chunk(id)?;
        if chunk.len() as u64 != length {
            let why = format!("chunk {id} has {} bytes, the file says {length}", chunk.len());
            return Err(Error::Node { id: *id, source: FormatError::Malformed { what: "content", why } });
        }
        if wanted.len() < chunk.len() {
            self.chunks.put(*id, chunk.clone());
        }
        Ok(chunk)
    }
}

/// The item that covers a place, and what it covers, if the first one begins at `start`.
fn item_at(items: &[ContentItem], start: u64, at: u64) -> Option<(ContentItem, Range<u64>)> {
    let mut end = start;
    for item in items {
        let begin = end;
        end = end.checked_add(item.length)?;
        if at < end {
            return Some((*item, begin..end));
        }
    }
    None
}

/// What was used last, by its id.
struct Recent<T> {
    limit: usize,
    kept: Mutex<VecDeque<(ChunkId, T)>>,
}

impl<T: Clone> Recent<T> {
    fn new(limit: usize) -> Self {
        Self { limit, kept: Mutex::default() }
    }

    fn get(&self, id: &ChunkId) -> Option<T> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(other, _)| other == id).map(|(_, value)| value.clone())
    }

    fn has(&self, id: Option<&ChunkId>) -> bool {
        id.is_some_and(|id| self.get(id).is_some())
    }

    fn put(&self, id: ChunkId, value: T) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(other, _)| *other != id);
        kept.push_front((id, value));
        kept.truncate(self.limit);
    }
}
