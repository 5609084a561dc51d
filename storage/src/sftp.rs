// SPDX-License-Identifier: MIT OR Apache-2.0
//! A repository in a folder of an SFTP server, reached through the system's ssh program, so that its configuration, keys,
//! agents, known hosts and jump hosts count.
//!
//! An object is written to a temporary file beside its name, flushed (`fsync@openssh.com`), then linked to its name
//! (`hardlink@openssh.com`), which fails if the name is taken. A server without either is declined. Nothing here may
//! replace or rename a file, and nothing connects again after a connection was lost (`sftp/connection.rs` says why).

mod child;
mod connection;
mod error;
mod folders;
mod location;
mod object;
mod options;
mod progress;
mod publish;
mod sweep;
#[cfg(test)]
mod tests;
mod transfer;
mod walk;

use std::ops::Range;

use tokio::runtime::{Builder, Runtime};

use self::child::Ssh;
use self::connection::{Connection, Kind};
pub use self::error::SftpError;
use self::folders::{Folders, Made, below};
pub use self::location::{LocationError, SftpLocation};
use self::object::PUT_ATTEMPTS;
pub use self::options::{Prompts, SftpOptions, WithoutFsync};
use crate::local::{FolderSync, Swept};
use crate::{Backend, Delete, ErrorKind, Listed, Name, Put, StorageError};

/// A folder of an SFTP server as a [`Backend`].
///
/// Methods block the calling thread and must not be called from inside an asynchronous runtime. The backend keeps one ssh
/// program and one thread until it is dropped.
pub struct SftpBackend {
    // Before the runtime: its end closes the ssh program's input, which tasks of the runtime do.
    connection: Connection,
    root: String,
    location: String,
    folders: Folders,
    folder_sync: FolderSync,
    /// What the server says about the file system of the root: another one is another disk.
    file_system: Option<u64>,
    runtime: Runtime,
}

/// Whether the root folder may be made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    Existing,
    ToBeMade,
}

impl SftpBackend {
    /// Connects, and opens an existing root folder.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if the folder does not exist. [`ErrorKind::Denied`] if the server does not let us in or is
    /// not known. The source is an [`SftpError`].
    pub fn open(location: &SftpLocation, options: &SftpOptions) -> Result<Self, StorageError> {
        Self::connect(location, options, Root::Existing)
    }

    /// Connects, and makes the root folder with those above it, unless they exist.
    ///
    /// # Errors
    /// As [`SftpBackend::open`]; or a folder can not be made.
    pub fn create(location: &SftpLocation, options: &SftpOptions) -> Result<Self, StorageError> {
        Self::connect(location, options, Root::ToBeMade)
    }

    fn connect(location: &SftpLocation, options: &SftpOptions, root: Root) -> Result<Self, StorageError> {
        let fail = |source: std::io::Error| {
            let operation = if root == Root::ToBeMade { "create" } else { "open" };
            StorageError::from_io(operation, "the root folder", location.to_string(), source)
        };
        // One thread drives the pipes; what a call waits for runs on the caller's own.
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("sftp").enable_all().build();
        let runtime = runtime.map_err(fail)?;
        let opened = runtime.block_on(async {
            let (ssh, pipes) = Ssh::start(location, options)?;
            let connection = Connection::greet(pipes, Some(ssh), options).await?;
            Opened::root(connection, &location.path, root).await
        });
        let opened = opened.map_err(|error| fail(error.into()))?;
        Ok(Self::with(opened, location.to_string(), runtime))
    }

    fn with(opened: Opened, location: String, runtime: Runtime) -> Self {
        let Opened { connection, root, folder_sync, file_system } = opened;
        Self { connection, root, location, folders: Folders::default(), folder_sync, file_system, runtime }
    }

    /// Whether the barriers of this handle can flush folders. Worth a sentence to the user if not.
    pub fn folder_sync(&self) -> FolderSync {
        self.folder_sync
    }

    /// Removes temporary files that nobody has written to for a day by the server's own clock. A writer that is slower
    /// than that loses a temporary file and writes it again, so a wrong sweep costs time, never an object.
    ///
    /// # Errors
    /// Some folder could not be read, or the server's clock not be asked.
    pub fn sweep_temporaries(&self) -> Result<Swept, StorageError> {
        self.run("sweep", "", sweep::sweep(&self.connection, &self.root))
    }

    fn run<T>(
        &self,
        operation: &'static str,
        name: &str,
        work: impl Future<Output = Result<T, SftpError>>,
    ) -> Result<T, StorageError> {
        self.runtime.block_on(work).map_err(|error| self.error(operation, name, error))
    }

    fn error(&self, operation: &'static str, name: &str, error: SftpError) -> StorageError {
        let name = if name.is_empty() { "the root folder" } else { name };
        let is_over = matches!(error, SftpError::Closed { .. } | SftpError::Stalled { .. });
        let error = StorageError::from_io(operation, name, self.location.as_str(), error.into());
        if is_over && error.kind == ErrorKind::Transient { error.with_kind(ErrorKind::Lost) } else { error }
    }

    /// That the root is what it was at the start: a disk of the server that was unmounted leaves an empty folder.
    async fn verify_root(&self) -> Result<(), SftpError> {
        match self.connection.stat(&self.root).await? {
            Some((Kind::Folder | Kind::Unknown, _)) => {}
            _ => return Err(absent("the repository's folder is no longer there")),
        }
        if self.file_system.is_some() && self.connection.file_system(&self.root).await? != self.file_system {
            return Err(SftpError::Unexpected("the repository's folder lies on another disk than before".to_owned()));
        }
        Ok(())
    }

