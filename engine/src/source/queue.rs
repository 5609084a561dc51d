// SPDX-License-Identifier: MIT OR Apache-2.0
//! The folders of a walk between the threads that list them and the one that takes them, in the order of the tree.
//!
//! The next folder to take is always the lowest that is waiting, being listed or listed, because what a folder contains
//! sorts behind it. Helpers take the lowest waiting folder while there is room; the taker lists a folder itself if
//! nobody has begun it, so it never waits for room, and works alone if there are no helpers.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::source::listing::{Lister, Listing, Scratch, Task, Walked};
use crate::source::order::TreePath;

/// Entries that may lie ready beyond the one being taken: some 8 MB, and 0.05 s or more of work for the taker. One more
/// folder per helper may come on top.
const LOOK_AHEAD_ENTRIES: usize = 32_768;

/// What listers and taker share.
pub(super) struct Queue {
    lister: Lister,
    state: Mutex<State>,
    /// Something to list, or room for it, or nothing more to come.
    work: Condvar,
    /// The folder that the taker waits for may be there.
    ready: Condvar,
}

#[derive(Default)]
struct State {
    waiting: BTreeMap<TreePath, Task>,
    /// `None`: being listed.
    begun: BTreeMap<TreePath, Option<Listing>>,
    /// Entries in listings that are done and not taken.
    ready_entries: usize,
    /// Folders being listed, by whomever.
    running: usize,
    /// A helper panicked.
    broken: bool,
}

/// What the taker can do next.
enum Next {
    Take(Vec<Walked>),
    List(Task),
    End,
}

impl Queue {
    pub(super) fn new(lister: Lister, top: Task) -> Arc<Self> {
        let mut state = State::default();
        state.waiting.insert(TreePath(Arc::clone(&top.directory)), top);
        Arc::new(Self { lister, state: Mutex::new(state), work: Condvar::new(), ready: Condvar::new() })
    }

    /// Entries of the next folder in order; `None` after the last. Panics if a helper did.
    pub(super) fn take(&self, scratch: &mut Scratch) -> Option<Vec<Walked>> {
        match self.next() {
            Next::End => None,
            Next::Take(entries) => Some(entries),
            Next::List(task) => {
                let listing = self.lister.list(&task, scratch);
                let mut state = self.lock();
                state.running -= 1;
                state.wait_for(listing.folders);
                drop(state);
                self.work.notify_all();
                Some(listing.entries)
            }
        }
    }

    /// Lists folders until there are no more or [`Queue::stop`] is called.
    pub(super) fn help(&self) {
        let guard = PanicGuard(self);
        let mut scratch = Scratch::default();
        while let Some((path, task)) = self.begin() {
            let listing = self.lister.list(&task, &mut scratch);
            self.finish(&path, listing);
        }
        drop(guard);
    }

    /// Ends all helpers soon.
    pub(super) fn stop(&self) {
        let state = self.lock();
        self.lister.stop.store(true, Ordering::Relaxed);
        drop(state);
        self.work.notify_all();
    }

    fn next(&self) -> Next {
        let mut state = self.lock();
        loop {
            assert!(!state.broken, "a thread that lists folders panicked");
            let begun_is_next = match (state.begun.first_key_value(), state.waiting.first_key_value()) {
                (None, None) => return Next::End,
                (None, Some(_)) => false,
                (Some(_), None) => true,
                (Some((begun, _)), Some((waiting, _))) => begun < waiting,
            };
            if !begun_is_next {
                let (_, task) = state.waiting.pop_first().expect("looked at above");
                state.running += 1;
                return Next::List(task);
            }
            let is_done = state.begun.first_key_value().is_some_and(|(_, listing)| listing.is_some());
            if is_done && let Some((_, Some(listing))) = state.begun.pop_first() {
                let was_full = state.ready_entries >= LOOK_AHEAD_ENTRIES;
                state.ready_entries -= listing.entries.len();
                if was_full && state.ready_entries < LOOK_AHEAD_ENTRIES {
                    self.work.notify_all();
                }
                return Next::Take(listing.entries);
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn begin(&self) -> Option<(TreePath, Task)> {
        let mut state = self.lock();
        loop {
            let is_over = state.waiting.is_empty() && state.running == 0;
            if is_over || self.lister.stop.load(Ordering::Relaxed) {
                return None;
            }
            if state.ready_entries < LOOK_AHEAD_ENTRIES
                && let Some((path, task)) = state.waiting.pop_first()
            {
                state.begun.insert(path.clone(), None);
                state.running += 1;
                return Some((path, task));
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finish(&self, path: &TreePath, mut listing: Listing) {
        let mut state = self.lock();
        state.running -= 1;
        state.ready_entries += listing.entries.len();
        let folders = std::mem::take(&mut listing.folders);
        let wakes_helpers = !folders.is_empty() || state.running == 0;
        state.wait_for(folders);
        state.begun.insert(path.clone(), Some(listing));
        let is_next = state.begun.first_key_value().is_some_and(|(first, _)| first == path);
        drop(state);
        if wakes_helpers {
            self.work.notify_all();
        }
        if is_next {
            self.ready.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait_for(&mut self, folders: Vec<Task>) {
        self.waiting.extend(folders.into_iter().map(|task| (TreePath(Arc::clone(&task.directory)), task)));
    }
}

/// Tells the taker of a panic, so that it does not wait for a listing that never comes.
struct PanicGuard<'a>(&'a Queue);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.lock().broken = true;
            self.0.ready.notify_one();
        }
    }
}
