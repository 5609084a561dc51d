// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why something could not be done in the target.
//!
//! One error type for files and folders; metadata that could not be set is no error but a
//! [`MetadataFailure`](super::MetadataFailure), because the restore goes on with the rest.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;

/// What a caller may decide on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetErrorKind {
    /// Something is there already, or something of another type is in the way.
    Exists,
    /// It, or a folder above it, is not there.
    NotFound,
    /// No permission, a read-only file system, or a file that is immutable or append-only.
    Denied,
    /// A program that runs: nobody may write into it.
    Running,
    /// No space or no quota left: going on with other files is pointless.
    Full,
    /// Doing it would leave the target: a hostile name, a symlink on the way, a folder moved meanwhile.
    Unsafe,
    /// Anything else.
    Other,
}

/// Something could not be done at a path of the target.
#[derive(Debug, thiserror::Error)]
#[error("can not {operation} {:?}", shown(path))]
pub struct TargetError {
    /// Path relative to the target; the user's own path if the target itself could not be opened.
    pub path: Vec<u8>,
    /// What was tried, to be read after "can not".
    pub operation: &'static str,
    /// What to decide on.
    pub kind: TargetErrorKind,
    /// What the system said.
    pub source: io::Error,
}

impl TargetError {
    /// The kind follows from the system's error.
    pub(super) fn new(path: Vec<u8>, operation: &'static str, source: impl Into<io::Error>) -> TargetError {
        let source = source.into();
        TargetError { path, operation, kind: kind_of(&source), source }
    }

    /// For refusals of our own; the system would have done it.
    pub(super) fn refused(path: Vec<u8>, operation: &'static str, reason: &'static str) -> TargetError {
        let source = io::Error::new(io::ErrorKind::InvalidInput, reason);
        TargetError { path, operation, kind: TargetErrorKind::Unsafe, source }
    }
}

fn kind_of(error: &io::Error) -> TargetErrorKind {
    match Errno::from_io_error(error) {
        Some(Errno::EXIST | Errno::NOTDIR | Errno::ISDIR) => TargetErrorKind::Exists,
        Some(Errno::NOENT) => TargetErrorKind::NotFound,
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => TargetErrorKind::Denied,
        Some(Errno::TXTBSY) => TargetErrorKind::Running,
        Some(Errno::NOSPC | Errno::DQUOT) => TargetErrorKind::Full,
        Some(Errno::LOOP | Errno::XDEV) => TargetErrorKind::Unsafe,
        _ => TargetErrorKind::Other,
    }
}

/// Bytes as a path, whose debug form has no control characters that could play with a terminal.
pub(super) fn shown(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}
