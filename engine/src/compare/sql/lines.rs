// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lines of one side of the comparison, or of a part of it, without a copy of each.
//!
//! Errors carry an offset until they are told; only then are lines counted. It knows nothing of SQL.

use crate::compare::{Bytes, GaveUp, Trouble};

/// Bytes that a row or a statement may have. `bytea` of some megabytes is common, and takes two characters per byte.
pub(crate) const MAX_ROW_BYTES: usize = 64 << 20;

/// Bytes per read: large enough that a chunk of a snapshot is not opened for each.
const READ_BYTES: usize = 256 << 10;

/// One of the two contents.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    /// The content.
    pub bytes: &'a dyn Bytes,
    /// "first" or "second"; empty if there is but one.
    pub name: &'static str,
}

impl Side<'_> {
    /// The error that ends the reader at this offset, or the one of looking for its line.
    pub fn gave_up(&self, offset: u64, why: impl Into<String>) -> Trouble {
        match self.line_at(offset) {
            Ok(line) => {
                let of_side = if self.name.is_empty() { String::new() } else { format!(" of the {}", self.name) };
                GaveUp { reader: "SQL", place: format!("line {line}{of_side}"), why: why.into() }.into()
            }
            Err(error) => error,
        }
    }

    fn line_at(&self, offset: u64) -> Result<u64, Trouble> {
        let mut buffer = vec![0; READ_BYTES];
        let (mut at, mut line) = (0, 1);
        while at < offset {
            let length = usize::try_from(offset - at).unwrap_or(READ_BYTES).min(READ_BYTES);
            self.bytes.read_at(at, &mut buffer[..length])?;
            line += memchr::memchr_iter(b'\n', &buffer[..length]).count() as u64;
            at += length as u64;
        }
        Ok(line)
    }

    /// The bytes of a row or statement that was seen at `offset`.
    pub fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>, Trouble> {
        let mut buffer = vec![0; length as usize];
        self.bytes.read_at(offset, &mut buffer)?;
        Ok(buffer)
    }
}

/// Goes from line to line.
pub(crate) struct Lines<'a> {
    side: Side<'a>,
    /// Read up to `filled`; its first byte is at `base` of the content.
    buffer: Vec<u8>,
    base: u64,
    filled: usize,
    /// Where it ends in the content.
    end: u64,
    /// The line, and where the next begins.
    line: std::ops::Range<usize>,
    next: usize,
}

impl<'a> Lines<'a> {
    /// Before the first line of the range.
    pub fn within(side: Side<'a>, range: std::ops::Range<u64>) -> Self {
        Self { side, buffer: Vec::new(), base: range.start, filled: 0, end: range.end, line: 0..0, next: 0 }
    }

    /// Goes to the next line, and says whether there is one.
    pub fn advance(&mut self) -> Result<bool, Trouble> {
        let mut scanned = self.next;
        loop {
            if let Some(found) = memchr::memchr(b'\n', &self.buffer[scanned..self.filled]) {
                self.line = self.next..scanned + found;
                self.check(self.line.len())?;
                self.next = self.line.end + 1;
                return Ok(true);
            }
            self.check(self.filled - self.next)?;
            if self.base + self.filled as u64 >= self.end {
                self.line = self.next..self.filled;
                self.next = self.filled;
                return Ok(!self.line.is_empty());
            }
            scanned = self.filled - self.next;
            self.fill()?;
        }
    }

    fn check(&self, line_bytes: usize) -> Result<(), Trouble> {
        if line_bytes > MAX_ROW_BYTES {
            return Err(self.side.gave_up(self.base + self.next as u64, "the line is longer than 64 MiB"));
        }
        Ok(())
    }

    /// Moves the unread part to the front and reads more behind it.
    fn fill(&mut self) -> Result<(), Trouble> {
        self.buffer.copy_within(self.next..self.filled, 0);
        self.base += self.next as u64;
        self.filled -= self.next;
        self.next = 0;
        let left = usize::try_from(self.end - self.base - self.filled as u64).unwrap_or(usize::MAX);
        let room = self.buffer.len() - self.filled;
        if room < left.min(READ_BYTES / 2) {
            let wanted = self.filled + left.min(READ_BYTES.max(self.buffer.len()));
            self.buffer.resize(wanted.min(MAX_ROW_BYTES + READ_BYTES), 0);
        }
        let length = left.min(self.buffer.len() - self.filled);
        let target = &mut self.buffer[self.filled..self.filled + length];
        self.side.bytes.read_at(self.base + self.filled as u64, target)?;
        self.filled += length;
        Ok(())
    }

    /// The line, without its end.
    pub fn line(&self) -> &[u8] {
        &self.buffer[self.line.clone()]
    }

    /// Where the line begins in the content.
    pub fn offset(&self) -> u64 {
        self.base + self.line.start as u64
    }

    /// Where the next line begins.
    pub fn next_offset(&self) -> u64 {
        self.base + self.next as u64
    }

    /// The content.
    pub fn side(&self) -> Side<'a> {
        self.side
    }
}
