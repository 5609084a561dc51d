// SPDX-License-Identifier: MIT OR Apache-2.0
//! Removing a file or a whole folder, however deep, beneath a folder of the target.
//!
//! One descriptor is open at a time and the way back is kept in a list, so neither the stack nor the descriptors limit the depth. Every
//! folder on the way back is checked to be the one that was entered: who moves it meanwhile does not lead us outside.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::directory::list;
use super::{locks, resolve};

/// A folder that is being emptied.
struct Level {
    name: Vec<u8>,
    device: u64,
    inode: u64,
    /// Names of folders in it that are still to be removed.
    folders: Vec<Vec<u8>>,
}

/// What unlinking found.
enum Unlinked {
    Gone,
    IsFolder,
}

/// Removes `name`, which is one plain component, in `base`. Missing is success.
pub(super) fn remove(base: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    match unlink(base, name)? {
        Unlinked::Gone => Ok(()),
        Unlinked::IsFolder => remove_folder(base, name),
    }
}

fn remove_folder(base: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    if remove_empty(base, name)? {
        return Ok(());
    }
    let (mut current, level) = enter(base, name)?;
    let mut levels = vec![level];
    while let Some(level) = levels.last_mut() {
        if let Some(child) = level.folders.pop() {
            if !remove_empty(current.as_fd(), &child)? {
                let (fd, level) = enter(current.as_fd(), &child)?;
                current = fd;
                levels.push(level);
            }
            continue;
        }
        let emptied = levels.pop().ok_or(Errno::INVAL)?;
        let removed = match levels.last() {
            None => remove_empty(base, &emptied.name)?,
            Some(parent) => {
                current = leave(current.as_fd(), parent)?;
                remove_empty(current.as_fd(), &emptied.name)?
            }
        };
        if !removed {
            return Err(Errno::NOTEMPTY);
        }
    }
    Ok(())
}

/// Opens a folder and unlinks everything in it but folders, whose names are returned.
fn enter(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(OwnedFd, Level), Errno> {
    let fd = resolve::folder(parent, name, resolve::Mounts::Refuse)?;
    let stat = rustix::fs::fstat(&fd)?;
    locks::unlock(fd.as_fd(), &stat, locks::FOLDER_BITS)?;
    let mut folders = Vec::new();
    for (child, file_type) in list(fd.as_fd())? {
        let is_folder = file_type == FileType::Directory || matches!(unlink(fd.as_fd(), &child)?, Unlinked::IsFolder);
        if is_folder {
            folders.push(child);
        }
    }
    Ok((fd, Level { name: name.to_vec(), device: stat.st_dev, inode: stat.st_ino, folders }))
}

/// Back to the folder above, which must be the one we came from.
fn leave(current: BorrowedFd<'_>, parent: &Level) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(current, "..", flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&fd)?;
    if (stat.st_dev, stat.st_ino) == (parent.device, parent.inode) { Ok(fd) } else { Err(Errno::XDEV) }
}

fn unlink(folder: BorrowedFd<'_>, name: &[u8]) -> Result<Unlinked, Errno> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(Unlinked::Gone),
        Err(Errno::ISDIR) => Ok(Unlinked::IsFolder),
        // What POSIX says for folders; Linux says it for immutable files too.
        Err(Errno::PERM) => match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => Ok(Unlinked::IsFolder),
            _ => Err(Errno::PERM),
        },
        Err(error) => Err(error),
    }
}

/// Removes a folder if it is empty; says whether it is gone.
pub(super) fn remove_empty(parent: BorrowedFd<'_>, name: &[u8]) -> Result<bool, Errno> {
    match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        // Somebody put something else there since it was listed: entering it refuses a symlink.
        Err(Errno::NOTDIR) => unlink(parent, name).map(|_| true),
        Err(error) => Err(error),
    }
}
