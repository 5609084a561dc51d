// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checking a repository: that everything visible is there and readable, from the log down to single chunks. Changes nothing.
//!
//! Structure: log chains, key slots, index objects, every visible pack's length and directory, every snapshot's tree with all
//! chunks it refers to. With data: every byte of the chosen packs, hashed, opened, decompressed, compared with its id.

mod packs;
mod stored;
mod trees;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use keepfast_repo_format::id::{PackId, SnapshotId};
use keepfast_repo_format::layout;

use crate::error::{Error, Result, describe};
use crate::events::Events;
use crate::index::PackSummary;
use crate::pool::Pool;
use crate::reader::Reader;
use crate::repository::{Repository, list_slots};
use crate::session::damage;

/// Findings that are listed; beyond them they are counted. A few hostile nodes can be wrong in millions of places.
const MAX_FINDINGS: usize = 100_000;

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

/// What became of the note for the next backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// It is there.
    Written,
    /// It could not be written, and why.
    Failed(String),
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
    /// Visible snapshots that are not whole, those without a manifest apart; oldest first.
    pub damaged_snapshots: Vec<SnapshotId>,
    /// Packs that are there and damaged.
    pub damaged_packs: u64,
    /// Whether backups of this machine will store again what they find of what the damaged packs hold.
    pub note: Option<Note>,
    /// Everything that is wrong; a hundred thousand findings, and how many more there are.
    pub findings: Vec<Finding>,
}

/// Checks the repository.
///
/// # Errors
/// The storage failed or the user cancelled; damage is in the report.
pub fn check(repository: &Repository, read: ReadData, threads: usize, events: &dyn Events) -> Result<Report> {
    let history = repository.history()?;
    let (findings, unlisted) = (Mutex::default(), AtomicU64::new(0));
    let (reader, damaged, unread) = (repository.reader_of_storage(), Mutex::default(), Mutex::default());
    let segments = Mutex::default();
    let checker = Checker { repository, reader, findings, unlisted, damaged, unread, segments, events };
    let mut report = Report::default();
    checker.stored_log(&history)?;
    checker.keys()?;
    let (snapshots, damaged) = history.snapshots(repository)?;
    damaged.iter().for_each(|error| checker.error("snapshot", error));
    checker.stored_manifests(&snapshots)?;
    report.snapshots = (snapshots.len() + damaged.len()) as u64;
    let packs = checker.packs(&mut report)?;
    report.open_sessions = repository.backend.list(layout::SESSIONS_FOLDER)?.len() as u64;
    let chosen = choose(&packs, read);
    events.expected(packs.len() as u64, chosen.iter().map(|pack| pack.length).sum());
    let (bytes_read, whole) = (AtomicU64::new(0), chosen.iter().map(|pack| pack.id).collect::<HashSet<_>>());
    std::thread::scope(|scope| {
        let pool = Pool::start(scope, threads);
        for pack in &packs {
            let full = whole.contains(&pack.id);
            let (checker, bytes_read) = (&checker, &bytes_read);
            pool.normal(move |_| {
                if !events.cancelled() {
                    checker.pack(pack, full);
                    if full {
                        bytes_read.fetch_add(pack.length, Ordering::Relaxed);
                    }
                    events.path_done(b"", if full { pack.length } else { 0 });
                }
            });
        }
    });
    // Behind the packs: then it is known which segments no file can be read from.
    (report.nodes, report.damaged_snapshots) = checker.trees(&snapshots)?;
    if events.cancelled() {
        return Err(Error::Cancelled);
    }
    report.note = checker.note(&chosen);
    report.damaged_packs = checker.damaged.lock().expect("no holder panics").len() as u64;
    report.packs_read = chosen.len() as u64;
    report.bytes_read = bytes_read.into_inner();
    report.findings = checker.findings.into_inner().expect("no holder panics");
    report.findings.sort_by(|a, b| (&a.place, &a.text).cmp(&(&b.place, &b.text)));
    let unlisted = checker.unlisted.into_inner();
    if unlisted > 0 {
        let (place, text) = ("repository".to_string(), format!("{unlisted} more findings are not listed"));
        report.findings.push(Finding { place, text });
    }
    Ok(report)
}

/// The packs of which every byte is read. A share of few packs is at least one.
fn choose(packs: &[PackSummary], read: ReadData) -> Vec<PackSummary> {
    let mut chosen: Vec<PackSummary> = packs.iter().filter(|pack| is_chosen(&pack.id, read)).copied().collect();
    if let (ReadData::Share { seed, .. }, true) = (read, chosen.is_empty()) {
        chosen.extend(packs.get((seed % packs.len().max(1) as u64) as usize));
    }
    chosen
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
    reader: Arc<Reader>,
    findings: Mutex<Vec<Finding>>,
    unlisted: AtomicU64,
    /// Packs that are there and not as they were written.
    damaged: Mutex<HashSet<PackId>>,
    /// Packs that are as unknown as before.
    unread: Mutex<HashSet<PackId>>,
    /// Segments that were read and can not be opened.
    segments: Mutex<HashSet<(PackId, u32)>>,
    events: &'a dyn Events,
}

impl Checker<'_> {
    fn found(&self, place: impl Into<String>, text: impl Into<String>) {
        let mut findings = self.findings.lock().expect("no holder panics");
        if findings.len() < MAX_FINDINGS {
            findings.push(Finding { place: place.into(), text: text.into() });
        } else {
            self.unlisted.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn damaged_pack(&self, id: PackId) {
        self.damaged.lock().expect("no holder panics").insert(id);
    }

    fn error(&self, place: impl Into<String>, error: &Error) {
        error.damaged_pack().into_iter().for_each(|id| self.damaged_pack(id));
        self.found(place, describe(error));
    }

    /// Notes for backups which packs they must not rely on. What was noted before stays, unless it was read whole now. `None` if
    /// there is nothing to note.
    fn note(&self, read: &[PackSummary]) -> Option<Note> {
        let state = &self.repository.state;
        let noted = || -> Result<Option<Note>> {
            let before = damage::noted(state)?;
            let visible: HashSet<PackId> = self.repository.index.packs().iter().map(|pack| pack.id).collect();
            let unread = self.unread.lock().expect("no holder panics");
            let read: HashSet<PackId> = read.iter().map(|pack| pack.id).filter(|id| !unread.contains(id)).collect();
            let kept = before.iter().filter(|id| visible.contains(*id) && !read.contains(*id)).copied();
            let now = kept.chain(self.damaged.lock().expect("no holder panics").iter().copied()).collect();
            if now != before {
                damage::note(state, &now)?;
            }
            Ok((!now.is_empty()).then_some(Note::Written))
        };
        noted().unwrap_or_else(|error| Some(Note::Failed(describe(&error))))
    }

    fn keys(&self) -> Result<()> {
        match self.repository.verify_stored_config() {
            Err(error) if error.is_damage() => self.error("config", &error),
            verified => verified?,
        }
        let slots = list_slots(self.repository.backend.as_ref(), self.repository.id())?;
        slots.damaged.iter().for_each(|error| self.error("keys", error));
        Ok(())
    }
}
