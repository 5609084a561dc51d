// SPDX-License-Identifier: MIT OR Apache-2.0
//! Content of a file in the target: writing what differs, comparing, verifying. A chunk that can not be read costs its own bytes only.

use std::sync::atomic::Ordering;

use keepfast_repo_format::manifest::ProblemCode;
use keepfast_repo_format::tree::entry::ContentItem;

use super::files::FileJob;
use super::{Shared, wrapped};
use crate::error::{Error, Result, describe};
use crate::reader::Chunk;
use crate::target::TargetFile;
use crate::tree::ContentItems;

/// Items of a range at most, 48 bytes each: a file may consist of single bytes.
const RANGE_ITEMS: usize = 16 << 10;

/// A run of a file's content.
pub(super) struct Range {
    pub(super) offset: u64,
    pub(super) items: Vec<ContentItem>,
    end: u64,
}

impl Range {
    /// An empty one that begins at `offset`.
    pub(super) fn at(offset: u64) -> Self {
        Self { offset, items: Vec::new(), end: offset }
    }

    /// Whether an item at `offset` still belongs to it.
    pub(super) fn takes(&self, offset: u64) -> bool {
        self.end == offset && self.items.len() < RANGE_ITEMS
    }

    pub(super) fn push(&mut self, item: ContentItem) {
        self.end += item.length;
        self.items.push(item);
    }
}

/// What writing a range changed.
#[derive(Default)]
pub(super) struct Wrote {
    pub(super) bytes: u64,
    /// Bytes of an existing file that were not zero and are a hole now.
    pub(super) cleared_bytes: u64,
}

impl Wrote {
    pub(super) fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.cleared_bytes += other.cleared_bytes;
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.bytes == 0 && self.cleared_bytes == 0
    }
}

/// Writes a range, sparing what is equal in an existing file, which has its length already.
pub(super) fn write(shared: &Shared, file: &TargetFile, path: &[u8], range: &Range, is_new: bool) -> Result<Wrote> {
    let mut offset = range.offset;
    let mut wrote = Wrote::default();
    let mut run = Run::default();
    let mut lost = Lost::default();
    for item in &range.items {
        let at = offset;
        offset += item.length;
        let Some(id) = item.id else {
            if !is_new {
                clear(file, at, item.length, &mut wrote)?;
            }
            continue;
        };
        if !is_new && holds(shared, file, at, item)? {
            continue;
        }
        match shared.reader.data_chunk(&id) {
            Ok(chunk) if chunk.len() as u64 == item.length => {
                wrote.bytes += item.length;
                run.add(file, at, chunk)?;
            }
            Ok(chunk) => {
                let reason = format!("chunk {id} has {} bytes, the file says {}", chunk.len(), item.length);
                lost.add(shared, path, at..offset, reason);
                clear_lost(file, at..offset, is_new, &mut wrote)?;
            }
            Err(error) if error.is_damage() => {
                lost.add(shared, path, at..offset, describe(&error));
                clear_lost(file, at..offset, is_new, &mut wrote)?;
            }
            Err(error) => return Err(error),
        }
    }
    run.flush(file)?;
    lost.tell(shared, path);
    shared.written.fetch_add(wrote.bytes, Ordering::Relaxed);
    Ok(wrote)
}

/// Writes a file's content from start to end.
pub(super) fn write_in_order(shared: &Shared, job: &FileJob, file: &TargetFile, is_new: bool) -> Result<Wrote> {
    if !job.entry.layers.is_empty() {
        return wrapped::write(shared, job, file, is_new);
    }
    let mut items = ContentItems::new(&shared.reader, &job.entry.content);
    let mut wrote = Wrote::default();
    let mut range = Range::at(0);
    loop {
        let next = items.next();
        let is_next = matches!(&next, Some(Ok(_)));
        if !is_next || !range.takes(range.end) {
            shared.check()?;
            wrote.add(&write(shared, file, &job.path, &range, is_new)?);
            range = Range::at(range.end);
        }
        match next {
            None => return Ok(wrote),
            Some(Ok(item)) => range.push(item),
            Some(Err(error)) => {
                let end = range.end + items.lost_bytes();
                wrote.add(&list_lost(shared, file, &job.path, range.end..end, error, is_new)?);
                range = Range::at(end);
            }
        }
    }
}

/// A list node that can not be read costs what is below it; any other error is returned.
pub(super) fn list_lost(
    shared: &Shared,
    file: &TargetFile,
    path: &[u8],
    range: std::ops::Range<u64>,
    error: Error,
    is_new: bool,
) -> Result<Wrote> {
    if !error.is_damage() {
        return Err(error);
    }
    let (mut lost, mut wrote) = (Lost::default(), Wrote::default());
    lost.add(shared, path, range.clone(), describe(&error));
    lost.tell(shared, path);
    clear_lost(file, range, is_new, &mut wrote)?;
    Ok(wrote)
}

