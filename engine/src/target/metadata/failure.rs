// SPDX-License-Identifier: MIT OR Apache-2.0
//! A part of a file's metadata that could not be set.

use std::fmt;
use std::io;

use rustix::io::Errno;

use crate::target::error::shown;

/// Which part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// All of it: what should get it could not be opened or is of another type.
    All,
    /// User and group.
    Owner,
    /// Permission, set-id and sticky bits.
    Mode,
    /// The extended attribute of this name; without a name: the list of those that are there.
    Xattr(Vec<u8>),
    /// Modification and access time.
    Times,
    /// Inode flags.
    Flags,
}

impl fmt::Display for Attribute {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Attribute::All => out.write_str("metadata"),
            Attribute::Owner => out.write_str("owner"),
            Attribute::Mode => out.write_str("mode"),
            Attribute::Xattr(name) => write!(out, "xattr {}", name.escape_ascii()),
            Attribute::Times => out.write_str("times"),
            Attribute::Flags => out.write_str("flags"),
        }
    }
}

/// What a caller may decide on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// We may not give files to that user or group. To be expected unless
    /// [`Ownership::is_privileged`](crate::target::Ownership::is_privileged). Set-id bits were then left off.
    Ownership,
    /// It needs a privilege that we lack: `security.*`, `trusted.*`, immutable and append-only.
    Privilege,
    /// The file system here does not have it.
    Unsupported,
    /// Something else stands there now, or the name is hostile; nothing was touched.
    Unsafe,
    /// Anything else.
    Other,
}

/// A part of a file's metadata that could not be set. The file itself and the other parts are as they should be.
#[derive(Debug, thiserror::Error)]
#[error("can not set {attribute} of {:?}: {error}", shown(path))]
pub struct MetadataFailure {
    /// Path relative to the target.
    pub path: Vec<u8>,
    /// Which part.
    pub attribute: Attribute,
    /// What to decide on.
    pub kind: FailureKind,
    /// What the system said.
    pub error: io::Error,
}

impl MetadataFailure {
    pub(super) fn new(path: Vec<u8>, attribute: Attribute, errno: Errno) -> MetadataFailure {
        let kind = kind_of(&attribute, errno);
        MetadataFailure { path, attribute, kind, error: errno.into() }
    }

    pub(super) fn at_open(path: Vec<u8>, errno: Errno) -> MetadataFailure {
        let kind = if errno == Errno::LOOP { FailureKind::Unsafe } else { FailureKind::Other };
        MetadataFailure { path, attribute: Attribute::All, kind, error: errno.into() }
    }

    pub(super) fn refused(path: Vec<u8>, error: io::Error) -> MetadataFailure {
        MetadataFailure { path, attribute: Attribute::All, kind: FailureKind::Unsafe, error }
    }
}

fn kind_of(attribute: &Attribute, errno: Errno) -> FailureKind {
    let denied = matches!(errno, Errno::PERM | Errno::ACCESS);
    match attribute {
        // `INVAL`: an id that has no meaning in our user namespace.
        Attribute::Owner if denied || errno == Errno::INVAL => FailureKind::Ownership,
        Attribute::Xattr(name) if denied && (name.starts_with(b"security.") || name.starts_with(b"trusted.")) => {
            FailureKind::Privilege
        }
        Attribute::Flags if denied => FailureKind::Privilege,
        _ if matches!(errno, Errno::OPNOTSUPP | Errno::NOTTY | Errno::NOSYS) => FailureKind::Unsupported,
        _ => FailureKind::Other,
    }
}
