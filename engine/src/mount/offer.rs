// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small files, given to the kernel before it asks: whoever reads the files of a folder one after the other gets the next ones from the
//! kernel's memory, and a copy of many small files does not wait for an answer for each of them.
//!
//! Only for who reads in the order of the tree, and never far ahead. It changes no answer: a file that is not offered in time is asked for.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use fuser::{INodeNo, Notifier};
use keepfast_repo_format::tree::entry::FileType;

use super::inode::{Inode, Kind};
use super::view::View;
use crate::tree::{Part, Placed};

/// Files above this are asked for as a kernel asks for them, with reading ahead of its own.
const LARGEST_BYTES: u64 = 4 << 20;

/// Bytes that are offered at a time: a reader waits for all of a piece.
const PIECE_BYTES: u64 = 512 << 10;

/// Entries that are offered together, and their bytes: some milliseconds of work, and what is in vain if the reader ends there. A reader
/// of what was offered is not seen, so it is a reader's first step beyond that gets more.
const WINDOW_ENTRIES: u64 = 256;
const WINDOW_BYTES: u64 = 4 << 20;

/// Entries whose files are offered before the end of a listing is told: with these the thread stays ahead.
const FIRST_ENTRIES: u64 = 4;

/// Entries between two reads of one reader: folders and links among the files.
const MAX_GAP: u64 = 32;

/// Folders whose files are offered when they are listed, after one file was seen to be read: the files of small folders are all offered, and
/// then none of them is asked for.
const FOLDERS_ON_TRUST: u32 = 32;

/// Readers whose way is remembered.
const MAX_WAYS: usize = 8;

/// Offers files.
pub(super) struct Offers {
    jobs: Sender<Job>,
    ways: Mutex<VecDeque<Way>>,
    kernel: Arc<OnceLock<Notifier>>,
}

/// The files of a folder from an entry on.
struct Job {
    shown: u32,
    /// An entry of the folder.
    beside: u64,
    progress: Arc<Progress>,
    /// Tells who waits for a listing that it has ended.
    answer: Option<Answer>,
}

/// Ends a request.
pub(super) type Answer = Box<dyn FnOnce() + Send>;

/// How far a job is.
struct Progress {
    /// What is below this was offered, or was asked for.
    at: AtomicU64,
    /// Where it ends.
    end: AtomicU64,
}

/// Where somebody reads one file after the other.
struct Way {
    shown: u32,
    last: u64,
    progress: Arc<Progress>,
    trust: u32,
}

impl Progress {
    fn new(from: u64, entries: u64) -> Arc<Self> {
        Arc::new(Self { at: from.into(), end: (from + entries).into() })
    }

    fn end(&self) -> u64 {
        self.end.load(Ordering::Relaxed)
    }

    /// Goes on to an entry; returns where it is, if others were faster.
    fn advance(&self, to: u64) -> u64 {
        self.at.fetch_max(to, Ordering::Relaxed).max(to)
    }
}

impl Offers {
    /// Starts the thread, which ends with this value. It alone gives files to the kernel: that waits for a page that somebody asks for, so
    /// whoever answers requests must not.
    pub(super) fn start(view: &Arc<View>) -> Self {
        // A job is taken when the thread has time for it at once, or not at all: later the reader has passed by.
        let (jobs, waiting) = bounded(0);
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
        let is_on = |way: &&mut Way| way.shown == shown && (way.last..=way.progress.end() + MAX_GAP).contains(&place);
        let next = place + 1;
        let Some(way) = ways.iter_mut().find(is_on) else {
            let progress = Progress::new(next, 0);
            return add(&mut ways, Way { shown, last: place, progress, trust: FOLDERS_ON_TRUST });
        };
        let is_next = place > way.last;
        (way.last, way.trust) = (place, FOLDERS_ON_TRUST);
        way.progress.advance(next);
        // Until its end the thread is faster than who asks.
        if is_next && next >= way.progress.end() {
            let progress = Progress::new(next, WINDOW_ENTRIES);
            let job = Job { shown, beside: place, progress: progress.clone(), answer: None };
            if self.jobs.try_send(job).is_ok() {
                way.progress = progress;
            }
        }
    }

