// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every slot of every log, fetched once: opened slots are immutable and come from the local index afterwards.
//!
//! For `history` only. A slot is kept there only when no power cut can give its name to other bytes.

use std::collections::{BTreeMap, HashMap, HashSet};

use keepfast_repo_format::generation::Generation;
use keepfast_repo_format::id::{LogHash, WriterId};
use keepfast_repo_format::log::LogSlot;
use keepfast_repo_format::{FormatError, layout};

use super::Access;
use crate::error::Result;

/// A slot with its place and hash.
pub(super) struct Placed {
    pub(super) writer: WriterId,
    pub(super) sequence: u64,
    pub(super) hash: LogHash,
    pub(super) slot: Option<LogSlot>,
}

/// What the log folder holds.
pub(super) struct Slots {
    /// Sorted by writer and sequence.
    pub(super) placed: Vec<Placed>,
    /// Those that could not be opened, and why.
    pub(super) damaged: Vec<(String, FormatError)>,
    /// Ends of logs whose session record still stands: a power cut may take them back.
    pub(super) unsettled: Vec<String>,
}

/// Every slot, sorted by writer and sequence.
pub(super) fn read_slots(access: Access<'_>) -> Result<Slots> {
    let mut slots = Vec::new();
    let mut damaged = Vec::new();
    let mut fetched = Vec::new();
    for object in access.backend.list(layout::LOG_FOLDER)? {
        let name = object.name.as_str();
        let Some((writer, sequence)) = layout::parse_log(name) else { continue };
        let cached = access.index.cached(name)?;
        if let Some((hash, payload)) = cached.as_deref().and_then(|bytes| bytes.split_first_chunk::<32>())
            && let Ok(slot) = LogSlot::from_payload(payload)
        {
            slots.push(Placed { writer, sequence, hash: LogHash(*hash), slot: Some(slot) });
            continue;
        }
        let bytes = access.backend.get(&object.name, None)?;
        let hash = *blake3::hash(&bytes).as_bytes();
        let slot = match LogSlot::open(access.keys, writer, sequence, &bytes) {
            Ok(slot) => {
                fetched.push((writer, sequence, Some([&hash[..], &slot.to_payload()].concat())));
                Some(slot)
            }
            Err(error) => {
                damaged.push((name.to_string(), error));
                fetched.push((writer, sequence, None));
                None
            }
        };
        slots.push(Placed { writer, sequence, hash: LogHash(hash), slot });
    }
    slots.sort_by_key(|placed| (placed.writer, placed.sequence));
    let unsettled = cache_durable(access, &slots, fetched)?;
    Ok(Slots { placed: slots, damaged, unsettled })
}

/// Caches slots that no power cut can take back and give their name to others: those with a successor, and those whose session
/// record is gone, which happens only after the barrier. Returns the names of the others.
fn cache_durable(
    access: Access<'_>,
    slots: &[Placed],
    fetched: Vec<(WriterId, u64, Option<Vec<u8>>)>,
) -> Result<Vec<String>> {
    if fetched.is_empty() {
        return Ok(Vec::new());
    }
    // Listed after the log: a record that is gone by now had its slot made durable.
    let records = access.backend.list(layout::SESSIONS_FOLDER)?;
    let open: HashSet<_> = records.iter().filter_map(|object| layout::parse_session(object.name.as_str())).collect();
    let heads: HashMap<WriterId, u64> = slots.iter().map(|placed| (placed.writer, placed.sequence)).collect();
    let mut unsettled = Vec::new();
    for (writer, sequence, bytes) in fetched {
        let name = layout::log(&writer, sequence);
        if heads.get(&writer) != Some(&sequence) || !open.contains(&(writer, sequence)) {
            bytes.map_or(Ok(()), |bytes| access.index.cache(&name, &bytes))?;
        } else {
            unsettled.push(name);
        }
    }
    Ok(unsettled)
}

/// Slots that do not name the one before them.
pub(super) fn broken_links(slots: &[Placed]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut before: Option<&Placed> = None;
    for placed in slots {
        let expected = before.filter(|before| before.writer == placed.writer);
        let follows = match expected {
            Some(before) => before.sequence + 1 == placed.sequence,
            None => placed.sequence == 0,
        };
        let names = |slot: &LogSlot| slot.previous == expected.map(|before| before.hash);
        if !follows || !placed.slot.as_ref().is_none_or(names) {
            broken.push(layout::log(&placed.writer, placed.sequence));
        }
        before = Some(placed);
    }
    broken
}

/// Slots that other logs quote or the generation has absorbed, and that are not there, or have other bytes.
pub(super) fn lost(slots: &[Placed], generation: &Generation) -> Vec<String> {
    let there: BTreeMap<(WriterId, u64), LogHash> =
        slots.iter().map(|placed| ((placed.writer, placed.sequence), placed.hash)).collect();
    let mut lost = Vec::new();
    for head in slots.iter().filter_map(|placed| placed.slot.as_ref()).flat_map(|slot| &slot.heads) {
        if there.get(&(head.writer, head.sequence)) != Some(&head.hash) {
            lost.push(layout::log(&head.writer, head.sequence));
        }
    }
    for last in &generation.absorbed {
        if !there.contains_key(&(last.writer, last.sequence)) {
            lost.push(layout::log(&last.writer, last.sequence));
        }
    }
    lost.sort();
    lost.dedup();
    lost
}
