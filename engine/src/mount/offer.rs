// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small files, given to the kernel before it asks: whoever reads the files of a folder one after the other gets the next ones from the
//! kernel's memory, and a copy of many small files does not wait for an answer for each of them.
//!
//! Only for who reads in the order of the tree, and never far ahead. It changes no answer: a file that is not offered in time is asked for.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use fuser::{INodeNo, Notifier};
use keepfast_repo_format::tree::entry::FileType;

use super::inode::{Inode, Kind};
use super::view::View;
use crate::tree::{Part, Placed};

/// Files above this are asked for as a kernel asks for them, with reading ahead of its own.
const SMALL_BYTES: u64 = 512 << 10;

/// Entries that are offered together, and their bytes: some milliseconds of work, and what is in vain if the reader ends there. A reader
/// of what was offered is not seen, so it is a reader's first step beyond that gets more.
const WINDOW_ENTRIES: u64 = 256;
const WINDOW_BYTES: u64 = 4 << 20;

/// Entries whose files are offered before the end of a listing is told: what a reader takes while the thread wakes up.
const FIRST_ENTRIES: u64 = 8;

/// Entries between two reads of one reader: folders and links among the files.
const MAX_GAP: u64 = 32;

/// Folders whose files are offered when they are listed, after one file was seen to be read: the files of small folders are all offered, and
/// then none of them is asked for.
const FOLDERS_ON_TRUST: u32 = 8;

/// Readers whose way is remembered.
const MAX_WAYS: usize = 8;

/// Offers files.
pub(super) struct Offers {
    jobs: Sender<Job>,
    ways: Mutex<VecDeque<Way>>,
    kernel: Arc<OnceLock<Notifier>>,
}

/// Entries of a folder from one on.
#[derive(Clone, Copy)]
struct Job {
    shown: u32,
    /// An entry of the folder.
    beside: u64,
    from: u64,
}

/// Where somebody reads one file after the other.
struct Way {
    shown: u32,
    last: u64,
    /// What is below this was offered, or will be at once.
    offered: u64,
    trust: u32,
}

impl Offers {
    /// Starts the thread, which ends with this value.
    pub(super) fn start(view: &Arc<View>) -> Self {
        let (jobs, waiting) = bounded(MAX_WAYS);
        let kernel = Arc::new(OnceLock::new());
        let (view, to) = (view.clone(), kernel.clone());
        thread::spawn(move || offer_all(&view, &to, &waiting));
        Self { jobs, ways: Mutex::default(), kernel }
    }

    /// Where they are offered, as soon as there is a mount.
    pub(super) fn kernel(&self) -> Arc<OnceLock<Notifier>> {
        self.kernel.clone()
    }

    /// Somebody asks for the content of this file.
    pub(super) fn read(&self, number: u64) {
        let Some(Inode::Entry(shown, place)) = Inode::of(number) else { return };
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        let is_on = |way: &&mut Way| way.shown == shown && (way.last..=way.offered + MAX_GAP).contains(&place);
        let Some(way) = ways.iter_mut().find(is_on) else {
            add(&mut ways, Way { shown, last: place, offered: place + 1, trust: FOLDERS_ON_TRUST });
            return;
        };
        let is_next = place > way.last;
        (way.last, way.trust) = (place, FOLDERS_ON_TRUST);
        // Within what is under way the thread is faster than who asks.
        let job = Job { shown, beside: place, from: place + 1 };
        if is_next && job.from >= way.offered && self.jobs.try_send(job).is_ok() {
            way.offered = job.from + WINDOW_ENTRIES;
        }
    }

    /// Somebody has come to the end of a folder's names, the first of which is this entry, and waits for the answer: with the first files
    /// offered by then, the thread stays ahead.
    pub(super) fn listed(&self, view: &View, shown: u32, first: u64) {
        let job = Job { shown, beside: first, from: first + FIRST_ENTRIES };
        if let (true, Some(kernel)) = (self.is_taken(job), self.kernel.get()) {
            let _ = offer(view, kernel, job, first..job.from, Which::AtHand);
        }
    }

    /// Whether who lists this folder has read the files of others; if so, the thread offers its files.
    fn is_taken(&self, job: Job) -> bool {
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(way) = ways.iter_mut().find(|way| way.shown == job.shown && way.trust > 0) else { return false };
        let trust = std::mem::take(&mut way.trust) - 1;
        let is_taken = self.jobs.try_send(job).is_ok();
        if is_taken {
            let (last, offered) = (job.beside, job.from + WINDOW_ENTRIES);
            add(&mut ways, Way { shown: job.shown, last, offered, trust });
        }
        is_taken
    }
}

fn add(ways: &mut VecDeque<Way>, way: Way) {
    ways.push_front(way);
    ways.truncate(MAX_WAYS);
}

fn offer_all(view: &View, kernel: &OnceLock<Notifier>, waiting: &Receiver<Job>) {
    for job in waiting {
        if let Some(kernel) = kernel.get() {
            // Whatever can not be read is told when it is asked for.
            let _ = offer(view, kernel, job, job.from..job.from + WINDOW_ENTRIES, Which::All);
        }
    }
}

/// Which files are offered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    /// Until one has to be waited for.
    AtHand,
}

/// Offers the files among these entries, as far as they are in the job's folder: the kernel does not know others yet.
fn offer(view: &View, kernel: &Notifier, job: Job, entries: Range<u64>, which: Which) -> Option<()> {
    let (opened, _) = view.catalog.top(job.shown)?;
    let beside = opened.tree.entry(job.beside).ok()??;
    let (mut place, mut bytes) = (entries.start, 0);
    while place < entries.end {
        let Ok(Part::Entries(found)) = opened.tree.part(place) else { return None };
        for entry in found.take((entries.end - place) as usize) {
            if entry.directory != beside.directory || bytes >= WINDOW_BYTES {
                return None;
            }
            if is_small_file(&entry) {
                let all = 0..entry.metadata.size;
                if which == Which::AtHand && !view.contents.keeps(&entry, all.clone()) {
                    return None;
                }
                let content = view.contents.read(&entry, all).ok()?;
                let number = Inode::Entry(job.shown, place).number(Kind::Other)?;
                kernel.store(INodeNo(number), 0, &content).ok()?;
                bytes += entry.metadata.size;
            }
            place += 1;
        }
    }
    Some(())
}

/// Files with several names have the number of the first of them, and are few.
fn is_small_file(entry: &Placed) -> bool {
    let metadata = &entry.metadata;
    metadata.file_type == FileType::File
        && (1..=SMALL_BYTES).contains(&metadata.size)
        && metadata.link_group.is_none()
        && entry.layers.is_empty()
}
