// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds every file below a folder of an SFTP server, completely or with an error: a failed walk is never a short one.
//!
//! Many folders are read at once, since each costs several answers of the server. Only folders whose path could be part of
//! an object's name are entered.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use russh_sftp::protocol::FileAttributes;

use super::connection::{Connection, Kind, kind};
use super::error::SftpError;
use super::folders::{below, chain};
use crate::Name;
use crate::local::temporary::is_temporary;

/// Folders that are read at once.
const FOLDERS_AT_ONCE: usize = 16;

/// What one folder holds, by paths relative to the root.
#[derive(Default)]
pub(super) struct Found {
    /// Objects and their lengths in bytes.
    pub(super) objects: Vec<(Name, u64)>,
    /// Temporary files, and when they were last written in seconds since 1970 by the server's clock, if it tells.
    pub(super) temporaries: Vec<(String, Option<u32>)>,
    folders: Vec<String>,
}

/// Everything below `folder`, in no order. A missing folder holds nothing.
pub(super) async fn walk(connection: &Connection, root: &str, folder: &str) -> Result<Found, SftpError> {
    let mut all = Found::default();
    let mut waiting = vec![folder.to_owned()];
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < FOLDERS_AT_ONCE
            && let Some(folder) = waiting.pop()
        {
            under_way.push(read_folder(connection, root, folder));
        }
        let Some(found) = under_way.next().await else { return Ok(all) };
        let found = found?;
        waiting.extend(found.folders);
        all.objects.extend(found.objects);
        all.temporaries.extend(found.temporaries);
    }
}

async fn read_folder(connection: &Connection, root: &str, folder: String) -> Result<Found, SftpError> {
    let path = below(root, &folder);
    let mut found = Found::default();
    let handle = match connection.open_folder(&path).await {
        Ok(handle) => handle,
        Err(error) => {
            return if is_no_folder(connection, root, &folder, &error).await? { Ok(found) } else { Err(error) };
        }
    };
    loop {
        match connection.ask(connection.session().readdir(handle.id.as_str())).await {
            Ok(names) => {
                for file in names.files {
                    visit(connection, root, &folder, &file.filename, &file.attrs, &mut found).await?;
                }
            }
            Err(error) if error.is_end() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Whether a folder that could not be opened is known to hold nothing, because it or one above it is absent or a file.
/// Servers have few words for errors, so they are not taken at them: a link to an absent disk is there, and is an error.
async fn is_no_folder(connection: &Connection, root: &str, folder: &str, error: &SftpError) -> Result<bool, SftpError> {
    if !matches!(error, SftpError::Status { .. }) {
        return Ok(false);
    }
    for folder in chain(folder) {
        match connection.ask(connection.session().lstat(below(root, folder))).await.map(|answer| kind(&answer.attrs)) {
            Ok(Kind::File | Kind::Other) => return Ok(true),
            Ok(Kind::Folder) => {}
            Ok(Kind::Link) if connection.stat(&below(root, folder)).await?.is_some() => {}
            Ok(Kind::Link | Kind::Unknown) => return Ok(false),
            Err(error) => return Ok(error.is_absent()),
        }
    }
    Ok(false)
}

/// Takes one entry.
async fn visit(
    connection: &Connection,
    root: &str,
    folder: &str,
    file_name: &str,
    attributes: &FileAttributes,
    found: &mut Found,
) -> Result<(), SftpError> {
    let path = if folder.is_empty() { file_name.to_owned() } else { format!("{folder}/{file_name}") };
    if is_temporary(file_name) {
        found.temporaries.push((path, attributes.mtime));
        return Ok(());
    }
    let Some(name) = Name::new(path) else { return Ok(()) };
    let (kind, length) = match (kind(attributes), attributes.size) {
        (Kind::Link | Kind::Unknown, _) | (Kind::File, None) => {
            match connection.stat(&below(root, name.as_str())).await? {
                Some(stat) => stat,
                None if kind(attributes) == Kind::Link => {
                    return Err(SftpError::Unexpected(format!("{name} is a link to nothing")));
                }
                None => return Ok(()),
            }
        }
        told => told,
    };
    match (kind, length) {
        (Kind::Folder, _) => found.folders.push(name.as_str().to_owned()),
        (Kind::File, Some(length)) => found.objects.push((name, length)),
        (Kind::File, None) => {
            return Err(SftpError::Unexpected(format!("the server does not tell the length of {name}")));
        }
        (Kind::Link | Kind::Other, _) => {}
        (Kind::Unknown, _) => {
            return Err(SftpError::Unexpected(format!(
                "the server does not tell whether {name} is a file or a folder"
            )));
        }
    }
    Ok(())
}
