// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a backend can answer besides success.

use std::io;

use rustix::io::Errno;

/// What the caller can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No object (or, for a repository's root, no folder) of this name.
    NotFound,
    /// Not allowed.
    Denied,
    /// No space, or over quota.
    Full,
    /// The range reaches beyond the object's end.
    Range,
    /// Might work when tried again.
    Transient,
    /// The connection is gone, and this handle makes no other one: whatever is asked of it, now or later, fails.
    Lost,
    /// The user asked to stop while a call waited.
    Cancelled,
    /// A name that this format does not use.
    BadName,
    /// Anything else.
    Other,
}

impl ErrorKind {
    /// What an answer of the operating system means to a caller. An I/O error (`EIO`) is *not* transient: after a
    /// failed flush the system forgets that data is dirty, and trying again would succeed without having stored
    /// anything.
    pub fn of(source: &io::Error) -> Self {
        if [Errno::MFILE, Errno::NFILE].iter().any(|few| source.raw_os_error() == Some(few.raw_os_error())) {
            // No file can be opened until another one is closed.
            return Self::Transient;
        }
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Denied,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            io::ErrorKind::OutOfMemory
            | io::ErrorKind::TimedOut
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown => Self::Transient,
            _ => Self::Other,
        }
    }
}

/// An operation on an object failed.
#[derive(Debug, thiserror::Error)]
#[error("can not {operation} {}{location}", of_whole(name))]
pub struct StorageError {
    /// What the caller can act on.
    pub kind: ErrorKind,
    /// `read`, `write`, `list`, `delete`, `sync`; for a backend as a whole `create`, `open`, `sweep`.
    pub operation: &'static str,
    /// Object or folder.
    pub name: String,
    /// The backend's location.
    pub location: String,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// A name as a part of a sentence; of the repository as a whole there is none.
fn of_whole(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!("{name} in ") }
}

impl StorageError {
    /// An error whose kind follows from what the system said.
    pub fn from_io(
        operation: &'static str,
        name: impl Into<String>,
        location: impl Into<String>,
        source: io::Error,
    ) -> Self {
        let kind = ErrorKind::of(&source);
        Self { kind, operation, name: name.into(), location: location.into(), source }
    }

    /// The same error with another kind, for what the system's answer alone does not tell.
    #[must_use]
    pub fn with_kind(self, kind: ErrorKind) -> Self {
        Self { kind, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_has_too_little_of_for_a_moment_says_nothing_of_the_object() {
        for error in [Errno::MFILE, Errno::NFILE, Errno::NOMEM] {
            assert_eq!(ErrorKind::of(&error.into()), ErrorKind::Transient, "{error}");
        }
        assert_eq!(ErrorKind::of(&io::ErrorKind::OutOfMemory.into()), ErrorKind::Transient);
        assert_eq!(ErrorKind::of(&Errno::IO.into()), ErrorKind::Other);
    }

    #[test]
    fn an_error_names_object_and_place_or_the_place_alone() {
        let text = |name: &str| StorageError::from_io("list", name, "s3://b/p", io::Error::other("x")).to_string();
        assert_eq!(text("packs"), "can not list packs in s3://b/p");
        assert_eq!(text(""), "can not list s3://b/p");
    }
}
