// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds every file below a folder, completely or with an error: a failed walk is never a short one.
//!
//! Only folders whose path could be part of an object's name are entered, so that a file system's own (`lost+found`,
//! `.snapshot`) do not matter. A link that leads nowhere, of a name that counts, is an error: an object's folder may be a
//! link to another disk, which is not mounted now.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, Dir, FileType, Stat};
use rustix::io::{Errno, retry_on_intr};

use super::calls::Calls;
use super::error::LocalError;
use super::{folders, temporary};
use crate::Name;

/// A file that a walk meets.
pub(super) enum Found {
    /// An object and its length in bytes.
    Object(Name, u64),
    /// A temporary file's path.
    Temporary(String),
}

/// Which files the caller wants: what is not asked for costs no system call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Objects,
    Temporaries,
}

/// Every wanted file below `folder`, in no order. A missing folder holds nothing.
pub(super) fn walk(calls: &dyn Calls, root: BorrowedFd<'_>, folder: &str, wanted: Wanted) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let opened = match folders::open(calls, root, &folder) {
            Ok(opened) => opened,
            Err(error) if is_absent(&error) && !is_behind_link(root, &folder)? => continue,
            Err(error) if is_absent(&error) => return Err(LocalError::DanglingLink.into()),
            Err(error) => return Err(error),
        };
        let mut entries = Dir::new(opened)?;
        while let Some(entry) = entries.read() {
            let entry = match entry {
                Err(Errno::INTR) => continue,
                entry => entry?,
            };
            // What is no text is no name of ours.
            let Ok(file_name) = entry.file_name().to_str() else { continue };
            let path = if folder.is_empty() { file_name.to_owned() } else { format!("{folder}/{file_name}") };
            if temporary::is_temporary(file_name) {
                if wanted == Wanted::Temporaries {
                    found.push(Found::Temporary(path));
                }
            } else if let Some(name) = Name::new(path) {
                visit(root, name, entry.file_type(), wanted, &mut found, &mut open)?;
            }
        }
    }
    Ok(found)
}

/// Takes one entry of a valid name: a folder to be entered, or an object.
fn visit(
    root: BorrowedFd<'_>,
    name: Name,
    file_type: FileType,
    wanted: Wanted,
    found: &mut Vec<Found>,
    open: &mut Vec<String>,
) -> io::Result<()> {
    match file_type {
        FileType::Directory => open.push(name.as_str().to_owned()),
        FileType::RegularFile if wanted == Wanted::Temporaries => {}
        // A link may lead to a folder on another disk, and some file systems do not tell types in their folders.
        FileType::RegularFile | FileType::Symlink | FileType::Unknown => {
            let Some(stat) = stat(root, name.as_str())? else {
                // Behind a link that leads nowhere there can be a folder full of objects.
                return if is_link(root, name.as_str())? { Err(LocalError::DanglingLink.into()) } else { Ok(()) };
            };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => open.push(name.as_str().to_owned()),
                FileType::RegularFile if wanted == Wanted::Objects => found.push(Found::Object(name, length(&stat)?)),
                _ => {}
            }
        }
        _ => {}
    }
    Ok(())
}

/// What is at `path`, links followed. `None` if nothing is (any more).
pub(super) fn stat(root: BorrowedFd<'_>, path: &str) -> io::Result<Option<Stat>> {
    match retry_on_intr(|| rustix::fs::statat(root, path, AtFlags::empty())) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether a folder, or one above it, is a link that leads nowhere.
fn is_behind_link(root: BorrowedFd<'_>, folder: &str) -> io::Result<bool> {
    let ends = folder.match_indices('/').map(|(end, _)| end).chain([folder.len()]);
    for end in ends {
        let folder = &folder[..end];
        if is_link(root, folder)? && stat(root, folder)?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a link has this path, wherever it leads.
fn is_link(root: BorrowedFd<'_>, path: &str) -> io::Result<bool> {
    match retry_on_intr(|| rustix::fs::statat(root, path, AtFlags::SYMLINK_NOFOLLOW)) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Symlink),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A file's length in bytes.
pub(super) fn length(stat: &Stat) -> io::Result<u64> {
    u64::try_from(stat.st_size).map_err(|_| io::Error::other("the system says a negative length"))
}

/// Whether the system said that nothing has this path.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
