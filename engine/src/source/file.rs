// SPDX-License-Identifier: MIT OR Apache-2.0
//! The content of a regular file that the walk found.
//!
//! For the backup's readers. A file is read with `pread`, never mapped: a mapping of a file that is truncated meanwhile
//! kills the process. Whether the file held still is for the caller to see, with [`SourceFile::stat`] before and after.

use std::os::fd::{AsFd, OwnedFd};

use keepfast_repo_format::manifest::Problem;
use keepfast_repo_format::tree::entry::{FileType, Metadata};
use rustix::buffer::spare_capacity;
use rustix::fs::{OFlags, SeekFrom, seek};
use rustix::io::{Errno, pread, retry_on_intr};

use crate::source::complete::Completer;
use crate::source::error::SourceError;
use crate::source::listing::Found;
use crate::source::stat::Stat;

/// Bytes in a block of [`Stat::blocks`], whatever the file system's own block size is.
const STAT_BLOCK_BYTES: u64 = 512;

/// A regular file, open for reading.
#[derive(Debug)]
pub struct SourceFile {
    fd: OwnedFd,
    path: Vec<u8>,
    opened: Stat,
}

/// Opens what the walk found. Links are not followed, on no part of the way below the named path; the access time stays
/// where the kernel permits; nothing but a regular file is accepted, and nothing else can make it wait.
pub fn open(found: &Found) -> Result<SourceFile, SourceError> {
    let path = found.path();
    if found.stat.file_type != FileType::File {
        return Err(SourceError::Replaced { path, found: found.stat.file_type });
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = found.root.open_to_read(&path, flags).and_then(|fd| Stat::of_open(fd.as_fd()).map(|stat| (fd, stat)));
    match opened {
        Ok((fd, opened)) if opened.file_type == FileType::File => Ok(SourceFile { fd, path, opened }),
        Ok((_, opened)) => Err(SourceError::Replaced { path, found: opened.file_type }),
        Err(errno) => Err(SourceError::io(path, "open", errno)),
    }
}

impl SourceFile {
    /// What `fstat` said directly after opening.
    pub fn opened(&self) -> &Stat {
        &self.opened
    }

    /// What `fstat` says now.
    pub fn stat(&self) -> Result<Stat, SourceError> {
        Stat::of_open(self.fd.as_fd()).map_err(|errno| self.failed("look at", errno))
    }

    /// Appends the bytes at `offset` to `buffer` until there are `wanted` more or the file ends; returns how many came. Memory for
    /// them is taken but not cleared first.
    pub fn append_at(&self, offset: u64, wanted: usize, buffer: &mut Vec<u8>) -> Result<usize, SourceError> {
        let start = buffer.len();
        buffer.reserve(wanted);
        while buffer.len() - start < wanted {
            let at = offset + (buffer.len() - start) as u64;
            match retry_on_intr(|| pread(&self.fd, spare_capacity(buffer), at)) {
                Ok(0) => break,
                Ok(_) => {}
                Err(errno) => return Err(self.failed("read", errno)),
            }
        }
        // There may have been room for more, and the file may have grown.
        buffer.truncate(start + wanted);
        Ok(buffer.len() - start)
    }

    /// Fills `buffer` with the bytes at `offset`, unless the file ends before; returns how many came.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match retry_on_intr(|| pread(&self.fd, &mut buffer[filled..], offset + filled as u64)) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(errno) => return Err(self.failed("read", errno)),
            }
        }
        Ok(filled)
    }

    /// Whether there may be other bytes than the zeros of a hole between `start` and `end`.
    pub fn has_data(&self, start: u64, end: u64) -> bool {
        match seek(&self.fd, SeekFrom::Data(start)) {
            Ok(at) => at < end,
            Err(errno) => errno != Errno::NXIO,
        }
    }

    /// The runs of data and holes that make up the first `size` bytes.
    ///
    /// A file with all its blocks, or on a file system that does not tell, is one run of data. Bytes behind the end of
    /// a file that has shrunk count as a hole. Calls `lseek`: one `Extents` of a file at a time.
    pub fn extents(&self, size: u64) -> Extents<'_> {
        let is_sparse = self.opened.blocks.saturating_mul(STAT_BLOCK_BYTES) < size;
        Extents { file: is_sparse.then_some(self), at: 0, data: 0, size }
    }

    /// Metadata with the numbers of `stat`; attributes and flags are read through the open file. What could not be read
    /// is reported with code `Metadata`.
    pub fn metadata(&self, completer: &Completer, stat: &Stat, link_group: Option<u64>) -> (Metadata, Vec<Problem>) {
        completer.of_open(&self.fd, stat, &self.path, link_group)
    }

    fn failed(&self, operation: &'static str, errno: Errno) -> SourceError {
        SourceError::io(self.path.clone(), operation, errno)
    }
}

/// A run of a file: bytes `start..end`, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// To be read.
    Data {
        /// First byte.
        start: u64,
        /// Behind the last byte.
        end: u64,
    },
    /// Zeros that take no space.
    Hole {
        /// First byte.
        start: u64,
        /// Behind the last byte.
        end: u64,
    },
}

/// Runs of a file in ascending order, without a gap; see [`SourceFile::extents`].
#[derive(Debug)]
pub struct Extents<'a> {
    /// `None`: the rest is data.
    file: Option<&'a SourceFile>,
    at: u64,
    /// Start of the next data if it lies behind `at`.
    data: u64,
    size: u64,
}

impl Iterator for Extents<'_> {
    type Item = Extent;

    fn next(&mut self) -> Option<Extent> {
        if self.at >= self.size {
            return None;
        }
        let start = self.at;
        if self.data <= start {
            self.data = self.seek_data(start);
        }
        if self.data > start {
            self.at = self.data;
            return Some(Extent::Hole { start, end: self.at });
        }
        self.at = self.seek_hole(start);
        Some(Extent::Data { start, end: self.at })
    }
}

impl Extents<'_> {
    fn seek_data(&mut self, from: u64) -> u64 {
        let Some(file) = self.file else { return from };
        match seek(&file.fd, SeekFrom::Data(from)) {
            Ok(at) => at.clamp(from, self.size),
            // No data behind `from`.
            Err(Errno::NXIO) => self.size,
            Err(_) => {
                self.file = None;
                from
            }
        }
    }

    fn seek_hole(&mut self, from: u64) -> u64 {
        let Some(file) = self.file else { return self.size };
        match seek(&file.fd, SeekFrom::Hole(from)) {
            Ok(at) if at > from => at.min(self.size),
            // No answer, or one that would stand still: the rest is read as data, which is never wrong.
            _ => {
                self.file = None;
                self.size
            }
        }
    }
}
