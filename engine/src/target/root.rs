// SPDX-License-Identifier: MIT OR Apache-2.0
//! The folder that a restore writes into, and where every other path of this module starts.

use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::directory::Directory;
use super::error::TargetError;
use super::{name, resolve};

/// Mode of a folder that is being filled: nobody else looks in before its own mode is set.
const NEW_FOLDER_MODE: u32 = 0o700;

/// The folder that a restore writes into. The user's own path to it may go through symlinks; below it none is followed.
pub struct Target {
    root: Directory,
}

impl Target {
    /// Opens the folder and makes it, and those above it, if missing. A new target has mode 0700 until its metadata is set.
    pub fn open_or_create(path: &Path) -> Result<Target, TargetError> {
        create(path)
            .map_err(|error| TargetError::new(path.as_os_str().as_bytes().to_vec(), "create target folder", error))?;
        Target::open(path)
    }

    /// Opens a folder that must be there.
    pub fn open(path: &Path) -> Result<Target, TargetError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd: OwnedFd = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| TargetError::new(path.as_os_str().as_bytes().to_vec(), "open target folder", error))?;
        Ok(Target { root: Directory::new(fd, Vec::new()) })
    }

    /// The folder at a path of plain components separated by single `/`; `""` is the target itself. Any length.
    ///
    /// Errors: `Unsafe` for any other path and for a symlink on the way, `Exists` if something else than a folder is on the way.
    pub fn directory(&self, relative: &[u8]) -> Result<Directory, TargetError> {
        const OPERATION: &str = "open folder";
        name::check_relative(relative, OPERATION)?;
        if relative.is_empty() {
            return Ok(self.root.clone());
        }
        let fd = resolve::folder(self.root.as_fd(), relative, resolve::Mounts::Cross)
            .map_err(|error| TargetError::new(relative.to_vec(), OPERATION, error))?;
        Ok(Directory::new(fd, relative.to_vec()))
    }

    /// Waits until everything written to the target's file system is on the disk.
    pub fn sync(&self) -> Result<(), TargetError> {
        self.root
            .open_self()
            .and_then(rustix::fs::syncfs)
            .map_err(|error| TargetError::new(Vec::new(), "sync file system of", error))
    }
}

fn create(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).create(parent)?;
    }
    match DirBuilder::new().mode(NEW_FOLDER_MODE).create(path) {
        // Whether it is a folder is seen when it is opened.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}
