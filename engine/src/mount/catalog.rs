// SPDX-License-Identifier: MIT OR Apache-2.0
//! The snapshots that a mount shows, and the numbers of everything above them. New ones appear while it lasts.
//!
//! Numbers are given once and stay: a program that holds a folder open keeps it, though its snapshot was forgotten meanwhile.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keepfast_repo_format::id::SnapshotId;

use super::MountOptions;
use super::bare::Bare;
use super::inode::Inode;
use super::links::Groups;
use super::names::{Item, Names, Shown, names};
use crate::error::Result;
use crate::history::Snapshot;
use crate::reader::Reader;
use crate::repository::{Distance, Repository};
use crate::select::Scope;
use crate::tree::{NodeCache, Numbered, Root};

/// Decoded tree nodes in memory, in bytes: some hundred thousand entries, so that who walks through a few folders at a time finds them.
const NODE_BYTES: usize = 48 << 20;

/// A snapshot that was looked into.
pub(super) struct Opened {
    pub(super) id: SnapshotId,
    /// Unix nanoseconds.
    pub(super) started: i64,
    pub(super) tree: Numbered,
    pub(super) groups: Groups,
}

/// What the numbers of [`Inode`] stand for, and which names there are.
pub(super) struct Catalog {
    repository: Arc<Repository>,
    scope: Scope,
    refresh_after: Duration,
    state: Mutex<State>,
    bare: Bare,
    is_outdated: AtomicBool,
    /// Held by the one thread that reads the log.
    refreshing: Mutex<Instant>,
}

struct State {
    names: Names,
    newest: i64,
    /// How often the names were others than before.
    changes: u32,
    shown: Vec<SnapshotId>,
    /// Of the largest snapshot that is shown.
    entries: u64,
    opened: HashMap<SnapshotId, Arc<Opened>>,
    /// Paths above the snapshots, by their numbers and back.
    above: Vec<(String, Above)>,
    above_numbers: HashMap<(String, Above), u32>,
    /// Snapshots by the numbers of the folders that show them, and the parents of these; and back.
    tops: Vec<(Arc<Opened>, u32)>,
    top_numbers: HashMap<(String, SnapshotId), u32>,
    reader: Arc<Reader>,
    nodes: Arc<NodeCache>,
}

/// What a name above the snapshots leads to.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) inode: Inode,
    /// Of a link: its target.
    pub(super) link: Option<String>,
}

impl Catalog {
    /// Reads what is visible.
    ///
    /// # Errors
    /// The storage.
    pub(super) fn open(repository: Arc<Repository>, reader: &Arc<Reader>, options: &MountOptions) -> Result<Self> {
        let state = State {
            names: Names::new(),
            newest: 0,
            changes: 0,
            shown: Vec::new(),
            entries: 0,
            opened: HashMap::new(),
            above: vec![(String::new(), Above::Folder)],
            above_numbers: HashMap::from([((String::new(), Above::Folder), 0)]),
            tops: Vec::new(),
            top_numbers: HashMap::new(),
            reader: reader.clone(),
            nodes: Arc::new(NodeCache::new(NODE_BYTES)),
        };
        let catalog = Self {
            repository,
            scope: options.scope.clone(),
            refresh_after: options.refresh_after,
            state: Mutex::new(state),
            bare: Bare::default(),
            is_outdated: AtomicBool::new(false),
            refreshing: Mutex::new(Instant::now()),
        };
        catalog.read()?;
        Ok(catalog)
    }

    /// Reads the log again if that was long ago and nobody else does; what was known stays if it can not be read.
    ///
    /// # Errors
    /// The storage.
    pub(super) fn refresh(&self) -> Result<()> {
        let Ok(mut read) = self.refreshing.try_lock() else { return Ok(()) };
        if read.elapsed() < self.refresh_after {
            return Ok(());
        }
        let outcome = self.read();
        *read = Instant::now();
        outcome
    }

    fn read(&self) -> Result<()> {
        // Snapshots that can not be read are `check`'s to name; the others are here.
        let (snapshots, _) = self.repository.history()?.snapshots(&self.repository)?;
        let mut snapshots = self.scope.filter(&snapshots);
        let all: Vec<_> = snapshots.iter().map(|snapshot| self.lock().open(snapshot)).collect();
        if self.bare.is_agreed() {
            let some = all.iter().filter(|one| !self.bare.walk(std::slice::from_ref(*one)));
            let hidden: HashSet<SnapshotId> = some.map(|one| one.id).collect();
            snapshots.retain(|snapshot| !hidden.contains(&snapshot.id));
            self.is_outdated.store(!hidden.is_empty(), Ordering::Release);
        }
        let shown: Vec<Shown> = snapshots.iter().map(|snapshot| Shown::of(snapshot)).collect();
        self.lock().show(&shown);
        Ok(())
    }

    /// Whether there are snapshots that this mount can not show, as it has told the kernel that nothing has extended attributes.
    pub(super) fn is_outdated(&self) -> bool {
        self.is_outdated.load(Ordering::Acquire)
    }

    /// Whether the kernel is told that nothing has extended attributes.
    pub(super) fn is_bare(&self) -> bool {
        self.bare.is_agreed()
    }

    /// Somebody asked for extended attributes; `true` if now is the time for [`Catalog::look_for_bare`].
    pub(super) fn asked_for_xattrs(&self) -> bool {
        self.repository.distance == Distance::Local && self.bare.asked(self.lock().entries)
    }

