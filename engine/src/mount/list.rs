// SPDX-License-Identifier: MIT OR Apache-2.0
//! Listing folders, and the way up from one. A listing can go on from any place that it has told, and nothing is held for it meanwhile.

use std::sync::{Arc, PoisonError};

use keepfast_repo_format::tree::order;

use super::attributes::Attributes;
use super::catalog::Opened;
use super::inode::{Inode, Kind};
use super::view::{Answer, Found, Refusal, View, inode};
use crate::error::Error;
use crate::tree::Part;

/// Where the names of a folder begin, behind `.` and `..`.
pub(super) const FIRST_NAME: u64 = 2;

/// Whether a listing has all that it can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enough {
    Yes,
    No,
}

/// A name in a folder.
pub(super) struct Listed {
    pub(super) name: Vec<u8>,
    /// Where a listing goes on behind it.
    pub(super) next: u64,
    pub(super) attributes: Attributes,
}

impl View {
    /// Gives the names of a folder to `take`, from a place that a listing told, until it says that it has enough. The places of `.` and
    /// `..`, which are not among them, are 1 and 2.
    pub(super) fn list(&self, folder: u64, from: u64, mut take: impl FnMut(Listed) -> Enough) -> Answer<()> {
        let from = from.saturating_sub(FIRST_NAME);
        match inode(folder)? {
            Inode::Above(above) => {
                if from == 0 {
                    self.refresh();
                }
                let all = self.catalog.list(above).ok_or(Refusal::NotAFolder)?;
                for (place, named) in all.iter().enumerate().skip(usize::try_from(from).unwrap_or(usize::MAX)) {
                    let attributes = self.of_named(named)?;
                    let next = place as u64 + 1 + FIRST_NAME;
                    if take(Listed { name: named.name.clone().into(), next, attributes }) == Enough::Yes {
                        break;
                    }
                }
                Ok(())
            }
            Inode::Top(shown) => self.list_entries(folder, &self.top(shown)?, shown, b"", from, &mut take),
            Inode::Entry(..) => {
                let found = self.folder(folder)?;
                self.list_entries(folder, &found.opened, found.shown, &found.entry.path(), from, &mut take)
            }
        }
    }

    /// The entries of one folder stand together in its tree; a place is 1 + the number of an entry. What is lost is passed by, and told
    /// at the end: whoever lists the folder gets what there is, and then the error.
    fn list_entries(
        &self,
        folder: u64,
        opened: &Arc<Opened>,
        shown: u32,
        directory: &[u8],
        from: u64,
        take: &mut dyn FnMut(Listed) -> Enough,
    ) -> Answer<()> {
        let failed = |error: &Error| self.failed(opened, directory, error);
        let mut place = match from.checked_sub(1) {
            Some(place) => place,
            None => opened.tree.first_from(directory, b"").map_err(|error| failed(&error))?,
        };
        let mut took = false;
        loop {
            let entries = match opened.tree.part(place).map_err(|error| failed(&error))? {
                Part::Entries(entries) => entries,
                Part::Lost(end, error) => {
                    let _ = failed(&error);
                    self.incomplete.lock().unwrap_or_else(PoisonError::into_inner).insert(folder);
                    place = end;
                    continue;
                }
                Part::End => break,
            };
            for entry in entries {
                if &entry.directory[..] != directory {
                    return self.listed(folder, took);
                }
                let here = place;
                place += 1;
                // The top folder itself stands in its own list.
                if entry.name.is_empty() {
                    continue;
                }
                let name = entry.name.clone();
                let attributes = self.of_entry(&Found { opened: opened.clone(), shown, place: here, entry })?;
                if take(Listed { name, next: here + 2 + FIRST_NAME, attributes }) == Enough::Yes {
                    return Ok(());
                }
                took = true;
            }
        }
        self.listed(folder, took)
    }

    fn listed(&self, folder: u64, took: bool) -> Answer<()> {
        let is_incomplete = || self.incomplete.lock().unwrap_or_else(PoisonError::into_inner).contains(&folder);
        if !took && is_incomplete() { Err(Refusal::Unreadable) } else { Ok(()) }
    }

    /// The folder that a folder is in.
    pub(super) fn parent(&self, folder: u64) -> Answer<u64> {
        let above = |number| Inode::Above(number).number(Kind::Folder).ok_or(Refusal::NotFound);
        match inode(folder)? {
            Inode::Above(number) => above(self.catalog.parent(number)),
            Inode::Top(shown) => above(self.catalog.top(shown).ok_or(Refusal::NotFound)?.1),
            Inode::Entry(shown, _) => {
                let found = self.found(folder)?;
                let (directory, name) = order::split(&found.entry.directory);
                let parent = match found.opened.tree.find(directory, name) {
                    _ if name.is_empty() => Inode::Top(shown),
                    Ok(Some((place, _))) => Inode::Entry(shown, place),
                    _ => return Err(Refusal::NotFound),
                };
                parent.number(Kind::Folder).ok_or(Refusal::NotFound)
            }
        }
    }

    /// The folder that shows a snapshot, and the number of the first entry in a folder below it; `None` for an empty one.
    pub(super) fn first_name(&self, folder: u64) -> Option<(u32, u64)> {
        let (shown, directory) = match Inode::of(folder)? {
            Inode::Above(_) => return None,
            Inode::Top(shown) => (shown, Vec::new()),
            Inode::Entry(shown, _) => (shown, self.path(folder).ok()?),
        };
        let tree = &self.top(shown).ok()?.tree;
        let first = tree.first_from(&directory, b"").ok()?;
        let is_inside = tree.entry(first).ok()??.directory[..] == directory;
        is_inside.then_some((shown, first))
    }

    /// The number of the entry at which a listing of a snapshot's folder goes on; `None` at its beginning.
    pub(super) fn place(&self, from: u64) -> Option<u64> {
        from.saturating_sub(FIRST_NAME).checked_sub(1)
    }
}
