// SPDX-License-Identifier: MIT OR Apache-2.0
//! Manifests (`docs/format.md` section 9): one snapshot each, sealed to the meta public key.
//!
//! For backup, which writes them, and for everything that reads snapshots. A manifest counts only when a log slot
//! names it: that is not looked at here.

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::crypto::object_hash;
use crate::envelope::{Kind, within};
use crate::error::FormatError;
use crate::frame;
use crate::id::{ChunkId, PackId, SessionId, SnapshotId, WriterId};
use crate::keys::{KeyRow, Keys, SessionKey};
use crate::record::{envelope_of, from_cbor, open_body, seal_object, to_cbor};
use crate::wire::Reader;

const WHAT: &str = "manifest";
const EXTENSION_LEN: u64 = 64;

/// The highest level a tree's root may have.
const MAX_ROOT_LEVEL: u64 = 15;

/// More problems than this are counted, not listed: a manifest is read whole.
pub const MAX_PROBLEMS: usize = 10_000;

/// What kind of problem a path had; the numbers are the stored ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
#[repr(u8)]
pub enum ProblemCode {
    /// It, or its content, could not be read.
    #[n(1)]
    Unreadable = 1,
    /// It changed while it was read.
    #[n(2)]
    Torn = 2,
    /// It was gone before it could be read.
    #[n(3)]
    Vanished = 3,
    /// A part of its metadata could not be read.
    #[n(4)]
    Metadata = 4,
    /// The command that should produce it failed.
    #[n(5)]
    Stream = 5,
}

/// A path that is not, or not completely, in the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Problem {
    /// The path.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub path: Vec<u8>,
    /// What happened.
    #[n(1)]
    pub code: ProblemCode,
    /// What the system said.
    #[n(2)]
    pub text: String,
}

/// Whether everything that was named to be saved is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Completeness {
    /// It is.
    #[default]
    Complete,
    /// Something is missing.
    Partial,
}

/// Counts of a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Totals {
    /// Regular files.
    #[n(0)]
    pub files: u64,
    /// Directories.
    #[n(1)]
    pub directories: u64,
    /// Entries of any other type.
    #[n(2)]
    pub others: u64,
    /// Sum of the sizes of the files.
    #[n(3)]
    pub bytes: u64,
    /// Files that the parent does not have.
    #[n(4)]
    pub new_files: u64,
    /// Files that the parent has otherwise.
    #[n(5)]
    pub changed_files: u64,
    /// Files that were not read because nothing about them had changed.
    #[n(6)]
    pub unmodified_files: u64,
    /// Chunks that the repository did not have.
    #[n(7)]
    pub new_chunks: u64,
    /// Their plaintext bytes.
    #[n(8)]
    pub new_plain_bytes: u64,
    /// Bytes that this session stored.
    #[n(9)]
    pub stored_bytes: u64,
    /// All problems, also those that are not listed.
    #[n(10)]
    pub problems: u64,
}

/// One snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Manifest {
    /// Who made it.
    #[n(0)]
    pub writer: WriterId,
    /// The log slot that commits it.
    #[n(1)]
    pub sequence: u64,
    /// The session that made it.
    #[n(2)]
    pub session: SessionId,
    /// The snapshot it was compared with.
    #[n(3)]
    pub parent: Option<SnapshotId>,
    /// Root node of the tree.
    #[n(4)]
    pub root: ChunkId,
    /// Level of the root node: 0 to 15.
    #[n(5)]
    pub root_level: u8,
    /// The paths as they were given; bytes, not text.
    #[cbor(n(6), with = "byte_strings")]
    pub paths: Vec<Vec<u8>>,
    /// Where it was made.
    #[n(7)]
    pub host: String,
    /// Who ran the program.
    #[n(8)]
    pub user: String,
    /// Tags, sorted, none twice.
    #[n(9)]
    pub tags: Vec<String>,
    /// When it began by this client's clock, in Unix nanoseconds.
    #[n(10)]
    pub started: i64,
    /// When it ended by this client's clock, in Unix nanoseconds.
    #[n(11)]
    pub finished: i64,
    /// Program and version.
    #[n(12)]
    pub program: String,
    /// What the user said of it; may be empty.
    #[n(13)]
    pub description: String,
    /// The config generation the writer went by.
    #[n(14)]
    pub config_generation: u64,
    /// Counts.
    #[n(15)]
    pub totals: Totals,
    /// Paths that are missing or not whole; at most [`MAX_PROBLEMS`].
    #[n(16)]
    pub problems: Vec<Problem>,
    /// Whether something is missing.
    #[n(17)]
    pub completeness: Completeness,
    /// Packs that the session wrote.
    #[n(18)]
    pub pack_count: u64,
    /// Their bytes.
    #[n(19)]
    pub pack_bytes: u64,
    /// [`packs_digest`] of their ids.
    #[cbor(n(20), with = "minicbor::bytes")]
    pub packs_digest: [u8; 32],
}

