// SPDX-License-Identifier: MIT OR Apache-2.0
//! Gives a complete temporary file its final name, unless that name is taken: the create-once guarantee of the local
//! backend.
//!
//! `renameat2(RENAME_NOREPLACE)` where the file system has it, else `link()`, which is atomic on NFS. Nothing here may
//! ever replace a file: there is no third way.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::calls::Calls;

/// What became of a temporary file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Published {
    /// It has the name now.
    Created,
    /// The name was taken.
    Exists,
    /// The temporary file, or its folder, is no longer there: removed by a sweep on a machine that does not see our
    /// locks.
    Vanished,
}

/// Publishes `temporary` as `name`, both relative to `root` and in the same folder. The temporary name may remain, as a
/// second link.
///
/// # Errors
/// The file system can do neither, or failed. Only for errors of a connection it is unknown whether `name` exists now.
pub(super) fn publish(calls: &dyn Calls, root: BorrowedFd<'_>, temporary: &str, name: &str) -> io::Result<Published> {
    let Err(error) = calls.rename_no_replace(root, temporary, name) else { return Ok(Published::Created) };
    match Errno::from_io_error(&error) {
        Some(Errno::EXIST) => Ok(Published::Exists),
        Some(Errno::NOENT) => Ok(Published::Vanished),
        Some(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => publish_by_link(calls, root, temporary, name),
        _ => Err(error),
    }
}

/// An NFS client that repeats a lost request reports `EEXIST` (or `EIO`) for a link that it made itself. Nobody else
/// links our temporary file, so two links mean that it was us.
fn publish_by_link(calls: &dyn Calls, root: BorrowedFd<'_>, temporary: &str, name: &str) -> io::Result<Published> {
    let Err(error) = calls.link(root, temporary, name) else { return Ok(Published::Created) };
    let ours = || links(root, temporary).is_ok_and(|links| links >= 2);
    match Errno::from_io_error(&error) {
        Some(Errno::EXIST) if ours() => Ok(Published::Created),
        Some(Errno::EXIST) => Ok(Published::Exists),
        Some(Errno::IO | Errno::TIMEDOUT) if ours() => Ok(Published::Created),
        Some(Errno::NOENT) => Ok(Published::Vanished),
        Some(Errno::PERM | Errno::NOTSUP | Errno::NOSYS) => Err(io::Error::other(
            "this file system can neither rename without replacing nor link, so nothing can be created exactly once",
        )),
        _ => Err(error),
    }
}

/// How many names the file has. Opens it, because an NFS client asks the server on open but answers a bare stat from
/// its cache.
fn links(root: BorrowedFd<'_>, path: &str) -> io::Result<u64> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = retry_on_intr(|| rustix::fs::openat(root, path, flags, Mode::empty()))?;
    Ok(rustix::fs::fstat(&file)?.st_nlink as u64)
}