/// Neighbouring bytes that are lost for one reason are one problem, not one for each chunk.
#[derive(Default)]
pub(super) struct Lost(Option<(std::ops::Range<u64>, String)>);

impl Lost {
    pub(super) fn add(&mut self, shared: &Shared, path: &[u8], range: std::ops::Range<u64>, reason: String) {
        match &mut self.0 {
            Some((before, its_reason)) if before.end == range.start && *its_reason == reason => before.end = range.end,
            _ => {
                self.tell(shared, path);
                self.0 = Some((range, reason));
            }
        }
    }

    pub(super) fn tell(&mut self, shared: &Shared, path: &[u8]) {
        if let Some((range, reason)) = self.0.take() {
            let text = format!("bytes {}..{} are lost: {reason}", range.start, range.end);
            shared.problem(path.to_vec(), ProblemCode::Unreadable, text);
        }
    }
}

/// A hole, so that nobody takes older content for restored content. A new file gets its length at the end.
pub(super) fn clear_lost(
    file: &TargetFile,
    range: std::ops::Range<u64>,
    is_new: bool,
    wrote: &mut Wrote,
) -> Result<()> {
    if is_new { Ok(()) } else { clear(file, range.start, range.end - range.start, wrote) }
}

/// Neighbours of a segment that are neighbours in the file, to be written with one call.
#[derive(Default)]
struct Run(Option<(u64, Chunk)>);

impl Run {
    fn add(&mut self, file: &TargetFile, at: u64, chunk: Chunk) -> Result<()> {
        if let Some((start, run)) = &mut self.0
            && *start + run.len() as u64 == at
            && let Some(joined) = run.joined(&chunk)
        {
            *run = joined;
            return Ok(());
        }
        self.flush(file)?;
        self.0 = Some((at, chunk));
        Ok(())
    }

    fn flush(&mut self, file: &TargetFile) -> Result<()> {
        match self.0.take() {
            Some((at, run)) => Ok(file.write_at(at, &run)?),
            None => Ok(()),
        }
    }
}

fn clear(file: &TargetFile, at: u64, length: u64, wrote: &mut Wrote) -> Result<()> {
    if !is_zero(file, at, length)? {
        wrote.cleared_bytes += length;
    }
    Ok(file.hole(at, length)?)
}

/// Whether the file has the item's content at `at`.
pub(super) fn holds(shared: &Shared, file: &TargetFile, at: u64, item: &ContentItem) -> Result<bool> {
    let Some(id) = item.id else { return is_zero(file, at, item.length) };
    let mut buffer = vec![0; item.length as usize];
    let read = file.read_at(at, &mut buffer)?;
    Ok(read == buffer.len() && shared.reader.is_data_chunk(&id, &buffer))
}

/// Whether the file holds the range and every byte of it is zero. Its holes are not read: they may be terabytes.
fn is_zero(file: &TargetFile, mut at: u64, length: u64) -> Result<bool> {
    let end = at.saturating_add(length);
    if file.len()? < end {
        return Ok(false);
    }
    let mut buffer = Vec::new();
    loop {
        at = file.next_data(at)?.map_or(end, |data| data.max(at));
        if at >= end {
            return Ok(true);
        }
        buffer.resize((end - at).min(1 << 20) as usize, 0);
        let read = file.read_at(at, &mut buffer)?;
        if read < buffer.len() || buffer.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at += read as u64;
    }
}

/// Whether a file of the right length has the entry's content.
pub(super) fn is_equal(shared: &Shared, job: &FileJob, file: &TargetFile) -> Result<bool> {
    if !job.entry.layers.is_empty() {
        return wrapped::is_equal(shared, job, file);
    }
    let mut offset = 0;
    for item in ContentItems::new(&shared.reader, &job.entry.content) {
        let item = item?;
        if !holds(shared, file, offset, &item)? {
            return Ok(false);
        }
        offset += item.length;
    }
    Ok(file.len()? == job.entry.metadata.size)
}

/// Reads the file back; a difference is a problem of this path.
pub(super) fn verify(shared: &Shared, job: &FileJob, file: &TargetFile) -> Result<()> {
    if !is_equal(shared, job, file)? {
        let text = "reads back differently from what was restored".to_string();
        shared.problem(job.path.clone(), ProblemCode::Unreadable, text);
    }
    Ok(())
}
