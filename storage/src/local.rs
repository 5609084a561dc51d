// SPDX-License-Identifier: MIT OR Apache-2.0
//! A repository in a folder: a disk, or a NAS mounted over NFS or SMB. Every object is one file below the root.
//!
//! An object is written to a temporary file in its folder, flushed, then given its name in one step that never replaces
//! anything (`local/publish.rs`); names become durable at the barrier (`local/folders.rs`). All access goes through the
//! root folder opened at the start: a mount that goes away in the middle gives errors, not an empty repository. Only
//! here, and in `cache.rs` for this machine's own files, may the crate use `std::fs`.

mod calls;
mod error;
pub mod file_system;
mod folders;
mod publish;
mod read;
mod root;
pub(crate) mod temporary;
#[cfg(test)]
mod tests;
mod walk;

use std::fs::DirBuilder;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType};
use rustix::io::{Errno, retry_on_intr};

use self::calls::{Calls, System};
pub use self::error::LocalError;
use self::file_system::{Concern, FileSystem};
use self::folders::Folders;
use self::publish::Published;
use self::read::Beyond;
use self::root::{Root, open_folder};
use self::temporary::{LEFT_AFTER_SECONDS, Left, Sweep, Temporary};
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
    root: Root,
    location: String,
    folders: Folders,
    calls: Box<dyn Calls>,
    file_system: FileSystem,
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
    /// Files of live writers, or of ones that can not be told from live (yet).
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
            let parent = open_folder(parent).map_err(fail)?;
            folders.sync_one(&*calls, &parent).map_err(fail)?;
        }
        Self::with(path, folders, calls).map_err(fail)
    }

    /// Opens an existing root folder.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if it does not exist.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let location = path.display().to_string();
        Self::with(path, Folders::default(), Box::new(System)).map_err(|source| {
            let absent = walk::is_absent(&source);
            let error = StorageError::from_io("open", "the root folder", location.as_str(), source);
            if absent { error.with_kind(ErrorKind::NotFound) } else { error }
        })
    }

    fn with(path: &Path, folders: Folders, calls: Box<dyn Calls>) -> io::Result<Self> {
        let root = Root::open(path)?;
        // A system that does not tell is no reason not to open.
        let file_system = FileSystem::of_file(&root.file()).unwrap_or(FileSystem::Unknown);
        Ok(Self { root, location: path.display().to_string(), folders, calls, file_system })
    }

    /// What a user should know about this folder: nothing, or reasons to doubt that what is saved there lasts. Grows by
    /// [`Concern::NamesLeftToServer`] at the first barrier, if that applies.
    pub fn concerns(&self) -> Vec<Concern> {
        let names = self.folders.left_to_server().then_some(Concern::NamesLeftToServer);
        self.file_system.concern().into_iter().chain(names).collect()
    }

    /// Whether the barriers of this handle could flush folders. Worth a sentence to the user if not.
    pub fn folder_sync(&self) -> FolderSync {
        if self.folders.left_to_server() { FolderSync::LeftToServer } else { FolderSync::Synced }
    }

    /// Removes temporary files whose writers are gone. Safe at any time: a live writer on this machine is left alone; on
    /// a file system that several machines share, whose locks may not be seen, so is a file that was written to within a
    /// day. A writer that loses a temporary file all the same (one over SFTP on this disk, say) writes it again.
    ///
    /// # Errors
    /// Some folder could not be read.
    pub fn sweep_temporaries(&self) -> Result<Swept, StorageError> {
        self.sweep().map_err(|source| self.error("sweep", "", source))
    }

    fn sweep(&self) -> io::Result<Swept> {
        let root = self.root.file();
        let found = walk::walk(&*self.calls, root.as_fd(), "", Wanted::Temporaries)?;
        let mut swept = Swept::default();
        if found.is_empty() {
            return Ok(swept);
        }
        let left = match self.file_system.hides_locks() {
            false => Left::Unlocked,
            true => {
                let now = temporary::now(root.as_fd())?;
                Left::UnlockedAndWrittenBefore(now.map_or(i64::MIN, |now| now.saturating_sub(LEFT_AFTER_SECONDS)))
            }
        };
        for found in found {
            let Found::Temporary(path) = found else { continue };
            match temporary::sweep(root.as_fd(), &path, left) {
                Sweep::Removed => swept.removed_files += 1,
                Sweep::Kept => swept.kept_files += 1,
            }
        }
        Ok(swept)
    }

    fn error(&self, operation: &'static str, name: &str, source: io::Error) -> StorageError {
        let name = if name.is_empty() { "the root folder" } else { name };
        StorageError::from_io(operation, name, self.location.as_str(), source)
    }

    /// One attempt. `None` if the temporary file or its folder was taken away meanwhile.
    fn try_put(&self, name: &Name, parts: &[&[u8]]) -> io::Result<Option<Put>> {
        let root = self.root.file();
        self.folders.prepare(root.as_fd(), name.folder())?;
        let Some(temporary) = Temporary::create(root.as_fd(), name.folder())? else {
            self.folders.forget_known();
            return Ok(None);
        };
        temporary.fill(&*self.calls, parts)?;
        let put = match publish::publish(&*self.calls, &temporary, name.as_str())? {
            Published::Created => Put::Created,
            Published::Exists => existing(root.as_fd(), name)?,
            Published::Vanished => return Ok(None),
        };
        // Also for an object that exists: who made it may have died before its barrier.
        self.folders.touched(name.folder());
        Ok(Some(put))
    }

    fn read_error(&self, name: &Name, source: io::Error) -> StorageError {
        let absent = walk::is_absent(&source);
        let error = self.error("read", name.as_str(), source);
        if absent { error.with_kind(ErrorKind::NotFound) } else { error }
    }
}

