// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a folder can not do, beyond the system's own errors. It is the source of a [`crate::StorageError`] of this backend.

use std::io;

/// A folder that does not keep what a backend promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// Neither a rename that never replaces nor hard links. A rename of folders, which fails on one that is not empty,
    /// is no way out: it would store each object as a folder, which no other reader of the format knows, and the file
    /// systems concerned (FUSE ones over services without a rename) do not rename folders in one step either.
    #[error("this file system can neither rename without replacing nor link, so nothing can be created exactly once")]
    NoCreateOnce,
    /// A name and the temporary file beside it are on different devices, as the system sees it.
    #[error("a file can not get another name in its own folder, as if that were another device")]
    OtherDevice,
    /// The system lost its hold on the root folder, and at its path there is another one now.
    #[error("the repository's folder was replaced by another one, or by another disk, while it was in use")]
    RootReplaced,
    /// The folder was removed while it was open.
    #[error("the repository's folder was removed while it was in use")]
    RootRemoved,
    /// A link of an object's or a folder's name that leads nowhere: what should be there can not be listed.
    #[error("a link leads nowhere; the disk that it should lead to may not be mounted")]
    DanglingLink,
    /// Something that no reader would find has the object's name.
    #[error("something that is not a file has this name")]
    NoFile,
    /// A file has fewer bytes than it had a moment before.
    #[error("the file became shorter while it was read")]
    Shortened,
    /// Whatever is written is taken away by somebody.
    #[error("its folder or temporary file was removed again and again")]
    SweptAgainAndAgain,
}

impl From<LocalError> for io::Error {
    fn from(error: LocalError) -> Self {
        let kind = match error {
            LocalError::NoCreateOnce => io::ErrorKind::Unsupported,
            LocalError::RootRemoved => io::ErrorKind::NotFound,
            LocalError::Shortened => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