    /// Somebody has come to the end of a folder's names, the first of which is this entry. Whoever has read the files of other folders gets
    /// the first ones of this before `answer`, and the others soon.
    pub(super) fn listed(&self, shown: u32, first: u64, answer: Answer) {
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(way) = ways.iter_mut().find(|way| way.shown == shown && way.trust > 0) else {
            drop(ways);
            return answer();
        };
        let trust = std::mem::take(&mut way.trust) - 1;
        let progress = Progress::new(first, WINDOW_ENTRIES);
        let job = Job { shown, beside: first, progress: progress.clone(), answer: Some(answer) };
        match self.jobs.try_send(job) {
            Ok(()) => add(&mut ways, Way { shown, last: first, progress, trust }),
            Err(refused) => {
                way.trust = trust + 1;
                drop(ways);
                if let Some(answer) = refused.into_inner().answer {
                    answer();
                }
            }
        }
    }
}

fn add(ways: &mut VecDeque<Way>, way: Way) {
    ways.push_front(way);
    ways.truncate(MAX_WAYS);
}

fn offer_all(view: &View, kernel: &OnceLock<Notifier>, waiting: &Receiver<Job>) {
    for mut job in waiting {
        // Whatever can not be read is told when it is asked for.
        let offer = |job: &Job, from, to, which| {
            kernel.get().and_then(|kernel| offer(view, kernel, job, from..to, which)).unwrap_or(from)
        };
        let mut at = job.progress.at.load(Ordering::Relaxed);
        if let Some(answer) = job.answer.take() {
            at = offer(&job, at, at + FIRST_ENTRIES, Which::AtHand);
            answer();
        }
        at = offer(&job, at, job.progress.end(), Which::All);
        job.progress.end.store(at, Ordering::Relaxed);
    }
}

/// Which files are offered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    /// Until one has to be waited for.
    AtHand,
}

/// Offers the files among these entries, as far as they are in the job's folder: the kernel does not know others yet. Returns where it ended.
fn offer(view: &View, kernel: &Notifier, job: &Job, entries: Range<u64>, which: Which) -> Option<u64> {
    let (opened, _) = view.catalog.top(job.shown)?;
    let beside = opened.tree.entry(job.beside).ok()??;
    let (mut place, mut bytes) = (entries.start, 0);
    while place < entries.end {
        let Ok(Part::Entries(found)) = opened.tree.part(place) else { return Some(place) };
        for entry in found.take((entries.end - place) as usize) {
            let size = entry.metadata.size;
            if entry.directory != beside.directory || bytes >= WINDOW_BYTES {
                return Some(place);
            }
            if is_offered(&entry) && job.progress.advance(place) == place {
                if which == Which::AtHand && (size > PIECE_BYTES || !view.contents.keeps(&entry, 0..size)) {
                    return Some(place);
                }
                let number = Inode::Entry(job.shown, place).number(Kind::Other)?;
                for start in (0..size).step_by(PIECE_BYTES as usize) {
                    let piece = start..size.min(start + PIECE_BYTES);
                    let Ok(content) = view.contents.read(&entry, piece) else { break };
                    kernel.store(INodeNo(number), start, &content).ok()?;
                }
                bytes += size;
            }
            place += 1;
        }
    }
    Some(place)
}

/// Files with several names have the number of the first of them, and are few.
fn is_offered(entry: &Placed) -> bool {
    let metadata = &entry.metadata;
    metadata.file_type == FileType::File
        && (1..=LARGEST_BYTES).contains(&metadata.size)
        && metadata.link_group.is_none()
        && entry.layers.is_empty()
}
