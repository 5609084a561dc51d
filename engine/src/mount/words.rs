// SPDX-License-Identifier: MIT OR Apache-2.0
//! Attributes and refusals in the words of FUSE. For `kernel`, which speaks with it.

use std::time::{Duration, SystemTime};

use fuser::{Errno, FileAttr, INodeNo};
use keepfast_repo_format::tree::entry::{FileType, Timestamp};

use super::attributes::{Attributes, Lasts};
use super::view::Refusal;

/// How long the kernel may believe what never changes.
const FOR_EVER: Duration = Duration::from_secs(1 << 24);
/// And what snapshots that come and go change.
const SHORTLY: Duration = Duration::from_secs(1);

/// What `stat` recommends to read at a time: one request with the kernel's usual reading ahead.
const BLOCK_BYTES: u32 = 128 << 10;

/// How long attributes, and the name that led to them, hold.
pub(super) fn ttl(attributes: &Attributes) -> Duration {
    if attributes.lasts == Lasts::ForEver { FOR_EVER } else { SHORTLY }
}

/// The system's number for a refusal.
pub(super) fn errno(refusal: Refusal) -> Errno {
    match refusal {
        Refusal::NotFound => Errno::ENOENT,
        Refusal::NotAFolder => Errno::ENOTDIR,
        Refusal::AFolder => Errno::EISDIR,
        Refusal::WrongType => Errno::EINVAL,
        Refusal::Unreadable => Errno::EIO,
    }
}

/// The type of a file.
pub(super) fn kind(file_type: FileType) -> fuser::FileType {
    match file_type {
        FileType::File => fuser::FileType::RegularFile,
        FileType::Directory => fuser::FileType::Directory,
        FileType::Symlink => fuser::FileType::Symlink,
        FileType::Fifo => fuser::FileType::NamedPipe,
        FileType::Socket => fuser::FileType::Socket,
        FileType::CharDevice => fuser::FileType::CharDevice,
        FileType::BlockDevice => fuser::FileType::BlockDevice,
    }
}

/// What `stat` says.
pub(super) fn attr(attributes: &Attributes) -> FileAttr {
    let (modified, changed) = (time(attributes.modified), time(attributes.changed));
    FileAttr {
        ino: INodeNo(attributes.number),
        size: attributes.size,
        blocks: attributes.blocks,
        // Backups do not store it.
        atime: modified,
        mtime: modified,
        ctime: changed,
        crtime: SystemTime::UNIX_EPOCH,
        kind: kind(attributes.file_type),
        perm: u16::try_from(attributes.mode & 0o7777).expect("twelve bits fit"),
        nlink: attributes.links,
        uid: attributes.owner.0,
        gid: attributes.owner.1,
        rdev: attributes.device.map_or(0, |(major, minor)| device(major, minor)),
        blksize: BLOCK_BYTES,
        flags: 0,
    }
}

/// Device numbers as the kernel takes them, 12 bits of one and 20 of the other.
fn device(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xf_ff00) << 12)
}

/// A moment that this program's clock can not count to stands as 1970.
fn time(stamp: Timestamp) -> SystemTime {
    let (seconds, nanos) =
        (Duration::from_secs(stamp.seconds.unsigned_abs()), Duration::from_nanos(stamp.nanos.into()));
    let start = SystemTime::UNIX_EPOCH;
    let second = if stamp.seconds < 0 { start.checked_sub(seconds) } else { start.checked_add(seconds) };
    second.and_then(|second| second.checked_add(nanos)).unwrap_or(start)
}
