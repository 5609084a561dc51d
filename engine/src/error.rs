// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong in an operation. Facts only; the cli maps them to exit codes and hints.

mod finding;

use std::path::PathBuf;

use keepfast_repo_format::FormatError;
use keepfast_repo_format::id::{ChunkId, RepositoryId};
use keepfast_storage::StorageError;

use crate::archive::ArchiveError;
use crate::index::IndexError;
use crate::mount::MountError;
use crate::prune::PruneError;
use crate::redact::Fault;
use crate::source::SourceError;
use crate::target::TargetError;
use crate::unwrap::RewrapError;

/// An operation could not be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no repository at the location.
    #[error("there is no repository in {location}")]
    NoRepository {
        /// Where it was looked for.
        location: String,
    },
    /// Something is there, but not a repository.
    #[error("{location} is not a keepfast repository: {why}")]
    NotARepository {
        /// Where it was looked for.
        location: String,
        /// What was found.
        why: String,
    },
    /// `init` where a repository is.
    #[error("there is a repository in {location} already: {id}")]
    RepositoryExists {
        /// The location.
        location: String,
        /// Its id.
        id: RepositoryId,
    },
    /// `init` was interrupted where it may have made the repository.
    #[error("whether there is a repository in {location} now is not known")]
    InitUnknown {
        /// The location.
        location: String,
        /// What went wrong.
        source: Box<Self>,
    },
    /// A repository was to be made where something else is.
    #[error("no repository can be made in {location}: it holds {holds:?}")]
    NotEmpty {
        /// The location.
        location: String,
        /// One of the things that are there.
        holds: String,
    },
    /// No key slot opens with what was given.
    #[error("wrong password or key file: no key slot of {location} opens with it ({slots} tried)")]
    WrongKey {
        /// The location.
        location: String,
        /// How many slots were tried.
        slots: usize,
    },
    /// The repository does not have the root key that the key file names.
    #[error("{location} is repository {found}, the key file belongs to {expected}")]
    OtherRepository {
        /// The location.
        location: String,
        /// The repository there.
        found: RepositoryId,
        /// The one the key file was made for.
        expected: RepositoryId,
    },
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What should hold the repository is missing itself, such as a bucket.
    #[error("there is no repository in {location}: {why}")]
    NoPlace {
        /// Where it was looked for.
        location: String,
        /// What the storage said.
        why: String,
    },
    /// An object of the repository is damaged or foreign.
    #[error("{object}: {source}")]
    Object {
        /// Its name.
        object: String,
        /// What is wrong with it.
        source: FormatError,
    },
    /// An object's bytes do not have the hash that is its name.
    #[error("{object}: its content does not have the hash in its name")]
    ObjectHash {
        /// Its name.
        object: String,
    },
    /// No visible pack holds a chunk.
    #[error("chunk {id} is in no pack that the index knows")]
    MissingChunk {
        /// The chunk.
        id: ChunkId,
    },
    /// A node of a tree is damaged or does not fit in its place.
    #[error("tree node {id}: {source}")]
    Node {
        /// The node.
        id: ChunkId,
        /// What is wrong with it.
        source: FormatError,
    },
    /// A wrapped file can not be put together.
    #[error(transparent)]
    Rewrap(#[from] RewrapError),
    /// A part of a recipe can not be had.
    #[error("{reason}")]
    Lost {
        /// Why.
        reason: String,
    },
    /// The content of a path can not be read.
    #[error("{} can not be read", String::from_utf8_lossy(path))]
    Content {
        /// The path.
        path: Vec<u8>,
        /// What is damaged or missing.
        source: Box<Error>,
    },
    /// The local index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The local state failed.
    #[error("can not {operation} {}", path.display())]
    State {
        /// What was tried.
        operation: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A source failed as a whole.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The target failed as a whole.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// An archive is damaged, cut off, or none.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// No snapshot fits.
    #[error("no snapshot fits {selector:?}")]
    NoSnapshot {
        /// What was asked for.
        selector: String,
    },
    /// A selector was to name a snapshot where there is none at all.
    #[error("{selector:?} names nothing: there are no snapshots")]
    NoSnapshots {
        /// What was asked for.
        selector: String,
    },
    /// What may be the beginning of an id is too short to be taken for one.
    #[error("{selector:?} is too short for the beginning of an id: {least} digits are the fewest")]
    ShortId {
        /// What was asked for.
        selector: String,
        /// Digits that are needed.
        least: usize,
    },
    /// More than one snapshot fits.
    #[error("{selector:?} fits {count} snapshots")]
    Ambiguous {
        /// What was asked for.
        selector: String,
        /// How many.
        count: usize,
    },
    /// A forgotten snapshot can not be made visible again.
    #[error("snapshot {snapshot} can not come back: {why}")]
    Gone {
        /// The snapshot.
        snapshot: String,
        /// What of it is not there any more.
        why: String,
    },
    /// The path is not in the snapshot.
    #[error("/{} is not in snapshot {snapshot}", String::from_utf8_lossy(path))]
    NoPath {
        /// The path.
        path: Vec<u8>,
        /// The snapshot, short.
        snapshot: String,
    },
    /// The path is something else than the operation needs.
    #[error("/{} is not {expected}", String::from_utf8_lossy(path))]
    WrongType {
        /// The path.
        path: Vec<u8>,
        /// What is needed: `a file`, `a folder`.
        expected: &'static str,
    },
    /// Somebody filled the log slot: the session is void.
    #[error("this session was closed from outside before it could commit (log slot {writer}/{sequence})")]
    SessionVoid {
        /// The writer.
        writer: String,
        /// The slot.
        sequence: u64,
    },
    /// Sealed data did not open to what went in: bad memory or a broken codec.
    #[error("segment {number} does not read back as what was written: memory or compressor is faulty ({source})")]
    SelfCheck {
        /// The segment's number in the session.
        number: u32,
        /// What did not fit.
        source: FormatError,
    },
    /// The repository holds objects of a later version's collector.
    #[error("{location} holds {object}, which this version does not understand")]
    Unsupported {
        /// The location.
        location: String,
        /// The object.
        object: String,
    },
    /// The collector deletes nothing.
    #[error(transparent)]
    Prune(#[from] PruneError),
    /// A segment can not be opened without this base chunk.
    #[error("{object}: base chunk {id}")]
    Base {
        /// The pack with the segment.
        object: String,
        /// The base chunk.
        id: ChunkId,
        /// Why it can not be had.
        source: Box<Error>,
    },
    /// A policy would forget every snapshot that it looks at.
    #[error("the policy keeps none of the snapshots it looks at ({count} of {count} would go): nothing was forgotten")]
    KeepsNothing {
        /// How many they are.
        count: usize,
    },
    /// An index object can not be read, so nothing can be added.
    #[error("{object} can not be read, and nothing is written beside it: {why}")]
    LostIndex {
        /// Its name.
        object: String,
        /// What is wrong with it.
        why: String,
    },
    /// A probe has shown that the storage loses objects or shows them wrong.
    #[error("{location} is not fit for a repository: {why}")]
    UnfitStorage {
        /// The location.
        location: String,
        /// What the probe saw.
        why: String,
    },
    /// The storage can not create an object only once, and somebody else has a session there.
    #[error(
        "{location} is for one writer at a time, and {who} has a session open there (record {record}); a probe saw: {why}"
    )]
    OneWriter {
        /// The location.
        location: String,
        /// User and host of the other session, or its writer if the record does not open.
        who: String,
        /// The name of its record.
        record: String,
        /// What the probe saw.
        why: String,
    },
    /// The storage lacks what deleting beside writers needs.
    #[error("{location} does not allow to prune: {why}")]
    NoOnlinePrune {
        /// The location.
        location: String,
        /// What the probe saw.
        why: String,
    },
    /// A command for a stream could not be started.
    #[error("can not run the command for {}", String::from_utf8_lossy(name))]
    Command {
        /// The stream's name.
        name: Vec<u8>,
        /// What the system said.
        source: std::io::Error,
    },
    /// Nothing was mounted.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// A content can not be given away without its secrets, or without a part.
    #[error(transparent)]
    Redact(Fault),
    /// Output could not be written.
    #[error("can not write the output")]
    Output(#[source] std::io::Error),
    /// A restore into what keepfast itself needs.
    #[error("{} is in {}, which is keepfast's own", path.display(), own.display())]
    Own {
        /// The target.
        path: PathBuf,
        /// The repository, or another folder of keepfast's.
        own: PathBuf,
    },
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The user asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// Ties a format error to the object it was found in.
    pub fn object(name: impl Into<String>) -> impl FnOnce(FormatError) -> Self {
        let object = name.into();
        move |source| Self::Object { object, source }
    }
}

/// Result of an operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error and its causes in one line.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Some errors quote their cause, some leave it to the reader.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
