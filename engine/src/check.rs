// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checking a repository: that everything visible is there and readable, from the log down to single chunks. Changes nothing.
//!
//! Structure: log chains, key slots, index objects, every visible pack's length and directory, every snapshot's tree with all
//! chunks it refers to. With data: every byte of the chosen packs, hashed, opened, decompressed, compared with its id.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use keepfast_repo_format::envelope::{HEADER_LEN, Kind};
use keepfast_repo_format::id::{ChunkId, PackId};
use keepfast_repo_format::pack::{self, FOOTER_LEN, Footer, PackRecord};
use keepfast_repo_format::segment::{self, Decompressor};
use keepfast_repo_format::tree::entry::{Content, FileType};
use keepfast_repo_format::tree::{inner, leaf, list};
use keepfast_repo_format::{FormatError, layout};

use crate::error::{Error, Result};
use crate::events::Events;
use crate::history::{History, Snapshot};
use crate::index::PackSummary;
use crate::pool::Pool;
use crate::reader::Reader;
use crate::repository::{Repository, list_slots, object_name};

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ReadData {
    /// Structure only.
    None,
    /// All packs.
    All,
    /// The `part`th of `of` equal parts, from 1; over `of` runs every pack is read once.
    Part {
        /// Which.
        part: u32,
        /// Of how many.
        of: u32,
    },
    /// This share of the packs, chosen by `seed`.
    Share {
        /// 0.0 to 1.0.
        share: f64,
        /// Another seed chooses other packs.
        seed: u64,
    },
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The object, or the snapshot and path, it concerns.
    pub place: String,
    /// What is wrong.
    pub text: String,
}

/// What was checked, and what was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Visible snapshots.
    pub snapshots: u64,
    /// Visible packs.
    pub packs: u64,
    /// Packs of which every byte was read.
    pub packs_read: u64,
    /// Tree nodes read.
    pub nodes: u64,
    /// Stored bytes of the packs that were read.
    pub bytes_read: u64,
    /// Packs that are stored but not visible: leftovers of sessions that did not commit. Harmless.
    pub unreferenced_packs: u64,
    /// Sessions that are open now.
    pub open_sessions: u64,
    /// Everything that is wrong.
    pub findings: Vec<Finding>,
}

/// Checks the repository.
///
/// # Errors
/// The storage failed or the user cancelled; damage is in the report.
pub fn check(repository: &Repository, read: ReadData, threads: usize, events: &dyn Events) -> Result<Report> {
    let history = repository.history()?;
    let checker = Checker { repository, findings: Mutex::default(), events };
    let mut report = Report::default();
    checker.log(&history);
    checker.keys()?;
    let (snapshots, damaged) = history.snapshots(repository)?;
    damaged.iter().for_each(|error| checker.error("snapshot", error));
    report.snapshots = (snapshots.len() + damaged.len()) as u64;
    let packs = checker.packs(&mut report)?;
    report.open_sessions = repository.backend.list(layout::SESSIONS_FOLDER)?.len() as u64;
    let chosen: Vec<PackSummary> = packs.iter().filter(|pack| is_chosen(&pack.id, read)).copied().collect();
    events.expected(packs.len() as u64, chosen.iter().map(|pack| pack.length).sum());
    let bytes_read = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let pool = Pool::start(scope, threads, 1);
        for pack in &packs {
            let full = is_chosen(&pack.id, read);
            let (checker, bytes_read) = (&checker, &bytes_read);
            pool.normal(move |scratch| {
                if !events.cancelled() {
                    checker.pack(pack, full, &mut scratch.decompressor);
                    if full {
                        bytes_read.fetch_add(pack.length, Ordering::Relaxed);
                    }
                    events.path_done(b"", if full { pack.length } else { 0 });
                }
            });
        }
        report.nodes = checker.trees(&snapshots)?;
        Ok::<_, Error>(())
    })?;
    if events.cancelled() {
        return Err(Error::Cancelled);
    }
    report.packs_read = chosen.len() as u64;
    report.bytes_read = bytes_read.into_inner();
    report.findings = checker.findings.into_inner().expect("no holder panics");
    report.findings.sort_by(|a, b| (&a.place, &a.text).cmp(&(&b.place, &b.text)));
    Ok(report)
}

fn is_chosen(id: &PackId, read: ReadData) -> bool {
    let number = id.0.first_chunk::<8>().map_or(0, |first| u64::from_le_bytes(*first));
    match read {
        ReadData::None => false,
        ReadData::All => true,
        ReadData::Part { part, of } => number % u64::from(of.max(1)) == u64::from(part.saturating_sub(1)),
        ReadData::Share { share, seed } => {
            let mut hasher = DefaultHasher::new();
            (number, seed).hash(&mut hasher);
            (hasher.finish() as f64) < share * u64::MAX as f64
        }
    }
}

