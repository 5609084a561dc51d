// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be wrong with bytes. Facts only: the caller adds the object's name, the cli adds advice.

use crate::envelope::Kind;

/// Why bytes were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Fewer bytes than the structure needs.
    #[error("{what} is cut short: {needed} bytes needed, {found} there")]
    Truncated {
        /// The structure being read.
        what: &'static str,
        /// Bytes it needs at least.
        needed: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// Not an object of this format.
    #[error("does not begin with the magic bytes of a keepfast object")]
    NotAnObject,
    /// An object of another kind than the name promises.
    #[error("is an object of kind {found:?}, expected {expected:?}")]
    WrongKind {
        /// The kind that belongs here.
        expected: Kind,
        /// The kind in the header.
        found: Kind,
    },
    /// The header's or footer's own check does not fit.
    #[error("{what} is damaged: its check does not fit")]
    BadCheck {
        /// The structure.
        what: &'static str,
    },
    /// Another version than this program knows.
    #[error("{what} has version {found}, this program knows {known}")]
    Version {
        /// Envelope, kind or suite.
        what: &'static str,
        /// The version in the bytes.
        found: u16,
        /// The version this program knows.
        known: u16,
    },
    /// Feature bits this program does not know.
    #[error("needs {mask} features that this program does not have: {names}")]
    Features {
        /// `read`, `write` or `prune`.
        mask: &'static str,
        /// Names, or bit numbers where no name is known.
        names: String,
    },
    /// An object of another repository.
    #[error("belongs to repository {found}, expected {expected}")]
    WrongRepository {
        /// This repository.
        expected: crate::id::RepositoryId,
        /// The one in the header.
        found: crate::id::RepositoryId,
    },
    /// The authentication tag does not fit: damaged, or sealed with another key.
    #[error("{what} can not be opened: damaged, or sealed with another key")]
    Unauthentic {
        /// The structure.
        what: &'static str,
    },
    /// The key commitment does not fit.
    #[error("the key does not fit its commitment")]
    Commitment,
    /// An object that says it stands at another place than its name.
    #[error("{what} says that it belongs at {found}, but stands at {expected}")]
    WrongPlace {
        /// The structure.
        what: &'static str,
        /// The place that its name gives.
        expected: String,
        /// The place that its content gives.
        found: String,
    },
    /// The memory for a key derivation is not to be had.
    #[error("the key derivation needs {kib} KiB of memory")]
    Memory {
        /// KiB asked for.
        kib: u32,
    },
    /// A signature does not fit.
    #[error("the signature of {what} is not valid")]
    Signature {
        /// The signed thing.
        what: &'static str,
    },
    /// A value outside its limits.
    #[error("{what} is {found}, allowed are {min} to {max}")]
    OutOfRange {
        /// The field.
        what: &'static str,
        /// Its value.
        found: u64,
        /// Smallest allowed.
        min: u64,
        /// Largest allowed.
        max: u64,
    },
    /// Content that contradicts itself or is not in its one canonical form.
    #[error("{what} is not well formed: {why}")]
    Malformed {
        /// The structure.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// zstd could not decompress, or gave another length.
    #[error("{what} does not decompress to the {expected} bytes it promises")]
    Decompress {
        /// The structure.
        what: &'static str,
        /// Promised length.
        expected: u64,
    },
    /// A chunk whose bytes do not have its id.
    #[error("chunk {id} does not have the content its id promises")]
    ChunkContent {
        /// The id asked for.
        id: crate::id::ChunkId,
    },
}
