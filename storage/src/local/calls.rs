// SPDX-License-Identifier: MIT OR Apache-2.0
//! The system calls on which durability and create-once rest, behind one small trait, so that tests of the local
//! backend can make each of them fail. No decision is taken here.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::fd::BorrowedFd;

use rustix::fs::AtFlags;
use rustix::io::retry_on_intr;

/// Calls that a file system may refuse, or fail at, in ways that matter. Paths are relative to the root folder `root`.
pub(super) trait Calls: Send + Sync {
    /// Appends some of `parts`; returns how many bytes.
    fn write(&self, file: &File, parts: &[IoSlice<'_>]) -> io::Result<usize>;

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
