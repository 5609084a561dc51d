// SPDX-License-Identifier: MIT OR Apache-2.0
//! Deleting what the target has and the snapshot does not (`--delete`), folder by folder while the tree goes by.
//! Never deletes where the snapshot could not be read completely: what is not known to be extra stays.

use std::collections::{BTreeSet, HashSet};

use keepfast_repo_format::manifest::ProblemCode;
use keepfast_repo_format::tree::entry::FileType;
use keepfast_repo_format::tree::order;

use super::pass::Pass;
use super::spared::MayGo;
use super::{Change, Extras, Mode};
use crate::error::Result;
use crate::target::{Directory, Existing, Target, TargetErrorKind};

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

/// Whether something is still there after its deletion.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stays {
    Yes,
    No,
    /// A folder of which only a part may go: that is seen later.
    Perhaps,
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
        let mut inside = Vec::new();
        for name in directory.names()? {
            if !names.contains(&name) {
                self.delete(&directory, &name, &order::join(&folder, &name), &mut inside);
            }
        }
        self.delete_parts(target, inside)
    }

    /// Deletes what is extra, or puts it on the list of folders of which only a part may go; says whether it will stay.
    fn delete(&self, directory: &Directory, name: &[u8], path: &[u8], inside: &mut Vec<Vec<u8>>) -> Stays {
        let existing = match directory.existing(name) {
            Ok(Some(existing)) => existing,
            Ok(None) => return Stays::No,
            Err(error) => {
                self.shared.failed(path, error.into());
                return Stays::Yes;
            }
        };
        match self.may_go(&existing, path) {
            MayGo::Nothing => return Stays::Yes,
            MayGo::Unread => {
                let text = "it is not deleted: it could not be read when the snapshot was made".to_string();
                self.shared.problem(path.to_vec(), ProblemCode::Unreadable, text);
                return Stays::Yes;
            }
            MayGo::Parts | MayGo::All
                if existing.file_type == FileType::Directory && !directory.is_same_file_system(&existing) =>
            {
                let text = "it is not deleted: another file system is mounted there".to_string();
                self.shared.problem(path.to_vec(), ProblemCode::Unreadable, text);
                return Stays::Yes;
            }
            MayGo::Parts if existing.file_type == FileType::Directory => {
                inside.push(path.to_vec());
                return Stays::Perhaps;
            }
            MayGo::Parts | MayGo::All => {}
        }
        if self.shared.options.mode == Mode::Write
            && let Err(error) = directory.remove(name)
        {
            self.shared.failed(path, error.into());
            return Stays::Yes;
        }
        self.shared.changed(path, Change::Deleted);
        Stays::No
    }

    /// Goes through the folders of which only a part may go, and those in them; what is empty then goes, too.
    fn delete_parts(&self, target: &Target, mut folders: Vec<Vec<u8>>) -> Result<()> {
        let (mut at, mut staying) = (0, HashSet::new());
        // Each folder comes after the one that it is in.
        while let Some(path) = folders.get(at).cloned() {
            self.shared.check()?;
            at += 1;
            let names = target.directory(&path).and_then(|directory| Ok((directory.names()?, directory)));
            match names {
                Ok((names, directory)) => {
                    for name in names {
                        let stays = self.delete(&directory, &name, &order::join(&path, &name), &mut folders);
                        if stays == Stays::Yes {
                            staying.insert(path.clone());
                        }
                    }
                }
                Err(error) => {
                    self.shared.failed(&path, error.into());
                    staying.insert(path);
                }
            }
        }
        for path in folders.into_iter().rev() {
            let (parent, name) = order::split(&path);
            if staying.contains(&path) || !self.delete_emptied(target, parent, name, &path) {
                staying.insert(parent.to_vec());
            }
        }
        Ok(())
    }

    fn delete_emptied(&self, target: &Target, parent: &[u8], name: &[u8], path: &[u8]) -> bool {
        if self.shared.options.mode == Mode::Write {
            match target.directory(parent).and_then(|parent| parent.remove_empty(name)) {
                Ok(true) => {}
                Ok(false) => return false,
                Err(error) => {
                    self.shared.failed(path, error.into());
                    return false;
                }
            }
        }
        self.shared.changed(path, Change::Deleted);
        true
    }

    /// What the filter does not take is not the restore's business, nor what is in an extra folder and not taken.
    fn may_go(&self, existing: &Existing, path: &[u8]) -> MayGo {
        let (filter, path) = (&self.shared.options.filter, order::join(&self.selection.prefix, path));
        if !filter.takes_all() && !filter.takes(&path, existing.file_type == FileType::Directory) {
            return MayGo::Nothing;
        }
        match self.shared.spares.of(existing, &path) {
            MayGo::All if filter.leaves_out_parts() => MayGo::Parts,
            may_go => may_go,
        }
    }
}
