// SPDX-License-Identifier: MIT OR Apache-2.0
//! The snapshots that a mount shows, and the numbers of everything above them. New ones appear while it lasts.
//!
//! Numbers are given once and stay: a program that holds a folder open keeps it, though its snapshot was forgotten meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keepfast_repo_format::id::SnapshotId;

use super::MountOptions;
use super::inode::Inode;
use super::links::Groups;
use super::names::{Item, Names, Shown, names};
use crate::error::Result;
use crate::history::Snapshot;
use crate::reader::Reader;
use crate::repository::Repository;
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
    /// Held by the one thread that reads the log.
    refreshing: Mutex<Instant>,
}

struct State {
    names: Names,
    newest: i64,
    opened: HashMap<SnapshotId, Arc<Opened>>,
    /// Paths above the snapshots, by their numbers and back.
    above: Vec<String>,
    above_numbers: HashMap<String, u32>,
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
            opened: HashMap::new(),
            above: vec![String::new()],
            above_numbers: HashMap::from([(String::new(), 0)]),
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
        let snapshots = self.scope.filter(&snapshots);
        let shown: Vec<Shown> = snapshots.iter().map(|snapshot| Shown::of(snapshot)).collect();
        let mut state = self.lock();
        state.names = names(&shown);
        state.newest = shown.last().map_or(0, |newest| newest.started);
        for snapshot in snapshots {
            state.open(snapshot);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the newest snapshot began, in Unix nanoseconds: the time of the folders above.
    pub(super) fn newest(&self) -> i64 {
        self.lock().newest
    }

    /// Whether the number is that of a folder, or the target of the link it is of; `None` if it is of nothing any more.
    pub(super) fn above(&self, number: u32) -> Option<Above> {
        let state = self.lock();
        let path = state.above.get(number as usize)?;
        if state.names.contains_key(path) {
            return Some(Above::Folder);
        }
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        match state.names.get(folder)?.get(name)? {
            Item::Link(target) => Some(Above::Link(target.clone())),
            Item::Folder | Item::Snapshot(_) => None,
        }
    }

    /// The folder above a folder or link above the snapshots.
    pub(super) fn parent(&self, number: u32) -> u32 {
        let state = self.lock();
        let parent = state.above.get(number as usize).and_then(|path| path.rsplit_once('/'));
        parent.and_then(|(parent, _)| state.above_numbers.get(parent)).copied().unwrap_or(0)
    }

    /// A name in a folder above the snapshots.
    pub(super) fn find(&self, folder: u32, name: &str) -> Option<Named> {
        let mut state = self.lock();
        let folder = state.above.get(folder as usize)?.clone();
        let item = state.names.get(&folder)?.get(name)?.clone();
        state.named(&folder, name, &item)
    }

    /// All names in a folder above the snapshots, in order.
    pub(super) fn list(&self, folder: u32) -> Option<Vec<Named>> {
        let mut state = self.lock();
        let folder = state.above.get(folder as usize)?.clone();
        let items = state.names.get(&folder)?.clone();
        Some(items.iter().filter_map(|(name, item)| state.named(&folder, name, item)).collect())
    }

    /// The snapshot that a folder shows, and the number of the folder above.
    pub(super) fn top(&self, number: u32) -> Option<(Arc<Opened>, u32)> {
        self.lock().tops.get(number as usize).cloned()
    }
}

/// What stands above the snapshots.
pub(super) enum Above {
    Folder,
    Link(String),
}

impl State {
    fn open(&mut self, snapshot: &Snapshot) {
        let (reader, nodes) = (&self.reader, &self.nodes);
        self.opened.entry(snapshot.id).or_insert_with(|| {
            let root = Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
            let tree = Numbered::new(reader.clone(), root, nodes.clone());
            Arc::new(Opened { id: snapshot.id, started: snapshot.manifest.started, tree, groups: Groups::default() })
        });
    }

    fn named(&mut self, folder: &str, name: &str, item: &Item) -> Option<Named> {
        let path = if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") };
        let (inode, link) = match item {
            Item::Folder => (Inode::Above(self.above_number(path)), None),
            Item::Link(target) => (Inode::Above(self.above_number(path)), Some(target.clone())),
            Item::Snapshot(id) => (Inode::Top(self.top_number(folder, path, *id)?), None),
        };
        Some(Named { name: name.to_string(), inode, link })
    }

    fn above_number(&mut self, path: String) -> u32 {
        let next = self.above.len() as u32;
        let number = *self.above_numbers.entry(path.clone()).or_insert(next);
        if number == next {
            self.above.push(path);
        }
        number
    }

    /// One snapshot has a number for each path that shows it: the kernel knows a folder in one place only.
    fn top_number(&mut self, folder: &str, path: String, id: SnapshotId) -> Option<u32> {
        let opened = self.opened.get(&id)?.clone();
        let parent = self.above_number(folder.to_string());
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
        Self {
            id: snapshot.id,
            started: snapshot.manifest.started,
            host: snapshot.manifest.host.clone(),
            tags: snapshot.tags.clone(),
        }
    }
}
