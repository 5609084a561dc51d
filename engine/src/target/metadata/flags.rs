// SPDX-License-Identifier: MIT OR Apache-2.0
//! Inode flags: the few that people set (`chattr`), not those by which a file system notes how it stores a file.

use std::os::fd::BorrowedFd;

use rustix::fs::IFlags;
use rustix::io::Errno;

/// Copy on write off; only an empty file takes it.
const NO_COW: IFlags = IFlags::NOCOW;
/// After these nothing else can be changed, so they come last.
const SEALS: IFlags = IFlags::IMMUTABLE.union(IFlags::APPEND);
/// The flags that are restored.
const RESTORED: IFlags = SEALS
    .union(NO_COW)
    .union(IFlags::NODUMP)
    .union(IFlags::NOATIME)
    .union(IFlags::SYNC)
    .union(IFlags::DIRSYNC)
    .union(IFlags::COMPRESSED)
    .union(IFlags::TOPDIR)
    .union(IFlags::PROJECT_INHERIT);

/// The restored ones among recorded flags.
pub(super) fn wanted(recorded: u32) -> IFlags {
    IFlags::from_bits_retain(recorded) & RESTORED
}

/// Sets what only an empty file takes. Failing is seen later, by [`set`].
pub(super) fn prepare_empty(file: BorrowedFd<'_>, recorded: u32) {
    if wanted(recorded).intersects(NO_COW)
        && let Ok(now) = rustix::fs::ioctl_getflags(file)
    {
        let _seen_when_all_flags_are_set = rustix::fs::ioctl_setflags(file, now | NO_COW);
    }
}

/// Makes the restored flags be `wanted` and leaves all others as they are.
pub(super) fn set(file: BorrowedFd<'_>, wanted: IFlags) -> Result<(), Errno> {
    let now = match rustix::fs::ioctl_getflags(file) {
        Ok(now) => now,
        Err(_) if wanted.is_empty() => return Ok(()),
        Err(error) => return Err(error),
    };
    if now & RESTORED == wanted {
        return Ok(());
    }
    let all = rustix::fs::ioctl_setflags(file, (now - RESTORED) | wanted);
    let outcome = all.or_else(|_| one_by_one(file, wanted));
    outcome?;
    // Some file systems accept flags and forget them.
    let after = rustix::fs::ioctl_getflags(file)?;
    if after.contains(wanted) { Ok(()) } else { Err(Errno::OPNOTSUPP) }
}

/// One flag that the file system refuses must not cost the others. The first refusal is the result.
fn one_by_one(file: BorrowedFd<'_>, wanted: IFlags) -> Result<(), Errno> {
    let mut outcome = Ok(());
    for flag in (RESTORED - SEALS).iter().chain(SEALS.iter()) {
        let now = rustix::fs::ioctl_getflags(file)?;
        let next = if wanted.contains(flag) { now | flag } else { now - flag };
        if next != now {
            outcome = outcome.and(rustix::fs::ioctl_setflags(file, next));
        }
    }
    outcome
}
