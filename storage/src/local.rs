// SPDX-License-Identifier: MIT OR Apache-2.0
//! A repository in a folder: a disk, or a NAS mounted over NFS or SMB. Every object is one file below the root.
//!
//! An object is written to a temporary file in its folder, flushed, then given its name in one step that never replaces
//! anything (`local/publish.rs`); names become durable at the barrier (`local/folders.rs`). All access goes through the
//! root folder opened at the start: a mount that goes away in the middle gives errors, not an empty repository. Only
//! here, and in `cache.rs` for this machine's own files, may the crate use `std::fs`.

mod calls;
mod folders;
mod publish;
mod temporary;
#[cfg(test)]
mod tests;
mod walk;

use std::fs::{DirBuilder, File};
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use self::calls::{Calls, System};
use self::folders::Folders;
use self::publish::Published;
use self::temporary::{Sweep, Temporary};
use self::walk::{Found, Wanted};
use crate::{Backend, Delete, ErrorKind, Listed, Name, Put, StorageError};

/// How often a put may start over when its temporary file or folder is taken away. A sweep can take a file that is made
/// but not locked yet; with sweeps in an endless loop on a busy machine, three attempts were not always enough.
const PUT_ATTEMPTS: usize = 20;

/// Permissions of folders that are made: only the owner. What is in them is encrypted, but there is no reason to show
/// it.
const FOLDER_MODE: u32 = 0o700;

/// A folder as a [`Backend`].
///
/// Keeps one file descriptor: the root's. An error while flushing a folder ends the usefulness of the handle: no later
/// barrier of it succeeds.
pub struct LocalBackend {
    root: File,
    location: String,
    folders: Folders,
    calls: Box<dyn Calls>,
}

/// Who makes the names of new objects durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderSync {
    /// The barrier did, so far.
    Synced,
    /// The file system (SMB, some FUSE ones) refuses to flush folders: the server does it when it does it.
    LeftToServer,
}

/// What [`LocalBackend::sweep_temporaries`] met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Files of dead writers, removed.
    pub removed_files: u64,
    /// Files of live writers, or of ones that could not be told from live.
    pub kept_files: u64,
}

impl LocalBackend {
    /// Makes the root folder with those above it, unless they exist, and opens it.
    ///
    /// # Errors
    /// The folder can not be made, flushed to the medium, or opened.
    pub fn create(path: &Path) -> Result<Self, StorageError> {
        let fail = |source| StorageError::from_io("create", "the root folder", path.display().to_string(), source);
        let calls = Box::new(System);
        let folders = Folders::default();
        let missing: Vec<&Path> = path
            .ancestors()
            .filter(|folder| !folder.as_os_str().is_empty())
            .take_while(|folder| !folder.exists())
            .collect();
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path).map_err(fail)?;
        for folder in missing {
            let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let parent = open_root(parent).map_err(fail)?;
            folders.sync_one(&*calls, &parent).map_err(fail)?;
        }
        let root = open_root(path).map_err(fail)?;
        Ok(Self { root, location: path.display().to_string(), folders, calls })
    }

    /// Opens an existing root folder.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if it does not exist.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let location = path.display().to_string();
        let root = open_root(path).map_err(|source| {
            let absent = walk::is_absent(&source);
            let error = StorageError::from_io("open", "the root folder", location.as_str(), source);
            if absent { error.with_kind(ErrorKind::NotFound) } else { error }
        })?;
        Ok(Self { root, location, folders: Folders::default(), calls: Box::new(System) })
    }

    /// Whether the barriers of this handle could flush folders. Worth a sentence to the user if not.
    pub fn folder_sync(&self) -> FolderSync {
        if self.folders.left_to_server() { FolderSync::LeftToServer } else { FolderSync::Synced }
    }

    /// Removes temporary files whose writers are gone. Safe at any time: a live writer on this machine, or on another
    /// one whose mount shares locks, is left alone; one whose locks can not be seen loses a temporary file and writes
    /// it again.
    ///
    /// # Errors
    /// Some folder could not be read.
    pub fn sweep_temporaries(&self) -> Result<Swept, StorageError> {
        let found =
            walk::walk(self.root(), "", Wanted::Temporaries).map_err(|source| self.error("sweep", "", source))?;
        let mut swept = Swept::default();
        for found in found {
            let Found::Temporary(path) = found else { continue };
            match temporary::sweep(self.root(), &path) {
                Sweep::Removed => swept.removed_files += 1,
                Sweep::Kept => swept.kept_files += 1,
            }
        }
        Ok(swept)
    }

    fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    fn error(&self, operation: &'static str, name: &str, source: io::Error) -> StorageError {
        let name = if name.is_empty() { "the root folder" } else { name };
        StorageError::from_io(operation, name, self.location.as_str(), source)
    }

    /// One attempt. `None` if the temporary file or its folder was taken away meanwhile.
    fn try_put(&self, name: &Name, parts: &[&[u8]]) -> io::Result<Option<Put>> {
        self.folders.prepare(self.root(), name.folder())?;
        let Some(temporary) = Temporary::create(self.root(), name.folder())? else {
            self.folders.forget_known();
            return Ok(None);
        };
        temporary.fill(&*self.calls, parts)?;
        let put = match publish::publish(&*self.calls, self.root(), temporary.path(), name.as_str())? {
            Published::Created => Put::Created,
            Published::Exists => self.existing(name)?,
            Published::Vanished => return Ok(None),
        };
        // Also for an object that exists: who made it may have died before its barrier.
        self.folders.touched(name.folder());
        Ok(Some(put))
    }

    /// A name can be taken by something that is no object and that no reader would find.
    fn existing(&self, name: &Name) -> io::Result<Put> {
        match walk::stat(self.root(), name.as_str())? {
            Some(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile => {
                Err(io::Error::other("something that is not a file has this name"))
            }
            _ => Ok(Put::Exists),
        }
    }

    /// Opens an object for reading; with it, its length.
    fn open_object(&self, name: &Name) -> Result<(File, u64), StorageError> {
        // NONBLOCK: a fifo of an object's name must not stop us for ever.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let open = || {
            let file = retry_on_intr(|| rustix::fs::openat(self.root(), name.as_str(), flags, Mode::empty()))?;
            let stat = rustix::fs::fstat(&file)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                return Err(Errno::NOENT.into());
            }
            Ok((File::from(file), walk::length(&stat)?))
        };
        open().map_err(|source| {
            let absent = walk::is_absent(&source);
            let error = self.error("read", name.as_str(), source);
            if absent { error.with_kind(ErrorKind::NotFound) } else { error }
        })
    }
}

