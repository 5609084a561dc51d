// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is done with one object on an SFTP server: create, read, measure, remove.

use std::ops::Range;

use russh_sftp::protocol::OpenFlags;

use super::connection::{Connection, Handle, Kind};
use super::error::{Answer, SftpError};
use super::folders::{self, below};
use super::publish::{Published, publish};
use super::{SftpBackend, absent, transfer};
use crate::local::temporary::random_path;
use crate::{Delete, Name, Put};

/// How often a put may start over when its temporary file or folder is taken away by sweeps. As the local backend.
pub(super) const PUT_ATTEMPTS: usize = 20;

/// Permissions of objects: only the owner.
const FILE_MODE: u32 = 0o600;

/// A range that is not within the object.
pub(super) struct Beyond {
    pub(super) range: Range<u64>,
    /// Of the object, in bytes.
    pub(super) length: u64,
}

/// One attempt. `None` if the temporary file or its folder was taken away meanwhile.
pub(super) async fn try_put(backend: &SftpBackend, name: &Name, parts: &[&[u8]]) -> Result<Option<Put>, SftpError> {
    let (connection, root, folders) = (&backend.connection, backend.root.as_str(), &backend.folders);
    let random = random_path(name.folder()).map_err(|error| SftpError::Unexpected(error.to_string()))?;
    let temporary = below(root, &random);
    let Some(handle) = create(backend, name.folder(), &temporary).await? else { return Ok(None) };
    let published = fill_and_publish(connection, handle, &temporary, &below(root, name.as_str()), parts).await;
    // A failure leaves a file for the sweep; the object is there or not, whatever becomes of its other name.
    let _ = connection.ask(connection.session().remove(temporary)).await;
    let put = match published? {
        Published::Created => Put::Created,
        Published::Exists => Put::Exists,
        Published::Vanished => {
            folders.forget_known();
            return Ok(None);
        }
    };
    // Also for an object that exists: who made it may have died before its barrier.
    folders.touched(name.folder());
    Ok(Some(put))
}

/// Makes the temporary file, and its folder at need. `None` if the folder went away again.
async fn create(backend: &SftpBackend, folder: &str, temporary: &str) -> Result<Option<Handle>, SftpError> {
    let (connection, folders) = (&backend.connection, &backend.folders);
    let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUDE;
    let open = async || match connection.open(temporary, flags, Some(FILE_MODE)).await {
        Ok(handle) => Ok(Some(handle)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    };
    let mut opened = open().await?;
    if opened.is_none() {
        folders.forget_known();
        // A disk that went away must not get the repository's folders in its place.
        backend.verify_root().await?;
        folders::make(connection, &backend.root, folder).await?;
        opened = open().await?;
    }
    if opened.is_some() {
        folders.found(folder);
    }
    Ok(opened)
}

async fn fill_and_publish(
    connection: &Connection,
    handle: Handle,
    temporary: &str,
    name: &str,
    parts: &[&[u8]],
) -> Result<Published, SftpError> {
    transfer::write(connection, &handle, parts).await?;
    if connection.features.fsync {
        // After an error the file is worth nothing: a flush must not be repeated.
        connection.ask(connection.session().fsync(handle.id.as_str())).await?;
    }
    // Before the link: some servers report a full disk only now.
    connection.close(handle).await?;
    publish(connection, temporary, name).await
}

/// The object's bytes, or those of the range.
pub(super) async fn get(
    connection: &Connection,
    path: &str,
    range: Option<Range<u64>>,
) -> Result<Result<Vec<u8>, Beyond>, SftpError> {
    // First, and not at the same time: opening a fifo would stop the server until somebody writes to it.
    let length = length(connection, path).await?;
    let range = range.unwrap_or(0..length);
    if range.start > range.end || range.end > length {
        return Ok(Err(Beyond { range, length }));
    }
    let handle = connection.open(path, OpenFlags::READ, None).await?;
    transfer::read(connection, &handle, range).await.map(Ok)
}

/// The object's length in bytes.
pub(super) async fn length(connection: &Connection, path: &str) -> Result<u64, SftpError> {
    match connection.stat(path).await? {
        Some((Kind::File | Kind::Unknown, Some(length))) => Ok(length),
        Some((Kind::File | Kind::Unknown, None)) => {
            Err(SftpError::Unexpected("the server does not tell its length".to_owned()))
        }
        Some(_) => Err(absent("it is not a file")),
        None => Err(absent("no such file")),
    }
}

/// Removes the object.
pub(super) async fn delete(connection: &Connection, root: &str, name: &Name) -> Result<Delete, SftpError> {
    let path = below(root, name.as_str());
    let Err(error) = connection.ask(connection.session().remove(path.as_str())).await else {
        return Ok(Delete::Deleted);
    };
    match error.answer() {
        Answer::Absent => return Ok(Delete::Absent),
        Answer::Denied | Answer::Failure => {}
        Answer::Other => return Err(error),
    }
    // Servers have one word for a folder, a file that is kept from removal, and a broken disk.
    match connection.stat(&path).await? {
        None | Some((Kind::Folder, _)) => Ok(Delete::Absent),
        Some(_) if error.answer() == Answer::Denied => Ok(Delete::Refused),
        Some(_) => match connection.explain(error, root, &[]).await {
            SftpError::ReadOnly { .. } => Ok(Delete::Refused),
            error => Err(error),
        },
    }
}
