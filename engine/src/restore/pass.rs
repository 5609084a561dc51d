// SPDX-License-Identifier: MIT OR Apache-2.0
//! The walk forwards: folders are made here, one after the other, everything else is handed to the workers.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use keepfast_repo_format::tree::entry::{Entry, FileType};
use keepfast_repo_format::tree::order;

use super::files::{FileJob, Jobs};
use super::links::{Groups, Role};
use super::selection::Selection;
use super::{Change, Mode, Shared, extras};
use crate::error::Result;
use crate::target::{Directory, Target, TargetErrorKind};
use crate::tree::Cursor;

/// What the forward walk leaves to be done.
#[derive(Default)]
pub(super) struct PassEnd {
    /// Later names of files with several names: path, path of the first name, group.
    pub(super) links: Vec<(Vec<u8>, Vec<u8>, u64)>,
    /// Folders that were made only because something in them is restored.
    pub(super) parents: HashSet<Vec<u8>>,
}

/// The forward walk.
pub(super) struct Pass<'a, 'env> {
    pub(super) shared: &'env Shared<'env>,
    pub(super) selection: &'a Selection<'a>,
    pub(super) target: Option<&'env Target>,
    pub(super) jobs: Jobs<'env>,
    pub(super) groups: Groups,
    pub(super) end: PassEnd,
    /// The folder of the entries that come now: where it is, and whether it is new and empty.
    pub(super) current: Option<(Vec<u8>, Option<Directory>, bool)>,
    /// Folders made by this restore; nothing can be in them but what it puts there. Only those not yet entered.
    pub(super) fresh: HashSet<Vec<u8>>,
    pub(super) extras: extras::Extraneous,
}

impl<'a, 'env> Pass<'a, 'env> {
    pub(super) fn new(
        shared: &'env Shared<'env>,
        selection: &'a Selection<'a>,
        target: Option<&'env Target>,
        jobs: Jobs<'env>,
    ) -> Self {
        let extras = extras::Extraneous::default();
        let (current, fresh) = (None, HashSet::new());
        Self {
            shared,
            selection,
            target,
            jobs,
            groups: Groups::default(),
            end: PassEnd::default(),
            current,
            fresh,
            extras,
        }
    }

    pub(super) fn forward(&mut self, cursor: Cursor) -> Result<PassEnd> {
        for entry in cursor {
            self.shared.check()?;
            let entry = match entry {
                Ok(entry) => entry,
                // The node's entries are lost; the rest of the tree is not.
                Err(error) if error.is_damage() => {
                    self.extras.distrust();
                    self.shared.failed(b"", error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            if self.selection.is_past(&entry) {
                break;
            }
            let Some(path) = self.selection.relative(&entry) else { continue };
            self.entry(entry, path)?;
        }
        self.finish_extras()?;
        Ok(std::mem::take(&mut self.end))
    }

    pub(super) fn entry(&mut self, entry: Entry, path: Vec<u8>) -> Result<()> {
        let takes = self.selection.takes(&entry);
        self.note_for_extras(&path)?;
        if !takes {
            return Ok(());
        }
        if path.is_empty() {
            // The top folder itself exists; its metadata is applied on the way back.
            return Ok(());
        }
        if let Err(error) = self.place(entry, &path) {
            self.shared.failed(&path, error);
        }
        Ok(())
    }

    pub(super) fn place(&mut self, entry: Entry, path: &[u8]) -> Result<()> {
        let (parent, name) = order::split(path);
        self.enter(parent)?;
        let (_, directory, is_fresh) = self.current.as_ref().expect("`enter` sets it");
        let (directory, is_fresh) = (directory.clone(), *is_fresh);
        let shares = match self.groups.role(&entry, path, directory.as_ref().filter(|_| !is_fresh))? {
            Role::First(shares) => shares,
            Role::Later(first) => {
                self.end.links.push((path.to_vec(), first, entry.metadata.link_group.unwrap_or_default()));
                return Ok(());
            }
        };
        let Some(directory) = directory else {
            // A dry run below a folder that does not exist.
            self.shared.changed(path, Change::Created);
            self.shared.bytes.fetch_add(entry.metadata.size, Ordering::Relaxed);
            if entry.metadata.file_type == FileType::Directory {
                self.fresh.insert(path.to_vec());
            }
            return Ok(());
        };
        if entry.metadata.file_type == FileType::Directory {
            return self.folder(&directory, path, name, is_fresh);
        }
        let job = FileJob { directory, entry, path: path.to_vec(), name: name.to_vec(), is_fresh, shares };
        self.jobs.add(job)
    }

    /// Makes `folder` the current one, making it and its parents first if the filter left them out.
    pub(super) fn enter(&mut self, folder: &[u8]) -> Result<()> {
        if self.current.as_ref().is_some_and(|(current, ..)| current == folder) {
            return Ok(());
        }
        let is_fresh = self.fresh.remove(folder);
        // Nothing is there, or a dry run leaves there what a restore would have replaced by a folder.
        let Some(target) = self.target.filter(|_| !is_fresh || self.shared.options.mode == Mode::Write) else {
            self.current = Some((folder.to_vec(), None, true));
            return Ok(());
        };
        let directory = match target.directory(folder) {
            Ok(directory) => Some(directory),
            Err(error) if error.kind == TargetErrorKind::NotFound => match self.shared.options.mode {
                Mode::DryRun => None,
                Mode::Write => Some(self.make_parents(target, folder)?),
            },
            Err(error) => return Err(error.into()),
        };
        self.current = Some((folder.to_vec(), directory, is_fresh));
        Ok(())
    }

    pub(super) fn make_parents(&mut self, target: &Target, folder: &[u8]) -> Result<Directory> {
        let mut directory = target.directory(b"")?;
        let mut at = Vec::new();
        for name in folder.split(|byte| *byte == b'/') {
            at = order::join(&at, name);
            directory.make_directory(name)?;
            directory = directory.open_directory(name)?;
            self.end.parents.insert(at.clone());
        }
        Ok(directory)
    }

    pub(super) fn folder(
        &mut self,
        directory: &Directory,
        path: &[u8],
        name: &[u8],
        parent_is_fresh: bool,
    ) -> Result<()> {
        let existing = if parent_is_fresh { None } else { directory.existing(name)? };
        let is_folder = existing.is_some_and(|existing| existing.file_type == FileType::Directory);
        // An empty folder with a file system mounted on it was saved without what is in there: `backup --one-file-system`.
        if existing.filter(|_| is_folder).is_some_and(|existing| directory.is_same_file_system(&existing)) {
            self.extras.expect(path);
        }
        if self.shared.options.mode == Mode::DryRun {
            if !is_folder {
                self.shared.changed(path, Change::Created);
                self.fresh.insert(path.to_vec());
            }
            return Ok(());
        }
        if let Some(existing) = existing.filter(|_| !is_folder) {
            self.shared.clear(directory, name, &existing)?;
        }
        if is_folder {
            // Whatever its mode was, the restore needs to write into it; the walk back sets the mode.
            directory.make_directory(name)?;
        } else {
            directory.make_directory(name)?;
            self.fresh.insert(path.to_vec());
            self.shared.changed(path, Change::Created);
        }
        Ok(())
    }
}
