// SPDX-License-Identifier: MIT OR Apache-2.0
//! Removes leftovers of interrupted writes from an SFTP server. The protocol has no locks, so age decides, by the server's
//! own clock: the worst that a wrong guess can do is that a very slow writer starts over.

use russh_sftp::protocol::OpenFlags;

use super::connection::Connection;
use super::error::SftpError;
use super::folders::below;
use super::walk;
use crate::local::Swept;
use crate::local::temporary::random_path;

/// Seconds since the last write from which a temporary file counts as left: a day. Writing one object takes minutes.
const LEFT_AFTER_SECONDS: u32 = 24 * 60 * 60;

/// Removes what was left; keeps what is younger, or whose age the server does not tell.
pub(super) async fn sweep(connection: &Connection, root: &str) -> Result<Swept, SftpError> {
    let mut swept = Swept::default();
    let found = walk::walk(connection, root, "").await?;
    if found.temporaries.is_empty() {
        return Ok(swept);
    }
    let now = server_time(connection, root).await?;
    for (path, written) in found.temporaries {
        let is_left = match (now, written) {
            (Some(now), Some(written)) => now.saturating_sub(written) > LEFT_AFTER_SECONDS,
            _ => false,
        };
        let removed = is_left && connection.ask(connection.session().remove(below(root, &path))).await.is_ok();
        if removed { swept.removed_files += 1 } else { swept.kept_files += 1 }
    }
    Ok(swept)
}

/// Seconds since 1970 by the server's clock: the time of a file that is made for this.
async fn server_time(connection: &Connection, root: &str) -> Result<Option<u32>, SftpError> {
    let probe = random_path("").map_err(|error| SftpError::Unexpected(error.to_string()))?;
    let probe = below(root, &probe);
    let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUDE;
    let handle = connection.open(&probe, flags, Some(0o600)).await?;
    let closed = connection.close(handle).await;
    let answer = connection.ask(connection.session().stat(probe.as_str())).await;
    connection.ask(connection.session().remove(probe)).await?;
    closed?;
    Ok(answer?.attrs.mtime)
}
