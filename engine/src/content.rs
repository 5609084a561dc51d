// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file of a snapshot at any place, for readers of formats: of a plain file each chunk is found by where it lies; a wrapped one is put together
//! from its start, and a stretch of it is kept.

use std::io;
use std::sync::{Mutex, PoisonError};

use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::tree::entry::Entry;

use crate::archive::ContentReader;
use crate::compare::Bytes;
use crate::error::{Error, Result};
use crate::reader::{Chunk, Reader};
use crate::tree::ContentItems;

/// Bytes of a wrapped file that are kept. Whoever reads on behind them has it put together from the start once more: what does that can not be
/// handed from thread to thread.
const KEPT_BYTES: usize = 64 << 20;
/// Bytes of a wrapped file that are passed over at a time.
const SKIP_BYTES: usize = 256 << 10;

/// The content of a file of a snapshot.
pub struct FileBytes<'a> {
    reader: &'a Reader,
    entry: &'a Entry,
    /// Of a plain file: where each item begins, and its chunk; 48 bytes an item.
    items: Vec<(u64, Option<ChunkId>)>,
    place: Mutex<Place>,
}

/// What was read last.
#[derive(Default)]
struct Place {
    chunk: Option<(usize, Chunk)>,
    /// Of a wrapped file: a stretch, and where it begins.
    kept: (u64, Vec<u8>),
    failure: Option<Error>,
}

impl<'a> FileBytes<'a> {
    /// The content of `entry`.
    ///
    /// # Errors
    /// A list node can not be read.
    pub fn new(reader: &'a Reader, entry: &'a Entry) -> Result<Self> {
        let mut items = Vec::new();
        if entry.layers.is_empty() {
            let mut at = 0;
            for item in ContentItems::new(reader, &entry.content) {
                let item = item?;
                items.push((at, item.id));
                at += item.length;
            }
        }
        Ok(Self { reader, entry, items, place: Mutex::default() })
    }

    /// What failed in the engine's own words; an [`io::Error`] can not carry it whole.
    pub fn take_failure(&self) -> Option<Error> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).failure.take()
    }

    fn try_read(&self, place: &mut Place, offset: u64, buffer: &mut [u8]) -> Result<()> {
        if self.entry.layers.is_empty() {
            self.read_items(place, offset, buffer)
        } else {
            self.read_kept(place, offset, buffer)
        }
    }

    fn read_items(&self, place: &mut Place, mut offset: u64, mut buffer: &mut [u8]) -> Result<()> {
        while !buffer.is_empty() {
            let number = self.items.partition_point(|(start, _)| *start <= offset).saturating_sub(1);
            let Some((start, id)) = self.items.get(number) else { return Err(self.too_short()) };
            let end = self.items.get(number + 1).map_or(self.entry.metadata.size, |(next, _)| *next);
            let inside = offset - start;
            let length =
                usize::try_from(end.saturating_sub(offset)).map_or(buffer.len(), |left| left.min(buffer.len()));
            if length == 0 {
                return Err(self.too_short());
            }
            let (front, rest) = buffer.split_at_mut(length);
            match id {
                None => front.fill(0),
                Some(id) => {
                    let chunk = self.chunk(place, number, id)?;
                    let from = usize::try_from(inside).map_err(|_| self.too_short())?;
                    let part = from.checked_add(length).and_then(|to| chunk.get(from..to));
                    front.copy_from_slice(part.ok_or_else(|| self.too_short())?);
                }
            }
            (buffer, offset) = (rest, offset + length as u64);
        }
        Ok(())
    }

    fn chunk(&self, place: &mut Place, number: usize, id: &ChunkId) -> Result<Chunk> {
        if let Some((last, chunk)) = &place.chunk
            && *last == number
        {
            return Ok(chunk.clone());
        }
        let chunk = self.reader.data_chunk(id)?;
        place.chunk = Some((number, chunk.clone()));
        Ok(chunk)
    }

    fn read_kept(&self, place: &mut Place, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let inside = |(start, kept): &(u64, Vec<u8>)| {
            let from = usize::try_from(offset.checked_sub(*start)?).ok()?;
            Some(from..from.checked_add(buffer.len()).filter(|end| *end <= kept.len())?)
        };
        if inside(&place.kept).is_none() {
            place.kept = (offset, Vec::new());
            place.kept.1 = self.stretch(offset, buffer.len().max(KEPT_BYTES))?;
        }
        let range = inside(&place.kept).ok_or_else(|| self.too_short())?;
        buffer.copy_from_slice(&place.kept.1[range]);
        Ok(())
    }

    /// So many bytes from `offset`, or those that there are.
    fn stretch(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut stream = ContentReader::new(self.reader, self.entry);
        let (mut at, mut skipped) = (0, vec![0; SKIP_BYTES]);
        while at < offset {
            let length = usize::try_from(offset - at).map_or(SKIP_BYTES, |left| left.min(SKIP_BYTES));
            if stream.fill(&mut skipped[..length])? < length {
                return Err(self.too_short());
            }
            at += length as u64;
        }
        let left = self.entry.metadata.size.saturating_sub(offset);
        let mut bytes = vec![0; usize::try_from(left).map_or(length, |left| left.min(length))];
        let filled = stream.fill(&mut bytes)?;
        bytes.truncate(filled);
        Ok(bytes)
    }

    fn too_short(&self) -> Error {
        Error::Lost { reason: format!("its content is shorter than {} bytes", self.entry.metadata.size) }
    }
}

impl Bytes for FileBytes<'_> {
    fn len(&self) -> u64 {
        self.entry.metadata.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        self.try_read(&mut place, offset, buffer).map_err(|error| {
            let text = error.to_string();
            place.failure = Some(error);
            io::Error::other(text)
        })
    }
}
