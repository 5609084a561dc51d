// SPDX-License-Identifier: MIT OR Apache-2.0
//! Temporary files: where an object's bytes are before it has its name, and how leftovers of dead writers are told from
//! live ones.
//!
//! **The rule, without a clock**: a writer holds an exclusive `flock` on its temporary file from creation to
//! publication; the system drops it when the process ends, however it ends. A sweep removes a file only while it holds
//! that lock itself. Where locks of other machines may not be seen (a mount), it removes only what was also left alone for
//! a day. If it takes a live file all the same, publication finds nothing to publish and the writer starts over under a new
//! name. So a wrong sweep costs time, never an object.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::calls::Calls;

/// Beginning of every temporary file's name. The dot keeps it from being an object's name.
const PREFIX: &str = ".tmp-";

/// From when on a temporary file without a visible lock counts as left: a day after the last write to it. Writing one
/// object takes minutes.
pub(super) const LEFT_AFTER_SECONDS: i64 = 24 * 60 * 60;

/// Random bytes in a temporary file's name: two writers never choose the same.
const RANDOM_BYTES: usize = 16;

/// A locked, still nameless object. Dropping it removes the file, unless publication renamed it away.
pub(super) struct Temporary<'root> {
    root: BorrowedFd<'root>,
    path: String,
    file: File,
}

impl<'root> Temporary<'root> {
    /// Makes a new file in `folder` (relative to `root`, may be empty) that only its owner can read. `None` if the
    /// folder is not there, or a sweep took the file before it was locked: to be tried again.
    pub(super) fn create(root: BorrowedFd<'root>, folder: &str) -> io::Result<Option<Self>> {
        let path = random_path(folder)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = match retry_on_intr(|| rustix::fs::openat(root, path.as_str(), flags, mode)) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let temporary = Self { root, path, file };
        // Any other error: a file system without locks. Then publication alone protects, see the head of this file.
        if lock(&temporary.file) == Err(Errno::WOULDBLOCK) {
            return Ok(None);
        }
        let swept = rustix::fs::fstat(&temporary.file)?.st_nlink == 0;
        Ok((!swept).then_some(temporary))
    }

    /// Its name, relative to the root.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The folder that its name is relative to.
    pub(super) fn root(&self) -> BorrowedFd<'root> {
        self.root
    }

    /// The open file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Writes all bytes and flushes them to the medium. After an error the file is worth nothing: a flush must not be
    /// repeated.
    ///
    /// Closing the file later has nothing left to report, because nothing is written after the flush.
    pub(super) fn fill(&self, calls: &dyn Calls, parts: &[&[u8]]) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = slices.as_mut_slice();
        // Removes empty parts at the beginning, which a write could not make progress on.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match calls.write(&self.file, rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        calls.sync_file(&self.file)
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        // After a rename there is nothing to remove; any other failure leaves a file for the sweep.
        let _ = retry_on_intr(|| rustix::fs::unlinkat(self.root, self.path.as_str(), AtFlags::empty()));
    }
}

/// Which files a sweep may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Those that nobody holds.
    Unlocked,
    /// Those that nobody holds, and nobody has written to for [`LEFT_AFTER_SECONDS`] before this time by the file
    /// system's clock: where the locks of other machines are not seen.
    UnlockedAndWrittenBefore(i64),
}

/// What a sweep did with one temporary file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sweep {
    /// Its writer was gone, and now the file is.
    Removed,
    /// A writer is at work, or that could not be found out.
    Kept,
}

/// Removes the temporary file at `path` if it was left.
pub(super) fn sweep(root: BorrowedFd<'_>, path: &str, left: Left) -> Sweep {
    // For writing, since NFS grants exclusive locks on nothing else.
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let Ok(file) = retry_on_intr(|| rustix::fs::openat(root, path, flags, Mode::empty())) else { return Sweep::Kept };
    let old_enough = match left {
        Left::Unlocked => true,
        Left::UnlockedAndWrittenBefore(time) => written(&file).is_ok_and(|written| written < time),
    };
    let removed = old_enough && lock(&file).is_ok() && rustix::fs::unlinkat(root, path, AtFlags::empty()).is_ok();
    if removed { Sweep::Removed } else { Sweep::Kept }
}

/// The file system's own time, in seconds since 1970: that of a file made for this. Machines that share it have clocks
/// of their own. `None` if the file was swept at once.
pub(super) fn now(root: BorrowedFd<'_>) -> io::Result<Option<i64>> {
    Temporary::create(root, "")?.map(|probe| written(&probe.file)).transpose()
}

/// When the file was last written to, in seconds since 1970.
fn written(file: impl AsFd) -> io::Result<i64> {
    Ok(rustix::fs::fstat(file)?.st_mtime as i64)
}

fn lock(file: impl AsFd) -> Result<(), Errno> {
    retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive))
}

/// Whether a file's name (without folders) is one that [`Temporary`] gives.
pub(crate) fn is_temporary(file_name: &str) -> bool {
    file_name
        .strip_prefix(PREFIX)
        .is_some_and(|hex| hex.len() == 2 * RANDOM_BYTES && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A new temporary file's path in `folder`, which may be empty.
pub(crate) fn random_path(folder: &str) -> io::Result<String> {
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let separator = if folder.is_empty() { "" } else { "/" };
    Ok(format!("{folder}{separator}{PREFIX}{:032x}", u128::from_le_bytes(random)))
}
