// SPDX-License-Identifier: MIT OR Apache-2.0
//! The root folder, held open. All access goes through it: a mount that goes away in the middle gives errors, not an empty
//! repository. An NFS client can lose its hold (`ESTALE`) although the folder is there; then it is opened again, and must be
//! the same.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::error::LocalError;

/// An open root folder.
pub(super) struct Root {
    path: PathBuf,
    file: Mutex<Arc<File>>,
    identity: (u64, u64),
}

impl Root {
    /// Opens the folder at `path`.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // Absolute, because the working folder may be another one when it is opened again.
        let path = std::path::absolute(path)?;
        let file = open_folder(&path)?;
        let identity = identity(&file)?;
        Ok(Self { path, file: Mutex::new(Arc::new(file)), identity })
    }

    /// The folder. Whoever does several steps holds on to one answer.
    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.lock())
    }

    /// Does what changes nothing, and once more if the file system lost its hold on a file (`ESTALE`) or failed at a
    /// transfer (`EIO`), as network file systems do when a server restarts. Twice is enough: then the error is one.
    pub(super) fn read<T>(&self, read: impl Fn(&File) -> io::Result<T>) -> io::Result<T> {
        let file = self.file();
        let result = read(&file);
        match result.as_ref().err().and_then(Errno::from_io_error) {
            Some(Errno::STALE) => self.reopen()?,
            Some(Errno::IO) => {}
            _ => return result,
        }
        read(&self.file())
    }

    /// Opens the path again; it must be the same folder, else objects of two repositories would be mixed.
    fn reopen(&self) -> io::Result<()> {
        let file = open_folder(&self.path)?;
        if identity(&file)? != self.identity {
            return Err(LocalError::RootReplaced.into());
        }
        *self.lock() = Arc::new(file);
        Ok(())
    }

    /// An error if the folder was removed while open: it has no name left, and its emptiness means nothing.
    pub(super) fn verify(file: &File) -> io::Result<()> {
        if rustix::fs::fstat(file)?.st_nlink == 0 { Err(LocalError::RootRemoved.into()) } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, Arc<File>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a folder by a path that is not below a root.
pub(super) fn open_folder(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| rustix::fs::openat(CWD, path, flags, Mode::empty()))?.into())
}

/// Device and inode.
fn identity(file: &File) -> io::Result<(u64, u64)> {
    let stat = rustix::fs::fstat(file)?;
    Ok((stat.st_dev as u64, stat.st_ino as u64))
}