impl Manifest {
    /// The manifest as an object; [`snapshot_id`] of it is the snapshot's id. Tags are sorted and problems beyond
    /// [`MAX_PROBLEMS`] left out.
    ///
    /// # Panics
    /// When the paths, texts and problems together exceed [`frame::MAX_PLAIN_BYTES`].
    pub fn seal(&self, keys: &Keys) -> Vec<u8> {
        let mut stored = self.clone();
        stored.tags.sort_unstable();
        stored.tags.dedup();
        stored.problems.truncate(MAX_PROBLEMS);
        let session_key = SessionKey::create(keys, Kind::Manifest);
        let row = session_key.key_row();
        let extension = [row.enc, row.commitment].concat();
        seal_object(keys, Kind::Manifest, session_key.key(), &extension, &frame::encode(&to_cbor(&stored)))
    }

    /// Opens a manifest.
    ///
    /// # Errors
    /// As [`crate::envelope::Envelope::parse`] and [`SessionKey::open`]; unauthentic; malformed or out of range for
    /// its content.
    pub fn open(keys: &Keys, object: &[u8]) -> Result<Self, FormatError> {
        let envelope = envelope_of(keys, Kind::Manifest, object)?;
        within("extension length", envelope.extension.len() as u64, EXTENSION_LEN, EXTENSION_LEN)?;
        let mut reader = Reader::new(envelope.extension, WHAT);
        let row = KeyRow::new(reader.array()?, reader.array()?);
        let session_key = SessionKey::open(keys, Kind::Manifest, &row)?;
        let plain = frame::decode(&open_body(&envelope, session_key.key())?, WHAT)?;
        let manifest: Self = from_cbor(&plain, WHAT)?;
        within("level of the root", manifest.root_level.into(), 0, MAX_ROOT_LEVEL)?;
        within("number of problems", manifest.problems.len() as u64, 0, MAX_PROBLEMS as u64)?;
        if !manifest.tags.is_sorted_by(|one, next| one < next) {
            return Err(FormatError::Malformed { what: WHAT, why: "its tags are not sorted".into() });
        }
        Ok(manifest)
    }
}

/// The id of the snapshot whose manifest is stored as `object`.
pub fn snapshot_id(object: &[u8]) -> SnapshotId {
    SnapshotId(object_hash(object))
}

/// `H` of the sorted ids: whether all packs of a session are there is seen without opening one.
pub fn packs_digest(packs: &[PackId]) -> [u8; 32] {
    let mut sorted = packs.to_vec();
    sorted.sort_unstable();
    object_hash(&sorted.iter().flat_map(|pack| pack.0).collect::<Vec<_>>())
}

impl<C> Encode<C> for Completeness {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.u8(u8::from(*self == Self::Partial))?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Completeness {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        match d.u8()? {
            0 => Ok(Self::Complete),
            1 => Ok(Self::Partial),
            _ => Err(DecodeError::message("neither complete nor partial")),
        }
    }
}

/// Byte strings in an array: without this each would be stored as an array of numbers.
mod byte_strings {
    use minicbor::bytes::{ByteSlice, ByteVec};
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    pub(super) fn encode<C, W: Write>(
        strings: &[Vec<u8>],
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.array(strings.len() as u64)?;
        strings.iter().try_for_each(|string| e.encode_with(<&ByteSlice>::from(&string[..]), context)?.ok())
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, context: &mut C) -> Result<Vec<Vec<u8>>, DecodeError> {
        d.array_iter_with(context)?.map(|string| string.map(|bytes: ByteVec| bytes.into())).collect()
    }
}

#[cfg(test)]
mod tests;
