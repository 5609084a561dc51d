// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a worker does with a batch: reads the source's chunks, which proves their ids, and finds out their ids in the target and
//! whether it has them.

use std::ops::Range;

use keepfast_repo_format::FormatError;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::tree::entry::{ContentItem, Entry};

use super::sequence::Part;
use super::{Failure, Plan};
use crate::error::{Error, Result};
use crate::writer::Writer;

/// A batch in the words of the target.
pub(super) struct Translated {
    /// In tree order.
    pub(super) parts: Vec<Ready>,
    /// The chunks that the target does not have, one after the other.
    pub(super) buffer: Vec<u8>,
}

/// A part in the words of the target.
pub(super) enum Ready {
    /// A piece of content; the range of the buffer that holds it if the target does not.
    Item(ContentItem, Option<Range<usize>>),
    /// A content or recipe ends.
    End,
    /// An entry whose content and recipes were the items before it.
    Entry(Entry),
    /// An entry with its content.
    Kept(Entry),
}

/// Translates a batch.
pub(super) fn translate(plan: &Plan, writer: &Writer, batch: Vec<Part>) -> Result<Translated, Failure> {
    let mut translated = Translated { parts: Vec::with_capacity(batch.len()), buffer: Vec::new() };
    for part in batch {
        if plan.events.cancelled() {
            return Err(Failure::Target(Error::Cancelled));
        }
        let ready = match part {
            Part::Item(ContentItem { length, id: Some(id) }) => {
                let (id, new) = chunk(plan, writer, &id, length, &mut translated.buffer)?;
                Ready::Item(ContentItem { length, id: Some(id) }, new)
            }
            Part::Item(hole) => Ready::Item(hole, None),
            Part::End => Ready::End,
            Part::Entry(entry) => Ready::Entry(entry),
            Part::Kept(entry) => Ready::Kept(entry),
        };
        translated.parts.push(ready);
    }
    Ok(translated)
}

/// The chunk's id in the target, and its bytes in the buffer if they are new there.
fn chunk(
    plan: &Plan,
    writer: &Writer,
    old: &ChunkId,
    length: u64,
    buffer: &mut Vec<u8>,
) -> Result<(ChunkId, Option<Range<usize>>), Failure> {
    if let Some((new, round)) = plan.known.get(old) {
        // Learned in this session, it is on its way; learned before, it may be condemned by now.
        if round == plan.round || writer.is_known(Kind::DataPack, &new)? {
            return Ok((new, None));
        }
    }
    let chunk = plan.reader.data_chunk(old).map_err(Failure::Source)?;
    if chunk.len() as u64 != length {
        let why = format!("it has {} bytes, the tree says {length}", chunk.len());
        return Err(Failure::Source(Error::Node { id: *old, source: FormatError::Malformed { what: "chunk", why } }));
    }
    let new = plan.target.keys.data_chunk_id(&chunk);
    let is_new = !writer.is_known(Kind::DataPack, &new)?;
    let range = is_new.then(|| {
        let start = buffer.len();
        buffer.extend_from_slice(&chunk);
        start..buffer.len()
    });
    plan.known.insert(*old, (new, plan.round));
    Ok((new, range))
}
