// SPDX-License-Identifier: MIT OR Apache-2.0
//! Big files: written segment by segment, in the order of their first use, not from start to end.
//!
//! Each segment is opened once, by the workers, and all places of the file that want its chunks are written then: a file
//! with long repetitions (a tar of two versions of something) costs no second decompression. One thread writes; two would
//! only wait for each other at the file's lock in the kernel.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::Sender;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{ChunkId, PackId};
use keepfast_repo_format::tree::entry::ContentItem;

use super::Shared;
use super::content::{self, Wrote};
use super::files::{FileJob, Opened};
use crate::error::Result;
use crate::index::Location;
use crate::pool::Pool;
use crate::tree::ContentItems;

/// Uses of chunks that are looked at together, 24 bytes each, and 16 for each place between holes. More would find more segments that are wanted twice.
const WINDOW_USES: usize = 512 << 10;

/// Shorter places between holes are not reserved, in bytes: a file of many of them costs no system calls for it.
const LEAST_RESERVED_BYTES: u64 = 8 << 20;

/// A big file that is being written.
pub(super) struct Big {
    pub(super) job: FileJob,
    pub(super) opened: Opened,
}

/// A place of the file that wants a chunk.
#[derive(Clone, Copy)]
struct Use {
    /// Number of the segment in the window.
    segment: u32,
    /// Of the chunk in the segment, in bytes.
    offset: u32,
    length: u32,
    /// In the file, in bytes.
    at: u64,
}

/// A part of the file, sorted by what it is made of.
#[derive(Default)]
struct Window {
    uses: Vec<Use>,
    segments: Vec<Location>,
    numbers: HashMap<(PackId, u32), u32>,
    /// Places of the file without holes, ascending.
    ranges: Vec<Range<u64>>,
}

/// What a worker made of a segment.
struct Opening {
    /// The file's bytes that are done with, written or not.
    bytes: u64,
    /// What is to be written, and where.
    segment: Arc<Vec<u8>>,
    runs: Vec<(u64, Range<usize>)>,
    /// What could not be had from this segment.
    failed: Vec<(u64, ContentItem)>,
}

/// Writes the content of a big file; returns when all of it is written.
pub(super) fn write<'env>(shared: &'env Shared<'env>, pool: &Pool<'env>, big: &Arc<Big>) -> Result<Wrote> {
    let mut wrote = Wrote::default();
    let mut items = ContentItems::new(&shared.reader, &big.job.entry.content);
    let mut offset = 0;
    loop {
        let window = Window::fill(shared, big, &mut items, &mut offset, &mut wrote)?;
        if window.uses.is_empty() {
            break;
        }
        window.write(shared, pool, big, &mut wrote)?;
    }
    Ok(wrote)
}

impl Big {
    fn write_range(&self, shared: &Shared, range: &content::Range, wrote: &mut Wrote) -> Result<()> {
        shared.check()?;
        wrote.add(&content::write(shared, &self.opened.file, &self.job.path, range, self.opened.is_new())?);
        Ok(())
    }
}

impl Window {
    /// Takes the next items in; holes and chunks that are in no pack are dealt with at once.
    fn fill(shared: &Shared, big: &Big, items: &mut ContentItems, offset: &mut u64, wrote: &mut Wrote) -> Result<Self> {
        let mut window = Self::default();
        let mut at_once = content::Range::at(*offset);
        while window.uses.len() < WINDOW_USES {
            let Some(item) = items.next() else { break };
            let item = match item {
                Ok(item) => item,
                Err(error) => {
                    let lost = *offset..*offset + items.lost_bytes();
                    *offset = lost.end;
                    let (file, path) = (&big.opened.file, &big.job.path);
                    wrote.add(&content::list_lost(shared, file, path, lost, error, big.opened.is_new())?);
                    continue;
                }
            };
            let at = *offset;
            *offset += item.length;
            let found = match &item.id {
                Some(id) => shared.reader.index().find(Kind::DataPack, id)?,
                None => None,
            };
            match found {
                Some(location) if u64::from(location.length) == item.length => window.add(location, at),
                _ => {
                    if !at_once.takes(at) {
                        big.write_range(shared, &std::mem::replace(&mut at_once, content::Range::at(at)), wrote)?;
                    }
                    at_once.push(item);
                    shared.events.bytes_done(item.length);
                }
            }
        }
        big.write_range(shared, &at_once, wrote)?;
        window.uses.sort_by_key(|used| used.segment);
        Ok(window)
    }

