// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one inode whose metadata is set, through a descriptor, so that no rename can put another in its place.
//!
//! Files and folders have a real descriptor. Symlinks, pipes, sockets and devices have one that only stands for them; the calls that
//! do not take such a descriptor go through its path in `/proc`.

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, CWD, Gid, Mode, Stat, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use crate::target::locks;

/// Bytes of attribute names that the kernel gives at most (`XATTR_LIST_MAX`), so one call always suffices.
const LIST_BYTES: usize = 65536;

/// See the module.
pub(super) enum Handle<'a> {
    /// Opened for reading.
    Open(BorrowedFd<'a>),
    /// Opened with `O_PATH`; with its path in `/proc`.
    Path(BorrowedFd<'a>, String),
}

impl<'a> Handle<'a> {
    pub(super) fn path(fd: BorrowedFd<'a>) -> Handle<'a> {
        Handle::Path(fd, locks::proc_path(fd))
    }

    pub(super) fn stat(&self) -> Result<Stat, Errno> {
        match self {
            Handle::Open(fd) | Handle::Path(fd, _) => rustix::fs::fstat(fd),
        }
    }

    pub(super) fn set_owner(&self, uid: Option<Uid>, gid: Option<Gid>) -> Result<(), Errno> {
        match self {
            Handle::Open(fd) => rustix::fs::fchown(fd, uid, gid),
            Handle::Path(fd, _) => rustix::fs::chownat(fd, "", uid, gid, AtFlags::EMPTY_PATH),
        }
    }

    /// Not for symlinks, which have no mode.
    pub(super) fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        match self {
            Handle::Open(fd) => rustix::fs::fchmod(fd, Mode::from_raw_mode(mode)),
            Handle::Path(_, path) => rustix::fs::chmod(path, Mode::from_raw_mode(mode)),
        }
    }

    pub(super) fn set_times(&self, times: &Timestamps) -> Result<(), Errno> {
        match self {
            Handle::Open(fd) => rustix::fs::futimens(fd, times),
            Handle::Path(fd, path) => match rustix::fs::utimensat(fd, "", times, AtFlags::EMPTY_PATH) {
                // Kernels before 5.8 do not know the flag here.
                Err(Errno::INVAL) => rustix::fs::utimensat(CWD, path, times, AtFlags::empty()),
                other => other,
            },
        }
    }

    pub(super) fn set_xattr(&self, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        match self {
            Handle::Open(fd) => rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty()),
            Handle::Path(_, path) => rustix::fs::setxattr(path, name, value, XattrFlags::empty()),
        }
    }

    pub(super) fn remove_xattr(&self, name: &[u8]) -> Result<(), Errno> {
        match self {
            Handle::Open(fd) => rustix::fs::fremovexattr(fd, name),
            Handle::Path(_, path) => rustix::fs::removexattr(path, name),
        }
    }

    pub(super) fn xattr_names(&self) -> Result<Vec<Vec<u8>>, Errno> {
        let size = match self {
            Handle::Open(fd) => rustix::fs::flistxattr_query(fd),
            Handle::Path(_, path) => rustix::fs::listxattr_query(path),
        }?;
        if size == 0 {
            return Ok(Vec::new());
        }
        let mut list = vec![0; LIST_BYTES];
        let filled = match self {
            Handle::Open(fd) => rustix::fs::flistxattr(fd, &mut list[..]),
            Handle::Path(_, path) => rustix::fs::listxattr(path, &mut list[..]),
        }?;
        let names = list[..filled].split(|byte| *byte == 0).filter(|name| !name.is_empty());
        Ok(names.map(<[u8]>::to_vec).collect())
    }

    /// For what only a real descriptor can do.
    pub(super) fn readable(&self) -> Option<BorrowedFd<'a>> {
        match self {
            Handle::Open(fd) => Some(*fd),
            Handle::Path(..) => None,
        }
    }
}
