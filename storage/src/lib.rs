// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a repository's objects live: the [`Backend`] contract, and the backends that keep it.
//!
//! A backend moves *named bytes*. It knows no pack, no id and no key; a [`Name`] is a checked relative path.

pub mod cache;
pub mod cloud;
pub mod error;
pub mod limit;
pub mod local;
pub mod location;
mod name;
pub mod pace;
pub mod probe;
pub mod reserve;
pub mod retry;
pub mod sftp;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

use std::ops::Range;

pub use error::{ErrorKind, StorageError};
pub use name::Name;

/// What [`Backend::put_if_absent`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The object did not exist and now has these bytes.
    Created,
    /// An object of this name exists; nothing was changed. Its bytes may differ from the ones offered.
    Exists,
}

/// What [`Backend::delete`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delete {
    /// It is gone.
    Deleted,
    /// It was not there.
    Absent,
    /// The storage does not allow it (now): write-once media, retention, permission. To be tried again later.
    Refused,
}

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name.
    pub name: Name,
    /// Its length in bytes.
    pub length: u64,
}

/// A place that holds named, immutable objects.
///
/// Everything keepfast promises rests on these guarantees. An implementation that can not give one of them must return
/// an error, never a guess:
///
/// * **Atomic**: an object has all its bytes or does not exist, for every reader, at every moment, also after a crash.
/// * **Create once**: of several callers that put the same name, on any machine, exactly one is told [`Put::Created`].
///   Nothing is ever overwritten, renamed or appended to.
/// * **Read your writes**: from the return of `put_if_absent` on, `get` and `list` on every machine see the object;
///   from the return of a `delete` that said [`Delete::Deleted`] on, they do not.
/// * **Durable after a barrier**: objects put before a successful [`Backend::barrier`] survive a crash of the machine
///   that stores them. Before it they may vanish, but only as a whole. In the same way a delete may come undone before
///   a barrier.
/// * **Complete lists**: `list` returns every object of the prefix or an error. A failed list is never a short list.
///
/// All methods may be called from many threads at once.
pub trait Backend: Send + Sync {
    /// Creates the object `name` with the bytes of `parts`, one after the other, unless it exists.
    ///
    /// May be retried with the same bytes after an error: the first attempt may have had its effect, then the answer is
    /// [`Put::Exists`], and a caller for whom that matters reads the object back and compares.
    ///
    /// # Errors
    /// Nothing was created, or (only on a broken connection) it is unknown whether it was.
    fn put_if_absent(&self, name: &Name, parts: &[&[u8]]) -> Result<Put, StorageError>;

    /// Reads the object, or the given range of it. A range that reaches beyond the end is an error of kind
    /// [`ErrorKind::Range`], never fewer bytes.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if it does not exist.
    fn get(&self, name: &Name, range: Option<Range<u64>>) -> Result<Vec<u8>, StorageError>;

    /// Length of the object in bytes.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if it does not exist.
    fn length(&self, name: &Name) -> Result<u64, StorageError>;

    /// Lists every object whose name begins with `folder` + `/`, at any depth, sorted by name. A folder without objects
    /// gives an empty list, an empty `folder` lists all. Leftovers of interrupted writes and files of foreign names are
    /// not objects.
    ///
    /// # Errors
    /// The list could not be completed.
    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError>;

    /// Removes the object.
    ///
    /// # Errors
    /// It is unknown whether it still exists. A refusal is not an error: see [`Delete::Refused`].
    fn delete(&self, name: &Name) -> Result<Delete, StorageError>;

    /// Returns when every object put through this handle before the call is durable, an object found to be
    /// [`Put::Exists`] included.
    ///
    /// # Errors
    /// Durability of objects put since the last successful barrier is unknown; the session must end.
    fn barrier(&self) -> Result<(), StorageError>;

    /// Counts an object that exists as put through this handle, so that its next barrier speaks for it, without sending its
    /// bytes once more. Nothing happens to an object that does not exist.
    ///
    /// # Errors
    /// The next barrier may not speak for it.
    fn rely_on(&self, name: &Name) -> Result<(), StorageError>;

    /// Removes what interrupted writes have left and what is no object. Where an object is never seen in part, there is
    /// nothing of the kind. A live writer loses nothing but time.
    ///
    /// # Errors
    /// Not everything could be looked at.
    fn sweep_leftovers(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// Where this is, for people: a path or URL without credentials.
    fn location(&self) -> String;
}
