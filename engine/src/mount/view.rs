// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file system, without the kernel: what each request is answered with. Every method may be called by many threads at once.
//!
//! It holds nothing for a request that was answered; what it remembers is bounded, and could be read again.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::manifest::{Problem, ProblemCode};
use keepfast_repo_format::tree::entry::{Entry, FileType, Xattrs};
use keepfast_repo_format::tree::order;

use super::attributes::{Attributes, Lasts};
use super::catalog::{Above, Catalog, Named, Opened};
use super::content::{Bytes, Contents, Seek};
use super::inode::{Inode, Kind};
use super::spool::Spools;
use crate::error::{Error, describe};
use crate::events::Events;
use crate::target::Ownership;
use crate::tree::Placed;

/// Problems that are told: each once, and beyond so many none, or a reader of a lost disk would fill the terminal.
const MAX_TOLD: usize = 10_000;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no such name, or no such inode any more.
    NotFound,
    /// It is no folder.
    NotAFolder,
    /// It is a folder.
    AFolder,
    /// It is not of the type that this is asked of.
    WrongType,
    /// It can not be read; told to the events.
    Unreadable,
}

/// The result of a request.
pub(super) type Answer<T> = Result<T, Refusal>;

/// The file system.
pub(super) struct View {
    pub(super) catalog: Catalog,
    pub(super) contents: Contents,
    pub(super) spools: Spools,
    pub(super) ownership: Ownership,
    /// Who the folders above the snapshots belong to.
    pub(super) owner: (u32, u32),
    pub(super) events: Arc<dyn Events + Send + Sync>,
    pub(super) told: Mutex<HashSet<(Vec<u8>, String)>>,
    /// Folders of which not everything could be listed.
    pub(super) incomplete: Mutex<HashSet<u64>>,
}

/// A file or folder of a snapshot.
pub(super) struct Found {
    pub(super) opened: Arc<Opened>,
    pub(super) shown: u32,
    pub(super) place: u64,
    pub(super) entry: Placed,
}

impl View {
    /// What the inode is.
    pub(super) fn attributes(&self, number: u64) -> Answer<Attributes> {
        match inode(number)? {
            Inode::Above(above) => {
                self.refresh();
                let link = match self.catalog.above(above).ok_or(Refusal::NotFound)? {
                    Above::Folder => None,
                    Above::Link(target) => Some(target),
                };
                Ok(self.own(number, link.as_deref(), self.catalog.time(), Lasts::Shortly))
            }
            Inode::Top(shown) => self.of_top(shown),
            Inode::Entry(..) => {
                let found = self.found(number)?;
                self.of_entry(&found)
            }
        }
    }

    /// What stands at a name in a folder.
    pub(super) fn look_up(&self, folder: u64, name: &[u8]) -> Answer<Attributes> {
        let (opened, shown, directory) = match inode(folder)? {
            Inode::Above(above) => {
                self.refresh();
                let name = str::from_utf8(name).map_err(|_| Refusal::NotFound)?;
                return self.of_named(&self.catalog.find(above, name).ok_or(Refusal::NotFound)?);
            }
            Inode::Top(shown) => (self.top(shown)?, shown, Vec::new()),
            Inode::Entry(..) => {
                let found = self.folder(folder)?;
                let path = found.entry.path();
                (found.opened, found.shown, path)
            }
        };
        let found = opened.tree.find(&directory, name);
        let found = found.map_err(|error| self.failed(&opened, &order::join(&directory, name), &error))?;
        let (place, entry) = found.filter(|_| !name.is_empty()).ok_or(Refusal::NotFound)?;
        self.of_entry(&Found { opened, shown, place, entry })
    }

    /// The path of a folder in its snapshot.
    pub(super) fn path(&self, number: u64) -> Answer<Vec<u8>> {
        Ok(self.found(number)?.entry.path())
    }

    /// How long a folder stays as it is.
    pub(super) fn lasts(&self, number: u64) -> Lasts {
        if matches!(Inode::of(number), Some(Inode::Above(_))) { Lasts::Shortly } else { Lasts::ForEver }
    }

    /// The file, and what there is of a range.
    pub(super) fn file_range(&self, number: u64, offset: u64, length: u64) -> Answer<(Found, Range<u64>)> {
        let found = self.file(number)?;
        let range = within(&found.entry, offset, length);
        Ok((found, range))
    }

    /// Bytes of a file; fewer than asked for only at its end.
    pub(super) fn read(&self, number: u64, offset: u64, length: u64) -> Answer<Bytes> {
        let (found, range) = self.file_range(number, offset, length)?;
        let read = if found.entry.layers.is_empty() {
            self.contents.read(&found.entry, range)
        } else {
            self.spools.read(number, &found.entry, range)
        };
        read.map_err(|error| self.failed(&found.opened, &found.entry.path(), &error))
    }

    /// The next data or hole of a file; `None` behind the last one.
    pub(super) fn seek(&self, number: u64, from: u64, goal: Seek) -> Answer<Option<u64>> {
        let found = self.file(number)?;
        let place = self.contents.seek(&found.entry, from, goal);
        place.map_err(|error| self.failed(&found.opened, &found.entry.path(), &error))
    }

    /// Where a link leads to.
    pub(super) fn link(&self, number: u64) -> Answer<Vec<u8>> {
        match inode(number)? {
            Inode::Above(above) => match self.catalog.above(above) {
                Some(Above::Link(target)) => Ok(target.into()),
                _ => Err(Refusal::WrongType),
            },
            Inode::Top(_) => Err(Refusal::WrongType),
            Inode::Entry(..) => {
                let metadata = &self.found(number)?.entry.metadata;
                let is_link = metadata.file_type == FileType::Symlink;
                is_link.then(|| metadata.target.clone()).ok_or(Refusal::WrongType)
            }
        }
    }

