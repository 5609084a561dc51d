// SPDX-License-Identifier: MIT OR Apache-2.0
//! Setting what is recorded of a file: owner, extended attributes, mode, times, inode flags, in this order.
//!
//! The order matters: changing the owner clears set-id bits and capabilities, an ACL rewrites the mode's group bits, all of
//! it is forbidden once a file is immutable. A part that can not be set is reported and the rest goes on.

mod apply;
mod failure;
mod flags;
mod handle;
mod xattrs;

pub(super) use apply::Origin;
pub use failure::{Attribute, FailureKind, MetadataFailure};

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use keepfast_repo_format::tree::entry::{FileType, Metadata};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::directory::Directory;
use super::file::TargetFile;
use super::ownership::Ownership;
use super::{locks, name};
use apply::Application;
use handle::Handle;

/// For an open file.
pub(super) fn apply_file(file: &TargetFile, metadata: &Metadata, ownership: &Ownership) -> Vec<MetadataFailure> {
    let path = || file.path();
    Application::new(Handle::Open(file.as_fd()), &path, metadata, ownership).run(file.origin())
}

/// For whatever is at `name`.
pub(super) fn apply_named(
    directory: &Directory,
    name: &[u8],
    metadata: &Metadata,
    ownership: &Ownership,
) -> Vec<MetadataFailure> {
    let path = || name::join(directory.path(), name);
    if let Err(error) = directory.check(name, "set metadata of") {
        return vec![MetadataFailure::refused(path(), error.source)];
    }
    let opened = match open(directory.as_fd(), name, metadata.file_type) {
        Ok(opened) => opened,
        Err(error) => return vec![MetadataFailure::at_open(path(), error)],
    };
    Application::new(opened.handle(), &path, metadata, ownership).run(Origin::Existing)
}

/// For a folder itself.
pub(super) fn apply_own(directory: &Directory, metadata: &Metadata, ownership: &Ownership) -> Vec<MetadataFailure> {
    let path = || directory.path().to_vec();
    match directory.open_self() {
        Ok(fd) => Application::new(Handle::Open(fd.as_fd()), &path, metadata, ownership).run(Origin::Existing),
        Err(error) => vec![MetadataFailure::at_open(path(), error)],
    }
}

/// Sets the flags that only an empty file takes.
pub(super) fn prepare_empty(file: BorrowedFd<'_>, metadata: &Metadata) {
    flags::prepare_empty(file, metadata.inode_flags);
}

enum Opened {
    Readable(OwnedFd),
    PathOnly(OwnedFd),
}

impl Opened {
    fn handle(&self) -> Handle<'_> {
        match self {
            Opened::Readable(fd) => Handle::Open(fd.as_fd()),
            Opened::PathOnly(fd) => Handle::path(fd.as_fd()),
        }
    }
}

/// Folders and files are opened, as inode flags need it; the rest must not be: opening a device or pipe does things.
fn open(directory: BorrowedFd<'_>, name: &[u8], file_type: FileType) -> Result<Opened, Errno> {
    let path = rustix::fs::openat(directory, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let bits = match file_type {
        FileType::Directory => locks::FOLDER_BITS,
        FileType::File => locks::FILE_BITS,
        _ => return Ok(Opened::PathOnly(path)),
    };
    let stat = rustix::fs::fstat(&path)?;
    if super::directory::file_type_of(stat.st_mode) != Some(file_type) {
        // Left to the type check that follows.
        return Ok(Opened::PathOnly(path));
    }
    locks::unlock(path.as_fd(), &stat, bits)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match rustix::fs::openat(directory, name, flags, Mode::empty()) {
        Ok(fd) => Ok(Opened::Readable(fd)),
        // Not ours: what can be set without reading is set.
        Err(Errno::ACCESS) => Ok(Opened::PathOnly(path)),
        Err(error) => Err(error),
    }
}
