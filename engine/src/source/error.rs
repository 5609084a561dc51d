// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong with the source, apart from what can go wrong with a repository: the two must never be mixed up,
//! or a full disk is reported as an unreadable file and skipped.

use std::io;

use keepfast_repo_format::manifest::{Problem, ProblemCode};
use keepfast_repo_format::tree::entry::FileType;
use rustix::io::Errno;

/// Why something of the source could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No path was named.
    #[error("no path was named")]
    NothingNamed,
    /// A system call failed. The path is as in the snapshot, or as given for a named path.
    #[error("can not {operation} {}: {source}", path.escape_ascii())]
    Io {
        /// Where.
        path: Vec<u8>,
        /// What was tried, as a verb.
        operation: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Something else has taken the place of a regular file since the walk.
    #[error("{} is no longer a regular file: {found:?}", path.escape_ascii())]
    Replaced {
        /// Where, as in the snapshot.
        path: Vec<u8>,
        /// What stands there now.
        found: FileType,
    },
    /// Two named paths differ, but would be the same in the snapshot.
    #[error("{} and {} would both be /{} in the snapshot", first.escape_ascii(), second.escape_ascii(), stored.escape_ascii())]
    Collision {
        /// Path in the snapshot.
        stored: Vec<u8>,
        /// Absolute source path named first.
        first: Vec<u8>,
        /// Absolute source path named later.
        second: Vec<u8>,
    },
}

impl SourceError {
    pub(super) fn io(path: Vec<u8>, operation: &'static str, errno: Errno) -> Self {
        Self::Io { path, operation, source: errno.into() }
    }

    /// Whether it is gone: deleted, or replaced by something else, since it was seen.
    pub fn is_vanished(&self) -> bool {
        match self {
            Self::Io { source, .. } => Errno::from_io_error(source).is_some_and(is_gone),
            Self::Replaced { .. } => true,
            Self::NothingNamed | Self::Collision { .. } => false,
        }
    }

    /// The same, for the list of problems of a snapshot.
    pub fn to_problem(&self) -> Problem {
        let code = if self.is_vanished() { ProblemCode::Vanished } else { ProblemCode::Unreadable };
        let (path, text) = match self {
            Self::NothingNamed => (Vec::new(), self.to_string()),
            Self::Io { path, operation, source } => (path.clone(), format!("{operation}: {source}")),
            Self::Replaced { path, found } => (path.clone(), format!("is now of type {found:?}")),
            Self::Collision { stored, .. } => (stored.clone(), self.to_string()),
        };
        Problem { path, code, text }
    }
}

/// Whether this is what a path answers that is not there any more.
pub(super) fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::STALE)
}

/// A problem made of a failed system call.
pub(super) fn problem(path: Vec<u8>, operation: &str, errno: Errno) -> Problem {
    let code = if is_gone(errno) { ProblemCode::Vanished } else { ProblemCode::Unreadable };
    Problem { path, code, text: format!("{operation}: {}", io::Error::from(errno)) }
}
