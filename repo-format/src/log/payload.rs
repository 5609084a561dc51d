// SPDX-License-Identifier: MIT OR Apache-2.0
//! The stored form of a log slot: one map whose later fields depend on the kind.
//!
//! For [`super::LogSlot`] only: it never leaves the module.

use minicbor::{Decode, Encode};

use super::{Head, LogBody, LogSlot, Tagging, WHAT};
use crate::error::FormatError;
use crate::id::{IndexId, LogHash, SessionId, SnapshotId, WriterId};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(super) enum SlotKind {
    #[n(1)]
    Commit,
    #[n(2)]
    Void,
    #[n(3)]
    Forget,
    #[n(4)]
    Tag,
    #[n(5)]
    Collect,
    #[n(6)]
    Undelete,
}

#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(super) struct Payload {
    #[n(0)]
    kind: SlotKind,
    #[n(1)]
    writer: WriterId,
    #[n(2)]
    sequence: u64,
    #[n(3)]
    previous: Option<LogHash>,
    #[n(4)]
    clock: u64,
    #[n(5)]
    heads: Vec<Head>,
    #[n(6)]
    time: u64,
    #[n(7)]
    config_generation: u64,
    #[n(8)]
    session: Option<SessionId>,
    #[n(9)]
    snapshot: Option<SnapshotId>,
    #[n(10)]
    indexes: Option<Vec<IndexId>>,
    #[n(11)]
    forgotten: Option<Vec<SnapshotId>>,
    #[n(12)]
    taggings: Option<Vec<Tagging>>,
}

impl From<&LogSlot> for Payload {
    fn from(slot: &LogSlot) -> Self {
        let mut payload = Self {
            kind: SlotKind::Void,
            writer: slot.writer,
            sequence: slot.sequence,
            previous: slot.previous,
            clock: slot.clock,
            heads: slot.heads.clone(),
            time: slot.time,
            config_generation: slot.config_generation,
            session: None,
            snapshot: None,
            indexes: None,
            forgotten: None,
            taggings: None,
        };
        match &slot.body {
            LogBody::Commit { session, snapshot, indexes } => {
                payload.kind = SlotKind::Commit;
                payload.session = Some(*session);
                payload.snapshot = Some(*snapshot);
                payload.indexes = Some(indexes.clone());
            }
            LogBody::Void { session } => payload.session = Some(*session),
            LogBody::Forget { snapshots } => {
                payload.kind = SlotKind::Forget;
                payload.forgotten = Some(snapshots.clone());
            }
            LogBody::Collect { session, indexes } => {
                payload.kind = SlotKind::Collect;
                payload.session = Some(*session);
                payload.indexes = Some(indexes.clone());
            }
            LogBody::Undelete { snapshots } => {
                payload.kind = SlotKind::Undelete;
                payload.forgotten = Some(snapshots.clone());
            }
            LogBody::Tag { taggings } => {
                payload.kind = SlotKind::Tag;
                payload.taggings = Some(taggings.clone());
            }
        }
        payload
    }
}

impl TryFrom<Payload> for LogSlot {
    type Error = FormatError;

    fn try_from(payload: Payload) -> Result<Self, FormatError> {
        let Payload { kind, writer, sequence, previous, clock, heads, time, config_generation, .. } = payload;
        let malformed = |why: &str| FormatError::Malformed { what: WHAT, why: why.into() };
        if previous.is_some() != (sequence > 0) {
            return Err(malformed("every slot but the first names the one before it"));
        }
        let fields = (payload.session, payload.snapshot, payload.indexes, payload.forgotten, payload.taggings);
        let body = match (kind, fields) {
            (SlotKind::Commit, (Some(session), Some(snapshot), Some(indexes), None, None)) => {
                LogBody::Commit { session, snapshot, indexes }
            }
            (SlotKind::Void, (Some(session), None, None, None, None)) => LogBody::Void { session },
            (SlotKind::Forget, (None, None, None, Some(snapshots), None)) => LogBody::Forget { snapshots },
            (SlotKind::Collect, (Some(session), None, Some(indexes), None, None)) => {
                LogBody::Collect { session, indexes }
            }
            (SlotKind::Undelete, (None, None, None, Some(snapshots), None)) => LogBody::Undelete { snapshots },
            (SlotKind::Tag, (None, None, None, None, Some(taggings))) => LogBody::Tag { taggings },
            _ => return Err(malformed("its fields are not those of its kind")),
        };
        Ok(Self { writer, sequence, previous, clock, heads, time, config_generation, body })
    }
}