    fn add(&mut self, location: Location, at: u64) {
        let (offset, length) = (location.offset, location.length);
        let next = self.segments.len() as u32;
        let segment = *self.numbers.entry((location.pack.id, location.segment)).or_insert(next);
        if segment == next {
            self.segments.push(location);
        }
        self.uses.push(Use { segment, offset, length, at });
        let end = at + u64::from(length);
        match self.ranges.last_mut() {
            Some(last) if last.end == at => last.end = end,
            _ => self.ranges.push(at..end),
        }
    }

    fn write<'env>(
        self,
        shared: &'env Shared<'env>,
        pool: &Pool<'env>,
        big: &Arc<Big>,
        wrote: &mut Wrote,
    ) -> Result<()> {
        if big.opened.is_new() {
            let long = self.ranges.iter().filter(|range| range.end - range.start >= LEAST_RESERVED_BYTES);
            long.for_each(|range| big.opened.file.allocate(range));
        }
        // As many as keep the workers busy while this thread writes.
        let limit = shared.options.threads + 2;
        let (sender, receiver) = crossbeam_channel::unbounded();
        let mut groups = self.uses.chunk_by(|a, b| a.segment == b.segment);
        let mut under_way = 0;
        loop {
            shared.check()?;
            while under_way < limit
                && let Some(uses) = groups.next()
            {
                let location = self.segments[uses[0].segment as usize].clone();
                open(shared, pool, big, location, uses.to_vec(), sender.clone());
                under_way += 1;
            }
            if under_way == 0 {
                return Ok(());
            }
            let opening: Opening = receiver.recv().expect("this thread holds a sender")?;
            under_way -= 1;
            let file = &big.opened.file;
            for (at, range) in opening.runs {
                let length = range.len() as u64;
                file.write_at(at, &opening.segment[range])?;
                wrote.bytes += length;
                shared.written.fetch_add(length, Ordering::Relaxed);
            }
            let mut range = content::Range::at(0);
            for (at, item) in opening.failed {
                if !range.takes(at) {
                    big.write_range(shared, &std::mem::replace(&mut range, content::Range::at(at)), wrote)?;
                }
                range.push(item);
            }
            big.write_range(shared, &range, wrote)?;
            shared.events.bytes_done(opening.bytes);
        }
    }
}

/// Has a worker open a segment.
fn open<'env>(
    shared: &'env Shared<'env>,
    pool: &Pool<'env>,
    big: &Arc<Big>,
    location: Location,
    uses: Vec<Use>,
    sender: Sender<Result<Opening>>,
) {
    let big = big.clone();
    pool.normal(move |_| {
        // Whoever waits for this has gone only when the restore has failed.
        let _ = sender.send(opening(shared, &big, &location, uses));
    });
}

fn opening(shared: &Shared, big: &Big, location: &Location, uses: Vec<Use>) -> Result<Opening> {
    let bytes = uses.iter().map(|used| u64::from(used.length)).sum();
    let mut opening = Opening { bytes, segment: Arc::default(), runs: Vec::new(), failed: Vec::new() };
    let ids: HashMap<u32, ChunkId> = location.chunks().collect();
    let mut wanted = Vec::with_capacity(uses.len());
    for used in uses {
        let item = ContentItem { length: u64::from(used.length), id: ids.get(&used.offset).copied() };
        if big.opened.is_new() || !content::holds(shared, &big.opened.file, used.at, &item)? {
            wanted.push((used, item));
        }
    }
    if wanted.is_empty() {
        return Ok(opening);
    }
    // Whatever is wrong with it: each chunk is then tried for itself, also in other packs, and its loss is named.
    opening.segment = shared.reader.segment(location).unwrap_or_default();
    let mut verified = HashMap::new();
    for (used, item) in wanted {
        let range = used.offset as usize..used.offset as usize + used.length as usize;
        let is_whole = *verified.entry(used.offset).or_insert_with(|| {
            let plain = opening.segment.get(range.clone());
            plain.zip(item.id).is_some_and(|(plain, id)| shared.reader.is_data_chunk(&id, plain))
        });
        match opening.runs.last_mut() {
            _ if !is_whole => opening.failed.push((used.at, item)),
            Some((at, run)) if run.end == range.start && *at + run.len() as u64 == used.at => run.end = range.end,
            _ => opening.runs.push((used.at, range)),
        }
    }
    Ok(opening)
}
