// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packs: whether they are there, have the directory that the index says, and, byte by byte, the content that their ids promise.

use std::collections::{HashMap, HashSet};

use keepfast_repo_format::directory::ChunkRow;
use keepfast_repo_format::envelope::{HEADER_LEN, Kind};
use keepfast_repo_format::id::PackId;
use keepfast_repo_format::pack::{self, FOOTER_LEN, Footer, PackRecord};
use keepfast_repo_format::segment::{self, Decompressor};
use keepfast_repo_format::{FormatError, layout};

use super::{Checker, Report};
use crate::error::{Error, Result};
use crate::index::PackSummary;
use crate::repository::object_name;

impl Checker<'_> {
    /// Compares visible packs with stored ones.
    pub(super) fn packs(&self, report: &mut Report) -> Result<Vec<PackSummary>> {
        let listed = self.repository.backend.list(layout::PACKS_FOLDER)?;
        let stored: HashMap<PackId, u64> = listed
            .iter()
            .filter_map(|object| Some((layout::parse_pack(object.name.as_str())?, object.length)))
            .collect();
        let visible = self.repository.index.packs();
        report.packs = visible.len() as u64;
        let known: HashSet<PackId> = visible.iter().map(|pack| pack.id).collect();
        report.unreferenced_packs = stored.keys().filter(|id| !known.contains(id)).count() as u64;
        let mut there = Vec::with_capacity(visible.len());
        for pack in visible {
            match stored.get(&pack.id) {
                Some(length) if *length == pack.length => there.push(pack),
                Some(length) => {
                    self.found(layout::pack(&pack.id), format!("has {length} bytes, the index says {}", pack.length));
                }
                None => self.found(layout::pack(&pack.id), "is missing"),
            }
        }
        Ok(there)
    }

    pub(super) fn pack(&self, summary: &PackSummary, full: bool, decompressor: &mut Decompressor) {
        let name = layout::pack(&summary.id);
        let outcome = match self.repository.index.pack(&summary.id) {
            Ok(Some(record)) if full => self.whole_pack(&record, &name, decompressor),
            Ok(Some(record)) => self.pack_tail(&record, &name),
            Ok(None) => Ok(()),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = outcome {
            self.error(name, &error);
        }
    }

    /// The pack's own directory must be what the index says.
    fn pack_tail(&self, record: &PackRecord, name: &str) -> Result<()> {
        let (backend, object) = (&self.repository.backend, object_name(name));
        let header = backend.get(&object, Some(0..HEADER_LEN as u64))?;
        let tail = backend.get(&object, Some(record.directory.end()..record.length))?;
        self.compare_tail(record, name, &header, &tail)
    }

    fn compare_tail(&self, record: &PackRecord, name: &str, header: &[u8], tail: &[u8]) -> Result<()> {
        let truncated = FormatError::Truncated { what: "pack", needed: HEADER_LEN as u64, found: header.len() as u64 };
        let header = header.first_chunk::<HEADER_LEN>().ok_or(truncated).map_err(Error::object(name))?;
        let footer = tail.last_chunk::<FOOTER_LEN>().ok_or(FormatError::Truncated {
            what: "pack",
            needed: FOOTER_LEN as u64,
            found: tail.len() as u64,
        });
        let footer = footer.and_then(Footer::decode).map_err(Error::object(name))?;
        let start = tail.len().saturating_sub(usize::try_from(footer.tail_len()).unwrap_or(usize::MAX));
        let opened =
            pack::open_directory(&self.repository.keys, header, &tail[start..]).map_err(Error::object(name))?;
        // The session may differ: a pack that was adopted is another one's in the index.
        if (&opened.keys, &opened.directory) != (&record.keys, &record.directory) {
            self.found(name, "its directory is not what the index says");
        }
        Ok(())
    }

    fn whole_pack(&self, record: &PackRecord, name: &str, decompressor: &mut Decompressor) -> Result<()> {
        let bytes = self.repository.backend.get(&object_name(name), None)?;
        if *blake3::hash(&bytes).as_bytes() != record.id.0 {
            self.found(name, "its content does not have the hash in its name");
        }
        let tail_start = usize::try_from(record.directory.end()).unwrap_or(usize::MAX).min(bytes.len());
        self.compare_tail(record, name, &bytes[..HEADER_LEN.min(bytes.len())], &bytes[tail_start..])?;
        let reader = self.repository.reader_of_storage();
        let mut chunks = record.directory.chunks.iter();
        for (number, row) in record.directory.segments.iter().enumerate() {
            let place = || format!("{name}, segment {number}");
            let own: Vec<_> = chunks.by_ref().take(row.chunks as usize).collect();
            let range = row.offset as usize..row.offset as usize + row.stored_len as usize;
            let Some(stored) = bytes.get(range) else {
                self.found(place(), "lies beyond the end of the pack");
                continue;
            };
            let key = &record.keys[usize::from(row.key_row)];
            let plain = reader.session_key(record.kind, key).and_then(|key| {
                let repository = self.repository.id();
                segment::open(&key, &repository, stored.to_vec(), row.codec, row.plain_len, decompressor)
            });
            match plain {
                Ok(plain) => self.chunks(record.kind, &plain, &own, &place),
                Err(error) => self.found(place(), error.to_string()),
            }
        }
        Ok(())
    }

    fn chunks(&self, kind: Kind, plain: &[u8], rows: &[&ChunkRow], place: &dyn Fn() -> String) {
        let keys = &self.repository.keys;
        let mut rest = plain;
        for row in rows {
            let Some((chunk, after)) = rest.split_at_checked(row.length as usize) else {
                self.found(place(), "is shorter than its chunks");
                return;
            };
            rest = after;
            let id = if kind == Kind::TreePack { keys.tree_chunk_id(chunk) } else { keys.data_chunk_id(chunk) };
            if id != row.id {
                self.found(place(), format!("chunk {} does not have the content its id promises", row.id));
            }
        }
    }
}