impl Backend for LocalBackend {
    fn put_if_absent(&self, name: &Name, parts: &[&[u8]]) -> Result<Put, StorageError> {
        let fail = |source| self.error("write", name.as_str(), source);
        for _ in 0..PUT_ATTEMPTS {
            if let Some(put) = self.try_put(name, parts).map_err(fail)? {
                return Ok(put);
            }
        }
        Err(fail(io::Error::other("its folder or temporary file was removed again and again"))
            .with_kind(ErrorKind::Transient))
    }

    fn get(&self, name: &Name, range: Option<Range<u64>>) -> Result<Vec<u8>, StorageError> {
        let (file, length) = self.open_object(name)?;
        let range = range.unwrap_or(0..length);
        if range.start > range.end || range.end > length {
            let message = format!("bytes {}..{} of {length} asked for", range.start, range.end);
            let error = self.error("read", name.as_str(), io::Error::other(message));
            return Err(error.with_kind(ErrorKind::Range));
        }
        read_range(&file, range).map_err(|source| self.error("read", name.as_str(), source))
    }

    fn length(&self, name: &Name) -> Result<u64, StorageError> {
        let absent = || self.error("read", name.as_str(), Errno::NOENT.into());
        let fail = |source| self.error("read", name.as_str(), source);
        let stat = walk::stat(self.root(), name.as_str()).map_err(fail)?.ok_or_else(absent)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(absent());
        }
        walk::length(&stat).map_err(fail)
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError> {
        if !folder.is_empty() && Name::new(folder).is_none() {
            let error = self.error("list", folder, io::ErrorKind::InvalidInput.into());
            return Err(error.with_kind(ErrorKind::BadName));
        }
        let list = || {
            // A root that was removed while open has no name left. Its emptiness means nothing.
            if rustix::fs::fstat(&self.root)?.st_nlink == 0 {
                return Err(Errno::NOENT.into());
            }
            walk::walk(self.root(), folder, Wanted::Objects)
        };
        let found = list().map_err(|source| self.error("list", folder, source))?;
        let listed = found.into_iter().filter_map(|found| match found {
            Found::Object(name, length) => Some(Listed { name, length }),
            Found::Temporary(_) => None,
        });
        let mut listed: Vec<Listed> = listed.collect();
        listed.sort_unstable();
        // Some file systems show an entry twice when their folder changes while it is read.
        listed.dedup_by(|a, b| a.name == b.name);
        Ok(listed)
    }

    fn delete(&self, name: &Name) -> Result<Delete, StorageError> {
        match retry_on_intr(|| rustix::fs::unlinkat(self.root(), name.as_str(), AtFlags::empty())) {
            Ok(()) => {
                self.folders.touched(name.folder());
                Ok(Delete::Deleted)
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ISDIR) => Ok(Delete::Absent),
            Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Ok(Delete::Refused),
            Err(error) => Err(self.error("delete", name.as_str(), error.into())),
        }
    }

    fn barrier(&self) -> Result<(), StorageError> {
        let synced = self.folders.sync(&*self.calls, self.root());
        synced.map_err(|error| self.error("sync", &error.folder, error.source))
    }

    fn location(&self) -> String {
        self.location.clone()
    }
}

fn open_root(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| rustix::fs::openat(CWD, path, flags, Mode::empty()))?.into())
}

/// Reads exactly this range, known to be within the file. A file that ends earlier was truncated, which is an error.
fn read_range(file: &File, range: Range<u64>) -> io::Result<Vec<u8>> {
    let length = usize::try_from(range.end - range.start).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
    while bytes.len() < length {
        let offset = range.start + bytes.len() as u64;
        match rustix::io::pread(file, spare_capacity(&mut bytes), offset) {
            Ok(0) => {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was read"));
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}
