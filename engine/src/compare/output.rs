// SPDX-License-Identifier: MIT OR Apache-2.0
//! A content that is copied, with other bytes in some places.

use std::io::{self, Write};
use std::ops::Range;

use super::Bytes;

/// Bytes that are copied at a time.
const COPY_BYTES: usize = 256 << 10;

/// The content, up to where it is written.
pub(crate) struct Output<'a> {
    bytes: &'a dyn Bytes,
    sink: &'a mut dyn Write,
    at: u64,
    buffer: Vec<u8>,
}

impl<'a> Output<'a> {
    /// Before the first byte.
    pub(crate) fn new(bytes: &'a dyn Bytes, sink: &'a mut dyn Write) -> Self {
        Self { bytes, sink, at: 0, buffer: Vec::new() }
    }

    /// What stands before `to` may be written.
    pub(crate) fn keep(&mut self, to: u64) -> io::Result<()> {
        if to.saturating_sub(self.at) >= COPY_BYTES as u64 { self.copy(to) } else { Ok(()) }
    }

    fn copy(&mut self, to: u64) -> io::Result<()> {
        while self.at < to {
            let length = usize::try_from(to - self.at).map_or(COPY_BYTES, |left| left.min(COPY_BYTES));
            self.buffer.resize(length, 0);
            self.bytes.read_at(self.at, &mut self.buffer)?;
            self.sink.write_all(&self.buffer)?;
            self.at += length as u64;
        }
        Ok(())
    }

    /// Writes other bytes in the place of the range. Ranges come in order; what a range before has taken stays taken.
    pub(crate) fn replace(&mut self, range: Range<u64>, with: &[u8]) -> io::Result<()> {
        self.copy(range.start)?;
        self.at = self.at.max(range.end);
        self.sink.write_all(with)
    }

    /// Whether what begins at `at` was taken by a range before.
    pub(crate) fn is_past(&self, at: u64) -> bool {
        at < self.at
    }

    /// Writes what is left.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.copy(self.bytes.len())
    }
}

/// The first bytes, at most so many.
pub(crate) fn head(bytes: &dyn Bytes, most: usize) -> io::Result<Vec<u8>> {
    let mut head = vec![0; usize::try_from(bytes.len()).map_or(most, |length| length.min(most))];
    bytes.read_at(0, &mut head)?;
    Ok(head)
}
