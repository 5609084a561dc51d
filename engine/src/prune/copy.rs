// SPDX-License-Identifier: MIT OR Apache-2.0
//! Copying out: what is live in a condemned pack and nowhere safe goes into new packs of the collector's session.
//!
//! For a round, one pack at a time; [`super::finder`] says what. Everything that is copied was opened and hashed first.

use keepfast_repo_format::directory::ChunkRow;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::layout;
use keepfast_repo_format::pack::PackRecord;
use keepfast_repo_format::segment::{Codec, Sealed};

use super::fetch::each_segment;
use super::finder::Needed;
use super::usage::MoveAsIs;
use super::{OnDamage, PruneError};
use crate::error::{Error, Result, describe};
use crate::events::Events;
use crate::pool::Scratch;
use crate::reader::Reader;
use crate::repository::{Repository, object_name};
use crate::writer::{Numbering, OpenSegment, Writer};

/// Copies chunks into the packs of a session.
pub(super) struct Copier<'a> {
    repository: &'a Repository,
    reader: &'a Reader,
    writer: &'a Writer,
    move_as_is: MoveAsIs,
    on_damage: OnDamage,
    events: &'a dyn Events,
    scratch: Scratch,
    open: [OpenSegment; 2],
    numbering: Numbering,
    /// Live chunks that could not be read from anywhere, and were given up.
    pub(super) given_up: u64,
}

impl<'a> Copier<'a> {
    pub(super) fn new(
        repository: &'a Repository,
        reader: &'a Reader,
        writer: &'a Writer,
        (move_as_is, on_damage): (MoveAsIs, OnDamage),
        events: &'a dyn Events,
    ) -> Self {
        let open = [Kind::DataPack, Kind::TreePack].map(OpenSegment::new);
        let scratch = Scratch::new();
        Self {
            repository,
            reader,
            writer,
            move_as_is,
            on_damage,
            events,
            scratch,
            open,
            numbering: Numbering::default(),
            given_up: 0,
        }
    }

    /// Copies what is needed of one pack.
    pub(super) fn pack(&mut self, needed: &Needed) -> Result<()> {
        let record = &needed.record;
        let segments = &record.directory.segments;
        // Where the chunks of each segment begin.
        let starts: Vec<usize> =
            segments.iter().scan(0, |next, row| Some(std::mem::replace(next, *next + row.chunks as usize))).collect();
        let chunks = |number: usize| starts[number]..starts[number] + segments[number].chunks as usize;
        let is_wanted = |number| needed.chunks[chunks(number)].contains(&true);
        let name = object_name(&layout::pack(&record.id));
        let backend = self.repository.backend.clone();
        each_segment(backend.as_ref(), &name, segments, is_wanted, |number, bytes| {
            if self.events.cancelled() {
                return Err(Error::Cancelled);
            }
            let (rows, wanted) = (&record.directory.chunks[chunks(number)], &needed.chunks[chunks(number)]);
            self.segment(record, number, bytes, (rows, wanted))
        })?;
        self.events.path_done(b"", record.length);
        Ok(())
    }

    /// Seals what is left.
    pub(super) fn finish(mut self) -> Result<u64> {
        for kind in [Kind::DataPack, Kind::TreePack] {
            self.seal(kind);
        }
        self.writer.check()?;
        Ok(self.given_up)
    }

    /// `read` holds the stored bytes, if they could be read with those of its neighbours.
    fn segment(
        &mut self,
        record: &PackRecord,
        number: usize,
        read: Option<&[u8]>,
        (rows, wanted): (&[ChunkRow], &[bool]),
    ) -> Result<()> {
        let row = &record.directory.segments[number];
        let (stored, plain) = match self.open_segment(record, number, read, (rows, wanted)) {
            Ok(opened) => opened,
            Err(error) if error.is_damage() => return self.take_from_elsewhere(record, rows, wanted, &error),
            Err(error) => return Err(error),
        };
        let bytes = |(chunk, wanted): (&ChunkRow, &bool)| if *wanted { u64::from(chunk.length) } else { 0 };
        let live: u64 = rows.iter().zip(wanted).map(bytes).sum();
        let edges = record.directory.edges_of(number);
        if self.move_as_is.takes(live, row.plain_len.into()) {
            let sealed = Sealed { stored, codec: row.codec, plain_len: row.plain_len };
            let key = record.keys[usize::from(row.key_row)];
            return self.writer.push_sealed(record.kind, sealed, key, rows, edges);
        }
        if row.codec == Codec::Delta {
            return self.write_delta_anew(record.kind, &plain, rows, wanted, edges);
        }
        let mut rest = &plain[..];
        for (chunk, wanted) in rows.iter().zip(wanted) {
            let (bytes, after) = rest.split_at(chunk.length as usize);
            rest = after;
            if *wanted {
                self.add(record.kind, chunk.id, bytes)?;
            }
        }
        Ok(())
    }

