// SPDX-License-Identifier: MIT OR Apache-2.0
//! Folders on an SFTP server: made when first needed, flushed at a barrier when their entries changed.
//!
//! The protocol has no flush of folders. OpenSSH opens a folder like a file and flushes that, which works where its
//! system's `fsync` takes folders; whether it does is tried once, when the backend opens. See `local/folders.rs` for why
//! the ledger must not forget a folder.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt;
use futures_util::stream;
use russh_sftp::protocol::{FileAttributes, OpenFlags};

use super::connection::{Connection, Kind};
use super::error::{Answer, SftpError};

/// Permissions of folders that are made: only the owner.
const FOLDER_MODE: u32 = 0o700;

/// Folders that are flushed at once. A disk does not gain by more.
const FLUSHES_AT_ONCE: usize = 8;

/// Which folders exist, and which have entries that may not be durable. Relative to the root, which is `""`.
#[derive(Default)]
pub(super) struct Folders {
    ledger: Mutex<Ledger>,
    /// Held during a barrier; see `local/folders.rs`. Holds the folder at which a flush failed.
    failed: tokio::sync::Mutex<Option<String>>,
}

#[derive(Default)]
struct Ledger {
    known: HashSet<String>,
    unsynced: BTreeSet<String>,
}

/// A folder could not be flushed.
pub(super) struct SyncError {
    pub(super) folder: String,
    pub(super) source: SftpError,
}

impl Folders {
    /// Notes that `folder` exists, and so do those above it. Whoever made them, each one's parent is flushed once by this
    /// handle: the maker may have died before its own barrier.
    pub(super) fn found(&self, folder: &str) {
        let mut ledger = lock(&self.ledger);
        if folder.is_empty() || ledger.known.contains(folder) {
            return;
        }
        let mut parent = "";
        for folder in chain(folder) {
            if ledger.known.insert(folder.to_owned()) {
                ledger.unsynced.insert(parent.to_owned());
            }
            parent = folder;
        }
    }

    /// Notes that an entry of `folder` changed, or was found and is relied upon.
    pub(super) fn touched(&self, folder: &str) {
        let mut ledger = lock(&self.ledger);
        if !ledger.unsynced.contains(folder) {
            ledger.unsynced.insert(folder.to_owned());
        }
    }

    /// Forgets that folders exist: one was found missing.
    pub(super) fn forget_known(&self) {
        lock(&self.ledger).known.clear();
    }

    /// Flushes every touched folder. After an error all of them stay noted.
    pub(super) async fn sync(&self, connection: &Connection, root: &str) -> Result<(), SyncError> {
        let mut failed = self.failed.lock().await;
        if let Some(folder) = failed.clone() {
            let message = "an earlier flush failed, and what it should have stored may be lost".to_owned();
            return Err(SyncError { folder, source: SftpError::Unexpected(message) });
        }
        let folders = std::mem::take(&mut lock(&self.ledger).unsynced);
        let flushes = stream::iter(&folders).map(async |folder| {
            let result = flush(connection, &below(root, folder)).await;
            result.map_err(|source| SyncError { folder: folder.clone(), source })
        });
        let mut flushes = std::pin::pin!(flushes.buffer_unordered(FLUSHES_AT_ONCE));
        let mut first = Ok(());
        while let Some(flushed) = flushes.next().await {
            first = first.and(flushed);
        }
        if let Err(error) = &first {
            // One that is not there was not flushed, so nothing was lost in flushing it.
            if !error.source.is_absent() {
                *failed = Some(error.folder.clone());
            }
            let mut noted = folders.clone();
            lock(&self.ledger).unsynced.append(&mut noted);
        }
        first
    }
}

/// Flushes the entries of one folder.
pub(super) async fn flush(connection: &Connection, path: &str) -> Result<(), SftpError> {
    let handle = connection.open(path, OpenFlags::READ, None).await?;
    connection.ask(connection.session().fsync(handle.id.as_str())).await?;
    connection.close(handle).await
}

/// Makes `folder` below `root`, and those between them. The root itself must be there.
pub(super) async fn make(connection: &Connection, root: &str, folder: &str) -> Result<(), SftpError> {
    for folder in chain(folder) {
        make_one(connection, &below(root, folder)).await?;
    }
    Ok(())
}

/// Makes the folder `path` unless it is there.
pub(super) async fn make_one(connection: &Connection, path: &str) -> Result<Made, SftpError> {
    let attributes = FileAttributes { permissions: Some(FOLDER_MODE), ..FileAttributes::empty() };
    match connection.ask(connection.session().mkdir(path, attributes)).await {
        Ok(_) => Ok(Made::New),
        // Servers say "failure" or "denied" of one that is there.
        Err(error) if matches!(error.answer(), Answer::Failure | Answer::Denied) => {
            match connection.stat(path).await? {
                Some((Kind::Folder | Kind::Unknown, _)) => Ok(Made::Before),
                _ => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

/// Whether a folder is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    New,
    Before,
}

/// `packs/00` gives `packs`, `packs/00`.
pub(super) fn chain(folder: &str) -> impl Iterator<Item = &str> {
    let ends = folder.match_indices('/').map(|(end, _)| end).chain([folder.len()]);
    ends.map(|end| &folder[..end]).filter(|folder| !folder.is_empty())
}

/// The server's path of something relative to the root.
pub(super) fn below(root: &str, path: &str) -> String {
    match (root, path) {
        (root, "") => root.to_owned(),
        ("/", path) => format!("/{path}"),
        (root, path) => format!("{root}/{path}"),
    }
}

/// A panic elsewhere leaves the ledger as it is: notes are only ever added whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
