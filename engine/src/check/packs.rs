// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packs: whether they are there, have the directory that the index says, and, byte by byte, the content that their ids promise.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use keepfast_repo_format::directory::ChunkRow;
use keepfast_repo_format::envelope::{HEADER_LEN, Kind};
use keepfast_repo_format::id::PackId;
use keepfast_repo_format::pack::{self, FOOTER_LEN, Footer, PackRecord};
use keepfast_repo_format::{FormatError, layout};

use super::{Checker, Report};
use crate::error::{Error, Result, describe};
use crate::index::{Location, PackSummary};
use crate::repository::object_name;

impl Checker<'_> {
    /// Compares visible packs with stored ones. The index then finds only what is in those that are there.
    pub(super) fn packs(&self, report: &mut Report) -> Result<Vec<PackSummary>> {
        let mut stored = self.stored_packs()?;
        let is_there = |stored: &HashMap<PackId, u64>, pack: &PackSummary| stored.get(&pack.id) == Some(&pack.length);
        if !self.repository.index.packs().iter().all(|pack| is_there(&stored, pack)) {
            // A collector may have moved what was in them.
            self.repository.history()?;
            stored = self.stored_packs()?;
        }
        let visible = self.repository.index.packs();
        report.packs = visible.len() as u64;
        let known: HashSet<PackId> = visible.iter().map(|pack| pack.id).collect();
        report.unreferenced_packs = stored.keys().filter(|id| !known.contains(id)).count() as u64;
        let (there, lost): (Vec<_>, Vec<_>) = visible.into_iter().partition(|pack| is_there(&stored, pack));
        for pack in &lost {
            let text = match stored.get(&pack.id) {
                Some(length) => format!("has {length} bytes, the index says {}", pack.length),
                None => "is missing".to_string(),
            };
            self.found(layout::pack(&pack.id), text);
        }
        self.repository.index.exclude_packs(&lost.iter().map(|pack| pack.id).collect());
        Ok(there)
    }

    /// With their lengths.
    fn stored_packs(&self) -> Result<HashMap<PackId, u64>> {
        let listed = self.repository.backend.list(layout::PACKS_FOLDER)?;
        let packs = listed.iter().filter_map(|object| Some((layout::parse_pack(object.name.as_str())?, object.length)));
        Ok(packs.collect())
    }

    pub(super) fn pack(&self, summary: &PackSummary, full: bool) {
        let name = layout::pack(&summary.id);
        let outcome = match self.repository.index.pack(&summary.id) {
            Ok(Some(record)) if full => self.whole_pack(&record, &name),
            Ok(Some(record)) => self.pack_tail(&record, &name),
            Ok(None) => Ok(()),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = outcome {
            let packs = if error.is_no_finding() { &self.unread } else { &self.damaged };
            packs.lock().expect("no holder panics").insert(summary.id);
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

    fn whole_pack(&self, record: &Arc<PackRecord>, name: &str) -> Result<()> {
        let bytes = self.repository.backend.get(&object_name(name), None)?;
        if *blake3::hash(&bytes).as_bytes() != record.id.0 {
            self.damaged_pack(record.id);
            self.found(name, "its content does not have the hash in its name");
        }
        let tail_start = usize::try_from(record.directory.end()).unwrap_or(usize::MAX).min(bytes.len());
        self.compare_tail(record, name, &bytes[..HEADER_LEN.min(bytes.len())], &bytes[tail_start..])?;
        let mut chunks = record.directory.chunks.iter();
        for (number, row) in record.directory.segments.iter().enumerate() {
            let place = || format!("{name}, segment {number}");
            let own: Vec<_> = chunks.by_ref().take(row.chunks as usize).collect();
            let range = row.offset as usize..row.offset as usize + row.stored_len as usize;
            let Some(stored) = bytes.get(range) else {
                self.found(place(), "lies beyond the end of the pack");
                continue;
            };
            match self.reader.open_delta(record, number, stored.to_vec()) {
                Ok(plain) => self.chunks(record.kind, &plain, &own, &place),
                // The bases of a dead delta are deleted like anything dead. What is live in it is named by who needs it.
                Err(Error::Base { .. }) if self.lacks_a_base(record, number)? => {}
                Err(error) if error.is_damage() => {
                    self.segments.lock().expect("no holder panics").insert((record.id, number as u32));
                    self.found(place(), of_segment(&error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn lacks_a_base(&self, record: &Arc<PackRecord>, segment: usize) -> Result<bool> {
        let location = Location { pack: record.clone(), segment: segment as u32, offset: 0, length: 0 };
        Ok(self.repository.index.lacking(&location)?.is_some())
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

/// What is wrong with a segment, whose pack is named already.
fn of_segment(error: &Error) -> String {
    match error {
        Error::Object { source, .. } => source.to_string(),
        error => describe(error),
    }
}