    /// What is wanted of a delta segment becomes a segment of its own, with the same bases: they are live as long as it is, and chains grow no
    /// longer. Alone, where that is not much larger.
    fn write_delta_anew(
        &mut self,
        kind: Kind,
        plain: &[u8],
        rows: &[ChunkRow],
        wanted: &[bool],
        edges: &[ChunkId],
    ) -> Result<()> {
        let mut segment = OpenSegment::new(kind);
        segment.set_bases(edges);
        let mut rest = plain;
        for (chunk, wanted) in rows.iter().zip(wanted) {
            let (bytes, after) = rest.split_at(chunk.length as usize);
            rest = after;
            if *wanted {
                segment.add(chunk.id, bytes);
            }
        }
        self.close(segment);
        self.writer.check()
    }

    /// The stored bytes of a segment and its plaintext, in which every wanted chunk was found whole.
    fn open_segment(
        &self,
        record: &PackRecord,
        number: usize,
        read: Option<&[u8]>,
        (rows, wanted): (&[ChunkRow], &[bool]),
    ) -> Result<(Vec<u8>, Vec<u8>)> {
        let name = layout::pack(&record.id);
        let row = &record.directory.segments[number];
        let range = u64::from(row.offset)..u64::from(row.offset) + u64::from(row.stored_len);
        let stored = match read {
            Some(read) => read.to_vec(),
            None => self.repository.backend.get(&object_name(&name), Some(range))?,
        };
        let plain = self.reader.open_delta(record, number, stored.clone())?;
        let mut rest = &plain[..];
        for (chunk, wanted) in rows.iter().zip(wanted) {
            let (bytes, after) = rest.split_at(chunk.length as usize);
            rest = after;
            if *wanted && !self.has_id(record.kind, &chunk.id, bytes) {
                let source = keepfast_repo_format::FormatError::ChunkContent { id: chunk.id };
                return Err(Error::Object { object: layout::pack(&record.id), source });
            }
        }
        Ok((stored, plain))
    }

    /// The segment can not be read here. Perhaps another pack that is there has its chunks, condemned or not.
    fn take_from_elsewhere(
        &mut self,
        record: &PackRecord,
        rows: &[ChunkRow],
        wanted: &[bool],
        cause: &Error,
    ) -> Result<()> {
        for (chunk, _) in rows.iter().zip(wanted).filter(|(_, wanted)| **wanted) {
            let found = match record.kind {
                Kind::TreePack => self.reader.tree_chunk(&chunk.id),
                _ => self.reader.data_chunk(&chunk.id),
            };
            match found {
                Ok(bytes) => self.add(record.kind, chunk.id, &bytes)?,
                Err(error) if error.is_damage() && self.on_damage == OnDamage::Ignore => self.given_up += 1,
                Err(error) if error.is_damage() => {
                    let (pack, why) = (layout::pack(&record.id), describe(cause));
                    return Err(PruneError::UnreadableChunk { pack, id: chunk.id.to_string(), why }.into());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn has_id(&self, kind: Kind, id: &ChunkId, bytes: &[u8]) -> bool {
        let keys = &self.repository.keys;
        *id == if kind == Kind::TreePack { keys.tree_chunk_id(bytes) } else { keys.data_chunk_id(bytes) }
    }

    fn add(&mut self, kind: Kind, id: ChunkId, bytes: &[u8]) -> Result<()> {
        let open = &mut self.open[usize::from(kind == Kind::TreePack)];
        open.add(id, bytes);
        if open.plain_len() >= self.writer.segment_target(kind) {
            self.seal(kind);
        }
        self.writer.check()
    }

    fn seal(&mut self, kind: Kind) {
        let open = &mut self.open[usize::from(kind == Kind::TreePack)];
        if open.plain_len() > 0 {
            let full = std::mem::replace(open, OpenSegment::new(kind));
            self.close(full);
        }
    }

    fn close(&mut self, mut full: OpenSegment) {
        self.numbering.close(&mut full);
        self.writer.seal(full, &mut self.scratch);
    }
}
