// SPDX-License-Identifier: MIT OR Apache-2.0
//! Gives a complete temporary file its final name, unless that name is taken: the create-once guarantee on an SFTP server.
//!
//! `hardlink@openssh.com` only. The protocol's own rename is no second way: OpenSSH's fails when the name is taken, but
//! other servers replace the file, or look first and rename then, and nothing in the protocol tells which.

use russh_sftp::protocol::FileAttributes;

use super::connection::{Connection, Kind};
use super::error::{Answer, SftpError};

/// What became of a temporary file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Published {
    /// It has the name now, as its second.
    Created,
    /// The name was taken.
    Exists,
    /// The temporary file, or its folder, is no longer there.
    Vanished,
}

/// Links `temporary` as `name`, both paths of the server.
pub(super) async fn publish(connection: &Connection, temporary: &str, name: &str) -> Result<Published, SftpError> {
    let Err(error) = connection.ask(connection.session().hardlink(temporary, name)).await.map(drop) else {
        return Ok(Published::Created);
    };
    match error.answer() {
        Answer::Absent => return Ok(Published::Vanished),
        Answer::Failure | Answer::Denied => {}
        Answer::Other => return Err(error),
    }
    // "Failure" may mean that the name is taken, or anything else.
    match connection.stat(name).await? {
        None => Err(error),
        Some((Kind::File | Kind::Unknown, _)) if same_file(connection, temporary, name).await? => {
            Ok(Published::Created)
        }
        Some((Kind::File | Kind::Unknown, _)) => Ok(Published::Exists),
        Some(_) => Err(SftpError::Unexpected("something that is not a file has this name".to_owned())),
    }
}

/// Whether both names are of one file, which only a link of ours can have done: a server whose folder lies on NFS can
/// report that the name is taken by the very link that it made, when a request was repeated.
///
/// The protocol tells neither inodes nor numbers of links. But a time set through one name shows through the other, and a
/// random one shows there only then.
async fn same_file(connection: &Connection, temporary: &str, name: &str) -> Result<bool, SftpError> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(|error| SftpError::Unexpected(error.to_string()))?;
    // Within 31 bits, seconds since 1970: what every file system can store.
    let token = u32::from_le_bytes(random) >> 1;
    let times = FileAttributes { atime: Some(token), mtime: Some(token), ..FileAttributes::empty() };
    match connection.ask(connection.session().setstat(temporary, times)).await {
        Ok(_) => {}
        // Swept, or a server that does not set times: then the name is not known to be ours.
        Err(error) if error.answer() != Answer::Other => return Ok(false),
        Err(error) => return Err(error),
    }
    match connection.ask(connection.session().stat(name)).await {
        Ok(answer) => Ok(answer.attrs.mtime == Some(token)),
        Err(error) if error.is_absent() => Ok(false),
        Err(error) => Err(error),
    }
}