    async fn put(&self, name: &Name, parts: &[&[u8]]) -> Result<Option<Put>, SftpError> {
        for _ in 0..PUT_ATTEMPTS {
            let put = object::try_put(self, name, parts).await;
            match put {
                Ok(None) => self.verify_root().await?,
                Ok(put) => return Ok(put),
                Err(error) => return Err(self.connection.explain(error, &self.root, parts).await),
            }
        }
        Ok(None)
    }

    async fn listed(&self, folder: &str) -> Result<Vec<Listed>, SftpError> {
        let found = walk::walk(&self.connection, &self.root, folder).await?;
        // Afterwards, so that what was listed is known to have been listed there.
        self.verify_root().await?;
        let mut listed: Vec<Listed> = found.objects.into_iter().map(|(name, length)| Listed { name, length }).collect();
        listed.sort_unstable();
        // Some file systems show an entry twice when their folder changes while it is read.
        listed.dedup_by(|a, b| a.name == b.name);
        Ok(listed)
    }
}

impl Backend for SftpBackend {
    fn put_if_absent(&self, name: &Name, parts: &[&[u8]]) -> Result<Put, StorageError> {
        self.run("write", name.as_str(), self.put(name, parts))?.ok_or_else(|| {
            let message = "its folder or temporary file was removed again and again".to_owned();
            self.error("write", name.as_str(), SftpError::Unexpected(message)).with_kind(ErrorKind::Transient)
        })
    }

    fn get(&self, name: &Name, range: Option<Range<u64>>) -> Result<Vec<u8>, StorageError> {
        let path = below(&self.root, name.as_str());
        match self.run("read", name.as_str(), object::get(&self.connection, &path, range.clone()))? {
            Ok(bytes) => Ok(bytes),
            Err(object::Beyond { range, length }) => {
                let message = format!("bytes {}..{} of {length} asked for", range.start, range.end);
                let error = self.error("read", name.as_str(), SftpError::Unexpected(message));
                Err(error.with_kind(ErrorKind::Range))
            }
        }
    }

    fn length(&self, name: &Name) -> Result<u64, StorageError> {
        let path = below(&self.root, name.as_str());
        self.run("read", name.as_str(), object::length(&self.connection, &path))
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError> {
        if !folder.is_empty() && Name::new(folder).is_none() {
            let error = self.error("list", folder, SftpError::Unexpected("no valid name of a folder".to_owned()));
            return Err(error.with_kind(ErrorKind::BadName));
        }
        self.run("list", folder, self.listed(folder))
    }

    fn delete(&self, name: &Name) -> Result<Delete, StorageError> {
        let deleted = self.run("delete", name.as_str(), object::delete(&self.connection, &self.root, name))?;
        if deleted == Delete::Deleted {
            self.folders.touched(name.folder());
        }
        Ok(deleted)
    }

    fn rely_on(&self, name: &Name) -> Result<(), StorageError> {
        // Its bytes were flushed before it got its name.
        self.folders.found(name.folder());
        self.folders.touched(name.folder());
        Ok(())
    }

    fn barrier(&self) -> Result<(), StorageError> {
        let synced = self.runtime.block_on(async {
            if self.folder_sync == FolderSync::Synced {
                self.folders.sync(&self.connection, &self.root).await?;
            }
            // The objects of this barrier are in the folder that the next writer will open, and the server still answers.
            let source = self.verify_root().await;
            source.map_err(|source| folders::SyncError { folder: String::new(), source })
        });
        synced.map_err(|error| self.error("sync", &error.folder, error.source))
    }

    fn sweep_leftovers(&self) -> Result<(), StorageError> {
        self.sweep_temporaries().map(drop)
    }

    fn location(&self) -> String {
        self.location.clone()
    }
}

/// What opening found.
struct Opened {
    connection: Connection,
    root: String,
    folder_sync: FolderSync,
    file_system: Option<u64>,
}

impl Opened {
    async fn root(connection: Connection, path: &str, root: Root) -> Result<Self, SftpError> {
        let absolute = connection.absolute(path).await?;
        if root == Root::ToBeMade {
            make_root(&connection, &absolute).await?;
        }
        match connection.stat(&absolute).await? {
            Some((Kind::Folder | Kind::Unknown, _)) => {}
            Some(_) => return Err(absent("it is not a folder")),
            None => return Err(absent("there is no such folder")),
        }
        // A server that can not flush a folder says so now: later, any "failure" is one of the disk.
        let folder_sync = match folders::flush(&connection, &absolute).await {
            Ok(()) => FolderSync::Synced,
            Err(SftpError::Status { .. }) => FolderSync::LeftToServer,
            Err(error) => return Err(error),
        };
        let file_system = connection.file_system(&absolute).await?;
        Ok(Self { connection, root: absolute, folder_sync, file_system })
    }
}

/// Makes the root and what is missing above it, and flushes the folders that got an entry.
async fn make_root(connection: &Connection, root: &str) -> Result<(), SftpError> {
    let mut missing = vec![root];
    while let Some((parent, _)) = missing.last().and_then(|path| path.rsplit_once('/'))
        && !parent.is_empty()
        && connection.stat(parent).await?.is_none()
    {
        missing.push(parent);
    }
    for path in missing.into_iter().rev() {
        if folders::make_one(connection, path).await? == Made::New {
            let parent = path.rsplit_once('/').map_or("/", |(parent, _)| if parent.is_empty() { "/" } else { parent });
            match folders::flush(connection, parent).await {
                // Not every folder above can be opened by everyone, or flushed by every server.
                Ok(()) | Err(SftpError::Status { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// That something is not there, in the protocol's own word.
fn absent(message: &str) -> SftpError {
    SftpError::Status { code: russh_sftp::protocol::StatusCode::NoSuchFile, message: message.to_owned() }
}
