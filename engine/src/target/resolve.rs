// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a relative path to a descriptor of the folder, without ever leaving the folder it starts from.
//!
//! The kernel does it in one call where it has `openat2`; else, and for paths longer than it takes, one component after the other is opened
//! without following symlinks. Paths must have been checked by [`super::name`]: `..` is not handled here.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Longest path that Linux takes in one call, in bytes without the closing NUL (`PATH_MAX` - 1).
const MAX_PATH_BYTES: usize = 4095;

/// Set once the kernel said that it has no `openat2` (older than 5.6, or forbidden by a sandbox).
static NO_OPENAT2: AtomicBool = AtomicBool::new(false);

/// A folder's descriptor needs no permission to read: it only stands for the folder.
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Whether a mount point may be stepped over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mounts {
    /// A restore may write into file systems mounted in the target.
    Cross,
    /// Removing must not empty them. Error: `XDEV`.
    Refuse,
}

/// Opens the folder `path` (not empty) beneath `base`. A symlink anywhere on the way is `LOOP`.
pub(super) fn folder(base: BorrowedFd<'_>, path: &[u8], mounts: Mounts) -> Result<OwnedFd, Errno> {
    if path.len() > MAX_PATH_BYTES || NO_OPENAT2.load(Ordering::Relaxed) {
        return walk(base, path, mounts);
    }
    let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    if mounts == Mounts::Refuse {
        resolve |= ResolveFlags::NO_XDEV;
    }
    match rustix::fs::openat2(base, path, FOLDER, Mode::empty(), resolve) {
        Err(Errno::NOSYS) => {
            NO_OPENAT2.store(true, Ordering::Relaxed);
            walk(base, path, mounts)
        }
        // A sandbox's refusal, a rename at the same moment: the slow way is as safe and knows better.
        Err(Errno::PERM | Errno::AGAIN) => walk(base, path, mounts),
        other => other,
    }
}

/// The same without `openat2`.
pub(super) fn walk(base: BorrowedFd<'_>, path: &[u8], mounts: Mounts) -> Result<OwnedFd, Errno> {
    let mut reached: Option<OwnedFd> = None;
    for component in path.split(|byte| *byte == b'/') {
        let next = step(reached.as_ref().map_or(base, |fd| fd.as_fd()), component, mounts)?;
        reached = Some(next);
    }
    reached.ok_or(Errno::INVAL)
}

fn step(from: BorrowedFd<'_>, name: &[u8], mounts: Mounts) -> Result<OwnedFd, Errno> {
    let opened = match rustix::fs::openat(from, name, FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
        Err(Errno::NOTDIR) if is_symlink(from, name) => Err(Errno::LOOP),
        other => other,
    }?;
    if mounts == Mounts::Refuse && rustix::fs::fstat(&opened)?.st_dev != rustix::fs::fstat(from)?.st_dev {
        return Err(Errno::XDEV);
    }
    Ok(opened)
}

fn is_symlink(folder: BorrowedFd<'_>, name: &[u8]) -> bool {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}
