// SPDX-License-Identifier: MIT OR Apache-2.0
//! The folders below a root: made when first needed, flushed at a barrier when their entries changed.
//!
//! A file's own flush says nothing about its name: the name is durable once the folder is flushed, and the folder once
//! its parent is. This is the ledger of which folders that concerns. It must not forget one: a lost entry is a lost
//! object after a crash.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::Mode;
use rustix::io::{Errno, retry_on_intr};

use super::calls::Calls;

/// Which folders exist, and which have entries that may not be durable. Folders are relative to the root, the root
/// itself is `""`.
#[derive(Default)]
pub(super) struct Folders {
    ledger: Mutex<Ledger>,
    /// Held during a barrier, so that a second barrier does not return while the first still flushes. Holds the folder
    /// at which a flush failed: the system reports such an error once and then forgets the data, so no later barrier of
    /// this handle may succeed.
    failed: Mutex<Option<String>>,
    left_to_server: AtomicBool,
}

#[derive(Default)]
struct Ledger {
    known: HashSet<String>,
    unsynced: BTreeSet<String>,
}

/// A folder could not be flushed.
pub(super) struct SyncError {
    pub(super) folder: String,
    pub(super) source: io::Error,
}

impl Folders {
    /// Makes `folder` and those above it, unless known to exist. Whoever made a folder, its parent is flushed once by
    /// this handle: the maker may have died before its own barrier.
    pub(super) fn prepare(&self, root: BorrowedFd<'_>, folder: &str) -> io::Result<()> {
        let mut ledger = lock(&self.ledger);
        if folder.is_empty() || ledger.known.contains(folder) {
            return Ok(());
        }
        let ends = folder.match_indices('/').map(|(end, _)| end).chain([folder.len()]);
        let mut parent = "";
        for end in ends {
            let folder = &folder[..end];
            if !ledger.known.contains(folder) {
                match retry_on_intr(|| rustix::fs::mkdirat(root, folder, Mode::RWXU)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
                ledger.unsynced.insert(parent.to_owned());
                ledger.known.insert(folder.to_owned());
            }
            parent = folder;
        }
        Ok(())
    }

    /// Forgets that folders exist: one was found missing.
    pub(super) fn forget_known(&self) {
        lock(&self.ledger).known.clear();
    }

    /// Notes that an entry of `folder` changed, or was found and is relied upon.
    pub(super) fn touched(&self, folder: &str) {
        let mut ledger = lock(&self.ledger);
        if !ledger.unsynced.contains(folder) {
            ledger.unsynced.insert(folder.to_owned());
        }
    }

    /// Flushes every touched folder. After an error all that were not flushed stay noted.
    pub(super) fn sync(&self, calls: &dyn Calls, root: BorrowedFd<'_>) -> Result<(), SyncError> {
        let mut failed = lock(&self.failed);
        if let Some(folder) = failed.clone() {
            let source = io::Error::other("an earlier flush failed, and what it should have stored may be lost");
            return Err(SyncError { folder, source });
        }
        let mut folders = std::mem::take(&mut lock(&self.ledger).unsynced);
        while let Some(folder) = folders.pop_first() {
            let result = match open(calls, root, &folder) {
                Ok(opened) => self.sync_one(calls, &opened).inspect_err(|_| *failed = Some(folder.clone())),
                Err(error) => Err(error),
            };
            if let Err(source) = result {
                folders.insert(folder.clone());
                lock(&self.ledger).unsynced.append(&mut folders);
                return Err(SyncError { folder, source });
            }
        }
        Ok(())
    }

    /// Whether some folder could not be flushed because its file system has no such operation.
    pub(super) fn left_to_server(&self) -> bool {
        self.left_to_server.load(Ordering::Relaxed)
    }

    /// SMB and some FUSE file systems refuse to flush a folder, in several words; their names are as durable as the server
    /// makes them. That is tolerated for folders only, never for files (restic#3720).
    pub(super) fn sync_one(&self, calls: &dyn Calls, folder: &File) -> io::Result<()> {
        let Err(error) = calls.sync_folder(folder) else { return Ok(()) };
        match Errno::from_io_error(&error) {
            Some(Errno::INVAL | Errno::NOTSUP | Errno::NOSYS | Errno::NOENT | Errno::BADF | Errno::ISDIR) => {
                self.left_to_server.store(true, Ordering::Relaxed);
                Ok(())
            }
            _ => Err(error),
        }
    }
}

/// Opens a folder relative to the root, to read or flush it.
pub(super) fn open(calls: &dyn Calls, root: BorrowedFd<'_>, folder: &str) -> io::Result<File> {
    calls.open_folder(root, if folder.is_empty() { "." } else { folder })
}

/// A panic elsewhere leaves the ledger as it is: notes are only ever added whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