    /// Walks through all that is shown, to find out whether anything has extended attributes; this may take a while.
    pub(super) fn look_for_bare(&self) {
        loop {
            let all = self.shown();
            if !self.bare.walk(&all) {
                return;
            }
            // While nothing new can be shown.
            let _still = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
            if self.shown().iter().map(|now| now.id).eq(all.iter().map(|then| then.id)) {
                return self.bare.agree();
            }
        }
    }

    fn shown(&self) -> Vec<Arc<Opened>> {
        let state = self.lock();
        state.shown.iter().filter_map(|id| state.opened.get(id).cloned()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of the folders above, in Unix nanoseconds: when the newest snapshot began, and a nanosecond for each change since. The kernel
    /// lists a folder again when its time is another one.
    pub(super) fn time(&self) -> i64 {
        let state = self.lock();
        state.newest.saturating_add(state.changes.into())
    }

    /// What the number is of; `None` for a folder that is there no more.
    pub(super) fn above(&self, number: u32) -> Option<Above> {
        let state = self.lock();
        let (path, above) = state.above.get(number as usize)?;
        let is_there = matches!(above, Above::Link(_)) || state.names.contains_key(path);
        is_there.then(|| above.clone())
    }

    /// The folder above a folder or link above the snapshots.
    pub(super) fn parent(&self, number: u32) -> u32 {
        let state = self.lock();
        let parent = state.above.get(number as usize).and_then(|(path, _)| path.rsplit_once('/'));
        let key = parent.map(|(parent, _)| (parent.to_string(), Above::Folder));
        key.and_then(|key| state.above_numbers.get(&key)).copied().unwrap_or(0)
    }

    /// A name in a folder above the snapshots.
    pub(super) fn find(&self, folder: u32, name: &str) -> Option<Named> {
        let mut state = self.lock();
        let folder = state.above.get(folder as usize)?.0.clone();
        let item = state.names.get(&folder)?.get(name)?.clone();
        state.named(&folder, name, &item)
    }

    /// All names in a folder above the snapshots, in order.
    pub(super) fn list(&self, folder: u32) -> Option<Vec<Named>> {
        let mut state = self.lock();
        let folder = state.above.get(folder as usize)?.0.clone();
        let items = state.names.get(&folder)?.clone();
        Some(items.iter().filter_map(|(name, item)| state.named(&folder, name, item)).collect())
    }

    /// The snapshot that a folder shows, and the number of the folder above.
    pub(super) fn top(&self, number: u32) -> Option<(Arc<Opened>, u32)> {
        self.lock().tops.get(number as usize).cloned()
    }
}

/// What stands above the snapshots. A link that leads elsewhere is another one: the kernel remembers where one leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Above {
    Folder,
    Link(String),
}

impl State {
    fn open(&mut self, snapshot: &Snapshot) -> Arc<Opened> {
        let (reader, nodes) = (&self.reader, &self.nodes);
        let opened = self.opened.entry(snapshot.id).or_insert_with(|| {
            let root = Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
            let tree = Numbered::new(reader.clone(), root, nodes.clone());
            Arc::new(Opened { id: snapshot.id, started: snapshot.manifest.started, tree, groups: Groups::default() })
        });
        opened.clone()
    }

    fn show(&mut self, shown: &[Shown]) {
        let names = names(shown);
        if names != self.names {
            self.names = names;
            self.changes += 1;
        }
        self.newest = shown.last().map_or(0, |newest| newest.started);
        self.entries = shown.iter().map(|snapshot| snapshot.entries).max().unwrap_or(0);
        self.shown = shown.iter().map(|snapshot| snapshot.id).collect();
    }

    fn named(&mut self, folder: &str, name: &str, item: &Item) -> Option<Named> {
        let path = if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") };
        let (inode, link) = match item {
            Item::Folder => (Inode::Above(self.above_number(path, Above::Folder)), None),
            Item::Link(target) => {
                (Inode::Above(self.above_number(path, Above::Link(target.clone()))), Some(target.clone()))
            }
            Item::Snapshot(id) => (Inode::Top(self.top_number(folder, path, *id)?), None),
        };
        Some(Named { name: name.to_string(), inode, link })
    }

    fn above_number(&mut self, path: String, above: Above) -> u32 {
        let next = self.above.len() as u32;
        let number = *self.above_numbers.entry((path.clone(), above.clone())).or_insert(next);
        if number == next {
            self.above.push((path, above));
        }
        number
    }

    /// One snapshot has a number for each path that shows it: the kernel knows a folder in one place only.
    fn top_number(&mut self, folder: &str, path: String, id: SnapshotId) -> Option<u32> {
        let opened = self.opened.get(&id)?.clone();
        let parent = self.above_number(folder.to_string(), Above::Folder);
        let next = self.tops.len() as u32;
        let number = *self.top_numbers.entry((path, id)).or_insert(next);
        if number == next {
            self.tops.push((opened, parent));
        }
        Some(number)
    }
}

impl Shown {
    fn of(snapshot: &Snapshot) -> Self {
        let totals = &snapshot.manifest.totals;
        Self {
            id: snapshot.id,
            started: snapshot.manifest.started,
            host: snapshot.manifest.host.clone(),
            tags: snapshot.tags.clone(),
            entries: totals.files.saturating_add(totals.directories).saturating_add(totals.others),
        }
    }
}
