// SPDX-License-Identifier: MIT OR Apache-2.0
//! Content that can be read at any place, as often as wanted: a file of a snapshot, a live file, bytes in memory.

use std::io;

/// Random access to one side of a comparison.
pub trait Bytes: Sync {
    /// Bytes in all.
    fn len(&self) -> u64;

    /// Fills `buffer` with what stands at `offset`; the whole range lies inside the content.
    ///
    /// # Errors
    /// It can not be read, or ends early.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Bytes for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let part = start.checked_add(buffer.len()).and_then(|end| self.get(start..end));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl Bytes for Vec<u8> {
    fn len(&self) -> u64 {
        Bytes::len(self.as_slice())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_at(offset, buffer)
    }
}

/// Reads content from start to end, in large steps, or from wherever it is sent.
pub struct Sequential<'a> {
    bytes: &'a dyn Bytes,
    at: u64,
}

impl<'a> Sequential<'a> {
    /// From the first byte.
    pub fn new(bytes: &'a dyn Bytes) -> Self {
        Self::at(bytes, 0)
    }

    /// From the byte at `offset`.
    pub fn at(bytes: &'a dyn Bytes, offset: u64) -> Self {
        Self { bytes, at: offset.min(bytes.len()) }
    }
}

impl io::Read for Sequential<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.bytes.len().saturating_sub(self.at);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        self.bytes.read_at(self.at, &mut buffer[..length])?;
        self.at += length as u64;
        Ok(length)
    }
}

impl io::Seek for Sequential<'_> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let (base, offset) = match to {
            io::SeekFrom::Start(at) => (at, 0),
            io::SeekFrom::End(offset) => (self.bytes.len(), offset),
            io::SeekFrom::Current(offset) => (self.at, offset),
        };
        self.at = base.checked_add_signed(offset).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
