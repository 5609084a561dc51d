// SPDX-License-Identifier: MIT OR Apache-2.0
//! Permission bits that stand in the way of an ordinary user's own restore.
//!
//! A folder of mode 0500 or a file of mode 0400 from an earlier restore is ours to open up; its recorded mode is set again at the end.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::{Mode, Stat};
use rustix::io::Errno;

/// What we need of a folder to work in it.
pub(super) const FOLDER_BITS: u32 = 0o700;
/// What we need of a file to compare and write it.
pub(super) const FILE_BITS: u32 = 0o600;

/// A path to the very inode of a descriptor that was opened without permission to read (`O_PATH`), for the calls that do not take
/// such a descriptor. It can not be redirected by renames, and it stands for a symlink itself, not for what that points to.
pub(super) fn proc_path(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// Gives the owner `bits`, if that is us, we are not root and some are missing. Says whether anything changed.
pub(super) fn unlock(fd: BorrowedFd<'_>, stat: &Stat, bits: u32) -> Result<bool, Errno> {
    let me = rustix::process::geteuid();
    if me.is_root() || stat.st_uid != me.as_raw() || stat.st_mode & bits == bits {
        return Ok(false);
    }
    rustix::fs::chmod(proc_path(fd), Mode::from_raw_mode((stat.st_mode & 0o7777) | bits))?;
    Ok(true)
}