struct Checker<'a> {
    repository: &'a Repository,
    findings: Mutex<Vec<Finding>>,
    events: &'a dyn Events,
}

impl Checker<'_> {
    fn found(&self, place: impl Into<String>, text: impl Into<String>) {
        let finding = Finding { place: place.into(), text: text.into() };
        self.findings.lock().expect("no holder panics").push(finding);
    }

    fn error(&self, place: impl Into<String>, error: &Error) {
        self.found(place, crate::restore::describe(error));
    }

    fn log(&self, history: &History) {
        for (slot, error) in history.damaged() {
            self.found(slot.clone(), error.to_string());
        }
        for slot in history.broken_links() {
            self.found(slot.clone(), "does not follow the slot before it: a slot was lost or replaced");
        }
    }

    fn keys(&self) -> Result<()> {
        match list_slots(self.repository.backend.as_ref(), self.repository.id()) {
            Ok(_) => Ok(()),
            Err(error) if error.is_damage() => {
                self.error("keys", &error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Compares visible packs with stored ones.
    fn packs(&self, report: &mut Report) -> Result<Vec<PackSummary>> {
        let listed = self.repository.backend.list(layout::PACKS_FOLDER)?;
        let stored: std::collections::HashMap<PackId, u64> = listed
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

    fn pack(&self, summary: &PackSummary, full: bool, decompressor: &mut Decompressor) {
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
        let opened = pack::open_directory(&self.repository.keys, header, &tail[start..]).map_err(Error::object(name))?;
        if (&opened.keys, &opened.directory, opened.session) != (&record.keys, &record.directory, record.session) {
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
        let reader = self.repository.reader();
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

    fn chunks(&self, kind: Kind, plain: &[u8], rows: &[&keepfast_repo_format::directory::ChunkRow], place: &dyn Fn() -> String) {
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

    /// Walks every snapshot's tree, each node once; returns how many there are.
    fn trees(&self, snapshots: &[Snapshot]) -> Result<u64> {
        let reader = self.repository.reader();
        let mut seen = Seen::default();
        for snapshot in snapshots {
            let short = snapshot.id.to_string()[..8].to_string();
            self.node(&reader, snapshot.manifest.root, snapshot.manifest.root_level, &short, &mut seen)?;
        }
        Ok(seen.nodes.len() as u64)
    }

    /// Depth is bounded by the level, which goes down by one at each step.
    fn node(&self, reader: &Reader, id: ChunkId, level: u8, snapshot: &str, seen: &mut Seen) -> Result<()> {
        if self.events.cancelled() {
            return Err(Error::Cancelled);
        }
        if !seen.nodes.insert(id) {
            return Ok(());
        }
        let place = || format!("snapshot {snapshot}, tree node {id}");
        let node = match reader.tree_chunk(&id) {
            Ok(node) => node,
            Err(error) if error.is_damage() => {
                self.error(place(), &error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if level == 0 {
            match leaf::decode(&node) {
                Ok(entries) => {
                    for entry in entries.iter().filter(|entry| entry.metadata.file_type == FileType::File) {
                        self.content(reader, &entry.content, snapshot, &|| entry.path(), seen)?;
                    }
                }
                Err(error) => self.found(place(), error.to_string()),
            }
            return Ok(());
        }
        match inner::decode(&node) {
            Ok((found, children)) if found == level => {
                for child in children {
                    self.node(reader, child.id, level - 1, snapshot, seen)?;
                }
            }
            Ok((found, _)) => self.found(place(), format!("has level {found}, expected {level}")),
            Err(error) => self.found(place(), error.to_string()),
        }
        Ok(())
    }

    fn content(
        &self,
        reader: &Reader,
        content: &Content,
        snapshot: &str,
        path: &dyn Fn() -> Vec<u8>,
        seen: &mut Seen,
    ) -> Result<()> {
        let place = || format!("snapshot {snapshot}, {}", String::from_utf8_lossy(&path()));
        for id in content.items.iter().filter_map(|item| item.id) {
            if content.height == 0 {
                if seen.data.insert(id) && reader.index().find(Kind::DataPack, &id)?.is_none() {
                    seen.data.remove(&id);
                    self.found(place(), format!("chunk {id} is in no pack that the index knows"));
                }
                continue;
            }
            if !seen.nodes.insert(id) {
                continue;
            }
            let items = reader.tree_chunk(&id).and_then(|node| {
                list::decode(&node).map_err(|source| Error::Node { id, source })
            });
            match items {
                Ok((level, items)) if level + 1 == content.height => {
                    self.content(reader, &Content { height: level, items }, snapshot, path, seen)?;
                }
                Ok((level, _)) => self.found(place(), format!("list node {id} has level {level}")),
                Err(error) if error.is_damage() => self.error(place(), &error),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What has been visited; nodes and chunks are shared between snapshots.
#[derive(Default)]
struct Seen {
    nodes: HashSet<ChunkId>,
    data: HashSet<ChunkId>,
}
