// SPDX-License-Identifier: MIT OR Apache-2.0
//! What goes wrong between keepfast and an SFTP server. It is the source of every [`crate::StorageError`] of this backend.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use russh_sftp::client::error::Error as ProtocolError;
use russh_sftp::protocol::{Status, StatusCode};

/// What the server, or the way to it, answered.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SftpError {
    /// The ssh program can not be run.
    #[error("can not run the program {program}")]
    Start {
        /// Its name.
        program: String,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The connection is over. What was asked for on it may or may not have been done.
    #[error("the connection ended{}{}", comma(.status), told(.stderr))]
    Closed {
        /// How the ssh program ended, if it did.
        status: Option<String>,
        /// The last lines of what it said.
        stderr: String,
    },
    /// The server is silent; the connection was given up.
    #[error("no answer for {} s{}", .after.as_secs_f32(), told(.stderr))]
    Stalled {
        /// For how long.
        after: Duration,
        /// The last lines of what the ssh program said.
        stderr: String,
    },
    /// The server lacks something that create-once or durability rest on.
    #[error("the server does not offer {extension}, without which {consequence}")]
    Missing {
        /// Name of the protocol extension.
        extension: &'static str,
        /// What can not be promised then.
        consequence: &'static str,
    },
    /// The server declined a request.
    #[error("the server says: {message}")]
    Status {
        /// The protocol's code.
        code: StatusCode,
        /// The server's words.
        message: String,
    },
    /// No space, or over quota: deduced, because the protocol has no word for it.
    #[error("the server says: {message}; its file system has no space left")]
    Full {
        /// The server's words.
        message: String,
    },
    /// The file system there is read-only: deduced, because the protocol has no word for it.
    #[error("the server says: {message}; its file system is mounted read-only")]
    ReadOnly {
        /// The server's words.
        message: String,
    },
    /// The server's answers contradict each other, or the state of the repository's folder changed underneath.
    #[error("{0}")]
    Unexpected(String),
}

/// The three answers that a caller tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Absent,
    Denied,
    /// OpenSSH's word for everything else: exists, is a folder, no space, input or output error.
    Failure,
    Other,
}

impl SftpError {
    /// What the server answered, if it did.
    pub(super) fn answer(&self) -> Answer {
        match self {
            Self::Status { code: StatusCode::NoSuchFile, .. } => Answer::Absent,
            Self::Status { code: StatusCode::PermissionDenied, .. } => Answer::Denied,
            Self::Status { code: StatusCode::Failure, .. } => Answer::Failure,
            _ => Answer::Other,
        }
    }

    pub(super) fn is_absent(&self) -> bool {
        self.answer() == Answer::Absent
    }

    /// Whether a read or a folder's listing is at its end.
    pub(super) fn is_end(&self) -> bool {
        matches!(self, Self::Status { code: StatusCode::Eof, .. })
    }

    /// The server's own no, as opposed to a connection that is over.
    pub(super) fn of_status(status: Status) -> Self {
        let message = match printable(&status.error_message) {
            message if message.is_empty() => status.status_code.to_string(),
            message => message,
        };
        Self::Status { code: status.status_code, message }
    }

    /// A protocol error that leaves the connection as it is; `None` if it ended or can not be trusted any more.
    pub(super) fn of_protocol(error: ProtocolError) -> Result<Self, ProtocolError> {
        match error {
            ProtocolError::Status(status) => Ok(Self::of_status(status)),
            other => Err(other),
        }
    }
}

impl From<SftpError> for io::Error {
    fn from(error: SftpError) -> Self {
        let kind = match &error {
            // What is not there or not allowed is the program, not what was asked for.
            SftpError::Start { .. } => io::ErrorKind::Other,
            // Authentication does not become better by trying again.
            SftpError::Closed { stderr, .. } if is_denial(stderr) => io::ErrorKind::PermissionDenied,
            SftpError::Closed { .. } => io::ErrorKind::ConnectionAborted,
            SftpError::Stalled { .. } => io::ErrorKind::TimedOut,
            SftpError::Full { .. } => io::ErrorKind::StorageFull,
            SftpError::ReadOnly { .. } => io::ErrorKind::ReadOnlyFilesystem,
            SftpError::Missing { .. } => io::ErrorKind::Unsupported,
            SftpError::Status { .. } if error.is_absent() => io::ErrorKind::NotFound,
            SftpError::Status { .. } if error.answer() == Answer::Denied => io::ErrorKind::PermissionDenied,
            SftpError::Status { .. } | SftpError::Unexpected(_) => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

fn is_denial(stderr: &str) -> bool {
    ["Permission denied (", "Host key verification failed"].iter().any(|words| stderr.contains(words))
}

fn comma(status: &Option<String>) -> String {
    status.as_ref().map_or(String::new(), |status| format!(" ({status})"))
}

fn told(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!("; the ssh program said: {stderr}") }
}

/// A server's words without what a terminal would obey, in one line.
pub(super) fn printable(text: &str) -> String {
    let lines = text.lines().map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>());
    let lines: Vec<String> = lines.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    lines.join(" / ")
}
