// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file's content as a stream, for what is written into a pipe or an archive: a chunk that can not be read ends it.

use std::io::{self, Read};

use keepfast_repo_format::FormatError;
use keepfast_repo_format::tree::entry::Content;

use crate::error::{Error, Result};
use crate::reader::{Chunk, Reader};
use crate::tree::ContentItems;

/// A file's content as a stream; holes are zeros.
pub struct ContentReader<'a> {
    reader: &'a Reader,
    items: ContentItems<'a>,
    chunk: Option<Chunk>,
    at: usize,
    hole: u64,
    skips_holes: bool,
    /// What ended the stream early; an [`io::Error`] can not carry it whole.
    pub failure: Option<Error>,
}

impl<'a> ContentReader<'a> {
    /// Starts at the beginning.
    pub fn new(reader: &'a Reader, content: &Content) -> Self {
        Self {
            reader,
            items: ContentItems::new(reader, content),
            chunk: None,
            at: 0,
            hole: 0,
            skips_holes: false,
            failure: None,
        }
    }

    /// Leaves holes out: only data comes.
    #[must_use]
    pub fn without_holes(self) -> Self {
        Self { skips_holes: true, ..self }
    }

    /// Fills the buffer as far as the content goes.
    ///
    /// # Errors
    /// A chunk is missing or damaged.
    pub fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let rest = &mut buffer[filled..];
            if self.hole > 0 {
                let length = rest.len().min(usize::try_from(self.hole).unwrap_or(usize::MAX));
                rest[..length].fill(0);
                self.hole -= length as u64;
                filled += length;
            } else if let Some(chunk) = self.chunk.as_ref().filter(|chunk| self.at < chunk.len()) {
                let length = rest.len().min(chunk.len() - self.at);
                rest[..length].copy_from_slice(&chunk[self.at..self.at + length]);
                self.at += length;
                filled += length;
            } else {
                let Some(item) = self.items.next().transpose()? else { break };
                (self.chunk, self.at) = (None, 0);
                match item.id {
                    None if self.skips_holes => {}
                    None => self.hole = item.length,
                    Some(id) => {
                        let chunk = self.reader.data_chunk(&id)?;
                        // The member of an archive has the length that its header says, or all members behind it are lost.
                        if chunk.len() as u64 != item.length {
                            let why = format!("chunk {id} has {} bytes, the file says {}", chunk.len(), item.length);
                            return Err(Error::Node { id, source: FormatError::Malformed { what: "content", why } });
                        }
                        self.chunk = Some(chunk);
                    }
                }
            }
        }
        Ok(filled)
    }
}

impl Read for ContentReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.fill(buffer).map_err(|error| {
            let text = error.to_string();
            self.failure = Some(error);
            io::Error::other(text)
        })
    }
}
