// SPDX-License-Identifier: MIT OR Apache-2.0
//! Log slots (`docs/format.md` section 10): the signed chain of what each writer did; a slot is the commit point.
//!
//! For whoever writes or reads history. Does not order slots, follow chains or decide what is visible.

use ed25519_dalek::Signer;
use minicbor::{Decode, Encode};

use crate::envelope::Kind;
use crate::error::FormatError;
use crate::id::{IndexId, LogHash, RepositoryId, SessionId, SnapshotId, WriterId};
use crate::keys::Keys;
use crate::record::{Signed, from_cbor, open_structure, seal_structure, to_cbor};
use crate::session::check_place;

mod payload;

use payload::Payload;

const WHAT: &str = "log slot";
const SIGNATURE_LABEL: &[u8] = b"keepfast v1 log";

/// How far another writer's log was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Head {
    /// The other writer.
    #[n(0)]
    pub writer: WriterId,
    /// Its last slot that was seen.
    #[n(1)]
    pub sequence: u64,
    /// That slot's hash.
    #[n(2)]
    pub hash: LogHash,
}

/// A snapshot and the tags it has from now on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Tagging {
    /// The snapshot.
    #[n(0)]
    pub snapshot: SnapshotId,
    /// All of its tags.
    #[n(1)]
    pub tags: Vec<String>,
}

/// What a slot says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogBody {
    /// The session is complete: its snapshot and its index objects count from now on.
    Commit {
        /// The session that held the slot.
        session: SessionId,
        /// Its snapshot.
        snapshot: SnapshotId,
        /// Its index objects.
        indexes: Vec<IndexId>,
    },
    /// The session that held the slot ended without a snapshot.
    Void {
        /// The session.
        session: SessionId,
    },
    /// These snapshots are no more; none: only an observation of the other logs.
    Forget {
        /// Their ids.
        snapshots: Vec<SnapshotId>,
    },
    /// A collector's session is complete: the packs in these index objects, copies, count from now on.
    Collect {
        /// The session that held the slot.
        session: SessionId,
        /// Its index objects.
        indexes: Vec<IndexId>,
    },
    /// These snapshots were forgotten and are visible again.
    Undelete {
        /// Their ids.
        snapshots: Vec<SnapshotId>,
    },
    /// These snapshots have other tags.
    Tag {
        /// One row per snapshot.
        taggings: Vec<Tagging>,
    },
}

/// A slot of a writer's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSlot {
    /// Whose slot it is.
    pub writer: WriterId,
    /// Its number in that writer's log, from 0 without a gap.
    pub sequence: u64,
    /// The hash of the slot before it; `None` at sequence 0 and only there.
    pub previous: Option<LogHash>,
    /// 1 + the largest clock in any slot that the writer has seen.
    pub clock: u64,
    /// Other writers that moved since the slot before.
    pub heads: Vec<Head>,
    /// Unix seconds by the writer's clock; for people, never to decide by.
    pub time: u64,
    /// The config generation the writer went by.
    pub config_generation: u64,
    /// What it says.
    pub body: LogBody,
}

impl LogSlot {
    /// The slot as a signed object; its hash for the next slot is [`crate::crypto::object_hash`] of the result.
    pub fn seal(&self, keys: &Keys) -> Vec<u8> {
        let payload = to_cbor(&Payload::from(self));
        let signature = keys.writer_signing(&self.writer).sign(&message(keys.repository(), &payload)).to_bytes();
        seal_structure(keys, Kind::Log, &to_cbor(&Signed { payload, signature }))
    }

    /// Opens the slot that stands at (`writer`, `sequence`).
    ///
    /// # Errors
    /// As [`open_structure`]; signature when another than `writer` signed it; malformed; wrong place. A caller counts
    /// a slot with any of these as VOID.
    pub fn open(keys: &Keys, writer: WriterId, sequence: u64, object: &[u8]) -> Result<Self, FormatError> {
        let signed: Signed = from_cbor(&open_structure(keys, Kind::Log, object)?, WHAT)?;
        let public = keys.writer_signing(&writer).verifying_key().to_bytes();
        signed.verify(&public, &message(keys.repository(), &signed.payload), WHAT)?;
        let slot = Self::try_from(from_cbor::<Payload>(&signed.payload, WHAT)?)?;
        check_place(WHAT, (writer, sequence), (slot.writer, slot.sequence))?;
        Ok(slot)
    }
}

impl LogSlot {
    /// The unsigned payload, for the local index, which keeps slots that were opened once.
    pub fn to_payload(&self) -> Vec<u8> {
        to_cbor(&Payload::from(self))
    }

    /// Reads what [`LogSlot::to_payload`] gave. Proves nothing about who wrote it.
    ///
    /// # Errors
    /// Malformed.
    pub fn from_payload(payload: &[u8]) -> Result<Self, FormatError> {
        Self::try_from(from_cbor::<Payload>(payload, WHAT)?)
    }
}

fn message(repository: RepositoryId, payload: &[u8]) -> Vec<u8> {
    [SIGNATURE_LABEL, repository.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests;
