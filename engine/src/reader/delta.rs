// SPDX-License-Identifier: MIT OR Apache-2.0
//! Base chunks of delta segments: found, and put together as the prefix that a segment is opened with (`docs/format.md` section 6).
//!
//! They are not compared with their ids here: that the chunk that is asked for has its own id proves the prefix as well.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::pack::PackRecord;
use keepfast_repo_format::segment::{Codec, MAX_DELTA_STEPS, MAX_PREFIX_BYTES};
use keepfast_repo_format::{FormatError, layout};

use super::{Reader, Sees};
use crate::error::{Error, Result};
use crate::index::Location;

/// Plaintext that may be decoded for one segment, in bytes: far more than any writer needs (`engine/src/writer/delta.rs`), and what
/// keeps a hostile repository, whose segments each refer to many others, from keeping a reader busy for ever.
const MAX_DECODED_BYTES: u64 = 256 << 20;

/// What may still be spent on the base chunks of one segment.
pub(super) struct Allowance {
    steps: u32,
    bytes: u64,
    /// Base chunks that are damaged everywhere, with so many steps, and so with fewer: however many copies there are, no way is gone
    /// twice for them.
    failed: HashMap<ChunkId, u32>,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { steps: MAX_DELTA_STEPS, bytes: MAX_DECODED_BYTES, failed: HashMap::new() }
    }
}

/// Memory that prefixes were in, for the next ones: fresh memory costs as much as filling it.
#[derive(Default)]
pub(super) struct Prefixes(Mutex<Vec<Vec<u8>>>);

/// Prefixes whose memory is kept: as many as there are threads, with some steps each.
const MAX_KEPT: usize = 8;

impl Prefixes {
    fn take(&self) -> Vec<u8> {
        self.0.lock().expect("no holder panics").pop().unwrap_or_default()
    }

    pub(super) fn give_back(&self, mut prefix: Vec<u8>) {
        prefix.clear();
        let mut kept = self.0.lock().expect("no holder panics");
        if kept.len() < MAX_KEPT && prefix.capacity() > 0 {
            kept.push(prefix);
        }
    }
}

impl Reader {
    /// The plaintext of a segment of a pack, from its stored bytes; its chunks are not compared with their ids.
    ///
    /// # Errors
    /// It can not be opened, or a base chunk of it can not be had from anywhere.
    pub fn open_delta(&self, record: &PackRecord, segment: usize, stored: Vec<u8>) -> Result<Vec<u8>> {
        let seen = self.refreshes.load(Ordering::Acquire);
        let prefix = match self.prefix(record, segment, &mut Allowance::default()) {
            // A collector may have moved the bases while this program was at work.
            Err(error) if error.is_not_found() && !self.is_lost(&record.id) => {
                self.refresh(seen)?;
                self.prefix(record, segment, &mut Allowance::default()).inspect_err(|_| self.note_lost(record.id))?
            }
            prefix => prefix?,
        };
        let plain = self.open_segment(record, segment, stored, &prefix);
        self.prefixes.give_back(prefix);
        plain
    }

    /// The base chunks of a segment, one after the other, in memory that is to be given back.
    pub(super) fn prefix(&self, record: &PackRecord, segment: usize, allowance: &mut Allowance) -> Result<Vec<u8>> {
        if record.directory.segments[segment].codec != Codec::Delta {
            return Ok(Vec::new());
        }
        let plain_len = u64::from(record.directory.segments[segment].plain_len);
        let spent = allowance.bytes.checked_sub(plain_len).zip(allowance.steps.checked_sub(1));
        let Some((bytes, steps)) = spent else {
            return Err(refused(record, "its base chunks lie deeper than any writer puts them, or in a circle"));
        };
        allowance.bytes = bytes;
        let mut prefix = self.prefixes.take();
        for id in record.directory.edges_of(segment) {
            allowance.steps = steps;
            let fail = |error| Error::Base { object: layout::pack(&record.id), id: *id, source: Box::new(error) };
            self.append_base(record, id, &mut prefix, allowance).map_err(fail)?;
        }
        Ok(prefix)
    }

    /// Appends a base chunk, from wherever it can be had.
    fn append_base(
        &self,
        record: &PackRecord,
        id: &ChunkId,
        prefix: &mut Vec<u8>,
        allowance: &mut Allowance,
    ) -> Result<()> {
        let steps = allowance.steps;
        if allowance.failed.get(id).is_some_and(|failed| steps <= *failed) {
            return Err(refused(record, "a base chunk of it can not be had"));
        }
        let found = match (self.index.find(record.kind, id)?, self.sees) {
            (None, Sees::All) => self.index.find_excluded(record.kind, id)?,
            (found, _) => found,
        };
        let first = found.ok_or(Error::MissingChunk { id: *id })?;
        let first_outcome = self.append_from(&first, id, prefix, allowance);
        if first_outcome.is_ok() {
            return first_outcome;
        }
        let others = self
            .index
            .find_all(record.kind, id)?
            .into_iter()
            .filter(|other| other.segment_key() != first.segment_key());
        let others = others.map(|other| {
            allowance.steps = steps;
            (other.pack.id, self.append_from(&other, id, prefix, allowance))
        });
        let (_, outcome) = self.whole_or_said((first.pack.id, first_outcome), others);
        // What can not be read now is no damage later on either.
        if outcome.as_ref().is_err_and(Error::is_damage) {
            allowance.failed.insert(*id, steps);
        }
        outcome
    }

    fn append_from(
        &self,
        location: &Location,
        id: &ChunkId,
        prefix: &mut Vec<u8>,
        allowance: &mut Allowance,
    ) -> Result<()> {
        if prefix.len() + location.length as usize > MAX_PREFIX_BYTES {
            return Err(refused(&location.pack, "more base chunks than the format permits"));
        }
        let segment = self.segment_within(location, allowance)?;
        let range = location.offset as usize..location.offset as usize + location.length as usize;
        let bytes = segment.get(range).ok_or_else(|| super::wrong_content(id))?;
        prefix.extend_from_slice(bytes);
        Ok(())
    }
}

fn refused(record: &PackRecord, why: &str) -> Error {
    let source = FormatError::Malformed { what: "delta segment", why: why.to_string() };
    Error::Object { object: layout::pack(&record.id), source }
}
