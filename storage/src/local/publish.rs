// SPDX-License-Identifier: MIT OR Apache-2.0
//! Gives a complete temporary file its final name, unless that name is taken: the create-once guarantee of the local
//! backend.
//!
//! `renameat2(RENAME_NOREPLACE)` where the file system has it (SMB and FAT included), else `link()`, which is atomic on NFS.
//! Nothing here may ever replace a file: there is no third way (see [`LocalError::NoCreateOnce`]).

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, Stat};
use rustix::io::{Errno, retry_on_intr};

use super::calls::Calls;
use super::error::LocalError;
use super::temporary::Temporary;

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

/// Publishes `temporary` as `name` in the same folder. The temporary name may remain, as a second link.
///
/// An answer can be wrong about its own effect: a network client repeats a request whose answer was lost, and reports what
/// the second one met. So every answer but a plain success is followed by a look.
///
/// # Errors
/// The file system can do neither, or failed. Only for errors of a connection it is unknown whether `name` exists now.
pub(super) fn publish(calls: &dyn Calls, temporary: &Temporary<'_>, name: &str) -> io::Result<Published> {
    let Err(error) = calls.rename_no_replace(temporary.root(), temporary.path(), name) else {
        return Ok(Published::Created);
    };
    match Errno::from_io_error(&error) {
        // Also for a device that is another one only to renames (a quota project).
        Some(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP | Errno::XDEV) => publish_by_link(calls, temporary, name),
        Some(errno) if may_be_repeated(errno) && was_renamed(temporary, name) => Ok(Published::Created),
        Some(Errno::EXIST) => Ok(Published::Exists),
        Some(Errno::NOENT) => Ok(Published::Vanished),
        _ => Err(error),
    }
}

fn publish_by_link(calls: &dyn Calls, temporary: &Temporary<'_>, name: &str) -> io::Result<Published> {
    let Err(error) = calls.link(temporary.root(), temporary.path(), name) else { return Ok(Published::Created) };
    match Errno::from_io_error(&error) {
        Some(errno) if may_be_repeated(errno) && was_linked(temporary) => Ok(Published::Created),
        Some(Errno::EXIST) => Ok(Published::Exists),
        Some(Errno::NOENT) => Ok(Published::Vanished),
        Some(Errno::PERM | Errno::NOTSUP | Errno::NOSYS) => Err(LocalError::NoCreateOnce.into()),
        Some(Errno::XDEV) => Err(LocalError::OtherDevice.into()),
        _ => Err(error),
    }
}

/// Whether an error can be the answer to the second of two equal requests, of which the first worked, or the loss of an
/// answer.
fn may_be_repeated(errno: Errno) -> bool {
    matches!(errno, Errno::EXIST | Errno::NOENT | Errno::IO | Errno::TIMEDOUT | Errno::INTR | Errno::STALE)
}

/// Whether the temporary file was renamed: its old name is gone, and `name` is the very file that we hold open.
fn was_renamed(temporary: &Temporary<'_>, name: &str) -> bool {
    let is_gone = open(temporary, temporary.path()).is_err_and(|errno| errno == Errno::NOENT);
    let identity = |stat: Stat| (stat.st_dev, stat.st_ino);
    let named = || rustix::fs::fstat(open(temporary, name)?);
    is_gone
        && named()
            .is_ok_and(|named| rustix::fs::fstat(temporary.file()).is_ok_and(|ours| identity(ours) == identity(named)))
}

/// Whether the temporary file has a second name. Nobody else links our temporary file, so that was us.
fn was_linked(temporary: &Temporary<'_>) -> bool {
    let stat = || rustix::fs::fstat(open(temporary, temporary.path())?);
    stat().is_ok_and(|stat| stat.st_nlink >= 2)
}

/// Opens a file to look at it: an NFS client asks the server on open, but answers a bare stat from its cache.
fn open(temporary: &Temporary<'_>, path: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    retry_on_intr(|| rustix::fs::openat(temporary.root(), path, flags, Mode::empty()))
}
