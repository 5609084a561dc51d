// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file as a stream, for what is written into a pipe or an archive: a chunk that can not be read ends it.

use std::io::{self, Read};

use keepfast_repo_format::tree::entry::Entry;

use crate::error::{Error, Result};
use crate::reader::Reader;
use crate::tree::{bytes_of, data_of};
use crate::unwrap::{Faults, Piece, Supply};

/// A file as a stream.
pub struct ContentReader<'a> {
    bytes: Box<dyn Supply + 'a>,
    /// What was taken from there, and how much of it is done with.
    front: Vec<u8>,
    at: usize,
    /// What ended the stream early; an [`io::Error`] can not carry it whole.
    pub failure: Option<Error>,
}

impl<'a> ContentReader<'a> {
    /// Starts at the beginning; holes are zeros.
    pub fn new(reader: &'a Reader, entry: &Entry) -> Self {
        Self::of(bytes_of(reader, entry, Faults::Stop))
    }

    /// The same without holes: only data comes. Not for wrapped files, which have none.
    pub fn without_holes(reader: &'a Reader, entry: &Entry) -> Self {
        Self::of(data_of(reader, &entry.content, Faults::Stop))
    }

    fn of(bytes: Box<dyn Supply + 'a>) -> Self {
        Self { bytes, front: Vec::new(), at: 0, failure: None }
    }

    /// Fills the buffer as far as the file goes.
    ///
    /// # Errors
    /// A chunk is missing or damaged.
    pub fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            if self.at == self.front.len() {
                self.front = match self.bytes.next()? {
                    None => break,
                    Some(Piece::Bytes(bytes)) => bytes,
                    Some(Piece::Lost { reason, .. }) => return Err(Error::Lost { reason }),
                };
                self.at = 0;
            }
            let length = (buffer.len() - filled).min(self.front.len() - self.at);
            buffer[filled..filled + length].copy_from_slice(&self.front[self.at..self.at + length]);
            self.at += length;
            filled += length;
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
