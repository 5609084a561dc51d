// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one `statx` call tells of a file, in the words of the tree.
//!
//! For the walk and for whoever compares a file before and after reading. No field here costs a second system call.

use std::os::fd::BorrowedFd;

use keepfast_repo_format::tree::entry::{FileType, Timestamp};
use rustix::fs::{AtFlags, Mode, Statx, StatxFlags, StatxTimestamp, makedev, statx};
use rustix::io::Errno;
use rustix::path::Arg;

/// The numbers of one inode at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub file_type: FileType,
    /// Permission, set-id and sticky bits, at most 0o7777.
    pub mode: u32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Last change of the content.
    pub modified: Timestamp,
    /// Last change of the inode.
    pub changed: Timestamp,
    /// Birth, where the file system tells it.
    pub born: Option<Timestamp>,
    /// Inode number.
    pub inode: u64,
    /// Number of the device that holds the file system.
    pub device: u64,
    /// How many names the inode has. Above 1 on anything but a folder: a hard link group.
    pub links: u64,
    /// Size in bytes, as the kernel gives it; of a folder or symlink too.
    pub size: u64,
    /// Allocated blocks of 512 bytes.
    pub blocks: u64,
    /// Major and minor number of a device.
    pub rdev: Option<(u32, u32)>,
}

impl Stat {
    /// Of `name` in `folder`; a symlink is not followed and nothing is mounted by looking.
    pub(super) fn of_name<P: Arg>(folder: BorrowedFd<'_>, name: P) -> Result<Self, Errno> {
        Self::read(folder, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT)
    }

    /// Of what is open.
    pub(super) fn of_open(fd: BorrowedFd<'_>) -> Result<Self, Errno> {
        Self::read(fd, c"", AtFlags::EMPTY_PATH)
    }

    fn read<P: Arg>(fd: BorrowedFd<'_>, name: P, flags: AtFlags) -> Result<Self, Errno> {
        let answer = statx(fd, name, flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME)?;
        Self::from_statx(&answer).ok_or(Errno::OPNOTSUPP)
    }

    /// `None` for a type of file that the format does not know; Linux has none today.
    fn from_statx(from: &Statx) -> Option<Self> {
        let file_type = file_type(rustix::fs::FileType::from_raw_mode(from.stx_mode.into()))?;
        let is_device = matches!(file_type, FileType::CharDevice | FileType::BlockDevice);
        let has_birth = from.stx_mask & StatxFlags::BTIME.bits() != 0;
        Some(Self {
            file_type,
            mode: Mode::from_raw_mode(from.stx_mode.into()).bits() & 0o7777,
            uid: from.stx_uid,
            gid: from.stx_gid,
            modified: timestamp(&from.stx_mtime),
            changed: timestamp(&from.stx_ctime),
            born: has_birth.then(|| timestamp(&from.stx_btime)),
            inode: from.stx_ino,
            device: makedev(from.stx_dev_major, from.stx_dev_minor),
            links: from.stx_nlink.into(),
            size: from.stx_size,
            blocks: from.stx_blocks,
            rdev: is_device.then_some((from.stx_rdev_major, from.stx_rdev_minor)),
        })
    }
}

fn timestamp(from: &StatxTimestamp) -> Timestamp {
    Timestamp { seconds: from.tv_sec, nanos: from.tv_nsec }
}

fn file_type(from: rustix::fs::FileType) -> Option<FileType> {
    use rustix::fs::FileType as Kernel;
    Some(match from {
        Kernel::RegularFile => FileType::File,
        Kernel::Directory => FileType::Directory,
        Kernel::Symlink => FileType::Symlink,
        Kernel::Fifo => FileType::Fifo,
        Kernel::CharacterDevice => FileType::CharDevice,
        Kernel::BlockDevice => FileType::BlockDevice,
        Kernel::Socket => FileType::Socket,
        _ => return None,
    })
}
