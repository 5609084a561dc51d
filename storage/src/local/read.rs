// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads objects: the whole range or an error. Objects are immutable, so a read may be done twice.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::calls::Calls;
use super::error::LocalError;
use super::walk;

/// A range that is not within the object.
pub(super) struct Beyond {
    pub(super) range: Range<u64>,
    /// Of the object, in bytes.
    pub(super) length: u64,
}

/// The bytes of an object, or those of a range of it.
pub(super) fn get(
    calls: &dyn Calls,
    root: &File,
    name: &str,
    range: Option<Range<u64>>,
) -> io::Result<Result<Vec<u8>, Beyond>> {
    let (file, length) = open(root, name)?;
    let range = range.unwrap_or(0..length);
    if range.start > range.end || range.end > length {
        return Ok(Err(Beyond { range, length }));
    }
    read_range(calls, &file, range).map(Ok)
}

/// Opens an object; with it, its length.
fn open(root: &File, name: &str) -> io::Result<(File, u64)> {
    // NONBLOCK: a fifo of an object's name must not stop us for ever.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = retry_on_intr(|| rustix::fs::openat(root.as_fd(), name, flags, Mode::empty()))?;
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Errno::NOENT.into());
    }
    Ok((File::from(file), walk::length(&stat)?))
}

/// The length of an object in bytes.
pub(super) fn length(root: &File, name: &str) -> io::Result<u64> {
    match walk::stat(root.as_fd(), name)? {
        Some(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => walk::length(&stat),
        _ => Err(Errno::NOENT.into()),
    }
}

/// Reads exactly this range, known to be within the file. A file that ends earlier was truncated, which is an error.
pub(super) fn read_range(calls: &dyn Calls, file: &File, range: Range<u64>) -> io::Result<Vec<u8>> {
    let length = usize::try_from(range.end - range.start).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
    while bytes.len() < length {
        let offset = range.start + bytes.len() as u64;
        match calls.read(file, &mut bytes, offset) {
            Ok(0) => return Err(LocalError::Shortened.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}
