// SPDX-License-Identifier: MIT OR Apache-2.0
//! The system calls on which durability and create-once rest, behind one small trait, so that tests of the local
//! backend can make each of them fail. No decision is taken here.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::fd::BorrowedFd;

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::retry_on_intr;

/// Calls that a file system may refuse, or fail at, in ways that matter. Paths are relative to the root folder `root`.
/// Calls that a signal interrupted are made again here, except where the caller loops anyway.
pub(super) trait Calls: Send + Sync {
    /// Appends some of `parts`; returns how many bytes.
    fn write(&self, file: &File, parts: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Reads some bytes at `offset` to the end of `bytes`; returns how many.
    fn read(&self, file: &File, bytes: &mut Vec<u8>, offset: u64) -> io::Result<usize>;

    /// Opens a folder relative to the root, to read or flush it.
    fn open_folder(&self, root: BorrowedFd<'_>, path: &str) -> io::Result<File>;

    /// Flushes a file's data to the medium. Never to be tried again after an error: the second call would succeed
    /// without effect.
    fn sync_file(&self, file: &File) -> io::Result<()>;

    /// Flushes a folder's entries to the medium.
    fn sync_folder(&self, folder: &File) -> io::Result<()>;

    /// Renames unless `to` exists.
    fn rename_no_replace(&self, root: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()>;

    /// Makes a second name for a file unless `to` exists.
    fn link(&self, root: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()>;
}

/// The real calls.
pub(super) struct System;

impl Calls for System {
    fn write(&self, mut file: &File, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        file.write_vectored(parts)
    }

    fn read(&self, file: &File, bytes: &mut Vec<u8>, offset: u64) -> io::Result<usize> {
        Ok(rustix::io::pread(file, spare_capacity(bytes), offset)?)
    }

    fn open_folder(&self, root: BorrowedFd<'_>, path: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(retry_on_intr(|| rustix::fs::openat(root, path, flags, Mode::empty()))?.into())
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn sync_folder(&self, folder: &File) -> io::Result<()> {
        folder.sync_all()
    }

    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    fn rename_no_replace(&self, root: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
        let rename = || rustix::fs::renameat_with(root, from, root, to, rustix::fs::RenameFlags::NOREPLACE);
        Ok(retry_on_intr(rename)?)
    }

    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    fn rename_no_replace(&self, _: BorrowedFd<'_>, _: &str, _: &str) -> io::Result<()> {
        Err(rustix::io::Errno::NOSYS.into())
    }

    fn link(&self, root: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::linkat(root, from, root, to, AtFlags::empty()))?)
    }
}
