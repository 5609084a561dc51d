// SPDX-License-Identifier: MIT OR Apache-2.0
//! Deleting what the target has and the snapshot does not (`--delete`), folder by folder while the tree goes by.
//! Never deletes where the snapshot could not be read completely: what is not known to be extra stays.

use std::collections::{BTreeSet, HashSet};

use keepfast_repo_format::tree::entry::FileType;
use keepfast_repo_format::tree::order;

use super::pass::Pass;
use super::{Change, Extras, Mode};
use crate::error::Result;
use crate::target::TargetErrorKind;

/// Names of the snapshot in the folder that goes by, and folders whose names have not come yet.
#[derive(Default)]
pub(super) struct Extraneous {
    folder: Option<Vec<u8>>,
    names: HashSet<Vec<u8>>,
    /// Existing folders whose entries have not come by; at the end these are empty in the snapshot.
    expected: BTreeSet<Vec<u8>>,
    /// A node of the tree is lost: nobody knows what it held.
    distrusted: bool,
}

impl Extraneous {
    pub(super) fn expect(&mut self, folder: &[u8]) {
        self.expected.insert(folder.to_vec());
    }

    pub(super) fn distrust(&mut self) {
        self.distrusted = true;
    }
}

impl Pass<'_, '_> {
    fn deletes(&self) -> bool {
        self.shared.options.extras == Extras::Delete && self.target.is_some()
    }

    /// Takes note of a path of the snapshot; a new folder ends the one before.
    pub(super) fn note_for_extras(&mut self, path: &[u8]) -> Result<()> {
        if !self.deletes() || path.is_empty() {
            return Ok(());
        }
        let (folder, name) = order::split(path);
        if self.extras.folder.as_deref() != Some(folder) {
            self.delete_extras()?;
            self.extras.folder = Some(folder.to_vec());
        }
        self.extras.names.insert(name.to_vec());
        Ok(())
    }

    /// Ends the last folder, and those that are empty in the snapshot.
    pub(super) fn finish_extras(&mut self) -> Result<()> {
        if !self.deletes() {
            return Ok(());
        }
        self.delete_extras()?;
        for folder in std::mem::take(&mut self.extras.expected) {
            self.extras.folder = Some(folder);
            self.delete_extras()?;
        }
        Ok(())
    }

    fn delete_extras(&mut self) -> Result<()> {
        let names = std::mem::take(&mut self.extras.names);
        let (Some(folder), Some(target)) = (self.extras.folder.take(), self.target) else { return Ok(()) };
        self.extras.expected.remove(&folder);
        if self.extras.distrusted {
            return Ok(());
        }
        let directory = match target.directory(&folder) {
            Ok(directory) => directory,
            // In a dry run something may be there that a restore would have replaced by the folder.
            Err(error) if error.kind == TargetErrorKind::NotFound || self.shared.options.mode == Mode::DryRun => {
                return Ok(());
            }
            Err(error) => {
                self.shared.failed(&folder, error.into());
                return Ok(());
            }
        };
        for name in directory.names()? {
            let path = order::join(&folder, &name);
            if names.contains(&name) || !self.may_delete(&directory, &name, &path) {
                continue;
            }
            if self.shared.options.mode == Mode::Write
                && let Err(error) = directory.remove(&name)
            {
                self.shared.failed(&path, error.into());
                continue;
            }
            self.shared.changed(&path, Change::Deleted);
        }
        Ok(())
    }

    /// What the filter does not take is not the restore's business.
    fn may_delete(&self, directory: &crate::target::Directory, name: &[u8], path: &[u8]) -> bool {
        let filter = &self.shared.options.filter;
        if filter.takes_all() {
            return true;
        }
        let existing = directory.existing(name).ok().flatten();
        let is_folder = existing.is_some_and(|existing| existing.file_type == FileType::Directory);
        filter.takes(&order::join(&self.selection.prefix, path), is_folder)
    }
}
