// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bytes of a file from what is stored of it: chunks and holes of its content, and for a wrapped file its layers put upon them.

use keepfast_repo_format::FormatError;
use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::tree::entry::{Content, Entry};

use super::ContentItems;
use crate::error::{Error, Result, describe};
use crate::reader::Reader;
use crate::unwrap::{Faults, Piece, Rewrapped, Supply};

/// Zeros of a hole that are given at a time.
const HOLE_BYTES: u64 = 256 << 10;

/// The bytes of a file, from the first to the last.
pub fn bytes_of<'a>(reader: &'a Reader, entry: &Entry, faults: Faults) -> Box<dyn Supply + 'a> {
    let mut bytes: Box<dyn Supply + 'a> = Box::new(Stored::new(reader, &entry.content, faults));
    for (number, layer) in entry.layers.iter().enumerate().rev() {
        let length = number.checked_sub(1).map_or(entry.metadata.size, |outside| entry.layers[outside].length);
        let recipe = Box::new(Stored::new(reader, &layer.recipe, faults));
        bytes = Box::new(Rewrapped::new(bytes, recipe, length, faults));
    }
    bytes
}

/// The bytes of a content without its holes.
pub fn data_of<'a>(reader: &'a Reader, content: &Content, faults: Faults) -> Box<dyn Supply + 'a> {
    Box::new(Stored { skips_holes: true, ..Stored::new(reader, content, faults) })
}

/// The bytes of one content, as they are stored.
struct Stored<'a> {
    reader: &'a Reader,
    items: ContentItems<'a>,
    /// Zeros still to come.
    hole: u64,
    skips_holes: bool,
    faults: Faults,
}

impl<'a> Stored<'a> {
    fn new(reader: &'a Reader, content: &Content, faults: Faults) -> Self {
        Self { reader, items: ContentItems::new(reader, content), hole: 0, skips_holes: false, faults }
    }

    /// What can not be had, if that does not end everything.
    fn lost(&self, length: u64, error: Error) -> Result<Option<Piece>> {
        if self.faults == Faults::Name && error.is_damage() {
            Ok(Some(Piece::Lost { length, reason: describe(&error) }))
        } else {
            Err(error)
        }
    }

    fn chunk(&self, id: ChunkId, length: u64) -> Result<Vec<u8>> {
        let chunk = self.reader.data_chunk(&id)?;
        // The member of an archive has the length that its header says, or all members behind it are lost.
        if chunk.len() as u64 != length {
            let why = format!("chunk {id} has {} bytes, the file says {length}", chunk.len());
            return Err(Error::Node { id, source: FormatError::Malformed { what: "content", why } });
        }
        Ok(chunk.to_vec())
    }
}

impl Supply for Stored<'_> {
    fn next(&mut self) -> Result<Option<Piece>> {
        while self.hole == 0 {
            match self.items.next() {
                None => return Ok(None),
                Some(Err(error)) => return self.lost(self.items.lost_bytes(), error),
                Some(Ok(item)) => match item.id {
                    None if self.skips_holes => {}
                    None => self.hole = item.length,
                    Some(id) => {
                        return match self.chunk(id, item.length) {
                            Ok(bytes) => Ok(Some(Piece::Bytes(bytes))),
                            Err(error) => self.lost(item.length, error),
                        };
                    }
                },
            }
        }
        let length = self.hole.min(HOLE_BYTES);
        self.hole -= length;
        Ok(Some(Piece::Bytes(vec![0; length as usize])))
    }
}
