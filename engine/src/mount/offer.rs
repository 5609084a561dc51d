// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small files, given to the kernel before it asks: whoever reads the files of a folder one after the other gets the next ones from the
//! kernel's memory, and a copy of many small files does not wait for an answer for each of them.
//!
//! Only for who reads in the order of the tree, and never far ahead. It changes no answer: a file that is not offered in time is asked for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use crossbeam_channel::{Sender, bounded};
use fuser::{INodeNo, Notifier};
use keepfast_repo_format::tree::entry::FileType;

use super::inode::{Inode, Kind};
use super::view::View;
use crate::tree::{Part, Placed};

/// Files above this are asked for as a kernel asks for them, 128 KiB at a time, with reading ahead of its own.
const SMALL_BYTES: u64 = 128 << 10;

/// Entries that are offered together, and their bytes: some milliseconds of work.
const WINDOW_ENTRIES: u64 = 64;
const WINDOW_BYTES: u64 = 1 << 20;

/// The next ones are offered when a reader is so near to the end of those before.
const MARGIN_ENTRIES: u64 = 24;

/// Entries between two reads of one reader: folders and links among the files.
const MAX_GAP: u64 = 32;

/// Readers whose way is remembered.
const MAX_WAYS: usize = 8;

/// Offers files.
pub(super) struct Offers {
    jobs: Sender<(u32, u64)>,
    ways: Arc<Mutex<VecDeque<Way>>>,
    kernel: Arc<OnceLock<Notifier>>,
}

/// Where somebody reads one file after the other.
struct Way {
    shown: u32,
    last: u64,
    /// All entries below this were offered, or will be at once.
    offered: u64,
}

impl Offers {
    /// Starts the thread, which ends with this value.
    pub(super) fn start(view: &Arc<View>) -> Self {
        let (jobs, waiting) = bounded::<(u32, u64)>(MAX_WAYS);
        let kernel = Arc::new(OnceLock::<Notifier>::new());
        let (view, to) = (view.clone(), kernel.clone());
        thread::spawn(move || {
            for (shown, from) in waiting {
                if let Some(kernel) = to.get() {
                    // Whatever can not be read is told when it is asked for.
                    let _ = offer(&view, kernel, shown, from);
                }
            }
        });
        Self { jobs, ways: Arc::default(), kernel }
    }

    /// Where they are offered, as soon as there is a mount.
    pub(super) fn kernel(&self) -> Arc<OnceLock<Notifier>> {
        self.kernel.clone()
    }

    /// Somebody looks at this file.
    pub(super) fn note(&self, number: u64) {
        let Some(Inode::Entry(shown, place)) = Inode::of(number) else { return };
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        let is_on = |way: &Way| way.shown == shown && (way.last..=way.last + MAX_GAP).contains(&place);
        let Some(at) = ways.iter().position(is_on) else {
            ways.push_front(Way { shown, last: place, offered: place + 1 });
            ways.truncate(MAX_WAYS);
            return;
        };
        let way = &mut ways[at];
        if way.last == place {
            return;
        }
        way.last = place;
        way.offered = way.offered.max(place + 1);
        if place + MARGIN_ENTRIES >= way.offered && self.jobs.try_send((shown, way.offered)).is_ok() {
            way.offered += WINDOW_ENTRIES;
        }
    }
}

/// Offers the files from an entry on, as far as they are in its folder: the kernel does not know others yet.
fn offer(view: &View, kernel: &Notifier, shown: u32, from: u64) -> Option<()> {
    let (opened, _) = view.catalog.top(shown)?;
    let before = opened.tree.entry(from.checked_sub(1)?).ok()??;
    let (mut place, mut bytes) = (from, 0);
    while place < from + WINDOW_ENTRIES && bytes < WINDOW_BYTES {
        let Ok(Part::Entries(entries)) = opened.tree.part(place) else { return None };
        for entry in entries.take((from + WINDOW_ENTRIES - place) as usize) {
            if entry.directory != before.directory || bytes >= WINDOW_BYTES {
                return None;
            }
            if is_small_file(&entry) {
                let content = view.contents.read(&entry, 0..entry.metadata.size).ok()?;
                let number = Inode::Entry(shown, place).number(Kind::Other)?;
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
