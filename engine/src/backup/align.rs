// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which chunks of a file's previous version resemble a new chunk: those of the same place. Chunks that both versions have show
//! where that is, after insertions and deletions. For the assembler; it streams, however long the two versions are.

use std::collections::{HashMap, VecDeque};

use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::tree::entry::{Content, ContentItem};

use crate::error::Result;
use crate::reader::Reader;
use crate::tree::ContentItems;

/// How far ahead of a new chunk the previous version is looked at: what was deleted in one piece may be as long as that, in bytes.
const AHEAD_BYTES: u64 = 16 << 20;

/// And how far behind: as long may an insertion be.
const BEHIND_BYTES: u64 = 32 << 20;

/// Chunks to either side count as resembling, if they lie within this share of the new chunk's length: edits move cut points.
const MARGIN_SHARE: u64 = 4;

/// An item of the previous version.
struct Placed {
    offset: u64,
    item: ContentItem,
    /// The list node that holds it.
    list_node: Option<ChunkId>,
}

impl Placed {
    fn end(&self) -> u64 {
        self.offset + self.item.length
    }
}

/// The previous version of one file, walked beside the new one.
pub(super) struct Aligner<'a> {
    previous: ContentItems<'a>,
    /// Items around the place that is being read, with their offsets.
    window: VecDeque<Placed>,
    offsets: HashMap<ChunkId, u64>,
    /// Bytes of the previous version in the window or before it.
    seen: u64,
    /// Nothing follows in the previous version, or it can not be read.
    ended: bool,
    /// Bytes of the new version so far.
    at: u64,
    /// Where the new version's bytes stood in the previous one: the last shared chunk's offset there, minus its offset here.
    drift: i64,
    /// The next shared chunk, as far as the new version is known: where it begins there, and the drift that it shows. `None` in place of the
    /// drift: none is known up to there.
    ahead: (u64, Option<i64>),
    /// Where the list node begins that is being built for the new version.
    list_start: u64,
}

impl<'a> Aligner<'a> {
    pub(super) fn new(reader: &'a Reader, previous: &Content) -> Self {
        Self {
            previous: ContentItems::new(reader, previous),
            window: VecDeque::new(),
            offsets: HashMap::new(),
            seen: 0,
            ended: false,
            at: 0,
            drift: 0,
            ahead: (0, None),
            list_start: 0,
        }
    }

    /// Passes the next item of the new version, which both have or nobody knows where.
    ///
    /// # Errors
    /// The storage.
    pub(super) fn pass(&mut self, item: &ContentItem) -> Result<()> {
        self.fill(item.length)?;
        if let Some(offset) = item.id.and_then(|id| self.offsets.get(&id)) {
            self.drift = offset.cast_signed() - self.at.cast_signed();
        }
        self.at += item.length;
        Ok(())
    }

    /// Passes a new chunk, the first of the items that are known. Those of the previous version that resemble it, in their order:
    /// at the place that the last shared chunk shows, and at that of the next one.
    ///
    /// # Errors
    /// The storage.
    pub(super) fn resembling(&mut self, items: &[ContentItem]) -> Result<Vec<ChunkId>> {
        let Some(ContentItem { length, .. }) = items.first() else { return Ok(Vec::new()) };
        self.fill(*length)?;
        self.look_ahead(items);
        let margin = length / MARGIN_SHARE;
        let mut ids = Vec::new();
        for drift in [Some(self.drift), self.ahead.1.filter(|drift| *drift != self.drift)].into_iter().flatten() {
            let start = self.at.saturating_add_signed(drift).saturating_sub(margin);
            let end = (self.at + length).saturating_add_signed(drift) + margin;
            ids.extend(self.between(start, end).filter_map(|placed| placed.item.id));
        }
        self.at += length;
        Ok(ids)
    }

    /// Finds the next shared chunk among the items that begin here, unless it is known already.
    fn look_ahead(&mut self, items: &[ContentItem]) {
        if self.ahead.0 > self.at {
            return;
        }
        let mut at = self.at;
        for item in items {
            if let Some(offset) = item.id.and_then(|id| self.offsets.get(&id)) {
                self.ahead = (at, Some(offset.cast_signed() - at.cast_signed()));
                return;
            }
            at += item.length;
        }
        self.ahead = (at, None);
    }

    /// Where the list node begins that ends here; the next one begins here.
    pub(super) fn end_list(&mut self) -> u64 {
        std::mem::replace(&mut self.list_start, self.at)
    }

    /// List nodes of the previous version that resemble one that holds what came since `start`.
    pub(super) fn list_nodes(&self, start: u64) -> Vec<ChunkId> {
        let mut nodes: Vec<_> =
            self.between(self.there(start), self.there(self.at)).filter_map(|placed| placed.list_node).collect();
        nodes.dedup();
        nodes
    }

    fn between(&self, start: u64, end: u64) -> impl Iterator<Item = &Placed> {
        let first = self.window.partition_point(|placed| placed.end() <= start);
        self.window.range(first..).take_while(move |placed| placed.offset < end)
    }

    /// Where a place of the new version is in the previous one.
    fn there(&self, at: u64) -> u64 {
        at.saturating_add_signed(self.drift)
    }

    /// Moves the window so that it spans what is `length` bytes ahead.
    fn fill(&mut self, length: u64) -> Result<()> {
        let wanted = self.there(self.at).saturating_add(length + AHEAD_BYTES);
        while !self.ended && self.seen < wanted {
            let item = match self.previous.next() {
                Some(Ok(item)) => item,
                Some(Err(error)) if !error.is_damage() => return Err(error),
                // What is damaged has nothing that resembles anything.
                Some(Err(_)) | None => {
                    self.ended = true;
                    break;
                }
            };
            if let Some(id) = item.id {
                self.offsets.insert(id, self.seen);
            }
            self.window.push_back(Placed { offset: self.seen, item, list_node: self.previous.list_node() });
            self.seen = self.seen.saturating_add(item.length);
        }
        let oldest = self.there(self.at).saturating_sub(BEHIND_BYTES);
        while let Some(placed) = self.window.front()
            && placed.end() < oldest
        {
            if let Some(id) = placed.item.id
                && self.offsets.get(&id) == Some(&placed.offset)
            {
                self.offsets.remove(&id);
            }
            self.window.pop_front();
        }
        Ok(())
    }
}