/// A name can be taken by something that is no object and that no reader would find.
fn existing(root: BorrowedFd<'_>, name: &Name) -> io::Result<Put> {
    match walk::stat(root, name.as_str())? {
        Some(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile => Err(LocalError::NoFile.into()),
        _ => Ok(Put::Exists),
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
        Err(fail(LocalError::SweptAgainAndAgain.into()).with_kind(ErrorKind::Transient))
    }

    fn get(&self, name: &Name, range: Option<Range<u64>>) -> Result<Vec<u8>, StorageError> {
        let read = self.root.read(|root| read::get(&*self.calls, root, name.as_str(), range.clone()));
        read.map_err(|source| self.read_error(name, source))?.map_err(|Beyond { range, length }| {
            let message = format!("bytes {}..{} of {length} asked for", range.start, range.end);
            self.error("read", name.as_str(), io::Error::other(message)).with_kind(ErrorKind::Range)
        })
    }

    fn length(&self, name: &Name) -> Result<u64, StorageError> {
        let length = self.root.read(|root| read::length(root, name.as_str()));
        length.map_err(|source| self.read_error(name, source))
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError> {
        if !folder.is_empty() && Name::new(folder).is_none() {
            let error = self.error("list", folder, io::ErrorKind::InvalidInput.into());
            return Err(error.with_kind(ErrorKind::BadName));
        }
        let found = self.root.read(|root| {
            Root::verify(root)?;
            walk::walk(&*self.calls, root.as_fd(), folder, Wanted::Objects)
        });
        let found = found.map_err(|source| self.error("list", folder, source))?;
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
        let root = self.root.file();
        match retry_on_intr(|| rustix::fs::unlinkat(root.as_fd(), name.as_str(), AtFlags::empty())) {
            Ok(()) => {
                self.folders.touched(name.folder());
                Ok(Delete::Deleted)
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ISDIR) => Ok(Delete::Absent),
            Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Ok(Delete::Refused),
            Err(error) => Err(self.error("delete", name.as_str(), error.into())),
        }
    }

    fn rely_on(&self, name: &Name) -> Result<(), StorageError> {
        // Its bytes were flushed before it got its name.
        let prepared = self.folders.prepare(self.root.file().as_fd(), name.folder());
        prepared.map_err(|source| self.error("find", name.as_str(), source))?;
        self.folders.touched(name.folder());
        Ok(())
    }

    fn barrier(&self) -> Result<(), StorageError> {
        let synced = self.folders.sync(&*self.calls, self.root.file().as_fd());
        synced.map_err(|error| self.error("sync", &error.folder, error.source))
    }

    fn sweep_leftovers(&self) -> Result<(), StorageError> {
        self.sweep_temporaries().map(drop)
    }

    fn location(&self) -> String {
        self.location.clone()
    }
}
