// SPDX-License-Identifier: MIT OR Apache-2.0
//! A regular file of the target that is open for reading and writing.
//!
//! Several threads may write different parts at once. Content first, metadata last: writing would take set-id bits and
//! capabilities away again and move the times.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use keepfast_repo_format::tree::entry::Metadata;
use rustix::fs::{AtFlags, FallocateFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::directory::Directory;
use super::error::TargetError;
use super::metadata::{self, MetadataFailure, Origin};
use super::ownership::Ownership;
use super::{locks, name};

/// Zeros written at once where the file system can not make holes.
const ZEROS_BYTES: usize = 64 << 10;

/// `f_type` of ext2, ext3 and ext4 (`statfs(2)`).
const EXT4_MAGIC: rustix::fs::FsWord = 0xEF53;

/// An open regular file of the target.
pub struct TargetFile {
    file: File,
    directory: Directory,
    name: Vec<u8>,
    origin: Origin,
}

impl AsFd for TargetFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl TargetFile {
    pub(super) fn create(directory: &Directory, name: &[u8]) -> Result<TargetFile, Errno> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(directory, name, flags, Mode::from_raw_mode(locks::FILE_BITS))?;
        let (directory, name) = (directory.clone(), name.to_vec());
        Ok(TargetFile { file: File::from(fd), directory, name, origin: Origin::Created })
    }

    pub(super) fn open(directory: &Directory, name: &[u8]) -> Result<TargetFile, Errno> {
        // Looked at before it is opened, as opening a device can do things; and again after, as it may have been swapped.
        only_regular(rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode)?;
        // Non-blocking for the case of a pipe put there meanwhile.
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(directory, name, flags, Mode::empty()) {
            Err(Errno::ACCESS) => {
                unlock(directory, name)?;
                rustix::fs::openat(directory, name, flags, Mode::empty())?
            }
            other => other?,
        };
        only_regular(rustix::fs::fstat(&fd)?.st_mode)?;
        let (directory, name) = (directory.clone(), name.to_vec());
        Ok(TargetFile { file: File::from(fd), directory, name, origin: Origin::Existing })
    }

    pub(super) fn open_to_read(directory: &Directory, name: &[u8]) -> Result<TargetFile, Errno> {
        only_regular(rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(directory, name, flags, Mode::empty())?;
        only_regular(rustix::fs::fstat(&fd)?.st_mode)?;
        let (directory, name) = (directory.clone(), name.to_vec());
        Ok(TargetFile { file: File::from(fd), directory, name, origin: Origin::Existing })
    }

    /// Path relative to the target.
    pub fn path(&self) -> Vec<u8> {
        name::join(self.directory.path(), &self.name)
    }

    /// Sets what can only be set while a file is empty (no copy on write). To be called on a created file before content is
    /// written; costs nothing for files without that flag. That it failed is told by [`TargetFile::apply_metadata`].
    pub fn prepare(&self, metadata: &Metadata) {
        metadata::prepare_empty(self.as_fd(), metadata);
    }

    /// Writes all of `bytes` at `offset`.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), TargetError> {
        self.file.write_all_at(bytes, offset).map_err(|error| self.error("write file", error))
    }

    /// Reads at `offset` until `buffer` is full or the file ends; returns how many bytes were read.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, TargetError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error("read file", error)),
            }
        }
        Ok(filled)
    }

    /// Where data begins at or after `offset`: what lies between is a hole. `None`: nothing but a hole follows.
    pub fn next_data(&self, offset: u64) -> Result<Option<u64>, TargetError> {
        match rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Data(offset)) {
            Ok(data) => Ok(Some(data)),
            Err(Errno::NXIO) => Ok(None),
            // Where the file system tells nothing, everything is data.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(Some(offset)),
            Err(error) => Err(self.error("look for data in file", error.into())),
        }
    }

    /// Size in bytes now.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> Result<u64, TargetError> {
        self.file.metadata().map(|metadata| metadata.len()).map_err(|error| self.error("look at file", error))
    }

    /// Cuts the file, or lets it grow by a hole.
    pub fn set_len(&self, len: u64) -> Result<(), TargetError> {
        self.file.set_len(len).map_err(|error| self.error("set length of file", error))
    }

    /// Reserves space without changing the size, if that makes writing in any order faster: on ext4 it does, by a fifth of the kernel's time for
    /// a file of 2.7 GB. In memory it would write everything twice, and btrfs would not compress what was reserved. What can not be
    /// reserved is told by the writing.
    pub fn allocate(&self, range: &Range<u64>) {
        if range.is_empty() || !rustix::fs::fstatfs(&self.file).is_ok_and(|found| found.f_type == EXT4_MAGIC) {
            return;
        }
        let _ = rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, range.start, range.end - range.start);
    }

    /// Makes `[offset, offset + len)` read as zeros and, where the file system can, take no space. The file grows to hold the range.
    pub fn hole(&self, offset: u64, len: u64) -> Result<(), TargetError> {
        const OPERATION: &str = "make hole in file";
        let end = offset.checked_add(len).ok_or_else(|| self.error(OPERATION, Errno::FBIG.into()))?;
        let size = self.len()?;
        let inside = size.min(end).saturating_sub(offset);
        if inside > 0 {
            let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            match rustix::fs::fallocate(&self.file, punch, offset, inside) {
                Ok(()) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.write_zeros(offset, inside)?,
                Err(error) => return Err(self.error(OPERATION, error.into())),
            }
        }
        if end > size { self.set_len(end) } else { Ok(()) }
    }

    /// Sets all metadata, in the order in which nothing undoes what was set before. The last thing to do with the file.
    pub fn apply_metadata(&self, metadata: &Metadata, ownership: &Ownership) -> Vec<MetadataFailure> {
        metadata::apply_file(self, metadata, ownership)
    }

    /// Waits until content and metadata are on the disk.
    pub fn sync(&self) -> Result<(), TargetError> {
        self.file.sync_all().map_err(|error| self.error("sync file", error))
    }

    /// A created file without inherited ACLs has no extended attributes that would have to be looked for.
    pub(super) fn origin(&self) -> Origin {
        if self.origin == Origin::Created && self.directory.hands_down_acl() { Origin::Existing } else { self.origin }
    }

    fn write_zeros(&self, mut offset: u64, mut len: u64) -> Result<(), TargetError> {
        let zeros = [0; ZEROS_BYTES];
        while len > 0 {
            let part = len.min(ZEROS_BYTES as u64);
            self.write_at(offset, &zeros[..part as usize])?;
            (offset, len) = (offset + part, len - part);
        }
        Ok(())
    }

    fn error(&self, operation: &'static str, error: io::Error) -> TargetError {
        TargetError::new(self.path(), operation, error)
    }
}

fn only_regular(raw_mode: u32) -> Result<(), Errno> {
    match FileType::from_raw_mode(raw_mode) {
        FileType::RegularFile => Ok(()),
        FileType::Symlink => Err(Errno::LOOP),
        _ => Err(Errno::EXIST),
    }
}

/// Lets the owner read and write, if that is us; else it stays denied.
fn unlock(directory: &Directory, name: &[u8]) -> Result<(), Errno> {
    let fd = rustix::fs::openat(directory, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let stat = rustix::fs::fstat(&fd)?;
    only_regular(stat.st_mode)?;
    if locks::unlock(fd.as_fd(), &stat, locks::FILE_BITS)? { Ok(()) } else { Err(Errno::ACCESS) }
}