    /// The extended attributes.
    pub(super) fn xattrs(&self, number: u64) -> Answer<Arc<Xattrs>> {
        match inode(number)? {
            Inode::Above(_) => Ok(Arc::default()),
            Inode::Top(shown) => {
                let top = self.nameless(&self.top(shown)?)?;
                Ok(top.map(|top| top.metadata.xattrs.clone()).unwrap_or_default())
            }
            Inode::Entry(..) => Ok(self.found(number)?.entry.metadata.xattrs.clone()),
        }
    }

    /// The kernel has no use for the inode any more.
    pub(super) fn forget(&self, number: u64) {
        self.spools.forget(number);
    }

    pub(super) fn refresh(&self) {
        if let Err(error) = self.catalog.refresh() {
            self.tell(Vec::new(), format!("new snapshots can not be looked for: {}", describe(&error)));
        }
    }

    pub(super) fn top(&self, shown: u32) -> Answer<Arc<Opened>> {
        self.catalog.top(shown).map(|(opened, _)| opened).ok_or(Refusal::NotFound)
    }

    pub(super) fn found(&self, number: u64) -> Answer<Found> {
        let Inode::Entry(shown, place) = inode(number)? else { return Err(Refusal::WrongType) };
        let opened = self.top(shown)?;
        let entry = opened.tree.entry(place).map_err(|error| self.failed(&opened, b"", &error))?;
        Ok(Found { opened, shown, place, entry: entry.ok_or(Refusal::NotFound)? })
    }

    pub(super) fn folder(&self, number: u64) -> Answer<Found> {
        let found = self.found(number)?;
        let is_folder = found.entry.metadata.file_type == FileType::Directory;
        if is_folder { Ok(found) } else { Err(Refusal::NotAFolder) }
    }

    fn file(&self, number: u64) -> Answer<Found> {
        let Inode::Entry(..) = inode(number)? else { return Err(Refusal::AFolder) };
        let found = self.found(number)?;
        match found.entry.metadata.file_type {
            FileType::File => Ok(found),
            FileType::Directory => Err(Refusal::AFolder),
            _ => Err(Refusal::WrongType),
        }
    }

    /// The entry of a snapshot's top folder, which not every snapshot has.
    fn nameless(&self, opened: &Arc<Opened>) -> Answer<Option<Placed>> {
        let found = opened.tree.find(b"", b"").map_err(|error| self.failed(opened, b"", &error))?;
        Ok(found.map(|(_, entry)| entry))
    }

    fn own(&self, number: u64, link: Option<&str>, time: i64, lasts: Lasts) -> Attributes {
        Attributes::of_own(number, link, time, self.owner, lasts)
    }

    fn of_top(&self, shown: u32) -> Answer<Attributes> {
        let opened = self.top(shown)?;
        let number = Inode::Top(shown).number(Kind::Folder).ok_or(Refusal::NotFound)?;
        // Damage there costs what is below, not the sight of the snapshot.
        match self.nameless(&opened) {
            Ok(Some(top)) => Ok(Attributes::of_entry(number, &top, self.ownership.here(&top.metadata.owner), 1)),
            _ => Ok(self.own(number, None, opened.started, Lasts::ForEver)),
        }
    }

    pub(super) fn of_named(&self, named: &Named) -> Answer<Attributes> {
        if let Inode::Top(shown) = named.inode {
            return Ok(Attributes { lasts: Lasts::Shortly, ..self.of_top(shown)? });
        }
        let number = named.inode.number(Kind::Folder).ok_or(Refusal::NotFound)?;
        Ok(self.own(number, named.link.as_deref(), self.catalog.time(), Lasts::Shortly))
    }

    pub(super) fn of_entry(&self, found: &Found) -> Answer<Attributes> {
        let metadata = &found.entry.metadata;
        let (mut place, mut links) = (found.place, 1);
        if let Some(group) = metadata.link_group {
            let group = found.opened.groups.get(&found.opened.tree, group);
            let group = group.map_err(|error| self.failed(&found.opened, &found.entry.path(), &error))?;
            (place, links) = group.map_or((place, links), |group| (group.first, group.names));
        }
        let kind = if metadata.file_type == FileType::Directory { Kind::Folder } else { Kind::Other };
        let number = Inode::Entry(found.shown, place).number(kind).ok_or(Refusal::Unreadable)?;
        Ok(Attributes::of_entry(number, &found.entry, self.ownership.here(&metadata.owner), links))
    }

    /// Tells what can not be read, and where.
    pub(super) fn failed(&self, opened: &Opened, path: &[u8], error: &Error) -> Refusal {
        self.tell(path.to_vec(), format!("snapshot {}: {}", short(opened.id), describe(error)));
        Refusal::Unreadable
    }

    fn tell(&self, path: Vec<u8>, text: String) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < MAX_TOLD && told.insert((path.clone(), text.clone())) {
            drop(told);
            self.events.problem(&Problem { path, code: ProblemCode::Unreadable, text });
        }
    }
}

/// As much of an id as people are shown.
fn short(id: SnapshotId) -> String {
    let mut id = id.to_string();
    id.truncate(8);
    id
}

pub(super) fn inode(number: u64) -> Answer<Inode> {
    Inode::of(number).ok_or(Refusal::NotFound)
}

/// What there is of a range.
fn within(entry: &Entry, offset: u64, length: u64) -> Range<u64> {
    let size = entry.metadata.size;
    let start = offset.min(size);
    start..start.saturating_add(length).min(size)
}
