// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a worker does with a batch: finds out the ids of its chunks, and which of them the repository has.

use std::ops::Range;

use crossbeam_channel::Receiver;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::manifest::Problem;
use keepfast_repo_format::tree::entry::ContentItem;

use super::Plan;
use super::scan::{Batch, Part, Scanned};
use crate::error::Result;
use crate::writer::Writer;

/// Results of a batch, when a worker is done with it.
pub(super) type Step = Receiver<Result<Hashed>>;

/// A batch with ids.
pub(super) struct Hashed {
    pub(super) parts: Vec<Ready>,
    pub(super) buffer: Vec<u8>,
}

/// A part with its id.
pub(super) enum Ready {
    /// A piece of content; the range of the buffer that holds it if the repository does not.
    Item(ContentItem, Option<Range<usize>>),
    /// A member whose content were the items before it.
    Member(Box<Scanned>),
    /// Something that could not be taken as it is.
    Problem(Problem),
    /// The archive has been read to its end.
    End,
}

pub(super) fn hash(plan: &Plan, writer: &Writer, batch: Batch) -> Result<Hashed> {
    let Batch { parts, buffer } = batch;
    let ready = parts.into_iter().map(|part| {
        Ok(match part {
            Part::Chunk(range) => {
                let id = plan.repository.keys.data_chunk_id(&buffer[range.clone()]);
                let item = ContentItem { length: range.len() as u64, id: Some(id) };
                Ready::Item(item, (!writer.is_known(Kind::DataPack, &id)?).then_some(range))
            }
            Part::Hole(length) => Ready::Item(ContentItem { length, id: None }, None),
            Part::Member(scanned) => Ready::Member(scanned),
            Part::Problem(problem) => Ready::Problem(problem),
            Part::End => Ready::End,
        })
    });
    Ok(Hashed { parts: ready.collect::<Result<_>>()?, buffer })
}
