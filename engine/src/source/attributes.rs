// SPDX-License-Identifier: MIT OR Apache-2.0
//! Extended attributes and inode flags of something open.
//!
//! ACLs, capabilities and security labels are attributes like any other and are taken as the kernel gives them. What is
//! open only as a place (`O_PATH`: symlinks, devices, what may not be read) is reached through `/proc/self/fd`, which
//! leads to the very inode and not to a name that may have changed hands.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use keepfast_repo_format::tree::entry::Xattrs;
use rustix::fs::{fgetxattr, flistxattr, getxattr, ioctl_getflags, listxattr};
use rustix::io::Errno;

/// First try for a list of names or a value, in bytes: enough for nearly all, and on the stack.
const SMALL_BYTES: usize = 1024;

/// The kernel's limit for a value and for the list of names, in bytes.
const LARGE_BYTES: usize = 65_536;

/// How something is open.
#[derive(Clone, Copy)]
pub(super) enum Access<'a> {
    /// For reading.
    Content(BorrowedFd<'a>),
    /// With `O_PATH`.
    Place(BorrowedFd<'a>),
}

/// Attributes sorted by name, and what could not be read.
#[derive(Default)]
pub(super) struct Attributes {
    pub(super) xattrs: Xattrs,
    /// Name of the attribute (empty: the list of names), and why.
    pub(super) failed: Vec<(Vec<u8>, Errno)>,
}

/// Reads all extended attributes. A file system that has none is not a failure.
pub(super) fn read_xattrs(access: Access<'_>) -> Attributes {
    let mut read = Attributes::default();
    let names = match filled(|buffer| access.list(buffer)) {
        Ok(names) => names,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return read,
        Err(errno) => {
            read.failed.push((Vec::new(), errno));
            return read;
        }
    };
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        match filled(|buffer| access.get(name, buffer)) {
            Ok(value) => read.xattrs.push((name.to_vec(), value)),
            // Removed since the names were listed.
            Err(Errno::NODATA) => {}
            Err(errno) => read.failed.push((name.to_vec(), errno)),
        }
    }
    read.xattrs.sort_unstable();
    read.xattrs.dedup_by(|a, b| a.0 == b.0);
    read
}

/// Inode flags as `FS_IOC_GETFLAGS` gives them; 0 where the file system has none.
pub(super) fn read_flags(fd: BorrowedFd<'_>) -> u32 {
    ioctl_getflags(fd).map_or(0, |flags| flags.bits())
}

impl Access<'_> {
    fn list(self, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Content(fd) => flistxattr(fd, buffer),
            Self::Place(fd) => listxattr(proc_path(fd), buffer),
        }
    }

    fn get(self, name: &[u8], buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Content(fd) => fgetxattr(fd, name, buffer),
            Self::Place(fd) => getxattr(proc_path(fd), name, buffer),
        }
    }
}

fn proc_path(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}

fn filled(read: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut small = [0; SMALL_BYTES];
    match read(&mut small) {
        Ok(length) => Ok(small[..length].to_vec()),
        Err(Errno::RANGE) => {
            let mut large = vec![0; LARGE_BYTES];
            let length = read(&mut large)?;
            large.truncate(length);
            large.shrink_to_fit();
            Ok(large)
        }
        Err(errno) => Err(errno),
    }
}
