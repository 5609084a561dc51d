// SPDX-License-Identifier: MIT OR Apache-2.0
//! Session records (`docs/format.md` section 10): a writer says that it is at work, and which log slot it holds.
//!
//! For backup, prune and the next run of the same writer. Decides nothing.

use minicbor::{Decode, Encode};

use crate::envelope::Kind;
use crate::error::FormatError;
use crate::id::{SessionId, WriterId};
use crate::keys::Keys;
use crate::record::{from_cbor, open_structure, seal_structure, to_cbor};

const WHAT: &str = "session record";

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Role {
    /// It deletes: other collectors do not wait for it.
    #[n(1)]
    Collector,
}

/// An open session.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SessionRecord {
    /// Whose session it is.
    #[n(0)]
    pub writer: WriterId,
    /// The log slot it holds.
    #[n(1)]
    pub sequence: u64,
    /// Names the session in packs and in the log.
    #[n(2)]
    pub session: SessionId,
    /// Where it runs, for people.
    #[n(3)]
    pub host: String,
    /// Who runs it, for people.
    #[n(4)]
    pub user: String,
    /// Process id on that host.
    #[n(5)]
    pub process_id: u32,
    /// When it began by that host's clock, in Unix seconds; for people, never to decide by.
    #[n(6)]
    pub started: u64,
    /// Program and version.
    #[n(7)]
    pub program: String,
    /// `None`: a writer.
    #[n(8)]
    pub role: Option<Role>,
}

impl SessionRecord {
    /// The record as an object.
    pub fn seal(&self, keys: &Keys) -> Vec<u8> {
        seal_structure(keys, Kind::Session, &to_cbor(self))
    }

    /// Opens the record that stands at (`writer`, `sequence`).
    ///
    /// # Errors
    /// As [`open_structure`]; malformed; wrong place when it was made for another name.
    pub fn open(keys: &Keys, writer: WriterId, sequence: u64, object: &[u8]) -> Result<Self, FormatError> {
        let record: Self = from_cbor(&open_structure(keys, Kind::Session, object)?, WHAT)?;
        check_place(WHAT, (writer, sequence), (record.writer, record.sequence))?;
        Ok(record)
    }
}

/// Refuses an object that was moved to another name.
pub(crate) fn check_place(
    what: &'static str,
    expected: (WriterId, u64),
    found: (WriterId, u64),
) -> Result<(), FormatError> {
    if expected == found {
        return Ok(());
    }
    let [expected, found] = [expected, found].map(|(writer, sequence)| format!("{writer}/{sequence}"));
    Err(FormatError::WrongPlace { what, expected, found })
}
