// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether anything that is shown has extended attributes. If nothing has, the kernel is told that this file system knows none, and asks
//! no more: a copy asks three times for each file, and waits each time.
//!
//! It is looked for when so much was asked that one walk through the trees is worth it, and only where they are near. What the kernel was
//! told once holds for the mount: a later snapshot that has some is not shown in it, rather than without them, until it is mounted anew, at once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use keepfast_repo_format::id::{ChunkId, SnapshotId};

use super::catalog::Opened;

/// Requests before a walk at least: somebody copies.
const LEAST_REQUESTS: u64 = 256;

/// And one request for so many entries: to look at one in a walk costs a fraction of a microsecond, a request ten and more.
const ENTRIES_PER_REQUEST: u64 = 64;

/// What is known about extended attributes.
#[derive(Default)]
pub(super) struct Bare {
    requests: AtomicU64,
    has_begun: AtomicBool,
    /// Nothing that is shown has any, and nothing that will be.
    is_agreed: AtomicBool,
    walked: Mutex<Walked>,
}

/// Nodes and snapshots without extended attributes, 32 bytes each: snapshots share most of their nodes.
#[derive(Default)]
struct Walked {
    nodes: HashSet<ChunkId>,
    snapshots: HashSet<SnapshotId>,
}

impl Bare {
    /// Somebody asked, where snapshots have so many entries; `true` if now is the time for [`Bare::walk`].
    pub(super) fn asked(&self, entries: u64) -> bool {
        let requests = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let is_worth_it = requests >= LEAST_REQUESTS && requests.saturating_mul(ENTRIES_PER_REQUEST) >= entries;
        is_worth_it && !self.has_begun.swap(true, Ordering::Relaxed)
    }

    /// Whether the kernel is told that there are none at all.
    pub(super) fn is_agreed(&self) -> bool {
        self.is_agreed.load(Ordering::Acquire)
    }

    /// From now on the kernel is told so. Only while nobody can show another snapshot.
    pub(super) fn agree(&self) {
        self.is_agreed.store(true, Ordering::Release);
    }

    /// Whether no entry of these has any. One that can not be read might.
    pub(super) fn walk(&self, snapshots: &[Arc<Opened>]) -> bool {
        let walked = &mut *self.walked.lock().unwrap_or_else(PoisonError::into_inner);
        snapshots.iter().all(|snapshot| {
            if walked.snapshots.contains(&snapshot.id) {
                return true;
            }
            let some = snapshot.tree.any_new(&mut walked.nodes, &|entry| !entry.metadata.xattrs.is_empty());
            let is_bare = matches!(some, Ok(false));
            if is_bare {
                walked.snapshots.insert(snapshot.id);
            }
            is_bare
        })
    }
}
