// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a backend can answer besides success.

use std::io;

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
    /// A name that this format does not use.
    BadName,
    /// Anything else.
    Other,
}

/// An operation on an object failed.
#[derive(Debug, thiserror::Error)]
#[error("can not {operation} {name} in {location}")]
pub struct StorageError {
    /// What the caller can act on.
    pub kind: ErrorKind,
    /// `read`, `write`, `list`, `delete`, `sync`.
    pub operation: &'static str,
    /// Object or folder.
    pub name: String,
    /// The backend's location.
    pub location: String,
    /// What the system said.
    #[source]
    pub source: io::Error,
}
